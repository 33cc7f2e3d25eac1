//! The commented configuration that `portcullis init` writes for an existing application.
//!
//! It lets everything through and records what it would have refused: nobody must fear the first start. Remarks come
//! from the settings table, so they cannot grow stale.

use super::kind::{Kind as _, written};
use super::reference::prose;
use super::table::{Section, Shape, as_written};
use super::tree::Config;

/// What the sample is made for.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Base address of the application's server, such as `http://127.0.0.1:3000`.
    pub upstream: &'a str,
    /// Address and port for clients, such as `127.0.0.1:8080`.
    pub listen: &'a str,
    /// The application's name.
    pub application: &'a str,
}

/// A configuration for an existing application, everything on `observe`. It compiles as it is, once the file
/// `state/api-key-hash.key` is there.
pub fn sample(sample: &Sample<'_>) -> String {
    let application = format!("application.{}", sample.application);
    let mut out = Writer::default();
    out.remark(
        "Portcullis in front of an existing application. `portcullis config check` finds mistakes in this file, \
         `portcullis config show` prints it with all defaults. Everything is on `observe`: requests pass, and the \
         log says which ones would have been refused. When that is right, change `observe` to `enforce`.",
    );

    out.section("listen", "listen");
    out.set("address", &written(sample.listen));
    out.suggest("trusted_proxies");
    out.section("ops", "ops");
    out.set("address", "\"127.0.0.1:9090\"");
    out.section("state", "state");
    out.set("directory", "\"state\"");
    out.section("api_keys", "api_keys");
    out.set("hash_key_file", "\"state/api-key-hash.key\"");

    out.section("flood", "flood");
    out.set("mode", "\"observe\"");
    out.section("access", "access");
    out.set("permissions", "[\"read:tasks\", \"write:tasks\"]");
    out.section("access.roles", "access");
    out.explained("roles");
    out.line("admin = [\"admin\"]");
    out.line("user = [\"read:tasks\", \"write:tasks\"]");
    out.line("readonly = [\"read:tasks\"]");

    out.section(&application, "application.NAME");
    out.set("hosts", "[\"*\"]");
    out.section(&format!("{application}.mode"), "application.NAME.mode");
    ["auth", "limits", "inspection"].into_iter().for_each(|part| out.set(part, "\"observe\""));
    out.section(&format!("{application}.upstream"), "application.NAME.upstream");
    out.set("servers", &format!("[{}]", written(sample.upstream)));
    security_headers(&application, &mut out);
    out.section(&format!("{application}.limits.per-client"), "application.NAME.limits.LIMIT");
    out.set("by", "\"address\"");
    out.set("requests", "600");
    out.set("window", "\"60s\"");

    out.section_of_many(&format!("{application}.route"), "application.NAME.route");
    for (name, value) in [
        ("name", "\"everything\""),
        ("path", "\"/*\""),
        ("kind", "\"page\""),
        ("public", "true"),
        ("limits", "[\"per-client\"]"),
        ("body_bytes_max", "\"1GiB\""),
    ] {
        out.set(name, value);
    }
    out.blank();
    out.remark(
        "A route for programs, as an example. It needs a key: `portcullis apikey new` prints one, and the section \
         `[[api_key]]` for this file.",
    );
    for line in [
        format!("[[{application}.route]]"),
        "name = \"list-tasks\"".into(),
        "path = \"/api/tasks\"".into(),
        "methods = [\"GET\"]".into(),
        "permissions = [\"read:tasks\"]".into(),
        "limits = [\"per-client\"]".into(),
    ] {
        out.line(&format!("# {line}"));
    }
    out.text
}

/// What a first start before a running application says to browsers, and how more is said.
fn security_headers(application: &str, out: &mut Writer) {
    out.section(&format!("{application}.security_headers"), "application.NAME.security_headers");
    out.remark(
        "These are added from the first start on, because `observe` is about requests. What could break a running \
         application is weaker here than by default: take these two lines out when its pages need no frames and \
         everything below its domain is reached over HTTPS.",
    );
    out.set("frame_options", "\"SAMEORIGIN\"");
    out.set("strict_transport_security", "\"off\"");
}

/// Writes sections and settings with what the table says of them.
#[derive(Default)]
struct Writer {
    text: String,
    section: Option<Section>,
}

impl Writer {
    fn line(&mut self, line: &str) {
        self.text += line;
        self.blank();
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Writes text as remarks of at most 110 columns.
    fn remark(&mut self, text: &str) {
        const COLUMNS_MAX: usize = 110;
        let mut line = String::from("#");
        for word in text.split_whitespace() {
            if line.len() + 1 + word.len() > COLUMNS_MAX {
                self.line(&line);
                line.truncate(1);
            }
            line.push(' ');
            line += word;
        }
        self.line(&line);
    }

    fn section(&mut self, header: &str, path: &str) {
        self.begin(&format!("[{header}]"), path);
    }

    fn section_of_many(&mut self, header: &str, path: &str) {
        self.begin(&format!("[[{header}]]"), path);
    }

    fn begin(&mut self, header: &str, path: &str) {
        self.section = section_at(path);
        let about = self.section.as_ref().map(|section| prose(section.about)).unwrap_or_default();
        self.blank();
        if header.trim_matches('[').trim_matches(']') == "access.roles" {
            return self.line(header);
        }
        self.remark(&about);
        self.line(header);
    }

    fn explained(&mut self, name: &str) {
        let about =
            self.section.as_ref().and_then(|section| section.entry(name)).map(|e| prose(e.spec.about));
        self.remark(&about.unwrap_or_default());
    }

    fn set(&mut self, name: &str, value: &str) {
        self.explained(name);
        self.line(&format!("{name} = {value}"));
    }

    /// A setting that stays at its default, as a remark with its example.
    fn suggest(&mut self, name: &str) {
        self.explained(name);
        let spec = self.section.as_ref().and_then(|section| section.entry(name)).map(|entry| entry.spec);
        if let Some(value) = spec.and_then(|spec| spec.example) {
            self.line(&format!("# {name} = {}", as_written(value)));
        }
    }
}

/// The section at a path such as `application.NAME.upstream`.
fn section_at(path: &str) -> Option<Section> {
    let mut shape = Config::shape();
    for step in path.split('.') {
        shape = match shape {
            Shape::Section(section) | Shape::Many(section) => {
                section.entries.into_iter().find(|entry| entry.spec.name == step)?.shape
            }
            Shape::Named { of, .. } => *of,
            Shape::Value { .. } => return None,
        };
    }
    match shape {
        Shape::Section(section) | Shape::Many(section) => Some(section),
        Shape::Named { .. } | Shape::Value { .. } => None,
    }
}
