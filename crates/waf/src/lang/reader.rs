//! Files → directives, following `Include`.

use std::fmt;
use std::sync::Arc;

use crate::error::{Place, Problem, RuleError};
use crate::lang::directive::{self, Directive, Kind};
use crate::lang::lines::lines;
use crate::lang::settings::Setting;
use crate::load::{LoadError, Loader, Source};

/// How deep files may include each other. A file that includes itself ends here.
const INCLUDE_DEPTH_MAX: usize = 16;

/// The most directives of a set of rules: a hundred times the Core Rule Set.
const DIRECTIVES_MAX: usize = 100_000;

/// Something that is read and has no effect, which whoever wrote it should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where it stands.
    pub place: Place,
    /// What has no effect, and why.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.text)
    }
}

/// What is in the files.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) directives: Vec<Directive>,
    pub(crate) notes: Vec<Note>,
    pub(crate) problems: Vec<RuleError>,
    is_full: bool,
}

/// Reads the files that `patterns` stand for, one after the other.
pub(crate) fn read(loader: &mut dyn Loader, patterns: &[&str]) -> Reading {
    let mut reading = Reading::default();
    for pattern in patterns {
        let place = Place { file: Arc::from(*pattern), line: 0 };
        reading.include(loader, pattern, "", &place, 0);
    }
    reading
}

impl Reading {
    fn include(&mut self, loader: &mut dyn Loader, pattern: &str, from: &str, place: &Place, depth: usize) {
        let names = match loader.expand(pattern, from) {
            Ok(names) if names.is_empty() => Err(LoadError::Missing),
            other => other,
        };
        match names {
            Ok(names) => names.iter().for_each(|name| self.file(loader, name, place, depth)),
            Err(source) => self.fail(place, None, Problem::File { name: pattern.to_owned(), source }),
        }
    }

    fn file(&mut self, loader: &mut dyn Loader, name: &str, place: &Place, depth: usize) {
        if depth > INCLUDE_DEPTH_MAX {
            return self.fail(
                place,
                None,
                Problem::argument("Include", "files include each other without end"),
            );
        }
        let bytes = match loader.read(name) {
            Ok(bytes) => bytes,
            Err(source) => return self.fail(place, None, Problem::File { name: name.to_owned(), source }),
        };
        let Ok(text) = String::from_utf8(bytes) else {
            let source = LoadError::Unreadable("it is not UTF-8; write other bytes as `\\xHH`".to_owned());
            return self.fail(place, None, Problem::File { name: name.to_owned(), source });
        };
        let file: Arc<str> = Arc::from(name);
        for line in lines(&text) {
            let place = Place { file: file.clone(), line: line.number };
            match line.words {
                Ok(words) => self.directive(loader, &words, place, depth),
                Err(problem) => self.fail(&place, None, problem),
            }
        }
    }

    fn directive(&mut self, loader: &mut dyn Loader, words: &[String], place: Place, depth: usize) {
        if self.directives.len() >= DIRECTIVES_MAX {
            if !self.is_full {
                self.fail(
                    &place,
                    None,
                    Problem::argument("rules", format!("more than {DIRECTIVES_MAX} directives")),
                );
            }
            self.is_full = true;
            return;
        }
        let mut source = Source { loader, from: &place.file };
        match directive::parse(words, &mut source) {
            Ok(Kind::Include { pattern, is_optional }) => {
                let is_there = loader.expand(&pattern, &place.file).is_ok_and(|names| !names.is_empty());
                if is_there || !is_optional {
                    let from = place.file.clone();
                    self.include(loader, &pattern, &from, &place, depth + 1);
                }
            }
            Ok(kind) => {
                if let Kind::Set(Setting::Nothing(why)) = kind {
                    let name = words.first().map_or("", String::as_str);
                    self.notes
                        .push(Note { place: place.clone(), text: format!("`{name}` has no effect: {why}") });
                }
                self.directives.push(Directive { place, kind });
            }
            Err(problem) => self.fail(&place, directive::id_of(words), problem),
        }
    }

    fn fail(&mut self, place: &Place, rule: Option<u64>, problem: Problem) {
        self.problems.push(RuleError { place: place.clone(), rule, problem });
    }
}
