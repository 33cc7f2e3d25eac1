//! The values of one request and response, side by side in one buffer.
//!
//! A value is a place in the buffer: nothing is copied again, however many rules look at it, and a new value needs no
//! allocation of its own.

use crate::lang::{Shape, Variable};

/// A part of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

/// A value with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Entry {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

/// Where values with names are kept. Several variables show the same list: ARGS shows two, ARGS_NAMES their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum List {
    Query,
    Form,
    Cookies,
    RequestHeaders,
    ResponseHeaders,
    Files,
    FileSizes,
    FileContents,
    PartHeaders,
    PartNames,
    PartFileNames,
    XmlTexts,
    XmlAttributes,
}

const LISTS: usize = 13;

/// What a variable shows of its lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Shown {
    Values,
    Names,
}

/// The lists that `variable` shows; none for a variable that is not kept here.
pub(crate) const fn lists(variable: Variable) -> (&'static [List], Shown) {
    use List::{
        Cookies, FileContents, FileSizes, Files, Form, PartFileNames, PartHeaders, PartNames, Query,
        RequestHeaders, ResponseHeaders, XmlAttributes, XmlTexts,
    };
    match variable {
        Variable::Args => (&[Query, Form], Shown::Values),
        Variable::ArgsGet => (&[Query], Shown::Values),
        Variable::ArgsPost => (&[Form], Shown::Values),
        Variable::ArgsNames => (&[Query, Form], Shown::Names),
        Variable::ArgsGetNames => (&[Query], Shown::Names),
        Variable::ArgsPostNames => (&[Form], Shown::Names),
        Variable::RequestCookies => (&[Cookies], Shown::Values),
        Variable::RequestCookiesNames => (&[Cookies], Shown::Names),
        Variable::RequestHeaders => (&[RequestHeaders], Shown::Values),
        Variable::RequestHeadersNames => (&[RequestHeaders], Shown::Names),
        Variable::ResponseHeaders => (&[ResponseHeaders], Shown::Values),
        Variable::ResponseHeadersNames => (&[ResponseHeaders], Shown::Names),
        Variable::Files => (&[Files], Shown::Values),
        Variable::FilesNames => (&[Files], Shown::Names),
        Variable::FilesSizes => (&[FileSizes], Shown::Values),
        Variable::FilesTmpContent => (&[FileContents], Shown::Values),
        Variable::MultipartPartHeaders => (&[PartHeaders], Shown::Values),
        Variable::MultipartName => (&[PartNames], Shown::Values),
        Variable::Xml => (&[XmlTexts, XmlAttributes], Shown::Values),
        Variable::MultipartFilename => (&[PartFileNames], Shown::Values),
        _ => (&[], Shown::Values),
    }
}

/// Where a rule finds values: a list, the names of a list, or a variable that is one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    List(List, Shown),
    Single(Variable),
}

/// The sources of a variable that does not change while the rules of a phase are evaluated.
pub(crate) fn sources(variable: Variable) -> impl Iterator<Item = Source> {
    let (lists, shown) = lists(variable);
    let single = (variable.shape() == Shape::Single).then_some(Source::Single(variable));
    lists.iter().map(move |list| Source::List(*list, shown)).chain(single)
}

/// The most bytes that the values of one transaction may have: places are counted in 32 bits.
const BYTES_MAX: usize = u32::MAX as usize;

/// All values that do not change while rules of a phase are evaluated.
#[derive(Debug)]
pub(crate) struct Values {
    bytes: Vec<u8>,
    lists: [Vec<Entry>; LISTS],
    singles: [Span; Variable::ALL.len()],
}

