//! Pictures as SVG: the rates of a device before and after (the paper's Figure 3), privacy against bandwidth (its
//! Figure 4), and confidence by recall.
//!
//! Points that are no numbers are left out, and a picture has at most as many points as it has columns, so that a week of
//! seconds is no heavier than an hour. Colours are those of M. Okabe and K. Ito ("Color Universal Design", 2008), which
//! colour-blind readers can tell apart.

pub mod recalls;

use super::human::{clipped, decimals, line};
use crate::tradeoff::{Point, TradeOff};
use plotters::coord::types::RangedCoordf64;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::io;

/// Rates of one device before and after a defense.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RatePlot {
    /// The device.
    pub device: String,
    /// Without the defense: seconds since the first instant, and bytes a second.
    pub before: Vec<(f64, f64)>,
    /// With it.
    pub after: Vec<(f64, f64)>,
    /// Padded periods: begin and end in seconds, and whether an activity is under it.
    pub padded: Vec<(f64, f64, bool)>,
}

const RATES: (u32, u32) = (860, 420);
const CURVES: (u32, u32) = (860, 520);
/// Columns of a picture of rates: at most two points each.
const COLUMNS: usize = 860;
/// Largest number drawn; what is beyond would leave no room for the rest.
const LARGEST: f64 = 1e15;
/// Curves that get a name each; beyond, only devices do.
const NAMED: usize = 12;
/// A larger overhead over the smallest is drawn by logarithms.
const WIDE: f64 = 20.0;
/// Longest name of a device in a picture, in characters.
const LONGEST: usize = 40;

const BLACK: RGBColor = RGBColor(0, 0, 0);
const GREY: RGBColor = RGBColor(120, 120, 120);
const BLUE: RGBColor = RGBColor(0, 114, 178);
const ORANGE: RGBColor = RGBColor(230, 159, 0);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const RED: RGBColor = RGBColor(213, 94, 0);
const PINK: RGBColor = RGBColor(204, 121, 167);
const SKY: RGBColor = RGBColor(86, 180, 233);
const OF_DEVICES: [RGBColor; 6] = [BLUE, RED, GREEN, PINK, SKY, ORANGE];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// Rates before above rates after, on one axis of time; padded periods are shaded, genuine ones and cover apart.
///
/// # Errors
/// What the drawing library says.
pub fn rates(plot: &RatePlot) -> io::Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, RATES).into_drawing_area();
        draw_rates(plot, &area).map_err(drawing)?;
    }
    Ok(ended(text))
}

/// A curve for each device and p: overhead from left to right, confidence upwards; `chosen` is marked.
///
/// # Errors
/// What the drawing library says.
pub fn curves(sweep: &TradeOff, chosen: Option<(f64, f64)>) -> io::Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, CURVES).into_drawing_area();
        draw_curves(sweep, chosen, &area).map_err(drawing)?;
    }
    Ok(ended(text))
}

fn drawing<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> io::Error {
    io::Error::other(format!("a picture could not be drawn: {error}"))
}

