//! One rule over the values of a transaction: what rules mean.
//!
//! Without a scan, every value is transformed anew and asked. With one, what is known already is taken from there; both come
//! to the same end.

use std::borrow::Cow;

use crate::captures::Captures;
use crate::engine::chains::ChainId;
use crate::engine::live::{Live, Sight, is_live};
use crate::engine::plan;
use crate::engine::program::{
    Change, Condition, Effect, Exception, Link, Part, Program, Rule, RuleSet, Target,
};
use crate::engine::scan::{Scan, ValueId, after};
use crate::engine::tx::Held;
use crate::engine::values::{Values, sources};
use crate::lang::{Shape, Test, Variable};
use crate::transform::Transformation;

/// What one value added to a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Which rule of the chain, from 0.
    pub(crate) link: usize,
    /// Which variable, and which part of it.
    pub(crate) name: Vec<u8>,
    /// The value after transformations.
    pub(crate) value: Vec<u8>,
    /// What the operator found in it.
    pub(crate) part: Option<Vec<u8>>,
}

/// The most values that are told of one match.
const FOUND_MAX: usize = 16;

/// How much of a value is told.
const FOUND_BYTES_MAX: usize = 512;

/// What each test costs besides the bytes of its value.
const STEPS_OF_A_TEST: u64 = 16;

/// The rule of the chain that is evaluated.
#[derive(Clone, Copy)]
struct At<'a> {
    number: usize,
    link: &'a Link,
    condition: &'a Condition,
    /// Only values that passed the filter can match it.
    is_filtered: bool,
}

