#!/bin/sh
# Runs a command with its temporary files in memory, where there is room for them. Registries wait for the disk with
# every file that they write, and to have it written takes a third of their processor time.
# The files go with the command. Those of one that failed stay until the next one begins.
#
#   sh local/in_memory.sh COMMAND…
set -u

WITH=/dev/shm/geosync-tests
FREE_GIB=8       # a whole run leaves some 5 GiB
AVAILABLE_GIB=12 # and the machine has work to do beside

has_room() {
	free_kib=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $1 == "tmpfs" { print $4 }')
	available_kib=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo 2>/dev/null)
	[ "${free_kib:-0}" -ge $((FREE_GIB * 1048576)) ] && [ "${available_kib:-0}" -ge $((AVAILABLE_GIB * 1048576)) ]
}

# Layers with machine code are unpacked there.
may_run() {
	cp /bin/true "$1/true" 2>/dev/null && "$1/true" 2>/dev/null && rm "$1/true"
}

for left in "$WITH".*; do
	[ -O "$left" ] && ! kill -0 "${left##*.}" 2>/dev/null && rm -rf "$left"
done
folder=$WITH.$$
if ! has_room || ! mkdir -m 700 "$folder" 2>/dev/null; then
	exec "$@"
fi
if ! may_run "$folder"; then
	rm -rf "$folder"
	exec "$@"
fi
TMPDIR=$folder "$@"
status=$?
if [ $status -eq 0 ]; then
	rm -rf "$folder"
else
	echo "What it wrote is in $folder, in memory, until the next run." >&2
fi
exit $status
