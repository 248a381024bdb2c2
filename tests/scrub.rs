//! Captures cut back to headers and names tell the inference what whole ones do; those given pseudonyms tell it the devices, and
//! nobody an address, a serial number or a name. Read, scrubbed, written, and read again: the fixtures, broken captures, and
//! real ones where they are.

mod captures;
#[path = "program/mod.rs"]
mod program;

use captures::{Kept, Pcapng};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use stp_audit::capture::{Frame, LinkType, Options, Reader, Writer};
use stp_audit::packet::dissect::{dissect, Packet};
use stp_audit::packet::dns::{self, Message};
use stp_audit::packet::scrub::{Key, Scrubber};
use stp_audit::packet::tls::sni_of_whole_hello;
use stp_audit::units::{Mac, Timestamp};

/// Captures of which headers and names tell less than the whole, and why.
const LESS: [(&str, &str); 1] = [(
    "tls-split-reverse.pcap",
    "of a stream joined midway the hello's last segment comes first: nobody could tell it from contents, so it goes",
)];

fn key() -> Key {
    Key::new(b"a key for tests, of 32 bytes, ok").unwrap()
}

/// Every capture at hand: the fixtures, and the real ones.
fn everything() -> Vec<PathBuf> {
    let mut folders = vec![program::fixtures()];
    folders.extend(program::data());
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The frames of a capture as far as they can be read; nothing where it is none.
fn frames(path: &Path) -> Vec<Kept> {
    let Ok(mut reader) = Reader::open(&[path.to_path_buf()], &Options::default()) else {
        return Vec::new();
    };
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = reader.next() {
        // Earlier times do not fit the format we write.
        if frame.at >= Timestamp(0) {
            frames.push(frame.into());
        }
    }
    frames
}

fn frame(kept: &Kept) -> Frame<'_> {
    Frame {
        at: kept.at,
        link: kept.link,
        wire_len: kept.wire_len,
        data: &kept.data,
        interface: kept.interface,
    }
}

fn scrubbed(frames: &[Kept], mut scrubber: Scrubber) -> Vec<Kept> {
    let scrub = |kept: &Kept| Kept {
        data: scrubber.scrub(&frame(kept)).to_vec(),
        ..kept.clone()
    };
    frames.iter().map(scrub).collect()
}

/// Frames as a file: written as `capture` does where they are of one link.
fn file(frames: &[Kept]) -> Vec<u8> {
    let links: BTreeSet<LinkType> = frames.iter().map(|frame| frame.link).collect();
    let mut links = links.into_iter();
    match (links.next(), links.next()) {
        (Some(link), None) => {
            let mut file = Vec::new();
            let mut writer = Writer::begin(&mut file, link, 262_144, "test", "").unwrap();
            for frame in frames {
                writer
                    .packet(frame.at, frame.wire_len, &frame.data)
                    .unwrap();
            }
            writer.end().unwrap();
            file
        }
        _ => {
            let (mut file, mut numbers) = (Pcapng::new(captures::Little), BTreeMap::new());
            for frame in frames {
                let next = numbers.len() as u32;
                let number = *numbers.entry(frame.link).or_insert_with(|| {
                    let fresh = std::mem::replace(&mut file, Pcapng::new(captures::Little));
                    file = fresh.interface(frame.link.0, 0, &[(9, &[9])]);
                    next
                });
                let fresh = std::mem::replace(&mut file, Pcapng::new(captures::Little));
                file = fresh.enhanced(number, frame.at.0 as u64, frame.wire_len, &frame.data);
            }
            file.bytes
        }
    }
}

/// All that `infer` reports of frames, but for the file they are in.
fn report(frames: &[Kept]) -> (Option<i32>, Option<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.pcapng");
    std::fs::write(&path, file(frames)).unwrap();
    let ran = program::infer::<&str>(&path, &[]);
    let report = ran.report.map(|mut report| {
        report["inputs"] = Value::Null;
        report
    });
    (ran.code, report)
}

