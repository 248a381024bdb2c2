//! A home that is made up: who lives in it, and how often each is used.

use super::device::DeviceModel;
use super::household::Habit;
use crate::units::Probability;

/// The private network of every home that is made up, as `--home` takes it.
pub const HOME_NETWORK: &str = "192.168.77.0/24";

/// A device in its home.
#[derive(Clone, Debug, PartialEq)]
pub struct Resident {
    /// What it is.
    pub model: DeviceModel,
    /// p: the chance of an activity in each second without one.
    pub activity: Probability,
    /// What part it has in the lives of people with habits; `None` where it is used by chance alone, as above.
    pub habit: Option<Habit>,
}

/// A home.
///
/// Its own network is [`HOME_NETWORK`], a private one (RFC 1918) as a home's is, so that whoever reads a capture of it takes it
/// for a home; its devices are from .10 on in their order. Their servers are in 198.51.100.0/24, a range kept for documentation
/// (RFC 5737), so that no real server is ever meant.
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
        self.devices.push(Resident {
            model,
            activity,
            habit: None,
        });
        self
    }

    /// The home with one more device, used as people with habits do; those of a home have them in common.
    #[must_use]
    pub fn with_habit(mut self, model: DeviceModel, habit: Habit) -> Self {
        self.devices.push(Resident {
            model,
            activity: Probability::NEVER,
            habit: Some(habit),
        });
        self
    }
}
