//! Chains of transformations as a tree: chains that begin alike share their beginning, so that it is computed once.

use crate::bytes::ByteSet;
use crate::transform::Transformation;

/// The number of a chain; 0 is the one without transformations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChainId(u32);

impl ChainId {
    /// No transformation.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A chain: one that is shorter by its last transformation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) before: ChainId,
    pub(crate) transformation: Transformation,
    /// Bytes without which the transformation changes nothing.
    pub(crate) triggers: Option<ByteSet>,
}

/// All chains of a set of rules.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    /// The chain with number n + 1.
    steps: Vec<Step>,
}

impl Chains {
    /// The chain of these transformations.
    pub(crate) fn number(&mut self, transformations: &[Transformation]) -> ChainId {
        transformations
            .iter()
            .fold(ChainId::NONE, |before, transformation| self.after(before, *transformation))
    }

    fn after(&mut self, before: ChainId, transformation: Transformation) -> ChainId {
        let known =
            self.steps.iter().position(|step| step.before == before && step.transformation == transformation);
        let number = known.unwrap_or_else(|| {
            self.steps.push(Step { before, transformation, triggers: transformation.triggers() });
            self.steps.len() - 1
        });
        ChainId(u32::try_from(number + 1).unwrap_or(u32::MAX))
    }

    /// How many chains there are, with the one without transformations.
    pub(crate) fn count(&self) -> usize {
        self.steps.len() + 1
    }

    /// The last step of a chain; `None` for the one without transformations.
    pub(crate) fn step(&self, chain: ChainId) -> Option<&Step> {
        self.steps.get(chain.index().checked_sub(1)?)
    }

    /// The chain and all that it is made of, the longest first, down to the one without transformations.
    pub(crate) fn path(&self, chain: ChainId) -> impl Iterator<Item = ChainId> {
        std::iter::successors(Some(chain), |chain| self.step(*chain).map(|step| step.before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_share_their_beginning() {
        let mut chains = Chains::default();
        let (one, two, three) =
            (Transformation::UrlDecodeUni, Transformation::Lowercase, Transformation::RemoveNulls);
        let long = chains.number(&[one, two, three]);
        let short = chains.number(&[one, two]);
        assert_eq!(chains.step(long).map(|step| step.before), Some(short));
        assert_eq!(chains.number(&[one, two, three]), long);
        assert_ne!(chains.number(&[two]), short);
        assert_eq!(chains.count(), 5);
        assert_eq!(chains.path(long).count(), 4);
        assert_eq!(chains.path(long).last(), Some(ChainId::NONE));
        assert_eq!(chains.number(&[]), ChainId::NONE);
    }
}
