//! The settings table: what one entry of `tree.rs` says of a setting, and everything that follows from it.
//!
//! [`settings!`] turns an entry into a field that knows its place in the file, into its reader, and into the
//! [`Section`] that the reference, the JSON Schema and the sample are written from. A setting is thus described once.

use std::ops::Range;

use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

use super::kind::{At, Gaps, Kind, List, Node, NonEmpty, Shown, Text};
use super::nearest;
use crate::diagnostic::{Excerpt, Place, Problem, Problems, quoted};

/// Declares a section of the configuration. Each entry reads `name: Kind = default`, where the default is written as in
/// the file, or is `required` or `optional`; then, where they help, `from LEAST to MOST` and `example VALUE`.
/// `later` names settings of later versions, `never` those that will not exist because they would make the gate unsafe:
/// using one is refused with the advice beside it. Patterns begin or end with `*` for any text.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        struct $section:ident {
            $(
                $(#[doc = $doc:literal])+
                $name:ident : $kind:ty = $default:tt $(, from $least:tt to $most:tt)? $(, example $example:tt)? ;
            )*
        }
        $(later { $($later:literal => $advice:literal),+ $(,)? })?
        $(never { $($never:literal => $instead:literal),+ $(,)? })?
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        pub(crate) struct $section {
            $( $(#[doc = $doc])+ pub(crate) $name: Setting<$kind>, )*
        }

        impl $section {
            const SPECS: &[Spec] = &[$( Spec {
                name: stringify!($name),
                about: &[$($doc),+],
                presence: settings!(@presence $default),
                range: settings!(@range $($least $most)?),
                example: settings!(@example $($example)?),
            } ),*];
        }

        impl Kind for $section {
            fn shape() -> Shape {
                let shapes = [$( <$kind as Kind>::shape() ),*];
                let entries = Self::SPECS.iter().zip(shapes).map(|(spec, shape)| Entry { spec, shape });
                let later = &[$($( ($later, $advice) ),+)?];
                let never = &[$($( ($never, $instead) ),+)?];
                Shape::Section(Section { about: &[$($about),+], entries: entries.collect(), later, never })
            }

            fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
                let mut fields = Fields::of(node, Self::SPECS, problems)?;
                let section = Self { $( $name: fields.next(problems), )* };
                fields.refuse_others(Self::shape, problems);
                Some(section)
            }

            fn shown(&self) -> Shown {
                Shown::Table(vec![$( (stringify!($name).to_owned(), self.$name.value().map(Kind::shown)) ),*])
            }
        }
    };
    (@presence required) => { Presence::Required };
    (@presence optional) => { Presence::Optional };
    (@presence $default:tt) => { Presence::Default(stringify!($default)) };
    (@range) => { None };
    (@range $least:tt $most:tt) => { Some((stringify!($least), stringify!($most))) };
    (@example) => { None };
    (@example $example:tt) => { Some(stringify!($example)) };
}
pub(crate) use settings;

/// What the table says of one setting, beside its kind.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// The lines of its documentation.
    pub(crate) about: &'static [&'static str],
    pub(crate) presence: Presence,
    /// Least and most, as they would be written.
    pub(crate) range: Option<(&'static str, &'static str)>,
    pub(crate) example: Option<&'static str>,
}

/// What becomes of a setting that is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// That is a mistake.
    Required,
    /// It is absent.
    Optional,
    /// It is as if this had been written.
    Default(&'static str),
}

/// What may stand at a key.
#[derive(Debug)]
pub(crate) enum Shape {
    /// One value, `key = value`.
    Value { name: String, schema: Value },
    /// `[key]`.
    Section(Section),
    /// `[key.NAME]` or, for values, `NAME = value` under `[key]`.
    Named { placeholder: &'static str, of: Box<Shape> },
    /// `[[key]]`, any number of times.
    Many(Section),
}

/// A section: what may stand under one header.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) about: &'static [&'static str],
    pub(crate) entries: Vec<Entry>,
    /// Settings of later versions, with what to do until then.
    pub(crate) later: &'static [(&'static str, &'static str)],
    /// Settings that will not exist, with what to do instead.
    pub(crate) never: &'static [(&'static str, &'static str)],
}

/// A setting of a section.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) spec: &'static Spec,
    pub(crate) shape: Shape,
}

