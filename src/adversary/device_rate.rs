//! `device-rate`: within a tunnel, tells whose burst it is by what the devices' activities look like.
//!
//! After the paper's three cases in which a VPN does not help (section 5.2: a single device, devices active at different
//! times, a device that outshines the others): "an adversary can fingerprint devices using VPN traffic rates alone". How is
//! left open there. Here a burst (bins over the usual, at most two silent bins apart) has five features, its length, its
//! bytes and its peak rates each way, all as logarithms; it is held against the activities the adversary has watched, each
//! feature in units of how much the device's own activities differ from their nearest like. The nearest device is claimed
//! where it is near enough, and believed in by how much farther the second nearest is; what nothing fits is no claim.
//!
//! Where far ends name the device only that device is held against a burst. Unlike `threshold` the usual rate is the median,
//! so that a plug beside a camera can stand out.

use super::settings::Settings;
use super::wire::{half_open, Watched, Watcher, Wire};
use crate::threat::{Adversary, Guess, Knowledge, KnownDevice, Observation, Signature};
use std::sync::Arc;

/// Silent bins within a burst at most: a request and its answer may be two seconds apart, two activities rarely are.
const GAP: i64 = 2;
/// Root mean square of the features' differences, in spreads, up to which a burst fits.
const FITS: f64 = 3.0;
/// Least spread of a feature as a logarithm: 35 % up or down, for tunnels add headers and bins cut bursts where they will.
const SPREAD_AT_LEAST: f64 = 0.3;
/// Activities remembered of a device, evenly from all: more tell little new, and each burst is held against every one.
const REMEMBERED: usize = 64;
/// Standard deviations over the median that make a bin part of a burst; those of a normal law are 1.4826 median deviations.
const SIGMA: f64 = 3.0;
const MAD_TO_SIGMA: f64 = 1.4826;

type Features = [f64; 5];

/// The feature that remembered activities are ordered by: bytes from the server.
const SORTED_BY: usize = 2;

/// See the [module](self).
#[derive(Debug)]
pub struct DeviceRate {
    knowledge: Arc<Knowledge>,
    settings: Settings,
    devices: Vec<Looks>,
}

impl DeviceRate {
    /// With what it has learned of the devices' activities.
    pub fn new(knowledge: &Arc<Knowledge>, settings: &Settings) -> Self {
        Self {
            knowledge: Arc::clone(knowledge),
            settings: settings.clone(),
            devices: knowledge.devices.iter().map(Looks::of).collect(),
        }
    }

    /// The nearest device and how far the second nearest, or what fits no more, is behind it.
    fn nearest(&self, features: &Features, only: Option<usize>) -> Option<(usize, f64)> {
        // Twice the limit stands for all that is farther.
        let beyond = 2.0 * FITS;
        let (mut best, mut second) = ((None, beyond), beyond);
        for (device, looks) in self.devices.iter().enumerate() {
            if only.is_some_and(|only| only != device) {
                continue;
            }
            // What is farther than the second nearest does not matter, however far it is.
            let distance = looks.distance(features, second);
            if distance < best.1 {
                (best, second) = ((Some(device), distance), best.1);
            } else {
                second = second.min(distance);
            }
        }
        let device = best.0.filter(|_| best.1 <= FITS)?;
        Some((device, second - best.1))
    }
}

impl Adversary for DeviceRate {
    fn guess(&self, seen: &Observation) -> Vec<Guess> {
        self.guess_on(&Wire::new(seen, &self.knowledge, self.settings.bin))
    }
}

