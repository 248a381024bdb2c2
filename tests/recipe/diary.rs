//! What happened that evening, as the people who lived it would tell; the labels are written from this page.
//!
//! Nobody is home at 20:30, when the power comes back and several devices connect anew. Somebody comes in at 20:51:57, a lamp
//! and a heater go on, the speaker is asked things, the hall camera sees people pass, and at 22:28 the house is asleep. All
//! invented.
//!
//! Weights give each activity its rate, in thousandths of the device's mean. They are chosen so that the standard deviation
//! of the rates is that which the paper gives (section 6.2): 4.7 % of the mean for the WeMo switch, 59.2 % for the Echo,
//! 28.7 % for the Nest camera; and the durations are of the lengths seen there: about 1 s, 2 to 5 s, 8 to 15 s.

use super::packet::{Nanos, MILLI, SECOND};
use std::fmt::Write as _;

/// 2026-02-13T20:30:00Z, when the capture begins.
pub const BEGIN: Nanos = 1_771_014_600 * SECOND;
/// 2026-02-13T22:34:00Z, when it ends.
pub const END: Nanos = BEGIN + 124 * 60 * SECOND;

/// The devices, by the names they are sold under (vendor, product), as fingerprints/ has them.
pub const WEMO: &str = "Belkin WeMo Switch";
pub const ECHO: &str = "Amazon Echo";
pub const NEST: &str = "Nest Cam Indoor";
pub const HUE: &str = "Philips Hue Bridge";
pub const PLUG: &str = "TP-Link Smart Plug HS100";
pub const SENSE: &str = "Hello Sense Sleep Monitor";
pub const SMARTTHINGS: &str = "Samsung SmartThings Hub";
pub const ORVIBO: &str = "Orvibo Smart Socket";
pub const DLINK: &str = "D-Link Wi-Fi Camera";
pub const WINK: &str = "Wink Hub";

/// Something somebody did.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub device: &'static str,
    pub what: &'static str,
    pub at: Nanos,
    pub lasts: Nanos,
    /// Its rate in thousandths of the device's mean.
    pub weight: i64,
}

/// Hour, minute, second (UTC), device, what, milliseconds, weight.
type Line = (i64, i64, i64, &'static str, &'static str, i64, i64);

#[rustfmt::skip]
const DIARY: &[Line] = &[
    (20, 51, 57, SMARTTHINGS, "front door opened", 900, 1000),
    (20, 52, 3, NEST, "motion", 9_200, 820),
    (20, 52, 31, PLUG, "on", 1_000, 1000),
    (20, 53, 2, SENSE, "light on", 3_400, 900),
    (20, 53, 24, ECHO, "question", 3_100, 879),
    (20, 54, 12, WEMO, "on", 1_000, 980),
    (20, 55, 5, HUE, "lights on", 1_000, 1000),
    (20, 55, 40, ORVIBO, "on", 900, 1000),
    (20, 58, 20, WINK, "evening scene", 1_200, 1000),
    (21, 1, 47, ECHO, "question", 4_200, 1314),
    (21, 6, 30, WEMO, "off", 1_000, 1035),
    (21, 7, 11, NEST, "motion", 12_400, 1130),
    (21, 11, 3, HUE, "lights dimmed", 1_000, 1000),
    (21, 14, 38, ECHO, "question", 2_100, 420),
    (21, 18, 2, WEMO, "on", 1_000, 950),
    (21, 21, 55, NEST, "motion", 8_300, 640),
    (21, 24, 30, ECHO, "question", 5_000, 2208),
    (21, 29, 15, DLINK, "live view", 20_000, 1000),
    (21, 33, 47, WEMO, "off", 1_000, 1070),
    (21, 36, 20, ECHO, "question", 2_600, 565),
    (21, 41, 20, WEMO, "on", 1_000, 1020),
    (21, 44, 2, NEST, "motion", 14_600, 1490),
    (21, 47, 12, SMARTTHINGS, "balcony door opened", 900, 1000),
    (21, 48, 40, SMARTTHINGS, "balcony door closed", 900, 1000),
    (21, 52, 5, ECHO, "question", 3_700, 1060),
    (21, 58, 33, NEST, "motion", 10_700, 1020),
    (22, 3, 50, ECHO, "question", 4_600, 1604),
    (22, 9, 5, WEMO, "off", 1_000, 965),
    (22, 13, 10, ECHO, "question", 2_300, 734),
    (22, 16, 30, WEMO, "on", 1_000, 1050),
    (22, 17, 40, NEST, "motion", 11_900, 1230),
    (22, 19, 25, ORVIBO, "off", 900, 1000),
    (22, 20, 10, SMARTTHINGS, "front door locked", 900, 1000),
    (22, 21, 20, PLUG, "off", 1_000, 1000),
    (22, 22, 5, ECHO, "question", 2_000, 215),
    (22, 22, 50, WINK, "night scene", 1_200, 1000),
    (22, 23, 10, WEMO, "off", 1_000, 930),
    (22, 24, 15, HUE, "lights off", 1_000, 1000),
    (22, 24, 48, NEST, "motion", 8_900, 670),
    (22, 25, 50, SENSE, "light off", 5_000, 1050),
    (22, 28, 40, SENSE, "in bed", 4_200, 1050),
];

/// A time of that evening.
pub fn clock(hour: i64, minute: i64, second: i64) -> Nanos {
    BEGIN + (((hour - 20) * 60 + minute - 30) * 60 + second) * SECOND
}

/// All events, in order.
pub fn events() -> Vec<Event> {
    let event = |&(hour, minute, second, device, what, lasts, weight): &Line| Event {
        device,
        what,
        at: clock(hour, minute, second),
        lasts: lasts * MILLI,
        weight,
    };
    DIARY.iter().map(event).collect()
}

/// Those of one device.
pub fn events_of(device: &str) -> Vec<Event> {
    events()
        .into_iter()
        .filter(|event| event.device == device)
        .collect()
}

/// The label file.
pub fn labels() -> String {
    let mut text = "start,end,device,activity\n".to_owned();
    for event in events() {
        let (from, to) = (rfc3339(event.at), rfc3339(event.at + event.lasts));
        writeln!(text, "{from},{to},{},{}", event.device, event.what).unwrap();
    }
    text
}

/// A time of that day as text.
fn rfc3339(at: Nanos) -> String {
    let millis = (at - BEGIN) / MILLI + (20 * 60 + 30) * 60_000;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("2026-02-13T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}