fn ended(mut text: String) -> String {
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn draw_rates(plot: &RatePlot, area: &Area<'_>) -> Drawn {
    area.fill(&WHITE)?;
    let (before, after) = (usable(&plot.before), usable(&plot.after));
    let ends = |points: &[(f64, f64)], at: fn(&(f64, f64)) -> f64| {
        let numbers = points.iter().map(at);
        numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        })
    };
    let (a, b) = (ends(&before, |p| p.0), ends(&after, |p| p.0));
    let (first, last) = widened(a.0.min(b.0), a.1.max(b.1));
    let (scale, unit) = match last - first {
        x if x < 600.0 => (1.0, "s"),
        x if x < 4.0 * 3_600.0 => (60.0, "min"),
        x if x < 4.0 * 86_400.0 => (3_600.0, "h"),
        _ => (86_400.0, "days"),
    };
    let x = (first / scale)..(last / scale);
    let name = clipped(&line(&plot.device), LONGEST);
    let (upper, lower) = area.split_vertically(RATES.1 / 2);
    for (half, title, points, color, padded) in [
        (&upper, "before", &before, GREY, None),
        (&lower, "after", &after, BLUE, Some(&plot.padded)),
    ] {
        let top = ends(points, |p| p.1).1.max(1.0) * 1.05;
        let mut chart = ChartBuilder::on(half)
            .caption(format!("{name}: {title}"), ("sans-serif", 15))
            .margin(6)
            .x_label_area_size(32)
            .y_label_area_size(64)
            .build_cartesian_2d(x.clone(), 0.0..top)?;
        if let Some(padded) = padded {
            for (from, to, genuine) in stretches(padded, first, last) {
                let color = if genuine { GREEN } else { ORANGE };
                let corners = [(from / scale, 0.0), (to / scale, top)];
                let shade = Rectangle::new(corners, color.mix(0.35).filled());
                chart.draw_series(std::iter::once(shade))?;
            }
        }
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc(unit)
            .y_desc("bytes/s")
            .x_label_formatter(&|x| decimals(*x, 1))
            .y_label_formatter(&|y| thousands(*y))
            .draw()?;
        let thin = thinned(points, first, last);
        let thin = thin.into_iter().map(|(x, y)| (x / scale, y));
        chart.draw_series(LineSeries::new(thin, color.stroke_width(1)))?;
        if padded.is_some_and(|padded| !padded.is_empty()) {
            for (at, color, text) in [
                (560, GREEN, "padded, an activity under it"),
                (745, ORANGE, "padded, cover"),
            ] {
                let square = [(at, 6), (at + 12, 18)];
                half.draw(&Rectangle::new(square, color.mix(0.35).filled()))?;
                half.draw(&Text::new(text, (at + 16, 7), ("sans-serif", 12)))?;
            }
        }
    }
    area.present()
}

fn draw_curves(sweep: &TradeOff, chosen: Option<(f64, f64)>, area: &Area<'_>) -> Drawn {
    area.fill(&WHITE)?;
    let curves = by_device_and_p(&sweep.points);
    let chosen = chosen.filter(|(b, c)| drawable(*b, *c));
    let all = curves.iter().flat_map(|curve| &curve.points);
    let overheads = all.chain(&chosen).map(|(b, _)| *b);
    let (low, high) = overheads.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), b| {
        (low.min(b), high.max(b))
    });
    let (low, high) = match low.is_finite() {
        true if low < high => (low, high),
        true => (low / 2.0, low * 2.0),
        false => (1.0, 10.0),
    };
    // The paper's curves run from 1 to 111 (Figure 4(a)): a wide range is drawn by its logarithm.
    let wide = high / low > WIDE;
    let place = |b: f64| if wide { b.log10() } else { b };
    let number = |x: f64| if wide { 10_f64.powf(x) } else { x };
    let ends = (place(low), place(high));
    let margin = (ends.1 - ends.0) * 0.03;
    let at = |&(b, c): &(f64, f64)| (place(b), c);
    let caption = format!(
        "Privacy against bandwidth: simulated, {} trials of {} s a point, seed {}",
        sweep.trials, sweep.duration_s, sweep.seed
    );
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(40)
        .y_label_area_size(48)
        .build_cartesian_2d(ends.0 - margin..ends.1 + margin, 0.0..1.05)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc("bandwidth overhead b (bytes with the defense over bytes without)")
        .y_desc("adversary confidence c")
        .x_label_formatter(&|x| {
            if wide {
                preferred(number(*x))
            } else {
                short(*x)
            }
        })
        .y_label_formatter(&|c| decimals(*c, 1))
        .draw()?;
    let mut devices: Vec<&str> = Vec::new();
    for curve in &curves {
        let known = devices.iter().position(|device| *device == curve.device);
        let first = known.is_none();
        let rank = known.unwrap_or_else(|| {
            devices.push(curve.device);
            devices.len() - 1
        });
        let color = OF_DEVICES.get(rank % OF_DEVICES.len()).copied();
        let color = color.unwrap_or(BLACK);
        // Higher p is paler: curves of one device stay of one colour.
        let color = color.mix(curve.shade);
        let series = LineSeries::new(curve.points.iter().map(at), color.stroke_width(2));
        let drawn = chart.draw_series(series)?;
        let device = clipped(&line(curve.device), LONGEST);
        let name = match curves.len() <= NAMED {
            true => format!("{device}, p {}", short(curve.p)),
            false => device,
        };
        if first || curves.len() <= NAMED {
            drawn.label(name).legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 16, y)], color.stroke_width(2))
            });
        }
    }
    if let Some(point) = chosen {
        chart
            .draw_series(std::iter::once(Circle::new(at(&point), 6, BLACK.filled())))?
            .label("chosen")
            .legend(|(x, y)| Circle::new((x + 8, y), 5, BLACK.filled()));
    }
    if !curves.is_empty() || chosen.is_some() {
        legend(&mut chart)?;
    }
    area.present()
}

