//! How many files and sockets the process may have open. Systems give a process a thousand or so until it asks for
//! more, and a gate needs one for each connection.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Asks for as many as the system lets the process have, and says how many it may open now.
pub(crate) fn allow_most() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum {
        // What is refused is said by the number that is handed back.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
