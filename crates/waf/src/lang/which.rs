//! Which rules a directive or `ctl` is about: by id, tag or message.

use regex::bytes::Regex;

use crate::error::Problem;
use crate::pattern;

/// Rules, by what they are known by.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// Those whose id is in one of these ranges, ends included.
    Ids(Vec<(u64, u64)>),
    /// Those with a tag that the pattern finds.
    Tag(Regex),
    /// Those whose message the pattern finds.
    Message(Regex),
}

impl Which {
    /// `1 5 10-20`, also separated by commas.
    pub(crate) fn ids<T: AsRef<str>>(texts: &[T]) -> Result<Self, Problem> {
        let mut ranges = Vec::new();
        for text in
            texts.iter().flat_map(|text| text.as_ref().split([' ', ','])).filter(|text| !text.is_empty())
        {
            let wrong =
                || Problem::argument(text, "write an id or a range, like `942100` or `942100-942190`");
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let first = first.parse().map_err(|_| wrong())?;
            let last = last.parse().map_err(|_| wrong())?;
            if first > last {
                return Err(wrong());
            }
            ranges.push((first, last));
        }
        if ranges.is_empty() {
            return Err(Problem::argument("id", "name at least one rule"));
        }
        Ok(Self::Ids(ranges))
    }

    /// A pattern of tags.
    pub(crate) fn tag(pattern: &str) -> Result<Self, Problem> {
        Ok(Self::Tag(pattern::compile(pattern)?))
    }

    /// A pattern of messages.
    pub(crate) fn message(pattern: &str) -> Result<Self, Problem> {
        Ok(Self::Message(pattern::compile(pattern)?))
    }

    /// Whether it is about a rule with this id, these tags and this message.
    pub(crate) fn is_about(&self, id: Option<u64>, tags: &[String], message: &[u8]) -> bool {
        match self {
            Self::Ids(ranges) => {
                id.is_some_and(|id| ranges.iter().any(|(first, last)| (*first..=*last).contains(&id)))
            }
            Self::Tag(pattern) => tags.iter().any(|tag| pattern.is_match(tag.as_bytes())),
            Self::Message(pattern) => pattern.is_match(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_single_or_ranges() {
        let which = Which::ids(&["1 3-5", "9"]).unwrap();
        let about: Vec<u64> = (0..12).filter(|id| which.is_about(Some(*id), &[], b"")).collect();
        assert_eq!(about, [1, 3, 4, 5, 9]);
        for wrong in ["", "x", "5-3", "1-x"] {
            assert!(Which::ids(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tags_and_messages_are_searched() {
        let tags = ["OWASP_CRS/ATTACK-SQLI".to_owned()];
        assert!(Which::tag("attack-SQLI|ATTACK-SQLI").unwrap().is_about(None, &tags, b""));
        assert!(!Which::tag("^ATTACK").unwrap().is_about(None, &tags, b""));
        assert!(Which::message("found").unwrap().is_about(None, &[], b"Injection found"));
    }
}
