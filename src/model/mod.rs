//! Homes that are made up: device models and the traces they give.
//!
//! A [`DeviceModel`] knows what each use of a device looks like on the wire, and replays it. Three are built from what the
//! paper publishes about its devices, others from any labelled capture. A [`HomeModel`] puts some of them in a home.

pub mod arrivals;
pub mod built_in;
pub mod device;
pub mod file;
pub mod generate;
pub mod home;
pub mod household;
pub mod published;
pub mod recorded;

pub use arrivals::Geometric;
pub use device::{Background, DeviceModel, Recorded, RecordedPacket};
pub use file::ModelFileError;
pub use generate::generate;
pub use home::{HomeModel, Resident};
pub use household::Habit;
pub use recorded::ModelError;
