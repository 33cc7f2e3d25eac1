//! Times and sizes: `30s`, `64KiB`, an expiry date. Always with their unit, so that nobody has to guess it.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use toml::de::DeValue;

use super::kind::{Kind, Node, Shown, Text, Wrong, written};
use super::table::Shape;
use crate::diagnostic::{Problem, Problems, quoted};

/// A number of bytes, written as `64KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// A duration, or the word `none` for no bound at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DurationOrNone(pub(crate) Option<Duration>);

/// When something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    Never,
    At(Timestamp),
}

/// Units of time with their length in milliseconds, from large to small.
const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// Units of size with their length in bytes, from large to small.
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Text for Duration {
    const NAME: &'static str = "duration";
    const LIKE: &'static str = "\"30s\", \"5m\", \"1h30m\" or \"250ms\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let mut rest = text;
        let mut total_ms = 0_u64;
        let mut units = TIME_UNITS.iter();
        while !rest.is_empty() || text.is_empty() {
            let (number, after) = leading_number(rest).ok_or_else(|| not_a_duration(text))?;
            let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at_checked(letters).unwrap_or((after, ""));
            if unit.is_empty() && after.is_empty() {
                let wrong = Wrong::new(format!("{} has no unit", quoted(text)));
                return Err(wrong.help(format!("write \"{text}s\" if seconds are meant")));
            }
            let Some((_, length_ms)) = units.find(|(known, _)| *known == unit) else {
                return Err(not_a_duration(text));
            };
            let added = number.checked_mul(*length_ms).and_then(|ms| total_ms.checked_add(ms));
            total_ms = added.ok_or_else(|| Wrong::new(format!("{} is too long", quoted(text))))?;
            rest = after;
        }
        Ok(Duration::from_millis(total_ms))
    }

    fn from_number(number: u64) -> Option<String> {
        Some(format!("{number}s"))
    }

    fn text(&self) -> String {
        let mut left = Text::magnitude(self).unwrap_or_default();
        let mut text = String::new();
        for (unit, length_ms) in TIME_UNITS {
            if left >= length_ms {
                text += &format!("{}{unit}", left / length_ms);
                left %= length_ms;
            }
        }
        if text.is_empty() { "0s".into() } else { text }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$" })
    }

    fn magnitude(&self) -> Option<u64> {
        u64::try_from(self.as_millis()).ok()
    }
}

fn not_a_duration(text: &str) -> Wrong {
    let wrong = Wrong::new(format!("{} is not a duration", quoted(text)));
    // "60 sec" and "5 minutes": a number with a unit that people write out.
    if let Some((number, unit)) = leading_number(text) {
        let unit = unit.trim().to_lowercase();
        let words = [("milli", "ms"), ("sec", "s"), ("min", "m"), ("hour", "h"), ("day", "d")];
        let spelled = words.iter().find(|(word, _)| unit.starts_with(word)).map(|(_, short)| *short);
        let short = || TIME_UNITS.iter().map(|(short, _)| *short).find(|short| *short == unit);
        if let Some(unit) = spelled.or_else(short) {
            return wrong.help(format!("write \"{number}{unit}\""));
        }
    }
    wrong.help("write whole numbers with the units d, h, m, s and ms, large ones first, such as \"30s\" or \"1h30m\"")
}

impl Text for Size {
    const NAME: &'static str = "size";
    const LIKE: &'static str = "\"64KiB\" or \"10MiB\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = Wrong::new(format!("{} is not a size", quoted(text)));
        let Some((number, unit)) = leading_number(text) else {
            return Err(wrong.help("write a whole number with its unit, such as \"64KiB\" or \"10MiB\""));
        };
        let Some((_, length)) = SIZE_UNITS.iter().find(|(known, _)| *known == unit) else {
            let meant = |(known, _): &&(&str, u64)| {
                unit.trim().chars().next().is_some_and(|c| known.starts_with(c.to_ascii_uppercase()))
            };
            return Err(match SIZE_UNITS.iter().find(meant) {
                Some((unit, _)) => {
                    wrong.help(format!("write \"{number}{unit}\"; sizes count in KiB, MiB and GiB"))
                }
                None => wrong.help("give it one of the units B, KiB, MiB and GiB"),
            });
        };
        number
            .checked_mul(*length)
            .map(Self)
            .ok_or_else(|| Wrong::new(format!("{} is too large", quoted(text))))
    }

    fn from_number(number: u64) -> Option<String> {
        Some(Self(number).text())
    }

    fn text(&self) -> String {
        let fits = |(_, length): &&(&str, u64)| self.0 >= *length && self.0.is_multiple_of(*length);
        match SIZE_UNITS.iter().find(fits) {
            Some((unit, length)) => format!("{}{unit}", self.0 / length),
            None => format!("{}B", self.0),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$" })
    }

    fn magnitude(&self) -> Option<u64> {
        Some(self.0)
    }
}

