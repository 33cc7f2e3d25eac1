//! The journal: simulated histories with crashes at every operation, damage, full disks, and the real thing with threads,
//! files and SIGKILL.

mod damage;
mod room;
mod simulation;
mod tampering;
mod threads;
mod world;
