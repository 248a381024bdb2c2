//! `capture`: what to record from where, until when, into what. The letters are dumpcap's, with dumpcap's meaning.

use super::rights::RightsArgs;
use super::scrub::ScrubArgs;
use crate::capture::{Form, Limits, WHOLE};
use clap::{Args, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Shown below the help.
pub(super) const EXAMPLES: &str = "\
Examples:
  stp-audit capture -D                                            which interfaces are there?
  stp-audit capture -i eth1 -w home.pcapng                        until Ctrl-C
  stp-audit capture -i eth1 -w home.pcapng -a duration:3600       for an hour
  stp-audit capture -i eth1 -w home.pcapng -b filesize:100000 -b files:20   the last 2 GB, for weeks
  stp-audit capture -i eth1 -f 'not port 22' -w - | stp-audit infer -
  ssh router stp-audit capture -i br-lan -f 'not port 22' -w - | stp-audit infer -

-f, -s, -p and -B are for every -i alike. Recorded are 256 bytes of each packet (headers and names, not contents) with its
true length; -s 0 records all. With -b, a file bears .part behind its name while it is written.
SIGUSR1 prints the counters. Ctrl-C, SIGTERM and SIGHUP end the recording, as it is meant to be ended: the exit status is 0.

Exit status: 0 recorded; 2 usage, or a filter that libpcap refuses; 4 no permission, no such interface or one that was removed,
no room on the disk (what was recorded before is whole).";

/// What to record from where, until when, into what
#[derive(Clone, Debug, Args)]
pub struct RecordArgs {
    /// Interface by its name or its number in -D; "any" is all of them (repeat) [default: the first that is no loopback]
    #[arg(long, short = 'i', value_name = "IF")]
    pub interface: Vec<String>,
    /// List the interfaces, real ones first, and end
    #[arg(long, short = 'D', conflicts_with_all = ["interface", "write"])]
    pub list_interfaces: bool,
    /// Which packets, as a BPF filter (pcap-filter(7)): 'host 192.168.1.9 and not port 53'
    #[arg(long, short = 'f', value_name = "BPF")]
    pub filter: Option<String>,
    /// Bytes of each packet to keep; 0 keeps all
    #[arg(long, short = 's', value_name = "BYTES", default_value = "256", default_value_if("headers_only", "true", "0"), allow_negative_numbers = true, value_parser = snaplen)]
    pub snapshot_length: u32,
    /// Hear only what is meant for this machine: no promiscuous mode
    #[arg(long, short = 'p')]
    pub no_promiscuous_mode: bool,
    /// Size of the kernel's buffer for each interface: 16 rides out a second of 50,000 packets
    #[arg(long, short = 'B', value_name = "MIB", default_value = "16", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=2_047))]
    pub buffer_size: u32,
    /// File to write; - is standard output
    #[arg(long, short = 'w', value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub write: Option<PathBuf>,
    /// Classic pcap instead of pcapng: no losses, filter or gaps are noted in the file
    #[arg(short = 'P')]
    pub pcap: bool,
    /// pcapng, which is the default
    #[arg(short = 'n', conflicts_with = "pcap", hide = true)]
    pub pcapng: bool,
    /// End after so many packets
    #[arg(short = 'c', value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// End after duration:SECONDS, filesize:KB, packets:N or files:N (repeat); spans such as 1h are understood too
    #[arg(long, short = 'a', value_name = "WHAT:N", value_parser = autostop)]
    pub autostop: Vec<Condition>,
    /// Next file after duration:SECONDS, filesize:KB, packets:N or at each interval:SECONDS of the clock; files:N keeps the last
    /// N (repeat)
    #[arg(long, short = 'b', value_name = "WHAT:N", value_parser = ring)]
    pub ring_buffer: Vec<Condition>,
    /// Let the files' group read them; they are for their owner alone otherwise
    #[arg(short = 'g')]
    pub group_access: bool,
    /// What of each packet is stored.
    #[command(flatten)]
    pub scrub: ScrubArgs,
    /// What to say in the file (pcapng)
    #[arg(long, value_name = "TEXT")]
    pub capture_comment: Option<String>,
    /// Which rights are kept.
    #[command(flatten)]
    pub rights: RightsArgs,
}

impl RecordArgs {
    /// How files are laid out.
    pub fn form(&self) -> Form {
        match self.pcap {
            true => Form::Pcap,
            false => Form::Pcapng,
        }
    }

    /// When to end, of `-a` and `-c`.
    pub fn stop(&self) -> Limits {
        let mut limits = gathered(&self.autostop);
        limits.packets = limits.packets.into_iter().chain(self.count).min();
        limits
    }

    /// When the next file begins; a size after which to end is, among several files, one after which to go to the next.
    ///
    /// # Errors
    /// In words, where nothing says when.
    pub fn ring(&self) -> Result<Option<Limits>, String> {
        if self.ring_buffer.is_empty() {
            return match gathered(&self.autostop).files {
                Some(_) => Err("-a files counts the files of a ring, and there is none: say with -b when the next file \
                                begins, as -b duration:3600"
                    .into()),
                None => Ok(None),
            };
        }
        let mut ring = gathered(&self.ring_buffer);
        let size = gathered(&self.autostop).bytes;
        ring.bytes = ring.bytes.into_iter().chain(size).min();
        match ring.end_a_file() {
            true => Ok(Some(ring)),
            false => Err("-b files keeps so many, and nothing says when the next file begins: add -b filesize:100000 \
                          (100 MB) or -b duration:3600"
                .into()),
        }
    }
}

/// One `-a` or `-b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A time.
    Duration(Duration),
    /// Bytes.
    Size(u64),
    /// Packets.
    Packets(u64),
    /// Files.
    Files(u64),
    /// Seconds of the clock.
    Interval(u64),
}

