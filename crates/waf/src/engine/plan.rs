//! How a phase is walked so that most of its rules are never asked.
//!
//! A rule is *filtered* when one of its conditions looks only at values that do not change while the phase is evaluated,
//! and nothing that comes before this condition in its chain does anything: then it need only be asked where a value passes
//! the filter. A *gate* is a rule that compares a number of TX and jumps, like those of paranoia levels: all gates are
//! decided at once. All other rules are always asked.

use crate::engine::chains::{ChainId, Chains};
use crate::engine::filter::{self, Bits, Filter, Needs};
use crate::engine::live::is_live;
use crate::engine::program::{Condition, Disruption, Effect, Jump, Part, Piece, Program, Rule, Target, Text};
use crate::engine::tx::{self, Names, Slot};
use crate::engine::values::{Source, sources};
use crate::lang::{Test, Variable};
use crate::operator::{Comparison, Operator};

/// The plan of one phase. Rules are meant by their places in its list.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) count: usize,
    /// Up to here rules set what gates compare, so they are evaluated one by one.
    pub(crate) plain_until: usize,
    pub(crate) gates: Vec<Gate>,
    pub(crate) filtered: Bits,
    pub(crate) filter: Filter,
    pub(crate) sources: Vec<SourcePlan>,
}

/// A rule that compares a number and jumps.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) position: usize,
    slot: Slot,
    comparison: Comparison,
    number: i64,
    is_negated: bool,
    pub(crate) end: usize,
}

/// What looks at the values of one source.
#[derive(Debug)]
pub(crate) struct SourcePlan {
    pub(crate) source: Source,
    /// All rules that look at any of its values.
    pub(crate) rules: Bits,
    /// Rules that look at all of its values, by chain; shorter chains first.
    pub(crate) all: Vec<(ChainId, Bits)>,
    /// Rules that look at values of one name.
    pub(crate) named: Vec<Named>,
}

/// A rule that looks at values of one name.
#[derive(Debug)]
pub(crate) struct Named {
    name: Box<[u8]>,
    ignores_case: bool,
    pub(crate) chain: ChainId,
    pub(crate) rule: usize,
}

impl Named {
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        if self.ignores_case { name.eq_ignore_ascii_case(&self.name) } else { name == &*self.name }
    }
}

impl Gate {
    /// Whether it jumps.
    pub(crate) fn holds(&self, tx: &tx::Tx) -> bool {
        let held = tx.get(self.slot);
        if *held == tx::Held::Nothing {
            return false;
        }
        let (value, number) = (held.number(), self.number);
        let holds = match self.comparison {
            Comparison::Eq => value == number,
            Comparison::Ge => value >= number,
            Comparison::Gt => value > number,
            Comparison::Le => value <= number,
            Comparison::Lt => value < number,
            _ => false,
        };
        holds != self.is_negated
    }
}

/// Which condition of a rule is filtered: the first that looks only at values that stay, with nothing done before it.
pub(crate) fn filtered_link(rule: &Rule) -> Option<usize> {
    for (number, link) in rule.links.iter().enumerate() {
        let condition = link.condition.as_ref()?;
        if condition.targets.iter().all(|target| !target.is_count && !is_live(target.variable)) {
            return Some(number);
        }
        if !link.effects.is_empty() || link.takes_captures {
            return None;
        }
    }
    None
}

impl Plan {
    pub(crate) fn new(list: &[usize], rules: &[Rule], chains: &Chains, names: &Names) -> Self {
        let of_phase: Vec<&Rule> = list.iter().filter_map(|number| rules.get(*number)).collect();
        let count = of_phase.len();
        let words = count.div_ceil(64);
        let mut gates: Vec<Gate> =
            of_phase.iter().enumerate().filter_map(|(position, rule)| gate(position, rule)).collect();
        let plain_until = plain_until(&of_phase, &gates, names);
        gates.retain(|gate| gate.position >= plain_until);
        let mut filtered = filter::none(words);
        let mut needs = Vec::new();
        let mut sources = Vec::new();
        for (position, rule) in of_phase.iter().enumerate() {
            if gates.iter().any(|gate| gate.position == position) {
                continue;
            }
            let link = filtered_link(rule).filter(|_| position >= plain_until);
            let condition =
                link.and_then(|link| rule.links.get(link)).and_then(|link| link.condition.as_ref());
            if let Some(condition) = condition {
                filter::insert(&mut filtered, position);
                needs.push((position, needs_of(condition)));
                for target in &condition.targets {
                    add(&mut sources, words, position, condition, target, chains);
                }
            }
        }
        let sources_in_order = sources.into_iter().map(SourcePlan::ordered).collect();
        Self {
            count,
            plain_until,
            gates,
            filtered,
            filter: Filter::new(count, &needs),
            sources: sources_in_order,
        }
    }

    /// The rules from `position` on that no gate skips and nobody removed, without the gates themselves.
    pub(crate) fn open(&self, position: usize, tx: &tx::Tx, is_removed: impl Fn(usize) -> bool) -> Bits {
        let mut open = filter::all(self.count);
        filter::remove_range(&mut open, 0, position);
        for rule in 0..self.count {
            if is_removed(rule) {
                filter::remove(&mut open, rule);
            }
        }
        for gate in &self.gates {
            if filter::contains(&open, gate.position) {
                filter::remove(&mut open, gate.position);
                if gate.holds(tx) {
                    filter::remove_range(&mut open, gate.position, gate.end);
                }
            }
        }
        open
    }
}

impl SourcePlan {
    fn ordered(mut self) -> Self {
        self.all.sort_by_key(|(chain, _)| *chain);
        self
    }
}

