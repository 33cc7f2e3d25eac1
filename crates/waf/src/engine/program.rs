//! Rules as they are evaluated: names are numbers, chains are lists, jumps are known.

use std::sync::Arc;

use regex::bytes::Regex;

use crate::action::{Mode, Phase, Scope, Severity};
use crate::engine::chains::{ChainId, Chains};
use crate::engine::tx::{Names, Slot};
use crate::error::Place;
use crate::lang::{Operation, Processor, Settings, Variable};
use crate::transform::Transformation;

/// A compiled set of rules.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) settings: Settings,
    pub(crate) rules: Vec<Rule>,
    /// The numbers of the rules of each phase, in the order in which they are evaluated.
    pub(crate) phases: [Vec<usize>; 5],
    pub(crate) names: Names,
    /// Rules that `ctl` removes, or removes a target from.
    pub(crate) sets: Vec<RuleSet>,
    /// Targets that `ctl` removes.
    pub(crate) removable: Vec<Exception>,
    pub(crate) chains: Chains,
}

impl Program {
    /// Whether a rule looks at a variable, or tells it.
    pub(crate) fn uses(&self, variable: Variable) -> bool {
        let tells = |text: &Text| {
            text.0.iter().any(|piece| matches!(piece, Piece::Value(own, _) if *own == variable))
        };
        self.rules.iter().any(|rule| {
            let told = [&rule.message, &rule.data];
            let links = rule.links.iter();
            told.into_iter().flatten().any(tells)
                || links.filter_map(|link| link.condition.as_ref()).any(|condition| {
                    condition.targets.iter().any(|target| target.variable == variable)
                        || tells(&condition.argument)
                })
        })
    }
}

/// Some of the rules, one bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RuleSet(Vec<u64>);

impl RuleSet {
    pub(crate) fn insert(&mut self, rule: usize) {
        if self.0.len() <= rule / 64 {
            self.0.resize(rule / 64 + 1, 0);
        }
        if let Some(word) = self.0.get_mut(rule / 64) {
            *word |= 1 << (rule % 64);
        }
    }

    pub(crate) fn contains(&self, rule: usize) -> bool {
        self.0.get(rule / 64).is_some_and(|word| word >> (rule % 64) & 1 == 1)
    }

    /// Takes in all rules of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }
}

/// A rule with all that is chained to it.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) about: Arc<About>,
    pub(crate) links: Vec<Link>,
    pub(crate) disruption: Disruption,
    pub(crate) is_logged: bool,
    pub(crate) is_audited: bool,
    pub(crate) message: Option<Text>,
    pub(crate) data: Option<Text>,
    pub(crate) jump: Jump,
}

/// What a rule says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its number.
    pub id: u64,
    /// Where it begins.
    pub place: Place,
    /// When it is evaluated.
    pub phase: Phase,
    /// How bad a match is.
    pub severity: Option<Severity>,
    /// Words by which it can be told apart.
    pub tags: Vec<String>,
    /// The version of its collection.
    pub version: String,
    /// Its revision.
    pub revision: String,
    /// How well tried it is, from 1 to 9; 0 when it does not say.
    pub maturity: u8,
    /// How seldom it is wrong, from 1 to 9; 0 when it does not say.
    pub accuracy: u8,
}

impl About {
    pub(crate) const fn new(id: u64, place: Place, phase: Phase) -> Self {
        Self {
            id,
            place,
            phase,
            severity: None,
            tags: Vec::new(),
            version: String::new(),
            revision: String::new(),
            maturity: 0,
            accuracy: 0,
        }
    }
}

/// What a rule that matched does to the request.
#[derive(Debug)]
pub(crate) enum Disruption {
    Pass,
    Allow(Scope),
    Deny { status: u16 },
    Drop { status: u16 },
    Redirect { status: u16, to: Text },
}

/// Where evaluation goes on after a rule that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jump {
    Next,
    /// At this place in the list of the phase.
    To(usize),
}

/// One rule of a chain.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) place: Place,
    /// `None` for SecAction, which always matches.
    pub(crate) condition: Option<Condition>,
    pub(crate) takes_captures: bool,
    pub(crate) effects: Vec<Effect>,
    /// What a rule further down a chain tells in the place of the first.
    pub(crate) message: Option<Text>,
    pub(crate) data: Option<Text>,
}

/// When a rule matches.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) targets: Vec<Target>,
    pub(crate) exceptions: Vec<Exception>,
    pub(crate) transformations: Vec<Transformation>,
    pub(crate) chain: ChainId,
    pub(crate) tries_each: bool,
    pub(crate) operation: Operation,
    /// The operator's argument, when it is one that compares.
    pub(crate) argument: Text,
}

/// What a rule looks at.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) variable: Variable,
    pub(crate) part: Part,
    pub(crate) is_count: bool,
}

/// Which values of a collection are meant.
#[derive(Debug)]
pub(crate) enum Part {
    All,
    Name(Box<[u8]>),
    Pattern(Regex),
    Slot(Slot, Box<[u8]>),
}

/// What a rule does not look at.
#[derive(Debug)]
pub(crate) struct Exception {
    pub(crate) variable: Variable,
    pub(crate) part: Part,
}

impl Part {
    /// Whether a value of this name is meant.
    pub(crate) fn selects(&self, variable: Variable, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Name(own) if variable.ignores_case() => name.eq_ignore_ascii_case(own),
            Self::Name(own) => name == &**own,
            Self::Pattern(pattern) => pattern.is_match(name),
            Self::Slot(_, own) => name.eq_ignore_ascii_case(own),
        }
    }
}

impl Exception {
    /// Whether a value of this name is meant.
    pub(crate) fn covers(&self, variable: Variable, name: &[u8]) -> bool {
        self.variable == variable && self.part.selects(variable, name)
    }
}

/// A text with the places of its macros.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) Vec<Piece>);

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(Box<[u8]>),
    Tx(Slot),
    Value(Variable, Option<Box<[u8]>>),
}

impl Text {
    /// The text, when no macro is in it.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [] => Some(&[]),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// What a rule of a chain does each time when one of its values matches.
#[derive(Debug)]
pub(crate) enum Effect {
    SetTx {
        slot: Slot,
        change: Change,
    },
    /// A name with macros, or a collection other than TX.
    SetNamed {
        collection: Variable,
        name: Text,
        change: Change,
    },
    SetEnvironment {
        name: Text,
        value: Text,
    },
    SetSession(Text),
    SetUser(Text),
    AuditEngine(bool),
    ForceRequestBodyVariable(bool),
    RequestBodyAccess(bool),
    RequestBodyLimit(usize),
    RequestBodyProcessor(Processor),
    ResponseBodyAccess(bool),
    ResponseBodyLimit(usize),
    RuleEngine(Mode),
    RemoveRules {
        set: usize,
    },
    RemoveTarget {
        set: usize,
        target: usize,
    },
}

/// How a variable changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Set(Text),
    Add(Text),
    Subtract(Text),
    Unset,
}