/// Several as one: of two of a kind the last, as elsewhere on the command line.
fn gathered(conditions: &[Condition]) -> Limits {
    let mut limits = Limits::default();
    for condition in conditions {
        match *condition {
            Condition::Duration(span) => limits.duration = Some(span),
            Condition::Size(bytes) => limits.bytes = Some(bytes),
            Condition::Packets(packets) => limits.packets = Some(packets),
            Condition::Files(files) => limits.files = Some(files),
            Condition::Interval(seconds) => limits.interval = Some(seconds),
        }
    }
    limits
}

fn snaplen(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(0) => Ok(WHOLE),
        Ok(bytes) if bytes <= WHOLE => Ok(bytes),
        _ => Err(format!(
            "write a number of bytes from 1 to {WHOLE}, or 0 for whole packets"
        )),
    }
}

fn autostop(text: &str) -> Result<Condition, String> {
    let all = "write duration:SECONDS, filesize:KB, packets:N or files:N, as duration:3600";
    match condition(text, all)? {
        Condition::Interval(_) => Err(all.into()),
        other => Ok(other),
    }
}

fn ring(text: &str) -> Result<Condition, String> {
    condition(
        text,
        "write filesize:KB, duration:SECONDS, interval:SECONDS, packets:N or files:N, as filesize:100000",
    )
}

/// Most kB of a file: 2 TB, as in dumpcap.
const KILOBYTES_AT_MOST: u64 = 2_000_000_000;

fn condition(text: &str, all: &str) -> Result<Condition, String> {
    let (kind, amount) = text.split_once(':').ok_or(all)?;
    let amount = amount.trim();
    let number = |most: u64| match amount.parse::<u64>() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("{kind}: write a whole number from 1 to {most}")),
    };
    let span = || {
        super::values::positive(amount)
            .map_err(|_| format!("{kind}: write seconds, or a time span such as 90s, 1h30m or 1d"))
    };
    match kind.trim() {
        "duration" => Ok(Condition::Duration(span()?)),
        "filesize" => Ok(Condition::Size(number(KILOBYTES_AT_MOST)? * 1_000)),
        "packets" => Ok(Condition::Packets(number(u64::MAX)?)),
        "files" => Ok(Condition::Files(number(100_000)?)),
        "interval" => match span()?.as_secs() {
            0 => Err("interval: write whole seconds, from 1 on".into()),
            seconds => Ok(Condition::Interval(seconds)),
        },
        _ => Err(all.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser;

    fn typed(words: &str) -> Result<Box<RecordArgs>, String> {
        let words = ["stp-audit", "capture"]
            .into_iter()
            .chain(words.split_whitespace());
        match Cli::try_parse_from(words) {
            Ok(cli) => match cli.command {
                Some(Command::Capture(args)) => Ok(args),
                other => Err(format!("{other:?}")),
            },
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_letters_are_dumpcaps() {
        let args = typed(
            "-i eth1 -i 2 -f ip -s 0 -p -B 4 -w x.pcapng -P -c 9 -a duration:60 -a packets:7 -b filesize:100 -b files:3 -g -q",
        )
        .unwrap();
        assert_eq!(args.interface, ["eth1", "2"]);
        assert_eq!((args.snapshot_length, args.buffer_size), (WHOLE, 4));
        assert!(args.no_promiscuous_mode && args.group_access);
        assert_eq!(args.form(), Form::Pcap);
        let stop = args.stop();
        assert_eq!(stop.packets, Some(7));
        assert_eq!(stop.duration, Some(Duration::from_secs(60)));
        let ring = args.ring().unwrap().unwrap();
        assert_eq!((ring.bytes, ring.files), (Some(100_000), Some(3)));
        assert_eq!(typed("").unwrap().snapshot_length, 256);
        let anonymous = typed("--anonymize key").unwrap();
        assert_eq!(anonymous.snapshot_length, 256);
        assert!(!anonymous.scrub.headers_only);
        // Names stand behind the first 256 bytes, too.
        assert_eq!(typed("--headers-only").unwrap().snapshot_length, WHOLE);
        assert_eq!(
            typed("--headers-only -s 1500").unwrap().snapshot_length,
            1_500
        );
    }

    #[test]
    fn a_size_to_end_with_is_one_to_turn_at_in_a_ring() {
        let args = typed("-w x -a filesize:5 -b duration:10").unwrap();
        assert_eq!(args.ring().unwrap().unwrap().bytes, Some(5_000));
        assert_eq!(args.stop().bytes, Some(5_000));
    }

    #[test]
    fn what_says_nothing_is_refused() {
        let refused = |words: &str| typed(words).unwrap_err();
        assert!(refused("-a interval:5").contains("duration:SECONDS"));
        assert!(refused("-a hours:5").contains("duration:SECONDS"));
        assert!(refused("-b filesize:0").contains("from 1 to 2000000000"));
        assert!(refused("-b filesize:99999999999999999999").contains("from 1 to"));
        assert!(refused("-a duration:x").contains("time span"));
        assert!(refused("-b interval:0.5").contains("whole seconds"));
        assert!(refused("-s 262145").contains("0 for whole packets"));
        assert!(refused("-c 0").contains("0"));
        assert!(refused("-B 2048").contains("2047"));
        assert!(typed("-b files:3").unwrap().ring().is_err());
        assert!(typed("-a files:3").unwrap().ring().is_err());
    }
}
