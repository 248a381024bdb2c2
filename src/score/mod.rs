//! Claims held against truth.
