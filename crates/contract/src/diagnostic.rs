//! A mistake in a configuration, told so that a stranger can mend it: where, which key, what is wrong, what to do.
//!
//! Mistakes are collected, never returned at the first one. A diagnostic never quotes a secret: the ones who report
//! choose `Problem::hide_line` wherever the line of the file could hold one.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;

/// Mistakes that are kept: nobody reads more at once, and a file can hold millions.
const PROBLEMS_MAX: usize = 100;
/// Widest excerpt of the file, in characters.
const EXCERPT_CHARS_MAX: usize = 120;

/// One mistake, at its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as it was named to [`crate::compile`].
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The setting, such as `application.shop.route[2].permissions[0]`; empty when none can be told.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    width: usize,
    excerpt: Excerpt,
}

/// Whether the line of the file may be shown with a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excerpt {
    Shown,
    /// Up to the end of what is marked; nothing if other settings stand before it.
    UpToMark,
    Hidden,
}

impl Diagnostic {
    /// The diagnostic together with its line of `source`, and a mark under the place. Plain text, several lines.
    pub fn render(&self, source: &str) -> String {
        let mut out = self.head();
        let line = source.lines().nth(self.line.saturating_sub(1)).unwrap_or_default();
        let line = self.visible(line);
        if !line.trim().is_empty() {
            let (text, before) = excerpt(&line, self.column.saturating_sub(1));
            let gutter = " ".repeat(self.line.to_string().len());
            let width = self.width.clamp(1, text.chars().count().saturating_sub(before).max(1));
            let mark = " ".repeat(before) + &"^".repeat(width);
            // Writing into a String cannot fail.
            let _ = write!(out, "\n {gutter} |\n {} | {text}\n {gutter} | {mark}", self.line);
        }
        if let Some(help) = &self.help {
            let _ = write!(out, "\n  help: {help}");
        }
        out
    }

    /// What may be seen of the line.
    fn visible<'l>(&self, line: &'l str) -> Cow<'l, str> {
        let header = line.trim_start().starts_with('[') && !line.contains('=');
        match self.excerpt {
            Excerpt::Hidden => "".into(),
            Excerpt::UpToMark if !header => {
                let text: String = line.chars().take(self.column.saturating_sub(1) + self.width).collect();
                if text.contains('=') { "".into() } else { (text + " …").into() }
            }
            Excerpt::Shown | Excerpt::UpToMark => line.into(),
        }
    }

    fn head(&self) -> String {
        let Self { file, line, column, key, message, .. } = self;
        let colon = if key.is_empty() { "" } else { ": " };
        format!("{file}:{line}:{column}: {key}{colon}{message}")
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head())?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Where something stands: bytes of the file, and the key path that leads there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) key: String,
}

impl Place {
    /// The key path, such as `application.shop.route[2].name`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The place of `key` within this one; it keeps the bytes of its parent until [`Place::at`] says better.
    pub(crate) fn child(&self, key: &str) -> Self {
        let bare =
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        let key = if bare { key.to_owned() } else { format!("\"{}\"", shortened(key)) };
        let dot = if self.key.is_empty() { "" } else { "." };
        Self { key: format!("{}{dot}{key}", self.key), ..*self }
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        Self { key: format!("{}[{index}]", self.key), ..*self }
    }

    #[must_use]
    pub(crate) fn at(self, span: Range<usize>) -> Self {
        Self { start: span.start, end: span.end, ..self }
    }
}

/// A mistake before it is told: its place is still bytes.
#[derive(Debug)]
#[must_use = "a problem counts once it is added to `Problems`"]
pub(crate) struct Problem {
    place: Place,
    message: String,
    help: Option<String>,
    excerpt: Excerpt,
    cause: Cause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Written,
    LeftOut,
}

impl Problem {
    /// Something that is written is wrong.
    pub(crate) fn at(place: &Place, message: impl Into<String>) -> Self {
        let (place, message) = (place.clone(), message.into());
        Self { place, message, help: None, excerpt: Excerpt::Shown, cause: Cause::Written }
    }

