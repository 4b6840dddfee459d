# In a guest that vmtest drives: sh START NETWORK ROOTFS SHM PYTHON PATH ORDER
# Goes by the share alone: what it needs lies there, and what came of it is written there, `done` when all is,
# and `synced` when the disk holds what the next command finds.
set -eu
share=/mnt/vmtest disk=/var/lib/noxlib
network=$1
shift
exec >>"$share/said" 2>&1
: >"$share/clock" # the file's time is the time of the machine that shares it: saved RAM knows an older one
date -u -s "@$(stat -c %Y "$share/clock")" >/dev/null
{ uname -r; . /etc/os-release; echo "${PRETTY_NAME:-$NAME}"; } >"$share/.machine"
mv "$share/.machine" "$share/machine"
blockdev --flushbufs /dev/vdb
mkdir -p "$disk"
mount -t ext4 -o noatime /dev/vdb "$disk"
run=$disk/runs/run
if [ ! -d "$run" ]; then
    mkdir -p "$disk/runs"
    mkdir -m 755 "$run" "$run/workspace" "$run/site" "$run/lib" "$run/root" "$run/run"
    tar -C "$run" -xpf "$share/files.tar" --numeric-owner
    : >"$run/unpacked"
fi
mount --bind "$share/run" "$run/run"
mkfifo /run/words
# The supervisor takes the end of its input for the end of its caller: this holds it open, and passes on what is said.
(
    exec >/run/words
    while [ ! -e "$share/stop" ]; do sleep 0.2; done
    cat "$share/stop"
    sleep infinity
) &
words=$!
rootfs=$1
shift
code=0
# shellcheck disable=SC2086
unshare --mount --pid --fork --kill-child $network \
    busybox sh "$share/enter" "$rootfs" "$run" "$@" </run/words >>"$share/output" 2>&1 || code=$?
kill "$words"
cd "$run"
find workspace -mindepth 1 -print0 >"$share/names"
find workspace \( -type f -o -type l \) -cnewer unpacked -print0 |
    tar --null --no-recursion -T - --numeric-owner -cf "$share/changed.tar"
echo "$code" >"$share/done"
cd /
umount "$run/run"
umount "$disk"
sync
: >"$share/synced"
