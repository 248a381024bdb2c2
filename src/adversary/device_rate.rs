//! `device-rate`: within a tunnel, tells whose burst it is by what the devices' activities look like.
//!
//! After the paper's three cases in which a VPN does not help (section 5.2: a single device, devices active at different
//! times, a device that outshines the others): "an adversary can fingerprint devices using VPN traffic rates alone". How is
//! left open there. Here a burst (bins over the usual, at most two silent bins apart) has five features, its length, its
//! bytes and its peak rates each way, all as logarithms; it is held against the activities the adversary has watched, each
//! feature in units of how much the device's own activities differ from their nearest like, and against the bursts of devices
//! that nobody used, within a tunnel those of all together. Of each it is told how likely it would send such a burst: a normal law about the nearest it has sent,
//! times how often it sends (a nearest-neighbor estimate of density; B. W. Silverman, "Density Estimation for Statistics and
//! Data Analysis", 1986, section 5.2). The likeliest device is claimed where an activity of it is likelier than any device's
//! idling, and near enough; it is believed in by how much likelier it is than the next. What nothing fits is no claim.
//!
//! Where far ends name the device only that device is held against a burst. Unlike `threshold` the usual rate is the median,
//! so that a plug beside a camera can stand out.

use super::settings::Settings;
use super::wire::{half_open, Watched, Watcher, Wire};
use crate::threat::{Adversary, Guess, Knowledge, KnownDevice, Observation, Signature, GAP_S};
use std::sync::Arc;

/// Root mean square of the features' differences, in spreads, up to which a burst fits.
const FITS: f64 = 3.0;
/// Least spread of a feature as a logarithm: 35 % up or down, for tunnels add headers and bins cut bursts where they will.
const SPREAD_AT_LEAST: f64 = 0.3;
/// Activities remembered of a device, evenly from all: more tell little new, and each burst is held against every one.
const REMEMBERED: usize = 64;
/// Idle bursts remembered of a device.
const IDLE_REMEMBERED: usize = 256;
/// So much likelier, as a logarithm, is as sure as it gets.
const CERTAIN: f64 = 50.0;
/// What a tunnel adds to a packet: WireGuard's 60 bytes over IPv4, and half of its filling up to 16. Which tunnel it is the
/// wire tells; others add about as much.
const FRAME_BYTES: u64 = 67;
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
    /// As they are, and as they are within a tunnel: of each device what it looks like used, and idle.
    devices: [Vec<[Looks; 2]>; 2],
    /// What they look like together, idle, within a tunnel.
    together: Looks,
}

impl DeviceRate {
    /// With what it has learned of the devices' activities.
    pub fn new(knowledge: &Arc<Knowledge>, settings: &Settings) -> Self {
        let together = framed(&knowledge.idle, FRAME_BYTES);
        Self {
            together: Looks::of(&together, knowledge.idle_bursts, IDLE_REMEMBERED),
            knowledge: Arc::clone(knowledge),
            settings: settings.clone(),
            devices: [0, FRAME_BYTES].map(|frame| {
                let looks = |known: &KnownDevice| {
                    let uses = known.signatures.len() as u64;
                    let used = framed(&known.signatures, frame);
                    let idle = framed(&known.idle, frame);
                    [
                        Looks::of(&used, uses, REMEMBERED),
                        Looks::of(&idle, known.idle_bursts, IDLE_REMEMBERED),
                    ]
                };
                knowledge.devices.iter().map(looks).collect()
            }),
        }
    }

