//! `--rates`: the rate series of every device as CSV, to plot or to hold against other tools.

use crate::device::inventory::Inventory;
use anyhow::Context;
use std::path::Path;

/// Writes one row an active bin: `start,device,up_bytes,down_bytes`; whole or not at all.
pub fn write(path: &Path, inventory: &Inventory) -> anyhow::Result<()> {
    let context = || format!("writing the rates to {}", path.display());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let file = tempfile::NamedTempFile::new_in(folder).with_context(context)?;
    let mut csv = csv::Writer::from_writer(std::io::BufWriter::new(file));
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
    let file = csv
        .into_inner()
        .map_err(|error| error.into_error())
        .and_then(|buffer| buffer.into_inner().map_err(|error| error.into_error()))
        .with_context(context)?;
    file.persist(path)
        .map_err(|error| error.error)
        .with_context(context)?;
    Ok(())
}
