//! Policies that are sent to browsers: `Content-Security-Policy`, `Strict-Transport-Security`, `Permissions-Policy`.
//!
//! A browser skips what it does not understand and says so to nobody but its console, so a slip of the pen is a hole.
//! Each policy is read here as a browser would read it; what would be skipped is refused.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::kind::{Text, Wrong};
use super::nearest;
use crate::diagnostic::quoted;

/// The word that stands for no header.
pub(crate) const OFF: &str = "off";

/// Longest value: heads of answers have bounds too, in browsers and in what stands between.
const VALUE_BYTES_MAX: usize = 4096;

/// The directives of CSP level 3, and those of later documents that browsers understand.
const DIRECTIVES: [&str; 28] = [
    "base-uri",
    "child-src",
    "connect-src",
    "default-src",
    "fenced-frame-src",
    "font-src",
    "form-action",
    "frame-ancestors",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "prefetch-src",
    "report-to",
    "report-uri",
    "require-trusted-types-for",
    "sandbox",
    "script-src",
    "script-src-attr",
    "script-src-elem",
    "style-src",
    "style-src-attr",
    "style-src-elem",
    "trusted-types",
    "upgrade-insecure-requests",
    "webrtc",
    "worker-src",
];

/// Words that stand in quotes within a policy, or they are taken for names of hosts.
const KEYWORDS: [&str; 9] = [
    "self",
    "none",
    "unsafe-inline",
    "unsafe-eval",
    "unsafe-hashes",
    "strict-dynamic",
    "report-sample",
    "wasm-unsafe-eval",
    "inline-speculation-rules",
];

const TRANSPORT_DIRECTIVES: [&str; 3] = ["max-age", "includeSubDomains", "preload"];

/// Gives each policy its reader: `off`, or a value that `check` finds nothing wrong with.
macro_rules! policies {
    ($( $(#[doc = $doc:literal])+ $policy:ident, $name:literal, like $like:literal, $check:ident; )+) => { $(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) struct $policy(Box<str>);

        impl Text for $policy {
            const NAME: &'static str = concat!($name, " or `off`");
            const LIKE: &'static str = concat!("\"", $like, "\"");

            fn parse(text: &str) -> Result<Self, Wrong> {
                if text != OFF {
                    plain(text).and_then(|()| $check(text)).map_err(|wrong| match wrong.help {
                        Some(_) => wrong,
                        None => wrong.help(format!("write it like {}, or \"off\"", Self::LIKE)),
                    })?;
                }
                Ok(Self(text.into()))
            }

            fn text(&self) -> String {
                self.0.to_string()
            }

            fn schema() -> Value {
                json!({ "type": "string", "minLength": 1, "maxLength": VALUE_BYTES_MAX })
            }
        }
    )+ };
}

policies! {
    /// `Content-Security-Policy`.
    ContentPolicy, "content security policy", like "default-src 'self'", content;
    /// `Strict-Transport-Security`.
    TransportPolicy, "transport policy", like "max-age=31536000; includeSubDomains", transport;
    /// `Permissions-Policy`.
    PermissionsPolicy, "permissions policy", like "camera=(), geolocation=(self)", permissions;
}

/// Whether the text can stand in a header as it is (RFC 9110 §5.5).
fn plain(text: &str) -> Result<(), Wrong> {
    if text.trim().is_empty() || text.trim() != text || text.len() > VALUE_BYTES_MAX {
        let message =
            format!("the value of a header has 1 to {VALUE_BYTES_MAX} bytes and no blank at either end");
        return Err(Wrong::new(message));
    }
    match text.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
        Some(c) => {
            let message = format!("`{}` cannot stand in a header", c.escape_default());
            Err(Wrong::new(message).help("write one line of plain ASCII; quotes are straight: `'`"))
        }
        None => Ok(()),
    }
}

/// The parts between these separators, without blanks around them and without empty ones.
fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).map(str::trim).filter(|part| !part.is_empty())
}

fn content(text: &str) -> Result<(), Wrong> {
    if text.contains(',') {
        let wrong = Wrong::new("a comma begins another policy, which is hardly meant");
        return Err(wrong.help("separate directives by `;`, sources by blanks"));
    }
    let mut seen = HashSet::new();
    for directive in parts(text, ';') {
        let (name, sources) = directive.split_once(' ').unwrap_or((directive, ""));
        let name = name.to_ascii_lowercase();
        if !DIRECTIVES.contains(&&*name) {
            let wrong = Wrong::new(format!("there is no directive {}", quoted(&name)));
            return Err(suggesting(wrong, &name, &DIRECTIVES));
        }
        if !seen.insert(name.clone()) {
            let message = format!("`{name}` stands twice, and browsers skip the second");
            return Err(Wrong::new(message).help("write all its sources into one"));
        }
        if name != "sandbox" && !name.starts_with("report-") {
            sources.split_whitespace().try_for_each(source)?;
        }
    }
    if seen.is_empty() { Err(Wrong::new("the policy has no directive")) } else { Ok(()) }
}

