//! What a watch knows at its end: the last window as `infer` would have seen it in a capture, its devices by the names they had.

use crate::activity::detect::detect_in;
use crate::activity::parameters::Parameters;
use crate::activity::Activity;
use crate::device::catalog::Catalog;
use crate::device::inventory::{take, Inventory};
use crate::flow::home::{Home, Vantage};
use crate::flow::observer::Observed;
use crate::live::roster::{Roster, Slot};
use crate::rate::Cell;
use crate::units::{Span, Timestamp};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the watch knows at its end.
#[derive(Debug)]
pub struct Finished {
    /// Flows and names.
    pub observed: Observed,
    /// The home.
    pub home: Home,
    /// Devices, by the names they had; their rates reach back over the window.
    pub inventory: Inventory,
    /// What [`detect_in`] claims of the last window, a list a device: what `infer` would say of a capture of it.
    pub activities: Vec<Vec<Activity>>,
    /// The last window.
    pub window: Span,
}

/// What is known when nothing more is to come.
#[derive(Debug)]
pub struct Known<'a> {
    /// Flows and names.
    pub observed: Observed,
    /// What devices are told by.
    pub catalog: &'a Catalog,
    /// The devices of the watch.
    pub roster: &'a Roster,
    /// Where the observer stands, where the user told it.
    pub vantage: Option<Vantage>,
    /// The home's prefixes, where the user told them.
    pub prefixes: &'a [IpNet],
    /// How activities are told from background.
    pub parameters: &'a Parameters,
    /// The latest packet whose time was believed.
    pub latest: Option<Timestamp>,
    /// How far back the last window reaches.
    pub window: Duration,
}

/// Tells devices apart for the last time, and looks at the last window as a whole.
pub fn finish(known: Known<'_>) -> Finished {
    let mut observed = known.observed;
    let home = Home::find(&observed.flows, known.vantage, known.prefixes);
    let serials: Vec<u64> = observed.flows.iter().map(|(_, flow)| flow.serial).collect();
    let mut inventory = take(&mut observed, &home, known.catalog);
    rename(&mut inventory, &serials, known.roster);
    let whole = observed.window.unwrap_or(Span::at(Timestamp(0)));
    let end = known.latest.unwrap_or(whole.end);
    let window = Span::new(whole.start.max(end - known.window), end);
    let activities = inventory.devices.iter().map(|device| {
        let cells: Vec<Cell> = device.series.cells().collect();
        let found = detect_in(&cells, observed.grid, window, known.parameters);
        found.map(|found| found.activities).unwrap_or_default()
    });
    let activities = activities.collect();
    Finished {
        observed,
        home,
        inventory,
        activities,
        window,
    }
}

/// Gives devices of the last inventory the names they had.
fn rename(inventory: &mut Inventory, serials: &[u64], roster: &Roster) {
    let names: BTreeMap<Slot, &str> = roster
        .members()
        .map(|(slot, member)| (slot, member.id.as_str()))
        .collect();
    let mut votes: BTreeMap<(usize, Slot), u64> = BTreeMap::new();
    for (owner, serial) in inventory.owners.iter().zip(serials) {
        let known = roster.owner(*serial).unwrap_or_default();
        let known = known
            .into_iter()
            .flatten()
            .find(|(_, end)| *end == owner.local);
        if let (Some(device), Some((slot, _))) = (owner.device, known) {
            *votes.entry((device, slot)).or_default() += 1;
        }
    }
    let mut ranked: Vec<_> = votes.into_iter().collect();
    ranked.sort_by_key(|(pair, votes)| (std::cmp::Reverse(*votes), *pair));
    let (mut named, mut used) = (BTreeSet::new(), BTreeSet::new());
    let mut given: Vec<Option<String>> = vec![None; inventory.devices.len()];
    for ((device, slot), _) in ranked {
        if !named.contains(&device) && !used.contains(&slot) {
            named.insert(device);
            used.insert(slot);
            if let (Some(place), Some(name)) = (given.get_mut(device), names.get(&slot)) {
                *place = Some((*name).to_owned());
            }
        }
    }
    let taken: BTreeSet<String> = given.iter().flatten().cloned().collect();
    for (device, name) in inventory.devices.iter_mut().zip(given) {
        match name {
            Some(name) => device.id = name,
            // Whose name another bears is told from it.
            None if taken.contains(&device.id) => device.id = format!("{}-new", device.id),
            None => {}
        }
    }
}
