//! How right claims are by how much of what is genuine they meet: precision-recall curves, of adversaries or of defenses.

use super::{drawing, ended, legend, Area, Drawn, BLACK, CURVES, LONGEST, OF_DEVICES};
use crate::report::human::{clipped, decimals, line};
use plotters::prelude::*;
use std::io;

/// A curve by its name.
#[derive(Clone, Debug, PartialEq)]
pub struct RecallCurve {
    /// What it is of.
    pub name: String,
    /// Recall, and confidence or what is told in its place, ascending by recall.
    pub points: Vec<(f64, f64)>,
}

/// The curves in one picture: recall from left to right, `what` upwards from 0 to the largest.
///
/// # Errors
/// What the drawing library says.
pub fn recalls(title: &str, what: &str, curves: &[RecallCurve]) -> io::Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, CURVES).into_drawing_area();
        draw(title, what, curves, &area).map_err(drawing)?;
    }
    Ok(ended(text))
}

/// Points that can be drawn.
fn usable(curve: &RecallCurve) -> impl Iterator<Item = (f64, f64)> + '_ {
    let points = curve.points.iter().copied();
    points.filter(|(recall, of)| (0.0..=1.0).contains(recall) && (0.0..1e6).contains(of))
}

fn draw(title: &str, what: &str, curves: &[RecallCurve], area: &Area<'_>) -> Drawn {
    area.fill(&WHITE)?;
    let all = curves.iter().flat_map(usable);
    let top = all.map(|(_, of)| of).fold(0.0, f64::max);
    let top = if top > 0.0 { top * 1.05 } else { 1.0 };
    let mut chart = ChartBuilder::on(area)
        .caption(clipped(&line(title), 2 * LONGEST), ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(40)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..1.0, 0.0..top)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc("recall: share of what is genuine that is claimed")
        .y_desc(what)
        .x_label_formatter(&|x| decimals(*x, 1))
        .y_label_formatter(&|y| decimals(*y, if top > 3.0 { 0 } else { 1 }))
        .draw()?;
    for (place, curve) in curves.iter().enumerate() {
        let color = OF_DEVICES.get(place % OF_DEVICES.len()).copied();
        let color = color.unwrap_or(BLACK);
        chart
            .draw_series(LineSeries::new(usable(curve), color.stroke_width(2)))?
            .label(clipped(&line(&curve.name), LONGEST))
            .legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 16, y)], color.stroke_width(2))
            });
    }
    if !curves.is_empty() {
        legend(&mut chart)?;
    }
    area.present()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_drawn_and_what_is_no_number_is_left_out() {
        let curve = |name: &str, points: &[(f64, f64)]| RecallCurve {
            name: name.into(),
            points: points.to_vec(),
        };
        let curves = [
            curve("a & b", &[(0.0, 1.0), (0.5, 0.4), (1.0, 0.1)]),
            curve(
                "none",
                &[(0.2, f64::NAN), (f64::INFINITY, 0.5), (0.3, -1.0)],
            ),
        ];
        let svg = recalls("stp", "confidence", &curves).unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("a &amp; b"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        // A picture of nothing is one, too.
        assert!(recalls("", "", &[]).unwrap().starts_with("<svg"));
    }
}
