//! What someone may have meant: the known word nearest to an unknown one.

/// The candidate nearest to `word`, when it is near enough to be meant.
pub(crate) fn to<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are never near, and comparing takes the product of both lengths.
    const BYTES_MAX: usize = 100;
    if word.len() > BYTES_MAX {
        return None;
    }
    let lower = word.to_lowercase();
    let distance = |candidate: &&str| strsim::osa_distance(&lower, &candidate.to_lowercase());
    // One slip in three letters is still a slip; more is another word. Lengths alone rule most candidates out.
    let tolerated = |candidate: &str| word.len().max(candidate.len()).div_ceil(3);
    let alike = |candidate: &&str| word.len().abs_diff(candidate.len()) <= tolerated(candidate);
    let near = candidates.into_iter().filter(|c| c.len() <= BYTES_MAX && alike(c)).min_by_key(distance)?;
    (distance(&near) <= tolerated(near)).then_some(near)
}

/// Whether a setting of this name would hold a secret, so that its line must not be shown.
pub(crate) fn sounds_secret(text: &str) -> bool {
    let text = text.to_lowercase();
    ["key", "secret", "password", "passphrase", "token", "credential"].iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(to(word, ["address", "trusted_proxies", "mode"]), expected, "{word}");
    }

    #[test]
    fn a_slip_is_understood() {
        check("adress", Some("address"));
        check("Address", Some("address"));
        check("trusted_proxy", Some("trusted_proxies"));
        check("mdoe", Some("mode"));
    }

    #[test]
    fn another_word_is_not_guessed_at() {
        check("port", None);
        check("", None);
        check(&"a".repeat(5000), None);
    }
}