    /// The device whose activity is likeliest, and by how much likelier than anything else, as a logarithm.
    fn likeliest(
        &self,
        features: &Features,
        only: Option<usize>,
        tunnelled: bool,
    ) -> Option<(usize, f64)> {
        let [bare, framed] = &self.devices;
        let all = if tunnelled { framed } else { bare };
        // What is farther than twice the limit is as good as any other guess.
        let beyond = 2.0 * FITS;
        let (mut best, mut second) = (None, f64::NEG_INFINITY);
        let devices = || {
            let all = all.iter().enumerate();
            all.filter(|(device, _)| only.is_none_or(|only| only == *device))
        };
        for (device, [used, _]) in devices() {
            let distance = used.distance(features, beyond);
            let likely = used.likely(distance);
            match best {
                Some((_, most)) if likely <= most => second = second.max(likely),
                _ if distance <= FITS => {
                    second = best.map_or(second, |(_, most): (usize, f64)| second.max(most));
                    best = Some((device, likely));
                }
                _ => second = second.max(likely),
            }
        }
        // Of two alike the first is claimed: one of them it was. Where none fits nothing need be known of idling.
        let (device, most) = best?;
        let mut unused = f64::NEG_INFINITY;
        let mut idling = |looks: &Looks| {
            let distance = looks.distance(features, beyond);
            if distance < beyond {
                unused = unused.max(looks.likely(distance));
            }
        };
        match tunnelled {
            true => idling(&self.together),
            false => devices().for_each(|(_, [_, idle])| idling(idle)),
        }
        if most <= unused {
            return None;
        }
        // Of two as sure as it gets none is surer by a rounding.
        Some((device, (most - second.max(unused)).clamp(0.0, CERTAIN)))
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
        // A far end that no device was ever heard to call is that of a tunnel.
        let devices = &self.knowledge.devices;
        let strange = |far: &String| !devices.iter().any(|known| known.servers.contains(far));
        let tunnel = wire.seen.flows.iter().any(|flow| strange(&flow.far));
        for watched in wire.watched() {
            let tunnelled = tunnel && watched.device.is_none();
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
                    up_packets: 0,
                    down_packets: 0,
                    peak_up_bytes_per_s: peak(burst.peak_up),
                    peak_down_bytes_per_s: peak(burst.peak_down),
                });
                if let Some((device, margin)) = self.likeliest(&features, watched.device, tunnelled)
                {
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

/// What a device's activities look like, or its bursts while it idles.
#[derive(Debug)]
struct Looks {
    /// In spreads, ascending in [`SORTED_BY`].
    known: Vec<Features>,
    /// One over the spread of each feature.
    scale: Features,
    /// The logarithm of how many bursts each of them stands for, over the spreads.
    weight: f64,
    /// Smallest and largest of each feature, in spreads.
    range: [(f64, f64); 5],
}

impl Looks {
    /// Of bursts that stand for `count`, so many of which are remembered at most.
    fn of(bursts: &[Signature], count: u64, remembered: usize) -> Self {
        let every = bursts.len().div_ceil(remembered).max(1);
        let bursts = bursts.iter().step_by(every);
        // An activity without a packet looks like nothing.
        let bursts = bursts.filter(|of| of.up_bytes > 0 || of.down_bytes > 0);
        let mut known: Vec<Features> = bursts.map(features).collect();
        let spread = spread(&known);
        let scale = spread.map(f64::recip);
        for features in &mut known {
            *features = scaled(features, &scale);
        }
        known.sort_by(|a, b| a[SORTED_BY].total_cmp(&b[SORTED_BY]));
        let mut range = [(f64::INFINITY, f64::NEG_INFINITY); 5];
        for features in &known {
            for ((low, high), &feature) in range.iter_mut().zip(features) {
                (*low, *high) = (low.min(feature), high.max(feature));
            }
        }
        let each = count as f64 / known.len().max(1) as f64;
        Self {
            weight: each.max(1.0).ln() - spread.map(f64::ln).iter().sum::<f64>(),
            scale,
            known,
            range,
        }
    }

    /// How likely it sends a burst so far from the nearest it has sent, as a logarithm: a normal law of five features, but for
    /// what is the same for all.
    fn likely(&self, distance: f64) -> f64 {
        self.weight - distance * distance * self.scale.len() as f64 / 2.0
    }

    /// To the nearest of its activities, in spreads; `beyond` where all are farther.
    fn distance(&self, features: &Features, beyond: f64) -> f64 {
        let features = &scaled(features, &self.scale);
        // A little more, so that what rounding does to the root is cut off below.
        let mut least = beyond * beyond * features.len() as f64 * (1.0 + 1e-9);
        // None is nearer than what all of them lie within: most bursts end here.
        let mut outside = 0.0;
        for (&(low, high), &feature) in self.range.iter().zip(features) {
            let apart = (low - feature).max(feature - high).max(0.0);
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
            Some(known) => (known[SORTED_BY] - by).powi(2),
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
                *square = (known[place] - features[place]).powi(2);
            }
            least = least.min(squares.iter().sum());
        }
        (least / features.len() as f64).sqrt().min(beyond)
    }
}

/// Features in units of their spreads.
fn scaled(features: &Features, scale: &Features) -> Features {
    let mut all = *features;
    for (feature, scale) in all.iter_mut().zip(scale) {
        *feature *= scale;
    }
    all
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

/// The same bursts with so many bytes more a packet; the largest second has as large a share of the packets as of the bytes.
fn framed(bursts: &[Signature], frame: u64) -> Vec<Signature> {
    let one = |of: &Signature| {
        let more = |bytes: u64, packets: u64| bytes.saturating_add(packets.saturating_mul(frame));
        let grown = |peak: u64, bytes: u64, more: u64| match bytes {
            0 => 0,
            _ => (peak as f64 * more as f64 / bytes as f64) as u64,
        };
        let (up, down) = (
            more(of.up_bytes, of.up_packets),
            more(of.down_bytes, of.down_packets),
        );
        Signature {
            up_bytes: up,
            down_bytes: down,
            peak_up_bytes_per_s: grown(of.peak_up_bytes_per_s, of.up_bytes, up),
            peak_down_bytes_per_s: grown(of.peak_down_bytes_per_s, of.down_bytes, down),
            ..*of
        }
    };
    bursts.iter().map(one).collect()
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
    // Bytes are whole: what exceeds a rate exceeds the whole bytes of it.
    let up = usual(cells.iter().map(|cell| cell.up), bins) as u64;
    let down = usual(cells.iter().map(|cell| cell.down), bins) as u64;
    let mut bursts: Vec<Burst> = Vec::new();
    for cell in cells {
        if cell.up <= up && cell.down <= down {
            continue;
        }
        match bursts.last_mut() {
            Some(burst) if cell.index.saturating_sub(burst.last) <= GAP_S + 1 => {
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
fn usual(bytes: impl ExactSizeIterator<Item = u64>, bins: usize) -> f64 {
    let mut active: Vec<u64> = Vec::with_capacity(bytes.len());
    active.extend(bytes.filter(|&bytes| bytes > 0));
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

    fn sent(bytes: u64) -> Signature {
        Signature {
            seconds: 1.0,
            up_bytes: bytes,
            down_bytes: bytes,
            peak_up_bytes_per_s: bytes,
            peak_down_bytes_per_s: bytes,
            ..Signature::default()
        }
    }

    fn knowing(devices: Vec<KnownDevice>) -> DeviceRate {
        DeviceRate::new(
            &Arc::new(Knowledge {
                devices,
                ..Knowledge::default()
            }),
            &Settings::default(),
        )
    }

    #[test]
    fn the_nearest_device_is_claimed_and_nothing_where_nothing_fits() {
        let looks = |bytes: u64| KnownDevice {
            signatures: vec![sent(bytes)],
            ..KnownDevice::default()
        };
        let adversary = knowing(vec![looks(1_000), looks(4_000), looks(1_000_000)]);
        let burst = |bytes| features(&sent(bytes));
        // ln 1.2 / .3 and ln(4 / 1.2) / .3 in four features of five: half their squares differ by the margin.
        let (device, margin) = adversary.likeliest(&burst(1_200), None, false).unwrap();
        let square = |ratio: f64| 4.0 * (ratio.ln() / 0.3).powi(2) / 2.0;
        assert_eq!(device, 0);
        assert!(
            (margin - square(4.0 / 1.2) + square(1.2)).abs() < 0.05,
            "{margin}"
        );
        let (device, margin) = adversary.likeliest(&burst(900_000), None, false).unwrap();
        assert_eq!((device, margin), (2, CERTAIN));
        assert_eq!(adversary.likeliest(&burst(60_000), None, false), None);
        assert_eq!(adversary.likeliest(&burst(900_000), Some(0), false), None);
    }

    #[test]
    fn what_devices_send_unused_is_no_activity() {
        let device = |idle: u64, idle_bursts| KnownDevice {
            signatures: vec![sent(1_000)],
            idle: vec![sent(idle)],
            idle_bursts,
            ..KnownDevice::default()
        };
        let burst = features(&sent(1_200));
        let claims =
            |idle, count| knowing(vec![device(idle, count)]).likeliest(&burst, None, false);
        // Nearer to what it sends unused; as near, and that is sent a thousand times as often; farther from it.
        assert_eq!(claims(1_300, 1), None);
        assert_eq!(claims(1_500, 1_000), None);
        assert_eq!(claims(1_500, 1).unwrap().0, 0);
    }
}