impl Watcher for DeviceRate {
    fn guess_on(&self, wire: &Wire) -> Vec<Guess> {
        let mut guesses = Vec::new();
        for watched in wire.watched() {
            let grid = watched.grid;
            let bins = grid.index(wire.seen.window.end);
            for burst in bursts(watched, bins) {
                let seconds = (burst.last - burst.first) as f64 * grid.bin_secs();
                let bin = grid.bin_secs();
                let peak = |bytes: u64| (bytes as f64 / bin) as u64;
                let features = features(&Signature {
                    seconds,
                    up_bytes: burst.up,
                    down_bytes: burst.down,
                    peak_up_bytes_per_s: peak(burst.peak_up),
                    peak_down_bytes_per_s: peak(burst.peak_down),
                });
                if let Some((device, margin)) = self.nearest(&features, watched.device) {
                    guesses.push(Guess {
                        span: half_open(grid.span(burst.first, burst.last)),
                        device: Some(device),
                        belief: margin,
                    });
                }
            }
        }
        guesses
    }
}

/// What a device's activities look like.
#[derive(Debug)]
struct Looks {
    /// Ascending in [`SORTED_BY`].
    known: Vec<Features>,
    spread: Features,
    /// Smallest and largest of each feature.
    range: [(f64, f64); 5],
}

impl Looks {
    fn of(known: &KnownDevice) -> Self {
        let every = known.signatures.len().div_ceil(REMEMBERED).max(1);
        let signatures = known.signatures.iter().step_by(every);
        // An activity without a packet looks like nothing.
        let signatures = signatures.filter(|of| of.up_bytes > 0 || of.down_bytes > 0);
        let mut known: Vec<Features> = signatures.map(features).collect();
        let spread = spread(&known);
        known.sort_by(|a, b| a[SORTED_BY].total_cmp(&b[SORTED_BY]));
        let mut range = [(f64::INFINITY, f64::NEG_INFINITY); 5];
        for features in &known {
            for ((low, high), &feature) in range.iter_mut().zip(features) {
                (*low, *high) = (low.min(feature), high.max(feature));
            }
        }
        Self {
            spread,
            known,
            range,
        }
    }

    /// To the nearest of its activities, in spreads; `beyond` where all are farther.
    fn distance(&self, features: &Features, beyond: f64) -> f64 {
        // A little more, so that what rounding does to the root is cut off below.
        let mut least = beyond * beyond * features.len() as f64 * (1.0 + 1e-9);
        // None is nearer than what all of them lie within: most bursts end here.
        let mut outside = 0.0;
        for ((&(low, high), &feature), &spread) in self.range.iter().zip(features).zip(&self.spread)
        {
            let apart = (low - feature).max(feature - high).max(0.0) / spread;
            outside += apart * apart;
        }
        if outside > least * (1.0 + 1e-9) {
            return beyond;
        }
        // From the nearest by the feature they are ordered by outwards, on the nearer side first, until that feature alone is
        // too far on both: the sooner a near one is found, the fewer are looked at.
        let by = features[SORTED_BY];
        let middle = self.known.partition_point(|known| known[SORTED_BY] < by);
        let (below, above) = self.known.split_at(middle);
        let (mut below, mut above) = (below.iter().rev(), above.iter());
        let apart = |next: Option<&Features>| match next {
            Some(known) => ((known[SORTED_BY] - by) / self.spread[SORTED_BY]).powi(2),
            None => f64::INFINITY,
        };
        let (mut next_below, mut next_above) = (below.next(), above.next());
        let mut ways = [apart(next_below), apart(next_above)];
        loop {
            let (nearer, next) = match ways[0] < ways[1] {
                true => (ways[0], std::mem::replace(&mut next_below, below.next())),
                false => (ways[1], std::mem::replace(&mut next_above, above.next())),
            };
            let Some(known) = next.filter(|_| nearer < least) else {
                break;
            };
            ways = [apart(next_below), apart(next_above)];
            let mut squares = [0.0; 5];
            for (place, square) in squares.iter_mut().enumerate() {
                *square = ((known[place] - features[place]) / self.spread[place]).powi(2);
            }
            least = least.min(squares.iter().sum());
        }
        (least / features.len() as f64).sqrt().min(beyond)
    }
}

