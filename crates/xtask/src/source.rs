//! Rust source as the checks see it: functions, names, attributes, and which lines are test code.
//!
//! Works on the compiler's own tokens, so that strings and comments cannot mislead it and code inside macros is seen.
//! Knows no types: a path is told by how it is written.

use std::ops::RangeInclusive;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A function with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The modules of this file around it, outermost first.
    pub modules: Vec<String>,
    /// The line of its `fn`.
    pub line: usize,
    /// From its `fn` to its closing brace.
    pub lines: usize,
    /// Whether it is itself a test: `#[test]`, `#[tokio::test]` and the like.
    pub is_test: bool,
}

/// A path or single name as written, with `use` groups taken apart: `use std::{fs, io}` mentions `std::fs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Its parts.
    pub path: Vec<String>,
    /// Where it begins.
    pub line: usize,
    /// Whether it stands in test code.
    pub in_test: bool,
    /// Whether a `!` follows: a macro's call.
    pub is_macro: bool,
    /// Whether a `.` or `fn` comes before: a method, a field or a definition of that name.
    pub is_member: bool,
}

impl Mention {
    /// Whether `parts` occur in it one after the other.
    pub fn holds(&self, parts: &[&str]) -> bool {
        self.path.windows(parts.len()).any(|window| window.iter().zip(parts).all(|(one, other)| one == other))
    }
}

/// An attribute: all names in it, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Where it begins.
    pub line: usize,
    /// Its names, flattened.
    pub names: Vec<String>,
}

/// What is known of one file.
#[derive(Debug, Default)]
pub struct Source {
    /// Every function with a body, nested ones too.
    pub functions: Vec<Function>,
    /// Every path and name.
    pub mentions: Vec<Mention>,
    /// Every attribute except documentation.
    pub attributes: Vec<Attribute>,
    /// Every `mod name`, with its line.
    pub modules: Vec<(String, usize)>,
    /// Lines of items under `#[cfg(test)]` or `#[test]`.
    pub test_lines: Vec<RangeInclusive<usize>>,
}

impl Source {
    /// Reads a file's text; fails when it is not Rust.
    pub fn parse(text: &str) -> Result<Self> {
        let tokens = TokenStream::from_str(text).map_err(|problem| anyhow!("not Rust: {problem}"))?;
        let mut source = Self::default();
        source.walk(&trees(tokens), &Place::default());
        Ok(source)
    }

    fn walk(&mut self, tokens: &[TokenTree], place: &Place) {
        let mut at = 0;
        // Whether an attribute right before the next item makes it a test.
        let mut is_test = place.begins_as_test;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    at = self.attribute(tokens, at, place, &mut is_test);
                }
                TokenTree::Ident(name) if name == "mod" => {
                    at = self.module(tokens, at, place);
                    is_test = false;
                }
                TokenTree::Ident(name) if name == "fn" => {
                    self.function(tokens, at, place, is_test);
                    is_test = false;
                    at += 1;
                }
                TokenTree::Ident(_) => at = self.mention(tokens, at, place),
                TokenTree::Group(group) => {
                    self.walk(&trees(group.stream()), &place.inside());
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }

    /// An attribute; one that makes its item test code takes the whole item along. Returns where to go on.
    fn attribute(&mut self, tokens: &[TokenTree], at: usize, place: &Place, is_test: &mut bool) -> usize {
        let bang = usize::from(is_punct(tokens.get(at + 1), '!'));
        let Some(TokenTree::Group(group)) = tokens.get(at + 1 + bang) else { return at + 1 };
        if group.delimiter() != Delimiter::Bracket {
            return at + 1;
        }
        let next = at + 2 + bang;
        let attribute = Attribute { line: line(tokens.get(at)), names: names(group) };
        let kind = test_kind(&attribute.names);
        if attribute.names.first().is_some_and(|name| name != "doc") {
            self.attributes.push(attribute);
        }
        let Some(kind) = kind else { return next };
        if place.in_test {
            *is_test |= kind == TestKind::Test;
            return next;
        }
        let end = item_end(tokens, next);
        let item = tokens.get(next..end).unwrap_or_default();
        self.test_lines.push(line(tokens.get(at))..=last_line(item));
        let inside =
            Place { in_test: true, begins_as_test: *is_test || kind == TestKind::Test, ..place.clone() };
        self.walk(item, &inside);
        end
    }

