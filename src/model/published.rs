//! The paper's three devices, from what it publishes of them (section 6.2): how many uses were recorded, how long they last,
//! and how far their rates lie apart.
//!
//! | device | uses | length | standard deviation of the rate |
//! |---|---|---|---|
//! | WeMo switch | 7 | about 1 s | 4.7 % of the mean |
//! | Nest camera | 7 | 8 to 15 s | 28.7 % |
//! | Amazon Echo | 9 | 2 to 5 s | 59.2 % |
//!
//! The recordings themselves are not published. Each use here has one rate, mean (1 + h k), where k runs through fixed whole
//! numbers of mean 0 and h makes the (population) standard deviation the published one:
//! WeMo and Nest have k = -3 ... 3, whose standard deviation is sqrt(28 / 7) = 2, so h = .0235 and .1435;
//! Echo has k = -3 -2 -1 -1 0 0 1 2 4, whose standard deviation is sqrt(36 / 9) = 2, so h = .296.
//!
//! Assumed, for the paper's figures give no readable numbers: mean rates of 8, 20 and 20 KB/s both ways together, of the size of
//! the lowest working rates of Table 4 (7.5, 20 and 20 KB/s), split between the directions as there; the length of each use
//! within the published bounds; packet sizes. Neither c nor b depends on the absolute sizes.
//!
//! Calibrated: T is a whole second above the longest use, and R is set so that R T / D_A is the published overhead at q = 0
//! (2.0, 2.6 and 6.4), 1.04, 1.28 and 1.77 times the highest rate of a use.

use super::device::{rate, steady, Background, DeviceModel, Recorded, RecordedPacket};
use crate::units::Direction;
use std::time::Duration;

/// What is known of one device.
struct Published {
    id: &'static str,
    name: &'static str,
    server: &'static str,
    label: &'static str,
    /// Mean rate of a use in bytes a second, both ways.
    mean_rate: i64,
    /// h times the mean rate, in bytes a second.
    step: i64,
    /// Of each use: k, and how long it is in milliseconds.
    uses: &'static [(i64, i64)],
    /// How many of how many bytes go up.
    up: (i64, i64),
    /// About the size of a packet up and down.
    packets: (u32, u32),
    /// T in seconds.
    period_s: u64,
    /// b at q = 0.
    overhead: f64,
}

const WEMO: Published = Published {
    id: "wemo",
    name: "Belkin WeMo Switch",
    server: "prod1-fs-xbcs-net-1101221371.us-east-1.elb.amazonaws.com",
    label: "switch",
    mean_rate: 8_000,
    // .0235 * 8000
    step: 188,
    // On average 1.107 s: "an average of 1 second".
    uses: &[
        (-3, 1_250),
        (-2, 1_000),
        (-1, 750),
        (0, 1_000),
        (1, 1_500),
        (2, 1_000),
        (3, 1_250),
    ],
    up: (2, 3),
    packets: (300, 200),
    period_s: 2,
    overhead: 2.0,
};

const NEST: Published = Published {
    id: "nest",
    name: "Nest Cam",
    server: "nexus.dropcam.com",
    label: "motion",
    mean_rate: 20_000,
    // .1435 * 20000
    step: 2_870,
    uses: &[
        (-3, 12_000),
        (-2, 9_000),
        (-1, 15_000),
        (0, 8_000),
        (1, 11_000),
        (2, 14_000),
        (3, 10_000),
    ],
    up: (1, 2),
    packets: (1_200, 1_000),
    period_s: 16,
    overhead: 2.6,
};

const ECHO: Published = Published {
    id: "echo",
    name: "Amazon Echo",
    server: "avs-alexa-4-na.amazon.com",
    label: "question",
    mean_rate: 20_000,
    // .296 * 20000
    step: 5_920,
    uses: &[
        (-3, 3_000),
        (-2, 2_500),
        (-1, 4_000),
        (-1, 5_000),
        (0, 3_500),
        (0, 2_000),
        (1, 4_500),
        (2, 3_000),
        (4, 4_000),
    ],
    up: (1, 2),
    packets: (900, 1_200),
    period_s: 6,
    overhead: 6.4,
};

