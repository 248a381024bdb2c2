//! Homes that are made up: device models and the traces they give.
