//! The program's reports of the bundled captures: valid by the schema, whole or not at all, quiet about a closed pipe.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// The program, with a command and a capture, told to keep quiet.
fn stp_audit(command: &str, capture: &Path) -> Command {
    let mut program = Command::cargo_bin("stp-audit").expect("the program is built");
    program.arg(command).arg("--quiet").arg(capture);
    program
}

fn stdout(mut program: Command) -> String {
    let output = program.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn validator() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(stp_audit::report::json::SCHEMA).expect("JSON");
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema")
}

fn assert_valid(validator: &jsonschema::Validator, text: &str, what: &str) -> Value {
    let document: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{what}: {error}"));
    let faults: Vec<String> = validator
        .iter_errors(&document)
        .map(|fault| format!("{}: {fault}", fault.instance_path))
        .collect();
    assert!(faults.is_empty(), "{what}: {faults:#?}");
    document
}

#[test]
fn documents_of_the_evening_are_valid() {
    let validator = validator();
    for capture in ["evening-lan.pcapng", "evening-wan.pcapng"] {
        for command in ["infer", "devices", "flows"] {
            let mut program = stp_audit(command, &fixture(capture));
            program
                .args(["--format", "json", "--labels"])
                .arg(fixture("evening-labels.csv"));
            let document = assert_valid(
                &validator,
                &stdout(program),
                &format!("{command} {capture}"),
            );
            assert_eq!(document["schema"], format!("stp-audit/{command}/1"));
            assert_eq!(
                document["inputs"][0]["sha256"].as_str().map(str::len),
                Some(64)
            );
            assert_eq!(document["truth"].is_object(), command == "infer");
        }
    }
}

#[test]
fn documents_of_malformed_captures_are_valid() {
    let validator = validator();
    let mut reported = 0;
    let folder = fs::read_dir(fixture("malformed")).expect("the folder is there");
    for entry in folder {
        let path = entry.expect("an entry").path();
        let mut program = stp_audit("infer", &path);
        let output = program
            .args(["--format", "json"])
            .output()
            .expect("it runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        // A file that is no capture at all has no report, but a message.
        if text.is_empty() {
            assert!(!output.stderr.is_empty(), "{}", path.display());
        } else {
            assert_valid(&validator, &text, &path.display().to_string());
            reported += 1;
        }
    }
    assert!(reported > 20, "{reported}");
}

#[test]
fn every_event_is_one_line() {
    let mut program = stp_audit("infer", &fixture("malformed/dns-name-screen.pcap"));
    program.args(["--format", "jsonl"]);
    for line in stdout(program).lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        assert!(event["type"].is_string(), "{line}");
    }
}

#[test]
fn reports_of_one_run_go_to_many_places() {
    let folder = tempfile::tempdir().expect("a folder");
    let [json, csv] = ["v.json", "v.csv"].map(|name| folder.path().join(name));
    let mut program = stp_audit("infer", &fixture("evening-wan.pcapng"));
    program.arg("-o").arg(format!("json={}", json.display()));
    program.arg("-o").arg(format!("csv={}", csv.display()));
    program.args(["-o", "md=-", "--color", "always"]);
    assert!(
        stdout(program).starts_with("# "),
        "Markdown takes the place of the table"
    );
    let text = fs::read_to_string(&json).expect("a report");
    assert_valid(&validator(), &text, "v.json");
    let text = fs::read_to_string(&csv).expect("a report");
    assert!(text.starts_with("device,name,start,"), "{text}");
    assert_eq!(
        fs::read_dir(folder.path()).expect("a folder").count(),
        2,
        "nothing else is left"
    );
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_of_the_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nowhere/v.json");
    let mut program = stp_audit("infer", &fixture("evening-wan.pcapng"));
    let output = program
        .arg("-o")
        .arg(format!("json={}", path.display()))
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        error.contains("nowhere/v.json") && error.contains("No such file"),
        "{error}"
    );
    assert!(!output.stdout.is_empty(), "the table is shown all the same");
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_error() {
    use std::process::{Command, Stdio};
    for format in ["table", "json", "jsonl", "csv", "md"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stp-audit"))
            .args(["flows", "--quiet", "--format", format])
            .arg(fixture("evening-lan.pcapng"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{format}: {output:?}");
        assert!(output.stderr.is_empty(), "{format}: {output:?}");
    }
}
