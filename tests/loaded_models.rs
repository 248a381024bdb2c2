//! Models from a file are asked about days that they did not learn from, and silence passes no gate where it says nothing.

mod program;

use program::{run, Run};
use serde_json::Value;
use std::fs;

fn words(line: &str, files: &[&str]) -> Run {
    run(line.split(' ').chain(files.iter().copied()))
}

fn caveats(verdict: &Value) -> String {
    verdict["caveats"].to_string()
}

/// A folder with three days of the built-in home, before any defense, and the truth.
struct Home {
    folder: tempfile::TempDir,
    plain: String,
    truth: String,
}

impl Home {
    fn lived(days: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (plain, truth) = (at("plain.pcapng"), at("truth.csv"));
        let line = format!(
            "defend --mode none --adversary count --trials 1 --duration {days}d --quiet -w"
        );
        words(&line, &[&plain, "--labels-out", &truth]).ends(0);
        Self {
            folder,
            plain,
            truth,
        }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Defends the capture, and asks who learned.
    fn defend(&self, truth: &str, more: &[&str]) -> Run {
        let line =
            "defend --mode stp --trials 1 --adversary learned,packet-pairs --format json --quiet";
        words(line, &[&[&self.plain, "--labels", truth], more].concat())
    }
}

#[test]
fn who_is_asked_about_the_days_it_learned_from_does_not_remember_them() {
    let home = Home::lived(3);
    let models = home.at("models");
    let taught = home
        .defend(&home.truth, &["--save-model", &models])
        .ends(0)
        .json();
    assert!(fs::metadata(&models).unwrap().len() < 5_000_000);
    // Of the very capture each day is answered by who learned from the others, as it was when they learned.
    let loaded = home
        .defend(&home.truth, &["--load-model", &models])
        .ends(0)
        .json();
    assert_eq!(loaded["results"], taught["results"]);
    let from = loaded["parameters"]["learned_from"].as_str().unwrap();
    assert!(from.contains("this very capture"), "{from}");
    // Of a part of it nobody can say who learned from what.
    let text = fs::read_to_string(&home.truth).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let part = home.at("part.csv");
    fs::write(&part, lines[..lines.len() - 40].join("\n")).unwrap();
    let refused = home.defend(&part, &["--load-model", &models]).ends(2);
    assert!(refused.err.contains("would remember"), "{}", refused.err);
    // On a wire of the same days as well.
    let shaped = home.at("shaped.pcapng");
    let files = [&home.plain, "--labels", &home.truth, "-w", &shaped];
    words(
        "defend --mode stp --trials 1 --adversary count --quiet",
        &files,
    )
    .ends(0);
    let given = ["--before", &home.plain, "--after", &shaped, "--labels"];
    let score = "score --adversary learned --format json --quiet --load-model";
    let files = [&[models.as_str()], &given[..]].concat();
    let scored = words(score, &[&files[..], &[&home.truth]].concat())
        .ends(0)
        .json();
    let learned = |verdict: &Value| {
        let rows = verdict["results"].as_array().unwrap().iter();
        let mut rows = rows.filter(|row| row["adversary"] == "learned" && row["device"] == "all");
        rows.next().unwrap()["confidence"]["value"].as_f64()
    };
    let (there, here) = (learned(&taught).unwrap(), learned(&scored).unwrap());
    assert!(
        here < 2.0 * there,
        "{here} of a wire, {there} when it was taught"
    );
    words(score, &[&files[..], &[&part]].concat()).ends(2);
}

#[test]
fn silence_that_says_nothing_passes_no_gate() {
    // Who tells days apart claims no activity.
    let days = words(
        "defend --mode stp --trials 2 --duration 6h --adversary count --max-confidence 0.5 --quiet --format json",
        &[],
    );
    let says = days.ends(5).json()["gates"][0]["says"].to_string();
    assert!(says.contains("claims activities"), "{says}");
    // Of two days each is answered by who learned from the other, with none left to try on from where to claim.
    let home = Home::lived(2);
    let shaped = home.at("shaped.pcapng");
    let budget = "defend --mode stp --trials 1 --adversary count --daily-budget 100 --quiet";
    let files = [&home.plain, "--labels", &home.truth, "-w", &shaped];
    words(budget, &files).ends(0);
    let given = [
        "--before",
        &home.plain,
        "--after",
        &shaped,
        "--labels",
        &home.truth,
    ];
    let scored = words(
        "score --adversary usual,learned --quiet --format json",
        &given,
    );
    let scored = scored.ends(0).json();
    let says = caveats(&scored);
    assert!(says.contains("give three days or more"), "{says}");
    // And what is said of the budget where it was made is said of its wire.
    assert!(says.contains("raise --daily-budget"), "{says}");
    assert!(says.contains("count was not run"), "{says}");
}

#[test]
fn habits_that_are_never_learned_are_told_of() {
    let line = "defend --mode stp --trials 1 --example habits --duration 1d --adversary count --decision hourly --quiet \
                --format json --learn-habits";
    let told = |after: &str| caveats(&words(line, &[after]).ends(0).json());
    assert!(told("1000").contains("padded all the time"));
    assert!(!told("1").contains("padded all the time"));
}

#[test]
fn a_check_keeps_its_ladder() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("stp-audit.toml");
    let check = |name: &str, ladder: bool| {
        format!(
            "[[check]]\nname = \"{name}\"\nmode = [\"none\"]\nduration = \"6h\"\ntrials = 1\nadversary = [\"learned\"]\n\
             ladder = {ladder}\nlimits = \"none\"\n"
        )
    };
    fs::write(&config, check("one", true) + &check("two", false)).unwrap();
    let checked = words(
        "check --format json --quiet --config",
        &[&config.display().to_string()],
    );
    let checked = checked.ends(0).json();
    let rungs = checked["ladder"].as_array().unwrap().iter();
    let of: Vec<&Value> = rungs.map(|rung| &rung["defense"]).collect();
    assert!(of.iter().any(|of| *of == "one: none"), "{of:?}");
}
