//! What may be typed: one clap definition, from which help, man pages and completions come.

use crate::activity::claim::{Shape, Side};
use crate::activity::parameters::BaselineKind;
use crate::flow::home::Vantage;
use crate::flow::observer::BinsFrom;
use crate::report::{ColorChoice, Format, Output};
use clap::{Args, Parser, Subcommand, ValueHint};
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What `stp-audit` alone prints.
pub const SHORT_HELP: &str = "\
stp-audit plays the passive observer of a smart home: it reads a capture and says which devices live there,
which flows are theirs, and when somebody used them, from encrypted traffic alone.

Commands:
  infer        devices, their flows, their activities
  devices      only the devices, with the evidence for each
  flows        only the flows, with their device
  fingerprint  list, show, learn, import and export fingerprints of devices
  completions  completions for your shell
  man          manual pages

Try first:
  stp-audit infer evening.pcapng          what does this capture tell about the home?
  stp-audit infer --help                  everything that can be asked of it
";

/// Attack and audit the privacy of smart-home traffic
#[derive(Debug, Parser)]
#[command(name = "stp-audit", version, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What every command understands.
    #[command(flatten)]
    pub common: Common,
}

/// What every command understands
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Common {
    /// Seed of every random draw; the same seed gives the same bytes, whatever --jobs
    #[arg(long, global = true, default_value_t = 1, value_name = "N", allow_negative_numbers = true, value_parser = seed)]
    pub seed: u64,
    /// Threads to use at most [default: one per processor]
    #[arg(long, global = true, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// No progress and no remarks on standard error; errors are still told
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Colours
    #[arg(long, global = true, default_value = "auto", value_name = "WHEN")]
    pub color: ColorChoice,
}

/// The commands
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say which devices live in a home, which flows are theirs, and when somebody used them
    #[command(after_long_help = INFER_EXAMPLES)]
    Infer(InferArgs),
    /// Say which devices live in a home, with the evidence for each
    Devices(InferArgs),
    /// Say which flows belong to which device
    Flows(InferArgs),
    /// List, show, learn, import and export the fingerprints that devices are recognised by
    #[command(subcommand)]
    Fingerprint(FingerprintCommand),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one page a command into a folder
    Man {
        /// Folder to write the pages into
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
    },
}

const INFER_EXAMPLES: &str = "\
Examples:
  stp-audit infer evening.pcapng
  stp-audit infer monday.pcap.gz tuesday.pcap.zst -f 'not port 22'
  stp-audit infer home.pcapng --labels truth.csv --tolerance 30s
  tcpdump -w - -i eth1 | stp-audit infer - --format jsonl
  stp-audit infer wan.pcapng --fingerprints learned/ -o json=result.json -o md=-

Exit status: 0 done; 2 usage; 3 unreadable input or no usable packet; 4 environment; 5 truncated input without
--allow-truncated (what was read is still reported); 130 or 143 after a signal, with what was read reported.";

