//! Names read from captures, held to what tshark reads in the same files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use etherparse::{LaxSlicedPacket, TransportSlice};
use stp_audit::packet::hello::Progress;
use stp_audit::packet::{dhcp, dns, http, tls};

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("STP_AUDIT_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no captures at {}", folder.display());
    None
}

/// What a capture's packets name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    /// Questions of queries: DNS, mDNS and LLMNR.
    asked: BTreeSet<String>,
    /// Addresses in their answers.
    addresses: BTreeSet<String>,
    /// Server names of TLS streams.
    servers: BTreeSet<String>,
    /// Hosts of plain HTTP requests.
    hosts: BTreeSet<String>,
    /// Host names of DHCP clients.
    clients: BTreeSet<String>,
}

fn read(path: &Path) -> Option<Names> {
    let mut capture = pcap::Capture::from_file(path).ok()?;
    let linktype = capture.get_datalink();
    let mut message = dns::Message::default();
    let mut reassembly = tls::Reassembly::default();
    let mut names = Names::default();
    let mut answered = BTreeSet::new();
    while let Ok(packet) = capture.next_packet() {
        let sliced = match linktype.0 {
            1 => LaxSlicedPacket::from_ethernet(packet.data).ok(),
            _ => LaxSlicedPacket::from_ip(packet.data).ok(),
        };
        match sliced.and_then(|sliced| sliced.transport) {
            Some(TransportSlice::Udp(udp)) => {
                let ports = [udp.source_port(), udp.destination_port()];
                if ports.iter().any(|port| [53, 5353, 5355].contains(port)) {
                    let _ = message.read(udp.payload());
                    if !message.response {
                        let questions = message.questions();
                        names
                            .asked
                            .extend(questions.map(|(name, _)| name.to_owned()));
                    }
                    let addresses = message.addresses();
                    names
                        .addresses
                        .extend(addresses.map(|(_, address)| address.to_string()));
                } else if ports.contains(&67) {
                    let lease = dhcp::parse(udp.payload());
                    let client = lease.filter(|lease| lease.from_client);
                    names
                        .clients
                        .extend(client.and_then(|lease| lease.host_name).map(String::from));
                }
            }
            Some(TransportSlice::Tcp(tcp)) => {
                names
                    .hosts
                    .extend(http::host(tcp.payload()).map(String::from));
                let flow = u64::from(tcp.source_port()) << 16 | u64::from(tcp.destination_port());
                if answered.contains(&flow) {
                    continue;
                }
                let progress = reassembly.push(flow, tcp.sequence_number(), tcp.payload(), None);
                if progress != Progress::NeedMore {
                    answered.insert(flow);
                }
                if let Progress::Name(name) = progress {
                    names.servers.insert(name.into());
                }
            }
            _ => {}
        }
    }
    Some(names)
}

