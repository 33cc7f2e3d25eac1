//! One directive: its words → what it means.

use crate::action::{self, Action};
use crate::error::{Place, Problem};
use crate::lang::operation::Operation;
use crate::lang::settings::{self, Setting};
use crate::lang::target::Target;
use crate::lang::which::Which;
use crate::load::Source;

/// A directive and where it stands.
#[derive(Debug)]
pub(crate) struct Directive {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// What a directive says.
#[derive(Debug)]
pub(crate) enum Kind {
    Rule(RuleText),
    DefaultAction(Vec<Action>),
    Marker(String),
    Remove(Which),
    UpdateTargets {
        which: Which,
        targets: Vec<Target>,
        replaced: Option<Target>,
    },
    UpdateActions {
        id: u64,
        link: usize,
        actions: Vec<Action>,
    },
    Set(Setting),
    /// The pattern of the files, and whether none of them may be there.
    Include {
        pattern: String,
        is_optional: bool,
    },
}

/// A SecRule, or a SecAction, which has neither targets nor operation.
#[derive(Debug)]
pub(crate) struct RuleText {
    pub(crate) condition: Option<(Vec<Target>, Operation)>,
    pub(crate) actions: Vec<Action>,
}

/// Reads the words of a directive.
pub(crate) fn parse(words: &[String], source: &mut Source<'_>) -> Result<Kind, Problem> {
    let Some((name, arguments)) = words.split_first() else {
        return Err(Problem::unknown("directive", ""));
    };
    if let Some(setting) = settings::parse(name, arguments) {
        return setting.map(Kind::Set);
    }
    let wrong = |form: &str| Problem::argument(name, format!("write `{name} {form}`"));
    match (name.to_ascii_lowercase().as_str(), arguments) {
        ("secrule", [targets, operation, actions @ ..]) if actions.len() <= 1 => {
            let targets = Target::parse_list(targets)?;
            let operation = Operation::parse(operation, source)?;
            let actions = action::parse_list(actions.first().map_or("", String::as_str))?;
            Ok(Kind::Rule(RuleText { condition: Some((targets, operation)), actions }))
        }
        ("secrule", _) => Err(wrong("TARGETS \"OPERATOR\" \"ACTIONS\"")),
        ("secaction", [actions]) => {
            Ok(Kind::Rule(RuleText { condition: None, actions: action::parse_list(actions)? }))
        }
        ("secdefaultaction", [actions]) => Ok(Kind::DefaultAction(action::parse_list(actions)?)),
        ("secaction" | "secdefaultaction", _) => Err(wrong("\"ACTIONS\"")),
        ("secmarker", [marker]) => Ok(Kind::Marker(marker.clone())),
        ("secmarker", _) => Err(wrong("NAME")),
        ("secruleremovebyid", ids) => Which::ids(ids).map(Kind::Remove),
        ("secruleremovebytag", [pattern]) => Which::tag(pattern).map(Kind::Remove),
        ("secruleremovebymsg", [pattern]) => Which::message(pattern).map(Kind::Remove),
        ("secruleremovebytag" | "secruleremovebymsg", _) => Err(wrong("PATTERN")),
        ("secruleupdatetargetbyid", [ids, rest @ ..]) => update_targets(name, Which::ids(&[ids])?, rest),
        ("secruleupdatetargetbytag", [tag, rest @ ..]) => update_targets(name, Which::tag(tag)?, rest),
        ("secruleupdatetargetbymsg", [text, rest @ ..]) => update_targets(name, Which::message(text)?, rest),
        ("secruleupdateactionbyid", [id, actions]) => {
            let (id, link) = id.split_once(':').unwrap_or((id, "0"));
            let id = id.parse().map_err(|_| wrong("ID \"ACTIONS\""))?;
            let link = link.parse().map_err(|_| wrong("ID:NUMBER_IN_CHAIN \"ACTIONS\""))?;
            Ok(Kind::UpdateActions { id, link, actions: action::parse_list(actions)? })
        }
        ("secruleupdateactionbyid", _) => Err(wrong("ID \"ACTIONS\"")),
        ("include", [pattern]) => Ok(Kind::Include { pattern: pattern.clone(), is_optional: false }),
        ("includeoptional", [pattern]) => Ok(Kind::Include { pattern: pattern.clone(), is_optional: true }),
        _ => Err(Problem::unknown("directive", name)),
    }
}

fn update_targets(name: &str, which: Which, arguments: &[String]) -> Result<Kind, Problem> {
    let (targets, replaced) = match arguments {
        [targets] => (targets, None),
        [targets, replaced] => (targets, Some(Target::parse(replaced)?)),
        _ => {
            return Err(Problem::argument(
                name,
                "write the rules, the targets, and perhaps what they replace",
            ));
        }
    };
    Ok(Kind::UpdateTargets { which, targets: Target::parse_list(targets)?, replaced })
}

/// The id that the words of a rule name, also when they cannot be read otherwise.
pub(crate) fn id_of(words: &[String]) -> Option<u64> {
    let actions = words.last()?;
    let mut fields = actions.split(',').map(str::trim);
    let id = fields.find_map(|field| field.strip_prefix("id:").or_else(|| field.strip_prefix("ID:")))?;
    id.trim_matches(['\'', '"', ' ']).parse().ok()
}