/// The name of a value.
#[derive(Clone, Copy)]
enum Name<'a> {
    /// A part of a variable, or the variable itself.
    Part(Variable, &'a [u8]),
    /// As it was known when it matched before.
    Known(&'a [u8]),
    /// How many parts there are.
    Count(&'a Target),
}

/// Evaluation of one rule.
pub(crate) struct Evaluation<'a> {
    pub(crate) program: &'a Program,
    pub(crate) number: usize,
    /// Its place in the list of its phase.
    pub(crate) position: usize,
    pub(crate) rule: &'a Rule,
    pub(crate) values: &'a Values,
    pub(crate) live: &'a mut Live,
    pub(crate) found: Vec<Found>,
}

impl<'a> Evaluation<'a> {
    /// Whether the rule and all that is chained to it match. What its rules do on the way is done. With a scan, values are
    /// transformed once for all rules, and those that cannot match are not asked.
    pub(crate) fn matches(&mut self, mut scan: Option<&mut Scan>) -> bool {
        self.live.matches.clear();
        self.live.matches_before.clear();
        let rule = self.rule;
        let is_scanned = scan.as_ref().is_some_and(|scan| scan.is_scanned(self.position));
        let filtered = if is_scanned { plan::filtered_link(rule) } else { None };
        rule.links.iter().enumerate().all(|(number, link)| {
            let Some(condition) = &link.condition else {
                self.apply(&link.effects);
                return true;
            };
            let at = At { number, link, condition, is_filtered: filtered == Some(number) };
            self.link(at, scan.as_deref_mut())
        })
    }

    fn sight(&self) -> Sight<'_> {
        Sight { program: self.program, rule: self.rule, values: self.values, live: self.live }
    }

    fn link(&mut self, at: At<'a>, mut scan: Option<&mut Scan>) -> bool {
        let mut has_matched = false;
        for target in &at.condition.targets {
            has_matched |= self.target(at, target, scan.as_deref_mut());
        }
        std::mem::swap(&mut self.live.matches, &mut self.live.matches_before);
        self.live.matches.clear();
        has_matched
    }

    fn target(&mut self, at: At<'a>, target: &'a Target, mut scan: Option<&mut Scan>) -> bool {
        let (variable, condition) = (target.variable, at.condition);
        if target.is_count {
            let count = self.count(condition, target).to_string();
            return self.plain(at, Name::Count(target), count.as_bytes());
        }
        let mut has_matched = false;
        if is_live(variable) {
            for (name, value) in self.live_values(target) {
                if !self.is_excepted(condition, variable, &name) {
                    let known = self.known_name(variable, &name);
                    let name = known.as_deref().map_or(Name::Part(variable, &name), Name::Known);
                    has_matched |= self.plain(at, name, &value);
                }
            }
            return has_matched;
        }
        let values = self.values;
        for source in sources(variable) {
            let first = scan.as_deref_mut().map(|scan| scan.first(values, source));
            for position in 0..values.count(source) {
                let kept = scan.as_deref_mut().zip(first).map(|(scan, first)| (scan, after(first, position)));
                if at.is_filtered
                    && kept.as_ref().is_some_and(|(scan, value)| !scan.survives(*value, self.position))
                {
                    continue;
                }
                let name = values.name(source, position);
                if !target.part.selects(variable, name) || self.is_excepted(condition, variable, name) {
                    continue;
                }
                let name = Name::Part(variable, name);
                has_matched |= match kept {
                    Some((scan, value)) => self.kept(at, name, scan, value),
                    None => self.plain(at, name, values.at(values.span(source, position))),
                };
            }
        }
        has_matched
    }

    /// A value that matched before is still known by the name under which it was found.
    fn known_name(&self, variable: Variable, name: &[u8]) -> Option<Vec<u8>> {
        match variable {
            Variable::MatchedVars | Variable::MatchedVarsNames => Some(name.to_vec()),
            Variable::MatchedVar => {
                Some(self.live.matched().map(|(name, _)| name.to_vec()).unwrap_or_default())
            }
            _ => None,
        }
    }

    fn live_values(&self, target: &Target) -> Vec<(Vec<u8>, Vec<u8>)> {
        let sight = self.sight();
        if let Some(value) = sight.changing(target.variable) {
            return vec![(Vec::new(), value)];
        }
        if let Part::Slot(slot, name) = &target.part {
            let held = self.live.tx.get(*slot);
            let mut value = Vec::new();
            held.write(&mut value);
            return if *held == Held::Nothing { Vec::new() } else { vec![(name.to_vec(), value)] };
        }
        let mut all = sight.live_values(target.variable);
        all.retain(|(name, _)| target.part.selects(target.variable, name));
        all
    }

    fn count(&self, condition: &Condition, target: &Target) -> usize {
        let variable = target.variable;
        let counts = |name: &[u8]| !self.is_excepted(condition, variable, name);
        if is_live(variable) {
            return self.live_values(target).iter().filter(|(name, _)| counts(name)).count();
        }
        if variable.shape() == Shape::Single {
            return usize::from(!self.values.single(variable).is_empty() && counts(b""));
        }
        let all =
            sources(variable).flat_map(|source| (0..self.values.count(source)).map(move |at| (source, at)));
        let names = all.map(|(source, at)| self.values.name(source, at));
        names.filter(|name| target.part.selects(variable, name) && counts(name)).count()
    }

    fn is_excepted(&self, condition: &Condition, variable: Variable, name: &[u8]) -> bool {
        let covers = |exception: &Exception| exception.covers(variable, name);
        condition.exceptions.iter().any(covers)
            || self.live.removed_targets.iter().any(|(set, target)| {
                self.program.sets.get(*set).is_some_and(|set: &RuleSet| set.contains(self.number))
                    && self.program.removable.get(*target).is_some_and(covers)
            })
    }

    /// One value: as it is after all transformations, or after each of them.
    fn plain(&mut self, at: At<'a>, name: Name<'_>, value: &[u8]) -> bool {
        let condition = at.condition;
        if !condition.tries_each {
            let value = transformed(value, &condition.transformations);
            return self.tried(at, name, &value);
        }
        let mut has_matched = self.tried(at, name, value);
        let mut value = Cow::Borrowed(value);
        for transformation in &condition.transformations {
            let next = step(Cow::Borrowed(&value), *transformation).into_owned();
            if next != *value {
                has_matched |= self.tried(at, name, &next);
                value = Cow::Owned(next);
            }
        }
        has_matched
    }

    /// The same for a value whose transformations are remembered.
    fn kept(&mut self, at: At<'a>, name: Name<'_>, scan: &mut Scan, value: ValueId) -> bool {
        let (values, chains) = (self.values, &self.program.chains);
        if !at.condition.tries_each {
            let text = scan.text(values, chains, value, at.condition.chain);
            return self.tried(at, name, scan.bytes(values, text));
        }
        let mut path: Vec<ChainId> = chains.path(at.condition.chain).collect();
        path.reverse();
        let (mut has_matched, mut before) = (false, None);
        for chain in path {
            let text = scan.text(values, chains, value, chain);
            let is_new = before.is_none_or(|before| {
                before != text && scan.bytes(values, before) != scan.bytes(values, text)
            });
            if is_new {
                has_matched |= self.tried(at, name, scan.bytes(values, text));
                before = Some(text);
            }
        }
        has_matched
    }

    fn tried(&mut self, at: At<'a>, name: Name<'_>, value: &[u8]) -> bool {
        let At { number, link, condition, .. } = at;
        let mut captures = Captures::default();
        let has_matched = self.test(condition, value, link.takes_captures, &mut captures);
        if has_matched == condition.operation.is_negated {
            return false;
        }
        self.live.matches.push_parts(&name.parts(), value);
        if link.takes_captures && has_matched {
            for capture in 0..crate::captures::CAPTURES_MAX {
                self.live.tx.capture(capture, captures.text(capture));
            }
        }
        self.tell(number, name, value, captures.text(0).filter(|_| has_matched));
        self.apply(&link.effects);
        true
    }

    fn test(
        &mut self,
        condition: &Condition,
        value: &[u8],
        takes_captures: bool,
        captures: &mut Captures,
    ) -> bool {
        self.live.steps += value.len() as u64 + STEPS_OF_A_TEST;
        match &condition.operation.test {
            Test::Pattern(pattern) if takes_captures => match pattern.captures(value) {
                Some(groups) => {
                    for (number, group) in groups.iter().enumerate() {
                        if let Some(group) = group {
                            captures.set(number, group.as_bytes());
                        }
                    }
                    true
                }
                None => false,
            },
            Test::Pattern(pattern) => pattern.is_match(value),
            Test::PatternGlobal(pattern) => {
                let found = pattern.find_iter(value).take(crate::captures::CAPTURES_MAX);
                found.enumerate().for_each(|(number, found)| captures.set(number, found.as_bytes()));
                captures.text(0).is_some()
            }
            Test::Compare(comparison, _) => match condition.argument.literal() {
                Some(argument) => comparison.matches(value, argument, captures),
                None => {
                    let argument = self.sight().expand(&condition.argument);
                    comparison.matches(value, &argument, captures)
                }
            },
            Test::Other(operator) => operator.matches(value, captures),
        }
    }

    fn tell(&mut self, link: usize, name: Name<'_>, value: &[u8], part: Option<&[u8]>) {
        if self.rule.is_logged && self.found.len() < FOUND_MAX {
            let beginning = |text: &[u8]| text.get(..FOUND_BYTES_MAX).unwrap_or(text).to_vec();
            self.found.push(Found {
                link,
                name: beginning(&name.parts().concat()),
                value: beginning(value),
                part: part.map(beginning),
            });
        }
    }

    fn apply(&mut self, effects: &'a [Effect]) {
        for effect in effects {
            self.effect(effect);
        }
    }

    fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::SetTx { slot, change } => {
                let mut held = self.live.tx.get(*slot).clone();
                self.change(&mut held, change);
                self.live.tx.set(*slot, held);
            }
            Effect::SetNamed { collection, name, change } => {
                let name = self.sight().expand(name);
                self.set_named(*collection, &name, change);
            }
            Effect::SetEnvironment { name, value } => {
                let (name, value) = (self.sight().expand(name), self.sight().expand(value));
                self.live.change(Variable::Env, &name, |held| *held = Held::of(&value));
            }
            Effect::SetSession(text) => self.live.session = self.sight().expand(text),
            Effect::SetUser(text) => self.live.user = self.sight().expand(text),
            Effect::AuditEngine(on) => self.live.is_audited = *on,
            Effect::ForceRequestBodyVariable(on) => self.live.is_body_forced = *on,
            Effect::RequestBodyAccess(on) => self.live.request_body_access = *on,
            Effect::RequestBodyLimit(bytes) => self.live.request_body_bytes_max = *bytes,
            Effect::RequestBodyProcessor(processor) => self.live.processor = Some(*processor),
            Effect::ResponseBodyAccess(on) => self.live.response_body_access = *on,
            Effect::ResponseBodyLimit(bytes) => self.live.response_body_bytes_max = *bytes,
            Effect::RuleEngine(mode) => self.live.mode = *mode,
            Effect::RemoveRules { set } => {
                if let Some(set) = self.program.sets.get(*set) {
                    self.live.removed.merge(set);
                    self.live.removals += 1;
                }
            }
            Effect::RemoveTarget { set, target } => {
                if !self.live.removed_targets.contains(&(*set, *target)) {
                    self.live.removed_targets.push((*set, *target));
                }
            }
        }
    }

    fn set_named(&mut self, collection: Variable, name: &[u8], change: &Change) {
        let read = |held: &Held| held.clone();
        let mut held = Held::Nothing;
        if collection == Variable::Tx {
            self.live.tx.change(&self.program.names, name, |own| held = read(own));
        } else {
            self.live.change(collection, name, |own| held = read(own));
        }
        self.change(&mut held, change);
        if collection == Variable::Tx {
            self.live.tx.change(&self.program.names, name, |own| *own = held);
        } else {
            self.live.change(collection, name, |own| *own = held);
        }
    }

    fn change(&self, held: &mut Held, change: &Change) {
        *held = match change {
            Change::Set(text) => Held::of(&self.sight().expand(text)),
            Change::Add(amount) => Held::Number(held.number().saturating_add(self.sight().number(amount))),
            Change::Subtract(amount) => {
                Held::Number(held.number().saturating_sub(self.sight().number(amount)))
            }
            Change::Unset => Held::Nothing,
        };
    }
}

impl<'a> Name<'a> {
    /// `ARGS:name`, in parts.
    fn parts(self) -> [&'a [u8]; 4] {
        match self {
            Self::Known(name) => [name, b"", b"", b""],
            Self::Part(variable, _) if variable.shape() == Shape::Single => {
                [variable.name().as_bytes(), b"", b"", b""]
            }
            Self::Part(variable, name) => [variable.name().as_bytes(), b":", name, b""],
            Self::Count(target) => {
                let variable = target.variable.name().as_bytes();
                match &target.part {
                    Part::Name(name) | Part::Slot(_, name) => [b"&", variable, b":", name],
                    Part::All | Part::Pattern(_) => [b"&", variable, b"", b""],
                }
            }
        }
    }
}

fn transformed<'v>(value: &'v [u8], transformations: &[Transformation]) -> Cow<'v, [u8]> {
    transformations.iter().fold(Cow::Borrowed(value), |value, transformation| step(value, *transformation))
}

fn step(value: Cow<'_, [u8]>, transformation: Transformation) -> Cow<'_, [u8]> {
    match value {
        Cow::Borrowed(value) => transformation.apply(value),
        Cow::Owned(value) => Cow::Owned(transformation.apply(&value).into_owned()),
    }
}