/// Files on which we and tshark 4.0.17 differ, what we read there, and why.
const DIFFERENCES: [(&str, &[&str], &[&str], &str); 6] = [
    ("dns-name-256", &["example.com"], &[], "tshark's own error text"),
    ("dns-name-bidi-utf8", &["example.com"], &[], "tshark's own error text"),
    ("dns-ptr-loop2", &["example.com"], &[], "tshark's own error text"),
    ("dns-ptr-self", &["example.com"], &[], "tshark's own error text"),
    (
        "dns-ptr-forward",
        &["example.com"],
        &[],
        "a compression pointer must point to a prior name (RFC 1035, section 4.1.4); no resolver would follow it",
    ),
    (
        "tls-sni-nul-nl",
        &[],
        &[r#"a\000b\n"x"#],
        "tshark ends the name at its zero byte",
    ),
];

#[test]
fn hostile_captures_give_the_names_tshark_gives() {
    let Some(data) = data() else { return };
    let folder = data.join("hostile");
    let expected = std::fs::read_to_string(folder.join("expected.jsonl")).unwrap();
    let list = |value: &serde_json::Value| -> BTreeSet<String> {
        let items = value.as_array().unwrap().iter();
        items
            .map(|item| item.as_str().unwrap().to_owned())
            .collect()
    };
    let set = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect();
    let mut compared = 0;
    for line in expected.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let file = row["file"][0].as_str().unwrap();
        let stem = file.split('.').next().unwrap();
        if !["dns-", "tls-", "one-dns"]
            .iter()
            .any(|kind| stem.starts_with(kind))
        {
            continue;
        }
        let names = read(&folder.join(file)).unwrap();
        let mut wanted: (BTreeSet<String>, BTreeSet<String>) =
            (list(&row["dns_q"]), list(&row["sni_tcp"]));
        if stem == "tls-split-reverse" {
            // tshark needs the first segment first; the name is there.
            wanted.1 = set(&["example.com"]);
        }
        if let Some((_, ours, sni, why)) = DIFFERENCES.iter().find(|row| row.0 == stem) {
            let ours: (BTreeSet<String>, BTreeSet<String>) = (set(ours), set(sni));
            assert_ne!(ours, wanted, "{file}: no difference any more ({why})");
            wanted = ours;
        }
        assert_eq!((names.asked, names.servers), wanted, "{file}");
        compared += 1;
    }
    assert!(compared >= 30, "{compared} files compared");
}

/// The same names as tshark has them; `None` without tshark.
fn read_by_tshark(path: &Path) -> Option<Names> {
    const FIELDS: [&str; 8] = [
        "udp.srcport",
        "dns.flags.response",
        "dns.qry.name",
        "dns.a",
        "dns.aaaa",
        "tls.handshake.extensions_server_name",
        "http.host",
        "dhcp.option.hostname",
    ];
    let output = std::process::Command::new("tshark")
        .arg("-r")
        .arg(path)
        .args([
            "-Y",
            "dns or mdns or llmnr or tls or http.request or dhcp.type == 1",
        ])
        .args(["-T", "fields", "-E", "aggregator=|"])
        .args(FIELDS.iter().flat_map(|field| ["-e", field]))
        .output()
        .ok()?;
    let mut names = Names::default();
    for line in std::str::from_utf8(&output.stdout).unwrap().lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let values = |column: usize| {
            let values = columns[column].split('|').filter(|value| !value.is_empty());
            values.map(str::to_lowercase)
        };
        let udp = !columns[0].is_empty();
        if udp && columns[1] == "0" {
            names.asked.extend(values(2));
        }
        if udp {
            names.addresses.extend(values(3).chain(values(4)));
            names.clients.extend(values(7));
        } else {
            let without_port = |host: String| host.split(':').next().map(String::from);
            names.hosts.extend(values(6).filter_map(without_port));
            names.servers.extend(values(5));
        }
    }
    Some(names)
}

#[test]
fn real_captures_give_the_names_tshark_gives() {
    let Some(data) = data() else { return };
    let mut compared = 0;
    for file in [
        "home-lan/home-lan.pcapng",
        "plug-lifecycle/plug.pcap",
        "protocols/alexa-app.pcapng",
        "setup/HueBridge/Setup-A-1-STA.pcap",
        "setup/WeMoSwitch/Setup-A-3-STA.pcap",
        "setup/TP-LinkPlugHS110/Setup-A-5-STA.pcap",
    ] {
        let path = data.join(file);
        let Some(theirs) = read_by_tshark(&path) else {
            println!("skipped: no tshark to compare with");
            return;
        };
        let mut ours = read(&path).unwrap();
        ours.clients = ours
            .clients
            .iter()
            .map(|name| name.to_lowercase())
            .collect();
        assert_eq!(ours, theirs, "{file}");
        let Names {
            asked,
            addresses,
            servers,
            hosts,
            clients,
        } = ours;
        compared += [asked, addresses, servers, hosts, clients]
            .iter()
            .map(BTreeSet::len)
            .sum::<usize>();
    }
    assert!(compared > 100, "{compared} names compared");
    println!("{compared} names compared");
}
