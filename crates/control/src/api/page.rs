//! Lists in pages. A page begins after a key, not at a number, so that nothing is skipped or shown twice while the list changes.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;

/// Most items of a page.
pub(super) const COUNT_MAX: u16 = 200;
/// Items of a page when nobody says how many.
const COUNT: u16 = 50;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Begin after this one: `next` of the page before.
    after: Option<String>,
    /// At most so many items, 1 to 200; 50 when left out.
    count: Option<u16>,
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items, in their order.
    items: Vec<T>,
    /// What the following page begins after; absent when this is the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Wanted {
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    pub(super) fn count(&self) -> Result<u16, Problem> {
        count(self.count)
    }
}

/// How many items are wanted, when so many may be.
pub(super) fn count(wanted: Option<u16>) -> Result<u16, Problem> {
    match wanted.unwrap_or(COUNT) {
        count @ 1..=COUNT_MAX => Ok(count),
        _ => Err(Problem::malformed(format!("`count` is from 1 to {COUNT_MAX}"))),
    }
}

impl<T> Page<T> {
    /// The first `count` items of those that follow, of which one more than that is enough to know that there are more.
    /// `key` names an item.
    pub(super) fn of(following: impl Iterator<Item = T>, count: u16, key: impl Fn(&T) -> String) -> Self {
        let mut items: Vec<T> = following.take(usize::from(count) + 1).collect();
        let is_last = items.len() <= usize::from(count);
        items.truncate(usize::from(count));
        let next = items.last().filter(|_| !is_last).map(key);
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_the_next_one_only_when_there_is_more() {
        let page = |to: u32, count| {
            let page = Page::of(1..=to, count, u32::to_string);
            (page.items, page.next)
        };
        assert_eq!(page(0, 2), (vec![], None));
        assert_eq!(page(2, 2), (vec![1, 2], None));
        assert_eq!(page(3, 2), (vec![1, 2], Some("2".into())));
    }

    #[test]
    fn a_page_has_from_one_to_two_hundred_items() {
        assert_eq!((count(None), count(Some(1)), count(Some(200))), (Ok(50), Ok(1), Ok(200)));
        assert!(count(Some(0)).is_err() && count(Some(201)).is_err());
    }
}
