# Byte code for a layer, so that a cold start does not compile what it imports: `$(call bytecode)` compiles everything in
# $(ARTIFACTS_DIR)/python. Included by layers/*/Makefile and packages.mk.
#
#   RUNTIME        as the template's parameter of this name; the default is the template's
#   LAYER_PYTHON   an interpreter on this machine to build for instead (the local stack's emulator)
#
# Byte code is for one version of Python, and for any processor. uv finds that version on this machine, or fetches it.
# Where neither works the layer goes without: it runs as well, and each cold start compiles. BYTE_CODE=none goes without
# from the start.
RUNTIME ?= python3.14
LAYER_PYTHON ?=

# The project's own uv (make setup), else the one on the PATH.
UV ?= $(firstword $(wildcard ../../.local/uv/bin/uv) uv)

BYTECODE_PYTHON = $(or $(LAYER_PYTHON),$(patsubst python%,%,$(RUNTIME)))

# The same sources give the same bytes: no time of a file is in them (they are not compared with their sources, which no
# function can change), no order that hashes give, and the path is the function's, not this machine's.
ifeq ($(BYTE_CODE),none)
bytecode = @:
else
define bytecode
	PYTHONHASHSEED=0 $(UV) run --quiet --no-project --python "$(BYTECODE_PYTHON)" python -m compileall -q -j 1 \
	    --invalidation-mode unchecked-hash -s "$(ARTIFACTS_DIR)/python" -p /opt/python "$(ARTIFACTS_DIR)/python" || { \
	    find "$(ARTIFACTS_DIR)/python" -name __pycache__ -prune -exec rm -rf {} + ; \
	    echo "No Python $(BYTECODE_PYTHON) for the byte code of this layer: cold starts compile it." >&2; }
endef
endif
