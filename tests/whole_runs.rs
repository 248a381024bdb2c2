//! What the program says of the evening in fixtures/, kept as snapshots: a change in science shows as a change in a table.
//!
//! `INSTA_UPDATE=always cargo test --test whole_runs` writes them anew; read what changed.

mod program;

use program::line;

/// Standard output of a run that ends well, without the program's version.
fn shown(words: &str) -> String {
    let run = line(words).ends(0);
    assert!(run.err.is_empty(), "{}", run.err);
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    run.out
        .replace(&version, "\"version\": \"VERSION\"")
        .replace(&version.replace(' ', ""), "\"version\":\"VERSION\"")
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
    insta::assert_snapshot!("lan", shown("infer evening-lan.pcapng"));
    insta::assert_snapshot!(
        "lan_labels",
        shown("infer evening-lan.pcapng --labels evening-labels.csv")
    );
}

#[test]
fn the_evening_at_the_wan() {
    insta::assert_snapshot!("wan", shown("infer evening-wan.pcapng"));
    insta::assert_snapshot!(
        "wan_labels",
        shown("infer evening-wan.pcapng --labels evening-labels.csv")
    );
}

#[test]
fn without_what_devices_do_by_themselves() {
    insta::assert_snapshot!(
        "lan_ignore_periodic",
        shown("infer evening-lan.pcapng --labels evening-labels.csv --ignore-periodic")
    );
}

#[test]
fn devices_with_their_evidence() {
    insta::assert_snapshot!("lan_devices", shown("devices evening-lan.pcapng"));
    insta::assert_snapshot!("wan_devices", shown("devices evening-wan.pcapng"));
}

#[test]
fn flows_with_their_device() {
    insta::assert_snapshot!("wan_flows", shown("flows evening-wan.pcapng"));
}

#[test]
fn as_a_page() {
    insta::assert_snapshot!(
        "lan_labels_md",
        shown("infer evening-lan.pcapng --labels evening-labels.csv --format md")
    );
    insta::assert_snapshot!(
        "wan_devices_md",
        shown("devices evening-wan.pcapng --format md")
    );
}

#[test]
fn for_a_spreadsheet() {
    let infer = shown("infer evening-wan.pcapng --labels evening-labels.csv --format csv");
    insta::assert_snapshot!("wan_labels_csv", infer);
    let flows = shown("flows evening-wan.pcapng --format csv");
    insta::assert_snapshot!("wan_flows_csv", head(&flows, 12));
}

#[test]
fn for_other_programs() {
    let json = shown("infer evening-wan.pcapng --labels evening-labels.csv --format json");
    insta::assert_snapshot!("wan_labels_json", head(&json, 320));
    let jsonl = shown("infer evening-wan.pcapng --labels evening-labels.csv --format jsonl");
    insta::assert_snapshot!("wan_labels_jsonl", head(&jsonl, 24));
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    for format in ["json", "jsonl", "csv", "md", "table"] {
        let words = format!("infer evening-wan.pcapng --format {format}");
        assert!(shown(&words) == shown(&words), "{format}");
    }
}
