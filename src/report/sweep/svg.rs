//! A trade-off as a picture: overhead from left to right, confidence upwards, a curve for each device and p.

use crate::report::plot;
use crate::tradeoff::TradeOff;
use std::io::{self, Write};

/// Writes the picture.
pub fn write(sweep: &TradeOff, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(plot::curves(sweep, None)?.as_bytes())
}
