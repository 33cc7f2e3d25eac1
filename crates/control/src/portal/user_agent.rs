//! What somebody would call the program that a session began with. It is for its owner's eyes alone: the text is the
//! client's, and nothing is decided by it.

use std::borrow::Cow;

/// Characters shown of a text that names no program we know.
const SHOWN_MAX: usize = 48;

/// Marks in a User-Agent, and whose they are; the first that is found counts, because browsers name their ancestors too.
const PROGRAMS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// Such as `Firefox on Linux`; of an unknown one the beginning of its own words.
pub(super) fn program(user_agent: Option<&str>) -> Cow<'_, str> {
    let Some(text) = user_agent.filter(|text| !text.trim().is_empty()) else {
        return "Unknown program".into();
    };
    let found = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name)
    };
    match (found(PROGRAMS), found(SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}").into(),
        (Some(program), None) => program.into(),
        (None, _) => match text.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
            None => text.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_recognise_their_programs() {
        for (text, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 \
                 Safari/537.36 Edg/156.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/26.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile \
                 Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.14.1", "curl"),
            ("agent-7", "agent-7"),
            ("  ", "Unknown program"),
        ] {
            assert_eq!(program(Some(text)), name);
        }
        assert_eq!(program(None), "Unknown program");
        let long = "ä".repeat(200);
        assert_eq!(program(Some(&long)).chars().count(), SHOWN_MAX + 1);
    }
}
