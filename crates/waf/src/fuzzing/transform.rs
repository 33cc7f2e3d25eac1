//! Transformations: the first byte says which one, the others are the value.

use std::borrow::Cow;

use crate::Transformation;

/// Laws of all transformations: what is unchanged is the value itself, nothing changes without a trigger, and nothing
/// grows beyond what a name of a character needs.
pub(super) fn hold(input: &[u8]) {
    let Some((which, value)) = input.split_first() else { return };
    let transformation = Transformation::ALL[usize::from(*which) % Transformation::ALL.len()];
    let result = transformation.apply(value);
    assert!(result.len() <= 6 * value.len() + 20, "{transformation:?} grows to {} bytes", result.len());
    if let Cow::Owned(changed) = &result {
        assert_ne!(changed, value, "{transformation:?} copies what it does not change");
    }
    let Some(triggers) = transformation.triggers() else { return };
    if !value.iter().any(|byte| triggers.contains(*byte)) {
        assert!(matches!(result, Cow::Borrowed(same) if same == value), "{transformation:?}");
    }
    let tame: Vec<u8> = value.iter().copied().filter(|byte| !triggers.contains(*byte)).collect();
    assert!(matches!(transformation.apply(&tame), Cow::Borrowed(same) if same == tame), "{transformation:?}");
}
