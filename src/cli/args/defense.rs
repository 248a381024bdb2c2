//! Which defenses, and how they are set.

use super::gateway::quiet;
use super::values::{
    between, daily_budget, data_cap, defense, lowering, one_of, period, share_above_zero,
    tunnel_rate, DefenseChoice,
};
use crate::defense::settings::{
    DailyBudget, Durations, ExtensionRule, HabitsFrom, Padding, QuietTraffic, Rates, Scope,
    Settings, Shape, TimeModel, Trigger, Tunnel,
};
use crate::defense::DEFENSES;
use crate::stp::DECISIONS;
use crate::units::{Probability, Rate};
use clap::{Args, ValueHint};
use std::path::PathBuf;
use std::time::Duration;

/// Which defenses, and how they are set
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Defenses")]
pub struct DefenseArgs {
    /// Defenses to try.
    #[arg(help = modes_help(), long, value_delimiter = ',', default_value = "all", value_name = "LIST", value_parser = defense)]
    pub mode: Vec<DefenseChoice>,
    /// q: the chance of padding where there is no activity [default: the knee of the trade-off]
    #[arg(
        long,
        value_name = "Q",
        allow_negative_numbers = true,
        group = "padding"
    )]
    pub q: Option<Probability>,
    /// Solve q so that an adversary who claims each padded period is right this often
    #[arg(long, value_name = "C", allow_negative_numbers = true, group = "padding", value_parser = share_above_zero)]
    pub target_confidence: Option<f64>,
    /// Solve q so that the padded traffic comes to this in 30 days, as 10GB/month
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, group = "padding", value_parser = data_cap)]
    pub data_cap: Option<f64>,
    /// T: how long padding lasts, 1ms to 8760h [default: from the longest activity]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = period)]
    pub period: Option<Duration>,
    /// R_u: upload rate while padded, as 40KB/s [default: from the highest rate of an activity]
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, value_parser = tunnel_rate)]
    pub rate_up: Option<Rate>,
    /// R_d: download rate while padded
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, value_parser = tunnel_rate)]
    pub rate_down: Option<Rate>,
    /// Start with rates so many times as high, and lower them by a tenth every --lower-every
    #[arg(long, value_name = "TIMES", allow_negative_numbers = true, value_parser = |text: &str| between(text, 1.0, 1000.0))]
    pub start_rates: Option<f64>,
    /// How often rates are lowered
    #[arg(long, default_value = "1h", value_name = "TIME", requires = "start_rates", allow_hyphen_values = true, value_parser = lowering)]
    pub lower_every: Duration,
    /// Bytes of each packet while padded, 64 to 65535 [default: from the rates]
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(64..=65_535))]
    pub cell: Option<u32>,
    /// The decision function.
    #[arg(help = decisions_help(), long, default_value = "bernoulli", value_name = "NAME", value_parser = decision)]
    pub decision: String,
    /// Habits that --decision hourly or hmm follows, as --fit-habits writes them [default: fitted to the activities of the
    /// trace that is defended]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "learn_habits")]
    pub habits: Option<PathBuf>,
    /// Know no habits at first: pad all the time until N activities of a device were seen, then follow them, and learn anew
    /// each time their number has doubled
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub learn_habits: Option<u32>,
    /// Fit habits to the activities of the trace, and keep them in this file; it tells when somebody is at home
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub fit_habits: Option<PathBuf>,
    /// Pad so many periods every day, of each device, or of the home with --scope home: a number, or auto (what the busiest day
    /// needs, and the mean cover); activities beyond it are padded all the same
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = daily_budget)]
    pub daily_budget: Option<DailyBudget>,
    /// How time is cut into draws: second (section 6.2 of the paper) or grid (section 6.1)
    #[arg(long, default_value = "second", value_name = "HOW", value_parser = model)]
    pub model: TimeModel,
    /// What extends padding: phantom (activities and phantoms alike) or paper (whose long runs tell on it)
    #[arg(long, default_value = "phantom", value_name = "RULE", value_parser = rule)]
    pub rule: ExtensionRule,
    /// How long padding without an activity lasts: empirical (as one of the activities), fitted (a log-normal law fitted to
    /// them; also lognormal) or fixed (T)
    #[arg(long, default_value = "empirical", value_name = "LAW", value_parser = durations)]
    pub durations: Durations,
    /// How padded traffic is shaped: constant, or replay (the largest activity, scaled)
    #[arg(long, default_value = "constant", value_name = "HOW", value_parser = shape)]
    pub padding_shape: Shape,
    /// What is padded as one: device, or home (all in one tunnel)
    #[arg(long, default_value = "device", value_name = "WHAT", value_parser = scope)]
    pub scope: Scope,
    /// What begins padding: activity (its first packet) or any (any packet)
    #[arg(long, default_value = "activity", value_name = "WHAT", value_parser = trigger)]
    pub trigger: Trigger,
    /// The tunnel's format: wireguard or openvpn
    #[arg(long, default_value = "wireguard", value_name = "FORMAT", value_parser = tunnel)]
    pub tunnel: Tunnel,
    /// What goes outside padding: pass (background in cells as it comes) or constant (cells at a low constant rate)
    /// [default: packets as they are; with --loopback pass]
    #[arg(long, value_name = "HOW", value_parser = quiet)]
    pub quiet_traffic: Option<QuietTraffic>,
    /// ILP's rate, both ways together [default: what the busiest second needs]
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, value_parser = tunnel_rate)]
    pub ilp_rate: Option<Rate>,
    /// Ids of the devices the firewall blocks (repeat, or a list) [default: all]
    #[arg(long, value_delimiter = ',', value_name = "DEVICE")]
    pub block: Vec<String>,
}

