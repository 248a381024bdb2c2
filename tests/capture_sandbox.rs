//! A running `capture` in its sandbox: what it still may, seen from outside in /proc, and that it goes on recording, turning
//! its ring and telling its counters. And `infer -i` in the same one: with its reports written at the end all the same.
//!
//! On a pair of virtual interfaces in a network namespace of its own, which takes root; without, the tests say that they are
//! left out.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

mod network;
mod program;

use network::{frames, Network, Running};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{chown, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

macro_rules! network {
    () => {
        match Network::new() {
            Some(network) => network,
            None => return,
        }
    };
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_stp-audit");
const NONE: &str = "0000000000000000";

/// What a recording in a ring of files in this folder is told.
fn ring<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let ring = ["-i", "b0", "-f", "udp", "-b", "packets:50", "-w", file];
    [&ring, more].concat()
}

/// The files in a folder, in the order of their names.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn packets(file: &Path) -> usize {
    frames(file.to_str().unwrap()).len()
}

/// That the process is this user's, and has nothing left but to go on.
fn is_inside(running: &Running, uid: u32, gid: u32) {
    let status = running.status();
    let all = |number: u32| [number.to_string().as_str(); 4].join("\t");
    for (field, value) in [
        ("Uid", all(uid).as_str()),
        ("Gid", &all(gid)),
        ("CapInh", NONE),
        ("CapPrm", NONE),
        ("CapEff", NONE),
        ("CapBnd", NONE),
        ("CapAmb", NONE),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Threads", "1"),
    ] {
        assert_eq!(status[field], value, "{field}");
    }
}

/// Asks for the counters until they say this.
fn counts(running: &mut Running, words: &str) {
    running.until(words, |running| {
        running.signal("USR1");
        running.said().contains(words).then_some(())
    });
}

#[test]
fn a_ring_is_recorded_by_who_called_sudo_with_no_rights_left() {
    let network = network!();
    let folder = network.folder_of(65_010);
    let file = format!("{folder}/home.pcapng");
    let mut command = network.words(&[&[PROGRAM, "capture"][..], &ring(&file, &[])].concat());
    command.env("SUDO_UID", "65010").env("SUDO_GID", "65011");
    let mut recording = Running::of(command);
    recording.says(&format!(
        "sandbox: user 65010 (uid 65010), no capabilities, no exec, no new sockets, writing in {folder} alone"
    ));
    recording.says("recording from b0");
    is_inside(&recording, 65_010, 65_011);
    assert_eq!(recording.status()["Groups"], "65011");

    // It goes on: packets, the ring, counters, what becomes of the interface.
    network.send(120, 10);
    recording.until("third file", |_| (files(&folder).len() == 3).then_some(()));
    counts(
        &mut recording,
        "120 packets recorded, 120 received, 0 dropped by the kernel",
    );
    network.ip(&["link", "set", "b0", "down"]);
    recording.says("b0 is down; recording goes on once it is up");
    network.ip(&["link", "set", "b0", "up"]);
    recording.says("b0 was down from ");
    network.send(10, 10);
    counts(&mut recording, "130 packets recorded, 130 received");
    recording.signal("INT");
    recording.ends(0);

    let files = files(&folder);
    let recorded: Vec<usize> = files.iter().map(|file| packets(file)).collect();
    assert_eq!(recorded, [50, 50, 30], "{files:?}");
    for file in &files {
        assert!(file.extension().is_some_and(|kind| kind == "pcapng"));
        let about = fs::metadata(file).unwrap();
        assert_eq!((about.uid(), about.gid()), (65_010, 65_011), "{file:?}");
    }
}

#[test]
fn an_interface_that_is_taken_away_is_noticed_inside() {
    let network = network!();
    let folder = network.folder_of(65_020);
    let file = format!("{folder}/home.pcapng");
    let mut recording = network.start(&ring(&file, &[]));
    // Nobody is told of: the folder's owner records.
    recording.says("sandbox: user 65020 ");
    recording.says("recording from b0");
    network.send(5, 10);
    counts(&mut recording, ": 5 packets recorded");
    network.ip(&["link", "del", "a0"]);
    recording.ends(4);
    let files = files(&folder);
    assert_eq!(files.len(), 1);
    assert_eq!(packets(&files[0]), 5);
}

