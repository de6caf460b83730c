//! The vectors of the format.
