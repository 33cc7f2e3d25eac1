//! What changes while rules are evaluated: TX, what matched last, what rules have switched or removed.

use crate::action::{Mode, Severity};
use crate::engine::program::{Piece, Program, Rule, RuleSet, Text};
use crate::engine::tx::{Held, Tx};
use crate::engine::values::Values;
use crate::lang::{Processor, Variable};

/// The most variables of collections other than TX that the rules of one transaction can make.
const OTHERS_MAX: usize = 1_000;

/// The state of a transaction besides its values.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) tx: Tx,
    pub(crate) mode: Mode,
    pub(crate) processor: Option<Processor>,
    pub(crate) is_body_forced: bool,
    pub(crate) request_body_access: bool,
    pub(crate) request_body_bytes_max: usize,
    pub(crate) response_body_access: bool,
    pub(crate) response_body_bytes_max: usize,
    pub(crate) is_audited: bool,
    pub(crate) worst: Option<Severity>,
    pub(crate) session: Vec<u8>,
    pub(crate) user: Vec<u8>,
    /// Rules that `ctl` removed.
    pub(crate) removed: RuleSet,
    /// How often `ctl` removed rules.
    pub(crate) removals: usize,
    /// Targets that `ctl` removed: numbers of the rules' set and of the exception.
    pub(crate) removed_targets: Vec<(usize, usize)>,
    /// What the rule of the chain that is evaluated has matched.
    pub(crate) matches: Matches,
    /// What the rule before it in the chain has matched.
    pub(crate) matches_before: Matches,
    others: Vec<(Variable, Box<[u8]>, Held)>,
    /// How much work was done, in bytes that operators looked at.
    pub(crate) steps: u64,
}

/// Values that matched, in order, in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    bytes: Vec<u8>,
    ends: Vec<(usize, usize)>,
}

impl Matches {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a value, whose name comes in parts.
    pub(crate) fn push_parts(&mut self, name: &[&[u8]], value: &[u8]) {
        name.iter().for_each(|part| self.bytes.extend_from_slice(part));
        let name_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((name_end, self.bytes.len()));
    }

    /// Names and values.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        let places: Vec<(usize, usize, usize)> =
            starts.zip(&self.ends).map(|(start, (name, value))| (start, *name, *value)).collect();
        places.into_iter().map(|(start, name, value)| (self.part(start, name), self.part(name, value)))
    }

    pub(crate) fn last(&self) -> Option<(&[u8], &[u8])> {
        let (name, value) = *self.ends.last()?;
        let before = self.ends.len().checked_sub(2).and_then(|at| self.ends.get(at));
        let start = before.map_or(0, |(_, end)| *end);
        Some((self.part(start, name), self.part(name, value)))
    }

    fn part(&self, start: usize, end: usize) -> &[u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }
}

impl Live {
    pub(crate) fn new(program: &Program) -> Self {
        let settings = &program.settings;
        Self {
            tx: Tx::new(&program.names),
            mode: settings.mode,
            processor: None,
            is_body_forced: false,
            request_body_access: settings.request_body_access,
            request_body_bytes_max: settings.request_body_bytes_max,
            response_body_access: settings.response_body_access,
            response_body_bytes_max: settings.response_body_bytes_max,
            is_audited: true,
            worst: None,
            session: Vec::new(),
            user: Vec::new(),
            removed: RuleSet::default(),
            removals: 0,
            removed_targets: Vec::new(),
            matches: Matches::default(),
            matches_before: Matches::default(),
            others: Vec::new(),
            steps: 0,
        }
    }

    /// What matched last, in this rule or in the one before it in the chain.
    pub(crate) fn matched(&self) -> Option<(&[u8], &[u8])> {
        self.matches.last().or_else(|| self.matches_before.last())
    }

    /// Changes a variable of a collection that is not TX.
    pub(crate) fn change(&mut self, collection: Variable, name: &[u8], change: impl FnOnce(&mut Held)) {
        let lower = name.to_ascii_lowercase();
        let known = self.others.iter_mut().find(|(own, known, _)| *own == collection && **known == *lower);
        if let Some((_, _, held)) = known {
            change(held);
        } else if self.others.len() < OTHERS_MAX {
            let mut held = Held::Nothing;
            change(&mut held);
            self.others.push((collection, lower.into_boxed_slice(), held));
        }
    }

    /// The variables of a collection that is not TX.
    pub(crate) fn others(&self, collection: Variable) -> impl Iterator<Item = (&[u8], &Held)> {
        let own =
            self.others.iter().filter(move |(own, _, held)| *own == collection && *held != Held::Nothing);
        own.map(|(_, name, held)| (&**name, held))
    }
}

