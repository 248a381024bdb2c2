//! `fingerprint`: the program itself, from a capture to a fingerprint, to a MUD file, and back.

mod captures;

use assert_cmd::Command;
use captures::{Little, Pcap, MICROS};
use etherparse::PacketBuilder;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use stp_audit::device::catalog::Catalog;
use stp_audit::device::fingerprint::Fingerprint;

/// 2024-03-05 12:00:00 UTC.
const NOON: u32 = 1_709_640_000;
const LAMP: [u8; 6] = [0x24, 0xce, 0x33, 0x01, 0x02, 0x03];
const ROUTER: [u8; 6] = [0x3c, 0x84, 0x6a, 0x01, 0x02, 0x03];
const HOME: [u8; 4] = [192, 168, 1, 20];
const RESOLVER: [u8; 4] = [192, 168, 1, 1];
const SERVER: [u8; 4] = [203, 0, 113, 7];
const MACS: &str =
    "MAC Address,Device Name\n24:ce:33:01:02:03,Acme Lamp\n24:ce:33:09:09:09,Acme Plug\n";

fn run(args: &[&str]) -> Output {
    let mut command = Command::cargo_bin("stp-audit").unwrap();
    command.arg("fingerprint").args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The output of a run that ends with `code`.
fn ends(code: i32, args: &[&str]) -> Output {
    let output = run(args);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{args:?}: {}",
        said(&output)
    );
    output
}

/// A folder, and paths in it as text.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn with(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<String> = entries.map(|e| name(e).into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn fingerprint(folder: &str, id: &str) -> Fingerprint {
    let path = Path::new(folder).join(format!("{id}.toml"));
    Fingerprint::from_toml(id, &fs::read_to_string(path).unwrap(), id).unwrap()
}

/// A question for api.acme.com, with its answer or without.
fn dns(answer: bool) -> Vec<u8> {
    let mut message = vec![
        0,
        7,
        if answer { 0x81 } else { 1 },
        if answer { 0x80 } else { 0 },
    ];
    message.extend([0, 1, 0, u8::from(answer), 0, 0, 0, 0]);
    message.extend(b"\x03api\x04acme\x03com\0\0\x01\0\x01");
    if answer {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        message.extend(SERVER);
    }
    message
}

/// A lamp asks for its server and opens a connection to it, on port 8883.
fn evening() -> Vec<u8> {
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for (answer, from, to) in [(false, LAMP, ROUTER), (true, ROUTER, LAMP)] {
        let (source, destination) = if answer {
            (RESOLVER, HOME)
        } else {
            (HOME, RESOLVER)
        };
        let (near, far) = if answer { (53, 40_000) } else { (40_000, 53) };
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(from, to)
            .ipv4(source, destination, 64)
            .udp(near, far)
            .write(&mut frame, &dns(answer))
            .unwrap();
        frames.push(frame);
    }
    let mut syn = Vec::new();
    PacketBuilder::ethernet2(LAMP, ROUTER)
        .ipv4(HOME, SERVER, 64)
        .tcp(50_000, 8883, 1, 64_240)
        .syn()
        .write(&mut syn, &[])
        .unwrap();
    frames.push(syn);
    let mut syn_ack = Vec::new();
    PacketBuilder::ethernet2(ROUTER, LAMP)
        .ipv4(SERVER, HOME, 50)
        .tcp(8883, 50_000, 9, 64_240)
        .syn()
        .ack(2)
        .write(&mut syn_ack, &[])
        .unwrap();
    frames.push(syn_ack);
    let mut file = Pcap::new(Little, MICROS, 1);
    for (second, frame) in (NOON..).zip(&frames) {
        file = file.record(second, 0, frame.len() as u32, frame);
    }
    file.bytes
}

