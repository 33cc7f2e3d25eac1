//! What the code of a pure crate must not name: files, sockets, clocks, the environment, `async`.
//!
//! The dependency graph cannot show what comes from the standard library. Test code is free.

use crate::arrows::PURE;
use crate::source::{Mention, Source};
use crate::tree::File;

/// Findings over all pure crates.
pub fn check(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && !file.is_test() && is_pure(file)) {
        let Some(Ok(source)) = file.text().map(Source::parse) else { continue };
        for mention in source.mentions.iter().filter(|mention| !mention.in_test) {
            if let Some(instead) = impurity(mention) {
                let (path, line, name) = (&file.path, mention.line, mention.path.join("::"));
                findings.push(format!("{path}:{line}: `{name}` in a pure crate: {instead}"));
            }
        }
    }
    findings
}

/// Clippy reads only the nearest `clippy.toml`, so a pure crate's own must repeat each line of the root's.
pub fn clippy_settings(files: &[File]) -> Vec<String> {
    let settings = |path: &str| -> Option<Vec<&str>> {
        let text = files.iter().find(|file| file.path == path)?.text()?;
        Some(text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect())
    };
    let root = settings("clippy.toml").unwrap_or_default();
    let mut findings = Vec::new();
    for folder in PURE.iter().filter_map(|name| name.strip_prefix("portcullis-")) {
        if !files.iter().any(|file| file.path == format!("crates/{folder}/Cargo.toml")) {
            continue;
        }
        let path = format!("crates/{folder}/clippy.toml");
        let Some(own) = settings(&path) else {
            findings.push(format!("{path}: missing: copy it from another pure crate"));
            continue;
        };
        let lost = root.iter().filter(|line| !own.contains(line));
        findings.extend(lost.map(|line| format!("{path}: lacks the root's `{line}`")));
    }
    findings
}

fn is_pure(file: &File) -> bool {
    file.crate_folder().is_some_and(|folder| {
        file.path.starts_with(&format!("crates/{folder}/src/"))
            && PURE.contains(&format!("portcullis-{folder}").as_str())
    })
}

/// What to do instead, when the mention is impure.
fn impurity(mention: &Mention) -> Option<&'static str> {
    let clocks = ["SystemTime", "Instant", "Timestamp", "Zoned"];
    let socket = mention.path.windows(2).any(|pair| {
        matches!(pair, [net, name] if net == "net" && (name.starts_with("Tcp") || name.starts_with("Udp")))
    });
    if mention.holds(&["std", "fs"]) || mention.holds(&["std", "env"]) {
        Some("let the caller read it and hand it over, or ask a port")
    } else if socket {
        Some("sockets belong to the planes")
    } else if clocks.iter().any(|clock| mention.holds(&[clock, "now"])) {
        Some("take `now` as an argument")
    } else if mention.path == ["async"] {
        Some("return what shall be done; the planes wait")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&[File::new(path, text)]).len()
    }

    #[test]
    fn each_impurity_is_found() {
        for text in [
            "fn f() { std::fs::read(\"x\"); }",
            "use std::{fmt, fs::File};",
            "use std::net::TcpStream;",
            "fn f(s: std::net::UdpSocket) {}",
            "fn f() { Instant::now(); }",
            "fn f() { std::time::SystemTime::now(); }",
            "fn f() { jiff::Timestamp::now(); }",
            "fn f() { format!(\"{:?}\", std::env::var(\"HOME\")); }",
            "async fn f() {}",
            "fn f() { spawn(async move { 1 }); }",
        ] {
            assert_eq!(findings("crates/model/src/lib.rs", text), 1, "{text}");
        }
    }

    #[test]
    fn a_pure_crate_without_the_roots_clippy_settings_is_found() {
        let root = File::new("clippy.toml", "# why\nallow-x = true\n");
        let manifest = File::new("crates/model/Cargo.toml", "");
        let with = |own: &str| {
            let own = File::new("crates/model/clippy.toml", own);
            clippy_settings(&[root.clone(), manifest.clone(), own]).len()
        };
        assert_eq!((with("allow-x = true\nmore = 1\n"), with("more = 1\n")), (0, 1));
        assert_eq!(clippy_settings(&[root.clone(), manifest.clone()]).len(), 1);
    }

    #[test]
    fn tests_addresses_and_other_crates_are_free() {
        let impure = "fn f() { std::fs::read(\"x\"); }";
        assert_eq!(findings("crates/gateway/src/lib.rs", impure), 0);
        assert_eq!(findings("crates/model/tests/files.rs", impure), 0);
        assert_eq!(findings("crates/model/src/lib.rs", "#[cfg(test)] mod tests { use std::fs; }"), 0);
        assert_eq!(findings("crates/model/src/lib.rs", "use std::net::{IpAddr, SocketAddr};"), 0);
        assert_eq!(findings("crates/model/src/lib.rs", "// std::fs\nconst X: &str = \"std::fs\";"), 0);
    }
}
