//! A network namespace with two interfaces, a0 and b0, that are joined; programs started in it; and what they recorded.

#![allow(dead_code)] // each test file uses its part

use crate::program::Run;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stp_audit::capture::{Options, Reader};
use stp_audit::units::Timestamp;

/// Nothing here takes longer, on a machine that others keep busy too.
const PATIENCE: Duration = Duration::from_secs(30);

/// The namespace, taken away with all in it at the end.
pub struct Network {
    name: String,
    folder: tempfile::TempDir,
    disks: Mutex<Vec<String>>,
}

impl Network {
    /// `None`, with the reason printed, where none can be made.
    pub fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("stp{}x{number}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        match made {
            Ok(made) if made.status.success() => {}
            Ok(made) => {
                let why = String::from_utf8_lossy(&made.stderr).into_owned();
                println!("skipped: no network namespace can be made: {}", why.trim());
                return None;
            }
            Err(why) => {
                println!("skipped: no network namespace can be made: ip: {why}");
                return None;
            }
        }
        let network = Self {
            name,
            folder: tempfile::tempdir().unwrap(),
            disks: Mutex::default(),
        };
        // Else the system would say hello by IPv6.
        for which in ["all", "default"] {
            let path = format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6");
            network.shell(&format!("test ! -e {path} || echo 1 > {path}"));
        }
        network.ip(&["link", "add", "a0", "type", "veth", "peer", "name", "b0"]);
        for name in ["a0", "b0"] {
            network.ip(&["link", "set", name, "arp", "off"]);
            network.ip(&["link", "set", name, "up"]);
        }
        network.ip(&["addr", "add", "10.9.0.1/24", "dev", "a0"]);
        Some(network)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    fn shell(&self, script: &str) {
        let run = self.command("bash").args(["-c", script]).output().unwrap();
        assert!(run.status.success(), "{script}: {run:?}");
    }

    /// `ip` with these words, in the namespace.
    pub fn ip(&self, words: &[&str]) {
        let run = Command::new("ip")
            .args(["-n", &self.name])
            .args(words)
            .output()
            .unwrap();
        assert!(run.status.success(), "{words:?}: {run:?}");
    }

    /// Sends so many UDP packets of so many bytes out of a0.
    pub fn send(&self, packets: usize, bytes: usize) {
        // What is printed at once is sent as one packet.
        self.shell(&format!(
            "printf -v text '%*s' {bytes} ''; exec 3>/dev/udp/10.9.0.7/9; \
             for ((i = 0; i < {packets}; i++)); do echo -n \"$text\" >&3; done"
        ));
    }

    /// Opens the test's own folder to all; root's alone it is before, as /root is.
    pub fn open_to_all(&self) {
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.folder.path(), all).unwrap();
    }

    /// A folder in the test's own, which is opened to all, that belongs to this user.
    pub fn folder_of(&self, uid: u32) -> String {
        self.open_to_all();
        let path = self.path("theirs");
        std::fs::create_dir(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(uid), Some(uid)).unwrap();
        path
    }

    /// A path in the test's own folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The files in it, in order.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Waits until the folder looks so.
    pub fn wait_for(&self, looks: impl Fn(&[String]) -> bool) {
        let begun = Instant::now();
        while !looks(&self.names()) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.names());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A small disk in memory; `None`, with the reason printed, where none can be mounted.
    pub fn small_disk(&self, options: &str) -> Option<String> {
        let path = self.path("disk");
        std::fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={options}"),
                "tmpfs",
                &path,
            ])
            .output()
            .unwrap();
        if !mounted.status.success() {
            let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
            println!("skipped: no disk can be mounted: {}", why.trim());
            return None;
        }
        self.disks.lock().unwrap().push(path.clone());
        Some(path)
    }

    fn begin(&self, before: &[&str], arguments: &[&str]) -> Running {
        let program = env!("CARGO_BIN_EXE_stp-audit");
        let words = [before, &[program, "capture"], arguments].concat();
        Running::of(self.words(&words))
    }

    /// These words in the namespace, by whom nobody called by sudo.
    pub fn words(&self, words: &[&str]) -> Command {
        let mut command = self.command(words[0]);
        command.args(&words[1..]);
        command.env_remove("SUDO_UID").env_remove("SUDO_GID");
        command
    }

    /// The capture with these arguments, started.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.begin(&[], arguments)
    }

    /// Any command of the program with these arguments, started.
    pub fn other(&self, command: &str, arguments: &[&str]) -> Running {
        let before = [env!("CARGO_BIN_EXE_stp-audit"), command];
        Running::of(self.words(&[&before, arguments].concat()))
    }

    /// The capture, once it records.
    pub fn capture(&self, arguments: &[&str]) -> Running {
        let quiet = arguments.contains(&"--quiet");
        let mut running = self.start(arguments);
        match quiet {
            true => std::thread::sleep(Duration::from_secs(1)),
            false => running.says("recording from"),
        }
        running
    }

    /// A capture that ends by itself.
    pub fn capture_at_once(&self, arguments: &[&str]) -> Run {
        self.start(arguments).run()
    }

    /// The capture by somebody without rights.
    pub fn as_nobody(&self, arguments: &[&str]) -> Run {
        let nobody = ["setpriv", "--reuid", "65534", "--clear-groups"];
        self.begin(&nobody, arguments).run()
    }

    /// The capture by somebody with CAP_NET_RAW alone, once it records.
    pub fn with_net_raw(&self, arguments: &[&str]) -> Running {
        let somebody = [
            "setpriv",
            "--reuid",
            "65534",
            "--clear-groups",
            "--inh-caps=-all,+net_raw",
            "--ambient-caps=-all,+net_raw",
            "--bounding-set=-all,+net_raw",
        ];
        let mut running = self.begin(&somebody, arguments);
        running.says("recording from");
        running
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for disk in self.disks.lock().unwrap().drain(..) {
            let _ = Command::new("umount").arg(disk).status();
        }
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
    }
}

