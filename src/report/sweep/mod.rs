//! Reports of a trade-off: privacy against bandwidth over the chances of activity and of padding.

pub mod csv;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod markdown;
mod rows;
pub mod svg;
pub mod table;

#[cfg(test)]
pub(crate) mod sample;

use super::format::Format;
use super::shown::{lacking, Shown};
use super::style::Style;
use crate::tradeoff::{Point, TradeOff};
use crate::verdict::held::sound;
use std::io::{self, Write};

/// The formats a trade-off has.
pub const FORMATS: [Format; 7] = [
    Format::Table,
    Format::Json,
    Format::Jsonl,
    Format::Csv,
    Format::Md,
    Format::Svg,
    Format::Html,
];

impl Shown for TradeOff {
    fn formats(&self) -> &'static [Format] {
        &FORMATS
    }

    fn write(&self, format: Format, style: Style, out: &mut dyn Write) -> io::Result<()> {
        let sweep = &cleaned(self);
        match format {
            Format::Table => table::write(sweep, style, out),
            Format::Json => json::write(sweep, out),
            Format::Jsonl => jsonl::write(sweep, out),
            Format::Csv => csv::write(sweep, out),
            Format::Md => markdown::write(sweep, out),
            Format::Svg => svg::write(sweep, out),
            Format::Html => html::write(sweep, out),
            Format::Junit | Format::Sarif => Err(lacking(format, &FORMATS)),
        }
    }
}

/// The trade-off with `None` wherever a number is none.
fn cleaned(sweep: &TradeOff) -> TradeOff {
    let cleaned = |point: &Point| Point {
        confidence: point.confidence.filter(sound),
        overhead: point.overhead.filter(sound),
        activities_per_period: point.activities_per_period.filter(|x| x.is_finite()),
        ..point.clone()
    };
    TradeOff {
        points: sweep.points.iter().map(cleaned).collect(),
        ..sweep.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn text(sweep: &TradeOff, format: Format) -> String {
        let mut out = Vec::new();
        sweep.write(format, Style::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_sweep_in_every_format() {
        for format in FORMATS {
            assert_snapshot!(format!("sweep_{format}"), text(&sample::sweep(), format));
        }
    }

    #[test]
    fn the_same_sweep_gives_the_same_bytes_and_no_number_is_nan() {
        for sweep in [sample::sweep(), sample::hostile(), sample::empty()] {
            for format in FORMATS {
                let once = text(&sweep, format);
                assert_eq!(once, text(&sweep, format), "{format}");
                assert!(once.ends_with('\n'), "{format}");
                let free = |c: char| c == '\n' || !c.is_control();
                assert!(once.chars().all(free), "{format}: {once:?}");
                for word in ["NaN", ",inf,", " inf "] {
                    assert!(!once.contains(word), "{format}: {once}");
                }
                if matches!(format, Format::Md | Format::Svg | Format::Html) {
                    assert!(!once.contains("<script"), "{format}: {once}");
                }
            }
        }
    }

    #[test]
    fn hostile_names_forge_no_row() {
        for format in [Format::Table, Format::Jsonl, Format::Csv, Format::Md] {
            assert_eq!(
                text(&sample::hostile(), format).lines().count(),
                text(&sample::sweep(), format).lines().count(),
                "{format}"
            );
        }
    }
}
