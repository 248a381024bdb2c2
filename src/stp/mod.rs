//! The shaper of stochastic traffic padding and its decision functions: no clock and no socket.
