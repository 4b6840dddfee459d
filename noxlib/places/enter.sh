# Enters a testground's file system for one command: sh -c THIS enter ROOTFS RUN SHM PYTHON PATH ORDER
# Run by `unshare --mount --pid --fork`: every mount below is this command's own, and is gone when it ends.
set -eu
rootfs=$1 run=$2 shm=$3 python=$4 path=$5 order=$6
root=$run/root
mount -t tmpfs -o mode=755 noxlib "$root"
mkdir "$root/upper" "$root/work" "$root/merged"
# What the tests write outside the workspace goes to memory, and the file system is a fresh one for each command.
mount -t overlay -o "lowerdir=$rootfs,upperdir=$root/upper,workdir=$root/work" noxlib "$root/merged"
cd "$root/merged"
mkdir -p proc sys dev tmp etc workspace home/noxlib opt/noxlib/run opt/noxlib/site opt/noxlib/lib
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o "mode=1777$shm" noxlib dev/shm
mount -t tmpfs -o mode=1777 noxlib home/noxlib
mount --bind "$run/workspace" workspace
mount --bind "$run/run" opt/noxlib/run
for part in site lib; do
    mount --bind "$run/$part" "opt/noxlib/$part"
    mount -o remount,bind,ro "opt/noxlib/$part"
done
for file in resolv.conf hosts hostname; do
    if [ -e "/etc/$file" ]; then
        rm -f "etc/$file"
        cat "/etc/$file" >"etc/$file"
    fi
done
exec chroot . /usr/bin/env -i PATH="$path" "$python" -I -S -B /opt/noxlib/lib/noxlib_inside/supervise.py "$order"
