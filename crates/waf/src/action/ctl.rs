//! `ctl`

use super::{Action, Ctl, Entry, needed};
use crate::error::Problem;
use crate::lang::{Processor, Target, Which};

/// What rules may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Rules are not evaluated.
    Off,
    /// Rules are evaluated and logged, but refuse nothing.
    #[default]
    DetectionOnly,
    /// Rules refuse.
    On,
}

impl Mode {
    pub(crate) fn named(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "on" => Some(Self::On),
            "off" => Some(Self::Off),
            "detectiononly" => Some(Self::DetectionOnly),
            _ => None,
        }
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "ctl",
    what: "Changes a setting for the rest of this transaction, or removes rules or targets from it.",
    example: "id:1,ctl:ruleRemoveTargetById=942100;ARGS:comment,ctl:requestBodyProcessor=JSON",
    parse: |argument| {
        let text = needed("ctl", argument)?;
        let (name, value) =
            text.split_once('=').ok_or_else(|| Problem::argument("ctl", "write `name=value`"))?;
        let (name, value) = (name.trim(), value.trim());
        if value.contains("%{") {
            return Err(Problem::argument(text, "a macro cannot stand in `ctl`; write the value itself"));
        }
        parse(name, value).map(Action::Ctl)
    },
};

fn parse(name: &str, value: &str) -> Result<Ctl, Problem> {
    let wrong = |expected: &str| Problem::argument(name, format!("`{value}` is not {expected}"));
    let switch = || match value.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(wrong("`On` or `Off`")),
    };
    let size = || value.parse().map_err(|_| wrong("a number of bytes"));
    Ok(match name.to_ascii_lowercase().as_str() {
        "auditengine" => match value.to_ascii_lowercase().as_str() {
            "on" | "relevantonly" => Ctl::AuditEngine(true),
            "off" => Ctl::AuditEngine(false),
            _ => return Err(wrong("`On`, `Off` or `RelevantOnly`")),
        },
        "auditlogparts" | "debugloglevel" => Ctl::Nothing,
        "forcerequestbodyvariable" => Ctl::ForceRequestBodyVariable(switch()?),
        "requestbodyaccess" => Ctl::RequestBodyAccess(switch()?),
        "requestbodylimit" => Ctl::RequestBodyLimit(size()?),
        "requestbodyprocessor" => Ctl::RequestBodyProcessor(
            Processor::named(value).ok_or_else(|| wrong("URLENCODED, MULTIPART, XML, JSON or RAW"))?,
        ),
        "responsebodyaccess" => Ctl::ResponseBodyAccess(switch()?),
        "responsebodylimit" => Ctl::ResponseBodyLimit(size()?),
        "ruleengine" => {
            Ctl::RuleEngine(Mode::named(value).ok_or_else(|| wrong("`On`, `Off` or `DetectionOnly`"))?)
        }
        "ruleremovebyid" => Ctl::RemoveRules(Which::ids(&[value])?),
        "ruleremovebytag" => Ctl::RemoveRules(Which::tag(value)?),
        "ruleremovebymsg" => Ctl::RemoveRules(Which::message(value)?),
        "ruleremovetargetbyid" => remove_target(name, value, |rules| Which::ids(&[rules]))?,
        "ruleremovetargetbytag" => remove_target(name, value, Which::tag)?,
        "ruleremovetargetbymsg" => remove_target(name, value, Which::message)?,
        _ => return Err(Problem::unknown("ctl", name)),
    })
}

/// `rules;target`
fn remove_target(
    name: &str,
    value: &str,
    which: impl Fn(&str) -> Result<Which, Problem>,
) -> Result<Ctl, Problem> {
    let (rules, target) = value
        .split_once(';')
        .ok_or_else(|| Problem::argument(name, "write `rules;target`, like `942100;ARGS:comment`"))?;
    let target = Target::parse(target.trim().trim_start_matches('!'))?;
    Ok(Ctl::RemoveTarget(which(rules.trim())?, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ctl_does_not_know_is_refused() {
        let refused = |text| (ENTRY.parse)(Some(text)).unwrap_err().to_string();
        assert_eq!(refused("hashEngine=On"), "unknown ctl `hashEngine`");
        assert_eq!(
            refused("ruleEngine=Maybe"),
            "`ruleEngine`: `Maybe` is not `On`, `Off` or `DetectionOnly`"
        );
        assert_eq!(refused("ruleRemoveById"), "`ctl`: write `name=value`");
        assert_eq!(
            refused("ruleRemoveTargetById=5"),
            "`ruleRemoveTargetById`: write `rules;target`, like `942100;ARGS:comment`"
        );
        assert_eq!(
            refused("ruleRemoveTargetById=5;ARGS:%{tx.a}"),
            "`ruleRemoveTargetById=5;ARGS:%{tx.a}`: a macro cannot stand in `ctl`; write the value itself"
        );
    }
}
