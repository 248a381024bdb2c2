//! Inference while the traffic goes on: which devices there are and when they are used, told as it happens, for weeks.
//!
//! [`engine::Engine`] is fed with frames and with the time, and gives [`event::Event`]s. It asks no clock: packets bring their
//! time, and who feeds it says how late it has become while none came ([`clock`]). What it remembers is bounded, whatever
//! comes and however long:
//!
//! | what | at most | bytes |
//! |---|---|---|
//! | flows, and entries of folded ones ([`crate::flow::table`]) | 16,384 each by default | 32 MB |
//! | their rates | [`engine::FLOW_BINS`] active bins | 16 MB |
//! | names, answers, hosts ([`crate::flow::names`]) | its caps | 25 MB |
//! | identification counters, of flows that live | one a flow | 3 MB |
//! | rates of devices ([`roster::BINS`] active bins) | 2 Mi | 50 MB |
//! | bins that are not over ([`pulse::FLOWS`] flows) | 65,536 | 5 MB |
//! | copies while devices are told apart | one a flow | 32 MB |
//!
//! That is 165 MB under a flood; a home of thirty devices takes about a fifth of it.

pub mod clock;
pub mod engine;
pub mod event;
pub mod finish;
pub mod haste;
pub mod moved;
pub mod pulse;
pub mod roster;