/// The first places in which two values differ.
fn differences(path: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (a, b) = (a.get(key), b.get(key));
                let (a, b) = (a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null));
                differences(&format!("{path}.{key}"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{at}]"), a, b, found);
            }
        }
        _ if one != other && found.len() < 5 => found.push(format!("{path}: {one} / {other}")),
        _ => {}
    }
}

#[test]
fn headers_and_names_tell_the_inference_what_the_whole_capture_does() {
    let (mut complaints, mut compared, mut packets) = (Vec::new(), 0, 0);
    let (mut before, mut after) = (0, 0);
    for path in everything() {
        let whole = frames(&path);
        if whole.is_empty() {
            continue;
        }
        let cut = scrubbed(&whole, Scrubber::headers_only());
        for (cut, whole) in cut.iter().zip(&whole) {
            assert!(cut.data.len() <= whole.data.len());
        }
        before += whole.iter().map(|frame| frame.data.len()).sum::<usize>();
        after += cut.iter().map(|frame| frame.data.len()).sum::<usize>();
        let ((code, expected), (same_code, found)) = (report(&whole), report(&cut));
        compared += 1;
        packets += whole.len();
        let mut differing = Vec::new();
        if code != same_code {
            differing.push(format!("exit {code:?} / {same_code:?}"));
        }
        let (expected, found) = (expected.unwrap_or_default(), found.unwrap_or_default());
        differences("", &expected, &found, &mut differing);
        let name = path.file_name().unwrap().to_str().unwrap();
        let known = LESS.iter().any(|row| row.0 == name);
        if differing.is_empty() == known {
            complaints.push(format!("{}: {}", path.display(), differing.join("; ")));
        }
    }
    println!("{compared} captures, {packets} packets, {before} bytes cut to {after}");
    assert!(compared >= 60, "{compared} captures");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// What identifies somebody in a capture: addresses and hardware addresses with their bytes, names.
#[derive(Default)]
struct Secrets {
    /// Sequences of four bytes: IPv4 addresses, the lower halves of IPv6 addresses by four.
    addresses: BTreeSet<[u8; 4]>,
    serials: BTreeSet<[u8; 3]>,
    labels: BTreeSet<Vec<u8>>,
}

/// Whether it is the same in every home; written down apart from the code it tests.
fn is_everyones(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_unspecified()
                || v4.is_loopback()
                || v4.is_broadcast()
                || v4.octets()[..2] == [224, 0] && v4.octets()[2] < 2
                || v4.octets() == [239, 255, 255, 250]
        }
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_loopback()
                || v6.is_multicast() && v6.segments()[1..6] == [0; 5]
        }
    }
}

impl Secrets {
    fn of(frames: &[Kept]) -> Self {
        let mut secrets = Self::default();
        let mut message = Message::default();
        for kept in frames {
            let mut packet = Packet::blank();
            let frame = frame(kept);
            if dissect(&frame, &mut packet).is_err() {
                continue;
            }
            for address in [packet.source, packet.destination] {
                match address {
                    _ if is_everyones(address) => {}
                    IpAddr::V4(v4) => drop(secrets.addresses.insert(v4.octets())),
                    IpAddr::V6(v6) => {
                        let octets = v6.octets();
                        let low: [u8; 4] = octets[12..].try_into().unwrap();
                        let net: [u8; 4] = octets[4..8].try_into().unwrap();
                        secrets.addresses.extend([low, net]);
                    }
                }
            }
            for mac in [packet.macs.source(), packet.macs.destination()]
                .into_iter()
                .flatten()
            {
                if !mac.is_group() && mac != Mac([0; 6]) {
                    let [.., d, e, f] = mac.0;
                    secrets.serials.insert([d, e, f]);
                }
            }
            let mut hear = |name: &str| {
                let labels = name.split('.').filter(|label| label.len() >= 4);
                secrets
                    .labels
                    .extend(labels.map(|label| label.as_bytes().to_vec()));
            };
            if let stp_audit::packet::hello::Progress::Name(name) =
                sni_of_whole_hello(packet.payload)
            {
                hear(&name);
            }
            if [packet.source_port, packet.destination_port]
                .iter()
                .any(|port| [53, 5353].contains(port))
            {
                let one = [packet.payload];
                for payload in one.into_iter().chain(dns::messages(packet.payload)) {
                    if message.read(payload).is_ok() {
                        message.questions().for_each(|(name, _)| hear(name));
                        message.services().for_each(|(_, name)| hear(name));
                    }
                }
            }
        }
        // Runs of few different bytes are met by chance, and tell nothing.
        secrets
            .addresses
            .retain(|bytes| bytes.iter().filter(|byte| **byte != 0).count() >= 3);
        secrets
            .serials
            .retain(|bytes| bytes.iter().all(|byte| *byte != 0));
        secrets
    }

