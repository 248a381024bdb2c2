//! A home whose devices are used by chance, each by the law of its kind.

use crate::audits::{add_device, bare, seeded};
use rand::Rng;
use stp_audit::flow::key::Endpoint;
use stp_audit::trace::{Activity, Packet, Trace};
use stp_audit::units::{Direction, Span, Timestamp, NANOS};

/// A kind of device: how many seconds its activities last, its packets a second, their bytes up and down.
#[derive(Clone, Copy)]
pub struct Model {
    pub name: &'static str,
    pub p: f64,
    pub seconds: (i64, i64),
    pub packets: i64,
    pub up: u32,
    pub down: u32,
    /// Bytes of a packet every ten seconds, whatever anybody does; none where 0.
    pub background: u32,
}

pub const CAMERA: Model = Model {
    name: "camera",
    p: 0.01,
    seconds: (8, 15),
    packets: 4,
    up: 900,
    down: 100,
    background: 0,
};

/// A home of such devices for so many seconds: per idle second an activity begins with chance p.
pub fn home(models: &[Model], seconds: i64, seed: u64) -> Trace {
    let mut chance = seeded(seed);
    let mut trace = bare(seconds * NANOS - 1);
    for (device, model) in models.iter().enumerate() {
        let end = |host, port| Endpoint {
            address: [192, 0, 2, host].into(),
            port,
        };
        let ends = [end(1, 40_000 + device as u16), end(2, 443)];
        add_device(&mut trace, model.name, ends);
        let flow = device as u32;
        let mut packet = |at, direction, bytes| {
            trace.packets.push(Packet {
                at: Timestamp(at),
                flow,
                direction,
                bytes,
            });
        };
        let mut second = 0;
        while second < seconds {
            let lasts = chance.gen_range(model.seconds.0..=model.seconds.1);
            if !chance.gen_bool(model.p) || second + lasts > seconds {
                second += 1;
                continue;
            }
            let step = NANOS / model.packets;
            let packets = second * model.packets..(second + lasts) * model.packets;
            let last = Timestamp((packets.end - 1) * step);
            for at in packets.map(|n| n * step) {
                packet(at, Direction::Up, model.up);
                packet(at, Direction::Down, model.down);
            }
            let span = Span::new(Timestamp(second * NANOS), last);
            trace.activities.push(Activity {
                device,
                span,
                traffic: span,
                label: "used".into(),
            });
            second += lasts;
        }
        if model.background > 0 {
            let rhythm = (0..seconds).step_by(10);
            rhythm.for_each(|second| packet(second * NANOS, Direction::Up, model.background));
        }
    }
    trace.checked().unwrap()
}
