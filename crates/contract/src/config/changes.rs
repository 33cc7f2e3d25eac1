//! What one configuration says that another does not, setting by setting, as it is recorded for good: names of secrets, never
//! their values, which a [`Raw`] does not know; and no names of people.

use std::collections::HashMap;

use portcullis_model::audit::Change;

use super::Raw;
use super::kind::{Kind as _, Shown};

/// Settings whose values name people, or are made from their keys: only that they changed is told.
const HIDDEN: [&str; 3] = ["owner", "contact", "hash"];

/// What stands for such a value.
const HIDDEN_VALUE: &str = "(hidden)";

/// The settings that differ, in the order of the new configuration, those that are gone behind them. Rows of lists are told
/// apart by their names.
pub fn changes(old: &Raw, new: &Raw) -> Vec<Change> {
    let (old, new) = (leaves(old), leaves(new));
    let before: HashMap<&str, &str> = old.iter().map(|(name, value)| (&**name, &**value)).collect();
    let after: HashMap<&str, &str> = new.iter().map(|(name, value)| (&**name, &**value)).collect();
    let set = new.iter().filter(|(name, value)| before.get(&**name) != Some(&&**value));
    let gone = old.iter().filter(|(name, _)| !after.contains_key(&**name));
    set.chain(gone)
        .map(|(name, _)| Change {
            setting: name.as_str().into(),
            old: before.get(&**name).map(|value| told(name, value)),
            new: after.get(&**name).map(|value| told(name, value)),
        })
        .collect()
}

fn told(name: &str, value: &str) -> Box<str> {
    let setting = name.rsplit('.').next().unwrap_or(name);
    if HIDDEN.contains(&setting) { HIDDEN_VALUE.into() } else { value.into() }
}

/// Every setting that has a value, by its full name.
fn leaves(raw: &Raw) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(root) = raw.config.as_ref().map(|config| config.shown()) {
        collect("", &root, &mut found);
    }
    found
}

fn collect(path: &str, shown: &Shown, found: &mut Vec<(String, String)>) {
    match shown {
        Shown::Value(text) => found.push((path.to_owned(), text.clone())),
        Shown::Table(settings) => {
            for (name, value) in settings {
                let dot = if path.is_empty() { "" } else { "." };
                value.iter().for_each(|value| collect(&format!("{path}{dot}{name}"), value, found));
            }
        }
        Shown::Tables(rows) => {
            for (at, row) in rows.iter().enumerate() {
                let name = name_of(row).unwrap_or_else(|| at.to_string());
                collect(&format!("{path}.{name}"), row, found);
            }
        }
    }
}

/// The name of a row, without its quotes.
fn name_of(row: &Shown) -> Option<String> {
    let Shown::Table(settings) = row else { return None };
    match settings.iter().find(|(setting, _)| setting == "name") {
        Some((_, Some(Shown::Value(text)))) => Some(text.trim_matches('"').to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const OLD: &str = r#"
        [listen]
        address = "127.0.0.1:8080"
        [[api_key]]
        name = "ci"
        owner = "ada@example.org"
        expires = "never"
        [application.a]
        hosts = ["*"]
        [application.a.upstream]
        servers = ["http://127.0.0.1:3000"]
        [[application.a.route]]
        name = "all"
        path = "/*"
        public = true
    "#;

    fn told(new: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let text = |text: Option<Box<str>>| text.map(String::from);
        let changes = changes(&parse(OLD, "").0, &parse(new, "").0);
        changes.into_iter().map(|one| (one.setting.into(), text(one.old), text(one.new))).collect()
    }

    #[test]
    fn each_setting_that_differs_is_told_once_and_people_are_not_named() {
        assert_eq!(told(OLD), []);
        let value = |text: &str| Some(text.to_owned());
        for (part, with, setting, old, new) in [
            (
                "127.0.0.1:8080",
                "127.0.0.1:81",
                "listen.address",
                value("\"127.0.0.1:8080\""),
                value("\"127.0.0.1:81\""),
            ),
            ("ada@example.org", "eve@example.org", "api_key.ci.owner", value("(hidden)"), value("(hidden)")),
            (
                "path = \"/*\"",
                "path = \"/a\"",
                "application.a.route.all.path",
                value("\"/*\""),
                value("\"/a\""),
            ),
            (
                "public = true",
                "public = true\naudit = \"off\"",
                "application.a.route.all.audit",
                value("\"after\""),
                value("\"off\""),
            ),
        ] {
            assert_eq!(told(&OLD.replace(part, with)), [(setting.to_owned(), old, new)]);
        }
        let renamed = told(&OLD.replace("name = \"ci\"", "name = \"robot\""));
        let names: Vec<_> =
            renamed.iter().map(|(name, old, new)| (&**name, old.is_some(), new.is_some())).collect();
        assert!(names.contains(&("api_key.robot.name", false, true)), "{names:?}");
        assert!(names.contains(&("api_key.ci.name", true, false)), "{names:?}");
        assert!(!format!("{renamed:?}").contains("ada@"));
    }
}
