//! The data plane: every request walks through a fixed list of stages.
//!
//! Read [`stages`] first: the walk on one screen. [`server`] brings connections to it, [`story`] guarantees that
//! every request ends in exactly one event. Knows no SQL, no users and no screens.

mod acme;
mod answer;
mod audit;
mod bans;
mod body;
mod budget;
mod channel;
mod client_certificate;
mod connection;
mod cookies;
mod fields;
mod forward_auth;
mod forwarded;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gate;
mod http2;
mod io;
mod metrics;
mod notices;
mod pace;
mod proxy_protocol;
mod received;
mod refusal;
mod server;
pub mod stages;
mod story;
mod strict;
mod tls;
mod upstream;
mod websocket;

pub use gate::{Gate, GateError, NoWatch, People, Ports, StageWatch};
pub use server::{Server, Stopped};
pub use tls::TlsError;
