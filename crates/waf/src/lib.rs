//! A rule engine that reads SecLang, the language of ModSecurity's rules, and judges requests and answers by it.
//!
//! What is not understood is refused when rules are loaded, with file, line and rule id ([`RuleError`]); nothing is
//! skipped in silence. Bytes are judged as bytes: no value has to be UTF-8.
//!
//! Pure by rule: no clock, no randomness, no file, no socket and no runtime is in here. Rule files and word lists come
//! through [`Loader`]. It knows nothing of the other crates, so that it can be used alone. Read next: [`load`].

pub mod body;
pub mod bytes;
pub mod captures;
mod error;
pub mod filter;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod load;
pub mod operator;
pub mod transform;

pub use bytes::ByteSet;
pub use captures::Captures;
pub use error::{Place, Problem, RuleError};
pub use load::{LoadError, Loader, Source};
pub use operator::{Comparison, Operator};
pub use transform::Transformation;