    /// A module, inline or in its own file.
    fn module(&mut self, tokens: &[TokenTree], at: usize, place: &Place) -> usize {
        let Some(TokenTree::Ident(name)) = tokens.get(at + 1) else { return at + 1 };
        self.modules.push((name.to_string(), line(tokens.get(at))));
        let Some(TokenTree::Group(body)) = tokens.get(at + 2) else { return at + 2 };
        let mut inside = place.inside();
        inside.modules.push(name.to_string());
        self.walk(&trees(body.stream()), &inside);
        at + 3
    }

    /// Notes a function; its parts are walked like everything else.
    fn function(&mut self, tokens: &[TokenTree], at: usize, place: &Place, is_test: bool) {
        let Some(TokenTree::Ident(name)) = tokens.get(at + 1) else { return };
        let end = item_end(tokens, at);
        let item = tokens.get(at..end).unwrap_or_default();
        if !matches!(item.last(), Some(TokenTree::Group(_))) {
            return;
        }
        let first = line(tokens.get(at));
        self.functions.push(Function {
            name: name.to_string(),
            modules: place.modules.clone(),
            line: first,
            lines: last_line(item).saturating_sub(first) + 1,
            is_test,
        });
    }

    /// A path, followed into the braces of a `use` group.
    fn mention(&mut self, tokens: &[TokenTree], at: usize, place: &Place) -> usize {
        let mut path = place.prefix.clone();
        let mut next = at;
        while let Some(TokenTree::Ident(name)) = tokens.get(next) {
            path.push(name.to_string());
            next += 1;
            if !(is_punct(tokens.get(next), ':') && is_punct(tokens.get(next + 1), ':')) {
                break;
            }
            next += 2;
        }
        if let Some(TokenTree::Group(group)) = tokens.get(next)
            && group.delimiter() == Delimiter::Brace
            && is_punct(tokens.get(next.wrapping_sub(1)), ':')
        {
            let inside = Place { prefix: path, ..place.inside() };
            self.walk(&trees(group.stream()), &inside);
            return next + 1;
        }
        let before = tokens.get(at.wrapping_sub(1));
        let is_comparison = is_punct(tokens.get(next + 1), '=');
        self.mentions.push(Mention {
            path,
            line: line(tokens.get(at)),
            in_test: place.in_test,
            is_macro: is_punct(tokens.get(next), '!') && !is_comparison,
            is_member: is_punct(before, '.')
                || matches!(before, Some(TokenTree::Ident(name)) if name == "fn"),
        });
        next
    }
}

/// Where the walk is.
#[derive(Debug, Clone, Default)]
struct Place {
    modules: Vec<String>,
    /// What comes before the braces of a `use` group.
    prefix: Vec<String>,
    in_test: bool,
    begins_as_test: bool,
}

