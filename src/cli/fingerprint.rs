//! `fingerprint`: look at the fingerprints devices are recognised by, and make new ones.

use crate::capture::Options;
use crate::cli::args::{Common, FingerprintCommand};
use crate::cli::exit::{input, usage, Exit};
use crate::cli::infer::{self, catalog};
use crate::cli::nearest::nearest;
use crate::cli::print;
use crate::cli::reading::{read, Read};
use crate::device::catalog::Catalog;
use crate::device::fingerprint::Fingerprint;
use crate::device::learn::{learn, read_macs, LEARNED_FROM};
use crate::device::mud::{self, MUD_FILE};
use crate::flow::facts::{facts, FlowFacts};
use crate::flow::home::{Home, Vantage};
use crate::flow::observer::Settings;
use crate::report::fingerprints;
use crate::report::human::{counted, line};
use crate::report::output::write_whole;
use crate::report::Style;
use crate::units::Mac;
use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn run(command: &FingerprintCommand, common: &Common) -> anyhow::Result<Exit> {
    match command {
        FingerprintCommand::List(args) => list(&catalog(&args.fingerprints)?, common),
        FingerprintCommand::Show { id, catalog: args } => {
            print(find(&catalog(&args.fingerprints)?, id)?.to_toml())
        }
        FingerprintCommand::Learn {
            inputs,
            macs,
            out,
            filter,
        } => learn_from(inputs, macs, out, filter.as_deref(), common),
        FingerprintCommand::Import { files, out } => import(files, out, common),
        FingerprintCommand::Export {
            id,
            out,
            catalog: args,
        } => {
            let catalog = catalog(&args.fingerprints)?;
            export(find(&catalog, id)?, out.as_deref(), common)
        }
    }
}

fn list(catalog: &Catalog, common: &Common) -> anyhow::Result<Exit> {
    let mut table = Vec::new();
    fingerprints::write(catalog, Style::of_stdout(common.color), &mut table)?;
    print(String::from_utf8_lossy(&table))
}

fn find<'a>(catalog: &'a Catalog, id: &str) -> anyhow::Result<&'a Fingerprint> {
    catalog.find(id).ok_or_else(|| {
        let near = nearest(id, catalog.iter().map(|one| one.id.as_str()));
        let advice = match near.is_empty() {
            true => "`stp-audit fingerprint list` shows all ids".to_owned(),
            false => format!("did you mean {}?", near.join(", ")),
        };
        usage(format!("no fingerprint has the id {id:?}; {advice}"))
    })
}

/// `learn`: watch the captures, learn every listed device that shows, write one file each.
fn learn_from(
    inputs: &[PathBuf],
    macs: &Path,
    out: &Path,
    filter: Option<&str>,
    common: &Common,
) -> anyhow::Result<Exit> {
    let devices = devices(macs)?;
    let catalog = catalog(&[])?;
    let options = Options {
        filter: filter.map(str::to_owned),
        ..Options::default()
    };
    let settings = Settings {
        traits: true,
        ..Settings::default()
    };
    let read = read(inputs, &options, settings, common)?;
    read.must_have_packets()?;
    doubts(&read, common);

    let observed = &read.observed;
    let home = Home::find(&observed.flows, Some(Vantage::Lan), &[]);
    let facts = facts(&observed.flows, &home, &observed.names);
    let learned = learn(&facts, &observed.tracks, &devices, &catalog);
    if learned.is_empty() {
        return Err(input(format!(
            "none of the {} of {} exchanges a packet with a server in this capture; was it taken at the home's LAN, with Ethernet headers?",
            counted(devices.len() as u64, "device"),
            macs.display()
        )));
    }
    unseen(&devices, &facts, common);
    write_all(&learned, out, LEARNED_FROM, common)?;
    Ok(infer::exit(&read, false))
}

fn devices(path: &Path) -> anyhow::Result<BTreeMap<Mac, String>> {
    let shown = path.display().to_string();
    let file = File::open(path).map_err(|error| {
        usage(format!(
            "{shown}: {error}; devices are a CSV file of MAC address,name"
        ))
    })?;
    read_macs(file, &shown).map_err(|error| usage(error.to_string()))
}

/// Says what of the inputs was not read.
fn doubts(read: &Read, common: &Common) {
    let doubts = read.truncations().into_iter().chain(read.failure.clone());
    for doubt in doubts {
        remark(common, &doubt);
    }
    if read.signal.is_some() {
        remark(
            common,
            "stopped by a signal: what follows in the input was not read",
        );
    }
}

