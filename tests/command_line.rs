//! What may be typed, what may be read, where it goes, and how the program ends: the same exit codes whatever the format.

mod program;

use program::{fixtures, line, program, run, Run};
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;

const LAN: &str = "evening-lan.pcapng";

/// Runs the program with what stands in a file at its standard input.
fn fed(words: &str, file: &str) -> Run {
    let bytes = std::fs::read(fixtures().join(file)).unwrap();
    let mut command = program();
    Run::of(
        command
            .args(words.split_whitespace())
            .write_stdin(bytes)
            .output()
            .unwrap(),
    )
}

/// The names of a folder's files.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn alone_it_says_what_to_try_first() {
    let run = line("").ends(0);
    let (_, last) = run.out.split_once("Try first:\n").unwrap();
    assert!(
        last.starts_with("  stp-audit infer evening.pcapng "),
        "{last}"
    );
    assert!(run.out.lines().count() < 25 && run.err.is_empty());
}

#[test]
fn help_and_version_are_no_errors() {
    for words in [
        "--help",
        "infer --help",
        "infer -h",
        "fingerprint learn --help",
    ] {
        let run = line(words).ends(0);
        assert!(run.out.contains("Usage:") && run.err.is_empty(), "{words}");
    }
    let version = format!("stp-audit {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(line("--version").ends(0).out, version);
}

#[test]
fn usage_is_2_and_names_what_is_allowed() {
    for (words, allowed) in [
        ("frob", "unrecognized subcommand 'frob'"),
        ("infer", "<INPUT>"),
        ("infer x --frob", "unexpected argument '--frob'"),
        ("infer x --sigma 0", "a number above 0"),
        ("infer x --sigma -3", "a number above 0"),
        ("infer x --weak-sigma nan", "a number above 0"),
        ("infer x --bin 0s", "longer than nothing"),
        ("infer x --window 0", "longer than nothing"),
        ("infer x --merge soon", "500ms, 1s, 2m, 1h30m or 1d"),
        ("infer x --tolerance -1s", "500ms, 1s, 2m, 1h30m or 1d"),
        ("infer x --shape flat", "spike, hill and depression"),
        ("infer x --direction left", "up, down and both"),
        ("infer x --baseline mode", "mean and robust"),
        ("infer x --bins-from noon", "clock and first"),
        ("infer x --vantage sea", "auto, lan and wan"),
        ("infer x --home my", "203.0.113.9 or 192.168.1.0/24"),
        ("infer x --max-flows 3", "from 16 to 4000000"),
        ("infer x --seed -1", "from 0 to 18446744073709551615"),
        ("infer x --jobs 0", "1..=65535"),
        ("infer x --color red", "auto, always and never"),
        ("infer x --format xml", "table, json, jsonl, csv, md"),
        ("infer x -o xml=a", "table, json, jsonl, csv, md"),
        ("infer x -o json", "json=result.json or md=-"),
        ("infer x -o json=", "json=PATH, or json=-"),
        ("infer x -o json=- -o md=-", "both want standard output"),
        ("infer x -o json=a -o md=a", "want the same file"),
        ("completions powder", "bash"),
    ] {
        let run = line(words).ends(2);
        assert!(run.err.contains(allowed), "{words}: {}", run.err);
        assert!(run.out.is_empty(), "{words}: {}", run.out);
    }
}

#[test]
fn configuration_is_2_and_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("labels.csv");
    let broken = "start,end,device,activity\nnoon,,a,b\n";
    std::fs::write(&labels, broken).unwrap();
    std::fs::write(folder.path().join("x.toml"), "vendor = 3").unwrap();
    let file = labels.to_str().unwrap();
    let toml = folder.path().to_str().unwrap();
    for (flag, value, told) in [
        ("--labels", "nowhere.csv", "start,end,device,activity"),
        ("--labels", file, "noon"),
        ("--fingerprints", "nowhere", "is the folder right?"),
        ("--fingerprints", toml, "x.toml"),
    ] {
        let run = run(["infer", LAN, flag, value]).ends(2);
        assert!(
            run.err.contains(value) && run.err.contains(told),
            "{}",
            run.err
        );
    }
}