fn source(source: &str) -> Result<(), Wrong> {
    let bare = source.trim_matches('\'');
    let is_quoted = source.len() >= 2 && source.starts_with('\'') && source.ends_with('\'');
    let hashed = ["sha256-", "sha384-", "sha512-"].iter().any(|kind| bare.starts_with(kind));
    if bare.starts_with("nonce-") {
        let message = "a nonce is a secret of one answer, and this header is the same on all";
        return Err(Wrong::new(message).help("let the application send its policy, or write a hash"));
    }
    if is_quoted && !hashed && !KEYWORDS.contains(&bare) && !["script", "allow-duplicates"].contains(&bare) {
        let wrong = Wrong::new(format!("there is no keyword {}", quoted(source)));
        return Err(match nearest::to(bare, KEYWORDS) {
            Some(near) => wrong.help(format!("did you mean `'{near}'`?")),
            None => wrong.help("write names of hosts without quotes"),
        });
    }
    if !is_quoted && (hashed || KEYWORDS.contains(&bare)) {
        let message = format!("{} without its quotes is taken for the name of a host", quoted(source));
        return Err(Wrong::new(message).help(format!("write `'{bare}'`")));
    }
    Ok(())
}

/// RFC 6797 §6.1.
fn transport(text: &str) -> Result<(), Wrong> {
    let mut seen = HashSet::new();
    let mut max_age = None;
    for directive in parts(text, ';') {
        let (name, value) = match directive.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (directive, None),
        };
        let known = TRANSPORT_DIRECTIVES.into_iter().find(|known| known.eq_ignore_ascii_case(name));
        let Some(known) = known else {
            let wrong = Wrong::new(format!("there is no directive {}", quoted(name)));
            return Err(suggesting(wrong, name, &TRANSPORT_DIRECTIVES));
        };
        if !seen.insert(known) {
            return Err(Wrong::new(format!("`{known}` stands twice, and browsers skip the whole header")));
        }
        match (known, value) {
            ("max-age", value) => {
                let seconds = value.and_then(|value| value.parse::<u32>().ok());
                let message = "`max-age` needs a number of seconds";
                max_age = Some(seconds.ok_or_else(|| Wrong::new(message).help("write `max-age=31536000`"))?);
            }
            (_, Some(_)) => return Err(Wrong::new(format!("`{known}` takes no value"))),
            (_, None) => {}
        }
    }
    let Some(max_age) = max_age else {
        return Err(
            Wrong::new("`max-age` is missing, and browsers skip the header").help("add `max-age=31536000`")
        );
    };
    const YEAR_SECONDS: u32 = 31_536_000;
    if seen.contains("preload") && (max_age < YEAR_SECONDS || !seen.contains("includeSubDomains")) {
        let message = "`preload` lists take only sites with `includeSubDomains` and a year of `max-age`";
        return Err(Wrong::new(message).help("write `max-age=31536000; includeSubDomains; preload`"));
    }
    Ok(())
}

fn permissions(text: &str) -> Result<(), Wrong> {
    let mut seen = HashSet::new();
    for member in parts(text, ',') {
        let (feature, list) = member.split_once('=').ok_or_else(|| {
            let feature = member.split(' ').next().unwrap_or_default();
            let message = format!("{} does not say who may use it", quoted(member));
            Wrong::new(message)
                .help(format!("write `{feature}=()` for nobody, `{feature}=(self)` for this site"))
        })?;
        let named = feature.starts_with(|c: char| c.is_ascii_lowercase())
            && feature.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !named {
            return Err(Wrong::new(format!("{} is not the name of a feature", quoted(feature))));
        }
        if !seen.insert(feature) {
            return Err(Wrong::new(format!("`{feature}` stands twice, and browsers skip the first")));
        }
        let inner = list.strip_prefix('(').and_then(|list| list.strip_suffix(')'));
        let is_site = |word: &str| {
            let site = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
            site.is_some_and(|site| site.contains("://") && !site.contains('"'))
        };
        let allowed = |word: &str| matches!(word, "self" | "src" | "*") || is_site(word);
        if !inner.unwrap_or(list).split_whitespace().all(allowed) || (inner.is_none() && !allowed(list)) {
            let message = format!("{} is not a list of who may use `{feature}`", quoted(list));
            let help = format!(
                "write `{feature}=()`, `{feature}=(self)` or `{feature}=(self \"https://a.example\")`"
            );
            return Err(Wrong::new(message).help(help));
        }
    }
    if seen.is_empty() { Err(Wrong::new("the policy names no feature")) } else { Ok(()) }
}

