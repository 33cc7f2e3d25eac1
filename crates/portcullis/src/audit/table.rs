//! An entry as one line for people. What clients chose is shown without the signs that a terminal would heed.

use serde_json::Value;

use crate::shown::plain;

/// The line of what a search has found.
pub(super) fn line(found: &Value) -> String {
    let index = at(found, "/index").as_u64().unwrap_or_default();
    if let Some(why) = at(found, "/unreadable").as_str() {
        return format!("{index:>8}  unreadable: {}", plain(why));
    }
    let entry = at(found, "/entry");
    let text = |value: &Value| value.as_str().map(plain);
    let personal = at(entry, "/personal");
    let mut words = vec![
        format!("{index:>8}"),
        text(at(entry, "/time")).unwrap_or_default(),
        format!("{:<8}", text(at(entry, "/severity")).unwrap_or_default()),
        format!("{:<8}", text(at(entry, "/outcome")).unwrap_or_default()),
        text(at(entry, "/action")).unwrap_or_default(),
    ];
    words.extend(at(entry, "/request/status").as_u64().map(|status| status.to_string()));
    words.extend(at(entry, "/request/stage").as_str().map(|stage| format!("in {}", plain(stage))));
    let place =
        [at(entry, "/application"), at(entry, "/route")].into_iter().filter_map(text).collect::<Vec<_>>();
    words.extend((!place.is_empty()).then(|| place.join("/")));
    words.extend(text(at(entry, "/request/method")));
    words.extend(text(at(personal, "/path")));
    words.extend(text(at(personal, "/principal")).map(|name| format!("by {name}")));
    words.extend(text(at(personal, "/client")).map(|client| format!("from {client}")));
    words.extend(text(at(entry, "/about/principal")).map(|name| format!("about {name}")));
    words.extend(text(at(entry, "/about/client")).map(|client| format!("about {client}")));
    words.extend(text(at(personal, "/reason")));
    words.extend(text(at(personal, "/erased_with_key")).map(|_| "(erased)".to_owned()));
    words.extend(text(at(personal, "/unreadable")).map(|why| format!("(unreadable: {why})")));
    words.extend(at(entry, "/aggregate/count").as_u64().map(|count| format!("{count} times")));
    words.extend(text(at(entry, "/change/setting")).map(|setting| {
        let value = |value: &Value| text(value).unwrap_or_else(|| "nothing".to_owned());
        format!("{setting}: {} -> {}", value(at(entry, "/change/old")), value(at(entry, "/change/new")))
    }));
    words.extend(text(at(entry, "/details")));
    words.join("  ")
}

/// A part of an entry; nothing when it is not there.
fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_is_one_line_whatever_is_in_it() {
        let entry = json!({
            "time": "2026-03-01T12:00:00Z", "severity": "low", "outcome": "refused", "action": "request",
            "application": "shop", "route": "all", "request": { "status": 403, "stage": "authorize", "method": "GET" },
            "personal": { "principal": "ada", "client": "192.0.2.7", "path": "/a\u{1b}[31m\n\u{202e}b" },
        });
        assert_eq!(
            line(&json!({ "index": 7, "entry": entry })),
            "       7  2026-03-01T12:00:00Z  low       refused   request  403  in authorize  shop/all  GET  \
             /a\u{fffd}[31m\u{fffd}\u{fffd}b  by ada  from 192.0.2.7"
        );
        let erased = json!({ "personal": { "erased_with_key": "00ff" } });
        assert!(line(&json!({ "index": 0, "entry": erased })).ends_with("(erased)"));
        assert_eq!(line(&json!({ "index": 0, "unreadable": "a\nb" })), "       0  unreadable: a\u{fffd}b");
    }
}
