//! `defend --loopback`: the shaper for real, over sockets, and judged beside the simulator.

use crate::audit;
use crate::cli::args::{Common, DefendArgs};
use crate::cli::defended::Defenses;
use crate::cli::exit::usage;
use crate::cli::homes::Ground;
use crate::cli::loopback_capture::Witness;
use crate::cli::loopback_keys::Keys;
use crate::cli::signals::Signals;
use crate::defense::settings::{QuietTraffic, Rates};
use crate::defense::tunnel::{self, Recorded};
use crate::defense::Settings;
use crate::gateway::endpoint::{Endpoint, Identity};
use crate::gateway::relay::{Faults, Relay};
use crate::gateway::run::{self, Outcome, Pace};
use crate::gateway::session::Limits;
use crate::stp::follower::Follows;
use crate::stp::lane::Bounds;
use crate::trace::Trace;
use crate::units::{Span, Timestamp};
use crate::verdict::loopback::{agree, Agreement, Captured, Loopback, Tail, Ways};
use crate::verdict::Verdict;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

/// What reports call the wire that was really there; the simulator has the defense's name.
pub const WIRE: &str = "stp-loopback";
const SIMULATOR: &str = "stp";

/// So long before the first activity of a part of a trace it begins: both ends have keys by then.
const LEAD: Duration = Duration::from_secs(5);

/// What may wait in a tunnel, each way: a queue as of a home's router. The simulator has no bounds.
const BOUNDS: Bounds = Bounds {
    packets: 65_536,
    bytes: 64 << 20,
    wait: Duration::from_secs(60),
};

/// What was run, until it is judged.
pub struct Lived {
    outcomes: Vec<Outcome>,
    wire: Option<f64>,
    simulated: Option<f64>,
    seconds: f64,
    scale: f64,
    quiet: QuietTraffic,
    captured: Result<Captured, String>,
    /// What was to be lived, in seconds of the trace, where a signal ended it before.
    stopped: Option<f64>,
}

/// Runs the tunnels of the part of the home's trace with most activities. The home is that part from then on; the defenses
/// are the simulator, and the wire as it was. A signal ends it early: then the home is the part that was lived.
///
/// # Errors
/// Settings that no tunnel has, keys that are none, sockets that cannot be had.
pub fn live(
    args: &DefendArgs,
    settings: &Settings,
    ground: &mut Ground,
    common: &Common,
    signals: &Signals,
) -> anyhow::Result<(Defenses, Lived)> {
    let keys = Keys::of(&args.loopback)?;
    let mut settings = settings.clone();
    if settings.rates != Rates::Fixed {
        return Err(usage(
            "--loopback needs rates that stay: leave --start-rates out",
        ));
    }
    if settings.quiet == QuietTraffic::Packets {
        settings.quiet = QuietTraffic::Pass;
    }
    let scale = args.loopback.time_scale;
    let whole = ground.trace.clone();
    let length = Duration::from_secs_f64(args.loopback.minutes * 60.0);
    ground.trace = busiest(&whole, length);
    let trace = &ground.trace;
    let mut chance = audit::chance(common.seed, SIMULATOR, 0);
    let tunnels = tunnel::make(&settings, &whole, trace, &mut chance);
    let tunnels = tunnels.map_err(|error| usage(format!("stp: {error}")))?;
    let pace = Pace {
        origin: trace.window.start,
        end: trace.window.end,
        linger: tunnel::linger(&tunnels.tunnels),
        scale,
    };
    if !common.quiet {
        let _ = writeln!(
            std::io::stderr(),
            "stp-audit: {} tunnels over 127.0.0.1 for {:.0} s",
            tunnels.tunnels.len(),
            trace.seconds() / scale
        );
    }
    let (tunnels, judged, simulator) = tunnels.split();
    let bound = run::bind(ends(tunnels, &keys)?)?;
    let ports = bound.ports().to_vec();
    let witness = Witness::begin(&ports);
    let ran = bound.run(pace, &signals.flag())?;
    let captured = witness.and_then(|witness| witness.end(&ports, &ran, (pace.origin, scale)));
    let stopped = ran.stopped.map(|_| trace.seconds());
    if let Some(at) = ran.stopped {
        ground.trace = part(&ground.trace, Span::new(pace.origin, at));
    }
    let trace = &ground.trace;
    let outcomes = ran.outcomes;
    let simulated = audit::shaped(trace, SIMULATOR, &*simulator, common.seed, 0);
    let shaped = judged.observed(trace, &outcomes);
    let lived = Lived {
        wire: shaped.cost.overhead(),
        simulated: simulated.cost.overhead(),
        outcomes,
        seconds: trace.seconds(),
        scale,
        quiet: settings.quiet,
        captured,
        stopped,
    };
    let recorded = Recorded {
        of: SIMULATOR.to_owned(),
        parameters: simulator.parameters(),
        foretold: simulator.foretold(),
        shaped,
    };
    let defenses: Defenses = vec![
        (SIMULATOR.to_owned(), simulator),
        (WIRE.to_owned(), Box::new(recorded)),
    ];
    Ok((defenses, lived))
}

