//! Literals of which every match has one.
//!
//! Each node of a pattern's tree is summed up in a [`Part`]: all that it can match when that is little, else what its
//! matches begin and end with, and lists of which every match contains a literal. Two parts in a row give more: what one
//! ends with and the other begins with stand together. Sets that grow too large are cut to shorter literals, or dropped;
//! a shorter literal is a weaker condition, so that is sound.

use regex_syntax::hir::{Hir, HirKind};

use super::classes::bytes_of;
use super::frequency::of_literals;

/// So many lists are kept; a second one keeps out values that have the first by chance.
const LISTS_MAX: usize = 2;

/// So many literals may be in a list.
const LITERALS_MAX: usize = 400;

/// So many may come of putting two sets together.
const CROSSED_MAX: usize = 128;

/// Longer literals are cut.
const LITERAL_BYTES_MAX: usize = 24;

/// A class of more bytes is nothing to begin a literal with.
const CLASS_BYTES_MAX: u32 = 10;

/// So many repetitions are written out.
const REPETITIONS_MAX: u32 = 6;

/// A list that is more common lets nearly every value through.
const PER_MILLION_MAX: f64 = 4_000.0;

/// Shorter literals are found faster as bytes of classes.
const LITERAL_BYTES_MIN: usize = 2;

/// So many pairs of literals are compared to see that a second list adds nothing.
const COMPARED_MAX: usize = 4_000;

/// Literals in small letters: sorted, each once.
type Literals = Vec<Vec<u8>>;

/// A list of which every match contains a literal.
#[derive(Debug, Clone)]
struct List {
    literals: Literals,
    /// See `frequency`.
    per_million: f64,
}

/// What is known of the matches of a part of a pattern.
#[derive(Debug, Clone)]
enum Part {
    /// All that it can match, which is little.
    Exactly(Literals),
    Known {
        /// Every match begins with one of these.
        prefixes: Literals,
        /// Every match ends with one of these.
        suffixes: Literals,
        /// Every match contains one of each; the rarest come first.
        required: Vec<List>,
    },
}

/// Lists of which every match of `pattern` contains a literal, when its letters are made small; the rarest first.
pub(super) fn required(pattern: &Hir) -> Vec<Literals> {
    let mut kept: Vec<Literals> = Vec::new();
    for List { literals, per_million } in part(pattern).into_lists() {
        let is_long = literals.iter().all(|literal| literal.len() >= LITERAL_BYTES_MIN);
        if is_long && per_million <= PER_MILLION_MAX && !kept.iter().any(|rarer| implies(rarer, &literals)) {
            kept.push(without_parts(literals));
        }
    }
    kept
}

/// Whether what has a literal of `one` has one of `other` too; not told of long lists, where it would take long.
fn implies(one: &Literals, other: &Literals) -> bool {
    one.len() * other.len() <= COMPARED_MAX
        && one.iter().all(|long| other.iter().any(|short| memchr::memmem::find(long, short).is_some()))
}

/// A list without literals that contain another one of it: they add nothing.
pub(super) fn without_parts(mut list: Literals) -> Literals {
    list.sort_by_key(Vec::len);
    let mut kept: Literals = Vec::new();
    for literal in list {
        if !kept.iter().any(|shorter| memchr::memmem::find(&literal, shorter).is_some()) {
            kept.push(literal);
        }
    }
    kept.sort_unstable();
    kept
}

fn part(node: &Hir) -> Part {
    match node.kind() {
        HirKind::Empty | HirKind::Look(_) => Part::Exactly(vec![Vec::new()]),
        HirKind::Literal(literal) => Part::Exactly(vec![literal.0.to_ascii_lowercase()]),
        HirKind::Class(class) => match bytes_of(class).filter(|bytes| bytes.len() <= 2 * CLASS_BYTES_MAX) {
            Some(bytes) => {
                let bytes = sorted(bytes.iter().map(|byte| vec![byte.to_ascii_lowercase()]).collect());
                if bytes.len() <= CLASS_BYTES_MAX as usize { Part::Exactly(bytes) } else { Part::unknown() }
            }
            None => Part::unknown(),
        },
        HirKind::Capture(capture) => part(&capture.sub),
        HirKind::Repetition(repetition) => repeated(part(&repetition.sub), repetition.min, repetition.max),
        HirKind::Concat(parts) => parts.iter().map(part).reduce(followed_by).unwrap_or_else(Part::unknown),
        HirKind::Alternation(branches) => either(branches.iter().map(part).collect()),
    }
}

impl List {
    fn of(literals: Literals) -> Self {
        let per_million = of_literals(&literals);
        Self { literals, per_million }
    }
}

impl Part {
    fn unknown() -> Self {
        Self::Known { prefixes: vec![Vec::new()], suffixes: vec![Vec::new()], required: Vec::new() }
    }

    fn prefixes(&self) -> &Literals {
        match self {
            Self::Exactly(prefixes) | Self::Known { prefixes, .. } => prefixes,
        }
    }

    fn suffixes(&self) -> &Literals {
        match self {
            Self::Exactly(suffixes) | Self::Known { suffixes, .. } => suffixes,
        }
    }

