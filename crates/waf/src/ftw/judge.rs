//! What was logged beside what was expected.

use std::collections::BTreeSet;

use regex::Regex;

use crate::ftw::schema::Output;

/// How a test went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All that was expected is so.
    Passed,
    /// Why it did not pass.
    Failed(String),
    /// Why it could not be judged.
    Skipped(String),
}

/// A test and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The rule that it is about.
    pub rule_id: u64,
    /// Its number among the tests of the rule.
    pub test_id: u64,
    /// How it went.
    pub outcome: Outcome,
}

/// The rules that lines of a log name.
pub(crate) fn ids(lines: &[String]) -> BTreeSet<u64> {
    let after = |line: &str| {
        let mut ids = Vec::new();
        let mut rest = line.to_owned();
        while let Some((_, tail)) = rest.split_once("[id \"") {
            let (id, tail) = tail.split_once('"').unwrap_or((tail, ""));
            ids.extend(id.parse::<u64>());
            rest = tail.to_owned();
        }
        ids
    };
    lines.iter().flat_map(|line| after(line)).collect()
}

/// Judges what is expected of the log.
pub(crate) fn judge(output: &Output, lines: &[String]) -> Outcome {
    let log = &output.log;
    let asserts_nothing = log.expect_ids.is_empty()
        && log.no_expect_ids.is_empty()
        && log.match_regex.is_none()
        && log.no_match_regex.is_none()
        && output.log_contains.is_none()
        && output.no_log_contains.is_none();
    if asserts_nothing {
        return Outcome::Skipped("it expects nothing of the log".to_owned());
    }
    let logged = ids(lines);
    if let Some(id) = log.expect_ids.iter().find(|id| !logged.contains(id)) {
        return Outcome::Failed(format!("rule {id} is not in the log, which names {logged:?}"));
    }
    if let Some(id) = log.no_expect_ids.iter().find(|id| logged.contains(id)) {
        return Outcome::Failed(format!("rule {id} is in the log, which names {logged:?}"));
    }
    if output.isolated && logged.iter().ne(log.expect_ids.iter()) {
        return Outcome::Failed(format!("no other rule was expected in the log, which names {logged:?}"));
    }
    let expected = [(&log.match_regex, true), (&log.no_match_regex, false)];
    let patterns =
        expected.into_iter().filter_map(|(pattern, is_there)| Some((pattern.as_ref()?.clone(), is_there)));
    let older = [(&output.log_contains, true), (&output.no_log_contains, false)];
    let texts = older.into_iter().filter_map(|(text, is_there)| Some((text.as_ref()?.clone(), is_there)));
    for (pattern, is_expected) in patterns.chain(texts) {
        match Regex::new(&pattern) {
            Ok(regex) if lines.iter().any(|line| regex.is_match(line)) != is_expected => {
                let not = if is_expected { "no line of the log has" } else { "a line of the log has" };
                return Outcome::Failed(format!("{not} `{pattern}`; it names {logged:?}"));
            }
            Ok(_) => {}
            Err(problem) => return Outcome::Failed(format!("the pattern `{pattern}` is wrong: {problem}")),
        }
    }
    Outcome::Passed
}

/// A test passes when each of its stages does; one that cannot be judged makes no difference to others.
pub(crate) fn together(stages: impl Iterator<Item = Outcome>) -> Outcome {
    let mut whole = Outcome::Skipped("it has no stage".to_owned());
    for stage in stages {
        match (&whole, stage) {
            (_, failed @ Outcome::Failed(_)) => return failed,
            (Outcome::Passed, _) => {}
            (_, stage) => whole = stage,
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ftw::schema::Log;

    fn judged(log: Log, isolated: bool) -> Outcome {
        let lines = [r#"x [id "1"] [msg "a"]"#.to_owned(), r#"y [id "2"]"#.to_owned()];
        judge(&Output { log, isolated, ..Output::default() }, &lines)
    }

    #[test]
    fn ids_are_expected_or_not() {
        let log = |expect: &[u64], no: &[u64]| Log {
            expect_ids: expect.to_vec(),
            no_expect_ids: no.to_vec(),
            ..Log::default()
        };
        assert_eq!(judged(log(&[1, 2], &[3]), false), Outcome::Passed);
        assert!(matches!(judged(log(&[3], &[]), false), Outcome::Failed(_)));
        assert!(matches!(judged(log(&[], &[2]), false), Outcome::Failed(_)));
        assert!(matches!(judged(log(&[1], &[]), true), Outcome::Failed(_)));
        assert!(matches!(judged(Log::default(), false), Outcome::Skipped(_)));
    }

    #[test]
    fn patterns_are_looked_for_line_by_line() {
        let log = |pattern: &str| Log { match_regex: Some(pattern.to_owned()), ..Log::default() };
        assert_eq!(judged(log(r#"\[id "1"\].*\[msg "a"\]"#), false), Outcome::Passed);
        assert!(matches!(judged(log("x.*y"), false), Outcome::Failed(_)));
        let no = |pattern: &str| Log { no_match_regex: Some(pattern.to_owned()), ..Log::default() };
        assert_eq!(judged(no("x.*y"), false), Outcome::Passed);
        assert!(matches!(judged(no(r#"\[id "\d+"\]"#), false), Outcome::Failed(_)));
    }

    #[test]
    fn one_failed_stage_fails_the_test() {
        let skipped = || Outcome::Skipped(String::new());
        assert_eq!(together([skipped(), Outcome::Passed, skipped()].into_iter()), Outcome::Passed);
        let failed = Outcome::Failed("x".to_owned());
        assert_eq!(together([Outcome::Passed, failed.clone()].into_iter()), failed);
        assert!(matches!(together([skipped()].into_iter()), Outcome::Skipped(_)));
    }
}