#[test]
fn the_list_has_every_fingerprint_once_in_order() {
    let place = Place::new();
    let own = "vendor = \"Acme\"\nproduct = \"Lamp\"\nkind = \"light\"\n[names]\nexact = [\"api.acme.com\"]\n";
    place.with("acme-lamp.toml", own);
    let folder = place.path("");
    let list = printed(&ends(0, &["list", "--fingerprints", &folder]));
    let catalog = Catalog::embedded().unwrap();
    let rows: Vec<&str> = list.lines().collect();
    assert_eq!(
        rows.len(),
        catalog.len() + 3,
        "heading, all rows, ours, the closing line"
    );
    let ids: Vec<&str> = rows[1..rows.len() - 1]
        .iter()
        .filter_map(|row| row.split_whitespace().next())
        .collect();
    let expected: BTreeSet<&str> = catalog
        .iter()
        .map(|one| one.id.as_str())
        .chain(["acme-lamp"])
        .collect();
    assert_eq!(ids, expected.into_iter().collect::<Vec<_>>());
    let ours = rows
        .iter()
        .find(|row| row.starts_with("acme-lamp "))
        .unwrap();
    assert_eq!(
        ours.split_whitespace().collect::<Vec<_>>(),
        ["acme-lamp", "Acme", "Lamp", "light", "1", "0", "-"]
    );
    assert_eq!(
        list,
        printed(&ends(0, &["list", "--fingerprints", &folder]))
    );
}

#[test]
fn a_fingerprint_is_shown_as_the_file_it_could_be() {
    let text = printed(&ends(0, &["show", "belkin-wemo-switch"]));
    let shown = Fingerprint::from_toml("belkin-wemo-switch", &text, "x").unwrap();
    let catalog = Catalog::embedded().unwrap();
    assert_eq!(Some(&shown), catalog.find("belkin-wemo-switch"));
}

#[test]
fn an_unknown_id_is_answered_with_the_nearest() {
    let error = said(&ends(2, &["show", "belkin-wemo-swich"]));
    let told = "stp-audit: no fingerprint has the id \"belkin-wemo-swich\"; did you mean belkin-wemo-switch";
    assert!(error.starts_with(told), "{error}");
    let error = said(&ends(2, &["export", "\u{1b}[2Jzzzzzz"]));
    assert!(
        error.contains("`stp-audit fingerprint list` shows all ids"),
        "{error}"
    );
    assert!(!error.contains('\u{1b}'), "{error}");
}

#[test]
fn a_device_is_learned_and_who_was_not_seen_is_said() {
    let place = Place::new();
    let (capture, macs, out) = (
        place.with("e.pcap", evening()),
        place.with("m.csv", MACS),
        place.path("out/here"),
    );
    let learn = ["learn", &capture, "--macs", &macs, "--out", &out];
    let output = ends(0, &learn);
    assert_eq!(printed(&output), "");
    let file = format!("{out}/acme-lamp.toml");
    assert_eq!(
        said(&output),
        format!(
            "stp-audit: not seen with any server: Acme Plug (24:ce:33:09:09:09)\n\
             stp-audit: wrote {file}: Acme Lamp, 1 name, 1 address\n"
        )
    );
    assert_eq!(place.files("out/here"), ["acme-lamp.toml"]);
    let lamp = fingerprint(&out, "acme-lamp");
    assert_eq!(lamp.name(), "Acme Lamp");
    assert_eq!(lamp.kind, "light");
    assert_eq!(lamp.names.exact, ["api.acme.com"]);
    assert_eq!(lamp.ports, ["tcp/8883".parse().unwrap()]);
    assert_eq!(lamp.addresses[0].prefix.to_string(), "203.0.113.7/32");
    assert_eq!(lamp.addresses[0].learned.to_string(), "2024-03-05");
    assert_eq!(lamp.mac.oui, ["24:ce:33".parse().unwrap()]);

    let before = fs::read(&file).unwrap();
    let again = ends(0, &learn);
    assert!(
        said(&again).contains(&format!("replaced {file}")),
        "{}",
        said(&again)
    );
    assert_eq!(
        fs::read(&file).unwrap(),
        before,
        "the same capture gives the same bytes"
    );
    let quiet = ends(0, &[&learn[..], &["--quiet"]].concat());
    assert_eq!(said(&quiet), "");
    let shown = printed(&ends(0, &["show", "acme-lamp", "--fingerprints", &out]));
    assert_eq!(shown.as_bytes(), before);
}