/// Says which listed devices did not show.
fn unseen(devices: &BTreeMap<Mac, String>, facts: &[FlowFacts], common: &Common) {
    let seen: BTreeSet<Mac> = facts.iter().filter_map(|fact| fact.mac).collect();
    for (mac, name) in devices.iter().filter(|(mac, _)| !seen.contains(mac)) {
        remark(common, &format!("not seen with any server: {name} ({mac})"));
    }
}

/// `import`: read all files, then write one fingerprint each; a file that makes no sense keeps all from being written.
fn import(files: &[PathBuf], out: &Path, common: &Common) -> anyhow::Result<Exit> {
    let catalog = catalog(&[])?;
    let mut fingerprints = Vec::new();
    let mut ids = BTreeSet::new();
    for path in files {
        let shown = path.display().to_string();
        let read = match path.as_os_str() == "-" {
            true => mud::import(std::io::stdin().lock(), "standard input", &catalog),
            false => {
                let file = File::open(path).map_err(|error| input(format!("{shown}: {error}")))?;
                mud::import(file, &shown, &catalog)
            }
        };
        let mut read = read.map_err(|error| input(error.to_string()))?;
        for what in &read.remarks {
            remark(common, &format!("{shown}: {what}"));
        }
        let plain = read.fingerprint.id.clone();
        let mut number = 2;
        while !ids.insert(read.fingerprint.id.clone()) {
            read.fingerprint.id = format!("{plain}-{number}");
            number += 1;
        }
        fingerprints.push(read.fingerprint);
    }
    write_all(&fingerprints, out, MUD_FILE, common)?;
    Ok(Exit::Done)
}

fn export(fingerprint: &Fingerprint, out: Option<&Path>, common: &Common) -> anyhow::Result<Exit> {
    let exported = mud::export(fingerprint).map_err(|error| usage(error.to_string()))?;
    for what in &exported.remarks {
        remark(common, &format!("{}: {what}", fingerprint.id));
    }
    match out.filter(|path| path.as_os_str() != "-") {
        None => print(exported.json),
        Some(path) => {
            write_whole(path, |file| file.write_all(exported.json.as_bytes()))?;
            Ok(Exit::Done)
        }
    }
}

/// Writes one file a fingerprint into a folder, made where there is none. Files of the same id that came about the same way
/// (their sources say so) are replaced; anything else of that name keeps everything from being written.
fn write_all(
    fingerprints: &[Fingerprint],
    folder: &Path,
    origin: &str,
    common: &Common,
) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for fingerprint in fingerprints {
        let path = folder.join(format!("{}.toml", fingerprint.id));
        let text = fingerprint.to_toml();
        // What cannot be read again is not worth writing.
        Fingerprint::from_toml(&fingerprint.id, &text, &path.display().to_string())?;
        let verb = match path.symlink_metadata().is_ok() {
            true if !came_so(&path, &fingerprint.id, origin) => {
                return Err(usage(format!(
                    "{}: is there already and was not made by this command, so nothing was written; move it away, or choose another --out",
                    path.display()
                )))
            }
            true => "replaced",
            false => "wrote",
        };
        files.push((fingerprint, path, text, verb));
    }
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for (fingerprint, path, text, verb) in files {
        write_whole(&path, |file| file.write_all(text.as_bytes()))?;
        remark(
            common,
            &format!("{verb} {}: {}", path.display(), held(fingerprint)),
        );
    }
    Ok(())
}

/// Whether a file is a fingerprint with a source of this beginning.
fn came_so(path: &Path, id: &str, origin: &str) -> bool {
    let text = match fs::metadata(path) {
        Ok(old) if old.is_file() => fs::read_to_string(path).unwrap_or_default(),
        _ => return false,
    };
    Fingerprint::from_toml(id, &text, "")
        .is_ok_and(|old| old.sources.iter().any(|source| source.starts_with(origin)))
}

/// `HBN Plug, 5 names, 12 addresses`.
fn held(fingerprint: &Fingerprint) -> String {
    let names = &fingerprint.names;
    let lists = [&names.exact, &names.suffix, &names.wildcard, &names.hint];
    let listed = lists.iter().map(|list| list.len() as u64).sum();
    format!(
        "{}, {}, {}",
        fingerprint.name(),
        counted(listed, "name"),
        match fingerprint.addresses.len() {
            1 => "1 address".to_owned(),
            some => format!("{some} addresses"),
        }
    )
}

/// Talks on standard error, unless asked to be quiet. Names in it are other people's.
fn remark(common: &Common, text: &str) {
    if !common.quiet {
        let _ = writeln!(std::io::stderr(), "stp-audit: {}", line(text));
    }
}
