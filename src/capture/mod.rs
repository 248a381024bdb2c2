//! Sources of frames.
pub mod frame;
