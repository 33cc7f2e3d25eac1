//! The little of Go's templates that tests use: `{{ "text" | repeat number }}` and `{{ .Payload }}`.

use crate::ftw::schema::FtwError;

/// The most bytes that a template may become.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Replaces `{{ .Payload }}`.
pub(crate) fn fill(text: &str, payload: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, action, after)) = action(rest) {
        out.push_str(before);
        if action.trim() == ".Payload" {
            out.push_str(payload);
        } else {
            out.push_str("{{");
            out.push_str(action);
            out.push_str("}}");
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Carries out `repeat`. Braces that are not a template of this kind are text, since attacks on templates are tested, too.
pub(crate) fn expand(text: &str) -> Result<String, FtwError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, action, after)) = action(rest) {
        out.push_str(before);
        if action.contains("repeat") {
            let repeated = repeat(action).ok_or_else(|| FtwError::Template(action.to_owned()))?;
            out.push_str(&repeated);
        } else {
            out.push_str("{{");
            out.push_str(action);
            out.push_str("}}");
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands before the first `{{`, in it, and after it.
fn action(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (action, after) = rest.split_once("}}")?;
    Some((before, action, after))
}

/// `"text" | repeat 5` or `repeat 5 "text"`
fn repeat(action: &str) -> Option<String> {
    let action = action.trim().trim_matches('-').trim();
    let (text, count) = match action.split_once('|') {
        Some((text, call)) => (text.trim(), call.trim().strip_prefix("repeat")?.trim()),
        None => {
            let (count, text) = action.strip_prefix("repeat")?.trim().split_once(' ')?;
            (text.trim(), count)
        }
    };
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    let count: usize = count.parse().ok()?;
    (text.len().checked_mul(count)? <= BYTES_MAX).then(|| text.repeat(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_repeated() {
        assert_eq!(expand(r#"a{{ "bc" | repeat 2 }}d{{repeat 3 "x"}}"#).unwrap(), "abcbcdxxx");
        assert_eq!(expand("{{7*7}} {{").unwrap(), "{{7*7}} {{");
        assert!(expand(r#"{{ "x" | repeat 999999999999 }}"#).is_err());
    }

    #[test]
    fn payloads_are_put_in() {
        assert_eq!(fill("/?a={{ .Payload }}&b={{.Payload}}{{other}}", "p"), "/?a=p&b=p{{other}}");
    }
}
