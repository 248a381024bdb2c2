//! `stp-audit.toml`: checks in the words of the command line.
//!
//! A `[[check]]` is turned into what could have been typed and read by the one clap definition, so that a flag is a key of the
//! file from the day it exists, with the same range and the same refusal. Paths are relative to the file. What is wrong is told
//! with file, line and key, before anything is run.

use crate::cli::args::{Cli, Command, DefendArgs, ScoreArgs};
use crate::cli::exit::usage;
use crate::cli::nearest::nearest;
use clap::{CommandFactory, Parser, ValueHint};
use std::ffi::OsString;
use std::path::Path;
use toml::de::{DeTable, DeValue};
use toml::Spanned;

/// Longest file read: a thousand checks are 300 KB.
const LONGEST: u64 = 4 << 20;
/// Most checks of a file.
const CHECKS_AT_MOST: usize = 1_000;
/// Keys that are no flags.
const NAME: &str = "name";
const COMMAND: &str = "command";
const INPUT: &str = "input";
/// `limits = "none"`: the check is for its reports alone.
const LIMITS: &str = "limits";
const NO_LIMITS: &str = "none";
/// Flags that belong to the whole run, and not to a check.
const NOT_HERE: [&str; 6] = ["help", "format", "quiet", "color", "jobs", "exit-zero"];

/// A check, ready to run.
#[derive(Debug)]
pub struct Check {
    /// What it is called in reports.
    pub name: String,
    /// What it runs.
    pub what: What,
    /// Its seed, where it has one of its own.
    pub seed: Option<u64>,
    /// The line of the file at which it begins, from 1.
    pub line: usize,
}

/// What a check runs.
#[derive(Debug)]
pub enum What {
    /// `defend`.
    Defend(Box<DefendArgs>),
    /// `score`.
    Score(Box<ScoreArgs>),
}

/// Reads the checks of a file.
///
/// # Errors
/// A file that cannot be read; the first thing wrong in it.
pub fn read(path: &Path) -> anyhow::Result<Vec<Check>> {
    let shown = path.display();
    let length = std::fs::metadata(path).map_or(0, |file| file.len());
    if length > LONGEST {
        return Err(usage(format!(
            "{shown}: longer than {LONGEST} bytes, which no file of checks is"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        usage(format!(
            "{shown}: {error}; write one with a [[check]] in it, or name another by --config"
        ))
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&text, &shown.to_string(), folder)
}

/// Reads the checks of a text; `file` is for messages, `folder` where its paths begin.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(text: &str, file: &str, folder: &Path) -> anyhow::Result<Vec<Check>> {
    let text = File {
        text,
        name: file,
        folder,
    };
    let table = DeTable::parse(text.text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        text.wrong(at, error.message())
    })?;
    let mut checks = Vec::new();
    for (key, value) in table.get_ref() {
        if key.get_ref() != "check" {
            let says = format!("`{}` is no key; there is only [[check]]", key.get_ref());
            return Err(text.wrong(key.span().start, &says));
        }
        let DeValue::Array(all) = value.get_ref() else {
            return Err(text.wrong(key.span().start, "write [[check]], with two brackets"));
        };
        for one in all.iter() {
            let DeValue::Table(table) = one.get_ref() else {
                return Err(text.wrong(one.span().start, "write [[check]], with two brackets"));
            };
            if checks.len() == CHECKS_AT_MOST {
                let says = format!("more than {CHECKS_AT_MOST} checks; split the file");
                return Err(text.wrong(one.span().start, &says));
            }
            let number = checks.len() + 1;
            let check = text.check(table, one.span().start, number)?;
            if let Some(same) = checks
                .iter()
                .position(|other: &Check| other.name == check.name)
            {
                let says = format!(
                    "two checks are called `{}`, this one and number {}",
                    check.name,
                    same + 1
                );
                return Err(text.wrong(one.span().start, &says));
            }
            checks.push(check);
        }
    }
    match checks.is_empty() {
        true => Err(text.wrong(0, "no [[check]] in it, so there is nothing to hold")),
        false => Ok(checks),
    }
}

/// A file of checks.
#[derive(Clone, Copy)]
struct File<'a> {
    text: &'a str,
    name: &'a str,
    folder: &'a Path,
}