fn gate(position: usize, rule: &Rule) -> Option<Gate> {
    let ([link], Jump::To(end), Disruption::Pass, false) =
        (rule.links.as_slice(), rule.jump, &rule.disruption, rule.is_logged)
    else {
        return None;
    };
    let condition = link.condition.as_ref()?;
    let [Target { variable: Variable::Tx, part: Part::Slot(slot, _), is_count: false }] =
        condition.targets.as_slice()
    else {
        return None;
    };
    let Test::Compare(
        comparison @ (Comparison::Eq | Comparison::Ge | Comparison::Gt | Comparison::Le | Comparison::Lt),
        _,
    ) = condition.operation.test
    else {
        return None;
    };
    let is_bare = link.effects.is_empty()
        && !link.takes_captures
        && condition.exceptions.is_empty()
        && condition.transformations.is_empty()
        && rule.about.severity.is_none();
    let number = tx::number(condition.argument.literal()?);
    let is_negated = condition.operation.is_negated;
    is_bare.then_some(Gate { position, slot: *slot, comparison, number, is_negated, end })
}

/// The place behind the last rule that may set what a gate compares. Gates before it are evaluated like other rules.
fn plain_until(rules: &[&Rule], gates: &[Gate], names: &Names) -> usize {
    let sets_a_gate = |effect: &Effect| match effect {
        Effect::SetTx { slot, .. } => gates.iter().any(|gate| gate.slot == *slot),
        Effect::SetNamed { collection: Variable::Tx, name, .. } => {
            gates.iter().any(|gate| may_become(name, names.name(gate.slot)))
        }
        _ => false,
    };
    let sets = |rule: &&Rule| {
        rule.links.iter().any(|link| {
            link.effects.iter().any(sets_a_gate)
                || (link.takes_captures && gates.iter().any(|gate| gate.slot.is_capture()))
        })
    };
    rules.iter().rposition(sets).map_or(0, |position| position + 1)
}

/// Whether a text with macros may become `name`.
fn may_become(text: &Text, name: &[u8]) -> bool {
    match text.0.first() {
        Some(Piece::Literal(begin)) => {
            name.get(..begin.len()).is_some_and(|start| start.eq_ignore_ascii_case(begin))
        }
        _ => true,
    }
}

/// What a value needs so that the condition can hold for it.
fn needs_of(condition: &Condition) -> Needs {
    let operation = &condition.operation;
    if operation.is_negated {
        return Needs::default();
    }
    match &operation.test {
        Test::Pattern(_) | Test::PatternGlobal(_) => Needs::of(&operation.argument),
        Test::Compare(comparison, _) => match condition.argument.literal() {
            Some(argument) => needs_of_comparison(*comparison, argument),
            None => Needs::default(),
        },
        Test::Other(operator) => needs_of_operator(operator),
    }
}

fn needs_of_comparison(comparison: Comparison, argument: &[u8]) -> Needs {
    match comparison {
        Comparison::BeginsWith
        | Comparison::Contains
        | Comparison::ContainsWord
        | Comparison::EndsWith
        | Comparison::Streq
        | Comparison::Strmatch => Needs {
            bytes_min: argument.len(),
            sets: Vec::new(),
            texts: (!argument.is_empty()).then(|| vec![argument.to_ascii_lowercase()]),
        },
        Comparison::Eq
        | Comparison::Ge
        | Comparison::Gt
        | Comparison::Le
        | Comparison::Lt
        | Comparison::Within => Needs::default(),
    }
}

fn needs_of_operator(operator: &Operator) -> Needs {
    let sets = operator.triggers().into_iter().collect();
    match operator {
        Operator::Pm(phrases) => {
            let texts = phrases.phrases().to_vec();
            let bytes_min = texts.iter().map(Vec::len).min().unwrap_or(0);
            Needs { bytes_min, sets, texts: Some(texts) }
        }
        _ => Needs { bytes_min: 0, sets, texts: None },
    }
}

fn add(
    plans: &mut Vec<SourcePlan>,
    words: usize,
    rule: usize,
    condition: &Condition,
    target: &Target,
    chains: &Chains,
) {
    for source in sources(target.variable) {
        let place = plans.iter().position(|plan| plan.source == source).unwrap_or_else(|| {
            let rules = filter::none(words);
            plans.push(SourcePlan { source, rules, all: Vec::new(), named: Vec::new() });
            plans.len() - 1
        });
        let Some(plan) = plans.get_mut(place) else { continue };
        filter::insert(&mut plan.rules, rule);
        // Where each transformation is tried, so is each part of the chain.
        let parts = if condition.tries_each { usize::MAX } else { 1 };
        for chain in chains.path(condition.chain).take(parts) {
            match &target.part {
                Part::Name(name) => plan.named.push(Named {
                    name: name.clone(),
                    ignores_case: target.variable.ignores_case(),
                    chain,
                    rule,
                }),
                // A pattern of names is tried when the rule is asked.
                Part::All | Part::Pattern(_) | Part::Slot(..) => {
                    match plan.all.iter_mut().find(|(known, _)| *known == chain) {
                        Some((_, rules)) => filter::insert(rules, rule),
                        None => {
                            let mut rules = filter::none(words);
                            filter::insert(&mut rules, rule);
                            plan.all.push((chain, rules));
                        }
                    }
                }
            }
        }
    }
}

/// The plans of all phases.
pub(crate) fn plans(program: &Program) -> [Plan; 5] {
    std::array::from_fn(|phase| {
        let list = program.phases.get(phase).map_or(&[][..], Vec::as_slice);
        Plan::new(list, &program.rules, &program.chains, &program.names)
    })
}
