//! Hosts in network namespaces, cables between them, and raw frames put on those.
//!
//! Needs root, `ip` and, for routers, `nft`. Where one is missing a line says so and the test ends. Everything made is
//! taken down again when the [`Network`] is dropped, also by a test that fails.

#![allow(dead_code)] // each test file uses its part

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

/// Namespaces made by this process so far: their names are this number and the process'.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Some hosts.
pub struct Network {
    hosts: Vec<String>,
}

/// One host: a namespace.
#[derive(Clone)]
pub struct Host {
    name: String,
}

impl Network {
    /// An empty network; `None`, and a line about it, where this process may not make one.
    pub fn new(needed: &[&str]) -> Option<Self> {
        let missing = |program: &&&str| !on_path(program);
        if let Some(program) = needed.iter().chain(&["ip"]).find(missing) {
            println!("skipped: `{program}` is not installed");
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            println!("skipped: network namespaces need root");
            return None;
        }
        let mut network = Self { hosts: Vec::new() };
        network
            .try_host("probe")
            .map_err(|why| println!("skipped: no network namespace here: {why}"))
            .ok()?;
        Some(network)
    }

    /// A new host, with nothing but its loopback up and no IPv6 of its own, which would send frames nobody asked for.
    pub fn host(&mut self, role: &str) -> Host {
        self.try_host(role).unwrap()
    }

    fn try_host(&mut self, role: &str) -> Result<Host, String> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("stp-{}-{number}-{role}", std::process::id());
        try_run(Command::new("ip").args(["netns", "add", &name]))?;
        self.hosts.push(name.clone());
        let host = Host { name };
        host.ip("link set lo up");
        host.set("net.ipv6.conf.all.disable_ipv6", 1);
        host.set("net.ipv6.conf.default.disable_ipv6", 1);
        Ok(host)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.hosts {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

impl Host {
    /// The namespace's name, as `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run on this host.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// The program of this project, to run on this host.
    pub fn stp_audit(&self, words: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_stp-audit"));
        command.args(words).current_dir(std::env::temp_dir());
        command
    }

    /// `ip` with the words of a line, on this host.
    pub fn ip(&self, words: &str) {
        run(Command::new("ip")
            .args(["-n", &self.name])
            .args(words.split_whitespace()));
    }

    /// A cable from here to another host: an interface on each.
    pub fn cable(&self, here: &str, other: &Self, there: &str) {
        self.ip(&format!(
            "link add {here} type veth peer name {there} netns {}",
            other.name
        ));
        self.ip(&format!("link set {here} up"));
        other.ip(&format!("link set {there} up"));
    }

    /// Sets a kernel parameter, as `sysctl` names it.
    pub fn set(&self, parameter: &str, value: u32) {
        let path = format!("/proc/sys/{}", parameter.replace('.', "/"));
        run(self
            .command("sh")
            .args(["-c", &format!("echo {value} >{path}")]));
    }

    /// Rules of netfilter, which wants a line's end before a brace closes.
    pub fn nft(&self, rules: &str) {
        run(self.command("nft").arg(rules.replace('}', "\n}\n")));
    }

    /// What a file of /proc or /sys says on this host.
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let output = run(self.command("cat").arg(path.as_ref()));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A thread of this process that lives on this host.
    pub fn thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let path = format!("/run/netns/{}", self.name);
        std::thread::spawn(move || {
            let space = std::fs::File::open(path).unwrap();
            let kind = rustix::thread::LinkNameSpaceType::Network;
            rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&space), Some(kind))
                .unwrap();
            work()
        })
    }
}

/// Whether a program is there to be called.
pub fn on_path(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&folders).collect();
    folders.iter().any(|folder| folder.join(program).is_file())
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

fn try_run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|why| why.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// Puts whole frames on an interface of the host this thread lives on.
pub struct Injector(pcap::Capture<pcap::Active>);

impl Injector {
    /// Onto this interface.
    pub fn on(interface: &str) -> Self {
        let inactive = pcap::Capture::from_device(interface).unwrap();
        Self(inactive.snaplen(64).open().unwrap())
    }

    /// Sends a frame.
    pub fn send(&mut self, frame: &[u8]) {
        self.0.sendpacket(frame).unwrap();
    }
}