/// A program that runs, and what it said on standard error so far.
pub struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    heard: usize,
    out: Option<ChildStdout>,
    listener: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    /// The command, started.
    pub fn of(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (err, into) = (child.stderr.take().unwrap(), said.clone());
        let listener = std::thread::spawn(move || {
            let mut lines = BufReader::new(err);
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                into.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        Self {
            out: child.stdout.take(),
            child,
            said,
            heard: 0,
            listener: Some(listener),
        }
    }

    /// Waits until it says this, after what it was heard to say before.
    pub fn says(&mut self, what: &str) {
        let begun = Instant::now();
        loop {
            let said = self.said.lock().unwrap().clone();
            if let Some(at) = said[self.heard..].find(what) {
                self.heard += at + what.len();
                return;
            }
            let over = self.child.try_wait().unwrap();
            assert!(
                begun.elapsed() < PATIENCE && over.is_none(),
                "{what} is not said ({over:?}): {said}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until something is the case.
    pub fn until<T>(&mut self, what: &str, mut is: impl FnMut(&mut Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = is(self) {
                return found;
            }
            let over = self.child.try_wait().unwrap();
            assert!(
                begun.elapsed() < PATIENCE && over.is_none(),
                "no {what} ({over:?}): {}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// What the kernel tells of the process, by the names in /proc/PID/status.
    pub fn status(&self) -> BTreeMap<String, String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let lines = status.lines().filter_map(|line| line.split_once(":\t"));
        lines
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }

    /// Sends a signal to the program; `ip netns exec` has become it.
    pub fn signal(&mut self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Ends it without a chance to do anything.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Its standard output.
    pub fn take_out(&mut self) -> ChildStdout {
        self.out.take().unwrap()
    }

    /// Waits until it is over, whatever way.
    pub fn is_over(&mut self) {
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if begun.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                panic!("it does not end: {}", self.said.lock().unwrap());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it is over; what came of it. Binary output is not kept.
    pub fn run(mut self) -> Run {
        let out = self.out.take().map(|mut out| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = out.read_to_end(&mut bytes);
                bytes
            })
        });
        self.is_over();
        let bytes = out.map_or_else(Vec::new, |out| out.join().unwrap());
        self.listener.take().unwrap().join().unwrap();
        let err = self.said.lock().unwrap().clone();
        Run {
            code: self.child.wait().unwrap().code(),
            out: String::from_utf8(bytes).unwrap_or_default(),
            err,
        }
    }

    /// That it ends with this code.
    pub fn ends(self, code: i32) -> Run {
        self.run().ends(code)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Length on the wire and kept bytes of every packet of a file, which must be whole.
pub fn frames(path: &str) -> Vec<(u32, Vec<u8>)> {
    read(path, |frame| (frame.wire_len, frame.data.to_vec()))
}

/// When the packets of a file came.
pub fn times(path: &str) -> Vec<Timestamp> {
    read(path, |frame| frame.at)
}

fn read<T>(path: &str, of: impl Fn(stp_audit::capture::Frame<'_>) -> T) -> Vec<T> {
    let mut reader = Reader::open(&[path.into()], &Options::default()).unwrap();
    let mut all = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        all.push(of(frame));
    }
    for summary in reader.summaries() {
        assert!(summary.truncated.is_none(), "{:?}", summary.truncated);
        assert!(summary.warnings.is_empty(), "{:?}", summary.warnings);
    }
    all
}

/// The blocks of a pcapng file, each whole with both its lengths.
pub fn blocks(path: &str) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let (mut blocks, mut left) = (Vec::new(), &bytes[..]);
    while !left.is_empty() {
        let total = u32::from_le_bytes(left[4..8].try_into().unwrap()) as usize;
        let (block, rest) = left.split_at(total);
        assert_eq!(block[4..8], block[total - 4..]);
        blocks.push(block.to_vec());
        left = rest;
    }
    blocks
}

/// The options of a block that begin at that byte: code and value.
pub fn options(block: &[u8], begin: usize) -> Vec<(u16, Vec<u8>)> {
    let mut left = &block[begin..block.len() - 4];
    let mut options = Vec::new();
    while left.len() >= 4 {
        let code = u16::from_le_bytes([left[0], left[1]]);
        let length = usize::from(u16::from_le_bytes([left[2], left[3]]));
        if code == 0 {
            break;
        }
        options.push((code, left[4..4 + length].to_vec()));
        left = &left[4 + length.next_multiple_of(4)..];
    }
    options
}

/// The text of an option.
pub fn text_of(options: &[(u16, Vec<u8>)], code: u16) -> String {
    let found = options.iter().find(|(of, _)| *of == code);
    String::from_utf8(
        found
            .unwrap_or_else(|| panic!("no option {code}"))
            .1
            .clone(),
    )
    .unwrap()
}

/// The number of an option.
pub fn counted(options: &[(u16, Vec<u8>)], code: u16) -> u64 {
    let found = options.iter().find(|(of, _)| *of == code);
    let value = &found.unwrap_or_else(|| panic!("no option {code}")).1;
    u64::from_le_bytes(value[..].try_into().unwrap())
}
