//! The whole program on captures made to hurt: it says something or gives a result, in time, and where tshark reads a file
//! whole it counts and hears the same.

#[path = "program/mod.rs"]
mod program;
mod recipe;

use program::{infer, Ran};
use recipe::malformed;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Where our result is another than tshark's: the file, which fields, why. One that agrees again must go.
const DEVIATIONS: [(&str, &[&str], &str); 5] = [
    (
        "empty.pcap",
        &["report"],
        "tshark reads 0 packets of 0 bytes; we say that the file is empty",
    ),
    (
        "short-magic.pcap",
        &["report"],
        "tshark takes three bytes for a text file of one packet; to us it is no capture",
    ),
    (
        "dns-ptr-forward.pcap",
        &["dns_q"],
        "a compression pointer must point to a prior name (RFC 1035, section 4.1.4); no resolver would follow it",
    ),
    (
        "tls-sni-nul-nl.pcap",
        &["sni_tcp"],
        "tshark ends the name at its zero byte; we escape it",
    ),
    (
        "tls-split-reverse.pcap",
        &["sni_tcp"],
        "tshark needs the first segment first; the name is there",
    ),
];

/// What every run must be like, whatever the file.
fn assert_sane(file: &str, ran: &Ran) {
    let code = ran.code.unwrap_or(-1);
    assert!(
        [0, 3, 5].contains(&code),
        "{file}: exit {code}: {}",
        ran.said
    );
    assert!(!ran.said.contains("panicked"), "{file}: {}", ran.said);
    let silent = code == 3 && !ran.said.contains(file);
    assert!(!silent, "{file}: exit 3 without its name: {}", ran.said);
    assert!(
        code == 3 || ran.report.is_some(),
        "{file}: exit {code}, no report"
    );
}

#[test]
fn every_hostile_file_gives_what_tshark_gives_or_is_explained() {
    let Some(folder) = program::data().map(|data| data.join("hostile")) else {
        return;
    };
    let list = std::fs::read_to_string(folder.join("expected.jsonl")).unwrap();
    let (mut complaints, mut files, mut compared) = (Vec::new(), 0, 0);
    for line in list.lines() {
        let expected: Value = serde_json::from_str(line).unwrap();
        let file = expected["file"][0].as_str().unwrap();
        let ran = infer::<&str>(&folder.join(file), &[]);
        assert_sane(file, &ran);
        files += 1;
        if expected["complete"] != true {
            continue;
        }
        compared += 1;
        let differing = differing(ran.report.as_ref(), &expected);
        let row = DEVIATIONS.iter().find(|row| row.0 == file);
        let known: &[&str] = row.map_or(&[], |row| row.1);
        if differing != known {
            complaints.push(format!("{file}: differs in {differing:?}, known {known:?}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(files, 99);
    println!("{compared} of {files} files compared");
}

/// The fields of `expected` that our report has otherwise.
fn differing(report: Option<&Value>, expected: &Value) -> Vec<&'static str> {
    let Some(report) = report else {
        return vec!["report"];
    };
    let census = &report["census"];
    let counts = [
        ("packets", &census["read"]),
        ("ipv4", &census["ipv4"]),
        ("ipv6", &census["ipv6"]),
        ("ip_bytes", &census["ip_bytes"]),
        ("dns", &census["dns_messages"]),
    ];
    let names = [
        ("dns_q", &report["names"]["dns"]),
        ("sni_tcp", &report["names"]["sni"]),
    ];
    let other_counts = counts
        .into_iter()
        .filter(|(field, ours)| expected[*field] != **ours);
    let other_names = names
        .into_iter()
        .filter(|(field, ours)| list(&expected[*field]) != list(ours));
    other_counts
        .chain(other_names)
        .map(|(field, _)| field)
        .collect()
}

/// Names in any order, without those that are tshark's own words for one it could not read.
fn list(names: &Value) -> BTreeSet<&str> {
    let names = names
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap());
    names.filter(|name| !name.starts_with('<')).collect()
}

#[test]
fn every_broken_fixture_ends_as_its_recipe_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/malformed");
    for case in malformed::cases() {
        let ran = infer::<&str>(&folder.join(&case.name), &[]);
        assert_sane(&case.name, &ran);
        let about = format!("{}: {}: {}", case.name, case.wrong, ran.said);
        let Some(packets) = case.packets else {
            assert_eq!((ran.code, ran.report), (Some(3), None), "{about}");
            continue;
        };
        let report = ran.report.expect(&about);
        let (input, census) = (&report["inputs"][0], &report["census"]);
        assert_eq!(input["packets"], packets, "{about}");
        assert_eq!(input["truncated"], case.cut, "{about}");
        let heard = list(&report["names"]["dns"]).contains(malformed::AFTER);
        assert_eq!(heard, case.heard, "{about}");
        let usable = census["ipv4"] != 0 || census["ipv6"] != 0;
        let code = match (usable, case.cut) {
            (false, _) => 3,
            (true, true) => 5,
            (true, false) => 0,
        };
        assert_eq!(ran.code, Some(code), "{about}");
    }
}
