//! The engine: rules that are compiled once, and transactions that they judge.
//!
//! `draft`, `lower` and `compile` make a program of directives; `transaction` walks the phases; `evaluate` is what one rule
//! means; `values`, `live` and `tx` are what rules look at and change; `report` is what came out.

use std::sync::Arc;

use crate::error::RuleError;
use crate::lang::{self, Note, Settings};
use crate::load::Loader;

mod chains;
mod compile;
mod draft;
mod evaluate;
mod filter;
mod live;
mod lower;
mod plan;
mod program;
mod report;
mod request;
mod request_body;
mod scan;
mod transaction;
mod tx;
mod values;

pub use program::About;
pub use report::{Decision, LogContext, Match, MatchedPart, Refusal};
pub use request::{Origin, RequestHead};
pub use transaction::Transaction;

/// A set of rules, compiled. It is shared between threads; a clone is the same set.
#[derive(Debug, Clone)]
pub struct Rules {
    program: Arc<program::Program>,
    plans: Arc<[plan::Plan; 5]>,
    is_filtered: bool,
    notes: Arc<[Note]>,
}

impl Rules {
    /// Reads and compiles the rules of the files that `patterns` stand for, one after the other.
    ///
    /// # Errors
    /// All that is not understood, each with file, line and rule id.
    pub fn load(loader: &mut dyn Loader, patterns: &[&str]) -> Result<Self, Vec<RuleError>> {
        let reading = lang::read(loader, patterns);
        let compiled = compile::compile(reading.directives);
        let mut problems = reading.problems;
        match compiled {
            Ok(compiled) if problems.is_empty() => {
                let mut notes = reading.notes;
                notes.extend(compiled.notes);
                let plans = Arc::new(plan::plans(&compiled.program));
                Ok(Self {
                    program: Arc::new(compiled.program),
                    plans,
                    is_filtered: true,
                    notes: notes.into(),
                })
            }
            // What could not be read leaves gaps, and what they lead to is not told as well.
            Ok(_) => Err(problems),
            Err(more) if problems.is_empty() => Err(more),
            Err(more) => {
                problems.extend(more.into_iter().filter(|problem| problem.rule.is_some()));
                problems.sort_by(|one, two| one.place.cmp(&two.place));
                Err(problems)
            }
        }
    }

    /// The same rules, each of which is asked about each value: for tests that compare, and to find out what filters gain.
    pub fn unfiltered(&self) -> Self {
        Self { is_filtered: false, ..self.clone() }
    }

    /// What has no effect here, which whoever wrote it should know.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// What directives have set.
    pub fn settings(&self) -> &Settings {
        &self.program.settings
    }

    /// How many rules there are, each with all that is chained to it.
    pub fn count(&self) -> usize {
        self.program.rules.len()
    }

    /// What each rule says of itself.
    pub fn about(&self) -> impl Iterator<Item = &About> {
        self.program.rules.iter().map(|rule| &*rule.about)
    }

    /// Begins a transaction.
    pub fn begin(&self, origin: &Origin<'_>) -> Transaction {
        Transaction::new(Arc::clone(&self.program), Arc::clone(&self.plans), self.is_filtered, origin)
    }
}