    /// Which of them stand in a frame, forwards or backwards. Sequence numbers, ports and times are chance bytes, and three
    /// bytes are soon met in them: serial numbers are looked for in link headers alone.
    fn met(&self, frame: &Kept) -> Option<String> {
        let data = &frame.data;
        for window in data.windows(4) {
            let window: [u8; 4] = window.try_into().unwrap();
            let mut back = window;
            back.reverse();
            if self.addresses.contains(&window) || self.addresses.contains(&back) {
                return Some(format!("address bytes {window:?}"));
            }
        }
        let link = data.get(..14).unwrap_or(data);
        for window in link.windows(3) {
            let window: [u8; 3] = window.try_into().unwrap();
            let mut back = window;
            back.reverse();
            if self.serials.contains(&window) || self.serials.contains(&back) {
                return Some(format!("serial number {window:02x?}"));
            }
        }
        let lower = data.to_ascii_lowercase();
        self.labels
            .iter()
            .find(|label| {
                lower
                    .windows(label.len())
                    .any(|window| window == &label[..])
            })
            .map(|label| format!("name {}", String::from_utf8_lossy(label)))
    }
}

#[test]
fn nothing_that_identifies_is_left_under_pseudonyms() {
    let (mut looked_at, mut sought, mut met, mut met_before) = (0, 0, Vec::new(), 0);
    for path in everything() {
        let whole = frames(&path);
        let secrets = Secrets::of(&whole);
        sought += secrets.addresses.len() + secrets.serials.len() + secrets.labels.len();
        let under = scrubbed(&whole, Scrubber::anonymous(&key()));
        for (number, (hidden, open)) in under.iter().zip(&whole).enumerate() {
            assert_eq!((hidden.at, hidden.wire_len), (open.at, open.wire_len));
            assert!(hidden.data.len() <= open.data.len());
            looked_at += 1;
            met_before += usize::from(secrets.met(open).is_some());
            if let Some(found) = secrets.met(hidden) {
                met.push(format!("{} frame {}: {found}", path.display(), number + 1));
            }
        }
    }
    let left = met.len();
    println!(
        "{looked_at} frames, {sought} secrets, met in {met_before} before and in {left} after"
    );
    assert!(sought > 100 && met_before > looked_at / 2);
    assert!(
        met.is_empty(),
        "{}\n{}",
        met.len(),
        met[..met.len().min(40)].join("\n")
    );
}

/// How many devices, flows and bytes there are, and what is known of the home, names aside.
fn shape(report: &Value) -> Value {
    let mut addresses = BTreeSet::new();
    let mut macs = BTreeSet::new();
    for device in report["devices"].as_array().unwrap() {
        addresses.extend(device["address"].as_str());
        macs.extend(device["mac"].as_str());
    }
    let mut flows: Vec<String> = Vec::new();
    for flow in report["flows"].as_array().unwrap() {
        let fields = [
            "protocol",
            "local_port",
            "remote_port",
            "packets",
            "up_bytes",
            "down_bytes",
            "first",
            "last",
        ];
        let flow: Vec<String> = fields
            .iter()
            .map(|field| flow[*field].to_string())
            .collect();
        flows.push(flow.join(" "));
    }
    flows.sort();
    serde_json::json!({
        "vantage": report["vantage"],
        "home": report["home"].as_array().unwrap().len(),
        "addresses": addresses.len(),
        "macs": macs.len(),
        "ip_bytes": report["census"]["ip_bytes"],
        "ipv6": report["census"]["ipv6"],
        "skipped": report["census"]["skipped"],
        "flows": flows,
    })
}