type Key<'a, 'b> = (
    &'a Spanned<std::borrow::Cow<'b, str>>,
    &'a Spanned<DeValue<'b>>,
);

impl File<'_> {
    fn wrong(&self, at: usize, says: &str) -> anyhow::Error {
        usage(format!("{}: line {}: {says}", self.name, self.line(at)))
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    fn check(&self, table: &DeTable<'_>, begin: usize, number: usize) -> anyhow::Result<Check> {
        let word = |key: &str| {
            let (key, value) = table.get_key_value(key)?;
            Some(match value.get_ref() {
                DeValue::String(text) => Ok((text.to_string(), value.span().start)),
                _ => Err(self.wrong(
                    key.span().start,
                    &format!("`{}` wants a text in quotes", key.get_ref()),
                )),
            })
        };
        let name = word(NAME).transpose()?.map(|(name, _)| name);
        let (command, at) = word(COMMAND)
            .transpose()?
            .unwrap_or(("defend".into(), begin));
        if !["defend", "score"].contains(&command.as_str()) {
            return Err(self.wrong(
                at,
                &format!("`{command}` cannot be checked; there are defend and score"),
            ));
        }
        let flags = flags(&command);
        let mut typed: Vec<OsString> = vec!["stp-audit".into(), command.clone().into()];
        let mut inputs: Vec<OsString> = Vec::new();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                NAME | COMMAND | LIMITS => {}
                INPUT if command == "defend" => {
                    for text in self.values(key, value)? {
                        inputs.push(self.path(&text));
                    }
                }
                _ => self.flag((key, value), &flags, &mut typed)?,
            }
        }
        if !inputs.is_empty() {
            typed.push("--".into());
            typed.extend(inputs);
        }
        let cli = Cli::try_parse_from(typed).map_err(|error| self.refused(&error, table, begin))?;
        let seed = table.contains_key("seed").then_some(cli.common.seed);
        let what = match cli.command {
            Some(Command::Defend(args)) => What::Defend(args),
            Some(Command::Score(args)) => What::Score(args),
            _ => return Err(self.wrong(begin, "there are defend and score")),
        };
        let name = name.unwrap_or_else(|| format!("check {number}"));
        self.can_fail(&name, &what, word(LIMITS).transpose()?, begin)?;
        Ok(Check {
            name,
            what,
            seed,
            line: self.line(begin),
        })
    }

    /// A check that can never fail is a mistake, unless somebody says that it is for its reports alone.
    fn can_fail(
        &self,
        name: &str,
        what: &What,
        limits: Option<(String, usize)>,
        begin: usize,
    ) -> anyhow::Result<()> {
        let any = match what {
            What::Defend(args) => args.gates.any(),
            What::Score(args) => args.gates.any(),
        };
        let (at, says) = match (limits, any) {
            (None, true) => return Ok(()),
            (Some((none, _)), false) if none == NO_LIMITS => return Ok(()),
            (None, false) => (
                begin,
                format!(
                    "the check `{name}` has no limit, so it can never fail: add max-confidence, max-overhead, max-added-latency \
                     or baseline, or limits = \"none\" where it is for its reports alone"
                ),
            ),
            (Some((none, at)), true) if none == NO_LIMITS => (
                at,
                format!("the check `{name}` has limits, and says that it has none: leave one of both out"),
            ),
            (Some((other, at)), _) => (
                at,
                format!("`{other}` is no value of limits; write limits = \"none\", or max-confidence, max-overhead, max-added-latency or baseline"),
            ),
        };
        Err(self.wrong(at, &says))
    }

    /// A key that is a flag.
    fn flag(
        &self,
        (key, value): Key<'_, '_>,
        flags: &[clap::Arg],
        typed: &mut Vec<OsString>,
    ) -> anyhow::Result<()> {
        let (name, at) = (key.get_ref().as_ref(), key.span().start);
        let Some(flag) = flags.iter().find(|flag| flag.get_long() == Some(name)) else {
            let known = || {
                flags
                    .iter()
                    .filter_map(clap::Arg::get_long)
                    .chain([NAME, COMMAND, INPUT, LIMITS])
            };
            let near = nearest(name, known());
            let says = match near.is_empty() {
                true => format!(
                    "`{name}` is no key; there are {}",
                    known().collect::<Vec<_>>().join(", ")
                ),
                false => format!("`{name}` is no key; did you mean {}?", near.join(" or ")),
            };
            return Err(self.wrong(at, &says));
        };
        if !flag.get_action().takes_values() {
            return match value.get_ref() {
                DeValue::Boolean(true) => {
                    typed.push(format!("--{name}").into());
                    Ok(())
                }
                DeValue::Boolean(false) => Ok(()),
                _ => Err(self.wrong(at, &format!("`{name}` is true or false"))),
            };
        }
        let is_path = matches!(
            flag.get_value_hint(),
            ValueHint::FilePath | ValueHint::DirPath
        );
        for text in self.values(key, value)? {
            let mut word: OsString = format!("--{name}=").into();
            match text.split_once('=') {
                _ if is_path => word.push(self.path(&text)),
                // A report: its path stands behind its format.
                Some((format, path)) if name == "output" => {
                    if path == "-" {
                        return Err(self.wrong(
                            at,
                            "standard output is for all checks together: name a file",
                        ));
                    }
                    word.push(format!("{format}="));
                    word.push(self.path(path));
                }
                _ => word.push(text),
            }
            typed.push(word);
        }
        Ok(())
    }

    /// One value or several, as they would be typed.
    fn values(
        &self,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> anyhow::Result<Vec<String>> {
        let one = |value: &DeValue<'_>| match value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
            DeValue::Float(number) => Some(number.as_str().to_owned()),
            _ => None,
        };
        let values = match value.get_ref() {
            DeValue::Array(all) => all.iter().map(|value| one(value.get_ref())).collect(),
            single => one(single).map(|text| vec![text]),
        };
        values.ok_or_else(|| {
            let says = format!(
                "`{}` wants a text, a number, or a list of them",
                key.get_ref()
            );
            self.wrong(key.span().start, &says)
        })
    }

    fn path(&self, text: &str) -> OsString {
        match text {
            "-" => text.into(),
            _ => self.folder.join(text).into_os_string(),
        }
    }

    /// What clap refuses, at the key it speaks of.
    fn refused(&self, error: &clap::Error, table: &DeTable<'_>, begin: usize) -> anyhow::Error {
        let text = error.to_string();
        let says = text
            .split("\n\n")
            .next()
            .unwrap_or(&text)
            .trim_start_matches("error: ");
        let says = says.split_whitespace().collect::<Vec<_>>().join(" ");
        // The longest key that is named: `q` is part of many a word.
        let named = table
            .iter()
            .filter(|(key, _)| says.contains(&format!("'--{}", key.get_ref())));
        let key = named.max_by_key(|(key, _)| key.get_ref().len());
        self.wrong(key.map_or(begin, |(key, _)| key.span().start), &says)
    }
}

