#!/bin/sh
# Bring this checkout's tools and environments up, from a machine that has a shell and make: `make setup` runs this.
# `bootstrap.sh checkov` brings up the scanner of the template besides, which only `make check-template` needs.
# `bootstrap.sh release` brings up what `make package` needs and nothing else: no program of the system but Python.
#
# Nothing happens when nothing is missing (a fraction of a second). What is missing is installed into the checkout, and
# what only the system can provide with apt-get, as root or by sudo when it asks for no password; else the command to type
# is named. Nothing of the user's own settings is touched.
#
#   .local/uv         uv itself, pinned and hashed (requirements/uv.txt)
#   .venv             development (requirements/dev.txt) and this project
#   .local/containerd containerd, where the system has none (26 MB to fetch): a test pulls with it
#   .local/emulator   the AWS emulator alone: functions run under its interpreter (requirements/emulator.txt)
#   .local/sam        the SAM CLI (requirements/sam.txt)
#   .local/checkov    the scanner of the template, where it is asked for (requirements/checkov.txt)
#   .local/release    what builds a release, where it is asked for (requirements/release.txt)
#
# PYTHON names the interpreter to use; without it the first of python3, python3.14 … python3.11 that fits is taken.
set -eu

cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# ── what only the system provides ──────────────────────────────────────────────────────────────────────────────

# find_root PACKAGE...: set `as_root` to what makes a command root's, or say what to type.
find_root() {
    command -v apt-get >/dev/null 2>&1 ||
        fail "Missing: $*. Install them with this system's package manager (these are Debian's names)."
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        fail "Missing: $*. Type: sudo apt-get update && sudo apt-get install --no-install-recommends $*"
    fi
}

# apt PACKAGE...: install them, or say what to type.
apt() {
    find_root "$@"
    say "Installing $* with apt-get"
    # Package lists may be absent or old: then once more with new ones.
    apt_get install "$@" 2>/dev/null || { apt_get update && apt_get install "$@"; } ||
        fail "apt-get could not install $*: the lines above say why."
}

# The log is shown only when something failed.
apt_get() {
    action=$1
    shift
    log=$(mktemp)
    # shellcheck disable=SC2086 # as_root is two words or none
    if $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends "$action" "$@" \
        </dev/null >"$log" 2>&1; then
        rm -f "$log"
    else
        tail -n 15 "$log" >&2
        rm -f "$log"
        return 1
    fi
}

# has PROGRAM...: is one of them here?
has() {
    for one in "$@"; do
        if PATH="$PATH:/usr/sbin:/usr/bin" command -v "$one" >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

# The programs that the local stack runs. Debian's registry package also starts a registry of its own: not ours.
programs() {
    missing=
    for program in docker-registry skopeo; do
        has "$program" || missing="$missing $program"
    done
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086 # a list of names
    apt $missing
    case $missing in
    *docker-registry*)
        if [ -d /run/systemd/system ]; then
            $as_root systemctl disable --now docker-registry >/dev/null 2>&1 || true
        fi
        ;;
    esac
}

# The tests of the dashboard open a browser, and nothing else does: this ends nothing. tests/e2e/browser.py looks for the
# same names.
browser() {
    missing=
    has chromium google-chrome google-chrome-stable chrome chromium-browser || missing=chromium
    has chromedriver || missing="$missing chromium-driver"
    [ -n "$missing" ] || return 0
    case $(cat /etc/os-release 2>/dev/null) in
    *ubuntu*)
        # Its packages of these names are empty and install a snap, which does not run in a container.
        say "Missing: chromium or google-chrome, with its chromedriver. Ubuntu has no package of them but a snap."
        say "Install Google Chrome's own package, and put the chromedriver of the same version on PATH:"
        fail "https://googlechromelabs.github.io/chrome-for-testing/"
        ;;
    esac
    # shellcheck disable=SC2086 # a list of names
    apt $missing
}

