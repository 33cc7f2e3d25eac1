//! What can be typed, as the commands say themselves; the page of the command line is made of that.

use std::path::Path;

use crate::commands::Terminal;

/// The page of the command line, from the crate's folder.
const PAGE: &str = "../../docs/reference/cli.md";

const HEAD: &str = "# Commands\n\n\
    What `portcullis COMMAND --help` prints. This page is made of it: after a change, write it anew with\n\
    `UPDATE=1 cargo test -p portcullis --test e2e help`.\n\n\
    Every command ends with one of these exit codes:\n\n\
    | code | means |\n| --- | --- |\n\
    | 0 | fine |\n\
    | 1 | a finding or a refusal: `doctor` found something to mend, `apikey hash` refused a key, `audit verify` a log that is not what it was |\n\
    | 2 | wrong usage or a wrong configuration |\n\n\
    Answers go to standard output, mistakes and notes to standard error. Colours are left out in pipes and where\n\
    `NO_COLOR` is set. `PORTCULLIS_CONFIG` names the configuration in place of `--config`, and `PORTCULLIS_LOG` how much\n\
    the gate tells of itself: `error`, `warn`, `info` (the default), `debug` or `trace`.\n";

/// The help of a command and of all its subcommands, in the order in which it lists them.
async fn pages(terminal: &Terminal, command: &str, page: &mut String) {
    let help = terminal.types(&format!("{command} --help")).await.fine();
    let title = format!("portcullis {command}");
    page.push_str(&format!("\n## `{}`\n\n```text\n{}\n```\n", title.trim(), trimmed(&help)));
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A line that goes on from the one above begins further to the right.
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        Box::pin(pages(terminal, format!("{command} {name}").trim(), page)).await;
    }
}

/// The text without blanks at the ends of its lines, which editors and patches do not keep.
fn trimmed(text: &str) -> String {
    text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_page_of_the_command_line_is_not_stale() {
    let mut page = HEAD.to_owned();
    pages(&Terminal::new(), "", &mut page).await;
    for command in
        ["run", "demo", "init", "config check", "config show", "config schema", "apikey new", "doctor"]
    {
        assert!(page.contains(&format!("## `portcullis {command}`")), "`{command}` has no help");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = page.lines().zip(written.lines()).position(|(new, old)| new != old);
    assert!(
        written == page,
        "docs/reference/cli.md:{}: stale: run `UPDATE=1 cargo test -p portcullis --test e2e help`",
        differs.unwrap_or_else(|| written.lines().count().min(page.lines().count())) + 1
    );
}

#[tokio::test]
async fn every_option_and_command_says_what_it_is_for() {
    let mut page = String::new();
    pages(&Terminal::new(), "", &mut page).await;
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let begins = line.trim_start();
        if begins.starts_with("--") || begins.starts_with("-c, ") {
            let follows =
                lines.peek().is_some_and(|next| next.starts_with("      ") && !next.trim().is_empty());
            let explained = begins.contains("  ") || follows;
            assert!(explained, "`{begins}` is not explained");
        }
    }
}

#[tokio::test]
async fn wrong_usage_ends_with_2_and_says_what_would_be_right() {
    let terminal = Terminal::new();
    let alone = terminal.types("").await;
    alone.fails(2, &["Usage: portcullis <COMMAND>", "portcullis demo", "portcullis init --upstream"]);
    for (line, part) in [
        ("chek", "unrecognized subcommand 'chek'"),
        ("config chek", "'check'"),
        ("config check --formt json", "'--format'"),
        ("config check --format xml", "[possible values: table, json]"),
        ("init", "--upstream <URL>"),
        ("demo --listen 8080", "invalid socket address"),
        ("apikey new --name a --owner b --days 0", "1..=3650"),
    ] {
        terminal.types(line).await.fails(2, &[part, "--help"]);
    }
    let version = terminal.types("--version").await.fine();
    assert_eq!(version, format!("portcullis {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_configuration_that_is_not_there_is_named_with_what_to_do() {
    let terminal = Terminal::new();
    for line in [
        "run",
        "config check",
        "config show",
        "doctor",
        "apikey hash",
        "apikey new --name a --owner b --role c",
    ] {
        let parts = [
            "the configuration `portcullis.toml` cannot be read: there is no such file",
            "--config FILE",
            "portcullis init --upstream URL",
        ];
        terminal.types_and_enters(line, "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e").await.fails(2, &parts);
    }
    let terminal = Terminal::new().variable("PORTCULLIS_CONFIG", "elsewhere/gate.toml");
    terminal
        .types("config check")
        .await
        .fails(2, &["`elsewhere/gate.toml` cannot be read: there is no such file"]);
    std::fs::create_dir(terminal.path("folder")).unwrap();
    terminal.types("config check --config folder").await.fails(2, &["`folder` cannot be read", "directory"]);
}
