//! Classes of bytes of which every match has one.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::frequency::of_class;
use crate::ByteSet;

/// More of them keep few more values out.
const CLASSES_MAX: usize = 4;

/// A class that is more common is in nearly every value.
const PER_MILLION_MAX: u32 = 300_000;

/// A class with how common it is.
#[derive(Debug, Clone, Copy)]
struct Weighed {
    class: ByteSet,
    /// See `frequency`.
    per_million: u32,
}

impl Weighed {
    fn of(class: ByteSet) -> Self {
        Self { class, per_million: of_class(&class) }
    }
}

/// The rarest classes of which every match of `pattern` has a byte.
pub(super) fn required(pattern: &Hir) -> Vec<ByteSet> {
    of(pattern).into_iter().map(|weighed| weighed.class).collect()
}

/// Those of one node, the rarest first; none is within another.
fn of(node: &Hir) -> Vec<Weighed> {
    let classes = match node.kind() {
        HirKind::Empty | HirKind::Look(_) => Vec::new(),
        HirKind::Literal(literal) => {
            literal.0.iter().map(|byte| Weighed::of(ByteSet::of(&[*byte]))).collect()
        }
        HirKind::Class(class) => bytes_of(class).map(Weighed::of).into_iter().collect(),
        HirKind::Repetition(repetition) if repetition.min == 0 => Vec::new(),
        HirKind::Repetition(repetition) => of(&repetition.sub),
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Concat(parts) => parts.iter().flat_map(of).collect(),
        HirKind::Alternation(branches) => of_either(branches.iter().map(of).collect()),
    };
    rarest(classes)
}

fn rarest(mut classes: Vec<Weighed>) -> Vec<Weighed> {
    classes.retain(|weighed| weighed.per_million <= PER_MILLION_MAX);
    classes.sort_by_key(|weighed| weighed.per_million);
    let mut kept: Vec<Weighed> = Vec::new();
    for one in classes {
        if kept.len() < CLASSES_MAX && !kept.iter().any(|rarer| rarer.class.is_within(&one.class)) {
            kept.push(one);
        }
    }
    kept
}

/// Classes that are made of one of each branch, so that together they are rare; each is used once.
fn of_either(mut branches: Vec<Vec<Weighed>>) -> Vec<Weighed> {
    let mut classes = Vec::new();
    while let Some(class) = branches
        .iter_mut()
        .try_fold(ByteSet::EMPTY, |all, branch| take_near(branch, all).map(|class| all.union(class)))
    {
        classes.push(Weighed::of(class));
    }
    classes
}

/// Takes the class away that adds least to `all`.
fn take_near(branch: &mut Vec<Weighed>, all: ByteSet) -> Option<ByteSet> {
    let added = |weighed: &Weighed| match weighed.class.is_within(&all) {
        true => 0,
        false => of_class(&weighed.class.union(all)),
    };
    let (at, _) = branch.iter().enumerate().min_by_key(|(_, weighed)| added(weighed))?;
    Some(branch.swap_remove(at).class)
}

/// The bytes of a class. None for characters beyond ASCII, which are several bytes.
pub(super) fn bytes_of(class: &Class) -> Option<ByteSet> {
    match class {
        Class::Bytes(bytes) => Some(
            bytes
                .ranges()
                .iter()
                .fold(ByteSet::EMPTY, |set, range| set.union(ByteSet::range(range.start(), range.end()))),
        ),
        Class::Unicode(characters) => characters.ranges().iter().try_fold(ByteSet::EMPTY, |set, range| {
            let (first, last) = (u8::try_from(range.start()).ok()?, u8::try_from(range.end()).ok()?);
            last.is_ascii().then(|| set.union(ByteSet::range(first, last)))
        }),
    }
}
