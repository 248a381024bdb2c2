//! `capture`, on interfaces of its own: a pair of them in a network namespace for each test, whose packets are known.
//!
//! Namespaces want root; where nobody may make one, each test says so and is passed over.

mod network;
mod program;

use network::{blocks, counted, frames, options, text_of, Network};
use program::{program, run};
use std::io::Read;
use std::time::{Duration, Instant};

/// Bytes of Ethernet, IPv4 and UDP before the payload.
const HEADERS: usize = 14 + 20 + 8;

macro_rules! network {
    () => {
        match Network::new() {
            Some(network) => network,
            None => return,
        }
    };
}

#[test]
fn what_passes_is_recorded_and_counted() {
    let network = network!();
    let file = network.path("home.pcapng");
    let capture = network.capture(&["-i", "b0", "-w", &file, "-f", "udp", "-c", "300"]);
    network.send(300, 1_000);
    let run = capture.ends(0);
    assert!(
        run.err
            .contains("300 packets recorded, 300 received, 0 dropped by the kernel, 0 by the interface; 1 device;"),
        "{}",
        run.err
    );

    let frames = frames(&file);
    assert_eq!(frames.len(), 300);
    for (wire_len, data) in &frames {
        // The first bytes are kept, and the true length.
        assert_eq!((*wire_len, data.len()), (1_000 + HEADERS as u32, 256));
        assert_eq!(data[12..14], [8, 0]);
    }
    // Nanoseconds that are none but microseconds would all end in 000.
    let fine = network::times(&file);
    assert!(fine.iter().any(|at| at.0 % 1_000 != 0));

    let blocks = blocks(&file);
    let (section, interface) = (options(&blocks[0], 24), options(&blocks[1], 16));
    let version = format!("stp-audit {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(text_of(&section, 4), version);
    assert!(text_of(&section, 1).starts_with("recorded on "));
    assert_eq!(text_of(&interface, 2), "b0");
    assert_eq!(text_of(&interface, 11), "\0udp");
    let statistics = options(blocks.last().unwrap(), 20);
    assert_eq!(counted(&statistics, 4), 300, "received");
    assert_eq!(counted(&statistics, 5), 0, "lost");
    assert_eq!(counted(&statistics, 7), 0, "lost by the kernel");
    assert_eq!(counted(&statistics, 8), 300, "delivered");
}

#[test]
fn killed_it_leaves_all_but_the_last_second() {
    let network = network!();
    let file = network.path("home.pcapng");
    let capture = network.capture(&["-i", "b0", "-w", &file, "-s", "0"]);
    network.send(500, 100);
    std::thread::sleep(Duration::from_millis(1_600));
    capture.kill();
    assert_eq!(frames(&file).len(), 500);
}

#[test]
fn a_ring_turns_and_forgets_as_dumpcaps() {
    let network = network!();
    let file = network.path("ring.pcapng");
    // Of root, who alone may write in this folder.
    let ring = ["-b", "packets:10", "-b", "files:3", "-Z", "root"];
    let mut capture = network.capture(&[&["-i", "b0", "-w", &file], &ring[..]].concat());
    network.send(55, 100);
    network.wait_for(|names| names.len() == 3 && names[2].starts_with("ring_00006_"));
    let names = network.names();
    assert!(names[2].ends_with(".pcapng.part"), "{names:?}");
    capture.signal("INT");
    let run = capture.ends(0);
    assert!(run.err.contains("55 packets recorded"), "{}", run.err);
    assert!(run.err.contains("in 6 files"), "{}", run.err);

    let names = network.names();
    assert_eq!(names.len(), 3, "{names:?}");
    for (name, (number, packets)) in names.iter().zip([(4, 10), (5, 10), (6, 5)]) {
        let middle = name
            .strip_prefix(&format!("ring_{number:05}_"))
            .and_then(|rest| rest.strip_suffix(".pcapng"))
            .unwrap_or_else(|| panic!("{name}"));
        assert!(middle.len() == 14 && middle.starts_with("20"), "{name}");
        assert!(middle.bytes().all(|digit| digit.is_ascii_digit()), "{name}");
        let path = network.path(name);
        assert_eq!(frames(&path).len(), packets, "{name}");
        // Each file has its own statistics, counted from the beginning.
        let statistics = options(blocks(&path).last().unwrap(), 20);
        let delivered = if number == 6 { 55 } else { number * 10 };
        assert_eq!(counted(&statistics, 8), delivered, "{name}");
    }
}

#[test]
fn times_turn_files_and_end_it() {
    let network = network!();
    let file = network.path("t.pcap");
    let began = Instant::now();
    let capture = network.capture(&[
        "-i",
        "b0",
        "-w",
        &file,
        "-P",
        "-Z",
        "root",
        "-b",
        "duration:0.6",
        "-a",
        "files:2",
    ]);
    network.send(3, 10);
    capture.ends(0);
    assert!(began.elapsed() >= Duration::from_millis(1_200));
    let names = network.names();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(frames(&network.path(&names[0])).len(), 3);
    assert_eq!(frames(&network.path(&names[1])).len(), 0);

    let file = network.path("d.pcapng");
    let began = Instant::now();
    network
        .capture(&["-i", "b0", "-w", &file, "-a", "duration:1"])
        .ends(0);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(6));
}