/// A setting as written, or as its default says.
#[derive(Debug, Clone)]
pub(crate) struct Setting<T> {
    pub(crate) place: Place,
    state: State<T>,
}

#[derive(Debug, Clone)]
enum State<T> {
    Written(T),
    Default(T),
    Absent,
    /// It is written but wrong, or missing although it is required: that has been reported.
    Refused,
}

/// A table whose keys the user chooses, such as the applications.
#[derive(Debug, Clone)]
pub(crate) struct Named<K, T> {
    pub(crate) entries: Vec<(K, At<T>)>,
    pub(crate) gaps: Gaps,
}

/// Tables under a repeated `[[key]]`, at most `MOST`.
#[derive(Debug, Clone)]
pub(crate) struct Many<T, const MOST: usize>(pub(crate) Vec<At<T>>);

/// A kind of name that can be a key of a [`Named`] table.
pub(crate) trait Label: Text {
    /// What stands for it in documents, such as `NAME`.
    const PLACEHOLDER: &'static str;
    /// How many of them one table may hold.
    const MOST: usize;
}

impl<T> Setting<T> {
    /// The value: written, or by default.
    pub(crate) fn value(&self) -> Option<&T> {
        match &self.state {
            State::Written(value) | State::Default(value) => Some(value),
            State::Absent | State::Refused => None,
        }
    }

    /// The value with its place, only when the file has it.
    pub(crate) fn written(&self) -> Option<(&T, &Place)> {
        match &self.state {
            State::Written(value) => Some((value, &self.place)),
            State::Default(_) | State::Absent | State::Refused => None,
        }
    }

    /// Whether nothing stands in the file. False also for a value that was refused.
    pub(crate) fn is_left_out(&self) -> bool {
        matches!(self.state, State::Default(_) | State::Absent)
    }
}

impl<T> Setting<List<T>> {
    /// The items that could be read; none when the setting is left out.
    pub(crate) fn items(&self) -> impl Iterator<Item = &At<T>> + Clone {
        self.value().into_iter().flat_map(List::iter)
    }
}

impl<T> Setting<NonEmpty<T>> {
    /// The items that could be read; none when the setting is left out.
    pub(crate) fn items(&self) -> impl Iterator<Item = &At<T>> + Clone {
        self.value().into_iter().flat_map(|list| list.iter())
    }
}

impl Shape {
    /// What the kind is called.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Value { name, .. } => name.clone(),
            Self::Section(_) | Self::Many(_) | Self::Named { .. } => "table".into(),
        }
    }

    /// A list of such values.
    pub(crate) fn list(self) -> Self {
        let name = format!("list of {}s", self.name());
        let Self::Value { schema, .. } = self else { return self };
        Self::Value { name, schema: json!({ "type": "array", "items": schema }) }
    }

    /// The section that describes what stands below, when something does.
    pub(crate) fn section(&self) -> Option<&Section> {
        match self {
            Self::Section(section) | Self::Many(section) => Some(section),
            Self::Named { of, .. } => of.section(),
            Self::Value { .. } => None,
        }
    }
}

impl Section {
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.spec.name == name)
    }
}

impl<K: Label, T: Kind> Kind for Named<K, T> {
    fn shape() -> Shape {
        Shape::Named { placeholder: K::PLACEHOLDER, of: Box::new(T::shape()) }
    }

    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let table = table_of(node, problems)?;
        if table.len() > K::MOST {
            let message = format!("has {} entries; there may be {}", table.len(), K::MOST);
            problems.add(Problem::at(&node.place, message));
            return None;
        }
        let mut named = Self { entries: Vec::new(), gaps: Gaps::None };
        for (key, value) in table.iter() {
            let place = node.place.child(key.get_ref());
            match K::parse(key.get_ref()) {
                Ok(name) => {
                    let node = Node { value: value.get_ref(), place: place.at(value.span()) };
                    match T::read(&node, problems) {
                        Some(value) => named.entries.push((name, At { value, place: node.place })),
                        None => named.gaps = Gaps::Some,
                    }
                }
                Err(wrong) => {
                    named.gaps = Gaps::Some;
                    let place = place.at(key.span());
                    problems.add(Problem::at(&place, wrong.message).maybe_help(wrong.help));
                }
            }
        }
        // The parser keeps keys by alphabet; people expect the order of their file.
        named.entries.sort_by_key(|(_, item)| item.place.start);
        Some(named)
    }

    fn shown(&self) -> Shown {
        Shown::Table(
            self.entries.iter().map(|(name, item)| (name.text(), Some(item.value.shown()))).collect(),
        )
    }
}

