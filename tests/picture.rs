//! The README's picture is what the program found in the evening behind NAT: drawn anew by this test and compared.
//!
//! `UPDATE_FIXTURES=1 cargo test --test picture` writes it.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use stp_audit::activity::{detect, read_labels, Activity, Label, Parameters};
use stp_audit::capture::{Options, Reader};
use stp_audit::device::catalog::Catalog;
use stp_audit::device::inventory::{take, Device};
use stp_audit::flow::home::Home;
use stp_audit::flow::observer::{Observer, Settings};
use stp_audit::units::{Span, Timestamp};

const WIDTH: f64 = 860.0;
const LEFT: f64 = 172.0;
const TOP: f64 = 46.0;
const PANEL: f64 = 62.0;
const BARS: f64 = 40.0;
/// Devices drawn: as the labels call them, and a word of the id they are found by.
const SHOWN: [(&str, &str); 4] = [
    ("Nest Cam Indoor", "nest-cam"),
    ("Amazon Echo", "amazon-echo"),
    ("Belkin WeMo Switch", "belkin-wemo"),
    ("Hello Sense Sleep Monitor", "sense"),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// Where an instant stands from left to right.
fn across(at: Timestamp, window: Span) -> f64 {
    let whole = window.duration().as_secs_f64();
    LEFT + (WIDTH - LEFT - 16.0) * at.since(window.start).as_secs_f64() / whole
}

fn panel(
    svg: &mut String,
    row: usize,
    name: &str,
    device: &Device,
    claims: &[Activity],
    labels: &[Label],
    window: Span,
) {
    let base = TOP + PANEL * row as f64 + BARS;
    let grid = device.series.grid();
    let top = device
        .series
        .cells()
        .map(|cell| cell.up + cell.down)
        .max()
        .unwrap_or(1)
        .max(1);
    writeln!(
        svg,
        r#"<text x="8" y="{:.0}" class="device">{name}</text>"#,
        base - 16.0
    )
    .unwrap();
    writeln!(
        svg,
        r#"<text x="8" y="{:.0}" class="small">up to {:.1} kB/s</text>"#,
        base - 2.0,
        top as f64 / 1e3
    )
    .unwrap();
    write!(svg, r#"<path class="rate" d=""#).unwrap();
    for cell in device.series.cells() {
        let height = BARS * ((cell.up + cell.down) as f64 / top as f64).sqrt();
        write!(
            svg,
            "M{:.1} {base:.0}v-{height:.1}",
            across(grid.start(cell.index), window)
        )
        .unwrap();
    }
    writeln!(svg, r#""/>"#).unwrap();
    for claim in claims {
        let (from, to) = (
            across(claim.span.start, window),
            across(claim.span.end, window),
        );
        let wide = (to - from).max(3.0);
        writeln!(
            svg,
            r#"<rect class="claim" x="{from:.1}" y="{:.0}" width="{wide:.1}" height="4"/>"#,
            base + 3.0
        )
        .unwrap();
    }
    for label in labels.iter().filter(|label| label.device == name) {
        let at = across(label.span.start, window);
        writeln!(
            svg,
            r#"<path class="truth" d="M{at:.1} {:.0}l3 6h-6z"/>"#,
            base + 9.0
        )
        .unwrap();
    }
}

fn draw() -> String {
    let mut reader = Reader::open(&[fixture("evening-wan.pcapng")], &Options::default()).unwrap();
    let mut observer = Observer::new(Settings::default());
    while let Some(frame) = reader.next().unwrap() {
        observer.watch(&frame);
    }
    let mut observed = observer.finish();
    let window = observed.window.unwrap();
    let home = Home::find(&observed.flows, None, &[]);
    let inventory = take(&mut observed, &home, &Catalog::embedded().unwrap());
    let labels = read_labels(
        File::open(fixture("evening-labels.csv")).unwrap(),
        "evening-labels.csv",
    )
    .unwrap();
    let parameters = Parameters {
        ignore_periodic: true,
        ..Parameters::default()
    };
    let height = TOP + PANEL * SHOWN.len() as f64 + 34.0;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0} {height:.0}" font-family="sans-serif">
<style>.device{{font-size:12px;fill:#222}}.small{{font-size:10px;fill:#777}}.rate{{stroke:#3b6ea5;stroke-width:1;fill:none}}.claim{{fill:#c0392b}}.truth{{fill:#2e8b57}}.axis{{stroke:#bbb}}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="20" class="device">An invented evening, seen from outside the home: encrypted traffic a second (square-root scale)</text>
<text x="8" y="36" class="small"><tspan fill="#c0392b">red: when the observer says somebody used the device&#160;&#160;&#160;</tspan><tspan fill="#2e8b57">green: when somebody did</tspan></text>
"##
    );
    for (row, (name, id)) in SHOWN.into_iter().enumerate() {
        let device = inventory
            .devices
            .iter()
            .find(|device| device.id.contains(id));
        let device = device.unwrap_or_else(|| panic!("{name} was not found in the evening"));
        let claims = detect(&device.series, window, &parameters)
            .unwrap()
            .activities;
        panel(&mut svg, row, name, device, &claims, &labels, window);
    }
    let foot = TOP + PANEL * SHOWN.len() as f64 + 10.0;
    // Half hours of the evening, which begins at 20:30.
    for half in 0..5 {
        let at = window.start + std::time::Duration::from_secs(half * 1800);
        let minutes = 20 * 60 + 30 + half * 30;
        writeln!(
            svg,
            r#"<path class="axis" d="M{x:.1} {y:.0}v5"/><text x="{x:.1}" y="{t:.0}" class="small" text-anchor="middle">{h:02}:{m:02}</text>"#,
            x = across(at, window),
            y = foot,
            t = foot + 16.0,
            h = minutes / 60,
            m = minutes % 60
        )
        .unwrap();
    }
    svg.push_str("</svg>\n");
    svg
}

#[test]
fn the_picture_shows_what_the_program_finds() {
    let path = fixture("evening.svg");
    let drawn = draw();
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, &drawn).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == drawn, "fixtures/evening.svg is not what the program finds now: look at it after UPDATE_FIXTURES=1");
}
