//! What the program says of the evening in fixtures/, kept as snapshots: a change in science shows as a change in a table.
//!
//! `INSTA_UPDATE=always cargo test --test whole_runs` writes them anew; read what changed.

mod program;

use program::line;

/// Standard output of a run that ends well.
fn shown(words: &str) -> String {
    let run = line(words).ends(0);
    assert!(run.err.is_empty(), "{}", run.err);
    run.out
}

/// A snapshot of the text, but for what a release or one more fingerprint changes: the program's version, and how many
/// fingerprints it carries.
fn keep(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r#""version": ?"[^"]*""#, r#""version":"VERSION""#);
    settings.add_filter(r#""fingerprints": ?\d+"#, r#""fingerprints":FINGERPRINTS"#);
    settings.add_filter(
        r"stp-audit \S+, \d+ fingerprints",
        "stp-audit VERSION, FINGERPRINTS fingerprints",
    );
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The first lines, and how many follow.
fn head(text: &str, lines: usize) -> String {
    let all = text.lines().count();
    let head: Vec<&str> = text.lines().take(lines).collect();
    format!(
        "{}\n... {} more\n",
        head.join("\n"),
        all.saturating_sub(lines)
    )
}

#[test]
fn the_evening_at_the_lan() {
    keep("lan", &shown("infer evening-lan.pcapng"));
    keep(
        "lan_labels",
        &shown("infer evening-lan.pcapng --labels evening-labels.csv"),
    );
}

#[test]
fn the_evening_at_the_wan() {
    keep("wan", &shown("infer evening-wan.pcapng"));
    keep(
        "wan_labels",
        &shown("infer evening-wan.pcapng --labels evening-labels.csv"),
    );
}

#[test]
fn without_what_devices_do_by_themselves() {
    keep(
        "lan_ignore_periodic",
        &shown("infer evening-lan.pcapng --labels evening-labels.csv --ignore-periodic"),
    );
}

#[test]
fn devices_with_their_evidence() {
    keep("lan_devices", &shown("devices evening-lan.pcapng"));
    keep("wan_devices", &shown("devices evening-wan.pcapng"));
}

#[test]
fn flows_with_their_device() {
    keep("wan_flows", &shown("flows evening-wan.pcapng"));
}

#[test]
fn as_a_page() {
    keep(
        "lan_labels_md",
        &shown("infer evening-lan.pcapng --labels evening-labels.csv --format md"),
    );
    keep(
        "wan_devices_md",
        &shown("devices evening-wan.pcapng --format md"),
    );
}

#[test]
fn for_a_spreadsheet() {
    let infer = shown("infer evening-wan.pcapng --labels evening-labels.csv --format csv");
    keep("wan_labels_csv", &infer);
    let flows = shown("flows evening-wan.pcapng --format csv");
    keep("wan_flows_csv", &head(&flows, 12));
}

#[test]
fn for_other_programs() {
    let json = shown("infer evening-wan.pcapng --labels evening-labels.csv --format json");
    keep("wan_labels_json", &head(&json, 320));
    let jsonl = shown("infer evening-wan.pcapng --labels evening-labels.csv --format jsonl");
    keep("wan_labels_jsonl", &head(&jsonl, 24));
}

/// A name that clears the screen, hides in Unicode and breaks lines breaks none of ours.
#[test]
fn hostile_names_stay_within_their_line() {
    for format in ["jsonl", "json", "csv", "md", "table"] {
        let report = shown(&format!(
            "flows malformed/dns-name-screen.pcap --format {format}"
        ));
        let harmless =
            |c: char| c == '\n' || !c.is_control() && !('\u{200b}'..='\u{202e}').contains(&c);
        assert!(report.chars().all(harmless), "{format}: {report:?}");
        if format == "jsonl" {
            for line in report.lines() {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                assert!(event["type"].is_string(), "{line}");
            }
        }
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    for format in ["json", "jsonl", "csv", "md", "table"] {
        let words = format!("infer evening-wan.pcapng --format {format}");
        assert!(shown(&words) == shown(&words), "{format}");
    }
}
