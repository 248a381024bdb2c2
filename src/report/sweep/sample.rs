//! Trade-offs for the tests of every format.

use crate::stats::{ratio, wilson};
use crate::tradeoff::{Point, TradeOff, SCHEMA};
use serde_json::json;
use std::collections::BTreeMap;

/// Two devices, two p, three q; the first point is never padded.
pub fn sweep() -> TradeOff {
    let mut points = Vec::new();
    for device in ["echo", "wemo"] {
        for p in [0.01, 0.1] {
            for (n, q) in [(0_u32, 0.0), (1, 0.01), (2, 1.0)] {
                let claims = 100 * u64::from(n + 1);
                let bytes = 1_000.0 * f64::from(n + 1);
                points.push(Point {
                    device: device.into(),
                    p,
                    q,
                    confidence: wilson(100, claims),
                    overhead: ratio(&[(bytes * 2.0, 1_000.0), (bytes * 2.2, 1_000.0)]),
                    activities_per_period: Some(1.0 / f64::from(n + 1)),
                });
            }
        }
    }
    points[0].confidence = None;
    points[0].overhead = None;
    points[0].activities_per_period = None;
    let parameters = BTreeMap::from([
        ("period_s".to_owned(), json!(5)),
        ("calibrated".to_owned(), json!("rate to the published b0")),
    ]);
    TradeOff {
        schema: SCHEMA,
        version: "0.1.0",
        seed: 1,
        trials: 50,
        duration_s: 10_000,
        parameters: ["echo", "wemo"]
            .map(|device| (device.to_owned(), parameters.clone()))
            .into(),
        points,
        caveats: vec!["margins are calibrated".into()],
    }
}

/// A trade-off whose texts want to be something else, and whose numbers are none.
pub fn hostile() -> TradeOff {
    let mut sweep = sweep();
    let nasty = "=<script>alert(1)</script>|`[x](http://e.example)\r\n\u{1b}[31m\u{0}]]>";
    for point in sweep.points.iter_mut().take(6) {
        point.device = nasty.into();
    }
    sweep.points[1].activities_per_period = Some(f64::NAN);
    if let Some(c) = &mut sweep.points[1].confidence {
        c.value = f64::NAN;
    }
    if let Some(b) = &mut sweep.points[2].overhead {
        b.high = f64::INFINITY;
    }
    sweep.caveats = vec![nasty.into()];
    sweep
}

/// Nothing was swept.
pub fn empty() -> TradeOff {
    TradeOff {
        points: Vec::new(),
        parameters: BTreeMap::new(),
        caveats: Vec::new(),
        ..sweep()
    }
}