# containerd's package would start a daemon, and needs no rights to be unpacked: two programs of it are wanted. One test
# pulls with them, and is left out without them. So this ends nothing else, and as `set -e` does not count in what is
# tried, each step hangs on the one before.
unpack_containerd() {
    PATH="$PATH:/usr/sbin:/usr/bin"
    if command -v containerd >/dev/null 2>&1 && command -v ctr >/dev/null 2>&1; then return 0; fi
    if [ -x .local/containerd/usr/bin/ctr ]; then return 0; fi
    command -v dpkg-deb >/dev/null 2>&1 ||
        fail "Missing: containerd. Install it with this system's package manager."
    say "Fetching containerd (26 MB)"
    rm -rf .local/containerd .local/containerd.part
    mkdir -p .local/containerd.part &&
        # Package lists may be absent or old, and only root gets new ones.
        { fetch_containerd 2>/dev/null || { find_root containerd && apt_get update && fetch_containerd; }; } ||
        fail "apt-get could not fetch containerd: the lines above say why."
    dpkg-deb --fsys-tarfile .local/containerd.part/containerd_*.deb |
        tar -x -C .local/containerd.part ./usr/bin/containerd ./usr/bin/ctr &&
        rm -f .local/containerd.part/containerd_*.deb &&
        mv .local/containerd.part .local/containerd
}

# apt-get itself proves that it is the archive's.
fetch_containerd() { (cd .local/containerd.part && apt-get -q download containerd >/dev/null); }

# fits PYTHON: is it one of the versions that Lambda has too?
fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1
}

# Set `python` to an interpreter that fits and can make environments.
find_python() {
    without_venv=
    for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        fits "$python" || continue
        "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 && return 0
        without_venv=${without_venv:-$python}
    done
    [ -z "${PYTHON:-}" ] || [ -n "$without_venv" ] || fail "PYTHON=$PYTHON is not a Python 3.11 to 3.14."
    # Debian keeps venv in a package of its own.
    if [ -n "$without_venv" ]; then
        python=$without_venv
        apt "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    else
        python=python3.11
        apt python3.11 python3.11-venv
    fi
    "$python" -c 'import ensurepip, venv' || fail "$python cannot make environments; set PYTHON to one that can."
}

# ── environments ───────────────────────────────────────────────────────────────────────────────────────────────

# stamp FILE...: what an environment was made from.
stamp() { cat "$@" | cksum; }

# is_current FOLDER FILE...: does the environment run, and was it made from these files?
is_current() {
    folder=$1
    shift
    [ -f "$folder/.made-from" ] && [ "$(cat "$folder/.made-from")" = "$(stamp "$@")" ] &&
        "$folder/bin/python" -c '' >/dev/null 2>&1
}

make_uv() {
    is_current .local/uv requirements/uv.txt && return 0
    say "Installing uv"
    find_python
    rm -rf .local/uv
    mkdir -p .local
    "$python" -m venv .local/uv
    .local/uv/bin/python -m pip --disable-pip-version-check install --quiet --no-input --require-hashes \
        --only-binary :all: --requirement requirements/uv.txt
    stamp requirements/uv.txt >.local/uv/.made-from
}

# environment FOLDER NAME [FILE]: an environment with exactly what requirements/NAME.txt pins, made anew when that or
# FILE is another one.
environment() {
    is_current "$1" "requirements/$2.txt" ${3:+"$3"} && return 0
    say "Installing requirements/$2.txt into $1"
    # Of the interpreter that uv's own environment has, so that all of them are of one version.
    if ! fits "$1/bin/python"; then
        rm -rf "$1"
        .local/uv/bin/uv venv --quiet --no-project --no-python-downloads --python .local/uv/bin/python "$1"
    fi
    rm -f "$1/.made-from"
    .local/uv/bin/uv pip sync --quiet --require-hashes --python "$1/bin/python" "requirements/$2.txt"
    if [ "$2" = dev ]; then
        # The project itself, for the command `geosync`; its builder is pinned in dev.txt, so nothing is fetched.
        .local/uv/bin/uv pip install --quiet --no-deps --no-build-isolation --offline --python "$1/bin/python" --editable .
    fi
    stamp "requirements/$2.txt" ${3:+"$3"} >"$1/.made-from"
}

if [ "${1:-}" = release ]; then
    make_uv
    environment .local/release release
    exit 0
fi
programs
( browser ) || say "Without a browser the tests of the dashboard fail; all else works"
( unpack_containerd ) || say "Without containerd the test of its pulls is left out"
make_uv
environment .venv dev pyproject.toml
environment .local/emulator emulator
environment .local/sam sam
[ "${1:-}" != checkov ] || environment .local/checkov checkov
