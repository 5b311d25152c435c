#!/bin/sh
# Pin what requirements/*.in ask for, with hashes, into requirements/*.txt (`make lock`).
#
#   lock.sh             keep the pins that still fit
#   lock.sh --upgrade   take the newest versions
#   lock.sh --check     only see that each .txt was made from its .in as it is now; needs no network
#
# The digest in a lock's first lines says what it was made from.
set -eu

cd "$(dirname "$0")/../requirements"
uv=../.local/uv/bin/uv

# inputs NAME: the .in file, and the locks that dev.in includes.
inputs() {
    case $1 in
    dev) echo dev.in layer.txt admin.txt release.txt ;;
    *) echo "$1.in" ;;
    esac
}

# header NAME: what the lock has to say of its origin.
header() {
    # shellcheck disable=SC2046 # a list of names
    echo "make lock (from $(inputs "$1"), cksum $(cat $(inputs "$1") | cksum | cut -d' ' -f1))"
}

# First what the development environment has too, in the same versions.
for name in layer admin release dev emulator sam checkov uv; do
    case ${1:-} in
    --check)
        if ! head -n 2 "$name.txt" | grep -qF "$(header "$name")"; then
            echo "requirements/$name.txt was not made from $name.in as it is: make lock" >&2
            exit 1
        fi
        ;;
    '' | --upgrade)
        "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes ${1:-} \
            --custom-compile-command "$(header "$name")" --output-file "$name.txt" "$name.in"
        ;;
    *)
        sed -n '2,8p' "../local/lock.sh" >&2
        exit 2
        ;;
    esac
done
