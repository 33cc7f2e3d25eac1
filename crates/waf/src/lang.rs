//! SecLang, the language of the rules: text → directives, each with its place.
//!
//! A directive, variable, operator, transformation or action that is not known is a mistake with file, line and rule id.
//! `lines` tells words apart, `directive` knows what they mean, `reader` follows `Include`.

mod directive;
mod lines;
mod operation;
mod reader;
mod settings;
mod target;
mod template;
mod variable;
mod which;

pub(crate) use directive::{Directive, Kind, RuleText};
pub(crate) use lines::excerpt;
pub(crate) use operation::{Operation, Test};
pub use reader::Note;
pub(crate) use reader::read;
pub use settings::{LimitAction, Processor, Settings};
pub(crate) use target::{Selector, Target, Use};
pub(crate) use template::{Piece, Template};
pub(crate) use variable::Shape;
pub use variable::Variable;
pub(crate) use which::Which;