impl Values {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(4096),
            lists: Default::default(),
            singles: [Span::default(); Variable::ALL.len()],
        }
    }

    /// Keeps `bytes`. What would not fit any more is cut off; bodies are bounded far below that.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> Span {
        let room = BYTES_MAX.saturating_sub(self.bytes.len());
        let bytes = bytes.get(..room).unwrap_or(bytes);
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(bytes);
        let end = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        Span { start, end }
    }

    /// The part of `span` from `start` to `end`, counted in bytes from its beginning.
    pub(crate) fn part(&self, span: Span, start: usize, end: usize) -> Span {
        let length = self.at(span).len();
        let place = |at: usize| span.start + u32::try_from(at.min(length)).unwrap_or(0);
        Span { start: place(start), end: place(end.max(start)) }
    }

    pub(crate) fn at(&self, span: Span) -> &[u8] {
        self.bytes.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Adds a value with a name to a list.
    pub(crate) fn push(&mut self, list: List, name: &[u8], value: &[u8]) {
        let entry = Entry { name: self.keep(name), value: self.keep(value) };
        self.push_kept(list, entry);
    }

    /// Adds a value that is kept already.
    pub(crate) fn push_kept(&mut self, list: List, entry: Entry) {
        if let Some(list) = self.lists.get_mut(list as usize) {
            list.push(entry);
        }
    }

    pub(crate) fn list(&self, list: List) -> &[Entry] {
        self.lists.get(list as usize).map_or(&[], Vec::as_slice)
    }

    /// Sets a variable that is one value.
    pub(crate) fn set(&mut self, variable: Variable, value: &[u8]) {
        let span = self.keep(value);
        self.set_kept(variable, span);
    }

    /// Sets a variable to a value that is kept already.
    pub(crate) fn set_kept(&mut self, variable: Variable, span: Span) {
        if let Some(place) = self.singles.get_mut(variable as usize) {
            *place = span;
        }
    }

    /// A variable that is one value; empty as long as nothing set it.
    pub(crate) fn single(&self, variable: Variable) -> &[u8] {
        self.singles.get(variable as usize).map_or(&[], |span| self.at(*span))
    }

    /// How many values a source has. A variable that is one value always has it, even if it is empty.
    pub(crate) fn count(&self, source: Source) -> usize {
        match source {
            Source::List(list, _) => self.list(list).len(),
            Source::Single(_) => 1,
        }
    }

    /// A value of a source.
    pub(crate) fn span(&self, source: Source, position: usize) -> Span {
        match source {
            Source::List(list, shown) => {
                let entry = self.list(list).get(position).copied().unwrap_or_default();
                if shown == Shown::Names { entry.name } else { entry.value }
            }
            Source::Single(variable) => self.singles.get(variable as usize).copied().unwrap_or_default(),
        }
    }

    /// The name of a value of a source; a variable that is one value has none.
    pub(crate) fn name(&self, source: Source, position: usize) -> &[u8] {
        match source {
            Source::List(list, _) => self.list(list).get(position).map_or(&[], |entry| self.at(entry.name)),
            Source::Single(_) => &[],
        }
    }

    /// The first value of this name, or the first of all.
    pub(crate) fn first(&self, variable: Variable, name: Option<&[u8]>) -> Option<&[u8]> {
        let (lists, shown) = lists(variable);
        let mut entries = lists.iter().flat_map(|list| self.list(*list));
        let found = entries.find(|entry| match name {
            Some(name) if variable.ignores_case() => self.at(entry.name).eq_ignore_ascii_case(name),
            Some(name) => self.at(entry.name) == name,
            None => true,
        })?;
        Some(match shown {
            Shown::Values => self.at(found.value),
            Shown::Names => self.at(found.name),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name() {
        let mut values = Values::new();
        values.push(List::RequestHeaders, b"Host", b"example.com");
        values.push(List::Query, b"a", b"1");
        values.push(List::Form, b"a", b"2");
        assert_eq!(values.first(Variable::RequestHeaders, Some(b"HOST")), Some(b"example.com".as_slice()));
        assert_eq!(values.first(Variable::Args, Some(b"a")), Some(b"1".as_slice()));
        assert_eq!(values.first(Variable::Args, Some(b"A")), None);
        assert_eq!(values.first(Variable::ArgsPost, None), Some(b"2".as_slice()));
        assert_eq!(values.first(Variable::ArgsNames, None), Some(b"a".as_slice()));
        assert_eq!(values.first(Variable::Files, None), None);
    }

    #[test]
    fn single_values_are_set_and_replaced() {
        let mut values = Values::new();
        assert_eq!(values.single(Variable::RequestUri), b"");
        values.set(Variable::RequestUri, b"/a");
        let whole = values.keep(b"GET /b?c");
        let part = values.part(whole, 4, 6);
        values.set_kept(Variable::RequestUri, part);
        assert_eq!(values.single(Variable::RequestUri), b"/b");
        let beyond = values.part(whole, 6, 100);
        assert_eq!(values.at(beyond), b"?c");
    }
}