#[test]
fn a_file_by_somebody_else_is_never_overwritten() {
    let place = Place::new();
    let (capture, macs) = (place.with("e.pcap", evening()), place.with("m.csv", MACS));
    for theirs in [
        "vendor = \"Acme\"\nkind = \"light\"\nnote = \"by hand\"\n",
        "not even TOML",
    ] {
        place.with("acme-lamp.toml", theirs);
        let output = ends(
            2,
            &["learn", &capture, "--macs", &macs, "--out", &place.path("")],
        );
        assert!(
            said(&output).contains("was not made by this command"),
            "{}",
            said(&output)
        );
        assert_eq!(
            fs::read_to_string(place.path("acme-lamp.toml")).unwrap(),
            theirs
        );
    }
}

#[test]
fn nothing_learned_is_an_error_and_leaves_no_trace() {
    let place = Place::new();
    let whole = evening();
    let (capture, out) = (place.with("e.pcap", &whole), place.path("out"));
    let (macs, others) = (
        place.with("m.csv", MACS),
        place.with("o.csv", "24:ce:33:09:09:09,Acme Plug\n"),
    );
    let (empty, wrong) = (
        place.with("empty.csv", "mac,name\n"),
        place.with("wrong.csv", "mac,name\nkitchen,Lamp\n"),
    );
    let (nowhere, filter) = (place.path("nowhere"), "udp port 99");
    for (code, capture, macs, more, told) in [
        (3, &capture, &others, vec![], "none of the 1 device of"),
        (3, &capture, &macs, vec!["-f", filter], "no usable packet"),
        (2, &capture, &macs, vec!["-f", "no such ("], "filter"),
        (3, &nowhere, &macs, vec![], "nowhere"),
        (2, &capture, &nowhere, vec![], "devices are a CSV file"),
        (2, &capture, &empty, vec![], "no device in it"),
        (2, &capture, &wrong, vec![], "line 2"),
    ] {
        let args = ["learn", capture, "--macs", macs, "--out", &out];
        let output = ends(code, &[&args[..], &more].concat());
        assert!(said(&output).contains(told), "{told}: {}", said(&output));
        assert!(!Path::new(&out).exists());
    }
    let cut = place.with("cut.pcap", &whole[..whole.len() - 1]);
    let output = ends(5, &["learn", &cut, "--macs", &macs, "--out", &out]);
    assert!(said(&output).contains("cut.pcap"), "{}", said(&output));
    assert_eq!(
        place.files("out"),
        ["acme-lamp.toml"],
        "what was read is learned from"
    );
}

#[test]
fn a_fingerprint_passes_through_a_mud_file_and_back() {
    let place = Place::new();
    let (capture, macs, out) = (
        place.with("e.pcap", evening()),
        place.with("m.csv", MACS),
        place.path("learned"),
    );
    ends(0, &["learn", &capture, "--macs", &macs, "--out", &out]);
    let mud = place.path("lamp.json");
    let export = ["export", "acme-lamp", "--fingerprints", &out];
    let output = ends(0, &[&export[..], &["--out", &mud]].concat());
    assert_eq!(printed(&output), "");
    assert!(
        said(&output).contains("left out: hardware addresses"),
        "{}",
        said(&output)
    );
    let shown = ends(0, &[&export[..], &["--quiet"]].concat());
    assert_eq!(said(&shown), "");
    assert_eq!(printed(&shown), fs::read_to_string(&mud).unwrap());

    let back = place.path("back");
    let output = ends(0, &["import", &mud, "--out", &back]);
    assert_eq!(
        said(&output),
        format!("stp-audit: wrote {back}/acme-lamp.toml: Acme Lamp, 1 name, 1 address\n")
    );
    let (learned, imported) = (
        fingerprint(&out, "acme-lamp"),
        fingerprint(&back, "acme-lamp"),
    );
    assert_eq!(imported.names, learned.names);
    assert_eq!(imported.addresses, learned.addresses);
    assert_eq!(imported.ports, learned.ports);
    assert_eq!(
        imported.sources,
        ["MUD file https://mud.example/acme-lamp of 2024-03-05"]
    );
    // The learned one knows more than the MUD file said: it stays.
    ends(2, &["import", &mud, "--out", &out]);
    assert_eq!(fingerprint(&out, "acme-lamp"), learned);
}