/// Both ends of all tunnels, and the relays between. Keys that no file holds live as long as they do.
fn ends(tunnels: Vec<tunnel::Tunnel>, keys: &Keys) -> anyhow::Result<Vec<run::Tunnel>> {
    let mut secrets = ChaCha8Rng::from_entropy();
    let mut ends = Vec::new();
    for (number, tunnel) in (0..).zip(tunnels) {
        let mut plan = tunnel.plan;
        plan.waiting_at_most = BOUNDS;
        let [_, down] = plan.cadences.clone();
        let follows = Follows {
            period: plan.period,
            cell_bytes: plan.cell_bytes,
            cadence: down,
            waiting_at_most: BOUNDS,
            quiet: plan.quiet,
            origin: plan.origin,
        };
        let [near, far] = keys.next(&mut secrets)?;
        let (near_public, far_public) = (near.public, far.public);
        let mut identity = |own, peer| -> anyhow::Result<Identity> {
            Ok(Identity {
                own,
                peer,
                tunnel: number,
                limits: Limits::default(),
                secrets: ChaCha8Rng::from_seed(secrets.gen()),
            })
        };
        let near = identity(near, far_public)?;
        let far = identity(far, near_public)?;
        let wrong = |error: crate::gateway::endpoint::EndpointError| usage(error.to_string());
        ends.push(run::Tunnel {
            near: Endpoint::leader(plan, tunnel.chance, near).map_err(wrong)?,
            far: Endpoint::follower(follows, far).map_err(wrong)?,
            relay: Relay::new(Faults::none(Duration::ZERO), ChaCha8Rng::seed_from_u64(0)),
            arrivals: tunnel.arrivals,
        });
    }
    Ok(ends)
}

/// The part of a trace, so long, that has most activities; the first of equals.
fn busiest(trace: &Trace, length: Duration) -> Trace {
    let begins: Vec<Timestamp> = trace.activities.iter().map(|a| a.traffic.start).collect();
    let mut best = (trace.window.start, 0);
    for &begin in &begins {
        let start = (begin - LEAD).max(trace.window.start);
        let within = |at: &&Timestamp| **at >= start && **at < start + length;
        let count = begins.iter().filter(within).count();
        if count > best.1 {
            best = (start, count);
        }
    }
    let start = best.0;
    part(
        trace,
        Span::new(start, (start + length).min(trace.window.end)),
    )
}

/// A part of a trace; an activity that goes on beyond it ends with it.
pub fn part(trace: &Trace, window: Span) -> Trace {
    let start = window.start;
    let last = Timestamp(window.end.0.saturating_sub(1));
    let within = Span::new(start, last.max(start));
    let place = |at: Timestamp| trace.packets.partition_point(|packet| packet.at < at);
    let (from, to) = (place(start), place(within.end + Duration::from_nanos(1)));
    Trace {
        window,
        packets: trace.packets.get(from..to).unwrap_or_default().to_vec(),
        activities: trace
            .activities
            .iter()
            .filter(|activity| within.contains(activity.traffic.start))
            .map(|activity| {
                let mut activity = activity.clone();
                activity.traffic.end = activity.traffic.end.min(window.end);
                activity
            })
            .collect(),
        ..trace.clone()
    }
}