/// What each colour is, in the corner that curves which fall leave free.
fn legend<'a, 'b: 'a>(chart: &mut Chart<'a, 'b>) -> Drawn {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(GREY)
        .draw()
}

/// A curve of one device and p, in the order of q.
struct Curve<'a> {
    device: &'a str,
    p: f64,
    shade: f64,
    points: Vec<(f64, f64)>,
}

fn by_device_and_p(points: &[Point]) -> Vec<Curve<'_>> {
    let mut curves: Vec<Curve<'_>> = Vec::new();
    for point in points {
        // Points come by device, p and q.
        let same = curves
            .last()
            .is_some_and(|last| last.device == point.device && last.p == point.p);
        if !same {
            let before = curves.iter().filter(|c| c.device == point.device).count();
            curves.push(Curve {
                device: &point.device,
                p: point.p,
                shade: (1.0 - 0.08 * before as f64).max(0.25),
                points: Vec::new(),
            });
        }
        let (Some(b), Some(c)) = (point.overhead, point.confidence) else {
            continue;
        };
        if let Some(curve) = curves.last_mut().filter(|_| drawable(b.value, c.value)) {
            curve.points.push((b.value, c.value));
        }
    }
    curves
}

fn drawable(overhead: f64, confidence: f64) -> bool {
    overhead > 1e-9 && overhead < LARGEST && (0.0..=1.0).contains(&confidence)
}

fn usable(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let usable = |(x, y): &&(f64, f64)| x.abs() < LARGEST && (0.0..LARGEST).contains(y);
    points.iter().filter(usable).copied().collect()
}

fn widened(low: f64, high: f64) -> (f64, f64) {
    match low.is_finite() && high.is_finite() {
        true if low < high => (low, high),
        true => (low - 0.5, low + 0.5),
        false => (0.0, 1.0),
    }
}

/// The column of an instant.
fn column(x: f64, first: f64, last: f64) -> usize {
    let share = ((x - first) / (last - first)).clamp(0.0, 1.0);
    ((share * COLUMNS as f64) as usize).min(COLUMNS - 1)
}

/// Of each column the lowest and the highest point, so that no peak is lost.
fn thinned(points: &[(f64, f64)], first: f64, last: f64) -> Vec<(f64, f64)> {
    if points.len() <= 2 * COLUMNS {
        return points.to_vec();
    }
    let mut columns: Vec<Option<[(f64, f64); 2]>> = vec![None; COLUMNS];
    for &point in points {
        let Some(cell) = columns.get_mut(column(point.0, first, last)) else {
            continue;
        };
        let [low, high] = cell.get_or_insert([point; 2]);
        if point.1 < low.1 {
            *low = point;
        }
        if point.1 > high.1 {
            *high = point;
        }
    }
    let both = columns.into_iter().flatten();
    both.flat_map(|[low, high]| match low.0 <= high.0 {
        true => [low, high],
        false => [high, low],
    })
    .collect()
}

