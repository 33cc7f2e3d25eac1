//! Actions: what a rule does when it matches, and what is told of it.
//!
//! One file each, with an example that a test reads. An action that is not listed is refused when rules are loaded.

use crate::error::Problem;
use crate::lang::{Target, Template, Which};
use crate::transform::Transformation;

mod accuracy;
mod allow;
mod auditlog;
mod block;
mod capture;
mod chain;
mod ctl;
mod deny;
mod drop;
mod expirevar;
mod id;
mod initcol;
mod list;
mod log;
mod logdata;
mod maturity;
mod msg;
mod multi_match;
mod noauditlog;
mod nolog;
mod pass;
mod phase;
mod redirect;
mod rev;
mod setenv;
mod setsid;
mod setuid;
mod setvar;
mod severity;
mod skip;
mod skip_after;
mod status;
mod t;
mod tag;
mod ver;

pub use ctl::Mode;
pub(crate) use list::parse_list;
pub use phase::Phase;
pub use severity::Severity;

/// An action as it is written, with what it means checked.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Allow(Scope),
    AuditLog(bool),
    Block,
    Capture,
    Chain,
    Ctl(Ctl),
    Deny,
    Drop,
    Id(u64),
    InitCollection,
    Log(bool),
    LogData(Template),
    Message(Template),
    MultiMatch,
    Pass,
    Phase(Phase),
    Redirect(Template),
    Revision(String),
    SetEnvironment { name: Template, value: Template },
    SetSession(Template),
    SetUser(Template),
    SetVariable(SetVariable),
    Severity(Severity),
    Skip(usize),
    SkipAfter(String),
    Status(u16),
    Tag(String),
    Transform(Transformation),
    ForgetTransformations,
    Version(String),
    Accuracy(u8),
    Maturity(u8),
    ExpireVariable,
}

/// How far `allow` reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The rest of all phases but the last.
    Transaction,
    /// The rest of this phase.
    Phase,
    /// The rest of the phases of the request.
    Request,
}

/// What `setvar` does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SetVariable {
    pub(crate) collection: crate::lang::Variable,
    pub(crate) name: Template,
    pub(crate) change: Change,
}

/// How a variable changes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Set(Template),
    Add(Template),
    Subtract(Template),
    Unset,
}

/// What `ctl` changes for the rest of the transaction.
#[derive(Debug, Clone)]
pub(crate) enum Ctl {
    AuditEngine(bool),
    ForceRequestBodyVariable(bool),
    RequestBodyAccess(bool),
    RequestBodyLimit(usize),
    RequestBodyProcessor(crate::lang::Processor),
    ResponseBodyAccess(bool),
    ResponseBodyLimit(usize),
    RuleEngine(Mode),
    RemoveRules(Which),
    RemoveTarget(Which, Target),
    /// About a log that is not ours.
    Nothing,
}

/// One action: how it is called, what it does, and how its argument is read.
pub(crate) struct Entry {
    /// As rules write it; read in any case.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) what: &'static str,
    /// A rule's action list that uses it.
    pub(crate) example: &'static str,
    parse: fn(Option<&str>) -> Result<Action, Problem>,
}

const ALL: &[Entry] = &[
    accuracy::ENTRY,
    allow::ENTRY,
    auditlog::ENTRY,
    block::ENTRY,
    capture::ENTRY,
    chain::ENTRY,
    ctl::ENTRY,
    deny::ENTRY,
    drop::ENTRY,
    expirevar::ENTRY,
    id::ENTRY,
    initcol::ENTRY,
    log::ENTRY,
    logdata::ENTRY,
    maturity::ENTRY,
    msg::ENTRY,
    multi_match::ENTRY,
    noauditlog::ENTRY,
    nolog::ENTRY,
    pass::ENTRY,
    phase::ENTRY,
    redirect::ENTRY,
    rev::ENTRY,
    setenv::ENTRY,
    setsid::ENTRY,
    setuid::ENTRY,
    setvar::ENTRY,
    severity::ENTRY,
    skip::ENTRY,
    skip_after::ENTRY,
    status::ENTRY,
    t::ENTRY,
    tag::ENTRY,
    ver::ENTRY,
];

/// Every action: its name, what it does, an example.
pub fn actions() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    ALL.iter().map(|entry| (entry.name, entry.what, entry.example))
}

/// An action that takes no argument.
fn bare(name: &str, argument: Option<&str>, action: Action) -> Result<Action, Problem> {
    match argument {
        None => Ok(action),
        Some(argument) => Err(Problem::argument(name, format!("it takes no argument, here is `{argument}`"))),
    }
}

/// The argument of an action that needs one.
fn needed<'a>(name: &str, argument: Option<&'a str>) -> Result<&'a str, Problem> {
    match argument {
        Some(argument) if !argument.is_empty() => Ok(argument),
        _ => Err(Problem::argument(name, "it needs an argument")),
    }
}

/// An argument that is a number from `first` to `last`.
fn number<T>(name: &str, argument: Option<&str>, first: T, last: T) -> Result<T, Problem>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let text = needed(name, argument)?;
    match text.parse::<T>() {
        Ok(number) if number >= first && number <= last => Ok(number),
        _ => Err(Problem::argument(name, format!("`{text}` is not a number from {first} to {last}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_example_uses_its_action() {
        for entry in ALL {
            let actions =
                parse_list(entry.example).unwrap_or_else(|problem| panic!("{}: {problem}", entry.name));
            assert!(!actions.is_empty() && entry.example.contains(entry.name), "{}", entry.name);
            assert!(entry.what.ends_with('.'), "{}", entry.name);
        }
        assert!(ALL.is_sorted_by(|one, two| one.name.to_lowercase() < two.name.to_lowercase()));
    }
}
