//! The recorder: what is sealed and what is not, full disks and sealed journals, floods, intents over crashes, erasure.

mod database;
mod flood;
mod intents;
mod node;
mod recording;
mod room;
mod sealing;
mod world;
