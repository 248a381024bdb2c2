//! Everything under fixtures/ comes from the recipe, byte for byte, and is what it says it is.
//!
//! `UPDATE_FIXTURES=1 cargo test --test fixtures every_file` writes the files anew.

mod recipe;

use recipe::chance::Chance;
use recipe::diary::{self, Event};
use recipe::packet::{Body, Keep, Packet, Seen, MILLI, SECOND, SYN};
use recipe::world::{Numbering, PUBLIC};
use recipe::{file, flood, formats, home, malformed};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use stp_audit::activity::read_labels;
use stp_audit::capture::{Frame, InputSummary, Options, Reader};
use stp_audit::device::catalog::Catalog;
use stp_audit::flow::names::NameKind;
use stp_audit::flow::observer::{Observed, Observer, Settings};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn fixture(name: &str) -> PathBuf {
    folder().join(name)
}

/// What is inside gzip or zstd: the wrapping may differ between versions of the compressor.
fn unwrapped(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    if name.ends_with("pcap.pcap.gz") {
        let mut gzip = flate2::read::GzDecoder::new(bytes);
        gzip.read_to_end(&mut plain).unwrap();
    } else if name.ends_with("pcapng.pcapng.zst") {
        plain = zstd::stream::decode_all(bytes).unwrap();
    } else {
        plain.extend(bytes);
    }
    plain
}

#[test]
fn every_file_is_what_the_recipe_makes() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some_and(|value| value == "1");
    for (name, bytes) in recipe::files() {
        let path = fixture(&name);
        if update {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        let stored = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            unwrapped(&name, &stored) == unwrapped(&name, &bytes),
            "{name} is not what its recipe makes; where the recipe was changed on purpose: UPDATE_FIXTURES=1 cargo test --test fixtures every_file"
        );
    }
}

/// Names and sizes of all files below a folder.
fn tree(at: &Path, prefix: &str) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(at).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            all.extend(tree(&entry.path(), &format!("{name}/")));
        } else {
            all.insert(name, entry.metadata().unwrap().len());
        }
    }
    all
}

#[test]
fn nothing_else_is_stored_and_all_of_it_is_small_and_told_of() {
    let stored = tree(&folder(), "");
    let mut made: BTreeSet<String> = recipe::files().into_iter().map(|(name, _)| name).collect();
    // The README's picture, which its own test draws.
    made.insert("evening.svg".to_owned());
    let names: BTreeSet<String> = stored.keys().cloned().collect();
    assert_eq!(names, made);
    assert!(stored.values().sum::<u64>() < 3_000_000);
    let told = std::fs::read_to_string(fixture("README.md")).unwrap();
    assert!(told.contains("SYNTHETIC"));
    for name in names.iter().filter(|name| *name != "README.md") {
        let file = name.rsplit('/').next().unwrap();
        assert!(
            told.contains(&format!("`{file}`")),
            "README.md does not tell of {name}"
        );
    }
}

#[test]
fn activities_vary_and_last_as_published() {
    // The paper, section 6.2: the standard deviation of the activities' rates in hundredths of their mean. Durations as
    // seen there: about 1 s, 2 to 5 s, 8 to 15 s.
    for (device, spread, shortest, longest) in [
        (diary::WEMO, 4.7, 1_000, 1_000),
        (diary::ECHO, 59.2, 2_000, 5_000),
        (diary::NEST, 28.7, 8_000, 15_000),
    ] {
        let events = diary::events_of(device);
        let weights: Vec<f64> = events.iter().map(|event| event.weight as f64).collect();
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        let square = weights
            .iter()
            .map(|weight| (weight - mean).powi(2))
            .sum::<f64>();
        let found = (square / weights.len() as f64).sqrt() / mean * 100.0;
        assert!((found - spread).abs() < 0.02 * spread, "{device}: {found}");
        let in_time = |event: &Event| (shortest..=longest).contains(&(event.lasts / MILLI));
        assert!(events.iter().all(in_time), "{device}");
    }
}

#[test]
fn labels_speak_of_devices_in_the_catalog_and_of_that_evening() {
    let labels = read_labels(diary::labels().as_bytes(), "evening-labels.csv").unwrap();
    assert_eq!(labels.len(), 41);
    let catalog = Catalog::embedded().unwrap();
    let known: BTreeSet<String> = catalog
        .iter()
        .map(|fingerprint| fingerprint.name())
        .collect();
    for label in &labels {
        assert!(
            known.contains(&label.device),
            "{} is in no fingerprint",
            label.device
        );
        assert!(label.span.start.0 > diary::BEGIN && label.span.end.0 < diary::END);
    }
    for pair in labels.windows(2) {
        assert!(pair[0].span.start < pair[1].span.start);
    }
}

