//! A running `capture` in its sandbox: what it still may, seen from outside in /proc, and that it goes on recording, turning
//! its ring and telling its counters.
//!
//! On a pair of virtual interfaces in a network namespace of its own, which takes root; without, the tests say that they are
//! left out.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{chown, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};
use stp_audit::capture::{Options, Reader};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// A namespace in which what is sent through `near` is heard at `far`, 10.99.0.2 behind it.
struct Network(String);

impl Network {
    /// `None`, and a line that says so, where none can be made.
    fn make(name: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: a network namespace takes root");
            return None;
        }
        let network = Self(format!("stp-{name}-{}", std::process::id()));
        if !ran(Command::new("ip").args(["netns", "add", &network.0])) {
            println!("skipped: this machine makes no network namespaces");
            return None;
        }
        for words in [
            "link set lo up",
            "link add near type veth peer name far",
            "addr add 10.99.0.1/24 dev near",
            "link set near up",
            "link set far up",
            "neigh replace 10.99.0.2 lladdr 02:00:00:00:00:02 dev near nud permanent",
        ] {
            assert!(network.ip(words), "ip {words}");
        }
        Some(network)
    }

    fn ip(&self, words: &str) -> bool {
        let mut ip = Command::new("ip");
        ran(ip.args(["-n", &self.0]).args(words.split(' ')))
    }

    /// A command within, to which arguments can be added.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.0])
            .arg(program)
            .env_remove("SUDO_UID")
            .env_remove("SUDO_GID");
        command
    }

    /// Sends so many datagrams of 10 bytes to port 9.
    fn send(&self, datagrams: u32) {
        let line = format!(
            "for i in $(seq {datagrams}); do printf 0123456789 >/dev/udp/10.99.0.2/9; done"
        );
        assert!(ran(self.command("bash").args(["-c", &line])));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        ran(Command::new("ip").args(["netns", "del", &self.0]));
    }
}

