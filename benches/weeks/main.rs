//! `weeks WEEKS [DEVICES]`: a made-up home of so many weeks, as pcapng on standard output, as fast as it is read. What passes
//! is told on standard error, each day one line: `day N`, once all before it was written.

mod home;

use home::Home;
use std::io::{BufWriter, Write};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise: u32| {
        let given = arguments.next().and_then(|text| text.parse().ok());
        given.unwrap_or(otherwise)
    };
    let (weeks, devices) = (number(4), number(20).clamp(2, 200) as u8);
    let mut home = Home::begin(BufWriter::new(std::io::stdout().lock()), devices, 1)?;
    for day in 1..=weeks * 7 {
        home.until(i64::from(day) * 86_400)?;
        writeln!(std::io::stderr(), "day {day} {}", home.packets)?;
    }
    home.end()
}