/// Bytes of IP a device sent and received in a span.
fn bytes_of(packets: &[Packet], host: usize, from: i64, to: i64) -> [u64; 2] {
    let mac = home::hosts()[host].mac;
    let mut bytes = [0; 2];
    for packet in packets
        .iter()
        .filter(|packet| (from..to).contains(&packet.at))
    {
        let length = u64::from(packet.whole().wire_len) - 14;
        bytes[0] += if packet.from == mac { length } else { 0 };
        bytes[1] += if packet.to == mac { length } else { 0 };
    }
    bytes
}

#[test]
fn activities_lie_within_their_labels() {
    let evening = recipe::evening();
    let hosts = home::hosts();
    for event in diary::events() {
        let host = hosts
            .iter()
            .position(|host| host.name == event.device)
            .unwrap();
        let during = bytes_of(&evening.lan, host, event.at, event.at + event.lasts);
        // The same time, half a minute earlier: nobody does anything.
        let before = event.at - 30 * SECOND;
        let quiet = bytes_of(&evening.lan, host, before, before + event.lasts);
        assert!(
            during[0] > 2 * quiet[0],
            "{} at {}: {during:?} against {quiet:?}",
            event.device,
            event.at
        );
    }
}

#[test]
fn hosts_number_their_packets_as_they_say() {
    let evening = recipe::evening();
    for host in home::hosts() {
        let sent = evening.lan.iter().filter(|packet| packet.from == host.mac);
        let numbers: Vec<u16> = sent
            .filter_map(Packet::ip)
            .filter(|ip| ip.from.0.is_ipv4())
            .map(|ip| ip.id)
            .collect();
        let steps = numbers
            .windows(2)
            .filter(|pair| pair[1] == pair[0].wrapping_add(1));
        let (steps, pairs) = (steps.count(), numbers.len() - 1);
        match host.numbering {
            Numbering::Counter => assert_eq!(steps, pairs, "{}", host.name),
            Numbering::Conversation => assert!(steps < pairs, "{}", host.name),
        }
    }
}

