//! The trade-off curve.
