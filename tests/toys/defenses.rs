//! A defense of each sort, and nothing else: that of stochastic traffic padding is the paper's per-second simulator (section
//! 6.2).

use super::home::CAMERA;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::Duration;
use stp_audit::threat::*;
use stp_audit::trace::Trace;
use stp_audit::units::{Direction, Rate, Span, Timestamp, NANOS};

/// T of the camera: just above its longest activity.
const PERIOD: i64 = 16;
const CELL: u32 = 500;

/// Shows everything.
pub struct Open;

impl Defense for Open {
    fn shape(&self, trace: &Trace, _: &mut ChaCha8Rng) -> ShapedTrace {
        let flows = trace.flows.iter().map(|flow| (flow.far(), None));
        let packets = trace.packets.iter();
        wire(
            trace,
            flows.collect(),
            packets
                .map(|p| Sighting::one(p.at, p.flow, p.direction, p.bytes))
                .collect(),
        )
    }

    fn parameters(&self) -> BTreeMap<&'static str, serde_json::Value> {
        BTreeMap::new()
    }
}

/// One flow for all, 60 bytes more a packet.
pub struct Merge;

impl Defense for Merge {
    fn shape(&self, trace: &Trace, _: &mut ChaCha8Rng) -> ShapedTrace {
        let packets = trace.packets.iter();
        wire(
            trace,
            vec![("tunnel.example".into(), None)],
            packets
                .map(|p| Sighting::one(p.at, 0, p.direction, p.bytes + 60))
                .collect(),
        )
    }

    fn parameters(&self) -> BTreeMap<&'static str, serde_json::Value> {
        BTreeMap::new()
    }
}

/// Cells without end.
pub struct Constant;

impl Defense for Constant {
    fn shape(&self, trace: &Trace, _: &mut ChaCha8Rng) -> ShapedTrace {
        let far = trace.flows[0].far();
        let seconds = trace.window.end.0 / NANOS + 1;
        let cells = cells(0, seconds);
        wire(trace, vec![(far, Some(shaping(None)))], cells.to_vec())
    }

    fn parameters(&self) -> BTreeMap<&'static str, serde_json::Value> {
        BTreeMap::new()
    }
}

/// The paper's simulator over a home of one device without background; with `phantoms` cover has the law of activities.
pub struct Stp {
    pub q: f64,
    pub phantoms: bool,
}

impl Defense for Stp {
    fn shape(&self, trace: &Trace, chance: &mut ChaCha8Rng) -> ShapedTrace {
        let seconds = trace.window.end.0 / NANOS + 1;
        let mut active = vec![false; seconds as usize];
        for activity in &trace.activities {
            let [from, to] = [activity.traffic.start, activity.traffic.end].map(|at| at.0 / NANOS);
            active[from as usize..=to as usize].fill(true);
        }
        if self.phantoms {
            // A Poisson process: phantoms overlap. Were none drawn while another lasts, long runs would betray activities again.
            for second in 0..seconds {
                if chance.gen_bool(self.q) {
                    let lasts = chance.gen_range(CAMERA.seconds.0..=CAMERA.seconds.1);
                    let end = (second + lasts).min(seconds);
                    active[second as usize..end as usize].fill(true);
                }
            }
        }
        let (mut periods, mut second) = (Vec::new(), 0);
        while second < seconds {
            let cover = !self.phantoms && chance.gen_bool(self.q);
            if active[second as usize] || cover {
                periods.push(second);
                second += PERIOD;
            } else {
                second += 1;
            }
        }
        let far = trace.flows[0].far();
        let shaping = shaping(Some(Duration::from_secs(PERIOD as u64)));
        let sightings = periods.iter().flat_map(|&from| cells(from, from + PERIOD));
        let mut shaped = wire(trace, vec![(far, Some(shaping))], sightings.collect());
        shaped.periods = periods
            .iter()
            .map(|&from| {
                let [start, end] = [from, from + PERIOD].map(|s| Timestamp(s * NANOS));
                let span = Span::new(start, end);
                let mut under = active[from as usize..].iter().take(PERIOD as usize);
                PaddedPeriod {
                    flow: 0,
                    span,
                    genuine: under.any(|&active| active),
                }
            })
            .collect();
        shaped
    }

    fn parameters(&self) -> BTreeMap<&'static str, serde_json::Value> {
        BTreeMap::from([("padding_probability", self.q.into())])
    }

    fn is_random(&self) -> bool {
        true
    }
}

/// 40 cells up and 8 down a second.
fn shaping(period: Option<Duration>) -> Shaping {
    Shaping {
        period,
        up: Rate::new(20_000.0).unwrap(),
        down: Rate::new(4_000.0).unwrap(),
        cell_bytes: CELL,
    }
}

fn cells(from: i64, to: i64) -> [Sighting; 2] {
    [(Direction::Up, 40), (Direction::Down, 8)].map(|(direction, a_second)| Sighting {
        count: u32::try_from((to - from) * a_second).unwrap(),
        every: NANOS / a_second,
        ..Sighting::one(Timestamp(from * NANOS), 0, direction, CELL)
    })
}

fn wire(
    trace: &Trace,
    flows: Vec<(String, Option<Shaping>)>,
    sightings: Vec<Sighting>,
) -> ShapedTrace {
    let flow = |(far, shaping)| SeenFlow { far, shaping };
    let seen = Observation {
        vantage: Vantage::Outside,
        window: trace.window,
        flows: flows.into_iter().map(flow).collect(),
        sightings,
    };
    let (genuine, carried) = (trace.bytes(), seen.bytes());
    ShapedTrace {
        cost: Cost {
            genuine,
            cover: carried - genuine.min(carried),
            ..Cost::default()
        },
        seen,
        delay: Delay::default(),
        periods: Vec::new(),
        broken: Vec::new(),
    }
}