fn ran(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

/// `capture` under way.
struct Recording {
    child: Child,
    said: PathBuf,
}

impl Recording {
    fn start(mut command: Command, folder: &Path) -> Self {
        let said = folder.join("said");
        command.stderr(File::create(&said).unwrap());
        let child = command.spawn().unwrap();
        Self { child, said }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    /// Waits until something is the case.
    fn until<T>(&mut self, what: &str, mut is: impl FnMut(&Self) -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(found) = is(self) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                begin.elapsed() < PATIENCE && ended.is_none(),
                "no {what}: {ended:?}, {}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn until_said(&mut self, words: &str) {
        self.until(words, |this| this.said().contains(words).then_some(()));
    }

    fn status(&self) -> BTreeMap<String, String> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let lines = status.lines().filter_map(|line| line.split_once(":\t"));
        lines
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    fn end(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "{}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder whose way is open to all.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// A folder `ring` in it of some user.
fn ring_of(folder: &TempDir, uid: u32) -> PathBuf {
    let ring = folder.path().join("ring");
    fs::create_dir(&ring).unwrap();
    chown(&ring, Some(uid), Some(uid)).unwrap();
    ring
}

/// The files in a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn packets(file: &Path) -> u64 {
    let mut source = Reader::open(&[file.to_owned()], &Options::default()).unwrap();
    let mut packets = 0;
    while source.next().unwrap().is_some() {
        packets += 1;
    }
    packets
}

const NONE: &str = "0000000000000000";

#[test]
fn a_ring_is_recorded_by_who_called_sudo_with_no_rights_left() {
    let Some(network) = Network::make("ring") else {
        return;
    };
    let folder = folder();
    let ring = ring_of(&folder, 65_010);
    let mut command = network.command(env!("CARGO_BIN_EXE_stp-audit"));
    command
        .args([
            "capture",
            "-i",
            "far",
            "-f",
            "udp port 9",
            "-b",
            "packets:50",
            "-w",
        ])
        .arg(ring.join("home.pcapng"))
        .env("SUDO_UID", "65010")
        .env("SUDO_GID", "65011");
    let mut recording = Recording::start(command, folder.path());
    recording.until_said("sandbox: ");
    recording.until_said("recording from far");
    assert!(
        recording.said().contains(&format!(
            "sandbox: user 65010 (uid 65010), no capabilities, no exec, no new sockets, writing in {} alone",
            ring.display()
        )),
        "{}",
        recording.said()
    );
    let status = recording.status();
    for (field, value) in [
        ("Uid", "65010\t65010\t65010\t65010"),
        ("Gid", "65011\t65011\t65011\t65011"),
        ("Groups", "65011"),
        ("CapInh", NONE),
        ("CapPrm", NONE),
        ("CapEff", NONE),
        ("CapBnd", NONE),
        ("CapAmb", NONE),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Threads", "1"),
    ] {
        assert_eq!(status[field], value, "{field}");
    }

    // It goes on: packets, the ring, counters, what becomes of the interface.
    network.send(120);
    recording.until("second file", |_| (files(&ring).len() == 3).then_some(()));
    recording.signal(rustix::process::Signal::USR1);
    recording.until_said("120 packets recorded, 120 received, 0 dropped by the kernel");
    assert!(network.ip("link set far down"));
    recording.until_said("far is down; recording goes on once it is up");
    assert!(network.ip("link set far up"));
    recording.until_said("far was down from ");
    network.send(10);
    recording.until("the last packets", |this| {
        this.signal(rustix::process::Signal::USR1);
        let said = this.said();
        said.contains("130 packets recorded, 130 received")
            .then_some(())
    });
    recording.signal(rustix::process::Signal::INT);
    assert_eq!(recording.end().code(), Some(0), "{}", recording.said());

    let files = files(&ring);
    let recorded: Vec<u64> = files.iter().map(|file| packets(file)).collect();
    assert_eq!(recorded, [50, 50, 30], "{files:?}");
    for file in &files {
        assert!(file.extension().is_some_and(|kind| kind == "pcapng"));
        let about = fs::metadata(file).unwrap();
        assert_eq!((about.uid(), about.gid()), (65_010, 65_011), "{file:?}");
    }
}

#[test]
fn an_interface_that_is_taken_away_is_noticed_inside() {
    let Some(network) = Network::make("gone") else {
        return;
    };
    let folder = folder();
    let ring = ring_of(&folder, 65_020);
    let mut command = network.command(env!("CARGO_BIN_EXE_stp-audit"));
    command
        .args([
            "capture",
            "-i",
            "far",
            "-f",
            "udp port 9",
            "-b",
            "packets:50",
            "-w",
        ])
        .arg(ring.join("home.pcapng"));
    let mut recording = Recording::start(command, folder.path());
    // Nobody is told of: the folder's owner records.
    recording.until_said("sandbox: user 65020 ");
    recording.until_said("recording from far");
    network.send(5);
    recording.until("packets", |this| {
        this.signal(rustix::process::Signal::USR1);
        this.said().contains(": 5 packets recorded").then_some(())
    });
    assert!(network.ip("link del near"));
    assert_eq!(recording.end().code(), Some(4), "{}", recording.said());
    let files = files(&ring);
    assert_eq!(files.len(), 1);
    assert_eq!(packets(&files[0]), 5);
}

#[test]
fn one_file_is_recorded_by_nobody_and_stays_its_owners() {
    let Some(network) = Network::make("one") else {
        return;
    };
    let folder = folder();
    // As /root: nobody else gets in.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let file = folder.path().join("home.pcapng");
    let mut command = network.command(env!("CARGO_BIN_EXE_stp-audit"));
    command
        .args(["capture", "-i", "far", "-f", "udp port 9", "-c", "7", "-w"])
        .arg(&file);
    let mut recording = Recording::start(command, folder.path());
    recording.until_said("sandbox: user nobody ");
    recording.until_said("recording from far");
    let status = recording.status();
    assert!(status["Uid"].starts_with("65534\t65534\t65534"));
    assert_eq!((&*status["CapEff"], &*status["CapBnd"]), (NONE, NONE));
    network.send(7);
    assert_eq!(recording.end().code(), Some(0), "{}", recording.said());
    assert_eq!(packets(&file), 7);
    assert_eq!(fs::metadata(&file).unwrap().uid(), 0);
}

#[test]
fn who_cannot_write_is_told_of_before_a_file_is_made() {
    let Some(network) = Network::make("told") else {
        return;
    };
    let folder = folder();
    let ring = ring_of(&folder, 0);
    let run = |more: &[&str]| {
        let mut command = network.command(env!("CARGO_BIN_EXE_stp-audit"));
        command
            .args(["capture", "-i", "far", "-b", "packets:50", "-w"])
            .arg(ring.join("home.pcapng"))
            .args(more);
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for (more, code, said) in [
        (&[][..], 4, "user nobody (uid 65534) cannot write there"),
        (
            &["-Z", "daemon"],
            4,
            "user daemon (uid 1) cannot write there",
        ),
        (&["-Z", "no-such-user"], 2, "there is no user no-such-user"),
        (&["-Z", "daemon", "--no-sandbox"], 2, "cannot be used with"),
    ] {
        let (ended, told) = run(more);
        assert_eq!(ended, Some(code), "{told}");
        assert!(told.contains(said), "{told}");
        assert!(files(&ring).is_empty());
    }

    // Root itself can, without a capability; and whoever wants to keep all.
    for (more, inside) in [("-Z=root", true), ("--no-sandbox", false)] {
        let mut command = network.command(env!("CARGO_BIN_EXE_stp-audit"));
        command
            .args(["capture", "-i", "far", "-b", "packets:50", "-w"])
            .arg(ring.join("home.pcapng"))
            .arg(more);
        let mut recording = Recording::start(command, folder.path());
        recording.until_said("recording from far");
        let status = recording.status();
        assert_eq!(status["Uid"], "0\t0\t0\t0");
        assert_eq!(status["CapEff"] == NONE, inside, "{more}");
        assert_eq!(status["Seccomp"], if inside { "2" } else { "0" });
        recording.signal(rustix::process::Signal::TERM);
        assert_eq!(recording.end().code(), Some(0));
    }
}

#[test]
fn a_service_with_one_capability_gives_it_up() {
    let Some(network) = Network::make("service") else {
        return;
    };
    if !ran(Command::new("setpriv").arg("--version")) {
        println!("skipped: setpriv is absent");
        return;
    }
    let folder = folder();
    let ring = ring_of(&folder, 65_030);
    // As systemd starts the one of packaging/: no root, CAP_NET_RAW and no other, not even to listen to all.
    let program = folder.path().join("stp-audit-capture");
    fs::copy(env!("CARGO_BIN_EXE_stp-audit"), &program).unwrap();
    let mut command = network.command("setpriv");
    command
        .args([
            "--reuid=65030",
            "--regid=65030",
            "--clear-groups",
            "--no-new-privs",
        ])
        .args([
            "--bounding-set=-all,+net_raw",
            "--inh-caps=+net_raw",
            "--ambient-caps=+net_raw",
        ])
        .arg(&program)
        .args(["-i", "far", "-b", "packets:50", "-g", "-w"])
        .arg(ring.join("home.pcapng"));
    let mut recording = Recording::start(command, folder.path());
    recording.until_said("sandbox: no capabilities");
    recording.until_said("recording from far");
    let status = recording.status();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[set], NONE, "{set}");
    }
    // This one takes CAP_SETPCAP to change; without exec nothing comes of it.
    assert_eq!(status["CapBnd"], "0000000000002000");
    network.send(60);
    recording.until("second file", |_| (files(&ring).len() == 2).then_some(()));
    recording.signal(rustix::process::Signal::TERM);
    assert_eq!(recording.end().code(), Some(0), "{}", recording.said());
}
