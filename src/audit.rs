//! Runs defenses against adversaries.
