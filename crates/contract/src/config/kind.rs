//! Kinds of values: how each is read from the file, described in the reference and the schema, and shown.
//!
//! The kinds written as a string (durations, addresses, names, ...) implement [`Text`] and live in `text.rs`; this
//! file has the traits and the kinds made of other kinds. Nothing here knows a particular setting.

use std::collections::HashSet;
use std::num::NonZeroU32;

use serde_json::{Value, json};
use toml::de::DeValue;

use super::table::Shape;
use crate::diagnostic::{Excerpt, Place, Problem, Problems, quoted};

/// Items in a list at most: far more than any sensible list, far less than could slow a check down.
const LIST_ITEMS_MAX: usize = 1_000;

/// A kind of value that a setting can have.
pub(crate) trait Kind: Sized {
    /// What the kind is called, and what may be written.
    fn shape() -> Shape;

    /// Reads a value, or reports why it is none and returns `None`.
    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self>;

    /// The value as it would be written.
    fn shown(&self) -> Shown;

    /// The value as a number that a range can bound, for kinds that have one.
    fn magnitude(&self) -> Option<u64> {
        None
    }
}

/// A kind that is written as a string.
pub(crate) trait Text: Sized {
    /// What it is called, such as `duration`.
    const NAME: &'static str;
    /// How it is written, for whoever wrote something else.
    const LIKE: &'static str;
    /// Hidden for kinds whose place is where a secret would be written by mistake.
    const EXCERPT: Excerpt = Excerpt::Shown;

    /// Reads the text, or says why it is none.
    fn parse(text: &str) -> Result<Self, Wrong>;

    /// What a bare number was meant to be, for kinds that people write as one.
    fn from_number(_number: u64) -> Option<String> {
        None
    }

    /// The text as it would be written.
    fn text(&self) -> String;

    /// The JSON Schema of the text.
    fn schema() -> Value {
        json!({ "type": "string" })
    }

    /// The value as a number that a range can bound, for kinds that have one.
    fn magnitude(&self) -> Option<u64> {
        None
    }
}

/// Why a text is not a value of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
    excerpt: Excerpt,
}

impl Wrong {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, excerpt: Excerpt::Shown }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Keeps the line out of the diagnostic, because it may hold a secret.
    pub(crate) fn hide_line(self) -> Self {
        Self { excerpt: Excerpt::Hidden, ..self }
    }
}

/// A value of the file on its way to a [`Kind`].
pub(crate) struct Node<'a> {
    pub(crate) value: &'a DeValue<'a>,
    pub(crate) place: Place,
}

/// A value as it would be written in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// After `key = `.
    Value(String),
    /// Under `[key]`; settings that are not set have `None`.
    Table(Vec<(String, Option<Shown>)>),
    /// Under as many `[[key]]`.
    Tables(Vec<Shown>),
}

/// A value together with its place.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it stands.
    pub(crate) place: Place,
}

/// A list that may be empty.
#[derive(Debug, Clone)]
pub(crate) struct List<T> {
    items: Vec<At<T>>,
    /// Whether items are missing because they were wrong. Then nobody may conclude from what is not in the list.
    pub(crate) gaps: Gaps,
}

/// Whether something that was written is missing from what was read, because it was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gaps {
    None,
    Some,
}

/// A list with at least one item: an empty one would silently mean "all" or "nobody".
#[derive(Debug, Clone)]
pub(crate) struct NonEmpty<T>(List<T>);

impl<T> List<T> {
    /// The items in their order.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, At<T>> {
        self.items.iter()
    }

    /// The items without their places.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|item| &item.value)
    }
}

impl<T> std::ops::Deref for NonEmpty<T> {
    type Target = List<T>;

    fn deref(&self) -> &List<T> {
        &self.0
    }
}

impl<T: Text> Kind for T {
    fn shape() -> Shape {
        Shape::Value { name: T::NAME.into(), schema: T::schema() }
    }

    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let parsed = match node.value {
            DeValue::String(text) => T::parse(text),
            other => {
                let wrong =
                    Wrong::new(format!("expected {}, found {}", with_article(T::NAME), described(other)));
                Err(match number_of(other).and_then(T::from_number) {
                    Some(meant) => wrong.help(format!("write \"{meant}\" if that is meant")),
                    None => wrong.help(format!("write it like {}", T::LIKE)),
                })
            }
        };
        let wrong = match parsed {
            Ok(value) => return Some(value),
            Err(wrong) => wrong,
        };
        let excerpt = if T::EXCERPT == Excerpt::Hidden { Excerpt::Hidden } else { wrong.excerpt };
        problems.add(Problem::at(&node.place, wrong.message).maybe_help(wrong.help).excerpt(excerpt));
        None
    }

    fn shown(&self) -> Shown {
        Shown::Value(written(&self.text()))
    }

    fn magnitude(&self) -> Option<u64> {
        Text::magnitude(self)
    }
}

