//! Running a node: probes and metrics, the log, reloads, an orderly stop, its bounds, and nothing left behind.

mod bounds;
mod leaks;
mod log;
mod metrics;
mod overload;
mod reload;
mod stopping;