#[test]
fn inputs_without_a_packet_are_3_and_say_why() {
    for (file, why) in [
        ("nowhere.pcap", "No such file"),
        (".", "Is a directory"),
        ("malformed/empty.pcap", "is empty (0 bytes)"),
        (
            "malformed/magic-wrong.pcap",
            "is not a capture: it begins with 54 68 69",
        ),
        ("malformed/magic-short.pcap", "is not a capture"),
        ("malformed/header-cut.pcap", "ends within the pcap header"),
        (
            "malformed/header-only.pcap",
            "no usable packet (0 packets read",
        ),
        (
            "malformed/link-unknown.pcap",
            "none of them IP; 1 skipped: link type 147)",
        ),
        ("malformed/gzip-header-only.gz", "damaged gzip data"),
        ("malformed/zstd-garbage.zst", "damaged zstd data"),
    ] {
        let run = line(&format!("infer {file}")).ends(3);
        assert!(
            run.err.starts_with(&format!("stp-audit: {file}: ")),
            "{}",
            run.err
        );
        assert!(run.err.contains(why), "{file}: {}", run.err);
        assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    }
    // A cause is told once, though the error quotes it.
    let run = line("infer nowhere.pcap");
    assert_eq!(run.err.matches("No such file").count(), 1, "{}", run.err);
}

#[test]
fn one_bad_input_of_two_is_3() {
    let run = line(&format!("infer {LAN} nowhere.pcap")).ends(3);
    assert!(run.err.contains("nowhere.pcap") && run.out.is_empty());
}

#[test]
fn a_truncated_input_is_5_with_its_result_or_0_where_that_is_allowed() {
    for format in ["table", "json", "jsonl", "csv", "md"] {
        let cut = format!("infer malformed/record-cut.pcap --format {format}");
        let partial = line(&cut).ends(5);
        let allowed = line(&format!("{cut} --allow-truncated")).ends(0);
        assert_eq!(partial.out, allowed.out);
    }
    let table = line("infer malformed/record-cut.pcap");
    assert!(table.out.contains("192.168.1.66"), "{}", table.out);
    let json = line("infer malformed/record-cut.pcap --format json").json();
    assert_eq!(json["inputs"][0]["truncated"], true);
    assert_eq!(json["inputs"][0]["packets"], 1);
    assert_eq!(json["census"]["read"], 1);
}

#[test]
fn standard_input_is_a_capture_like_any_other() {
    let file = line(&format!("infer {LAN} --format csv")).ends(0);
    assert_eq!(fed("infer - --format csv", LAN).ends(0).out, file.out);
    let run = program()
        .args(["infer", "-"])
        .output()
        .map(Run::of)
        .unwrap()
        .ends(3);
    assert!(run.err.contains("-: is empty"), "{}", run.err);
}

#[test]
fn a_fifo_is_a_capture_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let to = fifo.clone();
    let writer = std::thread::spawn(move || std::fs::copy(fixtures().join(LAN), to).unwrap());
    let run = run(["infer", fifo.to_str().unwrap(), "--format", "csv"]).ends(0);
    writer.join().unwrap();
    assert_eq!(run.out, line(&format!("infer {LAN} --format csv")).out);
}

#[test]
fn packed_captures_are_known_by_their_bytes_and_not_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let plain = std::fs::read(fixtures().join(LAN)).unwrap();
    let path = folder.path().join("evening.txt");
    let file = std::fs::File::create(&path).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    gzip.finish().unwrap();
    let run = run(["infer", path.to_str().unwrap(), "--format", "json"]).ends(0);
    let json = run.json();
    assert_eq!(json["inputs"][0]["format"], "pcapng+gzip");
    assert_eq!(json["census"]["read"], 12_320);
}

