//! `infer -i`: interfaces are listened to and inferred from in one loop.
//!
//! Nothing is written but the report at the end, and nothing is kept of a packet but what the engine remembers. All of it
//! happens in a sandbox ([`super::live_sandbox`]): this program takes apart what anybody on the network cares to send. An interface
//! that goes down is waited for, one that is taken away ends the watch: what was seen is reported, then the program ends with
//! what an environment that failed is told by.

use crate::capture::{wait, Health, InputSummary, Listen, Live, LiveError};
use crate::cli::args::InferArgs;
use crate::cli::capture_clock::Clock;
use crate::cli::capture_listen;
use crate::cli::exit::Exit;
use crate::cli::live_sandbox;
use crate::cli::live_stage::{Over, Stage, LOOK_IN};
use crate::cli::signals::Signals;
use crate::units::Timestamp;
use std::time::{Duration, Instant};

/// Bytes of a frame that are kept: the whole of one that no offload has put together, for names stand anywhere in it.
const SNAPLEN: u32 = 2_048;
/// The kernel's ring for each interface: half a second of a busy home's gigabit.
const RING_MIB: u32 = 16;
/// Packets taken from one interface before the others have their turn.
const BATCH: usize = 1_024;
/// How often interfaces are looked at, and their counters.
const EACH_SECOND: Duration = Duration::from_secs(1);

/// What passed one interface.
#[derive(Clone, Copy, Default)]
struct Passed {
    packets: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    earliest: Option<Timestamp>,
    latest: Option<Timestamp>,
    down: bool,
}

impl Passed {
    fn note(&mut self, at: Timestamp) {
        self.packets += 1;
        self.first = self.first.or(Some(at));
        self.last = Some(at);
        self.earliest = Some(self.earliest.map_or(at, |before| before.min(at)));
        self.latest = Some(self.latest.map_or(at, |before| before.max(at)));
    }
}

/// Listens until a signal comes, nobody listens to us any more, or an interface is taken away.
///
/// # Errors
/// An interface that cannot be listened to; a filter that libpcap refuses; a sandbox that cannot be entered.
pub fn listen(
    args: &InferArgs,
    stage: &mut Stage,
    signals: &Signals,
    quiet: bool,
) -> anyhow::Result<Over> {
    let listen = Listen {
        snaplen: SNAPLEN,
        promiscuous: true,
        immediate: false,
        buffer_mib: RING_MIB,
        filter: args.capture.filter.clone(),
    };
    let say = |text: &str| {
        if !quiet {
            eprintln!("stp-audit: {text}");
        }
    };
    let asked = &args.watch.interface;
    let clock = Clock::start();
    let opened = capture_listen::open_named(asked, &listen, signals, &clock, say)?;
    let Some(opened) = opened else {
        return Ok(Over::default());
    };
    let mut lives = opened.lives;
    let mut passed = vec![Passed::default(); lives.len()];

    // Interfaces are open, and no packet was looked at yet.
    if let Some(plan) = live_sandbox::plan(args, &lives)? {
        say(&plan.enter()?.to_string());
    }

    let mut looked = Instant::now();
    let mut over = Over::default();
    let mut more = false;
    while signals.came().is_none() && !stage.is_unheard() {
        wait(&lives, None, if more { Duration::ZERO } else { LOOK_IN })?;
        let taken = take(&mut lives, &mut passed, stage);
        // What has come is told first: it brings the time.
        stage.look_in();
        let failed = match taken {
            Ok(left) => {
                more = left;
                None
            }
            Err(error) => Some(error),
        };
        let failed = match failed {
            None if looked.elapsed() >= EACH_SECOND => {
                looked = Instant::now();
                look_at(&mut lives, &mut passed, stage, quiet)
            }
            failed => failed,
        };
        if let Some(error) = failed {
            over.failure = Some(error.to_string());
            over.exit = Some(Exit::Environment);
            stage.say(&error.to_string());
            break;
        }
    }
    over.inputs = summaries(&mut lives, &passed);
    Ok(over)
}

/// Takes what is there; true where there may be more.
fn take(lives: &mut [Live], passed: &mut [Passed], stage: &mut Stage) -> Result<bool, LiveError> {
    let mut more = false;
    for (live, passed) in lives.iter_mut().zip(passed) {
        let mut left = BATCH;
        while let Some(frame) = live.next()? {
            passed.note(frame.at);
            left -= 1;
            if !stage.watch(&frame) || left == 0 {
                more = true;
                break;
            }
        }
    }
    Ok(more)
}

/// Sees whether interfaces went down, came up again, or are gone.
fn look_at(
    lives: &mut [Live],
    passed: &mut [Passed],
    stage: &mut Stage,
    quiet: bool,
) -> Option<LiveError> {
    for (live, passed) in lives.iter_mut().zip(passed) {
        // The kernel counts in 32 bits: asked often, nothing is lost.
        live.counts();
        let name = live.name();
        match (live.health(), passed.down) {
            (Health::Removed, _) => {
                return Some(LiveError::Removed {
                    interface: name.to_owned(),
                });
            }
            (Health::Down, false) => {
                passed.down = true;
                if !quiet {
                    stage.say(&format!("{name} is down; the watch goes on once it is up"));
                }
            }
            (Health::Up, true) => {
                passed.down = false;
                if !quiet {
                    stage.say(&format!("{name} is up again"));
                }
            }
            _ => {}
        }
    }
    None
}

/// What the interfaces were like, as inputs are told.
fn summaries(lives: &mut [Live], passed: &[Passed]) -> Vec<InputSummary> {
    let lives = lives.iter_mut().zip(passed);
    lives
        .map(|(live, passed)| {
            let counts = live.counts();
            let lost = counts.dropped.saturating_add(counts.interface_dropped);
            let warnings = match lost {
                0 => Vec::new(),
                lost => vec![format!(
                    "{lost} packets were dropped before they could be looked at: what they held is missing; -f can leave out what does not matter"
                )],
            };
            InputSummary {
                path: live.name().to_owned(),
                format: "live".into(),
                packets: passed.packets,
                first: passed.first,
                last: passed.last,
                earliest: passed.earliest,
                latest: passed.latest,
                truncated: None,
                sha256: None,
                link_types: vec![live.link()],
                warnings,
                filtered_out: 0,
            }
        })
        .collect()
}