impl Place {
    fn inside(&self) -> Self {
        Self { prefix: Vec::new(), begins_as_test: false, ..self.clone() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TestKind {
    /// The function is a test.
    Test,
    /// The item is only compiled for tests.
    OnlyForTests,
}

fn test_kind(names: &[String]) -> Option<TestKind> {
    let says = |word: &str| names.iter().any(|name| name == word);
    match names.first().map(String::as_str) {
        Some("cfg") if says("test") && !says("not") => Some(TestKind::OnlyForTests),
        Some("test") => Some(TestKind::Test),
        // `#[tokio::test]`: its options come after the path.
        Some("tokio") if names.get(1).is_some_and(|name| name == "test") => Some(TestKind::Test),
        _ => None,
    }
}

/// One past the end of the item that begins at `from`: its braces or its semicolon.
fn item_end(tokens: &[TokenTree], from: usize) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        other => is_punct(Some(other), ';'),
    };
    let rest = tokens.iter().enumerate().skip(from);
    rest.into_iter().find(|(_, token)| ends(token)).map_or(tokens.len(), |(at, _)| at + 1)
}

fn names(group: &Group) -> Vec<String> {
    let mut found = Vec::new();
    for token in group.stream() {
        match token {
            TokenTree::Ident(name) => found.push(name.to_string()),
            TokenTree::Group(inner) => found.extend(names(&inner)),
            _ => {}
        }
    }
    found
}

fn trees(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn line(token: Option<&TokenTree>) -> usize {
    token.map_or(0, |token| token.span().start().line)
}

fn last_line(tokens: &[TokenTree]) -> usize {
    tokens.last().map_or(0, |token| token.span().end().line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Source {
        Source::parse(text).unwrap()
    }

    #[test]
    fn a_function_is_as_long_as_its_braces_whatever_strings_say() {
        let source = parse("fn a() {\n  let x = \"} fn b() {\"; // }\n  let y = '}';\n}\nfn c() {}\n");
        let found: Vec<_> = source.functions.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(found, [("a", 1, 4), ("c", 5, 1)]);
    }

    #[test]
    fn nested_functions_and_declarations_without_a_body() {
        let source =
            parse("trait T { fn no(&self);\n fn yes(&self) {\n fn inner() {\n } } }\ntype F = fn(u8);");
        let found: Vec<_> = source.functions.iter().map(|f| (f.name.as_str(), f.lines)).collect();
        assert_eq!(found, [("yes", 3), ("inner", 2)]);
    }

    #[test]
    fn tests_are_found_with_their_modules_also_in_macros() {
        let text = "mod a {\n#[cfg(test)]\nmod tests {\n#[test]\nfn one() {}\nfn no() {}\n\
                    #[tokio::test(start_paused = true)]\nasync fn two() {}\n\
                    proptest! { #[test] fn three(x in 0..2u8) { } } }\n}\n#[test]\nfn four() {}";
        let source = parse(text);
        let found: Vec<_> = source.functions.iter().map(|f| (f.name.as_str(), f.is_test)).collect();
        assert_eq!(found, [("one", true), ("no", false), ("two", true), ("three", true), ("four", true)]);
        assert_eq!(source.functions.first().unwrap().modules, ["a", "tests"]);
        assert_eq!(source.test_lines, [2..=9, 11..=12]);
    }

    #[test]
    fn paths_are_whole_and_use_groups_are_taken_apart() {
        let source =
            parse("use std::{fs, net::{TcpStream as T, self}};\nfn f() { x!(std::env::var(\"A\")) }");
        let paths: Vec<_> = source.mentions.iter().map(|m| m.path.join("::")).collect();
        for path in ["std::fs", "std::net::TcpStream", "std::env::var"] {
            assert!(paths.iter().any(|found| found == path), "{path} in {paths:?}");
        }
    }

    #[test]
    fn what_is_only_for_tests_is_marked() {
        let source =
            parse("#[cfg(test)]\nuse std::fs;\n#[cfg(not(test))]\nuse std::io;\nfn f() { std::env::x(); }");
        let marked: Vec<_> =
            source.mentions.iter().filter(|m| m.in_test).map(|m| m.path.join("::")).collect();
        assert_eq!(marked, ["use", "std::fs"]);
    }

    #[test]
    fn attributes_keep_their_names_and_documents_do_not_count() {
        let source = parse("/// doc\n#[allow(dead_code, reason = \"so\")]\nstruct S;");
        let names: Vec<_> = source.attributes.iter().map(|a| a.names.join(" ")).collect();
        assert_eq!(names, ["allow dead_code reason"]);
    }

    #[test]
    fn macros_members_and_comparisons_are_told_apart() {
        let source = parse("fn f() { dbg!(1); a.sleep(); todo != 3 }");
        let seen = |name: &str| {
            let one = source.mentions.iter().find(|m| m.holds(&[name])).unwrap();
            (one.is_macro, one.is_member)
        };
        assert_eq!(
            (seen("dbg"), seen("sleep"), seen("todo")),
            ((true, false), (false, true), (false, false))
        );
    }
}
