//! Who is there, who may do what, how often, and what gets an address banned: every judgement of the gate as a plain
//! function.
//!
//! Pure by rule: no clock, no randomness, no file, no socket and no runtime is in here. The time and random
//! bytes are arguments, so every judgement can be repeated in a test. Two libraries insist on their own, for
//! what hardly an answer hangs on: the nonces of ECDSA ([`token`]), which years are recent ([`password`]).
//! Configuration text is read elsewhere (`contract`).
//!
//! Read next: [`token`] for who somebody is, [`demand`] for the authorization judgement, [`limit`] for how
//! requests are counted, `table` for the fixed memory that limits, suspicion, bans and lockout share.

pub mod aggregate;
pub mod apikey;
pub mod ban;
pub mod browser;
pub mod cross_site;
pub mod demand;
pub mod forged;
pub mod limit;
pub mod lockout;
pub mod origin;
pub mod password;
pub mod patterns;
pub mod refresh;
pub mod return_to;
pub mod roles;
pub mod session;
pub mod shed;
pub mod suspicion;
mod table;
pub mod token;
