# Installs a package on a copy of this machine's file system that is thrown away, starts systemd there, and has it run the service:
# unshare -m -p -n -u -i -C --propagation private --fork bash boot.sh EMPTY-FOLDER PACKAGE. The lines of EMPTY-FOLDER/told begin
# with what they tell of.
set -eu
scratch=$1 package=$2
# In namespaces of our own alone: what follows is meant for a machine that is thrown away.
[ $$ = 1 ]

mkdir "$scratch/upper" "$scratch/told"
mount -t tmpfs scratch "$scratch/upper"
mkdir "$scratch/upper/upper" "$scratch/upper/work" "$scratch/upper/root"
root=$scratch/upper/root
mount -t overlay scratch -o "lowerdir=/,upperdir=$scratch/upper/upper,workdir=$scratch/upper/work" "$root" || {
    echo 'skipped: no overlay file system here'
    exit
}
mount -t proc proc "$root/proc"
cp "$package" "$root/package.deb"
chroot "$root" bash -c 'DEBIAN_FRONTEND=noninteractive dpkg --force-depends -i /package.deb' >&2

# Nothing of this machine's is started, and nothing of its kernel is changed.
rm -rf "$root"/lib/systemd/system/*.wants "$root"/etc/systemd/system/*.wants
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys"
mount -t tmpfs run "$root/run"
mount -t sysfs -o ro sys "$root/sys"
mountpoint -q "$root/sys/fs/cgroup" || mount -t tmpfs groups "$root/sys/fs/cgroup"
mount -t cgroup2 none "$root/sys/fs/cgroup" || {
    echo 'skipped: no control groups here'
    exit
}
mount -t tmpfs dev "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm" "$root/dev/pts" "$root/told"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount --bind "$scratch/told" "$root/told"
touch "$root/dev/console" "$root/dev/kmsg"
mount --bind /dev/null "$root/dev/kmsg"
touch "$scratch/console"
mount --bind "$scratch/console" "$root/dev/console"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"

ip link set lo up
ip link add near type veth peer name mirror
ip link set near arp off up
ip link set mirror arp off up
ip addr add 10.9.0.1/24 dev near

cat >"$root/etc/systemd/system/trial.target" <<'TARGET'
[Unit]
DefaultDependencies=no
Wants=trial.service
TARGET
cat >"$root/etc/systemd/system/trial.service" <<'SERVICE'
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/bash /trial.sh
StandardOutput=file:/told/trial
StandardError=file:/told/errors
SERVICE
cat >"$root/trial.sh" <<'TRIAL'
service=stp-audit-capture@mirror
tell() { sed "s/^/$1: /"; }
systemctl start $service
for attempt in $(seq 100); do
    ls /var/lib/stp-audit/*.part >/dev/null 2>&1 && break
    sleep 0.1
done
process=$(systemctl show -p MainPID --value $service)
stat -c %U "/proc/$process" | tell user
grep -E '^(CapEff|CapAmb|NoNewPrivs|Seccomp):' "/proc/$process/status" | tr '\t' ' ' | tell status
exec 3>/dev/udp/10.9.0.7/9
for packet in $(seq 200); do echo -n "$packet" >&3; done
sleep 2
systemctl stop $service
systemctl show -p Result --value $service | tell ended
stat -c '%A %U:%G' /var/lib/stp-audit /var/lib/stp-audit/*.pcapng | tell files
stp-audit infer -f 'udp port 9' /var/lib/stp-audit/*.pcapng | head -n 1 | grep -o '[0-9]* packets' | tell recorded
# An interface that was pulled out comes back some day.
systemctl start $service
ip link del near
for attempt in $(seq 100); do
    case $(systemctl show -p SubState --value $service) in auto-restart) break ;; esac
    sleep 0.1
done
systemctl show -p SubState --value $service | tell 'pulled out'
systemctl --no-block stop $service
touch /told/whole
systemctl --force --force poweroff
TRIAL
exec chroot "$root" env -i container=trial PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=trial.target --log-target=null --show-status=0
