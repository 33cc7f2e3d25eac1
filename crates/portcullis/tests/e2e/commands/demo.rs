//! Written with its part.
