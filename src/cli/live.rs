//! `infer --follow` and `infer -i`: traffic is read as it comes, and what is found in it is told as it is found.
//!
//! Interfaces are listened to in one loop ([`super::live_listen`]). Where a capture is read, two threads share the engine. One
//! reads, and waits where nothing comes; the other looks in ten times a second, tells the engine how late it has become, and
//! draws the table. Whoever has the engine tells its events, so that they are told in order and as soon as they are known; a
//! reader of ours who is slow slows the reading down, and nothing piles up.

use crate::capture::Reader;
use crate::cli::args::{Common, InferArgs};
use crate::cli::ending::Ending;
use crate::cli::exit::{usage, Exit};
use crate::cli::infer::{exit, options, Asked};
use crate::cli::live_listen;
use crate::cli::live_stage::{voice, Over, Stage, LOOK_IN};
use crate::cli::reading::Read;
use crate::cli::signals::Signals;
use crate::live::engine::{Engine, Settings};
use crate::live::finish::Finished;
use crate::report::View;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How far back the baseline reaches where nothing is said. A day holds every habit of a home once, the nights too, by which
/// the mean is what it is; a shorter window takes the evening's use for usual, and a longer one takes longer to forget a
/// device that was set up anew.
pub const WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Runs `infer`, `devices` or `flows` on traffic that goes on.
pub fn run(args: &InferArgs, common: &Common, view: View) -> anyhow::Result<Exit> {
    let (plan, voice) = voice(args, common)?;
    let Asked {
        mut parameters,
        catalog,
        labels,
        settings,
    } = Asked::of(args)?;
    let window = args.activity.window.unwrap_or(WINDOW);
    parameters.window = Some(window);
    let settings = Settings {
        observer: settings,
        vantage: args.capture.vantage.told(),
        parameters: parameters.clone(),
        window,
        warm_up: args.watch.warm_up,
    };
    let engine =
        Engine::new(settings, catalog.clone()).map_err(|error| usage(error.to_string()))?;

    let inputs = match args.inputs.is_empty() {
        true => vec![PathBuf::from("-")],
        false => args.inputs.clone(),
    };
    let names: Vec<String> = match args.watch.interface.is_empty() {
        true => inputs
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        false => args.watch.interface.clone(),
    };
    let from = match names.join(", ").as_str() {
        "-" => "standard input".to_owned(),
        names => names.to_owned(),
    };
    let mut stage = Stage::new(engine, voice, from, window);
    let signals = Signals::watch_with_hangup()?;
    let (stage, over) = match args.watch.interface.is_empty() {
        true => {
            let stage = Mutex::new(stage);
            let over = follow(&inputs, args, &stage, &signals)?;
            let stage = stage.into_inner();
            (stage.unwrap_or_else(PoisonError::into_inner), over)
        }
        false => {
            let over = live_listen::listen(args, &mut stage, &signals, common.quiet)?;
            (stage, over)
        }
    };
    let engine = stage.end()?;
    let Finished {
        observed,
        home,
        inventory,
        activities,
        window,
    } = engine.finish();
    let read = Read {
        observed,
        inputs: over.inputs,
        // A signal is how a watch ends, and no reason to doubt it.
        signal: None,
        failure: over.failure,
    };
    let ending = Ending {
        args,
        common,
        view,
        plan: &plan,
        parameters: &parameters,
        catalog: &catalog,
        labels,
        read: &read,
        home: &home,
        inventory: &inventory,
        activities,
        window,
    };
    ending.tell()?;
    // Of an interface, that nothing passed is a result.
    if signals.came().is_none() && args.watch.interface.is_empty() {
        read.must_have_packets()?;
    }
    Ok(over
        .exit
        .unwrap_or_else(|| exit(&read, args.capture.allow_truncated)))
}

fn lock(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    // Whoever panicked ends the program; until then the engine is as good as it was.
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads all inputs to their end, or until a signal comes or nobody listens any more; tells what they were like, and why the
/// reading ended early, if it did.
fn follow(
    inputs: &[PathBuf],
    args: &InferArgs,
    stage: &Mutex<Stage>,
    signals: &Signals,
) -> anyhow::Result<Over> {
    let mut options = options(&args.capture, false);
    options.stop = Some(signals.flag());
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| -> anyhow::Result<_> {
            // It waits for the first bytes, so here and not before.
            let mut reader = Reader::open(inputs, &options)?;
            lock(stage).waits = reader.total_bytes().is_none();
            let failure = feed(&mut reader, stage, signals);
            Ok(Over {
                inputs: reader.summaries(),
                failure,
                exit: None,
            })
        });
        while !reading.is_finished() {
            std::thread::park_timeout(LOOK_IN);
            lock(stage).look_in();
        }
        match reading.join() {
            Ok(Err(_)) if signals.came().is_some() => Ok(Over::default()),
            Ok(read) => read,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Gives the engine one frame after the other; tells why the reading failed, if it did.
fn feed(reader: &mut Reader, stage: &Mutex<Stage>, signals: &Signals) -> Option<String> {
    let stop = signals.flag();
    while !stop.load(Ordering::Relaxed) {
        let frame = match reader.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => return None,
            Err(error) => return Some(error.to_string()),
        };
        if !lock(stage).watch(&frame) {
            return None;
        }
    }
    None
}
