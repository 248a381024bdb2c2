//! Statistics: intervals, curves, resampling.
