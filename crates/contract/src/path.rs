//! Path patterns of routes: literal segments, `{name}` for any one segment, and a last `*` for any rest.
//!
//! Patterns are matched against the normalised path that the upstream will see, segment by segment, so that what was
//! judged is what is served. The most specific pattern wins whatever the order in the file: a broad public route can
//! never open a narrower closed one.
//!
//! A pattern also claims the spellings that many servers take for the same: another ASCII case, one slash at the end,
//! dots and blanks at the end of a segment (Express and IIS among them). A server that tells them apart answers 404 by
//! itself; without the claim, `/ADMIN/` would fall to a broader route and the server would show what `/admin` guards.

use std::cmp::Ordering;
use std::fmt;

use thiserror::Error;

/// A parsed path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<Segment>,
    rest: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Any(Box<str>),
}

/// Why a text is not a path pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathPatternError {
    /// It does not begin with a slash.
    #[error("a path begins with `/`")]
    NotAbsolute,
    /// A star somewhere else than as the last segment.
    #[error("`*` stands for the rest of a path and may only be its whole last segment, as in `/files/*`")]
    Star,
    /// A brace that is not a whole `{name}` segment.
    #[error("`{{name}}` stands for one whole segment, as in `/tasks/{{id}}`")]
    Brace,
    /// A segment that no normalised path has.
    #[error(
        "the segment `{0}` can never match: paths are compared decoded once, without `.`, `..` or empty segments"
    )]
    Never(String),
    /// A character that no path has.
    #[error("`{0}` cannot stand in a path; the query is not part of a route")]
    Character(char),
}

impl PathPattern {
    /// Reads a pattern such as `/api/tasks/{id}` or `/static/*`.
    pub fn parse(text: &str) -> Result<Self, PathPatternError> {
        let inner = text.strip_prefix('/').ok_or(PathPatternError::NotAbsolute)?;
        if let Some(c) = inner.chars().find(|c| matches!(c, '?' | '#' | '\\') || c.is_control()) {
            return Err(PathPatternError::Character(c));
        }
        let (inner, rest) = match inner.strip_suffix('*') {
            Some("") => ("", true),
            Some(before) => (before.strip_suffix('/').ok_or(PathPatternError::Star)?, true),
            None => (inner, false),
        };
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let mut segments = Vec::new();
        let count = inner.split('/').count();
        for (at, part) in inner.split('/').enumerate() {
            if rest && inner.is_empty() {
                break;
            }
            segments.push(Segment::parse(part, at + 1 == count && !rest)?);
        }
        Ok(Self { segments, rest })
    }

    /// Whether a normalised path (beginning with `/`, without query) fits.
    pub fn fits(&self, path: &str) -> bool {
        let Some(inner) = path.strip_prefix('/') else { return false };
        let mut parts = inner.strip_suffix('/').unwrap_or(inner).split('/');
        for segment in &self.segments {
            let Some(part) = parts.next() else { return false };
            let fits = match segment {
                Segment::Literal(literal) => claims(literal, part),
                Segment::Any(_) => !part.is_empty(),
            };
            if !fits {
                return false;
            }
        }
        self.rest || parts.next().is_none()
    }

