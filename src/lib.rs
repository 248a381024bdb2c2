//! Attack and audit the privacy of smart-home traffic.
//!
//! A passive observer learns what people do at home from encrypted traffic alone. This library plays that observer: it
//! reads a capture, says which devices live behind it, which flows are theirs, and when somebody used them.
//!
//! The rooms, from the ground up; each imports only from those before it:
//! [`units`] the words; [`capture`] frames from files; [`packet`] what a frame says; [`rate`] and [`flow`] who talked to
//! whom, how much, when; [`device`] whose flows they are; [`activity`] when a device was used; [`report`] the results as
//! table, JSON, CSV or Markdown; [`cli`] the commands.
//!
//! After N. Apthorpe, D. Y. Huang, D. Reisman, A. Narayanan, N. Feamster: "Keeping the Smart Home Private with Smart(er)
//! IoT Traffic Shaping", PETS 2019; "the paper" in these pages.

pub mod activity;
pub mod capture;
pub mod cli;
pub mod device;
pub mod flow;
pub mod inference;
pub mod packet;
pub mod rate;
pub mod report;
pub mod units;
