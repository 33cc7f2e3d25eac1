//! The portal as a browser and a program meet it, over a store in memory. Who asks is found as the gateway finds it: by the
//! cookie, for the origin that is asked.

mod account;
mod forms;
mod hand_over;
mod keys;
mod log_in;
mod programs;
mod set_up;
mod world;