impl DeviceModel {
    /// The paper's devices: `wemo`, `nest` and `echo`. Without background, as its simulator.
    pub fn published() -> Vec<Self> {
        [WEMO, NEST, ECHO].iter().map(model).collect()
    }

    /// The same device with a heartbeat: a small packet each way, answered within 40 ms.
    pub(super) fn with_heartbeat(self, every_s: u64, bytes: u32) -> Self {
        let packet = |ms, direction| RecordedPacket {
            after: Duration::from_millis(ms),
            direction,
            bytes,
        };
        Self {
            background: Some(Background {
                every: Duration::from_secs(every_s),
                packets: vec![packet(0, Direction::Up), packet(40, Direction::Down)],
            }),
            ..self
        }
    }
}

fn model(published: &Published) -> DeviceModel {
    let activities: Vec<Recorded> = published
        .uses
        .iter()
        .map(|&(k, ms)| {
            // Whole bytes: rates and lengths are chosen so.
            let bytes = (published.mean_rate + published.step * k) * ms / 1_000;
            let up = bytes * published.up.0 / published.up.1;
            let whole = |bytes: i64| u32::try_from(bytes).unwrap_or(0);
            let duration = Duration::from_millis(ms.unsigned_abs());
            let ways = (whole(up), whole(bytes - up));
            steady(published.label, duration, ways, published.packets)
        })
        .collect();
    let mut model = DeviceModel {
        id: published.id.to_owned(),
        name: published.name.to_owned(),
        activities,
        server: published.server.to_owned(),
        background: None,
        period: Duration::from_secs(published.period_s),
        rate_up: rate(1.0),
        rate_down: rate(1.0),
        calibrated: vec!["period_s", "rate_up_bytes_per_s", "rate_down_bytes_per_s"],
    };
    let both = published.overhead * model.mean_bytes().unwrap_or(0.0) / published.period_s as f64;
    let up = published.up.0 as f64 / published.up.1 as f64;
    model.rate_up = rate(both * up);
    model.rate_down = rate(both * (1.0 - up));
    model
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_and_lengths_are_the_published_ones() {
        let wanted = [
            ("wemo", 7, 0.047, 0.75..=1.5),
            ("nest", 7, 0.287, 8.0..=15.0),
            ("echo", 9, 0.592, 2.0..=5.0),
        ];
        for (model, (id, uses, spread, lengths)) in DeviceModel::published().iter().zip(wanted) {
            assert_eq!((model.id.as_str(), model.activities.len()), (id, uses));
            let n = uses as f64;
            let rates: Vec<f64> = model
                .activities
                .iter()
                .map(|a| a.bytes() as f64 / a.duration.as_secs_f64())
                .collect();
            let mean = rates.iter().sum::<f64>() / n;
            let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / n;
            assert!((variance.sqrt() / mean - spread).abs() < 1e-12, "{id}");
            for activity in &model.activities {
                assert!(lengths.contains(&activity.duration.as_secs_f64()), "{id}");
                assert_eq!(activity.packets.first().unwrap().after, Duration::ZERO);
                assert_eq!(activity.packets.last().unwrap().after, activity.duration);
            }
        }
    }

    #[test]
    fn period_and_rates_are_above_every_use() {
        for model in DeviceModel::published() {
            for activity in &model.activities {
                assert!(activity.duration < model.period, "{}", model.id);
                for (direction, rate) in [
                    (Direction::Up, model.rate_up),
                    (Direction::Down, model.rate_down),
                ] {
                    let peak = activity.peak_bytes_per_s(direction) as f64;
                    assert!(peak < rate.bytes_per_s(), "{}: {peak} {rate:?}", model.id);
                }
            }
        }
    }

    #[test]
    fn padded_over_genuine_bytes_is_the_published_overhead() {
        for (model, overhead) in DeviceModel::published().iter().zip([2.0, 2.6, 6.4]) {
            let ratio = model.padded_bytes() / model.mean_bytes().unwrap();
            assert!((ratio - overhead).abs() < 1e-12, "{}: {ratio}", model.id);
        }
    }
}
