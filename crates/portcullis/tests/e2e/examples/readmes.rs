//! What the READMEs promise: every line is typed as it stands there, in one shell, and each command leads to what stands above
//! it. Only `curl` is told that the gate listens on another port.

use std::fs;

use crate::examples::{ALL, Example, Running, folder};

/// What stands above a command of a README: `# 401: why`, `# 5 times 403, then 429: why`, `# 429 in the end: why`, or
/// `# fine: why` for a command of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Fine,
    Always(u16),
    First { times: usize, status: u16, then: u16 },
    InTheEnd(u16),
}

impl Expected {
    fn parse(remark: &str) -> Self {
        let said = remark.trim_start_matches("# ").split(':').next().unwrap_or_default();
        let words: Vec<&str> = said.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let status =
            |word: &str| word.parse().unwrap_or_else(|_| panic!("`{remark}`: `{word}` is no status"));
        match words[..] {
            ["fine"] => Self::Fine,
            [one] => Self::Always(status(one)),
            [one, "in", "the", "end"] => Self::InTheEnd(status(one)),
            [times, "times", first, "then", then] => {
                Self::First { times: times.parse().unwrap(), status: status(first), then: status(then) }
            }
            _ => panic!("`{remark}` promises nothing that can be checked"),
        }
    }

    fn is_kept_by(self, statuses: &[u16], code: Option<i32>) -> bool {
        match self {
            Self::Fine => code == Some(0),
            Self::Always(status) => statuses == [status],
            // One of the last may have come just when another request became free.
            Self::InTheEnd(status) => {
                statuses.iter().rev().take(5).filter(|one| **one == status).count() >= 4
            }
            Self::First { times, status, then } => {
                let (first, rest) = statuses.split_at(times.min(statuses.len()));
                first.len() == times
                    && first.iter().all(|one| *one == status)
                    && rest == vec![then; rest.len().max(1)]
            }
        }
    }
}

/// The lines of all blocks of commands.
fn blocks(readme: &str) -> Vec<String> {
    let inside = readme.split("```").skip(1).step_by(2);
    inside.filter_map(|block| block.strip_prefix("sh\n")).flat_map(str::lines).map(str::to_owned).collect()
}

/// What is typed into the terminal beside that of the gate: all from `## See` on, each command under what it promises.
fn session(readme: &str) -> Vec<(Option<Expected>, String)> {
    let (_, see) = readme.split_once("\n## See\n").expect("a section `See`");
    let mut promised = None;
    let mut typed = Vec::new();
    for line in blocks(see).into_iter().filter(|line| !line.is_empty()) {
        if line.starts_with("# ") {
            assert_eq!(promised.replace(Expected::parse(&line)), None, "nothing is typed before `{line}`");
        } else {
            typed.push((promised.take(), line));
        }
    }
    typed
}

/// What stands before and after the output of a promised command.
const BEGINS: &str = "::begins";
const ENDS: &str = "::ends";

/// The lines of a shell that types all of it, and marks what belongs to which promise.
fn script(folder: &str, typed: &[(Option<Expected>, String)]) -> String {
    // A command fails when any part of it does.
    let mut script = "set -o pipefail\n".to_owned();
    for (promised, line) in typed {
        script += &match (promised, line.starts_with("cd ")) {
            (Some(_), _) => format!("echo {BEGINS}\n{line}\necho; echo {ENDS} $?\n"),
            (None, true) => format!("[ '{line}' = 'cd {folder}' ] && {line} || exit 1\n"),
            (None, false) => format!("{line}\n"),
        };
    }
    script
}

/// The statuses that a command prints: of the answers' heads, or as it was told to print them.
fn statuses(output: &str) -> Vec<u16> {
    let heads = output.lines().filter(|line| line.starts_with("HTTP/"));
    let of_heads: Vec<u16> = heads.filter_map(|line| line.split(' ').nth(1)?.parse().ok()).collect();
    if of_heads.is_empty() {
        output.lines().filter_map(|line| line.trim().parse().ok()).collect()
    } else {
        of_heads
    }
}