impl<T: Kind, const MOST: usize> Kind for Many<T, MOST> {
    fn shape() -> Shape {
        match T::shape() {
            Shape::Section(section) => Shape::Many(section),
            other => other,
        }
    }

    fn read(node: &Node<'_>, problems: &mut Problems) -> Option<Self> {
        let DeValue::Array(items) = node.value else {
            let header = node.place.key();
            let message = "may stand several times, so it needs double brackets";
            problems.add(Problem::at(&node.place, message).help(format!("write `[[{header}]]`")));
            return None;
        };
        if items.len() > MOST {
            let message = format!("stands {} times; it may stand {MOST} times", items.len());
            problems.add(Problem::at(&node.place, message));
            return None;
        }
        let nodes = items.iter().enumerate().map(|(index, item)| Node {
            value: item.get_ref(),
            place: node.place.index(index).at(item.span()),
        });
        let read =
            nodes.filter_map(|node| T::read(&node, problems).map(|value| At { value, place: node.place }));
        Some(Self(read.collect()))
    }

    fn shown(&self) -> Shown {
        Shown::Tables(self.0.iter().map(|item| item.value.shown()).collect())
    }
}

/// Reads the settings of one table, in the order of the section's entries.
pub(crate) struct Fields<'a> {
    table: &'a DeTable<'a>,
    place: &'a Place,
    specs: std::slice::Iter<'static, Spec>,
    unknown: Vec<Unknown<'a>>,
}

/// A key that is no setting of its section.
struct Unknown<'a> {
    key: &'a str,
    span: Range<usize>,
    /// The setting that was probably meant. It does not count as missing, too.
    meant: Option<&'static str>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(node: &'a Node<'_>, specs: &'static [Spec], problems: &mut Problems) -> Option<Self> {
        let table = table_of(node, problems)?;
        let is_known = |key: &str| specs.iter().any(|spec| spec.name == key);
        let meant = |key: &str| nearest::to(key, specs.iter().map(|spec| spec.name));
        let unknown = table.keys().filter(|key| !is_known(key.get_ref()));
        let mut unknown: Vec<_> = unknown
            .map(|key| Unknown { key: key.get_ref(), span: key.span(), meant: meant(key.get_ref()) })
            .collect();
        unknown.sort_by_key(|key| key.span.start);
        Some(Self { table, place: &node.place, specs: specs.iter(), unknown })
    }

    /// The next setting of the section.
    pub(crate) fn next<T: Kind>(&mut self, problems: &mut Problems) -> Setting<T> {
        // INVARIANT: the macro asks once for each of `SPECS`, in their order, so there is one for each setting.
        let Some(spec) = self.specs.next() else {
            return Setting { place: self.place.clone(), state: State::Refused };
        };
        let place = self.place.child(spec.name);
        let Some(value) = self.table.get(spec.name) else {
            let meant = self.unknown.iter().any(|unknown| unknown.meant == Some(spec.name));
            return if meant {
                Setting { place, state: State::Refused }
            } else {
                Self::left_out(spec, place, problems)
            };
        };
        let node = Node { value: value.get_ref(), place: place.at(value.span()) };
        let read = T::read(&node, problems).filter(|value| in_range(value, spec, &node.place, problems));
        Setting { place: node.place, state: read.map_or(State::Refused, State::Written) }
    }

    fn left_out<T: Kind>(spec: &Spec, place: Place, problems: &mut Problems) -> Setting<T> {
        let state = match spec.presence {
            Presence::Optional => State::Absent,
            Presence::Default(text) => {
                from_table(text, &place, problems).map_or(State::Refused, State::Default)
            }
            Presence::Required => {
                let help = match (T::shape().section(), spec.example) {
                    (Some(_), _) => Some(format!("add a section `[{}]`", place.key())),
                    (None, example) => {
                        example.map(|value| format!("write, for example, `{} = {value}`", spec.name))
                    }
                };
                problems.add(Problem::left_out(&place, "is missing").maybe_help(help));
                State::Refused
            }
        };
        Setting { place, state }
    }

    /// Reports every key that is no setting of this section, whose description is only made when there is one.
    pub(crate) fn refuse_others(self, shape: fn() -> Shape, problems: &mut Problems) {
        let Some(Shape::Section(section)) = (!self.unknown.is_empty()).then(shape) else { return };
        for unknown in &self.unknown {
            if !problems.are_full() {
                problems.add(unknown.told(self.place, &section));
            }
        }
    }
}

