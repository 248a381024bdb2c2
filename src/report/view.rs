//! Which part of an inference a report shows.

/// One result, seen for three questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Everything: devices, their flows, their activities.
    Infer,
    /// Only which devices there are, with the evidence for each.
    Devices,
    /// Only the flows, with their device.
    Flows,
}

impl View {
    /// Every view.
    pub const ALL: [Self; 3] = [Self::Infer, Self::Devices, Self::Flows];

    /// Name and version of its JSON document.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Infer => crate::inference::SCHEMA,
            Self::Devices => "stp-audit/devices/1",
            Self::Flows => "stp-audit/flows/1",
        }
    }
}
