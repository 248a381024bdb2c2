//! Which interfaces to record from, and how they are opened; what to do where that is not allowed, or they are not there.

use crate::capture::{
    first_interface, interfaces, Interface, Listen, ListenError, Live, LiveError, Moment,
};
use crate::cli::args::RecordArgs;
use crate::cli::capture_clock::Clock;
use crate::cli::exit::environment;
use crate::cli::nearest::nearest;
use crate::cli::signals::Signals;
use crate::report::human::line;
use std::time::Duration;

/// How often an interface that is down is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// Interfaces that are listened to.
pub struct Opened {
    /// In the order they were named.
    pub lives: Vec<Live>,
    /// Their descriptions.
    pub descriptions: Vec<String>,
    /// The interface that was down at first, since when, until when.
    pub waited: Option<(usize, Moment, Moment)>,
}

/// The list that `-D` prints; `-i` takes names and numbers of it.
pub fn list() -> anyhow::Result<String> {
    let all = interfaces()?;
    let width = all.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (number, one) in all.iter().enumerate() {
        let mut about = vec![state(one).to_owned()];
        about.extend(one.addresses.iter().map(ToString::to_string));
        if !one.description.is_empty() {
            about.push(format!("({})", line(&one.description)));
        }
        let (name, about) = (line(&one.name), about.join("  "));
        text += &format!("{:>2}. {name:width$}  {about}\n", number + 1);
    }
    Ok(text)
}

fn state(one: &Interface) -> &'static str {
    match one {
        one if one.is_any() => "all of them",
        one if one.loopback => "loopback",
        one if !one.up => "down",
        one if !one.running => "no link",
        _ => "up",
    }
}

/// Listens to the interfaces that were named. One that is down is waited for, and the others with it; `None` where a signal ended
/// the wait. `say` tells whoever sits there.
///
/// # Errors
/// What [`Live::open`] says, with what to do about it.
pub fn open(
    args: &RecordArgs,
    immediate: bool,
    signals: &Signals,
    clock: &Clock,
    say: impl FnMut(&str),
) -> anyhow::Result<Option<Opened>> {
    let listen = Listen {
        snaplen: args.snapshot_length,
        promiscuous: !args.no_promiscuous_mode,
        immediate,
        buffer_mib: args.buffer_size,
        filter: args.filter.clone(),
    };
    open_named(&args.interface, &listen, signals, clock, say)
}

/// Listens to the interfaces of these names or numbers; the first there is, where there are none.
///
/// # Errors
/// As [`open`].
pub fn open_named(
    asked: &[String],
    listen: &Listen,
    signals: &Signals,
    clock: &Clock,
    mut say: impl FnMut(&str),
) -> anyhow::Result<Option<Opened>> {
    // Whoever may listen but not list is told by the interface itself.
    let there = interfaces().unwrap_or_default();
    let names = names(asked, &there)?;
    let mut waited: Option<(usize, Moment, Moment)> = None;
    loop {
        let lives: Result<Vec<Live>, (usize, ListenError)> = names
            .iter()
            .enumerate()
            .map(|(number, name)| Live::open(name, listen).map_err(|error| (number, error)))
            .collect();
        match lives {
            Ok(lives) => {
                if let Some((_, _, until)) = &mut waited {
                    *until = clock.now();
                }
                let descriptions = names.iter().map(|name| description(name, &there));
                return Ok(Some(Opened {
                    descriptions: descriptions.collect(),
                    lives,
                    waited,
                }));
            }
            Err((number, ListenError::Live(LiveError::Down { interface }))) => {
                if waited.is_none() {
                    let now = clock.now();
                    waited = Some((number, now, now));
                    say(&format!(
                        "{interface} is down; waiting until it is up (ip link set {interface} up)"
                    ));
                }
                std::thread::sleep(AGAIN);
                if signals.came().is_some() {
                    return Ok(None);
                }
            }
            Err((_, error)) => return Err(helped(error)),
        }
    }
}

/// Names of what was asked for: by name, by number, or the first there is.
fn names(asked: &[String], there: &[Interface]) -> anyhow::Result<Vec<String>> {
    if asked.is_empty() {
        return Ok(vec![first_interface()?.name]);
    }
    let named = |asked: &String| {
        let known = there.iter().any(|one| one.name == *asked);
        let number = asked.parse::<usize>().ok().filter(|_| !known);
        let numbered = number.and_then(|number| there.get(number.checked_sub(1)?));
        numbered.map_or_else(|| asked.clone(), |one| one.name.clone())
    };
    let mut names: Vec<String> = Vec::new();
    for name in asked.iter().map(named) {
        // Twice the same would be each packet twice.
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn description(name: &str, there: &[Interface]) -> String {
    let found = there.iter().find(|one| one.name == name);
    found.map(|one| one.description.clone()).unwrap_or_default()
}

/// An error, and what to do about it.
fn helped(error: ListenError) -> anyhow::Error {
    match error {
        ListenError::Filter(error) => error.into(),
        ListenError::Live(error) => match &error {
            LiveError::Permission { interface, .. } => {
                let interface = shell_word(interface);
                let program = std::env::current_exe()
                    .map_or_else(|_| "stp-audit".into(), |path| path.display().to_string());
                let program = shell_word(&program);
                environment(format!(
                    "{error}\n\
                     Give it to the program once:\n\
                     \x20 sudo setcap cap_net_raw=ep {program}\n\
                     or run it with sudo. Without that, let a program record that may:\n\
                     \x20 sudo tcpdump -i {interface} -s 256 -U -w - | stp-audit infer -\n\
                     \x20 dumpcap -i {interface} -s 256 -w - | stp-audit infer -    (as a member of its group, often `wireshark`)"
                ))
            }
            LiveError::Missing { interface, there } => {
                let near = nearest(interface, there.iter().map(String::as_str));
                match near.first() {
                    Some(near) => environment(format!("{error}; did you mean {near}?")),
                    None => error.into(),
                }
            }
            _ => error.into(),
        },
    }
}

/// A word that a shell takes as it stands.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", line(word).replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_asked_for_by_name_or_number() {
        let there = ["eth1", "lo", "3"].map(|name| Interface {
            name: name.into(),
            ..Interface::default()
        });
        let names = |asked: &[&str]| {
            let asked: Vec<String> = asked.iter().map(|one| (*one).to_owned()).collect();
            names(&asked, &there).unwrap()
        };
        assert_eq!(names(&["1", "lo"]), ["eth1", "lo"]);
        assert_eq!(names(&["eth1", "1"]), ["eth1"]);
        // One that is called so comes before one that is numbered so.
        assert_eq!(names(&["3", "2"]), ["3", "lo"]);
        assert_eq!(names(&["0", "9", "eth7"]), ["0", "9", "eth7"]);
    }

    #[test]
    fn what_is_to_be_pasted_can_be_pasted() {
        assert_eq!(shell_word("/usr/bin/stp-audit"), "/usr/bin/stp-audit");
        assert_eq!(shell_word("/my tools/it's"), r"'/my tools/it'\''s'");
    }

    #[test]
    fn the_missing_are_offered_their_neighbours() {
        let error = helped(ListenError::Live(LiveError::Missing {
            interface: "eht1".into(),
            there: vec!["eth1".into(), "lo".into()],
        }));
        let told = error.to_string();
        assert!(told.contains("there are eth1, lo"), "{told}");
        assert!(told.ends_with("did you mean eth1?"), "{told}");
    }
}
