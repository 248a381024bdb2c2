//! What becomes of rates once flows changed hands.
//!
//! A device that only won flows is given their bins on top of its own; one that lost some is summed up anew, as bins bear no name.

use crate::flow::key::{End, FlowKey};
use crate::flow::observer::Observer;
use crate::flow::table::Flow;
use crate::live::roster::{Roster, Slot, Taken};
use crate::rate::{Cell, Grid, RateSeries};
use std::collections::BTreeMap;

/// Flows, and whose they have become.
#[derive(Clone, Copy, Debug)]
pub struct Moved<'a> {
    /// Who won and lost flows.
    pub taken: &'a Taken,
    /// The flows, as they were when devices were told apart.
    pub flows: &'a [(FlowKey, Flow)],
    /// Who has their rates.
    pub observer: &'a Observer,
    /// The last bin that is over; later ones are given to devices when they are.
    pub closed: i64,
}

impl Moved<'_> {
    /// The bins that devices lack which only won flows, up and down as each device sees them; in no order.
    pub fn late(&self) -> BTreeMap<Slot, Vec<Cell>> {
        let mut late: BTreeMap<Slot, Vec<Cell>> = BTreeMap::new();
        for (slot, place, end) in &self.taken.joined {
            if self.taken.shaken.contains(slot) {
                continue;
            }
            let Some((key, flow)) = self.flows.get(*place) else {
                continue;
            };
            let cells = self.observer.cells(key, flow.folded > 0);
            let turned = cells.into_iter().flat_map(|cells| cells.iter());
            let turned = turned
                .map(|cell| turn(cell, *end))
                .filter(|cell| cell.index <= self.closed);
            late.entry(*slot).or_default().extend(turned);
        }
        late
    }

    /// The whole rates of devices that lost flows, also of bins that are not over.
    pub fn anew(&self, roster: &Roster, grid: Grid) -> Vec<(Slot, RateSeries)> {
        let shaken = &self.taken.shaken;
        let mut of_shaken: BTreeMap<Slot, Vec<(usize, End)>> = BTreeMap::new();
        for (place, (_, flow)) in self.flows.iter().enumerate() {
            let owner = roster.owner(flow.serial).unwrap_or_default();
            for (slot, end) in owner.into_iter().flatten() {
                if shaken.contains(&slot) {
                    of_shaken.entry(slot).or_default().push((place, end));
                }
            }
        }
        let summed = shaken.iter().map(|slot| {
            let own = of_shaken.remove(slot).unwrap_or_default();
            let cells = own.iter().filter_map(|(place, end)| {
                let (key, flow) = self.flows.get(*place)?;
                let cells = self.observer.cells(key, flow.folded > 0)?;
                Some((cells, *end == End::B))
            });
            (*slot, RateSeries::sum(grid, cells))
        });
        summed.collect()
    }
}

/// A flow's bin as its device's: up is what the device sent.
fn turn(cell: Cell, local: End) -> Cell {
    match local {
        End::A => cell,
        End::B => Cell {
            up: cell.down,
            down: cell.up,
            ..cell
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_is_what_the_device_sent_at_whichever_end_it_is() {
        let cell = Cell {
            index: 7,
            up: 100,
            down: 3,
        };
        let turned = turn(cell, End::B);
        assert_eq!((turned.index, turned.up, turned.down), (7, 3, 100));
        let same = turn(cell, End::A);
        assert_eq!((same.index, same.up, same.down), (7, 100, 3));
    }
}
