//! Values under all chains of transformations that rules ask for, each computed once, and which rules each value passes.

use std::borrow::Cow;

use crate::bytes::ByteSet;
use crate::engine::chains::{ChainId, Chains};
use crate::engine::filter::{self, Bits};
use crate::engine::plan::Plan;
use crate::engine::values::{Source, Span, Values};

/// A value under a chain. Chains that change nothing share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextId(u32);

/// A value of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValueId(u32);

#[derive(Debug)]
struct Text {
    bytes: Bytes,
    mask: ByteSet,
}

#[derive(Debug)]
enum Bytes {
    /// As it was sent.
    Kept(Span),
    Made(Vec<u8>),
}

/// Texts and survivors of one transaction.
#[derive(Debug)]
pub(crate) struct Scan {
    chains: usize,
    texts: Vec<Text>,
    /// For each value and chain the text's number and 1; 0 where it was not asked for.
    by_chain: Vec<u32>,
    /// For each source the first of its values, and how many they are.
    sources: Vec<(Source, u32, usize)>,
    values: u32,
    /// For each value the rules of the phase that it may match.
    survivors: Vec<u64>,
    words: usize,
    /// The rules that were scanned for in this phase.
    scanned: Bits,
    scratch: Vec<(TextId, Bits)>,
}

impl Scan {
    pub(crate) fn new(chains: &Chains) -> Self {
        Self {
            chains: chains.count(),
            texts: Vec::new(),
            by_chain: Vec::new(),
            sources: Vec::new(),
            values: 0,
            survivors: Vec::new(),
            words: 0,
            scanned: Bits::default(),
            scratch: Vec::new(),
        }
    }

    /// The first value of a source; the others follow it.
    pub(crate) fn first(&mut self, values: &Values, source: Source) -> ValueId {
        let count = values.count(source);
        let known =
            self.sources.iter().find(|(known, _, known_count)| *known == source && *known_count == count);
        if let Some((_, first, _)) = known {
            return ValueId(*first);
        }
        self.sources.retain(|(known, _, _)| *known != source);
        let first = self.values;
        self.sources.push((source, first, count));
        self.values += u32::try_from(count).unwrap_or(u32::MAX);
        self.by_chain.resize(self.values as usize * self.chains, 0);
        for position in 0..count {
            let span = values.span(source, position);
            let mask = ByteSet::of(values.at(span));
            let text = self.push(Text { bytes: Bytes::Kept(span), mask });
            self.set(after(ValueId(first), position), ChainId::NONE, text);
        }
        ValueId(first)
    }

