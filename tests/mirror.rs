//! From end to end: a home of several devices, a router with the kernel's own NAT, a provider; `capture` on a mirror port of
//! the home and at the provider's end; `infer` on both.
//!
//! What the devices send and are sent is replayed at ten times its speed: ten minutes of the bundled evening, and of a real home
//! where `STP_AUDIT_DATA` has it. The home's frames enter at the home's side, the replies at the provider's,
//! and only what the router lets through is seen on the other side. The truth of what NAT made of which flow is the kernel's,
//! read from /proc/net/nf_conntrack. Needs root, `ip` and `nft`.

mod hosts;
mod program;

use hosts::{Host, Injector, Network};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use stp_audit::capture::{Options, Reader};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const PROVIDER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const ROUTER_OUTSIDE: &str = "02:00:00:00:00:09";
const PROVIDER_MAC: &str = "02:00:00:00:00:01";
/// How much faster than life.
const SPEED: u32 = 10;
/// How long a part of a capture is replayed, in its own time.
const REPLAYED: Duration = Duration::from_secs(600);

type Mac = [u8; 6];

/// Who puts a frame on which cable.
#[derive(Clone, Copy, PartialEq)]
enum Sender {
    /// A device, on the home's cable.
    Device,
    /// The router itself, on the home's cable: answers to DNS, broadcasts.
    Router,
    /// A server, on the provider's cable.
    Server,
}

struct Sent {
    /// Since the beginning, sped up.
    after: Duration,
    sender: Sender,
    frame: Vec<u8>,
}

/// What is replayed.
struct Life {
    frames: Vec<Sent>,
    /// Devices by their private address.
    devices: BTreeMap<Ipv4Addr, Mac>,
    gateway: (Ipv4Addr, Mac),
    /// Names of devices by hardware address.
    names: BTreeMap<Mac, String>,
}

fn mac(text: &str) -> Mac {
    let mut bytes = text
        .split(':')
        .map(|part| u8::from_str_radix(part, 16).unwrap());
    std::array::from_fn(|_| bytes.next().unwrap())
}

fn at<const N: usize>(frame: &[u8], from: usize) -> [u8; N] {
    frame[from..from + N].try_into().unwrap()
}

/// Source and destination of an IPv4 frame over Ethernet.
fn ends(frame: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    (frame.len() >= 34 && frame[12..14] == [8, 0])
        .then(|| (at(frame, 26).into(), at(frame, 30).into()))
}

