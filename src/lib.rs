//! Attack and audit the privacy of smart-home traffic.
//!
//! A passive observer learns what people do at home from encrypted traffic alone. This library plays that observer: it
//! reads a capture, says which devices live behind it, which flows are theirs, and when somebody used them. And it measures
//! how well a defense holds against observers who know how it works.
//!
//! The rooms, from the ground up; each imports only from those before it:
//! [`units`] the words; [`habits`] when people do what they do; [`capture`] frames from files, [`sandbox`] what a
//! process keeps while it records, [`stp`] the shaper, [`stats`] and [`theory`]; [`packet`] what a frame
//! says, [`gateway`] the shaper over real sockets, [`learning`] from examples; [`rate`] and [`flow`] who talked to whom, how much, when; [`device`] whose flows they are, [`activity`] when a device
//! was used; [`trace`] what truly happened; [`threat`] who knows what, [`model`] homes that are made up; [`defense`],
//! [`adversary`] and [`score`]; [`inference`], [`verdict`] and [`tradeoff`] the results; [`live`] inference while the traffic goes on; [`audit`] every defense against every
//! adversary, [`sweep`] the trade-off curve; [`report`] the results in every format; [`cli`] the commands.
//!
//! After N. Apthorpe, D. Y. Huang, D. Reisman, A. Narayanan, N. Feamster: "Keeping the Smart Home Private with Smart(er)
//! IoT Traffic Shaping", PETS 2019; "the paper" in these pages.

pub mod activity;
pub mod adversary;
pub mod audit;
pub mod capture;
pub mod cli;
pub mod defense;
pub mod device;
pub mod flow;
pub mod gateway;
pub mod habits;
pub mod inference;
pub mod learning;
pub mod live;
pub mod model;
pub mod packet;
pub mod rate;
pub mod report;
pub mod sandbox;
pub mod score;
pub mod stats;
pub mod stp;
pub mod sweep;
pub mod theory;
pub mod threat;
pub mod trace;
pub mod tradeoff;
pub mod units;
pub mod verdict;