/// Input and what to make of it
#[derive(Clone, Debug, Args)]
pub struct InferArgs {
    /// Captures: pcap or pcapng, plain or packed by gzip or zstd; - is standard input; several are one trace in time order
    #[arg(required = true, value_name = "INPUT", value_hint = ValueHint::FilePath)]
    pub inputs: Vec<PathBuf>,
    /// Which packets, as a BPF filter (pcap-filter(7)): 'host 192.168.1.9 and not port 53'
    #[arg(long, short = 'f', value_name = "BPF")]
    pub filter: Option<String>,
    /// Where the observer stands: auto, lan or wan
    #[arg(long, default_value = "auto", value_name = "WHERE", value_parser = vantage)]
    pub vantage: VantageChoice,
    /// The home's address or prefix (repeat); told from the traffic otherwise
    #[arg(long, value_name = "CIDR", value_parser = prefix)]
    pub home: Vec<IpNet>,
    /// More fingerprints: a folder of TOML files (repeat); they go beside the built-in ones
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub fingerprints: Vec<PathBuf>,
    /// Flows listed one by one, about 1 KB of memory each; more are folded by server, and counted
    #[arg(long, value_name = "N", default_value_t = crate::flow::observer::FLOWS_LISTED, allow_negative_numbers = true, value_parser = flows)]
    pub max_flows: usize,
    /// Accept an input that ends within a record: exit 0 instead of 5
    #[arg(long)]
    pub allow_truncated: bool,
    /// How activities are told from background.
    #[command(flatten)]
    pub activity: ActivityArgs,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How activities are told from background
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Activities")]
pub struct ActivityArgs {
    /// Length of a bin of the traffic rates
    #[arg(long, default_value = "1s", value_name = "TIME", allow_hyphen_values = true, value_parser = positive)]
    pub bin: Duration,
    /// Where bins begin: at whole clock times (clock) or at the first packet (first), as tshark's io,stat has it
    #[arg(long, default_value = "clock", value_name = "WHERE", value_parser = bins_from)]
    pub bins_from: BinsFrom,
    /// Standard deviations over the baseline that make an activity
    #[arg(long, default_value_t = 3.0, value_name = "K", allow_hyphen_values = true, value_parser = sigma)]
    pub sigma: f64,
    /// Standard deviations that suffice near a stronger bin [default: sigma; a third of it with --ignore-periodic]
    #[arg(long, value_name = "K", allow_hyphen_values = true, value_parser = sigma)]
    pub weak_sigma: Option<f64>,
    /// Bins at most this far apart are one activity
    #[arg(long, default_value = "30s", value_name = "TIME", allow_hyphen_values = true, value_parser = duration)]
    pub merge: Duration,
    /// Shapes to look for
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "spike,hill,depression",
        value_name = "LIST"
    )]
    pub shape: Vec<Shape>,
    /// Direction to look at: up, down or both
    #[arg(long, default_value = "both", value_name = "WHICH")]
    pub direction: Side,
    /// How the usual rate is measured: mean (and standard deviation) or robust (median and MAD)
    #[arg(long, default_value = "mean", value_name = "HOW")]
    pub baseline: BaselineKind,
    /// Leave bins without traffic out of the baseline
    #[arg(long)]
    pub ignore_silent: bool,
    /// Take off what the device does by itself at a steady rhythm
    #[arg(long)]
    pub ignore_periodic: bool,
    /// A baseline for each stretch of this length [default: one for the whole capture]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = positive)]
    pub window: Option<Duration>,
    /// Truth to hold the claims against: CSV of start,end,device,activity
    #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath)]
    pub labels: Option<PathBuf>,
    /// How far from a label a claim may lie
    #[arg(long, default_value = "60s", value_name = "TIME", allow_hyphen_values = true, value_parser = duration)]
    pub tolerance: Duration,
}

/// Where results go
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Format on standard output
    #[arg(long, default_value = "table", value_name = "FORMAT")]
    pub format: Format,
    /// One more report of the same run (repeat): json=result.json, md=-
    #[arg(long, short = 'o', value_name = "FORMAT=PATH")]
    pub output: Vec<Output>,
    /// Write the rates of every device, one row an active bin: start,device,up_bytes,down_bytes
    #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath)]
    pub rates: Option<PathBuf>,
}

