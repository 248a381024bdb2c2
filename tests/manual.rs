//! Manual pages and completions come from the one definition of the command line, and follow it.
//!
//! `make man`, or `UPDATE_MAN=1 cargo test --test manual`, writes the pages under man/ anew.

mod program;

use program::{line, run};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man")
}

/// The files of a folder by name.
fn stored(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    };
    entries.map(entry).collect()
}

#[test]
fn the_stored_pages_are_those_of_the_definition() {
    let made: BTreeMap<String, Vec<u8>> = stp_audit::cli::manual::pages()
        .unwrap()
        .into_iter()
        .collect();
    if std::env::var_os("UPDATE_MAN").is_some_and(|value| value == "1") {
        for name in stored(&folder())
            .keys()
            .filter(|name| !made.contains_key(*name))
        {
            std::fs::remove_file(folder().join(name)).unwrap();
        }
        std::fs::create_dir_all(folder()).unwrap();
        for (name, page) in &made {
            std::fs::write(folder().join(name), page).unwrap();
        }
    }
    let stored = stored(&folder());
    let names = |pages: &BTreeMap<String, Vec<u8>>| pages.keys().cloned().collect::<Vec<_>>();
    let again = "run this with UPDATE_MAN=1";
    assert_eq!(names(&stored), names(&made), "{again}");
    for (name, page) in &made {
        assert!(stored[name] == *page, "man/{name} has drifted: {again}");
    }
}

#[test]
fn the_command_writes_the_same_pages() {
    let out = tempfile::tempdir().unwrap();
    run(["man", "--out", out.path().to_str().unwrap()]).ends(0);
    assert!(stored(out.path()) == stored(&folder()));
    let page = line("man").ends(0).out;
    assert!(page.contains(".TH stp-audit 1"), "{page}");
    let stored = std::fs::read_to_string(folder().join("stp-audit.1")).unwrap();
    assert!(
        page == stored,
        "`man` prints another page than man/stp-audit.1"
    );
}

#[test]
fn man_reads_the_pages_without_complaint() {
    for name in stored(&folder()).keys() {
        let man = Command::new("man")
            .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
            .arg(folder().join(name))
            .output();
        let Ok(man) = man.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()) else {
            println!("skipped: man is absent");
            return;
        };
        assert!(man.is_empty(), "{name}: {man}");
    }
}

#[test]
fn every_page_says_what_it_is_and_every_flag_is_in_one() {
    for (name, page) in stored(&folder()) {
        let page = String::from_utf8(page).unwrap();
        let command = name.strip_suffix(".1").unwrap();
        assert!(page.contains(&format!(".TH {command} 1")), "{name}");
        assert!(
            page.contains("\n.SH NAME\n") && page.contains(" \\- "),
            "{name}"
        );
    }
    let infer = std::fs::read_to_string(folder().join("stp-audit-infer.1")).unwrap();
    for flag in [
        "labels",
        "ignore\\-periodic",
        "merge",
        "vantage",
        "quiet",
        "allow\\-truncated",
    ] {
        assert!(infer.contains(&format!("\\-\\-{flag}")), "{flag}");
    }
    assert!(infer.contains("Exit status"), "{infer}");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = line(&format!("completions {shell}")).ends(0).out;
        for word in [
            "infer",
            "devices",
            "flows",
            "fingerprint",
            "learn",
            "labels",
            "ignore-periodic",
        ] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn shells_read_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&script, line(&format!("completions {shell}")).out).unwrap();
        match Command::new(shell).arg("-n").arg(script.path()).output() {
            Ok(read) => assert!(
                read.status.success() && read.stderr.is_empty(),
                "{shell}: {read:?}"
            ),
            Err(_) => println!("skipped: {shell} is absent"),
        }
    }
}

#[test]
fn bash_completes_what_was_begun() {
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&script, line("completions bash").out).unwrap();
    let ask = format!(
        "source '{}'; COMP_WORDS=(stp-audit inf); COMP_CWORD=1; $(complete -p stp-audit | grep -o '[^ ]*stp[^ ]*' | head -1) stp-audit inf stp-audit; echo \"${{COMPREPLY[@]}}\"",
        script.path().display()
    );
    match Command::new("bash").args(["--norc", "-c", &ask]).output() {
        Ok(told) => assert_eq!(String::from_utf8_lossy(&told.stdout), "infer\n", "{told:?}"),
        Err(_) => println!("skipped: bash is absent"),
    }
}
