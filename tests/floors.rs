//! The house stands: a room imports only from lower floors, siblings do not import each other, and no imports run in a circle.
//!
//! Read from the source text: every path that begins with `crate::` or `super::`, and what a `mod.rs` takes from its children.
//! What is compiled for tests alone is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms of `src/`, from the ground up; those on one floor are siblings.
const FLOORS: [&[&str]; 15] = [
    &["units"],
    &["habits"],
    &["capture", "sandbox", "stp", "stats", "theory"],
    &["packet", "gateway", "learning"],
    &["rate"],
    &["flow"],
    &["device", "activity"],
    &["trace"],
    &["threat", "model"],
    &["defense", "adversary", "score"],
    &["inference", "verdict"],
    &["tradeoff", "live"],
    &["audit", "sweep"],
    &["report"],
    &["cli"],
];

/// A module by its path: `["capture", "reader"]`.
type Module = Vec<String>;

/// Every module outside tests, with its source.
fn modules() -> BTreeMap<Module, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.insert(module(&root, &path), std::fs::read_to_string(path).unwrap());
            }
        }
    }
    for (module, text) in found.clone() {
        for child in only_for_tests(&text) {
            found.remove(&[module.clone(), vec![child]].concat());
        }
    }
    found.remove(&vec!["main".to_owned()]).expect("the binary");
    found.remove(&vec!["lib".to_owned()]).expect("the library");
    found
}

fn module(root: &Path, path: &Path) -> Module {
    let within: PathBuf = path.strip_prefix(root).unwrap().with_extension("");
    let parts = within.iter().map(|part| part.to_str().unwrap().to_owned());
    parts.filter(|part| part != "mod").collect()
}

/// Children in files of their own that are declared for tests: `#[cfg(test)] mod sample;`.
fn only_for_tests(text: &str) -> Vec<String> {
    let behind = text.split("#[cfg(test)]").skip(1);
    let declared =
        behind.filter_map(|rest| rest.trim_start().strip_prefix("mod ")?.split_once(';'));
    declared
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.contains('{'))
        .collect()
}

/// Code without comments and without the tests at its end.
fn code(text: &str) -> String {
    let tests = "#[cfg(test)]\nmod tests {";
    let before = text.split(tests).next().unwrap();
    let lines = before
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths behind each place where `prefix` begins one, its braces spelled out: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(code: &str, prefix: &str) -> Vec<Module> {
    let goes_on =
        |before: Option<char>| before.is_some_and(|c| c.is_alphanumeric() || "_:".contains(c));
    let places = code.match_indices(prefix);
    let begins = places.filter(|(at, _)| !goes_on(code[..*at].chars().next_back()));
    begins
        .flat_map(|(at, _)| spelled_out(&code[at + prefix.len()..]))
        .collect()
}

fn spelled_out(text: &str) -> Vec<Module> {
    if let Some(group) = text.strip_prefix('{') {
        return items(group).into_iter().flat_map(spelled_out).collect();
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let mut below = match rest.strip_prefix("::") {
        Some(rest) => spelled_out(rest),
        None => vec![Module::new()],
    };
    for path in &mut below {
        path.insert(0, name.to_owned());
    }
    below
}

/// What stands between commas, up to the closing brace.
fn items(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(group[start..at].trim());
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(group[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

/// Which modules each module imports from.
fn imports() -> BTreeMap<Module, BTreeSet<Module>> {
    let modules = modules();
    let mut imports = BTreeMap::new();
    for (module, text) in &modules {
        let code = code(text);
        let mut named = paths(&code, "crate::");
        for mut path in paths(&code, "super::") {
            let mut above = module[..module.len() - 1].to_vec();
            while path.first().is_some_and(|name| name == "super") {
                path.remove(0);
                above.pop();
            }
            above.extend(path);
            named.push(above);
        }
        // Of its children: `pub use child::Name`, `child::run()`.
        for (child, _) in modules
            .iter()
            .filter(|(child, _)| child.len() == module.len() + 1)
        {
            if child.starts_with(module) {
                let from = format!("{}::", child[module.len()]);
                let uses = paths(&code, &from).into_iter();
                named.extend(uses.map(|path| [child, &path[..]].concat()));
            }
        }
        let from: BTreeSet<Module> = named
            .iter()
            .filter_map(|path| {
                let lengths = (1..=path.len()).rev();
                let mut prefixes = lengths.map(|length| path[..length].to_vec());
                prefixes.find(|prefix| modules.contains_key(prefix))
            })
            .filter(|from| from != module)
            .collect();
        imports.insert(module.clone(), from);
    }
    imports
}

fn floor(room: &str) -> usize {
    let floor = FLOORS.iter().position(|floor| floor.contains(&room));
    floor.unwrap_or_else(|| panic!("the room {room} is on no floor: give it one here"))
}

#[test]
fn rooms_import_from_lower_floors_alone() {
    let imports = imports();
    let rooms: BTreeSet<&str> = imports.keys().map(|module| module[0].as_str()).collect();
    let planned: BTreeSet<&str> = FLOORS.iter().copied().flatten().copied().collect();
    assert_eq!(rooms, planned, "rooms in src/ and on the floors");
    let mut seen = BTreeSet::new();
    for (module, from) in &imports {
        for import in from.iter().filter(|import| import[0] != module[0]) {
            let (room, other) = (module[0].as_str(), import[0].as_str());
            assert!(
                floor(other) < floor(room),
                "{} imports from {}: {other} is not below {room}",
                module.join("::"),
                import.join("::")
            );
            seen.insert((room, other));
        }
    }
    // What surely is there: the reading of the source is no dead letter.
    for sure in [
        ("packet", "capture"),
        ("flow", "packet"),
        ("cli", "report"),
        ("device", "flow"),
    ] {
        assert!(seen.contains(&sure), "{sure:?} was not found");
    }
}

#[test]
fn no_imports_run_in_a_circle() {
    let mut left = imports();
    assert!(left.len() > 60, "{} modules read", left.len());
    // Take away who imports from nobody that is left, or is imported by nobody, until nothing changes.
    loop {
        let standing: BTreeSet<Module> = left.keys().cloned().collect();
        let imported: BTreeSet<Module> = left.values().flatten().cloned().collect();
        left.retain(|module, from| imported.contains(module) && !from.is_disjoint(&standing));
        if left.len() == standing.len() {
            break;
        }
    }
    let circles: Vec<String> = left
        .iter()
        .map(|(module, from)| {
            let among = from.iter().filter(|import| left.contains_key(*import));
            let among: Vec<String> = among.map(|import| import.join("::")).collect();
            format!("{} imports {}", module.join("::"), among.join(", "))
        })
        .collect();
    assert!(circles.is_empty(), "a circle:\n{}", circles.join("\n"));
}

#[test]
fn imports_are_read_as_rust_writes_them() {
    let code =
        "use crate::a::{b, c::{D, e}};\nuse super::super::f;\nlet x = crate::g::h(3); my_crate::i";
    let spelled = |prefix| -> Vec<String> {
        let paths = paths(code, prefix).into_iter();
        paths.map(|path| path.join("::")).collect()
    };
    assert_eq!(spelled("crate::"), ["a::b", "a::c::D", "a::c::e", "g::h"]);
    assert_eq!(spelled("super::"), ["super::f"]);
}
