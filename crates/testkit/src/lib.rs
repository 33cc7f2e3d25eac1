//! What tests need: the gate as a real process, clients that behave and clients that do not, and a real upstream
//! that can be told to misbehave.
//!
//! Nothing here knows a fixed port, a fixed folder or an order of tests, and nothing waits by sleeping: every wait
//! polls with a deadline. A failure is a panic whose message says what was awaited. Only tests may depend on this
//! crate. Read next: [`process`], [`upstream`].

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support: a panic is the failure report"
)]

pub mod acme;
pub mod authority;
pub mod browser;
pub mod client;
pub mod crowd;
pub mod deadline;
pub mod disk;
pub mod front;
pub mod h2;
pub mod handshake;
pub mod intents;
pub mod payload;
pub mod people;
pub mod postgres;
pub mod power;
pub mod process;
pub mod raw;
pub mod recorder;
pub mod strace;
pub mod tampering;
pub mod upstream;
pub mod visitor;
pub mod websocket;

pub use acme::{AcmeServer, Fault, Resolution};
pub use authority::{Authority, Credentials};
pub use browser::{Browser, Scheme, Scripts};
pub use client::{Answer, Client, OpenAnswer, RequestBuilder, Speaks};
pub use deadline::{WAIT, eventually, within};
pub use disk::{DiskFault, Random, SimulatedDisk, Stopped};
pub use front::FrontProxy;
pub use handshake::{Agreed, Dialer, Offer, shake};
pub use intents::outcomes;
pub use payload::{Payload, Speaker, conversation, pattern, pattern_crc32};
pub use people::MemoryPeople;
pub use postgres::Postgres;
pub use process::{Gate, GateBuilder, Line, Memory, Signal, StartFailure};
pub use raw::{Ending, RawConnection, RawHead, RawServer, RawUpstream};
pub use recorder::Recorder;
pub use tampering::{Tampering, WrittenLog};
pub use upstream::{SeenRequest, Upstream};
pub use visitor::{Page, Visitor};
pub use websocket::{Websocket, WebsocketUpstream};
