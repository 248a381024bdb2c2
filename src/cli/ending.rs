//! How `infer`, `devices` and `flows` end, of a capture as a whole and of traffic that went on: claims are held against labels,
//! rates and reports written.

use crate::activity::labels::Label;
use crate::activity::parameters::Parameters;
use crate::activity::truth::score;
use crate::activity::Activity;
use crate::cli::args::{Common, InferArgs};
use crate::cli::outcome::{self, Findings};
use crate::cli::rates;
use crate::cli::reading::Read;
use crate::device::catalog::Catalog;
use crate::device::inventory::{Device, Inventory};
use crate::flow::home::Home;
use crate::report::{deliver, Plan, Seen, View};
use crate::units::Span;

/// What was found, and where it is to go.
pub struct Ending<'a> {
    /// What was typed.
    pub args: &'a InferArgs,
    /// What every command understands.
    pub common: &'a Common,
    /// The question.
    pub view: View,
    /// Where reports go.
    pub plan: &'a Plan,
    /// The detector's parameters.
    pub parameters: &'a Parameters,
    /// The catalog.
    pub catalog: &'a Catalog,
    /// What really happened, where somebody told.
    pub labels: Option<Vec<Label>>,
    /// What was read.
    pub read: &'a Read,
    /// The home.
    pub home: &'a Home,
    /// Its devices and flows.
    pub inventory: &'a Inventory,
    /// Claims, a list a device.
    pub activities: Vec<Vec<Activity>>,
    /// The time over which claims were made.
    pub window: Span,
}

impl Ending<'_> {
    /// Tells all of it.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn tell(mut self) -> anyhow::Result<()> {
        let detecting = &self.args.activity.detect;
        let tolerance = detecting.of_labels(self.labels.as_deref().unwrap_or_default());
        let scores = self.labels.map(|labels| {
            let device_of = |name: &str| named(self.inventory, name);
            score(
                &labels,
                &mut self.activities,
                device_of,
                self.window,
                tolerance,
            )
        });
        if let Some(path) = &self.args.rates {
            rates::write(path, self.inventory)?;
        }
        let inference = outcome::inference(Findings {
            args: self.args,
            common: self.common,
            parameters: self.parameters,
            catalog: self.catalog,
            read: self.read,
            home: self.home,
            inventory: self.inventory,
            activities: &self.activities,
            scores: scores.as_ref(),
            tolerance,
        });
        let seen = Seen {
            view: self.view,
            inference: &inference,
        };
        Ok(deliver(&seen, self.plan, self.common.color)?)
    }
}

/// The device that a label speaks of: by id, candidate's name, address or hardware address.
pub fn named(inventory: &Inventory, name: &str) -> Option<usize> {
    let name = name.trim();
    let find = |is: &dyn Fn(&Device) -> bool| inventory.devices.iter().position(is);
    if let Ok(address) = name.parse() {
        return find(&|device| {
            device.addresses.contains(&address) || device.address == Some(address)
        });
    }
    if let Ok(mac) = name.parse() {
        return find(&|device| device.mac == Some(mac));
    }
    find(&|device| device.id.eq_ignore_ascii_case(name)).or_else(|| {
        find(&|device| {
            device.candidates.iter().any(|candidate| {
                candidate.name.eq_ignore_ascii_case(name) || candidate.id.eq_ignore_ascii_case(name)
            })
        })
    })
}
