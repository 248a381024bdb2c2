//! `capture --headers-only` and `--anonymize` on a real interface: a pair of virtual ones in a network namespace of their own,
//! over which a device asks DNS, and sends contents. Needs root and `unshare`; where they are absent a line says so.

mod captures;

use captures::{drain, Kept};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use stp_audit::capture::{Options, Reader};
use stp_audit::packet::dissect::{dissect, Packet};

/// A device 18:b4:30:01:02:03 at 192.168.77.5 asks 192.168.77.9 for cam.example.net, then sends it 300 bytes of contents.
const SCENE: &str = r#"
set -e
program=$1; file=$2; shift 2
ip link add home address 18:b4:30:01:02:03 type veth peer name mirror
ip addr add 192.168.77.5/24 dev home
ip link set home up
ip link set mirror up
ip neigh replace 192.168.77.9 lladdr 18:b4:30:0a:0b:0c dev home
"$program" capture -i mirror -f 'udp and dst host 192.168.77.9' -c 2 -a duration:20 -w "$file" "$@" 2> "$file.said" &
for turn in $(seq 200); do
    grep -q 'recording from' "$file.said" && break
    kill -0 $! 2> /dev/null || break
    sleep 0.05
done
printf '\022\064\001\000\000\001\000\000\000\000\000\000\003cam\007example\003net\000\000\001\000\001' > /dev/udp/192.168.77.9/53
head -c 300 /dev/zero | tr '\000' 'S' > /dev/udp/192.168.77.9/9999
wait $!
"#;

/// Whether this machine lets us make networks.
fn may_make_networks() -> bool {
    let may = Command::new("unshare").args(["-n", "ip", "link"]).output();
    let may = may.is_ok_and(|output| output.status.success());
    if !may {
        println!("skipped: no rights to make a network namespace (unshare -n), or no ip command");
    }
    may
}

fn scene(file: &Path, flags: &[&str]) -> Output {
    let mut command = Command::new("unshare");
    command.args([
        "-n",
        "bash",
        "-c",
        SCENE,
        "scene",
        env!("CARGO_BIN_EXE_stp-audit"),
    ]);
    command.arg(file).args(flags).output().unwrap()
}

/// The two packets recorded.
fn recorded(file: &Path, flags: &[&str]) -> [Kept; 2] {
    let ran = scene(file, flags);
    let said = std::fs::read_to_string(file.with_extension("pcapng.said")).unwrap_or_default();
    assert!(ran.status.success(), "{said} {ran:?}");
    let reader = Reader::open(&[file.to_path_buf()], &Options::default()).unwrap();
    let (frames, _) = drain(reader).unwrap();
    frames
        .try_into()
        .unwrap_or_else(|frames| panic!("{frames:?}: {said}"))
}

fn dissected(kept: &Kept) -> Packet<'_> {
    let mut packet = Packet::blank();
    let frame = stp_audit::capture::Frame {
        at: kept.at,
        link: kept.link,
        wire_len: kept.wire_len,
        data: &kept.data,
        interface: 0,
    };
    dissect(&frame, &mut packet).unwrap();
    packet
}

#[test]
fn headers_and_names_are_recorded_and_no_contents() {
    if !may_make_networks() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [question, contents] = recorded(&folder.path().join("a.pcapng"), &["--headers-only"]);
    assert!(question.data.windows(7).any(|bytes| bytes == b"example"));
    assert_eq!(dissected(&question).source.to_string(), "192.168.77.5");
    assert_eq!((contents.data.len(), contents.wire_len), (42, 342));
    assert_eq!(dissected(&contents).payload_len, 300);
}

#[test]
fn under_pseudonyms_sizes_vendor_and_network_are_recorded_and_no_more() {
    if !may_make_networks() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("a.pcapng"), folder.path().join("key"));
    std::fs::write(&key, b"a key for tests, of 32 bytes, ok").unwrap();
    let flags = ["--anonymize", key.to_str().unwrap()];

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = scene(&file, &flags);
    assert_eq!(refused.status.code(), Some(2));
    let said = std::fs::read_to_string(file.with_extension("pcapng.said")).unwrap();
    assert!(said.contains("chmod 600"), "{said}");

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let packets = recorded(&file, &flags);
    assert_eq!(packets.each_ref().map(|packet| packet.data.len()), [42, 42]);
    assert_eq!(packets[1].wire_len, 342);
    for packet in packets.iter().map(dissected) {
        let mac = packet.macs.source().unwrap();
        assert_eq!(mac.oui(), [0x18, 0xb4, 0x30]);
        assert_ne!(mac.0[3..], [1, 2, 3]);
        let (source, destination) = (packet.source.to_string(), packet.destination.to_string());
        assert!(source.starts_with("192.168."), "{source}");
        assert_ne!(
            (&source[..], &destination[..]),
            ("192.168.77.5", "192.168.77.9")
        );
        let network = |address: &str| address.rsplit_once('.').unwrap().0.to_owned();
        assert_eq!(network(&source), network(&destination));
    }
    // Neither the filter nor this machine's name stands in the file.
    let bytes = std::fs::read(&file).unwrap();
    let host = rustix::system::uname().nodename().to_bytes().to_vec();
    for secret in [&b"192.168.77.9"[..], b"example", &host] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}