    /// More specific patterns are `Less`, so that a sorted list is tried in the right order: literal segments before
    /// `{name}`, and both before the end of a `*` pattern.
    pub fn specificity(&self, other: &Self) -> Ordering {
        let rank = |pattern: &Self, at: usize| match pattern.segments.get(at) {
            Some(Segment::Literal(_)) => 0,
            Some(Segment::Any(_)) => 1,
            None if pattern.rest => 3,
            None => 2,
        };
        let longest = self.segments.len().max(other.segments.len());
        (0..=longest)
            .map(|at| rank(self, at).cmp(&rank(other, at)))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// Whether two patterns fit exactly the same paths: then their routes are told apart by method.
    pub fn same_paths(&self, other: &Self) -> bool {
        let alike = |pair: (&Segment, &Segment)| match pair {
            (Segment::Literal(a), Segment::Literal(b)) => claims(a, b) || claims(b, a),
            (Segment::Any(_), Segment::Any(_)) => true,
            _ => false,
        };
        self.rest == other.rest
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(alike)
    }
}

/// Whether a literal segment claims a segment of a path.
fn claims(literal: &str, part: &str) -> bool {
    literal.eq_ignore_ascii_case(part) || literal.eq_ignore_ascii_case(part.trim_end_matches(['.', ' ']))
}

impl Segment {
    fn parse(part: &str, last: bool) -> Result<Self, PathPatternError> {
        if let Some(name) = part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            return if plain { Ok(Self::Any(name.into())) } else { Err(PathPatternError::Brace) };
        }
        if part.contains('*') {
            return Err(PathPatternError::Star);
        }
        if part.contains(['{', '}']) {
            return Err(PathPatternError::Brace);
        }
        if matches!(part, "." | "..") || (part.is_empty() && !last) || part.contains('%') {
            return Err(PathPatternError::Never(part.into()));
        }
        Ok(Self::Literal(part.into()))
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(literal) => write!(f, "/{literal}")?,
                Segment::Any(name) => write!(f, "/{{{name}}}")?,
            }
        }
        if self.rest { f.write_str("/*") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        assert_eq!(PathPattern::parse(pattern).unwrap().fits(path), expected, "{pattern} on {path}");
    }

    #[test]
    fn segments_are_compared_whole() {
        check("/", "/", true);
        check("/", "/a", false);
        check("/tasks", "/tasks", true);
        check("/tasks", "/task", false);
        check("/tasks", "/tasksx", false);
        check("/tasks/", "/tasks/", true);
        check("/tasks/{id}", "/tasks/7", true);
        check("/tasks/{id}", "/tasks/", false);
        check("/tasks/{id}", "/tasks/7/", true);
        check("/tasks/{id}", "/tasks/7/x", false);
    }

    #[test]
    fn spellings_that_servers_take_for_the_same_are_claimed_too() {
        check("/admin", "/admin/", true);
        check("/admin/", "/admin", true);
        check("/admin", "/ADMIN", true);
        check("/Admin", "/admin/", true);
        check("/admin", "/admin.", true);
        check("/admin", "/admin ", true);
        check("/admin/*", "/Admin./x", true);
        check("/admin", "/administrator", false);
        check("/admin", "/admin.json", false);
        let same = |a, b| PathPattern::parse(a).unwrap().same_paths(&PathPattern::parse(b).unwrap());
        assert!(same("/admin", "/Admin/") && !same("/admin", "/admin/x"));
    }

    #[test]
    fn a_star_takes_any_rest() {
        check("/*", "/", true);
        check("/*", "/a/b", true);
        check("/static/*", "/static/a/b", true);
        check("/static/*", "/static/", true);
        check("/static/*", "/static", true);
        check("/static/*", "/staticx", false);
    }

    #[test]
    fn the_most_specific_comes_first() {
        let mut patterns: Vec<_> =
            ["/*", "/api/*", "/api/tasks/{id}", "/api/tasks/mine", "/api/tasks", "/{page}", "/"]
                .iter()
                .map(|p| PathPattern::parse(p).unwrap())
                .collect();
        patterns.sort_by(PathPattern::specificity);
        let order: Vec<_> = patterns.iter().map(ToString::to_string).collect();
        assert_eq!(
            order,
            ["/api/tasks/mine", "/api/tasks/{id}", "/api/tasks", "/", "/api/*", "/{page}", "/*"]
        );
    }

    #[test]
    fn patterns_that_can_never_match_are_refused() {
        assert_eq!(PathPattern::parse("tasks"), Err(PathPatternError::NotAbsolute));
        assert_eq!(PathPattern::parse("/a*"), Err(PathPatternError::Star));
        assert_eq!(PathPattern::parse("/*/a"), Err(PathPatternError::Star));
        assert_eq!(PathPattern::parse("/a{b}"), Err(PathPatternError::Brace));
        assert_eq!(PathPattern::parse("/a//b"), Err(PathPatternError::Never(String::new())));
        assert_eq!(PathPattern::parse("/a/../b"), Err(PathPatternError::Never("..".into())));
        assert_eq!(PathPattern::parse("/a?b"), Err(PathPatternError::Character('?')));
    }
}