#[test]
fn under_pseudonyms_there_are_as_many_devices_and_the_same_flows() {
    let mut names = vec![
        program::fixtures().join("evening-lan.pcapng"),
        program::fixtures().join("evening-wan.pcapng"),
    ];
    let real = [
        "home-lan/home-lan.pcapng",
        "home-nat/home-wan.pcap",
        "camera-week/camera.pcap",
    ];
    names.extend(real.iter().filter_map(|name| program::real(name)));
    for path in names {
        let whole = frames(&path);
        let hidden = scrubbed(&whole, Scrubber::anonymous(&key()));
        let (expected, found) = (report(&whole).1.unwrap(), report(&hidden).1.unwrap());
        let mut differing = Vec::new();
        differences("", &shape(&expected), &shape(&found), &mut differing);
        assert!(differing.is_empty(), "{}: {differing:?}", path.display());
        assert_eq!(
            found["names"],
            serde_json::json!({"dns": [], "sni": [], "quic": []})
        );
        let macs = shape(&expected)["macs"].clone();
        println!(
            "{}: {macs} hardware addresses, {} devices",
            path.display(),
            found["devices"].as_array().unwrap().len()
        );
    }
}

#[test]
fn the_same_key_tells_the_same_story_in_every_file() {
    let whole = frames(&program::fixtures().join("evening-lan.pcapng"));
    let (first, second) = whole.split_at(whole.len() / 2);
    let together = scrubbed(&whole, Scrubber::anonymous(&key()));
    let mut apart = scrubbed(first, Scrubber::anonymous(&key()));
    apart.extend(scrubbed(second, Scrubber::anonymous(&key())));
    assert!(together == apart);
    let other = Key::new(b"another key, also of 32 bytes ok").unwrap();
    let others = scrubbed(&whole, Scrubber::anonymous(&other));
    let ethernet = |frame: &&Kept| frame.data.len() > 34;
    let same = together
        .iter()
        .filter(ethernet)
        .zip(others.iter().filter(ethernet));
    assert_eq!(
        same.filter(|(one, other)| one.data == other.data).count(),
        0
    );
}

