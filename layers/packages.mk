# How the layers of third-party packages are built: `$(call packages,REQUIREMENTS)` installs what is pinned there into
# $(ARTIFACTS_DIR)/python. Included by layers/*/Makefile, which run in their own folders.
#
# The wheels must fit the functions' runtime and processor, not this machine's:
#   ARCHITECTURE, RUNTIME   as the template's parameters of these names; the defaults are the template's
#   LAYER_PYTHON            an interpreter on this machine to build for instead (the local stack's emulator)
ARCHITECTURE ?= arm64
include ../bytecode.mk

# Amazon Linux 2023 has glibc 2.34; these two name wheels for glibc 2.28 and older.
PLATFORM_arm64 := aarch64-unknown-linux-gnu
PLATFORM_x86_64 := x86_64-unknown-linux-gnu
PLATFORM := $(PLATFORM_$(ARCHITECTURE))

ifneq ($(LAYER_PYTHON),)
TARGET := --python "$(LAYER_PYTHON)"
else
TARGET := --python-version "$(patsubst python%,%,$(RUNTIME))" --python-platform "$(PLATFORM)"
endif

# Not needed to run, and a cold start unpacks every file: byte code of another version, type stubs and C sources, scripts, and
# of the metadata all but the versions and the licences.
define packages
	@test -n "$(PLATFORM)" || { echo "ARCHITECTURE must be arm64 or x86_64, not '$(ARCHITECTURE)'" >&2; exit 2; }
	$(UV) pip install --quiet --require-hashes --only-binary :all: --no-deps $(TARGET) \
	    --target "$(ARTIFACTS_DIR)/python" --requirements "$(1)"
	rm -rf "$(ARTIFACTS_DIR)/python/bin" "$(ARTIFACTS_DIR)/python/.lock"
	find "$(ARTIFACTS_DIR)/python" -type d \( -name __pycache__ -o -name tests \) -prune -exec rm -rf {} +
	find "$(ARTIFACTS_DIR)/python" -type f \( -name '*.pyc' -o -name '*.pyi' -o -name '*.c' -o -name '*.h' \
	    -o -path '*.dist-info/RECORD' -o -path '*.dist-info/INSTALLER' -o -path '*.dist-info/REQUESTED' \
	    -o -path '*.dist-info/WHEEL' -o -path '*.dist-info/top_level.txt' \) -exec rm -f {} +
	$(call bytecode)
endef
