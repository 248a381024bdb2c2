//! `--rates`: the rate series of every device as CSV, to plot or to hold against other tools.

use crate::device::inventory::Inventory;
use crate::report::output::write_whole;
use crate::report::OutputError;
use std::io::{self, Write};
use std::path::Path;

/// Writes one row an active bin: `start,device,up_bytes,down_bytes`; whole or not at all.
pub fn write(path: &Path, inventory: &Inventory) -> Result<(), OutputError> {
    write_whole(path, |out| rows(inventory, out))
}

fn rows(inventory: &Inventory, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["start", "device", "up_bytes", "down_bytes"])?;
    for device in &inventory.devices {
        let grid = device.series.grid();
        for cell in device.series.cells() {
            csv.write_record([
                &grid.start(cell.index).to_string(),
                &device.id,
                &cell.up.to_string(),
                &cell.down.to_string(),
            ])?;
        }
    }
    csv.flush()
}
