//! Which entries a search finds: a plain scan, from the newest back.

use portcullis_contract::admin::Search;
use portcullis_model::audit::{Entry, Personal};
use portcullis_store::audit::Opened;

/// Whether an entry is one of those that are asked for. What was erased fits no condition that it would have told of.
pub(super) fn fits(search: &Search, entry: &Entry<Opened>) -> bool {
    let personal = entry.personal.personal();
    let is_action = || search.actions.iter().any(|action| **action == *entry.action);
    let is = |wanted: &Option<Box<str>>, found: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
    };
    (search.kinds.is_empty() || search.kinds.contains(&entry.kind))
        && (search.outcomes.is_empty() || search.outcomes.contains(&entry.outcome))
        && (search.actions.is_empty() || is_action())
        && search.severity.is_none_or(|least| entry.severity >= least)
        && is(&search.application, entry.application.as_ref().map(|name| name.as_str()))
        && is(&search.route, entry.route.as_ref().map(|name| name.as_str()))
        && search.request.is_none_or(|id| entry.request.as_ref().is_some_and(|request| request.id == id))
        && search.since.is_none_or(|since| entry.time >= since)
        && search.until.is_none_or(|until| entry.time < until)
        && search.is_from(personal.and_then(|personal| personal.client))
        && search.text.as_deref().is_none_or(|text| has_in_path(personal, text))
        && search.principal.as_deref().is_none_or(|name| tells_of(name, entry))
}

fn has_in_path(personal: Option<&Personal>, text: &str) -> bool {
    personal.and_then(|personal| personal.path.as_deref()).is_some_and(|path| path.contains(text))
}

/// Whether it was done by, or to, whom `name` names.
fn tells_of(name: &str, entry: &Entry<Opened>) -> bool {
    let is = |part: Option<&Personal>| part.and_then(|part| part.principal.as_deref()) == Some(name);
    is(entry.personal.personal()) || is(entry.about.as_deref().and_then(Opened::personal))
}

#[cfg(test)]
mod tests {
    use portcullis_model::RequestId;
    use portcullis_model::audit::{Kind, Outcome, Severity};

    use super::*;

    fn entry() -> Entry<Opened> {
        let time = "2026-03-01T12:00:00Z".parse().unwrap();
        let id = RequestId::from_parts(1, 2);
        let entry: Entry<Opened> =
            Entry::new(id, time, Kind::ApiAccess, "request", Severity::Low, Outcome::Refused);
        let personal = Personal {
            principal: Some("ada".into()),
            client: Some("2001:db8::7".parse().unwrap()),
            path: Some("/api/tasks/7".into()),
            ..Personal::default()
        };
        entry.with(Opened::Personal(Box::new(personal)), None)
    }

    #[test]
    fn all_conditions_must_hold_and_of_a_list_one() {
        let all = Search::default();
        assert!(fits(&all, &entry()));
        let text = |text: &str| Some(text.into());
        let time = |text: &str| Some(text.parse().unwrap());
        let good = [
            Search { kinds: vec![Kind::ApiRequest, Kind::ApiAccess], ..all.clone() },
            Search { outcomes: vec![Outcome::Refused], severity: Some(Severity::Low), ..all.clone() },
            Search { actions: vec!["request".into()], principal: text("ada"), ..all.clone() },
            Search { client: Some("2001:db8::/32".parse().unwrap()), text: text("/tasks"), ..all.clone() },
            Search {
                since: time("2026-03-01T12:00:00Z"),
                until: time("2026-03-01T12:00:01Z"),
                ..all.clone()
            },
        ];
        assert!(good.iter().all(|search| fits(search, &entry())));
        let bad = [
            Search { kinds: vec![Kind::ApiRequest], ..all.clone() },
            Search { severity: Some(Severity::Medium), ..all.clone() },
            Search { outcomes: vec![Outcome::Success], ..all.clone() },
            Search { actions: vec!["refusals".into()], ..all.clone() },
            Search { principal: text("ad"), ..all.clone() },
            Search { application: text("shop"), ..all.clone() },
            Search { route: text("all"), ..all.clone() },
            Search { request: Some(RequestId::from_parts(1, 2)), ..all.clone() },
            Search { client: Some("192.0.2.0/24".parse().unwrap()), ..all.clone() },
            Search { text: text("tasks/8"), ..all.clone() },
            Search { until: time("2026-03-01T12:00:00Z"), ..all.clone() },
            Search { since: time("2026-03-01T12:00:01Z"), ..all.clone() },
        ];
        for search in bad {
            assert!(!fits(&search, &entry()), "{search:?}");
        }
    }

    #[test]
    fn whom_it_was_done_to_is_found_too() {
        let about = Personal { principal: Some("bob".into()), ..Personal::default() };
        let mut entry = entry();
        entry.about = Some(Box::new(Opened::Personal(Box::new(about))));
        for (name, found) in [("ada", true), ("bob", true), ("eve", false)] {
            assert_eq!(fits(&Search { principal: Some(name.into()), ..Search::default() }, &entry), found);
        }
    }
}