impl DefenseArgs {
    /// The settings of all defenses, but for the file of habits, which is to be read.
    pub fn settings(&self) -> Settings {
        let padding = match (self.q, self.target_confidence, self.data_cap) {
            (Some(q), _, _) => Padding::Q(q),
            (_, Some(confidence), _) => Padding::TargetConfidence(confidence),
            (_, _, Some(bytes)) => Padding::DataCap(bytes),
            _ => Padding::Knee,
        };
        let rates = match self.start_rates {
            Some(start) => Rates::Lowering {
                start,
                every: self.lower_every,
            },
            None => Rates::Fixed,
        };
        Settings {
            period: self.period,
            rate_up: self.rate_up,
            rate_down: self.rate_down,
            rates,
            cell_bytes: self.cell,
            padding,
            decision: self.decision.clone(),
            habits: match self.learn_habits {
                Some(after) => HabitsFrom::Learned { after },
                None => HabitsFrom::Trace,
            },
            daily_budget: self.daily_budget,
            model: self.model,
            rule: self.rule,
            durations: self.durations,
            shape: self.padding_shape,
            scope: self.scope,
            trigger: self.trigger,
            tunnel: self.tunnel,
            ilp_rate: self.ilp_rate,
            block: self.block.clone(),
            quiet: self.quiet_traffic.unwrap_or_default(),
            ..Settings::default()
        }
    }
}

/// One list feeds everything: a new defense is in the help from the day it exists.
fn modes_help() -> String {
    let names: Vec<&str> = DEFENSES.iter().map(|row| row.name).collect();
    format!(
        "Defenses to try (repeat, or a list): {}, or all",
        names.join(", ")
    )
}

fn decisions_help() -> String {
    let all = DECISIONS.iter();
    let all: Vec<String> = all
        .map(|row| format!("{} ({})", row.name, row.about))
        .collect();
    format!(
        "When padding begins without an activity: {}",
        all.join(", ")
    )
}

fn decision(text: &str) -> Result<String, String> {
    let names: Vec<&str> = DECISIONS.iter().map(|row| row.name).collect();
    match crate::stp::find(text) {
        Some(row) => Ok(row.name.to_owned()),
        None => Err(super::values::unknown(text, &names)),
    }
}

fn model(text: &str) -> Result<TimeModel, String> {
    one_of(
        text,
        &[("second", TimeModel::PerSecond), ("grid", TimeModel::Grid)],
    )
}

fn rule(text: &str) -> Result<ExtensionRule, String> {
    one_of(
        text,
        &[
            ("phantom", ExtensionRule::Phantom),
            ("paper", ExtensionRule::Paper),
        ],
    )
}

fn durations(text: &str) -> Result<Durations, String> {
    let all = [
        ("empirical", Durations::Empirical),
        ("fitted", Durations::LogNormal),
        ("lognormal", Durations::LogNormal),
        ("fixed", Durations::Fixed),
    ];
    one_of(text, &all)
}

fn shape(text: &str) -> Result<Shape, String> {
    one_of(
        text,
        &[("constant", Shape::Constant), ("replay", Shape::Replay)],
    )
}

fn scope(text: &str) -> Result<Scope, String> {
    one_of(text, &[("device", Scope::PerDevice), ("home", Scope::Home)])
}

fn trigger(text: &str) -> Result<Trigger, String> {
    one_of(
        text,
        &[("activity", Trigger::Activity), ("any", Trigger::Any)],
    )
}

fn tunnel(text: &str) -> Result<Tunnel, String> {
    one_of(
        text,
        &[
            ("wireguard", Tunnel::WireGuard),
            ("openvpn", Tunnel::OpenVpn),
        ],
    )
}