#[test]
fn outside_one_address_is_seen_and_the_same_conversations() {
    let evening = recipe::evening();
    let mut public = BTreeSet::new();
    for packet in &evening.wan {
        let ip = packet.ip().unwrap();
        for address in [ip.from.0, ip.to.0] {
            if let std::net::IpAddr::V4(v4) = address {
                assert!(!v4.is_private() && !v4.is_multicast());
                if v4 == PUBLIC {
                    public.insert(packet.from);
                }
            }
        }
    }
    // The router's card towards the provider, and the provider's.
    assert_eq!(public.len(), 2);
    let numbers = |packets: &[Packet], seen| {
        let both = packets.iter().filter(|packet| packet.seen == seen);
        let mut numbers: Vec<(u16, u8)> = both
            .map(|packet| (packet.ip().unwrap().id, packet.ip().unwrap().protocol()))
            .collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(
        numbers(&evening.lan, Seen::Both),
        numbers(&evening.wan, Seen::Both)
    );
}

/// All frames of a file, handed to `each`, and what the reader says of the file.
fn read(
    name: &str,
    bytes: Vec<u8>,
    mut each: impl FnMut(&Frame<'_>),
) -> Result<InputSummary, String> {
    let origin = Box::new(Cursor::new(bytes));
    let mut reader =
        Reader::from_read(name, origin, &Options::default()).map_err(|error| error.to_string())?;
    while let Some(frame) = reader.next().unwrap() {
        each(&frame);
    }
    Ok(reader.summaries().remove(0))
}

fn observed(name: &str, bytes: Vec<u8>) -> Result<(Observed, InputSummary), String> {
    let mut observer = Observer::new(Settings::default());
    let summary = read(name, bytes, |frame| observer.watch(frame))?;
    Ok((observer.finish(), summary))
}

#[test]
fn every_format_reads_as_the_same_packets() {
    let evening = recipe::evening();
    let slice = formats::slice(&evening.lan);
    let ip_bytes = |from: usize, to: usize| -> u64 {
        slice[from..to]
            .iter()
            .map(|packet| u64::from(packet.wire_len) - 14)
            .sum()
    };
    for format in formats::formats(&evening.lan) {
        let (mut links, mut times, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        let summary = read(format.name, format.bytes.clone(), |frame| {
            links.push(frame.link.0);
            times.push(frame.at.0);
            lengths.push(frame.wire_len);
        });
        assert!(summary.unwrap().truncated.is_none(), "{}", format.name);
        assert_eq!(links, format.links, "{}", format.name);
        assert_eq!(lengths, format.lengths, "{}", format.name);
        if format.times.iter().all(Option::is_some) {
            let told: Vec<i64> = format.times.iter().flatten().copied().collect();
            assert_eq!(times, told, "{}", format.name);
        }
        let (seen, _) = observed(format.name, format.bytes).unwrap();
        let (from, to) = match format.name {
            "link-ipv4.pcap" => (0, formats::IPV4),
            "link-ipv6.pcap" => (formats::IPV4, formats::PACKETS),
            _ => (0, formats::PACKETS),
        };
        let v4 = to.min(formats::IPV4).saturating_sub(from) as u64;
        let counts = (seen.census.ipv4, seen.census.ipv6, seen.census.ip_bytes);
        assert_eq!(
            counts,
            (v4, (to - from) as u64 - v4, ip_bytes(from, to)),
            "{}",
            format.name
        );
        if v4 > 0 {
            let names = |kind| {
                seen.names
                    .distinct(kind)
                    .iter()
                    .map(|name| name.to_string())
                    .collect::<Vec<_>>()
            };
            assert_eq!(names(NameKind::Dns), ["api.xbcs.net"], "{}", format.name);
            assert_eq!(names(NameKind::Sni), ["api.xbcs.net"], "{}", format.name);
        }
    }
}

#[test]
fn of_every_broken_file_is_read_what_is_whole() {
    for case in malformed::cases() {
        let result = observed(&case.name, case.bytes);
        let Some(packets) = case.packets else {
            let error = result
                .err()
                .unwrap_or_else(|| panic!("{} is no capture", case.name));
            assert!(error.contains(&case.name), "{error}");
            continue;
        };
        let (seen, summary) = result.unwrap_or_else(|error| panic!("{}: {error}", case.wrong));
        assert_eq!(summary.packets, packets, "{}: {}", case.name, case.wrong);
        assert_eq!(
            summary.truncated.is_some(),
            case.cut,
            "{}: {}",
            case.name,
            case.wrong
        );
        let names = seen.names.distinct(NameKind::Dns);
        let heard = names.iter().any(|name| **name == *malformed::AFTER);
        assert_eq!(heard, case.heard, "{}: {}", case.name, case.wrong);
    }
}

#[test]
fn a_flood_holds_what_it_says() {
    let mut bytes = Vec::new();
    let poured = flood::pour(&mut bytes, 700, 300).unwrap();
    assert_eq!(poured.bytes, bytes.len() as u64);
    assert_eq!(poured.packets, 1_000 + poured.real);
    let (seen, summary) = observed("flood.pcap", bytes).unwrap();
    assert_eq!(summary.packets, poured.packets);
    assert!(summary.truncated.is_none());
    let names = seen.names.distinct(NameKind::Dns);
    let spoofed = names.iter().filter(|name| name.ends_with(".flood.example"));
    assert!(spoofed.count() == 0, "answers ask nothing");
    assert!(names.iter().any(|name| **name == *"api.xbcs.net"));
    assert!(poured.real > 700);
}

/// tshark's answer; nothing, and a line said, where there is no tshark.
fn tshark(file: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("tshark");
    match command
        .arg("-n")
        .arg("-r")
        .arg(file)
        .args(arguments)
        .output()
    {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(_) => {
            println!("skipped: tshark is not installed");
            None
        }
    }
}

const CHECKED: [&str; 12] = [
    "-o",
    "ip.check_checksum:TRUE",
    "-o",
    "tcp.check_checksum:TRUE",
    "-o",
    "udp.check_checksum:TRUE",
    "-o",
    "tcp.desegment_tcp_streams:TRUE",
    "-o",
    "tls.desegment_ssl_records:TRUE",
    "-o",
    "quic.reassemble_crypto_out_of_order:TRUE",
];

#[test]
fn tshark_has_nothing_against_the_evening_uncut() {
    let evening = recipe::evening();
    let wrong = "_ws.malformed or ip.checksum.status == 0 or tcp.checksum.status == 0 or udp.checksum.status == 0 \
                 or tcp.analysis.flags and not tcp.analysis.window_update or icmpv6.checksum.status == 0";
    for (name, packets) in [("lan", &evening.lan), ("wan", &evening.wan)] {
        let whole: Vec<_> = packets.iter().map(Packet::whole).collect();
        let mut stored = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut stored, &file::pcapng("", name, 1, &whole)).unwrap();
        let arguments = [&CHECKED[..], &["-Y", wrong]].concat();
        let Some(strange) = tshark(stored.path(), &arguments) else {
            return;
        };
        assert_eq!(strange, "", "{name}");
        let names = [
            "-Y",
            "quic",
            "-T",
            "fields",
            "-e",
            "tls.handshake.extensions_server_name",
        ];
        let named = tshark(stored.path(), &names).unwrap();
        let named: BTreeSet<&str> = named.lines().filter(|name| !name.is_empty()).collect();
        assert_eq!(
            named,
            BTreeSet::from(["www.harbour-cinema.example", "www.tidewater-news.example"]),
            "{name}"
        );
    }
}

#[test]
fn tshark_reads_what_is_stored() {
    let evening = recipe::evening();
    let counts = [
        ("evening-lan.pcapng", evening.lan.len()),
        ("evening-wan.pcapng", evening.wan.len()),
    ];
    let counts = counts.map(|(name, packets)| (name.to_owned(), packets));
    let formats = formats::formats(&evening.lan).into_iter();
    let formats = formats.map(|format| (format!("formats/{}", format.name), format.lengths.len()));
    for (name, packets) in counts.into_iter().chain(formats) {
        let fields = [
            "-Y",
            "ip or ipv6 or arp",
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-e",
            "_ws.malformed",
        ];
        let Some(frames) = tshark(&fixture(&name), &fields) else {
            return;
        };
        assert_eq!(frames.lines().count(), packets, "{name}");
        assert!(!frames.contains("alformed"), "{name}");
    }
}

#[test]
fn the_stored_evening_keeps_names_and_no_payload() {
    let evening = recipe::evening();
    for packet in evening.lan.iter().chain(&evening.wan) {
        let Some(ip) = packet.ip() else { continue };
        let payload = match &ip.body {
            Body::Tcp { payload, .. } | Body::Udp { payload } => payload.len() as u32,
            Body::Icmp { .. } => continue,
        };
        let bytes = packet.captured();
        let cut = bytes.wire_len - bytes.kept.len() as u32;
        assert_eq!(
            cut,
            if packet.keep == Keep::Headers {
                payload
            } else {
                0
            }
        );
    }
    // Every connection that was begun in sight and is no plain HTTP shows its hello.
    let (mut begun, mut hellos) = (0, 0);
    for packet in evening
        .wan
        .iter()
        .filter(|packet| packet.seen == Seen::Both)
    {
        let ip = packet.ip().unwrap();
        if let Body::Tcp { flags, payload, .. } = &ip.body {
            begun += u32::from(*flags == SYN && ip.to.1 != 80);
            hellos += u32::from(packet.keep == Keep::All && payload.starts_with(&[22, 3, 1]));
        }
    }
    assert_eq!(hellos, begun);
    assert!(begun > 30);
}

#[test]
fn names_are_heard_on_either_side() {
    for name in ["evening-lan.pcapng", "evening-wan.pcapng"] {
        let (seen, summary) = observed(name, std::fs::read(fixture(name)).unwrap()).unwrap();
        assert!(summary.truncated.is_none() && summary.warnings.is_empty());
        let (first, last) = (summary.first.unwrap().0, summary.last.unwrap().0);
        assert!((diary::BEGIN..diary::BEGIN + 60 * SECOND).contains(&first));
        assert!(last <= diary::END + SECOND && last > diary::END - 60 * SECOND);
        let heard = |kind| -> BTreeSet<String> {
            seen.names
                .distinct(kind)
                .iter()
                .map(|name| name.to_string())
                .collect()
        };
        let asked: BTreeSet<String> = recipe::zone::ZONE
            .iter()
            .map(|entry| entry.name.to_owned())
            .collect();
        assert_eq!(heard(NameKind::Dns), asked, "{name}");
        // Nobody greets time servers, and these are greeted without TLS, over QUIC alone, or have been greeted before.
        let silent = [
            "0.pool.ntp.org",
            "ntp-g7g.amazon.com",
            "time.meethue.com",
            "time.hello.is",
            "time.android.com",
            "connectivitycheck.gstatic.com",
            "www.msftconnecttest.com",
            "ota.larkfield.example",
            "wiwo.orvibo.com",
            "devs.tplinkcloud.com",
            "signal.auto.mydlink.com",
        ];
        let greeted: BTreeSet<String> = asked
            .into_iter()
            .filter(|name| !silent.contains(&name.as_str()))
            .collect();
        assert_eq!(heard(NameKind::Sni), greeted, "{name}");
        assert_eq!(heard(NameKind::Quic).len(), 2, "{name}");
        let sightings = seen
            .names
            .hosts()
            .flat_map(|host| seen.names.of_host(host).to_vec());
        let hosts: BTreeSet<String> = sightings
            .filter(|sighting| sighting.kind == NameKind::HttpHost)
            .map(|sighting| sighting.name.to_string())
            .collect();
        assert_eq!(hosts.len(), 3, "{name}");
    }
}

#[test]
fn chance_is_splitmix() {
    // The first numbers of SplitMix64 from seed 1234567, as commonly published.
    let mut chance = Chance::from_seed(1_234_567);
    assert_eq!(chance.bits(), 6_457_827_717_110_365_317);
    assert_eq!(chance.bits(), 3_203_168_211_198_807_973);
}