#[test]
fn one_bad_mud_file_keeps_all_from_being_written() {
    let place = Place::new();
    let good = place.with(
        "good.json",
        printed(&ends(0, &["export", "belkin-wemo-switch"])),
    );
    let out = place.path("out");
    for (name, content, told) in [
        (
            "cut.json",
            &b"{\"ietf-mud:mud\": {"[..],
            "cut.json: EOF while parsing",
        ),
        (
            "bytes.json",
            &b"\xff\xfe\0"[..],
            "bytes.json: expected value at line 1 column 1",
        ),
        ("empty.json", &b""[..], "empty.json: EOF while parsing"),
        (
            "other.json",
            &b"{\"a\": 1}"[..],
            "missing field `ietf-mud:mud`",
        ),
    ] {
        let bad = place.with(name, content);
        let output = ends(3, &["import", &good, &bad, "--out", &out]);
        assert!(said(&output).contains(told), "{}", said(&output));
        assert!(!Path::new(&out).exists());
    }
    ends(3, &["import", &place.path("nowhere.json"), "--out", &out]);
    ends(3, &["import", &place.path(""), "--out", &out]);

    ends(0, &["import", &good, &good, "--out", &out]);
    let files = ["belkin-wemo-switch-2.toml", "belkin-wemo-switch.toml"];
    assert_eq!(place.files("out"), files, "two files of one device");
    let mut piped = Command::cargo_bin("stp-audit").unwrap();
    piped.args(["fingerprint", "import", "-", "--out", &out]);
    piped.write_stdin(fs::read(&good).unwrap()).assert().code(0);
    assert_eq!(place.files("out"), files);
}

#[test]
fn what_a_mud_file_cannot_say_is_told() {
    let place = Place::new();
    place.with(
        "acme.toml",
        "vendor = \"Acme\"\nkind = \"hub\"\n[names]\nsuffix = [\"acme.com\"]\n",
    );
    let output = ends(2, &["export", "acme", "--fingerprints", &place.path("")]);
    assert!(
        said(&output).contains("acme: has no whole name"),
        "{}",
        said(&output)
    );
    let output = ends(0, &["export", "belkin-wemo-switch"]);
    assert!(
        said(&output).contains("left out: prod1-fs-xbcs-net-*;"),
        "{}",
        said(&output)
    );
    let out = place.path("no/such/folder/mud.json");
    ends(4, &["export", "belkin-wemo-switch", "--out", &out]);
}

#[test]
fn a_real_homes_devices_are_learned_and_pass_through_mud() {
    let data = std::env::var_os("STP_AUDIT_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let home = data.join("home-lan");
    if !home.is_dir() {
        println!("skipped: no captures at {}", data.display());
        return;
    }
    let place = Place::new();
    let (out, back) = (place.path("out"), place.path("back"));
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let (capture, macs) = (path("home-lan.pcapng"), path("macs.csv"));
    let output = ends(0, &["learn", &capture, "--macs", &macs, "--out", &out]);
    // Of fifteen listed, three exchange no packet with anybody outside the home.
    for unseen in [
        "Sensi Thermostat",
        "Nest Smoke & CO Detector",
        "Pixel 6 Phone",
    ] {
        let told = format!("not seen with any server: {unseen}");
        assert!(said(&output).contains(&told), "{}", said(&output));
    }
    let files = place.files("out");
    let ids: Vec<&str> = files
        .iter()
        .filter_map(|file| file.strip_suffix(".toml"))
        .collect();
    assert_eq!(ids.len(), 12, "{ids:?}");
    for id in ids {
        let mud = place.path(id);
        ends(0, &["export", id, "--fingerprints", &out, "--out", &mud]);
        ends(0, &["import", &mud, "--out", &back]);
        let (learned, imported) = (fingerprint(&out, id), fingerprint(&back, id));
        assert!(!learned.addresses.is_empty(), "{id}");
        assert_eq!(imported.names.exact, learned.names.exact, "{id}");
        assert_eq!(imported.addresses, learned.addresses, "{id}");
        assert_eq!(imported.ports, learned.ports, "{id}");
        assert_eq!(imported.name(), learned.name());
    }
}