#[test]
fn one_file_is_recorded_by_nobody_and_stays_its_owners() {
    // Its folder is as /root: nobody else gets in.
    let network = network!();
    let file = network.path("home.pcapng");
    let mut recording = network.start(&["-i", "b0", "-f", "udp", "-c", "7", "-w", &file]);
    recording.says("sandbox: user nobody ");
    recording.says("recording from b0");
    is_inside(&recording, 65_534, 65_534);
    network.send(7, 10);
    recording.ends(0);
    assert_eq!(frames(&file).len(), 7);
    assert_eq!(fs::metadata(&file).unwrap().uid(), 0);
}

#[test]
fn who_cannot_write_is_told_of_before_a_file_is_made() {
    let network = network!();
    let folder = network.folder_of(0);
    let file = format!("{folder}/home.pcapng");
    for (more, code, said) in [
        (&[][..], 4, "user nobody (uid 65534) cannot write there"),
        (
            &["-Z", "daemon"],
            4,
            "user daemon (uid 1) cannot write there",
        ),
        (&["-Z", "no-such-user"], 2, "there is no user no-such-user"),
        (&["-Z", "daemon", "--no-sandbox"], 2, "cannot be used with"),
    ] {
        let run = network.start(&ring(&file, more)).ends(code);
        assert!(run.err.contains(said), "{}", run.err);
        assert!(files(&folder).is_empty());
    }

    // Root itself can, without a capability; and whoever wants to keep all.
    for (more, inside) in [("-Z=root", true), ("--no-sandbox", false)] {
        let mut recording = network.start(&ring(&file, &[more]));
        recording.says("recording from b0");
        if inside {
            is_inside(&recording, 0, 0);
        }
        let status = recording.status();
        assert_eq!(status["CapEff"] == NONE, inside, "{more}");
        assert_eq!(status["Seccomp"], if inside { "2" } else { "0" });
        recording.signal("TERM");
        recording.ends(0);
    }
}

#[test]
fn a_service_with_one_capability_gives_it_up() {
    let network = network!();
    if Command::new("setpriv").arg("--version").output().is_err() {
        println!("skipped: setpriv is absent");
        return;
    }
    let folder = network.folder_of(65_030);
    // As systemd starts the one of packaging/: no root, CAP_NET_RAW and no other, not even to listen to all.
    let program = network.path("stp-audit-capture");
    // By another process: what a test that starts a program just then inherits open for writing cannot be run.
    let copied = Command::new("cp").args([PROGRAM, &program]).status();
    assert!(copied.unwrap().success());
    let file = format!("{folder}/home.pcapng");
    let service = [
        "setpriv",
        "--reuid=65030",
        "--regid=65030",
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all,+net_raw",
        "--inh-caps=+net_raw",
        "--ambient-caps=+net_raw",
        &program,
    ];
    let mut recording = Running::of(network.words(&[&service, &ring(&file, &["-g"])[..]].concat()));
    recording.says("sandbox: no capabilities");
    recording.says("recording from b0");
    let status = recording.status();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[set], NONE, "{set}");
    }
    // This one takes CAP_SETPCAP to change; without exec nothing comes of it.
    assert_eq!(status["CapBnd"], "0000000000002000");
    network.send(60, 10);
    recording.until("second file", |_| (files(&folder).len() == 2).then_some(()));
    recording.signal("TERM");
    recording.ends(0);
}

