//! Who is turned away first when more requests are under way than the node should carry.
//!
//! Each class of requests may fill the node up to its own share; what lies above is kept free for the classes that
//! matter more. So the least important requests are refused early, and the important ones hardly ever. The number
//! under way is the measure because it grows with whatever is slow: the application, the clients, the node itself.

/// How much a request matters, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// What can wait, such as reports and crawlers.
    Low,
    /// Everything that nothing else is said of.
    Normal,
    /// What must work when little else does, such as a check-out.
    High,
    /// Asked by an address that the operator exempted from limits.
    Exempt,
}

impl Class {
    /// All classes, least first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Exempt];

    /// The name in metrics and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Exempt => "exempt",
        }
    }

    /// Up to how many of a hundred requests the class may fill.
    fn percent(self) -> usize {
        match self {
            Self::Low => 60,
            Self::Normal => 80,
            Self::High => 95,
            Self::Exempt => 100,
        }
    }
}

/// Up to how many requests may be under way for one more of this class to be admitted, where `most` may be in all.
/// At least one: a node that is idle serves everybody.
pub fn room(class: Class, most: usize) -> usize {
    let share = u128::try_from(most).unwrap_or(u128::MAX).saturating_mul(class.percent() as u128) / 100;
    usize::try_from(share).unwrap_or(most).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(most: usize, expected: [usize; 4]) {
        assert_eq!(Class::ALL.map(|class| room(class, most)), expected);
    }

    #[test]
    fn each_class_has_its_share() {
        check(10_000, [6_000, 8_000, 9_500, 10_000]);
        check(10, [6, 8, 9, 10]);
        check(1, [1, 1, 1, 1]);
        check(0, [1, 1, 1, 1]);
    }

    proptest! {
        #[test]
        fn who_matters_more_has_more_room_and_nobody_more_than_all(most in 1_usize..) {
            let rooms = Class::ALL.map(|class| room(class, most));
            prop_assert!(rooms.is_sorted());
            prop_assert_eq!(rooms[3], most);
            prop_assert!(rooms[0] >= 1);
        }
    }
}
