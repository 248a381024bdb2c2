//! The trade-off curve over p and q: a simulator of the per-second model.