#[test]
fn several_inputs_are_one_trace_in_time_order() {
    let folder = tempfile::tempdir().unwrap();
    let half = |name: &str, filter: &str| {
        let path = folder.path().join(name);
        let cut = std::process::Command::new("tcpdump")
            .args(["-r", LAN, "--nano", "-w", path.to_str().unwrap(), filter])
            .current_dir(fixtures())
            .stderr(Stdio::null())
            .status();
        cut.is_ok_and(|status| status.success()).then_some(path)
    };
    let (Some(some), Some(rest)) = (
        half("a", "host 192.168.1.23"),
        half("b", "not host 192.168.1.23"),
    ) else {
        println!("skipped: no tcpdump to cut a capture in two");
        return;
    };
    let devices = |run: Run| run.ends(0).json()["devices"].clone();
    let files = [some.to_str().unwrap(), rest.to_str().unwrap()];
    let parts = run(["infer", "--format", "json", files[1], files[0]]);
    assert_eq!(parts.json()["inputs"].as_array().unwrap().len(), 2);
    let whole = line(&format!("infer --format json {LAN}"));
    assert_eq!(devices(parts), devices(whole));
}

#[test]
fn a_filter_chooses_packets_of_files_too() {
    let run = run(["infer", LAN, "--format", "json", "-f", "host 192.168.1.23"]).ends(0);
    let json = run.json();
    assert_eq!(json["parameters"]["filter"], "host 192.168.1.23");
    let addresses: Vec<_> = json["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| &d["address"])
        .collect();
    assert_eq!(addresses, ["192.168.1.23"]);
    // The camera is asked for by ARP as well, which is no IP.
    let census = &json["census"];
    let count = |value: &serde_json::Value| value.as_u64().unwrap();
    let parts = [
        &census["ipv4"],
        &census["skipped"]["arp"],
        &census["filtered_out"],
    ];
    assert_eq!(count(&census["read"]), 12_320);
    assert_eq!(parts.map(count).iter().sum::<u64>(), 12_320);
}

#[test]
fn a_bad_filter_is_2_and_one_that_lets_nothing_pass_is_3() {
    for (filter, why) in [
        ("port port", "syntax error"),
        ("host example.com", "`example.com` is no keyword"),
        ("(tcp", "syntax error"),
    ] {
        let run = run(["infer", LAN, "-f", filter]).ends(2);
        assert!(
            run.err.contains(&format!("filter `{filter}`")),
            "{}",
            run.err
        );
        assert!(
            run.err.contains(why) && run.err.contains("for example") | run.err.contains("as in")
        );
    }
    let run = run(["infer", LAN, "-f", "port 1"]).ends(3);
    assert!(
        run.err.contains("12320 left out by the filter"),
        "{}",
        run.err
    );
}

#[test]
fn one_run_writes_many_reports() {
    let folder = tempfile::tempdir().unwrap();
    let [json, csv] = ["v.json", "v.csv"].map(|name| folder.path().join(name));
    let outputs = [
        format!("-ojson={}", json.display()),
        format!("-ocsv={}", csv.display()),
        "-omd=-".to_owned(),
    ];
    let run = run(["infer", LAN]
        .into_iter()
        .chain(outputs.iter().map(String::as_str)))
    .ends(0);
    assert_eq!(names(folder.path()), ["v.csv", "v.json"]);
    for (format, got) in [
        ("md", run.out),
        ("json", std::fs::read_to_string(json).unwrap()),
        ("csv", std::fs::read_to_string(csv).unwrap()),
    ] {
        // The digest of the input is computed once a report shows it.
        assert_eq!(
            got,
            line(&format!("infer {LAN} --format {format}")).out,
            "{format}"
        );
    }
}

#[test]
fn a_report_that_cannot_be_written_is_4_and_leaves_no_part() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    for (flag, target) in [
        ("-o", format!("json={place}/nowhere/v.json")),
        ("--rates", format!("{place}/nowhere/v.csv")),
    ] {
        let run = run(["infer", LAN, flag, &target]).ends(4);
        assert!(
            run.err.contains("/nowhere/v.") && run.err.contains("No such file"),
            "{}",
            run.err
        );
        // Other reports of the run stand.
        assert_eq!(run.out.is_empty(), flag == "--rates");
        assert!(
            run.err.contains("make the folder, or choose another"),
            "{}",
            run.err
        );
        assert!(
            !run.err.contains(".part") && !run.err.contains("at path"),
            "{}",
            run.err
        );
    }
    assert!(names(folder.path()).is_empty());
    if Path::new("/dev/full").exists() {
        let run = run(["infer", LAN, "-o", "json=/dev/full"]).ends(4);
        assert!(run.err.contains("No space left"), "{}", run.err);
    }
}