    /// The rarest lists of which a match contains a literal.
    fn into_lists(self) -> Vec<List> {
        match self {
            Self::Exactly(exact) => rarest(vec![List::of(exact)]),
            Self::Known { prefixes, suffixes, mut required } => {
                required.extend([List::of(prefixes), List::of(suffixes)]);
                rarest(required)
            }
        }
    }

    /// The same without saying what all matches are.
    fn inexact(self) -> Self {
        let (prefixes, suffixes) = (self.prefixes().clone(), self.suffixes().clone());
        Self::Known { prefixes, suffixes, required: self.into_lists() }
    }
}

/// The few rarest lists; one that is in every value says nothing.
fn rarest(mut lists: Vec<List>) -> Vec<List> {
    lists.retain(|list| list.literals.len() <= LITERALS_MAX && !list.literals.iter().any(Vec::is_empty));
    lists.sort_by(|one, other| one.per_million.total_cmp(&other.per_million));
    lists.dedup_by(|one, other| one.literals == other.literals);
    lists.truncate(LISTS_MAX);
    lists
}

/// Two parts in a row.
fn followed_by(one: Part, other: Part) -> Part {
    if let (Part::Exactly(beginnings), Part::Exactly(ends)) = (&one, &other)
        && let Some(all) = crossed(beginnings, ends)
        && all.iter().all(|literal| literal.len() <= LITERAL_BYTES_MAX)
    {
        return Part::Exactly(all);
    }
    let prefixes = match &one {
        Part::Exactly(exact) => crossed(exact, other.prefixes()).unwrap_or_else(|| exact.clone()),
        Part::Known { prefixes, .. } => prefixes.clone(),
    };
    let suffixes = match &other {
        Part::Exactly(exact) => crossed(one.suffixes(), exact).unwrap_or_else(|| exact.clone()),
        Part::Known { suffixes, .. } => suffixes.clone(),
    };
    let between = crossed(one.suffixes(), other.prefixes()).map(List::of);
    let mut lists = one.into_lists();
    lists.extend(other.into_lists());
    lists.extend(between);
    Part::Known { prefixes: cut(prefixes, beginning), suffixes: cut(suffixes, end), required: rarest(lists) }
}

/// One of several parts.
fn either(branches: Vec<Part>) -> Part {
    let count: Option<usize> = branches
        .iter()
        .map(|branch| match branch {
            Part::Exactly(exact) => Some(exact.len()),
            Part::Known { .. } => None,
        })
        .sum();
    let all = |of: fn(&Part) -> &Literals| sorted(branches.iter().flat_map(of).cloned().collect());
    if count.is_some_and(|count| count <= LITERALS_MAX) {
        return Part::Exactly(all(Part::prefixes));
    }
    let (prefixes, suffixes) = (cut(all(Part::prefixes), beginning), cut(all(Part::suffixes), end));
    let rarest_of_each: Option<Vec<Literals>> = branches
        .into_iter()
        .map(|branch| branch.into_lists().into_iter().next().map(|list| list.literals))
        .collect();
    let required = rarest_of_each.map(|lists| List::of(sorted(lists.concat())));
    Part::Known { prefixes, suffixes, required: rarest(required.into_iter().collect()) }
}

fn repeated(part: Part, min: u32, max: Option<u32>) -> Part {
    if min == 0 {
        return match part {
            Part::Exactly(exact) if max == Some(1) => {
                Part::Exactly(sorted([exact, vec![Vec::new()]].concat()))
            }
            _ => Part::unknown(),
        };
    }
    let written = min.min(REPETITIONS_MAX);
    let times = (1..written).fold(part.clone(), |all, _| followed_by(all, part.clone()));
    if max == Some(written) { times } else { times.inexact() }
}

/// Each of one set followed by each of the other; none when that is too much.
fn crossed(one: &Literals, other: &Literals) -> Option<Literals> {
    (one.len().saturating_mul(other.len()) <= CROSSED_MAX).then(|| {
        let pairs =
            one.iter().flat_map(|begin| other.iter().map(move |end| [begin.as_slice(), end].concat()));
        sorted(pairs.collect())
    })
}

/// Literals made shorter, until there are few enough. An empty one says nothing.
fn cut(literals: Literals, shorter: fn(&[u8], usize) -> &[u8]) -> Literals {
    let is_fine = |literals: &Literals| {
        literals.len() <= CROSSED_MAX && literals.iter().all(|literal| literal.len() <= LITERAL_BYTES_MAX)
    };
    let mut literals = literals;
    for length in [LITERAL_BYTES_MAX, 8, 6, 5, 4, 3] {
        if is_fine(&literals) {
            return literals;
        }
        literals = sorted(literals.iter().map(|literal| shorter(literal, length).to_vec()).collect());
    }
    if is_fine(&literals) { literals } else { vec![Vec::new()] }
}

fn beginning(literal: &[u8], length: usize) -> &[u8] {
    literal.get(..length).unwrap_or(literal)
}

fn end(literal: &[u8], length: usize) -> &[u8] {
    literal.get(literal.len().saturating_sub(length)..).unwrap_or(literal)
}

fn sorted(mut literals: Literals) -> Literals {
    literals.sort_unstable();
    literals.dedup();
    literals
}
