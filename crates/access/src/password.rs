//! Passwords: which may be chosen, how they are kept, and whether one is right (ID-01, ID-07).
//!
//! Own hashes are Argon2id (RFC 9106) in the PHC form; cost and salt are arguments. Hashes of other programs are
//! verified, within limits, and replaced at the first log-in. Hashing is slow on purpose and needs much memory: the
//! caller runs it on a bounded pool of its own.
//!
//! Passwords are compared in Unicode's NFC (NIST SP 800-63B-4 §3.1.1.2, RFC 8265 §4.2.2), so that two keyboards type
//! the same `ü`. Read next: [`verify`](self::Verifier) for why every log-in costs the same, `stored.rs` for the forms.

mod candidate;
mod policy;
mod stored;
mod verify;

pub use candidate::{CHARACTERS_MAX, Candidate};
pub use policy::{CHARACTERS_MIN, OWN_WORDS_MAX, Policy, Weakness};
pub use stored::{Cost, CostProblem, HashProblem, STORED_BYTES_MAX, StoredPassword, Work};
pub use verify::{Account, Reason, Standing, Verdict, Verifier, WORKS_MAX};

#[cfg(test)]
mod tests;