impl Unknown<'_> {
    /// Tells of a key that nobody knows: of a later version, mistyped, or in the wrong section.
    fn told(&self, parent: &Place, section: &Section) -> Problem {
        let key = self.key;
        let place = parent.child(key).at(self.span.clone());
        let fits = |(pattern, _): &&(&str, &str)| {
            let middle = pattern.trim_matches('*');
            match (pattern.starts_with('*'), pattern.ends_with('*')) {
                (true, true) => key.contains(middle),
                (false, true) => key.starts_with(middle),
                (true, false) => key.ends_with(middle),
                (false, false) => key == middle,
            }
        };
        if let Some((_, advice)) = section.later.iter().find(fits) {
            let message = "is not in this version of Portcullis, and nothing is ignored silently";
            return Problem::at(&place, message)
                .help(format!("take it out: {advice}"))
                .excerpt(Excerpt::UpToMark);
        }
        if let Some((_, instead)) = section.never.iter().find(fits) {
            let message = "is not a setting of Portcullis and never will be: it would make the gate unsafe";
            return Problem::at(&place, message)
                .help(format!("take it out: {instead}"))
                .excerpt(Excerpt::UpToMark);
        }
        let help = match (self.meant, super::tree::home_of(key)) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(home)) => format!("`{key}` belongs under `{home}`"),
            (None, None) => {
                let known: Vec<_> = section.entries.iter().map(|entry| entry.spec.name).collect();
                format!("known here: {}", known.join(", "))
            }
        };
        let message = match parent.key() {
            "" => format!("there is no section {}", quoted(key)),
            _ => format!("there is no setting {} here", quoted(key)),
        };
        // What stands behind a key that nobody knows could be anything, also a secret.
        Problem::at(&place, message).help(help).excerpt(Excerpt::UpToMark)
    }
}

/// Reads a value that stands in the settings table instead of in the file.
fn from_table<T: Kind>(text: &str, place: &Place, problems: &mut Problems) -> Option<T> {
    let (value, _) = DeValue::parse_recoverable(text);
    T::read(&Node { value: value.get_ref(), place: place.clone() }, problems)
}

fn in_range<T: Kind>(value: &T, spec: &Spec, place: &Place, problems: &mut Problems) -> bool {
    let Some((least, most)) = spec.range else { return true };
    let mut bound = |text| from_table::<T>(text, place, problems).and_then(|bound| bound.magnitude());
    let Some(magnitude) = value.magnitude() else { return true };
    if bound(least).is_none_or(|from| from <= magnitude) && bound(most).is_none_or(|to| magnitude <= to) {
        return true;
    }
    let written = value.shown().value().unwrap_or_default();
    let [least, most, written] = [least, most, &written].map(|text| as_prose(text).to_owned());
    problems.add(Problem::at(place, format!("must be from `{least}` to `{most}`, but is `{written}`")));
    false
}

/// A value of the table as a sentence has it: without digit separators and quotes.
pub(crate) fn as_prose(text: &str) -> String {
    as_written(text).trim_matches('"').to_owned()
}

/// A value of the table as a file would have it: without digit separators.
pub(crate) fn as_written(text: &str) -> String {
    if text.starts_with(|c: char| c.is_ascii_digit()) { text.replace('_', "") } else { text.into() }
}

fn table_of<'a>(node: &'a Node<'_>, problems: &mut Problems) -> Option<&'a DeTable<'a>> {
    let key = node.place.key();
    let (message, help) = match node.value {
        DeValue::Table(table) => return Some(table),
        DeValue::Array(_) => ("may stand only once", format!("write `[{key}]`, with single brackets")),
        _ => {
            let help = format!("open the section with a line `[{key}]` and put its settings under it");
            ("is a section, not a value", help)
        }
    };
    problems.add(Problem::at(&node.place, message).help(help).hide_line());
    None
}
