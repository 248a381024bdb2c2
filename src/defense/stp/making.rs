//! Stochastic traffic padding made for a trace: which of its streams are padded, and how often each.

use super::padded::{Padded, Stp};
use crate::defense::fit::{fit, Fit};
use crate::defense::habits::has_room;
use crate::defense::service::serve;
use crate::defense::settings::{
    DefenseError, Padding, Settings, TimeModel, ENTRIES_AT_MOST, PACKETS_AT_MOST,
};
use crate::defense::solve::{q_for_cap, Promise};
use crate::defense::stream::{bytes_within, measure, touched};
use crate::threat::Defense;
use crate::trace::Trace;
use crate::units::{Probability, Span};

/// Stochastic traffic padding as the settings say.
///
/// # Errors
/// Settings out of range, nothing to work out automatic ones from, promises that no q keeps, or more packets than can be
/// worked with.
pub fn make(settings: &Settings, trace: &Trace) -> Result<Box<dyn Defense>, DefenseError> {
    Ok(Box::new(made(settings, trace)?))
}

/// The same, as what it is.
pub fn made(settings: &Settings, trace: &Trace) -> Result<Stp, DefenseError> {
    settings.check()?;
    let all_given = matches!(
        (settings.period, settings.rate_up, settings.rate_down),
        (Some(_), Some(_), Some(_))
    ) && matches!(settings.padding, Padding::Q(_));
    let mut streams = measure(trace, settings);
    serve(trace, settings, &mut streams);
    let mut of_stream = vec![None; streams.len()];
    let mut fits = Vec::new();
    let (mut packets, mut periods) = (trace.packets.len() as f64, 0.0);
    let mut beside = trace.bytes() as f64;
    for (stream, place) in streams.into_iter().zip(&mut of_stream) {
        // Nor is there anything to pad of one whose uses left no byte, as those that stayed at home.
        if (stream.spans.is_empty() || stream.bytes == 0) && !all_given {
            continue;
        }
        beside -= stream.bytes as f64;
        let fit = fit(settings, trace, stream)?;
        let at_most = fit.at_most(trace);
        packets += at_most.0;
        periods += at_most.1;
        *place = Some(fits.len());
        fits.push(fit);
    }
    if fits.is_empty() {
        return Err(DefenseError::NoActivity { what: "q" });
    }
    for (what, count, most) in [
        ("packets on the wire", packets, PACKETS_AT_MOST),
        ("periods of padding", periods, ENTRIES_AT_MOST),
    ] {
        if count > most {
            return Err(DefenseError::TooMany { what, count, most });
        }
    }
    let promises = promises(settings, trace, &fits, &of_stream);
    let qs = choose(settings, trace, &fits, &promises, beside)?;
    let padded = fits.into_iter().zip(promises).zip(qs);
    let mut stp = Stp {
        settings: settings.clone(),
        padded: padded
            .map(|((fit, promise), q)| Padded { fit, promise, q })
            .collect(),
        of_stream,
        beside,
        days: trace.seconds().max(1.0) / 86_400.0,
    };
    if let Padding::DataCap(cap) = settings.padding {
        stp.keep(cap, trace)?;
    }
    for one in &stp.padded {
        if let Some(periods) = stp.per_day(one) {
            has_room(periods, one.fit.period)?;
        }
    }
    Ok(stp)
}

/// What theory promises of each.
fn promises(
    settings: &Settings,
    trace: &Trace,
    fits: &[Fit],
    of_stream: &[Option<usize>],
) -> Vec<Promise> {
    // Equation 2 asks what passes in periods with an activity.
    let spans: Vec<Vec<Span>> = of_stream
        .iter()
        .map(|place| match place.and_then(|place| fits.get(place)) {
            Some(fit) if settings.model == TimeModel::Grid => {
                touched(&fit.stream.spans, trace.window.start, fit.period).0
            }
            _ => Vec::new(),
        })
        .collect();
    let bytes = match settings.model {
        TimeModel::Grid => bytes_within(trace, settings.scope, &spans),
        TimeModel::PerSecond => vec![0; spans.len()],
    };
    let of_fits = of_stream.iter().zip(bytes);
    let of_fits = of_fits.filter_map(|(place, bytes)| Some((fits.get((*place)?)?, bytes)));
    of_fits
        .map(|(fit, bytes)| fit.promise(settings, trace, bytes))
        .collect()
}

/// q of each.
fn choose(
    settings: &Settings,
    trace: &Trace,
    fits: &[Fit],
    promises: &[Promise],
    beside: f64,
) -> Result<Vec<Probability>, DefenseError> {
    let each = |solve: &dyn Fn(&Promise, &str) -> Result<Probability, DefenseError>| {
        let pairs = promises.iter().zip(fits);
        pairs
            .map(|(promise, fit)| solve(promise, &fit.stream.id))
            .collect()
    };
    match settings.padding {
        Padding::Q(q) => Ok(vec![q; fits.len()]),
        Padding::DataCap(cap) => {
            let q = q_for_cap(promises, beside, trace.seconds().max(1.0), cap)?;
            Ok(vec![q; fits.len()])
        }
        Padding::TargetConfidence(c) => each(&|promise, of| promise.q_for_confidence(c, of)),
        Padding::Knee => each(&|promise, of| promise.knee(of)),
    }
}
