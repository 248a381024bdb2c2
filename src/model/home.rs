//! A home that is made up: who lives in it, and how often each is used.

use super::device::DeviceModel;
use crate::units::Probability;

/// The network of every home that is made up, as `--home` takes it.
pub const HOME_NETWORK: &str = "192.0.2.0/24";

/// A device in its home.
#[derive(Clone, Debug, PartialEq)]
pub struct Resident {
    /// What it is.
    pub model: DeviceModel,
    /// p: the chance of an activity in each second without one.
    pub activity: Probability,
}

/// A home.
///
/// Its addresses are all from ranges kept for documentation (RFC 5737), so that no real home or server is ever meant: its
/// own network is [`HOME_NETWORK`], its devices from .10 on in their order; their servers are in 198.51.100.0/24.
#[derive(Clone, Debug, PartialEq)]
pub struct HomeModel {
    /// Its short name.
    pub id: String,
    /// What it is, for people; of homes that are made up it says so.
    pub name: String,
    /// Who lives in it.
    pub devices: Vec<Resident>,
}

impl HomeModel {
    /// The home with one more device.
    #[must_use]
    pub fn with(mut self, model: DeviceModel, activity: Probability) -> Self {
        self.devices.push(Resident { model, activity });
        self
    }
}
