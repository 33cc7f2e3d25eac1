//! `setvar`

use super::{Action, Change, Entry, SetVariable, needed};
use crate::error::Problem;
use crate::lang::{Template, Variable};

pub(super) const ENTRY: Entry = Entry {
    name: "setvar",
    what: "Sets a variable of TX or of a collection, adds to it with `=+`, subtracts with `=-`, removes it with `!`.",
    example: "id:1,setvar:'tx.score=+%{tx.critical_anomaly_score}',setvar:!tx.unneeded",
    parse: |argument| {
        let text = needed("setvar", argument)?;
        let (text, is_removed) = text.strip_prefix('!').map_or((text, false), |text| (text, true));
        let (target, value) = match text.split_once('=') {
            Some((target, value)) => (target, Some(value)),
            None => (text, None),
        };
        let Some((collection, name)) = target.trim().split_once(['.', ':']) else {
            return Err(Problem::argument(
                "setvar",
                format!("`{target}` has no collection, write `tx.{target}`"),
            ));
        };
        let change = match value {
            _ if is_removed => Change::Unset,
            None => Change::Set(Template::parse("1")?),
            Some(value) => match (value.strip_prefix('+'), value.strip_prefix('-')) {
                (Some(amount), _) => Change::Add(Template::parse(amount)?),
                (_, Some(amount)) => Change::Subtract(Template::parse(amount)?),
                _ => Change::Set(Template::parse(value)?),
            },
        };
        let collection = settable(collection)?;
        Ok(Action::SetVariable(SetVariable { collection, name: Template::parse(name)?, change }))
    },
};

/// A collection that rules may change.
fn settable(name: &str) -> Result<Variable, Problem> {
    match Variable::named(name) {
        Ok(
            collection @ (Variable::Tx
            | Variable::Ip
            | Variable::Global
            | Variable::Session
            | Variable::User
            | Variable::Resource),
        ) => Ok(collection),
        _ => Err(Problem::argument("setvar", format!("`{name}` cannot be set; use `tx`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let Action::SetVariable(set) = (ENTRY.parse)(Some(text)).unwrap() else { panic!("{text}") };
        let show = |template: &Template| {
            String::from_utf8_lossy(template.literal().unwrap_or(b"macro")).into_owned()
        };
        let change = match &set.change {
            Change::Set(value) => format!("= {}", show(value)),
            Change::Add(value) => format!("+ {}", show(value)),
            Change::Subtract(value) => format!("- {}", show(value)),
            Change::Unset => "gone".to_owned(),
        };
        assert_eq!(format!("{} {} {change}", set.collection, show(&set.name)), expected);
    }

    #[test]
    fn variables_are_set_counted_and_removed() {
        check("tx.a=b c", "TX a = b c");
        check("TX:a", "TX a = 1");
        check("tx.a=+5", "TX a + 5");
        check("ip.a=-%{tx.b}", "IP a - macro");
        check("!tx.a", "TX a gone");
        check("tx.a_%{MATCHED_VAR_NAME}=", "TX macro = ");
    }

    #[test]
    fn only_collections_of_rules_can_be_set() {
        let refused = |text| (ENTRY.parse)(Some(text)).unwrap_err().to_string();
        assert_eq!(refused("a=1"), "`setvar`: `a` has no collection, write `tx.a`");
        assert_eq!(refused("args.a=1"), "`setvar`: `args` cannot be set; use `tx`");
    }
}