/// Every header of the broken and strange captures, cut anywhere: nothing longer than it was, nothing that panics.
#[test]
fn frames_cut_anywhere_are_survived_and_betray_nothing() {
    let mut cuts = 0;
    let mut anonymous = Scrubber::anonymous(&key());
    let mut headers = Scrubber::headers_only();
    for path in everything() {
        let name = path.display().to_string();
        if !["formats", "malformed", "hostile"]
            .iter()
            .any(|folder| name.contains(folder))
        {
            continue;
        }
        let whole: Vec<Kept> = frames(&path).into_iter().take(40).collect();
        let secrets = Secrets::of(&whole);
        for kept in &whole {
            for length in 0..kept.data.len().min(200) {
                let mut cut = Kept {
                    data: kept.data[..length].to_vec(),
                    ..kept.clone()
                };
                assert!(headers.scrub(&frame(&cut)).len() <= length);
                let hidden = anonymous.scrub(&frame(&cut)).to_vec();
                assert!(hidden.len() <= length);
                cut.data = hidden;
                assert_eq!(secrets.met(&cut), None, "{name} cut at {length}");
                cuts += 1;
            }
        }
    }
    println!("{cuts} cuts");
    assert!(cuts > 1000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_over_any_link_are_survived(
        link in prop::sample::select(vec![0u16, 1, 9, 12, 14, 50, 101, 105, 108, 113, 127, 228, 229, 276, 147]),
        head in prop::sample::select(vec![vec![], vec![0x45], vec![0x60], vec![2, 0, 0, 0, 0x45], vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x46], vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0, 1, 0, 0]]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        wire_len in any::<u32>(),
    ) {
        let data = [head, bytes].concat();
        let frame = Frame { at: Timestamp(0), link: LinkType(link), wire_len, data: &data, interface: 0 };
        prop_assert!(Scrubber::anonymous(&key()).scrub(&frame).len() <= data.len());
        let mut listener = Scrubber::headers_only();
        for _ in 0..2 {
            let kept = listener.scrub(&frame);
            prop_assert!(kept.len() <= data.len());
            // What the dissector reads of it, it reads of what is left.
            let (mut whole, mut cut) = (Packet::blank(), Packet::blank());
            let left = Frame { data: kept, ..frame };
            let (one, other) = (dissect(&frame, &mut whole), dissect(&left, &mut cut));
            prop_assert_eq!(one, other);
            prop_assert_eq!((whole.source, whole.destination, whole.protocol), (cut.source, cut.destination, cut.protocol));
            prop_assert_eq!((whole.source_port, whole.destination_port, whole.payload_len), (cut.source_port, cut.destination_port, cut.payload_len));
            prop_assert_eq!((whole.length, whole.damaged, whole.later_fragment), (cut.length, cut.damaged, cut.later_fragment));
            prop_assert_eq!(whole.tcp.map(|tcp| tcp.options.to_vec()), cut.tcp.map(|tcp| tcp.options.to_vec()));
        }
    }
}

/// tshark, where there is one, reads what is left: shortened, as it says of a snaplen, but not malformed.
#[test]
fn tshark_takes_what_is_left_for_frames_cut_short() {
    if std::process::Command::new("tshark")
        .arg("-v")
        .output()
        .is_err()
    {
        return println!("skipped: no tshark");
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["evening-lan.pcapng", "evening-wan.pcapng"] {
        let whole = frames(&program::fixtures().join(name));
        for scrubber in [Scrubber::headers_only(), Scrubber::anonymous(&key())] {
            let about = format!("{name} {scrubber:?}");
            let path = folder.path().join("scrubbed.pcapng");
            std::fs::write(&path, file(&scrubbed(&whole, scrubber))).unwrap();
            let lines = |filter: &str| {
                let mut tshark = std::process::Command::new("tshark");
                let output = tshark
                    .arg("-r")
                    .arg(&path)
                    .args(["-Y", filter])
                    .output()
                    .unwrap();
                assert!(output.status.success(), "{output:?}");
                String::from_utf8(output.stdout).unwrap().lines().count()
            };
            assert_eq!(lines("frame"), whole.len(), "{about}");
            assert_eq!(lines("_ws.malformed"), 0, "{about}");
            assert_eq!(lines("ip.checksum.status == \"Bad\""), 0, "{about}");
        }
    }
}

/// Not a test of anything but patience; printed for whoever wants to know (`--nocapture`, a release build).
#[test]
fn a_frame_is_scrubbed_in_no_time() {
    let whole = frames(&program::fixtures().join("evening-lan.pcapng"));
    for mut scrubber in [Scrubber::headers_only(), Scrubber::anonymous(&key())] {
        let mut best = std::time::Duration::MAX;
        for _ in 0..8 {
            let begun = std::time::Instant::now();
            let kept: usize = whole
                .iter()
                .map(|kept| scrubber.scrub(&frame(kept)).len())
                .sum();
            assert!(kept > 0);
            best = best.min(begun.elapsed());
        }
        let nanos = best.as_nanos() / whole.len() as u128;
        println!("{scrubber:?}: {nanos} ns a frame");
        assert!(nanos < 50_000, "{nanos} ns a frame");
    }
}