#[test]
fn a_watch_goes_on_inside_and_writes_its_reports_at_the_end() {
    let network = network!();
    let folder = network.folder_of(65_040);
    // One that was there, behind a link from where its user cannot write; a device; one that is new.
    let old = format!("{folder}/monday.json");
    fs::write(&old, "old").unwrap();
    let link = network.path("latest.json");
    std::os::unix::fs::symlink(&old, &link).unwrap();
    let (json, rates) = (format!("json={link}"), format!("{folder}/rates.csv"));
    let mut watch = network.other(
        "infer",
        &[
            "-i",
            "b0",
            "-f",
            "udp",
            "-o",
            &json,
            "-o",
            "md=/dev/null",
            "--rates",
            &rates,
        ],
    );
    watch.says(&format!(
        "sandbox: user 65040 (uid 65040), no capabilities, no exec, no new sockets, writing in {folder}, /dev/null alone"
    ));
    is_inside(&watch, 65_040, 65_040);
    // What becomes of the interface is seen from inside.
    network.ip(&["link", "set", "b0", "down"]);
    watch.says("b0 is down");
    network.ip(&["link", "set", "b0", "up"]);
    watch.says("b0 is up again");
    network.send(9, 100);
    // Until the packets have come and are told: a bin of a second, and the grace.
    std::thread::sleep(std::time::Duration::from_secs(2));
    watch.signal("TERM");
    watch.ends(0);
    let report: Value = serde_json::from_slice(&fs::read(&old).unwrap()).unwrap();
    assert_eq!(report["census"]["ipv4"], 9);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let told = fs::read_to_string(&rates).unwrap();
    assert!(told.starts_with("start,device,up_bytes,down_bytes\n"));
    assert!(told.lines().count() > 1, "{told}");
    for file in files(&folder) {
        assert_eq!(fs::metadata(&file).unwrap().uid(), 65_040, "{file:?}");
    }
}

#[test]
fn a_watch_that_could_not_write_its_reports_does_not_begin() {
    let network = network!();
    let folder = network.folder_of(0);
    let (json, csv) = (format!("json={folder}/v.json"), format!("{folder}/r.csv"));
    // As /tmp: everybody makes files there, and nobody replaces another's.
    let shared = network.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    let roots = format!("{shared}/v.json");
    fs::write(&roots, "old").unwrap();
    let (shared, nowhere) = (format!("json={roots}"), format!("json={folder}/no/v.json"));
    for (more, code, said) in [
        (
            &["-o", &json][..],
            4,
            "user nobody (uid 65534) cannot write",
        ),
        (
            &["--rates", &csv],
            4,
            "user nobody (uid 65534) cannot write",
        ),
        (&["-o", &nowhere], 4, "make the folder, or choose another"),
        (&["-o", &shared], 4, "belongs to user 0"),
        (&["-Z", "no-such-user"], 2, "there is no user no-such-user"),
    ] {
        let run = network
            .other("infer", &[&["-i", "b0"][..], more].concat())
            .ends(code);
        assert!(run.err.contains(said), "{}", run.err);
    }
    assert!(files(&folder).is_empty());
    assert_eq!(fs::read_to_string(&roots).unwrap(), "old");
    // Whose it is, though, may.
    chown(&roots, Some(65_534), Some(65_534)).unwrap();
    let mut watch = network.other("infer", &["-i", "b0", "-o", &shared]);
    watch.says("sandbox: user nobody ");
    watch.signal("INT");
    watch.ends(0);
    assert!(fs::read_to_string(&roots).unwrap().starts_with('{'));

    for (more, inside) in [("-Z=root", true), ("--no-sandbox", false)] {
        let mut watch = network.other("infer", &["-i", "b0", "-o", &json, more]);
        match inside {
            true => {
                watch.says("sandbox: user root ");
                is_inside(&watch, 0, 0);
            }
            false => {
                std::thread::sleep(std::time::Duration::from_millis(500));
                let status = watch.status();
                assert_eq!((&*status["Seccomp"], &*status["Uid"]), ("0", "0\t0\t0\t0"));
            }
        }
        watch.signal("INT");
        watch.ends(0);
        fs::remove_file(format!("{folder}/v.json")).unwrap();
    }
}

/// What follows a watch into its sandbox: a place that was taken away from it meanwhile stays away, and is told of.
#[test]
fn a_watch_writes_nowhere_but_where_it_was_said() {
    let network = network!();
    let folder = network.folder_of(65_050);
    let elsewhere = network.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o777)).unwrap();
    let json = format!("json={folder}/v.json");
    let mut watch = network.other("infer", &["-i", "b0", "-o", &json]);
    watch.says("sandbox: user 65050 ");
    // Its user may write there, the process may not.
    fs::rename(&folder, network.path("away")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
    watch.signal("INT");
    let run = watch.ends(4);
    assert!(run.err.contains("Permission denied"), "{}", run.err);
    assert!(files(&elsewhere).is_empty());
}