/// How much activities of one device differ from their nearest like: the root mean square of each feature.
fn spread(known: &[Features]) -> Features {
    let square =
        |a: &Features, b: &Features| -> f64 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
    let mut sums = [0.0; 5];
    for (place, one) in known.iter().enumerate() {
        let others = known
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != place);
        let nearest = others.min_by(|(_, a), (_, b)| square(one, a).total_cmp(&square(one, b)));
        if let Some((_, nearest)) = nearest {
            for ((sum, one), other) in sums.iter_mut().zip(one).zip(nearest) {
                *sum += (one - other).powi(2);
            }
        }
    }
    sums.map(|sum| {
        (sum / known.len().max(1) as f64)
            .sqrt()
            .max(SPREAD_AT_LEAST)
    })
}

/// Logarithms; what is counted in bins or packets begins at one.
fn features(of: &Signature) -> Features {
    let log = |bytes: u64| (1.0 + bytes as f64).ln();
    [
        (1.0 + of.seconds.max(0.0)).ln(),
        log(of.up_bytes),
        log(of.down_bytes),
        log(of.peak_up_bytes_per_s),
        log(of.peak_down_bytes_per_s),
    ]
}

/// Bins over the usual, near one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Burst {
    first: i64,
    last: i64,
    up: u64,
    down: u64,
    peak_up: u64,
    peak_down: u64,
}

/// The bursts of a series; `last` is the window's last bin, and silent bins count towards the usual.
fn bursts(watched: &Watched, last: i64) -> Vec<Burst> {
    let cells = &watched.cells;
    let bins = usize::try_from(last.saturating_add(1)).unwrap_or(usize::MAX);
    let up = usual(cells.iter().map(|cell| cell.up), bins);
    let down = usual(cells.iter().map(|cell| cell.down), bins);
    let mut bursts: Vec<Burst> = Vec::new();
    for cell in cells {
        if cell.up as f64 <= up && cell.down as f64 <= down {
            continue;
        }
        match bursts.last_mut() {
            Some(burst) if cell.index.saturating_sub(burst.last) <= GAP + 1 => {
                burst.last = cell.index;
                burst.up = burst.up.saturating_add(cell.up);
                burst.down = burst.down.saturating_add(cell.down);
                burst.peak_up = burst.peak_up.max(cell.up);
                burst.peak_down = burst.peak_down.max(cell.down);
            }
            _ => bursts.push(Burst {
                first: cell.index,
                last: cell.index,
                up: cell.up,
                down: cell.down,
                peak_up: cell.up,
                peak_down: cell.down,
            }),
        }
    }
    bursts
}

/// What a bin must exceed: median and three standard deviations by the median deviation, of these bins and as many silent
/// ones as make up `bins`.
fn usual(bytes: impl Iterator<Item = u64>, bins: usize) -> f64 {
    let active: Vec<u64> = bytes.filter(|&bytes| bytes > 0).collect();
    let silent = bins.saturating_sub(active.len());
    let middle = bins.saturating_sub(1) / 2;
    let Some(rank) = middle.checked_sub(silent) else {
        return 0.0;
    };
    let middle_rate = ranked(&active, |bytes| bytes, (0, 0), rank);
    // Silent bins are as far from the median as it is from nothing: farther than half of all.
    let far = |bytes: u64| bytes.abs_diff(middle_rate);
    let silent = silent.min(active.len());
    let last = active.len().saturating_add(silent).saturating_sub(1);
    let deviation = ranked(&active, far, (middle_rate, silent), middle.min(last));
    middle_rate as f64 + SIGMA * MAD_TO_SIGMA * deviation as f64
}

/// Values looked at first.
const SAMPLED: usize = 4000;