/// Types the README, from the first command to the last, in one shell.
async fn keep_promises(running: &Running) {
    let readme = running.example.read("README.md");
    let typed = session(&readme);
    let name = running.example.name;
    let output = running.types(&script(&format!("examples/{name}"), &typed)).await;
    let promises: Vec<_> = typed.iter().filter_map(|(promised, line)| Some(((*promised)?, line))).collect();
    assert!(promises.len() >= 8, "{promises:#?}");
    let outputs: Vec<&str> = output.split(&format!("{BEGINS}\n")).skip(1).collect();
    assert_eq!(outputs.len(), promises.len(), "{name}: {output}");
    for ((expected, command), output) in promises.into_iter().zip(outputs) {
        let (said, end) = output.rsplit_once(ENDS).unwrap_or_else(|| panic!("{name}: {command}: {output}"));
        let code = end.lines().next().and_then(|code| code.trim().parse().ok());
        let statuses = statuses(said);
        let last = &said[said.len().saturating_sub(1000)..];
        assert!(
            expected.is_kept_by(&statuses, code),
            "{name}: {command}: {expected:?}, but {} statuses, exit code {code:?}: {last}",
            statuses.len()
        );
    }
}

#[tokio::test]
async fn every_example_passes_the_check_after_its_readmes_steps() {
    for name in ALL {
        let example = Example::copy(name).await;
        let readme = example.read("README.md");
        let check = format!("portcullis config check --config examples/{name}/portcullis.toml");
        for step in [&format!("examples/make-keys {name}"), &check, &check.replace("config check", "run")] {
            assert!(blocks(&readme).contains(step), "the README of {name} lacks `{step}`");
        }
        let (code, output) = example.types(&check).await;
        assert_eq!((code, &*output), (0, &*format!("examples/{name}/portcullis.toml: no mistakes found\n")));
    }
}

#[tokio::test]
async fn keys_are_made_once_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let example = Example::copy("frenly-ai").await;
    let mut made = Vec::new();
    for entry in fs::read_dir(example.path("state")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.len(), 64);
        made.push((path, text));
    }
    assert_eq!(made.len(), 5);
    assert!(made.iter().enumerate().all(|(at, (_, text))| made[..at].iter().all(|(_, other)| other != text)));
    example.types("examples/make-keys frenly-ai").await;
    assert!(made.iter().all(|(path, text)| fs::read_to_string(path).unwrap() == *text), "they are kept");
    assert_ne!(example.types("examples/make-keys").await.0, 0);
}

#[tokio::test]
async fn the_commands_of_the_license_plate_detector_lead_to_what_its_readme_says() {
    keep_promises(&Example::copy("license-plate-detector").await.start().await).await;
}

#[tokio::test]
async fn the_commands_of_openvpn_ivalt_2fa_lead_to_what_its_readme_says() {
    keep_promises(&Example::copy("openvpn-ivalt-2fa").await.start().await).await;
}

#[tokio::test]
async fn the_commands_of_frenly_ai_lead_to_what_its_readme_says() {
    keep_promises(&Example::copy("frenly-ai").await.start().await).await;
}

#[tokio::test]
async fn the_commands_of_the_ai_cloud_dashboard_lead_to_what_its_readme_says() {
    keep_promises(&Example::copy("ai-cloud-dashboard").await.start().await).await;
}

#[tokio::test]
async fn the_commands_of_the_ecommerce_analytics_lead_to_what_its_readme_says() {
    keep_promises(&Example::copy("ecommerce-analytics").await.start().await).await;
}

#[test]
fn a_promise_says_what_it_means() {
    assert_eq!(Expected::parse("# 401: nobody"), Expected::Always(401));
    assert_eq!(Expected::parse("# 429 in the end"), Expected::InTheEnd(429));
    let first = Expected::parse("# 2 times 200, then 429: x");
    assert_eq!(first, Expected::First { times: 2, status: 200, then: 429 });
    let end = Expected::InTheEnd(429);
    let keeps = |expected: Expected, statuses: &[u16]| expected.is_kept_by(statuses, Some(0));
    assert!(keeps(end, &[200, 429, 429, 200, 429, 429]) && !keeps(end, &[429, 429, 429, 200, 200]));
    assert!(keeps(first, &[200, 200, 429]) && keeps(first, &[200, 200, 429, 429]));
    for broken in [&[200, 200][..], &[200, 429, 429], &[200, 200, 429, 200], &[200, 200, 200, 429]] {
        assert!(!keeps(first, broken), "{broken:?}");
    }
    let fine = Expected::parse("# fine: an account");
    assert!(fine.is_kept_by(&[], Some(0)) && !fine.is_kept_by(&[], Some(1)) && !fine.is_kept_by(&[], None));
}

#[test]
fn the_index_names_every_example_and_no_secret_is_kept() {
    let index = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut folders: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("portcullis.toml").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut all = ALL.map(str::to_owned).to_vec();
    all.sort();
    assert_eq!(folders, all);
    assert!(ALL.iter().all(|name| index.contains(&format!("[{name}]({name}/)"))));
    assert!(fs::read_to_string(folder().join(".gitignore")).unwrap().lines().any(|line| line == "state/"));
}
