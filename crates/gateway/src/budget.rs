//! The byte budget of all request bodies that are held in memory at once, and each client's share of it.
//!
//! Bytes are set apart as they arrive, never as they are promised. No client holds more than its share, so that one
//! who fills it takes nothing from the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_contract::snapshot::Bounds;
use portcullis_model::Prefix;

/// What is set apart now. It cannot outgrow the budget: an entry lives as long as bytes of its prefix are held.
#[derive(Default)]
pub(crate) struct Budget(Mutex<Held>);

#[derive(Default)]
struct Held {
    all: usize,
    by_prefix: HashMap<Prefix, usize>,
}

/// Bytes that are set apart for one body; given back when dropped.
pub(crate) struct Apart {
    budget: Arc<Budget>,
    /// Whose share it comes out of; none for an address that is exempt.
    prefix: Option<Prefix>,
    bytes: usize,
}

/// Which bound is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    All,
    Prefix,
}

impl Full {
    /// The words for the operator.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::All => "`bounds.buffered_bytes_max` is used up",
            Self::Prefix => "the address has used up its share of `bounds.buffered_bytes_max`",
        }
    }
}

impl Budget {
    /// A part of nothing yet.
    pub(crate) fn apart(self: &Arc<Self>, prefix: Option<Prefix>) -> Apart {
        Apart { budget: Arc::clone(self), prefix, bytes: 0 }
    }

    /// Bytes set apart now.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.held().all as u64
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Apart {
    /// Makes it large enough for `bytes`, or says which bound that would break.
    pub(crate) fn grow_to(&mut self, bytes: usize, bounds: &Bounds) -> Result<(), Full> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let mut held = self.budget.held();
        let all = held.all.saturating_add(more);
        if all > bounds.buffered_bytes_max {
            return Err(Full::All);
        }
        if let Some(prefix) = self.prefix {
            let own = held.by_prefix.get(&prefix).copied().unwrap_or(0).saturating_add(more);
            if own > bounds.buffered_bytes_per_prefix_max {
                return Err(Full::Prefix);
            }
            held.by_prefix.insert(prefix, own);
        }
        held.all = all;
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut held = self.budget.held();
        held.all = held.all.saturating_sub(self.bytes);
        let Some(prefix) = self.prefix else { return };
        match held.by_prefix.get_mut(&prefix) {
            Some(own) if *own > self.bytes => *own -= self.bytes,
            _ => drop(held.by_prefix.remove(&prefix)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_prefix_takes_more_than_its_share_and_all_comes_back() {
        let bounds = crate::stages::accept::tests::bounds();
        assert_eq!((bounds.buffered_bytes_max, bounds.buffered_bytes_per_prefix_max), (100, 60));
        let budget = Arc::new(Budget::default());
        let (here, there) = (Some(Prefix::V6(1)), Some(Prefix::V6(2)));
        let (mut one, mut two) = (budget.apart(here), budget.apart(here));
        assert_eq!(one.grow_to(50, &bounds), Ok(()));
        assert_eq!(one.grow_to(40, &bounds), Ok(()), "it never shrinks before its end");
        assert_eq!(two.grow_to(11, &bounds), Err(Full::Prefix));
        assert_eq!(two.grow_to(10, &bounds), Ok(()));
        let mut other = budget.apart(there);
        assert_eq!(other.grow_to(41, &bounds), Err(Full::All));
        assert_eq!(other.grow_to(30, &bounds), Ok(()));
        let mut exempt = budget.apart(None);
        drop((one, other));
        assert_eq!(exempt.grow_to(90, &bounds), Ok(()), "an exempt address has no share");
        assert_eq!(budget.used_bytes(), 100);
        drop((two, exempt));
        let held = budget.held();
        assert_eq!((held.all, held.by_prefix.len()), (0, 0));
    }
}