fn suggesting(wrong: Wrong, word: &str, known: &[&str]) -> Wrong {
    match nearest::to(word, known.iter().copied()) {
        Some(near) => wrong.help(format!("did you mean `{near}`?")),
        None => wrong.help(format!("known are {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn good<T: Text>(text: &str) {
        assert_eq!(T::parse(text).map(|policy| policy.text()), Ok(text.to_owned()));
    }

    #[track_caller]
    fn wrong<T: Text>(text: &str, why: &str) {
        let wrong = T::parse(text).err().unwrap_or_else(|| panic!("{text} is no mistake"));
        let told = format!("{}; {}", wrong.message, wrong.help.unwrap_or_default());
        assert!(told.contains(why), "{text}: {told}");
    }

    #[test]
    fn a_content_policy_is_read_as_a_browser_would() {
        for text in [
            "off",
            "default-src 'self'",
            "default-src 'none'; script-src 'self' https://cdn.example 'sha256-AAAA='; img-src * data:",
            "frame-ancestors 'none'; upgrade-insecure-requests;",
            "sandbox allow-scripts; report-uri /csp-reports",
            "require-trusted-types-for 'script'; trusted-types a 'allow-duplicates'",
        ] {
            good::<ContentPolicy>(text);
        }
        wrong::<ContentPolicy>("default-scr 'self'", "did you mean `default-src`?");
        wrong::<ContentPolicy>("default-src self", "write `'self'`");
        wrong::<ContentPolicy>("default-src 'slef'", "did you mean `'self'`?");
        wrong::<ContentPolicy>("img-src 'cdn.example'", "without quotes");
        wrong::<ContentPolicy>("default-src 'self', img-src *", "`;`");
        wrong::<ContentPolicy>("img-src a.example; img-src b.example", "stands twice");
        wrong::<ContentPolicy>("script-src 'nonce-abc'", "secret of one answer");
        wrong::<ContentPolicy>("default-src \u{2019}self\u{2019}", "straight");
        wrong::<ContentPolicy>("default-src 'self'\r\nSet-Cookie: a=b", "cannot stand in a header");
        wrong::<ContentPolicy>(";", "no directive");
        wrong::<ContentPolicy>("", "1 to 4096");
        wrong::<ContentPolicy>(" off", "no blank");
        wrong::<ContentPolicy>(&"a".repeat(5000), "1 to 4096");
    }

    #[test]
    fn a_transport_policy_that_browsers_would_skip_is_refused() {
        for text in ["off", "max-age=0", "max-age=31536000; includeSubDomains; preload", "MAX-AGE=1;"] {
            good::<TransportPolicy>(text);
        }
        wrong::<TransportPolicy>("includeSubDomains", "`max-age` is missing");
        wrong::<TransportPolicy>("max-age", "number of seconds");
        wrong::<TransportPolicy>("max-age=1y", "number of seconds");
        wrong::<TransportPolicy>("max-age=1; includeSubdomain", "did you mean `includeSubDomains`?");
        wrong::<TransportPolicy>("max-age=1; max-age=2", "stands twice");
        wrong::<TransportPolicy>("max-age=1; preload=1", "takes no value");
        wrong::<TransportPolicy>("max-age=1; includeSubDomains; preload", "a year");
    }

    #[test]
    fn a_permissions_policy_says_who_may_use_what() {
        for text in ["off", "camera=()", "camera=(), geolocation=(self \"https://a.example\"), fullscreen=*"]
        {
            good::<PermissionsPolicy>(text);
        }
        wrong::<PermissionsPolicy>("camera 'none'", "write `camera=()`");
        wrong::<PermissionsPolicy>("camera=none", "is not a list");
        wrong::<PermissionsPolicy>("camera=(self", "is not a list");
        wrong::<PermissionsPolicy>("camera=(https://a.example)", "is not a list");
        wrong::<PermissionsPolicy>("camera=(), camera=*", "stands twice");
        wrong::<PermissionsPolicy>("Camera=()", "not the name of a feature");
    }
}
