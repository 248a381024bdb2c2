//! `keygen` and `defend --loopback` as they are typed.

mod program;

use program::program;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

#[test]
fn keygen_writes_a_key_for_its_owner_alone_and_prints_the_public_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("near.key");
    let run = || {
        program()
            .arg("keygen")
            .arg("--out")
            .arg(&path)
            .output()
            .unwrap()
    };
    let made = run();
    assert_eq!(made.status.code(), Some(0));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let of = |name: &str| {
        let mut lines = text.lines();
        lines
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .to_owned()
    };
    let printed = String::from_utf8(made.stdout).unwrap();
    assert_eq!(printed.trim(), of("public "));
    assert!(made.stderr.is_empty() && !printed.contains(&of("private ")));
    // Nothing that exists is written over.
    let again = run();
    assert_eq!(again.status.code(), Some(4));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_loopback_delivers_everything_and_its_wire_agrees_with_the_simulator() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("v.json");
    let output = program()
        .args(["defend", "--mode", "stp", "--loopback", "--minutes", "4"])
        .args(["--time-scale", "20", "--trials", "4", "--seed", "7"])
        .args(["--duration", "4h", "--format", "md", "-o"])
        .arg(format!("json={}", json.display()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let verdict: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let schema: Value = serde_json::from_str(stp_audit::report::audit::json::SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(&verdict)
        .map(|e| e.to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let run = &verdict["loopback"];
    assert!(run["offered"].as_u64() > Some(100), "{run}");
    assert_eq!(run["delivered"], run["offered"], "{run}");
    for none in ["dropped", "altered", "repeated", "disordered"] {
        assert_eq!(run[none], 0, "{none}: {run}");
    }
    // A tunnel has one size; there are no more sizes than tunnels.
    let sizes = run["datagram_sizes"].as_array().unwrap().len() as u64;
    assert!(sizes >= 1 && Some(sizes) <= run["tunnels"].as_u64());
    assert_eq!(run["agrees"], true, "{run}");
    let rows = verdict["results"].as_array().unwrap();
    for defense in ["stp", "stp-loopback"] {
        assert!(
            rows.iter().any(|row| row["defense"] == defense),
            "{defense}"
        );
    }
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("## Loopback") && page.contains("What such a wire shows"));
}

#[test]
fn what_no_tunnel_has_is_refused() {
    for (arguments, says) in [
        (&["--mode", "vpn", "--loopback"][..], "--mode stp alone"),
        (
            &["--mode", "stp", "--loopback", "--start-rates", "4"],
            "rates that stay",
        ),
        (
            &["--mode", "stp", "--loopback", "--cell", "64"],
            "128 to 1500",
        ),
        (&["--mode", "stp", "--minutes", "3"], "--loopback"),
        (&["--mode", "stp", "--loopback", "--time-scale", "0"], "0.1"),
    ] {
        let output = program()
            .args(["defend", "--duration", "1h"])
            .args(arguments)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(says), "{arguments:?}: {told}");
    }
}