    /// Something that ought to be written is not.
    pub(crate) fn left_out(place: &Place, message: impl Into<String>) -> Self {
        Self { cause: Cause::LeftOut, ..Self::at(place, message) }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(crate) fn maybe_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    /// Keeps the line of the file out of the diagnostic, because it may hold a secret.
    pub(crate) fn hide_line(self) -> Self {
        self.excerpt(Excerpt::Hidden)
    }

    pub(crate) fn excerpt(self, excerpt: Excerpt) -> Self {
        Self { excerpt, ..self }
    }
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    pub(crate) fn add(&mut self, problem: Problem) {
        if !self.are_full() {
            self.list.push(problem);
        }
    }

    /// Whether no more will be told, so that looking for more is wasted.
    pub(crate) fn are_full(&self) -> bool {
        self.list.len() >= PROBLEMS_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Drops what may merely follow from lines that could not be read: whatever stands on one, and whatever is missing.
    pub(crate) fn forgive_after(&mut self, broken: &[Range<usize>]) {
        let on_broken = |place: &Place| broken.iter().any(|line| line.contains(&place.start));
        self.list.retain(|problem| problem.cause == Cause::Written && !on_broken(&problem.place));
    }

    pub(crate) fn append(&mut self, other: Problems) {
        self.extend(other.list);
    }

    /// Tells the mistakes in the order of the file.
    pub(crate) fn told(mut self, source: &str, file: &str) -> Vec<Diagnostic> {
        self.list.sort_by_key(|problem| problem.place.start);
        let lines = Lines::of(source);
        let last = self.list.last().filter(|_| self.are_full()).map(|problem| problem.place.clone());
        let mut told: Vec<_> = self.list.into_iter().map(|problem| problem.told(&lines, file)).collect();
        if let Some(place) = last {
            let place = Place { key: String::new(), ..place };
            let message = format!("only {PROBLEMS_MAX} problems are shown, and there may be more");
            told.push(Problem::at(&place, message).help("mend these first").hide_line().told(&lines, file));
        }
        told
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        problems.into_iter().for_each(|problem| self.add(problem));
    }
}

impl Problem {
    fn told(self, lines: &Lines<'_>, file: &str) -> Diagnostic {
        let (line, column) = lines.position(self.place.start);
        let spanned = lines.source.get(self.place.start..self.place.end).unwrap_or_default();
        let width = spanned.lines().next().unwrap_or_default().chars().count();
        let excerpt = match lines.source.lines().nth(line - 1) {
            Some(text) if self.excerpt == Excerpt::Shown && may_hold_a_secret(&self.place, text) => {
                Excerpt::Hidden
            }
            _ => self.excerpt,
        };
        let Self { place, message, help, .. } = self;
        Diagnostic { file: file.into(), line, column, key: place.key, message, help, width, excerpt }
    }
}

/// Whether a line may also hold the value of a secret setting. In the sections of keys every line may, unless it is a
/// header or sets nothing but the setting that the problem is about.
fn may_hold_a_secret(place: &Place, line: &str) -> bool {
    if place.end == 0 {
        // It stands nowhere, so the first line of the file has nothing to do with it.
        return true;
    }
    let line = line.trim_start();
    let setting = place.key.rsplit('.').next().unwrap_or_default();
    let setting = setting.split('[').next().unwrap_or_default();
    let header = line.starts_with('[') && !line.contains('=');
    let alone = line.starts_with(setting) && line.matches('=').count() == 1;
    place.key.starts_with("api_key") && !header && !alone
}

/// Finds lines and columns of byte offsets.
struct Lines<'a> {
    source: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(source: &'a str) -> Self {
        let after_breaks = source.match_indices('\n').map(|(at, _)| at + 1);
        Self { source, starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// Line and column from 1; the column counts characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.source.get(start..offset).map_or(0, |text| text.chars().count());
        (line, before + 1)
    }
}

/// The part of a line around `column` (from 0) that fits on a terminal, and where in it the column is. Control
/// characters become spaces: a file must not be able to steer the terminal of the one who checks it.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let skipped = if column < EXCERPT_CHARS_MAX * 2 / 3 { 0 } else { column - EXCERPT_CHARS_MAX / 3 };
    let text: String = line.chars().skip(skipped).take(EXCERPT_CHARS_MAX).map(plain).collect();
    (text.trim_end().to_owned(), column - skipped)
}

/// A text of the file in backticks, fit for a message: on one line and not endless.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", shortened(text))
}

fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(CHARS_MAX).flat_map(shown_char).collect();
    if chars.next().is_some() { start + "…" } else { start }
}

fn shown_char(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = escaped.is_none().then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(source: &str, span: Range<usize>) -> Diagnostic {
        let mut problems = Problems::default();
        problems.add(Problem::at(&Place::default().child("a").at(span), "wrong").help("mend it"));
        problems.told(source, "f.toml").remove(0)
    }

    #[test]
    fn columns_count_characters() {
        let diagnostic = told("x = 1\né = 'ö' # y\n", 12..16);
        assert_eq!(diagnostic.to_string(), "f.toml:2:6: a: wrong\n  help: mend it");
        let expected = "f.toml:2:6: a: wrong\n   |\n 2 | é = 'ö' # y\n   |      ^^^\n  help: mend it";
        assert_eq!(told("x = 1\né = 'ö' # y\n", 12..16).render("x = 1\né = 'ö' # y\n"), expected);
    }

    #[test]
    fn a_long_line_is_shown_in_part() {
        let source = format!("{}HERE{}", "x".repeat(1000), "y".repeat(1000));
        let shown = told(&source, 1000..1004).render(&source);
        assert!(shown.contains("HERE") && shown.len() < 500, "{shown}");
    }

    #[test]
    fn a_line_cannot_steer_the_terminal() {
        assert!(!told("a = \u{1b}[2J", 0..1).render("a = \u{1b}[2J").contains('\u{1b}'));
        assert_eq!(quoted("a\u{1b}\n"), "`a\\u{1b}\\n`");
    }

    #[test]
    fn an_offset_anywhere_has_a_place() {
        for offset in 0..20 {
            told("é\né", offset..offset + 3).render("é\né");
        }
    }

    #[test]
    fn more_than_can_be_read_are_left_out() {
        let mut problems = Problems::default();
        for _ in 0..250 {
            problems.add(Problem::at(&Place::default(), "wrong"));
        }
        let told = problems.told("", "f.toml");
        assert_eq!(told.len(), 101);
        let expected =
            "f.toml:1:1: only 100 problems are shown, and there may be more\n  help: mend these first";
        assert_eq!(told[100].to_string(), expected);
    }
}