impl<T: Kind> Kind for List<T> {
    fn shape() -> Shape {
        T::shape().list()
    }

    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let DeValue::Array(items) = node.value else {
            let name = T::shape().name();
            let help = match node.value {
                DeValue::String(text) => format!("write [{}]", written(text)),
                _ => "write a list in square brackets".into(),
            };
            mismatch(problems, node, &format!("a list of {name}s"), help);
            return None;
        };
        if items.len() > LIST_ITEMS_MAX {
            let message = format!("has {} items; a list has at most {LIST_ITEMS_MAX}", items.len());
            problems.add(Problem::at(&node.place, message));
            return None;
        }
        let mut seen = HashSet::new();
        let mut list = Self { items: Vec::new(), gaps: Gaps::None };
        for (index, item) in items.iter().enumerate() {
            let place = node.place.index(index).at(item.span());
            let item = Node { value: item.get_ref(), place };
            let Some(value) = T::read(&item, problems) else {
                list.gaps = Gaps::Some;
                continue;
            };
            if let Shown::Value(text) = value.shown()
                && !seen.insert(text.clone())
            {
                let message = format!("`{}` stands twice in this list", text.trim_matches('"'));
                problems.add(Problem::at(&item.place, message).help("remove one of the two"));
            }
            list.items.push(At { value, place: item.place });
        }
        Some(list)
    }

    fn shown(&self) -> Shown {
        let items: Vec<_> = self.values().filter_map(|item| item.shown().value()).collect();
        Shown::Value(format!("[{}]", items.join(", ")))
    }
}

impl<T: Kind> Kind for NonEmpty<T> {
    fn shape() -> Shape {
        T::shape().list()
    }

    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let list = List::read(node, problems)?;
        if matches!(node.value, DeValue::Array(items) if items.is_empty()) {
            let help = format!("name at least one {}, or leave the setting out", T::shape().name());
            problems.add(Problem::at(&node.place, "is an empty list, which says nothing").help(help));
            return None;
        }
        Some(Self(list))
    }

    fn shown(&self) -> Shown {
        self.0.shown()
    }
}

impl Kind for bool {
    fn shape() -> Shape {
        Shape::Value { name: "true or false".into(), schema: json!({ "type": "boolean" }) }
    }

    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        if let DeValue::Boolean(value) = node.value {
            return Some(*value);
        }
        mismatch(problems, node, "`true` or `false`", "write it without quotes".into());
        None
    }

    fn shown(&self) -> Shown {
        Shown::Value(self.to_string())
    }
}

/// Whole numbers of each width that settings use.
macro_rules! whole_numbers {
    ($($number:ty),+) => { $(
        impl Kind for $number {
            fn shape() -> Shape {
                Shape::Value { name: "whole number".into(), schema: json!({ "type": "integer", "minimum": 0 }) }
            }

            fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
                whole_number(node, problems)
            }

            fn shown(&self) -> Shown {
                Shown::Value(self.to_string())
            }

            fn magnitude(&self) -> Option<u64> {
                // No width here is above 64 bits.
                u64::try_from(*self).ok()
            }
        }
    )+ };
}

whole_numbers!(u32, u64, usize);

impl Kind for NonZeroU32 {
    fn shape() -> Shape {
        Shape::Value { name: "whole number".into(), schema: json!({ "type": "integer", "minimum": 1 }) }
    }

    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let number = NonZeroU32::new(whole_number(node, problems)?);
        if number.is_none() {
            problems.add(Problem::at(&node.place, "must be at least 1, but is 0"));
        }
        number
    }

    fn shown(&self) -> Shown {
        Shown::Value(self.to_string())
    }

    fn magnitude(&self) -> Option<u64> {
        Some(u64::from(self.get()))
    }
}

fn whole_number<N: TryFrom<u64>>(node: &Node<'_>, problems: &mut Problems) -> Option<N> {
    let DeValue::Integer(digits) = node.value else {
        let unquoted = match node.value {
            DeValue::String(text) if text.parse::<u64>().is_ok() => format!("write {text}, without quotes"),
            _ => "write digits only, such as 100".into(),
        };
        mismatch(problems, node, "a whole number", unquoted);
        return None;
    };
    if digits.as_str().starts_with('-') {
        problems.add(Problem::at(&node.place, format!("must not be negative, but is {digits}")));
        return None;
    }
    let number = number_of(node.value).and_then(|number| N::try_from(number).ok());
    if number.is_none() {
        problems.add(Problem::at(&node.place, format!("{} is too large a number", quoted(digits.as_str()))));
    }
    number
}

fn number_of(value: &DeValue<'_>) -> Option<u64> {
    match value {
        DeValue::Integer(digits) => u64::from_str_radix(digits.as_str(), digits.radix()).ok(),
        _ => None,
    }
}

impl Shown {
    /// The text after `key = `, unless this is a table.
    pub(crate) fn value(self) -> Option<String> {
        match self {
            Self::Value(text) => Some(text),
            Self::Table(_) | Self::Tables(_) => None,
        }
    }
}

/// A string as TOML writes it, in quotes.
pub(crate) fn written(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// Reports a value of the wrong TOML type.
fn mismatch(problems: &mut Problems, node: &Node<'_>, expected: &str, help: String) {
    let message = format!("expected {expected}, found {}", described(node.value));
    problems.add(Problem::at(&node.place, message).help(help));
}

fn with_article(name: &str) -> String {
    if name.starts_with('`') {
        return name.into();
    }
    let vowel = name.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O']) && !name.starts_with("UR");
    if vowel { format!("an {name}") } else { format!("a {name}") }
}

/// What stands there instead, without its text: it may be a secret in the wrong place.
fn described(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