    fn push(&mut self, text: Text) -> TextId {
        self.texts.push(text);
        TextId(u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX))
    }

    fn set(&mut self, value: ValueId, chain: ChainId, text: TextId) {
        if let Some(place) = self.by_chain.get_mut(value.0 as usize * self.chains + chain.index()) {
            *place = text.0 + 1;
        }
    }

    fn known(&self, value: ValueId, chain: ChainId) -> Option<TextId> {
        let number = *self.by_chain.get(value.0 as usize * self.chains + chain.index())?;
        number.checked_sub(1).map(TextId)
    }

    /// A value under a chain.
    pub(crate) fn text(
        &mut self,
        values: &Values,
        chains: &Chains,
        value: ValueId,
        chain: ChainId,
    ) -> TextId {
        if let Some(text) = self.known(value, chain) {
            return text;
        }
        let Some(step) = chains.step(chain) else { return TextId(u32::MAX) };
        let before = self.text(values, chains, value, step.before);
        let changes = match (&step.triggers, self.texts.get(before.0 as usize)) {
            (Some(triggers), Some(text)) => triggers.intersects(&text.mask),
            _ => true,
        };
        let mut text = before;
        if changes {
            let input = self.bytes(values, before);
            let output = match step.transformation.apply(input) {
                Cow::Borrowed(output) if output.len() == input.len() => None,
                output => Some(output.into_owned()),
            };
            if let Some(made) = output {
                let mask = ByteSet::of(&made);
                text = self.push(Text { bytes: Bytes::Made(made), mask });
            }
        }
        self.set(value, chain, text);
        text
    }

    /// The bytes of a text.
    pub(crate) fn bytes<'a>(&'a self, values: &'a Values, text: TextId) -> &'a [u8] {
        match self.texts.get(text.0 as usize).map(|text| &text.bytes) {
            Some(Bytes::Kept(span)) => values.at(*span),
            Some(Bytes::Made(bytes)) => bytes,
            None => &[],
        }
    }

    /// Finds for each value the rules of `open` that it may match; what comes back are the rules that any may.
    pub(crate) fn run(&mut self, values: &Values, chains: &Chains, plan: &Plan, open: &[u64]) -> Bits {
        self.words = plan.filter.words();
        self.scanned = filter::both(open, &plan.filtered);
        let wanted = self.scanned.clone();
        let sources = plan.sources.iter().filter(|source| intersects(&source.rules, &wanted));
        let sources: Vec<_> = sources.map(|source| (source, self.first(values, source.source))).collect();
        self.survivors.clear();
        self.survivors.resize(self.values as usize * self.words, 0);
        let mut candidates = filter::none(self.words);
        for (source, first) in sources {
            for position in 0..values.count(source.source) {
                let value = after(first, position);
                let mut used = 0;
                for (chain, rules) in &source.all {
                    if intersects(rules, &wanted) {
                        let text = self.text(values, chains, value, *chain);
                        self.collect(&mut used, text, |bits| {
                            bits.iter_mut().zip(rules).for_each(|(word, other)| *word |= other);
                        });
                    }
                }
                let name = values.name(source.source, position);
                for named in source.named.iter().filter(|named| named.is(name)) {
                    let text = self.text(values, chains, value, named.chain);
                    self.collect(&mut used, text, |bits| filter::insert(bits, named.rule));
                }
                self.survive(values, plan, value, used, &wanted, &mut candidates);
            }
        }
        candidates
    }

    /// Adds rules to those that look at a text.
    fn collect(&mut self, used: &mut usize, text: TextId, add: impl Fn(&mut [u64])) {
        let known = self.scratch.iter().take(*used).position(|(known, _)| *known == text);
        let place = known.unwrap_or(*used);
        if known.is_none() {
            *used += 1;
            match self.scratch.get_mut(place) {
                Some((own, bits)) if bits.len() == self.words => {
                    *own = text;
                    bits.fill(0);
                }
                Some(entry) => *entry = (text, filter::none(self.words)),
                None => self.scratch.push((text, filter::none(self.words))),
            }
        }
        if let Some((_, bits)) = self.scratch.get_mut(place) {
            add(bits);
        }
    }

    fn survive(
        &mut self,
        values: &Values,
        plan: &Plan,
        value: ValueId,
        used: usize,
        wanted: &[u64],
        candidates: &mut [u64],
    ) {
        let mut scratch = std::mem::take(&mut self.scratch);
        for (text, bits) in scratch.iter_mut().take(used) {
            bits.iter_mut().zip(wanted).for_each(|(word, wanted)| *word &= wanted);
            let Some(Text { mask, .. }) = self.texts.get(text.0 as usize) else { continue };
            plan.filter.apply(self.bytes(values, *text), mask, bits);
            let start = value.0 as usize * self.words;
            if let Some(survivors) = self.survivors.get_mut(start..start + self.words) {
                survivors.iter_mut().zip(bits.iter()).for_each(|(word, other)| *word |= other);
            }
            candidates.iter_mut().zip(bits.iter()).for_each(|(word, other)| *word |= other);
        }
        self.scratch = scratch;
    }

    /// Whether the rule at this place of the phase's list was scanned for, so that only survivors can match it.
    pub(crate) fn is_scanned(&self, rule: usize) -> bool {
        filter::contains(&self.scanned, rule)
    }

    /// Whether the value may match the rule.
    pub(crate) fn survives(&self, value: ValueId, rule: usize) -> bool {
        let start = value.0 as usize * self.words;
        self.survivors.get(start..start + self.words).is_some_and(|rules| filter::contains(rules, rule))
    }

    /// Forgets which rules were scanned for: a new phase begins.
    pub(crate) fn begin_phase(&mut self) {
        self.scanned = Bits::default();
    }
}

/// The value so many places behind another of the same source.
pub(crate) fn after(first: ValueId, places: usize) -> ValueId {
    ValueId(first.0.saturating_add(u32::try_from(places).unwrap_or(u32::MAX)))
}

fn intersects(one: &[u64], other: &[u64]) -> bool {
    one.iter().zip(other).any(|(one, other)| one & other != 0)
}