impl Lived {
    /// That a signal ended it, where one did.
    pub fn cut(&self, signal: Option<u8>) -> Option<String> {
        let whole = self.stopped?;
        Some(format!(
            "the loopback was stopped{} after {:.1} s of {whole:.1} s of the trace: what is told is of that part",
            signal.map_or(String::new(), |signal| format!(" by signal {signal}")),
            self.seconds,
        ))
    }

    /// What reports say of it, once the verdict has judged wire and simulator.
    pub fn told(self, verdict: &Verdict) -> Loopback {
        let of = |defense: &str| {
            let rows = verdict.results.iter();
            let rows = rows.filter(|row| row.defense == defense && row.device == "all");
            rows.collect::<Vec<_>>()
        };
        let simulator = of(SIMULATOR);
        let agreement: Vec<Agreement> = of(WIRE)
            .into_iter()
            .map(|row| {
                let mut others = simulator.iter();
                let other = others.find(|other| other.adversary == row.adversary);
                let other = other.and_then(|other| other.confidence);
                Agreement::of(&row.adversary, row.confidence, other)
            })
            .collect();
        let all = &self.outcomes;
        let sum = |of: &dyn Fn(&Outcome) -> u64| all.iter().map(of).sum::<u64>();
        let (offered, delivered) = (sum(&|o| o.offered), sum(&|o| o.delivered));
        let seen = all.iter().flat_map(|outcome| &outcome.seen);
        let sizes: BTreeSet<u64> = seen
            .map(|seen| (seen.payload_bytes + crate::gateway::wire::OUTER_BYTES) as u64)
            .collect();
        let mut late: Vec<u64> = all
            .iter()
            .flat_map(|o| o.sent.iter().flatten())
            .filter(|sent| sent.padded)
            .map(|sent| sent.late.into())
            .collect();
        let way = |way: usize| {
            let ways = all.iter().filter_map(|outcome| outcome.delays.get(way));
            Tail::of(&mut ways.flatten().copied().collect::<Vec<u64>>(), 1e6)
        };
        let unfinished = sum(&|o| o.unfinished);
        let (capture, no_capture) = match self.captured {
            Ok(captured) => (Some(captured), None),
            Err(why) => (None, Some(why)),
        };
        Loopback {
            seconds: self.seconds,
            time_scale: self.scale,
            tunnels: all.len() as u64,
            real_time: all.iter().all(|outcome| outcome.real_time),
            quiet_traffic: match self.quiet {
                QuietTraffic::Constant => "constant",
                QuietTraffic::Pass | QuietTraffic::Packets => "pass",
            }
            .to_owned(),
            offered,
            delivered,
            dropped: offered.saturating_sub(delivered).saturating_sub(unfinished),
            unfinished,
            altered: sum(&|o| o.altered),
            repeated: sum(&|o| o.repeated),
            disordered: sum(&|o| o.disordered),
            datagrams: sum(&|o| o.seen.len() as u64),
            datagram_sizes: sizes.into_iter().collect(),
            handshakes: sum(&|o| o.handshakes),
            missed_cells: sum(&|o| o.missed),
            capture,
            no_capture,
            overhead_wire: self.wire,
            overhead_simulated: self.simulated,
            schedule_error_us: Tail::of(&mut late, 1e3),
            added_latency_ms: Ways {
                up: way(0),
                down: way(1),
            },
            agrees: agree(self.wire, self.simulated, &agreement),
            agreement,
            leaks: leaks(self.quiet),
        }
    }
}

/// What such a wire shows by its nature.
fn leaks(quiet: QuietTraffic) -> Vec<String> {
    let mut leaks = vec![match quiet {
        QuietTraffic::Constant => "outside padding cells go at a constant rate: that rate is seen, and nothing of background, which waits for them",
        QuietTraffic::Pass | QuietTraffic::Packets => "outside padding background passes as it comes, in cells of one size: its times are seen, and a lone cell downwards just before padding speaks for an activity begun at the far end (--quiet-traffic constant hides both)",
    }
    .to_owned()];
    leaks.push("both directions begin with the near end's decision, down one way delay later: seen is where the deciding end is, not why it decided".to_owned());
    leaks.push("padding that is lengthened in its last moments is known to the far end one way delay late: a cell or two down are missing then, of real and phantom activities alike".to_owned());
    leaks
}
