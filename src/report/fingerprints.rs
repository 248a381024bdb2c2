//! The catalog for people at a terminal: one row a fingerprint.

use super::columns::{Align, Columns};
use super::human::{clipped, count, counted, line, MISSING};
use super::style::{Paint, Style};
use crate::device::catalog::Catalog;
use crate::device::fingerprint::Fingerprint;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Longest name and source shown, in characters; `fingerprint show` has them whole.
const LONGEST: usize = 48;

/// Writes all fingerprints in order of id, and how many there are.
pub fn write(catalog: &Catalog, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut columns = Columns::new(&[
        ("ID", Align::Left),
        ("DEVICE", Align::Left),
        ("KIND", Align::Left),
        ("NAMES", Align::Right),
        ("ADDRESSES", Align::Right),
        ("SOURCE", Align::Left),
    ]);
    for fingerprint in catalog.iter() {
        columns.row(Paint::Known, row(fingerprint));
    }
    columns.write(style, out)?;
    let vendors: BTreeSet<&str> = catalog.iter().map(|one| one.vendor.as_str()).collect();
    let closing = format!(
        "{} of {}.",
        counted(catalog.len() as u64, "fingerprint"),
        counted(vendors.len() as u64, "vendor")
    );
    writeln!(out, "{}", style.paint(Paint::Faint, &closing))
}

fn row(fingerprint: &Fingerprint) -> Vec<String> {
    let names = &fingerprint.names;
    let lists = [&names.exact, &names.suffix, &names.wildcard, &names.hint];
    let listed: usize = lists.iter().map(|list| list.len()).sum();
    let source = match fingerprint.sources.as_slice() {
        [] => MISSING.to_owned(),
        [only] => clipped(&line(only), LONGEST),
        [first, more @ ..] => format!("{} +{}", clipped(&line(first), LONGEST), more.len()),
    };
    vec![
        fingerprint.id.clone(),
        clipped(&line(&fingerprint.name()), LONGEST),
        line(&fingerprint.kind),
        count(listed as u64),
        count(fingerprint.addresses.len() as u64),
        source,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(fingerprints: &[(&str, &str)]) -> String {
        let read = |(id, text): &(&str, &str)| Fingerprint::from_toml(id, text, id).unwrap();
        let catalog = Catalog::new(fingerprints.iter().map(read).collect(), Vec::new());
        let mut out = Vec::new();
        write(&catalog, Style::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fingerprints_stand_in_order_with_what_they_hold() {
        let lamp = "vendor = \"Acme\"\nproduct = \"Lamp\"\nkind = \"light\"\nsources = [\"A study\", \"Another\"]\n\
                    [names]\nexact = [\"a.acme.com\"]\nsuffix = [\"acme.net\"]\n\
                    [[addresses]]\nprefix = \"192.0.2.7/32\"\nlearned = \"2024-03-05\"\n";
        let all = "vendor = \"Acme\"\nkind = \"hub\"\n";
        assert_eq!(
            list(&[("acme-lamp", lamp), ("acme", all)]),
            "ID         DEVICE     KIND   NAMES  ADDRESSES  SOURCE\n\
             acme       Acme       hub        0          0  -\n\
             acme-lamp  Acme Lamp  light      2          1  A study +1\n\
             2 fingerprints of 1 vendor.\n"
        );
    }

    #[test]
    fn hostile_texts_stay_in_their_row() {
        let text = "vendor = \"A\\u001b[2J\\n\"\nkind = \"\\u202e\"\nsources = [\"\\r\"]\n";
        let list = list(&[("a", text)]);
        assert_eq!(list.lines().count(), 3);
        assert!(
            list.chars().all(|c| c == '\n' || !c.is_control()),
            "{list:?}"
        );
    }

    #[test]
    fn no_fingerprint_is_said() {
        assert_eq!(list(&[]), "0 fingerprints of 0 vendors.\n");
    }
}