impl Text for DurationOrNone {
    const NAME: &'static str = "duration or `none`";
    const LIKE: &'static str = "\"60s\" or \"none\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text == "none" {
            return Ok(Self(None));
        }
        let wrong = |wrong: Wrong| match leading_number(text) {
            Some(_) => wrong,
            None => Wrong::new(format!("{} is neither a duration nor `none`", quoted(text)))
                .help(format!("write it like {}", Self::LIKE)),
        };
        Duration::parse(text).map(|duration| Self(Some(duration))).map_err(wrong)
    }

    fn text(&self) -> String {
        self.0.map_or_else(|| "none".into(), |duration| duration.text())
    }

    fn schema() -> Value {
        json!({ "anyOf": [{ "const": "none" }, Duration::schema()] })
    }

    /// No bound at all is within any range.
    fn magnitude(&self) -> Option<u64> {
        self.0.and_then(|duration| Text::magnitude(&duration))
    }
}

impl Expiry {
    fn parse(text: &str) -> Option<Self> {
        if text == "never" {
            return Some(Self::Never);
        }
        // A date alone is its first instant: of two readings, the one that ends earlier.
        let midnight = |date: Date| date.to_datetime(Time::midnight()).to_zoned(TimeZone::UTC).ok();
        let at = match text.len() {
            10 => midnight(text.parse().ok()?)?.timestamp(),
            _ => text.parse().ok()?,
        };
        Some(Self::At(at))
    }
}

impl Kind for Expiry {
    fn shape() -> Shape {
        let schema =
            json!({ "type": "string", "description": "a date, a date-time of RFC 3339, or `never`" });
        Shape::Value { name: "date, date-time or `never`".into(), schema }
    }

    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let text = match node.value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Datetime(at) => Some(at.to_string()),
            _ => None,
        };
        let expiry = text.as_deref().and_then(Self::parse);
        if expiry.is_none() {
            let message = match text {
                Some(text) => format!("{} is not a date", quoted(&text)),
                None => "expected a date".into(),
            };
            let help = "write \"2027-01-31\", \"2027-01-31T12:00:00Z\" (with its offset), or \"never\"";
            problems.add(Problem::at(&node.place, message).help(help));
        }
        expiry
    }

    fn shown(&self) -> Shown {
        Shown::Value(match self {
            Self::Never => written("never"),
            Self::At(at) => written(&at.to_string()),
        })
    }
}

/// The number that a text begins with, and what follows it.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: Text>(text: &str, expected: Option<(u64, &str)>) {
        let read = T::parse(text).ok().map(|value| (value.magnitude().unwrap(), value.text()));
        assert_eq!(read, expected.map(|(magnitude, shown)| (magnitude, shown.to_owned())), "{text}");
    }

    #[test]
    fn durations_have_units_in_order() {
        check::<Duration>("30s", Some((30_000, "30s")));
        check::<Duration>("1h30m", Some((5_400_000, "1h30m")));
        check::<Duration>("90s", Some((90_000, "1m30s")));
        check::<Duration>("250ms", Some((250, "250ms")));
        check::<Duration>("0s", Some((0, "0s")));
        for wrong in
            ["", "30", "s", "30m1h", "1s1s", "1 h", "-1s", "1.5s", "30S", "é", "1é", "99999999999999999999s"]
        {
            check::<Duration>(wrong, None);
        }
        check::<Duration>("99999999999999d", None);
    }

    #[test]
    fn sizes_have_units() {
        check::<Size>("64KiB", Some((65_536, "64KiB")));
        check::<Size>("1048576B", Some((1_048_576, "1MiB")));
        check::<Size>("0B", Some((0, "0B")));
        for wrong in ["", "64", "64KB", "64 KiB", "KiB", "é", "64é", "99999999999999999GiB"] {
            check::<Size>(wrong, None);
        }
    }

    #[test]
    fn a_date_alone_is_its_first_instant() {
        let at = |text: &str| Expiry::parse(text);
        assert_eq!(at("2027-01-31"), at("2027-01-31T00:00:00Z"));
        assert_eq!(at("2027-01-31T02:00:00+02:00"), at("2027-01-31"));
        assert_eq!(at("never"), Some(Expiry::Never));
        for wrong in ["", "2027", "2027-01-31T10:00:00", "2027-02-30", "31.01.2027", "2027-01-3é"] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
