//! `device-from-rates`: which devices are in use, from the rate of the whole home alone.
//!
//! For a VPN or encrypted DNS, where no flow tells whose it is (the paper, section 5.2, on what a VPN leaves to see: a device
//! whose traffic is like no other's stands out from the sum). The wire's bytes are put together, whatever flow they are of,
//! cut into windows of ten seconds, and taught on labelled wires of other days two ways say of each window whether a device was
//! in use. A random forest for each device goes by the window, those beside it, and the minutes around. A factorial hidden
//! Markov model has a chain for each device, whose bytes add up, and says who together sends as much as is seen: it need not
//! have seen two devices together to know what they send together. For each device the way is taken that tells more on days
//! held back.

use super::features::{clock, Question};
use super::pupil::{Choice, Pupil, Series, Way};
use super::wire::{half_open, Wire};
use crate::learning::factorial::series::Step;
use crate::learning::forest::Growth;
use crate::rate::Grid;
use crate::threat::Knowledge;
use crate::units::Span;
use std::time::Duration;

/// Length of a window: most activities of the paper's devices last a second to fifteen (section 6.2).
const WINDOW: Duration = Duration::from_secs(10);
/// Numbers of a row.
pub const WIDTH: usize = 15;
/// Windows on each side whose mean is seen: five minutes.
const AROUND: usize = 30;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct DeviceFromRates {
    /// How large each device's forest is.
    pub growth: Growth,
    /// Which way is taken for a device.
    pub choice: Choice,
}

/// A window with traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Window {
    index: i64,
    up: u64,
    down: u64,
    /// Most bytes of any bin of it.
    peak_up: u64,
    peak_down: u64,
    /// Bins with traffic.
    active: u32,
}

/// The windows of a wire that have traffic, ascending, and the grid they lie on.
fn windows(wire: &Wire) -> (Grid, Vec<Window>) {
    let mut cells: Vec<(i64, u64, u64)> = Vec::new();
    let mut bin = Duration::from_secs(1);
    for watched in wire.watched() {
        bin = watched.grid.bin();
        let of = watched.cells.iter();
        cells.extend(of.map(|cell| (cell.index, cell.up, cell.down)));
    }
    cells.sort_unstable();
    let per = (WINDOW.as_nanos() / bin.as_nanos().max(1)).max(1);
    let per = i64::try_from(per).unwrap_or(1);
    let length = bin.saturating_mul(u32::try_from(per).unwrap_or(1));
    let mut windows: Vec<Window> = Vec::new();
    for same in cells.chunk_by(|a, b| a.0 == b.0) {
        let Some(&(bin, ..)) = same.first() else {
            continue;
        };
        let up = same.iter().map(|cell| cell.1).fold(0, u64::saturating_add);
        let down = same.iter().map(|cell| cell.2).fold(0, u64::saturating_add);
        let index = bin.div_euclid(per);
        if windows.last().is_none_or(|window| window.index != index) {
            windows.push(Window {
                index,
                ..Window::default()
            });
        }
        if let Some(window) = windows.last_mut() {
            window.up = window.up.saturating_add(up);
            window.down = window.down.saturating_add(down);
            window.peak_up = window.peak_up.max(up);
            window.peak_down = window.peak_down.max(down);
            window.active += 1;
        }
    }
    (Grid::new(wire.seen.window.start, length), windows)
}

fn logarithm(bytes: u64) -> f64 {
    (bytes as f64).ln_1p()
}

impl Pupil for DeviceFromRates {
    fn look(&self, wire: &Wire, knowledge: &Knowledge, show: &mut dyn FnMut(&Question, &[f64])) {
        let (grid, windows) = windows(wire);
        let mut sums = vec![0.0];
        let mut sum = 0.0;
        for window in &windows {
            sum += window.up as f64 + window.down as f64;
            sums.push(sum);
        }
        for (place, window) in windows.iter().enumerate() {
            let beside = |step: i64| {
                let other = place.checked_add_signed(step as isize);
                let other = other.and_then(|place| windows.get(place));
                let next = window.index.saturating_add(step);
                other.filter(|of| of.index == next).copied()
            };
            let (before, after) = (
                beside(-1).unwrap_or_default(),
                beside(1).unwrap_or_default(),
            );
            let (from, to) = (place.saturating_sub(AROUND), place + AROUND + 1);
            let to = to.min(windows.len());
            let at = |place: usize| sums.get(place).copied().unwrap_or_default();
            let mean = (at(to) - at(from)) / (to - from).max(1) as f64;
            let [sine, cosine, ..] = clock(grid.start(window.index));
            let row: [f64; WIDTH] = [
                logarithm(window.up),
                logarithm(window.down),
                logarithm(window.peak_up),
                logarithm(window.peak_down),
                f64::from(window.active),
                (logarithm(window.up) - logarithm(window.down)),
                logarithm(before.up),
                logarithm(before.down),
                logarithm(after.up),
                logarithm(after.down),
                f64::from(before.active),
                f64::from(after.active),
                mean.ln_1p(),
                sine,
                cosine,
            ];
            let begin = grid.start(window.index);
            let span = half_open(Span::new(begin, begin + grid.bin()));
            for (device, part) in (0..knowledge.devices.len()).zip(0u32..) {
                let question = Question {
                    span,
                    device: Some(device),
                    part,
                };
                show(&question, &row);
            }
        }
    }

    fn series(&self, wire: &Wire) -> Option<Series> {
        let (grid, windows) = windows(wire);
        let steps = windows.iter().map(|window| Step {
            index: window.index,
            bytes: [window.up as f64, window.down as f64],
        });
        Some(Series {
            grid,
            steps: steps.collect(),
        })
    }

    fn way(&self) -> Way {
        Way::Together(self.growth, self.choice)
    }

    fn devices_from(&self) -> Option<u32> {
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{knowledge, seen};
    use super::*;

    #[test]
    fn windows_put_all_flows_together() {
        let (seen, knowledge) = (seen(), knowledge());
        let wire = Wire::new(&seen, &knowledge, Duration::from_secs(1));
        let (_, windows) = windows(&wire);
        // From 10 s eight cells of 100 bytes; at 20 s a heartbeat; from 30 s four cells; at 50 s and 60 s the tunnel.
        let brief: Vec<(i64, u64, u64, u32)> = windows
            .iter()
            .map(|w| (w.index, w.up, w.down, w.active))
            .collect();
        let expected = [
            (1, 800, 0, 8),
            (2, 60, 0, 1),
            (3, 400, 0, 4),
            (5, 1_200, 90, 2),
            (6, 500, 0, 1),
        ];
        assert_eq!(brief, expected);
        let mut rows = Vec::new();
        DeviceFromRates::default().look(&wire, &knowledge, &mut |question, row| {
            rows.push((question.part, row.to_vec()));
        });
        // One device: as many questions as windows. 20 s comes after 10 s and before 30 s; 50 s after nothing.
        assert_eq!(rows.len(), 5);
        let near = |found: f64, bytes: f64| (found.exp_m1() - bytes).abs() < 1e-6;
        assert!(near(rows[1].1[6], 800.0) && near(rows[1].1[8], 400.0));
        assert_eq!(rows[3].1[6], 0.0);
    }
}