#[test]
fn a_full_disk_ends_it_with_whole_records() {
    let network = network!();
    let Some(disk) = network.small_disk("1m") else {
        return;
    };
    let file = format!("{disk}/home.pcapng");
    let capture = network.capture(&["-i", "b0", "-w", &file, "-s", "0", "-f", "udp"]);
    network.send(2_000, 1_000);
    let run = capture.ends(4);
    assert!(
        run.err.contains("cut back to its last whole record"),
        "{}",
        run.err
    );
    let kept = frames(&file);
    // 1 MiB of packets of 1,076 bytes, short of one or two.
    assert!((960..=974).contains(&kept.len()), "{}", kept.len());
    assert!(
        run.err
            .contains(&format!("{} packets recorded", kept.len())),
        "{} {}",
        kept.len(),
        run.err
    );
    // Room was kept for what the interface lost.
    let blocks = blocks(&file);
    assert_eq!(blocks.last().unwrap()[..4], [5, 0, 0, 0]);
}

#[test]
fn a_read_only_disk_is_told_before_anything_else() {
    let network = network!();
    let Some(disk) = network.small_disk("1m,ro") else {
        return;
    };
    let file = format!("{disk}/home.pcapng");
    let run = network.capture_at_once(&["-i", "b0", "-w", &file]).ends(4);
    assert!(run.err.contains("Read-only"), "{}", run.err);
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let network = network!();
    let mut capture = network.capture(&["-i", "b0", "-w", "-"]);
    let mut out = capture.take_out();
    network.send(1, 10);
    let mut head = [0; 28];
    out.read_exact(&mut head).unwrap();
    assert_eq!(head[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    // No packet comes any more, and yet it ends.
    drop(out);
    let run = capture.ends(0);
    assert!(
        !run.err.contains("recorded,") && !run.err.contains("ipe"),
        "{}",
        run.err
    );
}

#[test]
fn a_pipe_has_each_packet_at_once() {
    let network = network!();
    let mut capture = network.capture(&["-i", "b0", "-w", "-", "-P", "-s", "0"]);
    let mut out = capture.take_out();
    let mut head = [0; 24];
    out.read_exact(&mut head).unwrap();
    assert_eq!(head[..4], [0x4d, 0x3c, 0xb2, 0xa1]);
    for _ in 0..3 {
        let sent = Instant::now();
        network.send(1, 10);
        let mut packet = [0; 16 + HEADERS + 10];
        out.read_exact(&mut packet).unwrap();
        assert!(sent.elapsed() < Duration::from_millis(900));
        assert_eq!(packet[8], (HEADERS + 10) as u8);
    }
    capture.signal("INT");
    capture.ends(0);
}

#[test]
fn what_is_piped_is_inferred_from() {
    let network = network!();
    let file = network.path("home.pcapng");
    let capture = network.capture(&["-i", "b0", "-w", &file, "-c", "40"]);
    network.send(40, 100);
    capture.ends(0);
    let report = run(["infer", &file, "--format", "json"]).json();
    assert_eq!(report["census"]["read"], 40);
    assert_eq!(report["inputs"][0]["truncated"], false);
}

#[test]
fn the_oldest_form_has_nanoseconds_too() {
    let network = network!();
    let file = network.path("home.pcap");
    let capture = network.capture(&["-i", "b0", "-w", &file, "-P", "-c", "50"]);
    network.send(50, 400);
    capture.ends(0);
    let kept = frames(&file);
    assert_eq!(kept.len(), 50);
    assert_eq!((kept[0].0, kept[0].1.len()), (400 + HEADERS as u32, 256));
    assert!(network::times(&file).iter().any(|at| at.0 % 1_000 != 0));
}

#[test]
fn several_interfaces_go_into_one_file() {
    let network = network!();
    let file = network.path("both.pcapng");
    // A packet leaves by the one and comes in by the other.
    let capture = network.capture(&["-i", "a0", "-i", "b0", "-w", &file, "-c", "60"]);
    network.send(30, 100);
    let run = capture.ends(0);
    assert!(run.err.contains("; a0: 30 received"), "{}", run.err);
    assert_eq!(frames(&file).len(), 60);
    let blocks = blocks(&file);
    let names: Vec<String> = blocks[1..3]
        .iter()
        .map(|interface| text_of(&options(interface, 16), 2))
        .collect();
    assert_eq!(names, ["a0", "b0"]);
    let statistics = &blocks[blocks.len() - 2..];
    for one in statistics {
        assert_eq!(counted(&options(one, 20), 8), 30);
    }
}

#[test]
fn any_tells_which_interface_it_was() {
    let network = network!();
    let file = network.path("any.pcapng");
    let capture = network.capture(&["-i", "any", "-w", &file, "-f", "udp", "-c", "10"]);
    network.send(5, 100);
    capture.ends(0);
    let blocks = blocks(&file);
    assert_eq!(blocks[1][8..10], 276u16.to_le_bytes());
    assert_eq!(frames(&file).len(), 10);
}

#[test]
fn drops_are_the_kernels() {
    let network = network!();
    let file = network.path("home.pcapng");
    let mut capture = network.capture(&["-i", "b0", "-w", &file, "-B", "1", "-f", "udp"]);
    capture.signal("STOP");
    network.send(20_000, 200);
    capture.signal("CONT");
    std::thread::sleep(Duration::from_millis(500));
    capture.signal("INT");
    let run = capture.ends(0);
    let kept = frames(&file).len() as u64;
    let statistics = options(blocks(&file).last().unwrap(), 20);
    let dropped = counted(&statistics, 7);
    assert!(dropped > 1_000, "{dropped}");
    assert_eq!(counted(&statistics, 4), 20_000);
    assert_eq!(kept + dropped, 20_000, "{}", run.err);
}

#[test]
fn somebody_may_ask_how_far_it_is() {
    let network = network!();
    let file = network.path("home.pcapng");
    let mut capture = network.capture(&["-i", "b0", "-w", &file, "--quiet"]);
    network.send(7, 10);
    std::thread::sleep(Duration::from_millis(400));
    capture.signal("USR1");
    capture.says("7 packets recorded, 7 received, 0 dropped by the kernel");
    capture.signal("HUP");
    capture.ends(0);
}

#[test]
fn an_interface_that_is_down_is_waited_for() {
    let network = network!();
    network.ip(&["link", "set", "b0", "down"]);
    let file = network.path("home.pcapng");
    let mut capture = network.start(&["-i", "b0", "-w", &file]);
    capture.says("b0 is down; waiting until it is up (ip link set b0 up)");
    network.ip(&["link", "set", "b0", "up"]);
    capture.says("recording from b0");
    network.send(5, 10);
    std::thread::sleep(Duration::from_millis(300));
    // And once more, while it goes on.
    network.ip(&["link", "set", "b0", "down"]);
    capture.says("b0 is down; recording goes on once it is up");
    network.ip(&["link", "set", "b0", "up"]);
    capture.says("nothing was recorded from it");
    network.send(4, 10);
    std::thread::sleep(Duration::from_millis(300));
    capture.signal("INT");
    capture.ends(0);
    assert_eq!(frames(&file).len(), 9);
    let told: Vec<String> = blocks(&file)
        .iter()
        .filter(|block| block[..4] == [6, 0, 0, 0])
        .flat_map(|packet| {
            let kept = u32::from_le_bytes(packet[20..24].try_into().unwrap()) as usize;
            options(packet, 28 + kept.next_multiple_of(4))
        })
        .map(|(_, text)| String::from_utf8(text).unwrap())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for one in &told {
        assert!(one.starts_with("b0 was down from 20") && one.contains("nothing was recorded"));
    }
}

#[test]
fn an_interface_that_is_taken_away_ends_it() {
    let network = network!();
    let file = network.path("home.pcapng");
    let capture = network.capture(&["-i", "b0", "-w", &file]);
    network.send(6, 10);
    network.ip(&["link", "del", "b0"]);
    let run = capture.ends(4);
    assert!(
        run.err.contains("b0: the interface was removed"),
        "{}",
        run.err
    );
    assert_eq!(frames(&file).len(), 6);
    assert_eq!(blocks(&file).last().unwrap()[..4], [5, 0, 0, 0]);
}

#[test]
fn a_second_signal_ends_a_write_that_nobody_takes() {
    let network = network!();
    let fifo = network.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    // Nobody reads: one signal is enough.
    let mut capture = network.start(&["-i", "b0", "-w", &fifo]);
    std::thread::sleep(Duration::from_millis(700));
    capture.signal("INT");
    capture.ends(0);
    // Somebody opens it, and reads no more.
    let mut capture = network.start(&["-i", "b0", "-w", &fifo, "-s", "0"]);
    let reader = std::fs::File::open(&fifo).unwrap();
    capture.says("recording from b0");
    network.send(200, 1_400);
    std::thread::sleep(Duration::from_millis(500));
    capture.signal("INT");
    std::thread::sleep(Duration::from_millis(300));
    capture.signal("INT");
    let begun = Instant::now();
    capture.is_over();
    assert!(begun.elapsed() < Duration::from_secs(1));
    drop(reader);
}

#[test]
fn without_permission_it_says_what_to_do() {
    let network = network!();
    let file = network.path("home.pcapng");
    let run = network.as_nobody(&["-i", "b0", "-w", &file]).ends(4);
    for part in [
        "lacks the capability CAP_NET_RAW",
        "sudo setcap cap_net_raw=ep /",
        "sudo tcpdump -i b0",
        "| stp-audit infer -",
    ] {
        assert!(run.err.contains(part), "{part}: {}", run.err);
    }
    // The capability it names is enough, for what others are sent as well.
    let capture = network.with_net_raw(&["-i", "b0", "-w", "-", "-P", "-c", "2"]);
    network.send(2, 10);
    let run = capture.ends(0);
    assert!(run.err.contains("2 packets recorded"), "{}", run.err);
}

#[test]
fn an_interface_that_is_not_there_is_looked_for() {
    let network = network!();
    let file = network.path("home.pcapng");
    let run = network.capture_at_once(&["-i", "bo", "-w", &file]).ends(4);
    assert!(run.err.contains("there are "), "{}", run.err);
    assert!(run.err.contains("did you mean b0?"), "{}", run.err);
    // Nothing was made, nor written over.
    assert!(network.names().is_empty());
    let run = network.capture_at_once(&["-D"]).ends(0);
    let names: Vec<&str> = run
        .out
        .lines()
        .map(|line| line.split_whitespace().nth(1).unwrap())
        .collect();
    assert!(["a0", "b0"].contains(&names[0]), "{}", run.out);
    assert_eq!(names[2..], ["lo", "any"], "{}", run.out);
}

#[test]
fn a_bad_filter_is_pointed_at() {
    let bad = |filter: &str| {
        let arguments = ["capture", "-i", "lo", "-w", "/nowhere/x", "-f", filter];
        run(arguments).ends(2).err
    };
    let told = bad("tcp port 80 udp");
    assert!(
        told.contains("\n    tcp port 80 udp\n                ^^^ this does not fit\n"),
        "{told}"
    );
    assert!(bad("host nexus.dropcam.com").contains("names are not looked up"));
}

#[test]
fn what_to_write_is_asked_for() {
    for (words, wanted) in [
        ("capture -i lo", "say -w - to record to standard output"),
        (
            "capture -i lo -w - -b files:2 -b packets:1",
            "give -w a name",
        ),
        ("capture -i lo -w x -b files:2", "-b filesize:100000"),
        ("capture -i lo -w x -a files:2", "there is none"),
        ("capture -i lo -w x -a minutes:2", "duration:SECONDS"),
    ] {
        let run = run(words.split_whitespace()).ends(2);
        assert!(run.err.contains(wanted), "{words}: {}", run.err);
    }
    let help = program().args(["capture", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("the exit status is 0"), "{help}");
}
