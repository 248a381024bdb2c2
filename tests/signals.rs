//! SIGINT and SIGTERM end a read, not the report: what came before is told, and the exit code says which signal it was.

mod program;

use program::{fixtures, program, Run};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How soon is promptly: a person's patience, and some for a busy machine.
const PROMPTLY: Duration = Duration::from_secs(5);

fn start(arguments: &[&str]) -> Child {
    Command::new(program().get_program())
        .args(arguments)
        .current_dir(fixtures())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Until the program waits for bytes: it sleeps, and what was written was taken.
fn settle(child: &Child) {
    let state = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    };
    for _ in 0..500 {
        std::thread::sleep(Duration::from_millis(10));
        let asleep = |_| state() == Some('S');
        if (0..5).all(asleep) && caught(child) {
            // A few more looks: it may have slept between two reads.
            std::thread::sleep(Duration::from_millis(200));
            return;
        }
    }
    panic!("the program does not come to rest: {:?}", state());
}

/// Whether the program minds SIGINT and SIGTERM already.
fn caught(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .unwrap();
    let mask = u64::from_str_radix(line.trim(), 16).unwrap();
    mask & (1 << 1) != 0 && mask & (1 << 14) != 0
}

fn ends(child: Child) -> Run {
    let begun = Instant::now();
    let run = Run::of(child.wait_with_output().unwrap());
    assert!(begun.elapsed() < PROMPTLY, "it took {:?}", begun.elapsed());
    run
}

fn has_proc() -> bool {
    let there = Path::new("/proc/self/status").exists();
    if !there {
        println!("skipped: no /proc to see when the program waits");
    }
    there
}

/// The first packets of the evening, cut within a record.
fn begun() -> Vec<u8> {
    let mut bytes = std::fs::read(fixtures().join("evening-lan.pcapng")).unwrap();
    bytes.truncate(500_001);
    bytes
}

#[test]
fn a_pipe_that_stays_open_is_left_with_what_came() {
    if !has_proc() {
        return;
    }
    for (signal, number) in [("-INT", 2), ("-TERM", 15)] {
        let folder = tempfile::tempdir().unwrap();
        let json = folder.path().join("v.json");
        let mut child = start(&["infer", "-", "-o", &format!("json={}", json.display())]);
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&begun()).unwrap();
        settle(&child);
        send(&child, signal);
        let run = ends(child).ends(128 + number);
        drop(pipe);
        assert!(run.out.contains("Nest Cam"), "{}", run.out);
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        assert_eq!(json["census"]["read"], 4_868);
        // It was us who stopped: the input is not said to be damaged.
        assert_eq!(json["inputs"][0]["truncated"], false);
        let caveat = json["caveats"][0].as_str().unwrap();
        assert!(
            caveat.contains(&format!("stopped by signal {number}")),
            "{caveat}"
        );
    }
}

#[test]
fn a_packed_pipe_is_left_as_well() {
    if !has_proc() {
        return;
    }
    let mut child = start(&["infer", "-"]);
    let mut pipe = child.stdin.take().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&begun()).unwrap();
    gzip.flush().unwrap();
    pipe.write_all(gzip.get_ref()).unwrap();
    settle(&child);
    send(&child, "-INT");
    let run = ends(child).ends(130);
    drop(pipe);
    assert!(run.out.contains("Nest Cam"), "{}", run.out);
}

#[test]
fn a_fifo_without_a_writer_is_left() {
    if !has_proc() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .unwrap()
        .success());
    let child = start(&["infer", fifo.to_str().unwrap()]);
    settle(&child);
    send(&child, "-TERM");
    let run = ends(child).ends(143);
    assert!(
        run.err.contains("stopped by signal 15 before any packet"),
        "{}",
        run.err
    );
    assert!(run.out.is_empty());
}

#[test]
fn a_header_alone_is_a_result_of_nothing() {
    if !has_proc() {
        return;
    }
    let mut child = start(&["infer", "-"]);
    let mut pipe = child.stdin.take().unwrap();
    let header = std::fs::read(fixtures().join("malformed/header-only.pcap")).unwrap();
    pipe.write_all(&header).unwrap();
    settle(&child);
    send(&child, "-INT");
    let run = ends(child).ends(130);
    drop(pipe);
    assert!(run.out.contains("0 packets"), "{}", run.out);
}

#[test]
fn a_second_signal_ends_at_once() {
    use std::os::unix::process::ExitStatusExt;
    if !has_proc() {
        return;
    }
    let child = start(&["infer", "-"]);
    settle(&child);
    // Held still, so that both come before it can do anything about the first.
    send(&child, "-STOP");
    send(&child, "-INT");
    send(&child, "-TERM");
    send(&child, "-CONT");
    let output = child.wait_with_output().unwrap();
    assert!(
        matches!(output.status.signal(), Some(2 | 15)),
        "{}",
        output.status
    );
    assert!(output.stdout.is_empty());
}
