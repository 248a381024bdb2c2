# Installs a package for real, maintainer scripts and all, on a copy of this machine's file system that is thrown away:
# unshare -m --propagation private bash install.sh EMPTY-FOLDER PACKAGE. Each line begins with what it tells of.
set -eu
scratch=$1 package=$2

# Not every file system can be the upper one; tmpfs can.
mount -t tmpfs scratch "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay scratch -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root" || {
    echo 'skipped: no overlay file system here'
    exit
}
mount -t proc proc "$scratch/root/proc"
cp "$package" "$scratch/root/package.deb"
inside() { chroot "$scratch/root" bash -c "$1"; }
tell() { sed "s/^/$1: /"; }

# Dependencies of what the lower system has are not what is tried here.
inside 'DEBIAN_FRONTEND=noninteractive dpkg --force-depends -i /package.deb' >&2
inside 'stat -c "%A %U:%G" /usr/bin/stp-audit' | tell everybodys
inside 'stat -c "%A %U:%G" /usr/bin/stp-audit-capture' | tell recorders
inside 'getcap /usr/bin/stp-audit-capture' | tell capability
inside 'useradd -m -G stp-audit member && useradd -m stranger'
inside 'su stranger -s /bin/bash -c "stp-audit --version"' | tell stranger
inside 'su stranger -s /bin/bash -c "stp-audit-capture -D" 2>&1 || true' | tell 'stranger records'
# A member records what is sent until there is enough, without root, and without a right left while doing so.
inside 'su member -s /bin/bash -c "stp-audit-capture -i lo -f \"udp port 9\" -c 3 -w ~/x.pcapng" 2>&1 &
    while kill -0 $! 2>/dev/null; do printf x >/dev/udp/127.0.0.1/9 || true; sleep 0.1; done; wait $!' | tell 'member records'
inside 'stat -c "%A %U" ~member/x.pcapng' | tell 'the recording'
inside 'dpkg -r stp-audit' >&2
inside 'ls /usr/bin/stp-audit* 2>/dev/null || echo nothing' | tell 'left of the programs'
inside 'ls /etc/default/stp-audit-capture' | tell 'left of the settings'
inside 'dpkg -P stp-audit' >&2
inside 'ls /etc/default/stp-audit-capture 2>/dev/null || echo nothing' | tell 'left of the settings, purged'
