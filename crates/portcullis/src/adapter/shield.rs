//! Keeps the process's memory, which holds keys, out of files and out of other processes.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Lets no core dump be written, neither as a file nor to a program that collects them, and lets no process of the same
/// user read the memory or the environment (`PR_SET_DUMPABLE`). Root still can.
pub(crate) fn shield() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