/// Padded periods by whole columns, where one with an activity outweighs any without.
fn stretches(padded: &[(f64, f64, bool)], first: f64, last: f64) -> Vec<(f64, f64, bool)> {
    let mut columns: Vec<Option<bool>> = vec![None; COLUMNS];
    for &(from, to, genuine) in padded {
        if !(from <= to && to >= first && from <= last) {
            continue;
        }
        let cells = column(from, first, last)..=column(to, first, last);
        for cell in columns.get_mut(cells).unwrap_or_default() {
            *cell = Some(genuine || *cell == Some(true));
        }
    }
    let width = (last - first) / COLUMNS as f64;
    let mut stretches: Vec<(f64, f64, bool)> = Vec::new();
    for (at, cell) in columns.into_iter().enumerate() {
        let Some(genuine) = cell else { continue };
        let (from, to) = (first + at as f64 * width, first + (at + 1) as f64 * width);
        match stretches.last_mut() {
            Some(last) if last.2 == genuine && (last.1 - from).abs() < width / 2.0 => last.1 = to,
            _ => stretches.push((from, to, genuine)),
        }
    }
    stretches
}

/// `12k`, `1.5M`.
fn thousands(number: f64) -> String {
    match number {
        n if n >= 1e9 => format!("{}G", short(n / 1e9)),
        n if n >= 1e6 => format!("{}M", short(n / 1e6)),
        n if n >= 1e3 => format!("{}k", short(n / 1e3)),
        n => short(n),
    }
}

/// Two digits: fifths of a decade become 1, 1.6, 2.5, 4, 6.3, 10 (the preferred numbers of ISO 3, within 1 %).
fn preferred(number: f64) -> String {
    let places = if number < 9.95 { 1 } else { 0 };
    let text = decimals(number, places);
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// At most three places, without idle zeros.
fn short(number: f64) -> String {
    let text = decimals(number, 3);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_survives_thinning_and_points_are_bounded() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|s| (f64::from(s), 1.0)).collect();
        points[77_777].1 = 9_000.0;
        let thin = thinned(&points, 0.0, 99_999.0);
        assert!(thin.len() <= 2 * COLUMNS, "{}", thin.len());
        assert!(thin.contains(&(77_777.0, 9_000.0)));
        assert!(thin.is_sorted_by(|a, b| a.0 <= b.0));
    }

    #[test]
    fn periods_are_drawn_by_columns_and_a_genuine_one_is_never_hidden() {
        // 860 columns of one second each.
        let padded = [
            (0.0, 9.5, false),
            (5.0, 5.2, true),
            (100.0, 101.5, true),
            (f64::NAN, 3.0, true),
        ];
        assert_eq!(
            stretches(&padded, 0.0, 860.0),
            [
                (0.0, 5.0, false),
                (5.0, 6.0, true),
                (6.0, 10.0, false),
                (100.0, 102.0, true)
            ]
        );
        let many: Vec<(f64, f64, bool)> = (0..1_000_000)
            .map(|n| (f64::from(n), f64::from(n) + 0.5, n % 2 == 0))
            .collect();
        assert!(stretches(&many, 0.0, 1e6).len() <= COLUMNS);
    }

    #[test]
    fn numbers_at_axes_are_short() {
        for (number, text) in [(0.0, "0"), (950.0, "950"), (12_500.0, "12.5k"), (2e9, "2G")] {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(short(0.25), "0.25");
    }

    #[test]
    fn points_that_are_no_numbers_are_left_out() {
        let plot = RatePlot {
            device: "plug".into(),
            before: vec![
                (f64::NAN, 1.0),
                (1.0, f64::NAN),
                (2.0, f64::INFINITY),
                (1e300, 1.0),
                (3.0, -1.0),
            ],
            after: vec![(5.0, 7.0)],
            padded: vec![(4.0, 1e300, true)],
        };
        let svg = rates(&plot).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(usable(&plot.before), []);
    }

    #[test]
    fn a_wide_range_of_overhead_is_drawn_by_its_logarithm() {
        let point = |q: f64, b: f64| Point {
            device: "a".into(),
            p: 0.01,
            q,
            confidence: crate::stats::wilson(1, 2),
            overhead: crate::stats::ratio(&[(b, 1.0)]),
            activities_per_period: None,
        };
        let sweep = |most: f64| TradeOff {
            points: vec![point(0.0, 1.0), point(1.0, most)],
            ..crate::report::sweep::sample::empty()
        };
        let labels = |most: f64| curves(&sweep(most), None).unwrap();
        assert!(labels(100.0).contains("\n6.3\n"));
        assert!(!labels(10.0).contains("\n6.3\n"));
        assert!(labels(10.0).contains("\n5\n"));
    }
}