/// The flags that a check of a command may have.
fn flags(command: &str) -> Vec<clap::Arg> {
    let mut cli = Cli::command();
    cli.build();
    let of = cli.find_subcommand(command);
    let all = of.map(|command| command.get_arguments().cloned().collect::<Vec<_>>());
    let mut all = all.unwrap_or_default();
    all.retain(|arg| arg.get_long().is_some_and(|long| !NOT_HERE.contains(&long)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Vec<Check>> {
        parse(text, "stp-audit.toml", Path::new("/home/me"))
    }

    #[test]
    fn a_check_speaks_the_words_of_the_command_line() {
        let text = "[[check]]\nname = \"evening\"\ninput = [\"a.pcap\", \"/b.pcap\"]\nlabels = \"truth.csv\"\n\
                    mode = [\"stp\", \"vpn\"]\nq = 0.01\nkeep-local = true\nexit-zero-not = 0\n";
        let error = read(text).unwrap_err().to_string();
        assert!(
            error.starts_with("stp-audit.toml: line 8: `exit-zero-not` is no key"),
            "{error}"
        );
        let text = text.replace(
            "exit-zero-not = 0\n",
            "seed = 7\noutput = \"json=v.json\"\nmax-confidence = 1\n",
        );
        let checks = read(&text).unwrap();
        let [Check {
            name,
            what: What::Defend(args),
            seed,
            line: 1,
        }] = checks.as_slice()
        else {
            panic!("{checks:?}");
        };
        assert_eq!((name.as_str(), *seed), ("evening", Some(7)));
        let inputs: Vec<&Path> = args.inputs.iter().map(AsRef::as_ref).collect();
        assert_eq!(inputs, [Path::new("/home/me/a.pcap"), Path::new("/b.pcap")]);
        assert_eq!(
            args.detect.labels.as_deref(),
            Some(Path::new("/home/me/truth.csv"))
        );
        assert_eq!(format!("{:?}", args.defenses.mode), "[stp, vpn]");
        assert_eq!(args.defenses.q.unwrap().get(), 0.01);
        assert!(args.keep_local && !args.gates.exit_zero);
        assert_eq!(args.gates.max_confidence, Some(1.0));
        assert_eq!(args.output.output[0].to_string(), "json=/home/me/v.json");
    }

    #[test]
    fn captures_before_and_after_can_be_checked() {
        let text = "# A tunnel.\n[[check]]\ncommand = \"score\"\nbefore = \"a\"\nafter = [\"b\", \"c\"]\nlimits = \"none\"\n";
        let checks = read(text).unwrap();
        let [Check {
            name,
            what: What::Score(args),
            seed: None,
            line: 2,
        }] = checks.as_slice()
        else {
            panic!("{checks:?}");
        };
        assert_eq!((name.as_str(), args.after.len()), ("check 1", 2));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, says) in [
            ("", "line 1: no [[check]]"),
            ("[[check]\n", "line 1: "),
            ("x = 1\n", "line 1: `x` is no key; there is only [[check]]"),
            ("[check]\n", "with two brackets"),
            ("check = 3\n", "with two brackets"),
            (
                "[[check]]\n\nmax-confidence = 1.5\n",
                "line 3: invalid value '1.5' for '--max-confidence <C>': a number from 0 to 1",
            ),
            (
                "[[check]]\nmax-confidense = 0.5\n",
                "line 2: `max-confidense` is no key; did you mean max-confidence?",
            ),
            (
                "[[check]]\nkeep-local = 1\n",
                "line 2: `keep-local` is true or false",
            ),
            (
                "[[check]]\nq = true\n",
                "line 2: `q` wants a text, a number",
            ),
            (
                "[[check]]\nq = 0.1\ntarget-confidence = 0.1\n",
                "cannot be used with",
            ),
            ("[[check]]\nname = 3\n", "line 2: `name` wants a text"),
            (
                "[[check]]\ncommand = \"infer\"\n",
                "line 2: `infer` cannot be checked",
            ),
            (
                "[[check]]\nname = \"a\"\nlimits = \"none\"\n[[check]]\nname = \"a\"\nmax-overhead = 2\n",
                "line 4: two checks are called `a`",
            ),
            (
                "[[check]]\nmax-overhead = 2\n[[check]]\nname = \"idle\"\n",
                "line 3: the check `idle` has no limit, so it can never fail: add max-confidence",
            ),
            (
                "[[check]]\nlimits = \"none\"\nmax-overhead = 2\n",
                "line 2: the check `check 1` has limits, and says that it has none",
            ),
            (
                "[[check]]\nlimits = \"all\"\n",
                "line 2: `all` is no value of limits",
            ),
            ("[[check]]\nlimits = 3\n", "line 2: `limits` wants a text"),
            (
                "[[check]]\neach-device = true\nmax-overhead = 2\n",
                "--max-confidence",
            ),
            (
                "[[check]]\noutput = \"json=-\"\n",
                "line 2: standard output is for all",
            ),
            (
                "[[check]]\ncommand = \"score\"\nbefore = \"a\"\n",
                "--after",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(
                error.contains(says),
                "{text}: `{error}` does not say `{says}`"
            );
        }
    }
}