#[test]
fn rates_add_up_to_the_bytes_of_each_device() {
    let folder = tempfile::tempdir().unwrap();
    let rates = folder.path().join("rates.csv");
    let run = run([
        "infer",
        LAN,
        "--format",
        "json",
        "--rates",
        rates.to_str().unwrap(),
    ])
    .ends(0);
    let mut sums = std::collections::BTreeMap::<String, [u64; 2]>::new();
    for row in csv::Reader::from_path(rates).unwrap().records() {
        let row = row.unwrap();
        let sum = sums.entry(row[1].to_owned()).or_default();
        sum[0] += row[2].parse::<u64>().unwrap();
        sum[1] += row[3].parse::<u64>().unwrap();
    }
    for device in run.json()["devices"].as_array().unwrap() {
        let bytes = ["up_bytes", "down_bytes"].map(|field| device[field].as_u64().unwrap());
        assert_eq!(sums[device["id"].as_str().unwrap()], bytes);
    }
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    for format in ["table", "json", "jsonl", "csv", "md"] {
        // Gone after a first byte, or before there was any.
        for bytes in [1, 0] {
            let mut child = std::process::Command::new(program().get_program())
                .args(["flows", LAN, "--format", format])
                .current_dir(fixtures())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut out = child.stdout.take().unwrap();
            out.read_exact(&mut vec![0; bytes]).unwrap();
            drop(out);
            let run = Run::of(child.wait_with_output().unwrap());
            assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{format}");
        }
    }
}

#[test]
fn results_are_on_standard_output_and_quiet_is_quiet() {
    for words in ["infer", "infer --quiet", "devices -q", "flows -q"] {
        let run = line(&format!("{words} {LAN}")).ends(0);
        assert!(run.err.is_empty() && !run.out.is_empty(), "{}", run.err);
    }
    // An error is told nonetheless.
    assert!(!line("infer --quiet nowhere.pcap").ends(3).err.is_empty());
}

#[test]
fn colours_are_for_terminals_unless_asked_for() {
    let colored = |words: &str, no_color: Option<&str>| {
        let mut command = program();
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        let words = format!("infer {LAN} {words}");
        let run = Run::of(command.args(words.split_whitespace()).output().unwrap()).ends(0);
        run.out.contains("\x1b[")
    };
    assert!(!colored("", None));
    assert!(colored("--color always", None));
    assert!(!colored("--color never", None));
    // What was typed is newer than the environment.
    assert!(colored("--color always", Some("1")));
    assert!(!colored("--color always --format json", None));
}

#[test]
fn a_terminal_gets_colours_and_lines_that_fit_and_no_color_is_heeded() {
    let at_terminal = |no_color: Option<&str>| {
        let binary = program().get_program().to_str().unwrap().to_owned();
        let mut script = std::process::Command::new("script");
        script.args([
            "-qec",
            &format!("stty rows 40 cols 80; '{binary}' infer {LAN}"),
            "/dev/null",
        ]);
        script
            .current_dir(fixtures())
            .env("TERM", "xterm")
            .env_remove("NO_COLOR");
        if let Some(value) = no_color {
            script.env("NO_COLOR", value);
        }
        let output = script.stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| Run::of(output).out)
    };
    let (Some(colored), Some(plain)) = (at_terminal(None), at_terminal(Some("1"))) else {
        println!("skipped: script(1), which makes a terminal, is absent or fails");
        return;
    };
    assert!(colored.contains("\x1b["), "{colored}");
    assert!(!plain.contains("\x1b["), "{plain}");
    assert!(plain.contains("D-Link"), "{plain}");
    let table = plain
        .lines()
        .take_while(|line| !line.starts_with("skipped"));
    let widest = table.map(|line| line.trim_end().chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}\n{plain}");
}