/// Makes a frame that was cut whole again, with zeros, and its IPv4 checksum right. The checksums above are left: conntrack
/// is told not to look, and routers do not.
fn whole(data: &[u8], wire_len: u32) -> Vec<u8> {
    let mut frame = data.to_vec();
    frame.resize(wire_len as usize, 0);
    if ends(&frame).is_some() {
        let header = 14..14 + usize::from(frame[14] & 15) * 4;
        frame[24..26].fill(0);
        let words = frame[header]
            .chunks_exact(2)
            .map(|two| u32::from(u16::from_be_bytes([two[0], two[1]])));
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        frame[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    }
    frame
}

impl Life {
    /// Reads what happened from so far into a capture on, with the home's gateway; who is in no `names` gets one.
    fn read(
        capture: &Path,
        from: Duration,
        (address, hardware): (&str, &str),
        mut names: BTreeMap<Mac, String>,
    ) -> Self {
        let gateway: (Ipv4Addr, Mac) = (address.parse().unwrap(), mac(hardware));
        let mut reader = Reader::open(&[capture.to_owned()], &Options::default()).unwrap();
        let (mut frames, mut devices) = (Vec::new(), BTreeMap::new());
        let mut begin = None;
        while let Some(frame) = reader.next().unwrap() {
            let begin = *begin.get_or_insert(frame.at.0);
            let after = Duration::from_nanos((frame.at.0 - begin).try_into().unwrap());
            let Some(after) = after.checked_sub(from).filter(|after| *after < REPLAYED) else {
                continue;
            };
            if frame.data.len() < 14 {
                continue;
            }
            let mut bytes = whole(frame.data, frame.wire_len);
            let source: Mac = at(&bytes, 6);
            let sender = match ends(&bytes) {
                // Rewritten to where NAT will look for it; the port stays, as the kernel keeps it where it can.
                Some((from, to))
                    if source == gateway.1 && !from.is_private() && !to.is_multicast() =>
                {
                    bytes[30..34].copy_from_slice(&PUBLIC.octets());
                    bytes = whole(&bytes, frame.wire_len);
                    Sender::Server
                }
                _ if source == gateway.1 => Sender::Router,
                Some((from, _)) if from.is_private() => {
                    let unnamed = || format!("Device {}", told(source));
                    names.entry(source).or_insert_with(unnamed);
                    devices.insert(from, source);
                    Sender::Device
                }
                _ => Sender::Device,
            };
            frames.push(Sent {
                after: after / SPEED,
                sender,
                frame: bytes,
            });
        }
        Self {
            frames,
            devices,
            gateway,
            names,
        }
    }

    /// The frames of a sender.
    fn of(&self, wanted: Sender) -> Vec<(Duration, Vec<u8>)> {
        let of = self.frames.iter().filter(|sent| sent.sender == wanted);
        of.map(|sent| (sent.after, sent.frame.clone())).collect()
    }

    /// The list of names that `fingerprint learn` wants.
    fn write_names(&self, path: &Path) {
        let mut file = csv::Writer::from_path(path).unwrap();
        file.write_record(["mac", "name"]).unwrap();
        for (mac, name) in &self.names {
            file.write_record([&told(*mac), name]).unwrap();
        }
        file.flush().unwrap();
    }
}

/// The hosts and what is between them.
struct Town {
    home: Host,
    router: Host,
    provider: Host,
    monitor: Host,
    _network: Network,
}

impl Town {
    fn build(life: &Life) -> Option<Self> {
        let mut network = Network::new(&["nft"])?;
        let home = network.host("home");
        let router = network.host("router");
        let provider = network.host("provider");
        let monitor = network.host("monitor");
        router.cable("lan0", &home, "lan");
        router.cable("wan0", &provider, "isp");
        router.cable("mirror", &monitor, "mon");
        for (host, interface) in [
            (&router, "lan0"),
            (&home, "lan"),
            (&router, "wan0"),
            (&provider, "isp"),
            (&router, "mirror"),
            (&monitor, "mon"),
        ] {
            host.ip(&format!("link set {interface} mtu 9000"));
        }
        // First, for a new address makes the kernel forget its neighbours'.
        router.ip(&format!("link set wan0 address {ROUTER_OUTSIDE}"));
        provider.ip(&format!("link set isp address {PROVIDER_MAC}"));
        let (gateway, hardware) = life.gateway;
        router.ip(&format!("link set lan0 address {}", told(hardware)));
        router.ip(&format!("addr add {gateway}/24 dev lan0"));
        router.ip(&format!("addr add {PUBLIC}/24 dev wan0"));
        router.ip(&format!(
            "neigh add {PROVIDER} lladdr {PROVIDER_MAC} dev wan0 nud permanent"
        ));
        router.ip(&format!("route add default via {PROVIDER}"));
        for (address, hardware) in &life.devices {
            router.ip(&format!(
                "neigh add {address} lladdr {} dev lan0 nud permanent",
                told(*hardware)
            ));
        }
        router.set("net.ipv4.ip_forward", 1);
        for interface in ["all", "lan0", "wan0"] {
            router.set(&format!("net.ipv4.conf.{interface}.rp_filter"), 0);
        }
        router.nft(
            r#"table ip nat { chain post { type nat hook postrouting priority 100; oifname "wan0" masquerade; } }
               table ip filter { chain input { type filter hook input priority 0; policy drop; } }
               table netdev mirror {
                   chain in { type filter hook ingress device "lan0" priority 0; dup to "mirror"; }
                   chain out { type filter hook egress device "lan0" priority 0; dup to "mirror"; }
               }"#,
        );
        // Replayed conversations began long ago, and their payload was cut: take them as they are.
        router.set("net.netfilter.nf_conntrack_tcp_be_liberal", 1);
        router.set("net.netfilter.nf_conntrack_tcp_loose", 1);
        router.set("net.netfilter.nf_conntrack_checksum", 0);
        // The truth is read at the end: nothing may be forgotten before.
        for end in ["udp_timeout", "udp_timeout_stream", "icmp_timeout"] {
            router.set(&format!("net.netfilter.nf_conntrack_{end}"), 3600);
        }
        for end in ["close", "close_wait", "fin_wait", "last_ack", "time_wait"] {
            router.set(
                &format!("net.netfilter.nf_conntrack_tcp_timeout_{end}"),
                3600,
            );
        }
        // Nobody is at home there: servers' frames are put on the cable by the test.
        provider.nft("table ip filter { chain raw { type filter hook prerouting priority -300; policy drop; } }");
        Some(Self {
            home,
            router,
            provider,
            monitor,
            _network: network,
        })
    }
}

fn told(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// A `capture` under way.
struct Recording(Child);

impl Recording {
    fn begin(host: &Host, interface: &str, path: &Path) -> Self {
        let mut command = host.stp_audit(&["capture", "-i", interface, "-w"]);
        let child = command.arg(path).stderr(Stdio::piped()).spawn().unwrap();
        // It has begun when its file has its header.
        let patience = Instant::now() + Duration::from_secs(10);
        while std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
            assert!(
                Instant::now() < patience,
                "capture on {interface} did not begin"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self(child)
    }

    /// Ends it as Ctrl-C does; gives what it said.
    fn end(self) -> String {
        let process = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
        let output = self.0.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }
}

/// Puts the frames of some senders on a cable, each at its time.
fn replay(
    host: &Host,
    interface: &'static str,
    frames: Vec<(Duration, Vec<u8>)>,
    begin: Instant,
) -> std::thread::JoinHandle<usize> {
    host.thread(move || {
        let mut cable = Injector::on(interface);
        for (after, frame) in &frames {
            std::thread::sleep((begin + *after).saturating_duration_since(Instant::now()));
            cable.send(frame);
        }
        frames.len()
    })
}

/// A flow as the provider sees it: protocol, public port, server, its port.
type Flow = (String, u16, IpAddr, u16);

/// What the kernel's NAT made of which device's flows.
fn translations(router: &Host) -> BTreeMap<Flow, Ipv4Addr> {
    let mut found = BTreeMap::new();
    for line in router.read("/proc/net/nf_conntrack").lines() {
        let value = |key: &str| {
            line.split_whitespace()
                .filter_map(|word| word.strip_prefix(key))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let (sources, destinations) = (value("src="), value("dst="));
        let protocol = line.split_whitespace().nth(2).unwrap().to_owned();
        let port = |key: &str, which: usize| {
            value(key)
                .get(which)
                .map_or(0, |port| port.parse().unwrap())
        };
        // The answer's direction is the provider's view: it comes from the server and goes to the public address.
        if destinations
            .get(1)
            .is_some_and(|to| *to == PUBLIC.to_string())
        {
            let flow = (
                protocol,
                port("dport=", 1),
                sources[1].parse().unwrap(),
                port("sport=", 1),
            );
            found.insert(flow, sources[0].parse().unwrap());
        }
    }
    found
}

fn infer(arguments: &[&str]) -> Value {
    let mut command = program::stp_audit(&["infer", "--format", "json"]);
    let output = command.args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Lives through a life; gives how many flows were seen inside and outside, and what share of the bytes outside went to the
/// true device.
fn live(life: &Life, town: &Town) -> (usize, usize, f64) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (at_mirror, at_wan) = (path("mirror.pcapng"), path("wan.pcapng"));
    let mirror = Recording::begin(&town.monitor, "mon", &at_mirror);
    let wan = Recording::begin(&town.provider, "isp", &at_wan);

    let begin = Instant::now() + Duration::from_millis(200);
    let mut servers = life.of(Sender::Server);
    for (_, frame) in &mut servers {
        frame[..6].copy_from_slice(&mac(ROUTER_OUTSIDE));
        frame[6..12].copy_from_slice(&mac(PROVIDER_MAC));
    }
    let threads = [
        replay(&town.home, "lan", life.of(Sender::Device), begin),
        replay(&town.router, "lan0", life.of(Sender::Router), begin),
        replay(&town.provider, "isp", servers, begin),
    ];
    let sent = threads.map(|thread| thread.join().unwrap());
    std::thread::sleep(Duration::from_millis(500));
    println!("sent by devices, router, servers: {sent:?}");
    println!("mirror: {}\nwan: {}", mirror.end(), wan.end());

    let inside = inside(life, &at_mirror);
    life.write_names(&path("macs.csv"));
    let mut learn = program::stp_audit(&["fingerprint", "learn"]);
    learn.arg(&at_mirror).arg("--macs").arg(path("macs.csv"));
    let output = learn.arg("--out").arg(path("learned")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let (outside, share) = outside(life, &translations(&town.router), &at_wan, &path("learned"));
    (inside, outside, share)
}

/// Inside: the device of every flow is the one whose hardware address its packets bear, and every device is found. Gives the
/// number of flows.
fn inside(life: &Life, capture: &Path) -> usize {
    let seen = infer(&[capture.to_str().unwrap()]);
    assert_eq!(seen["vantage"], "lan");
    let devices = devices(&seen);
    let mut flows = 0;
    for flow in seen["flows"].as_array().unwrap() {
        let Ok(local) = flow["local"].as_str().unwrap().parse::<Ipv4Addr>() else {
            continue;
        };
        let Some(hardware) = life.devices.get(&local) else {
            continue;
        };
        let id = flow["device"].as_str();
        let device = devices[id.unwrap_or_else(|| panic!("{flow} has no device"))];
        assert_eq!(device["mac"], told(*hardware), "{flow}");
        flows += 1;
    }
    let found: HashSet<&str> = devices
        .values()
        .filter_map(|one| one["mac"].as_str())
        .collect();
    for (address, hardware) in &life.devices {
        assert!(
            found.contains(told(*hardware).as_str()),
            "{address} not in {found:?}"
        );
    }
    flows
}

/// Outside, with what was learned inside: number of flows, and the share of their bytes that went to the true device.
fn outside(
    life: &Life,
    truth: &BTreeMap<Flow, Ipv4Addr>,
    capture: &Path,
    learned: &Path,
) -> (usize, f64) {
    let seen = infer(&[
        capture.to_str().unwrap(),
        "--fingerprints",
        learned.to_str().unwrap(),
    ]);
    assert_eq!(seen["vantage"], "wan");
    let devices = devices(&seen);
    let (mut right, mut wrong, mut all, mut flows, mut flows_right) = (0, 0, 0, 0, 0);
    for flow in seen["flows"].as_array().unwrap() {
        let text = |key: &str| flow[key].as_str().unwrap();
        let port = |key: &str| u16::try_from(flow[key].as_u64().unwrap()).unwrap();
        let remote = text("remote").parse().unwrap();
        let key: Flow = (
            text("protocol").to_owned(),
            port("local_port"),
            remote,
            port("remote_port"),
        );
        let address = truth
            .get(&key)
            .unwrap_or_else(|| panic!("the kernel knows nothing of {flow}"));
        let name = life.names[&life.devices[address]].as_str();
        let bytes = flow["up_bytes"].as_u64().unwrap() + flow["down_bytes"].as_u64().unwrap();
        let claimed = flow["device"].as_str().map(|id| &devices[id]["candidates"]);
        let claimed = claimed.and_then(Value::as_array).into_iter().flatten();
        let names: HashSet<&str> = claimed.filter_map(|one| one["name"].as_str()).collect();
        all += bytes;
        flows += 1;
        if names == HashSet::from([name]) {
            right += bytes;
            flows_right += 1;
        } else if names.len() == 1 {
            wrong += bytes;
        }
    }
    let share = |of: u64| of as f64 / all as f64;
    println!(
        "wan: {:.2} % of {all} bytes right, {:.2} % wrong; {flows_right} of {flows} flows right",
        100.0 * share(right),
        100.0 * share(wrong)
    );
    (flows, share(right))
}

fn devices(seen: &Value) -> BTreeMap<&str, &Value> {
    let devices = seen["devices"].as_array().unwrap().iter();
    devices
        .map(|device| (device["id"].as_str().unwrap(), device))
        .collect()
}

#[test]
fn a_real_home_is_read_at_its_mirror_port_and_behind_its_nat() {
    let (Some(capture), Some(macs)) = (
        program::real("home-lan/home-lan.pcapng"),
        program::real("home-lan/macs.csv"),
    ) else {
        return;
    };
    let rows = csv::Reader::from_path(macs).unwrap().into_records();
    let rows = rows.map(|row| row.unwrap());
    let names = rows.map(|row| (mac(&row[0]), row[1].to_owned())).collect();
    // The ten minutes with the most flows.
    let from = Duration::from_secs(2900);
    let life = Life::read(&capture, from, ("192.168.4.1", "dc:a6:32:ce:31:63"), names);
    let Some(town) = Town::build(&life) else {
        return;
    };
    let (inside, outside, share) = live(&life, &town);
    assert!(
        inside >= 20 && outside >= 15,
        "{inside} and {outside} flows"
    );
    assert!(share >= 0.97, "{share}");
}

#[test]
fn the_evening_is_read_at_its_mirror_port_and_behind_its_nat() {
    let capture = program::fixtures().join("evening-lan.pcapng");
    let gateway = ("192.168.1.1", "00:00:5e:00:53:01");
    let life = Life::read(&capture, Duration::ZERO, gateway, BTreeMap::new());
    let Some(town) = Town::build(&life) else {
        return;
    };
    let (inside, outside, share) = live(&life, &town);
    assert!(
        inside >= 20 && outside >= 15,
        "{inside} and {outside} flows"
    );
    assert!(share >= 0.97, "{share}");
}