/// All that a rule can see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) program: &'a Program,
    pub(crate) rule: &'a Rule,
    pub(crate) values: &'a Values,
    pub(crate) live: &'a Live,
}

impl Sight<'_> {
    /// A text with its macros replaced.
    pub(crate) fn expand(&self, text: &Text) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in &text.0 {
            match piece {
                Piece::Literal(literal) => out.extend_from_slice(literal),
                Piece::Tx(slot) => self.live.tx.get(*slot).write(&mut out),
                Piece::Value(variable, name) => self.write(*variable, name.as_deref(), &mut out),
            }
        }
        out
    }

    /// A text as a number.
    pub(crate) fn number(&self, text: &Text) -> i64 {
        match text.0.as_slice() {
            [Piece::Tx(slot)] => self.live.tx.get(*slot).number(),
            _ => crate::engine::tx::number(&self.expand(text)),
        }
    }

    /// Writes the value of a variable; of a collection, the first of this name, or the first of all.
    fn write(&self, variable: Variable, name: Option<&[u8]>, out: &mut Vec<u8>) {
        if let Some(value) = self.changing(variable) {
            return out.extend_from_slice(&value);
        }
        if !is_live(variable) {
            let value = match variable.shape() {
                crate::lang::Shape::Single => Some(self.values.single(variable)),
                crate::lang::Shape::Collection => self.values.first(variable, name),
            };
            return out.extend_from_slice(value.unwrap_or_default());
        }
        let all = self.live_values(variable);
        let found = all.iter().find(|(own, _)| name.is_none_or(|name| own.eq_ignore_ascii_case(name)));
        out.extend_from_slice(found.map_or(&[][..], |(_, value)| value));
    }

    /// A variable of one value that changes while rules are evaluated.
    pub(crate) fn changing(&self, variable: Variable) -> Option<Vec<u8>> {
        let live = self.live;
        Some(match variable {
            Variable::MatchedVar => live.matched().map(|(_, value)| value.to_vec()).unwrap_or_default(),
            Variable::MatchedVarName => live.matched().map(|(name, _)| name.to_vec()).unwrap_or_default(),
            Variable::HighestSeverity => live.worst.map_or(255, Severity::number).to_string().into_bytes(),
            Variable::ReqbodyProcessor => live.processor.map_or("", Processor::name).as_bytes().to_vec(),
            Variable::SessionId => live.session.clone(),
            Variable::UserId => live.user.clone(),
            _ => return None,
        })
    }

    /// The values of a collection that changes while rules are evaluated.
    pub(crate) fn live_values(&self, variable: Variable) -> Vec<(Vec<u8>, Vec<u8>)> {
        let owned = |(name, held): (&[u8], &Held)| {
            let mut value = Vec::new();
            held.write(&mut value);
            (name.to_vec(), value)
        };
        match variable {
            Variable::Tx => self.live.tx.all(&self.program.names).map(owned).collect(),
            Variable::MatchedVars => {
                let matches = self.live.matches_before.iter();
                matches.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
            }
            Variable::MatchedVarsNames => {
                let matches = self.live.matches_before.iter();
                matches.map(|(name, _)| (name.to_vec(), name.to_vec())).collect()
            }
            Variable::Rule => self.about_rule(),
            other => self.live.others(other).map(owned).collect(),
        }
    }

    /// RULE: what the rule says of itself.
    fn about_rule(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let about = &self.rule.about;
        let text = |text: &Option<Text>| text.as_ref().and_then(Text::literal).unwrap_or_default().to_vec();
        let severity = about.severity.map(|severity| severity.number().to_string()).unwrap_or_default();
        vec![
            (b"id".to_vec(), about.id.to_string().into_bytes()),
            (b"rev".to_vec(), about.revision.clone().into_bytes()),
            (b"severity".to_vec(), severity.into_bytes()),
            (b"msg".to_vec(), text(&self.rule.message)),
            (b"logdata".to_vec(), text(&self.rule.data)),
        ]
    }
}

/// Whether a variable can change while the rules of a phase are evaluated.
pub(crate) const fn is_live(variable: Variable) -> bool {
    matches!(
        variable,
        Variable::Tx
            | Variable::MatchedVar
            | Variable::MatchedVarName
            | Variable::MatchedVars
            | Variable::MatchedVarsNames
            | Variable::HighestSeverity
            | Variable::ReqbodyProcessor
            | Variable::SessionId
            | Variable::UserId
            | Variable::Rule
            | Variable::Env
            | Variable::Geo
            | Variable::Ip
            | Variable::Global
            | Variable::Session
            | Variable::User
            | Variable::Resource
    )
}
