//! What a frame says: headers, and the names that travel in the clear.
pub mod dissect;
pub mod link;
