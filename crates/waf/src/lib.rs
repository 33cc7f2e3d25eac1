//! A rule engine that reads SecLang, the language of ModSecurity's rules, and judges requests and answers by it.
//!
//! What is not understood is refused when rules are loaded, with file, line and rule id ([`RuleError`]); nothing is
//! skipped in silence. Bytes are judged as bytes: no value has to be UTF-8.
//!
//! Pure by rule: no clock, no randomness, no file, no socket and no runtime is in here. Rule files and word lists come
//! through [`Loader`]. It knows nothing of the other crates, so that it can be used alone. Read next: [`load`].

mod action;
pub mod body;
pub mod bytes;
pub mod captures;
mod engine;
mod error;
pub mod ftw;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod lang;
pub mod load;
pub mod operator;
mod pattern;
pub mod transform;

pub use action::{Mode, Phase, Severity, actions};
pub use bytes::ByteSet;
pub use captures::Captures;
pub use engine::{
    About, Decision, LogContext, Match, MatchedPart, Origin, Refusal, RequestHead, Rules, Transaction,
};
pub use error::{Place, Problem, RuleError};
pub use lang::{LimitAction, Note, Processor, Settings, Variable};
pub use load::{LoadError, Loader, Source};
pub use operator::{Comparison, Operator};
pub use transform::Transformation;