/// Work on fingerprints
#[derive(Debug, Subcommand)]
pub enum FingerprintCommand {
    /// List all fingerprints
    List(CatalogArgs),
    /// Show one fingerprint as TOML
    Show {
        /// Its id, as `list` shows it
        id: String,
        /// Which fingerprints.
        #[command(flatten)]
        catalog: CatalogArgs,
    },
    /// Learn one fingerprint a device from captures whose devices are named by MAC
    Learn {
        /// Captures at the LAN
        #[arg(required = true, value_name = "CAPTURE", value_hint = ValueHint::FilePath)]
        inputs: Vec<PathBuf>,
        /// Which MAC is which device: CSV of MAC address,name
        #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath)]
        macs: PathBuf,
        /// Folder to write one TOML a device into
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: PathBuf,
        /// Which packets, as a BPF filter
        #[arg(long, short = 'f', value_name = "BPF")]
        filter: Option<String>,
    },
    /// Make fingerprints of MUD files (RFC 8520)
    Import {
        /// MUD files
        #[arg(required = true, value_name = "MUD.json", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
        /// Folder to write one TOML a file into
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: PathBuf,
    },
    /// Write a fingerprint as a MUD file (RFC 8520)
    Export {
        /// Its id, as `list` shows it
        id: String,
        /// File to write; standard output otherwise
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        out: Option<PathBuf>,
        /// Which fingerprints.
        #[command(flatten)]
        catalog: CatalogArgs,
    },
}

/// Which fingerprints
#[derive(Clone, Debug, Args)]
pub struct CatalogArgs {
    /// More fingerprints: a folder of TOML files (repeat)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub fingerprints: Vec<PathBuf>,
}

/// `--vantage`: as the traffic tells, or as the user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VantageChoice {
    /// As the traffic tells.
    Auto,
    /// As the user does.
    Told(Vantage),
}

impl VantageChoice {
    /// What the user told, if anything.
    pub fn told(self) -> Option<Vantage> {
        match self {
            Self::Auto => None,
            Self::Told(vantage) => Some(vantage),
        }
    }
}

fn vantage(text: &str) -> Result<VantageChoice, String> {
    match text {
        "auto" => Ok(VantageChoice::Auto),
        "lan" => Ok(VantageChoice::Told(Vantage::Lan)),
        "wan" => Ok(VantageChoice::Told(Vantage::Wan)),
        _ => Err("there are auto, lan and wan".into()),
    }
}

fn bins_from(text: &str) -> Result<BinsFrom, String> {
    match text {
        "clock" => Ok(BinsFrom::Clock),
        "first" => Ok(BinsFrom::First),
        _ => Err("there are clock and first".into()),
    }
}

fn prefix(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "write an address or a prefix, as 203.0.113.9 or 192.168.1.0/24".into())
}

/// A time span such as `1s`, `500ms`, `2m`, `1h30m`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time span such as 500ms, 1s, 2m or 1h30m".to_string();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
    }
    let signed: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".into()),
        span => Ok(span),
    }
}

fn sigma(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(k) if k.is_finite() && k > 0.0 => Ok(k),
        _ => Err("write a number above 0, as 3".into()),
    }
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("write a whole number from 0 to {}", u64::MAX))
}

fn flows(text: &str) -> Result<usize, String> {
    const RANGE: std::ops::RangeInclusive<usize> = 16..=4_000_000;
    match text.parse::<usize>() {
        Ok(flows) if RANGE.contains(&flows) => Ok(flows),
        _ => Err(format!(
            "write a number from {} to {}",
            RANGE.start(),
            RANGE.end()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, millis) in [
            ("1s", 1_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("0.5", 500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "-1s", "nan", "inf", "1x", "1e300"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(positive("0s").is_err());
    }

    #[test]
    fn homes_are_addresses_or_prefixes() {
        assert_eq!(prefix("203.0.113.9").unwrap().to_string(), "203.0.113.9/32");
        assert_eq!(
            prefix("2001:db8::/48").unwrap().to_string(),
            "2001:db8::/48"
        );
        assert!(prefix("home").is_err());
    }

    #[test]
    fn nonsense_is_refused_with_the_range() {
        for bad in ["nan", "inf", "0", "-3", "x"] {
            let typed = ["stp-audit", "infer", "x.pcap", "--sigma", bad];
            assert!(Cli::try_parse_from(typed).is_err(), "{bad}");
        }
        let typed = ["stp-audit", "infer", "x.pcap", "--bin", "0"];
        assert!(Cli::try_parse_from(typed).is_err());
    }
}