/// Of what `of` makes of values, and one more that is there so many times, that of a rank, from 0 for the smallest; 0 where
/// there are not so many.
///
/// A sample tells about where it lies, so that only a twentieth of all need be copied and put in order (R. W. Floyd, R. L.
/// Rivest, CACM 18(3), 1975); where the sample is wrong, all are.
fn ranked(values: &[u64], of: impl Fn(u64) -> u64, more: (u64, usize), rank: usize) -> u64 {
    let step = values.len() / SAMPLED + 1;
    let mut sample: Vec<u64> = values
        .iter()
        .step_by(step)
        .map(|&value| of(value))
        .collect();
    sample.extend(std::iter::repeat_n(more.0, more.1 / step));
    sample.sort_unstable();
    let (about, around) = (rank / step, sample.len() / 40);
    let low = about.checked_sub(around);
    let low = low.and_then(|low| sample.get(low)).map_or(0, |&low| low);
    let high = sample.get(about.saturating_add(around));
    let high = high.map_or(u64::MAX, |&high| high);
    for (low, high) in [(low, high), (0, u64::MAX)] {
        let mut below = 0usize;
        let mut within = Vec::with_capacity(values.len() / 8);
        let all = values.iter().map(|&value| of(value));
        for value in all.chain(std::iter::repeat_n(more.0, more.1)) {
            below += usize::from(value < low);
            if (low..=high).contains(&value) {
                within.push(value);
            }
        }
        let place = rank.checked_sub(below);
        if let Some(place) = place.filter(|&place| place < within.len()) {
            return *within.select_nth_unstable(place).1;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A value by its rank is that of the sorted list, however little the sample tells.
        #[test]
        fn ranks_are_those_of_the_sorted_list(
            bytes in prop::collection::vec(prop_oneof![0u64..4, 0u64..50_000, any::<u64>()], 1..6000),
            swapped in any::<bool>(), more in (0u64..9, 0usize..3000), share in 0.0f64..1.0,
        ) {
            let mut bytes = bytes;
            if swapped { bytes.sort_unstable(); }
            let mut all: Vec<u64> = bytes.iter().map(|&b| b.abs_diff(7)).collect();
            all.extend(std::iter::repeat_n(more.0, more.1));
            all.sort_unstable();
            let rank = (share * all.len() as f64) as usize;
            let found = ranked(&bytes, |b| b.abs_diff(7), more, rank);
            prop_assert_eq!(found, all.get(rank).copied().unwrap_or(0));
        }
    }

    #[test]
    fn the_usual_is_the_median_and_its_deviation() {
        // Five bins, three silent: the median is silence.
        let usual = |bytes: &[u64], bins| super::usual(bytes.iter().copied(), bins);
        assert_eq!(usual(&[7, 9], 5), 0.0);
        // 0 4 5 6 100: median 5; deviations 0 1 1 5 95, median 1.
        assert_eq!(usual(&[4, 5, 6, 100], 5), 5.0 + 3.0 * 1.4826);
        assert_eq!(usual(&[], 0), 0.0);
    }

    #[test]
    fn the_nearest_device_is_claimed_and_nothing_where_nothing_fits() {
        let looks = |bytes: u64| KnownDevice {
            servers: Default::default(),
            signatures: vec![Signature {
                seconds: 1.0,
                up_bytes: bytes,
                down_bytes: bytes,
                peak_up_bytes_per_s: bytes,
                peak_down_bytes_per_s: bytes,
            }],
        };
        let knowledge = Arc::new(Knowledge {
            devices: vec![looks(1_000), looks(1_000_000)],
        });
        let adversary = DeviceRate::new(&knowledge, &Settings::default());
        let burst = |bytes| features(&looks(bytes).signatures[0]);
        // ln 1.2 / .3 in four features of five: sqrt(.8) * .6077 = .5436; the other device is beyond 6.
        let (device, margin) = adversary.nearest(&burst(1_200), None).unwrap();
        assert_eq!(device, 0);
        assert!((margin - (6.0 - 0.8f64.sqrt() * 1.2f64.ln() / 0.3)).abs() < 1e-3);
        assert_eq!(adversary.nearest(&burst(900_000), None).unwrap().0, 1);
        assert_eq!(adversary.nearest(&burst(30_000), None), None);
        assert_eq!(adversary.nearest(&burst(900_000), Some(0)), None);
    }
}
