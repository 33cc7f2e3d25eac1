//! The arrows between crates, over the resolved graph of normal dependencies: only downwards, as drawn in
//! `docs/ARCHITECTURE.md`; pure crates reach no I/O; some crates are nowhere.
//!
//! Development dependencies are free: a test may drive anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

const MODEL: &str = "portcullis-model";
const WAF: &str = "portcullis-waf";
const ACCESS: &str = "portcullis-access";
const POLICY: &str = "portcullis-policy";
const PROTECT: &str = "portcullis-protect";
const LEDGER: &str = "portcullis-ledger";
const DETECT: &str = "portcullis-detect";
const CONTRACT: &str = "portcullis-contract";
const GATEWAY: &str = "portcullis-gateway";
const CONTROL: &str = "portcullis-control";
const STORE: &str = "portcullis-store";
const OUTSIDE: &str = "portcullis-outside";

const DECISIONS: &[&str] = &[MODEL, WAF, ACCESS, POLICY, PROTECT, LEDGER, DETECT];
const CONTRACT_AND_BELOW: &[&str] = &[MODEL, WAF, ACCESS, POLICY, PROTECT, LEDGER, DETECT, CONTRACT];
const ALL_PARTS: &[&str] =
    &[MODEL, WAF, ACCESS, POLICY, PROTECT, LEDGER, DETECT, CONTRACT, GATEWAY, CONTROL, STORE, OUTSIDE];

/// Which of our crates each of our crates may know. A new crate gets its row here, and its place in the picture.
const ARROWS: &[(&str, &[&str])] = &[
    (MODEL, &[]),
    // Usable alone by others, so it knows nothing of ours.
    (WAF, &[]),
    (ACCESS, &[MODEL]),
    (POLICY, &[MODEL]),
    (PROTECT, &[MODEL]),
    (LEDGER, &[MODEL]),
    (DETECT, &[MODEL]),
    (CONTRACT, DECISIONS),
    (GATEWAY, CONTRACT_AND_BELOW),
    (CONTROL, CONTRACT_AND_BELOW),
    (STORE, CONTRACT_AND_BELOW),
    (OUTSIDE, CONTRACT_AND_BELOW),
    ("portcullis", ALL_PARTS),
    ("portcullis-testkit", ALL_PARTS),
    ("portcullis-xtask", ALL_PARTS),
];

/// Crates that decide and touch nothing: functions of their arguments.
pub const PURE: &[&str] = CONTRACT_AND_BELOW;

/// What brings sockets, files, clocks or an executor with it.
const IMPURE: &[&str] = &["tokio", "hyper", "axum", "sqlx", "mio", "socket2", "async-std", "reqwest"];

/// One TLS and cryptography library is enough to watch: aws-lc-rs under rustls.
const NOWHERE: &[&str] = &["openssl", "openssl-sys", "native-tls", "ring"];

/// The resolved graph: each package's name, and the names of its normal dependencies.
#[derive(Debug, Default)]
pub struct Graph {
    members: BTreeSet<String>,
    arrows: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Asks cargo, without touching the lock file.
    pub fn resolve(root: &Path) -> Result<Self> {
        // A clone in which nothing was built yet still has to download some manifests.
        let metadata = metadata(root, &["--offline"]).or_else(|_| metadata(root, &[]))?;
        Self::from_metadata(&metadata)
    }

    /// Reads the output of `cargo metadata`.
    pub fn from_metadata(metadata: &Value) -> Result<Self> {
        let mut names = BTreeMap::new();
        for package in list(metadata, "/packages")? {
            names.insert(text(package, "/id")?, text(package, "/name")?);
        }
        let name = |id: &str| names.get(id).cloned().with_context(|| format!("no package `{id}`"));
        let mut graph = Self::default();
        for id in list(metadata, "/workspace_members")? {
            graph.members.insert(name(id.as_str().context("a member's id")?)?);
        }
        for node in list(metadata, "/resolve/nodes")? {
            let known = graph.arrows.entry(name(&text(node, "/id")?)?).or_default();
            for dependency in list(node, "/deps")? {
                let is_normal = |kind: &Value| kind.pointer("/kind").is_some_and(Value::is_null);
                if list(dependency, "/dep_kinds")?.iter().any(is_normal) {
                    known.insert(name(&text(dependency, "/pkg")?)?);
                }
            }
        }
        Ok(graph)
    }

    /// A way from `from` to `to` over normal dependencies, for the message.
    fn way(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut ways = vec![vec![from.to_owned()]];
        let mut seen = BTreeSet::from([from.to_owned()]);
        while let Some(way) = ways.pop() {
            let last = way.last()?;
            if last == to {
                return Some(way);
            }
            for next in self.arrows.get(last).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    ways.push(way.iter().chain([next]).cloned().collect());
                }
            }
        }
        None
    }
}

/// Arrows between our crates that the picture does not have.
pub fn wrong_arrows(graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for member in &graph.members {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| name == member) else {
            findings
                .push(format!("`{member}` has no row in `crates/xtask/src/arrows.rs`: give it its place"));
            continue;
        };
        for known in graph.arrows.get(member).into_iter().flatten() {
            if graph.members.contains(known) && !allowed.contains(&known.as_str()) {
                findings.push(format!("`{member}` must not know `{known}`: move what it needs further down"));
            }
        }
    }
    findings
}

/// Pure crates that reach I/O through any of their dependencies.
pub fn impure(graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for pure in PURE.iter().filter(|name| graph.members.contains(**name)) {
        for impure in IMPURE {
            if let Some(way) = graph.way(pure, impure) {
                findings.push(format!("`{pure}` is pure but reaches `{impure}`: {}", way.join(" -> ")));
            }
        }
    }
    findings
}

/// The names of all crates that are built for this machine, development and build dependencies included.
///
/// `cargo metadata` also lists what a feature would only bring if something else brought it, which nothing does.
pub fn built(root: &Path) -> Result<BTreeSet<String>> {
    let tree = |options: &[&str]| {
        let mut all =
            vec!["tree", "--workspace", "--edges", "all", "--prefix", "none", "--format", "{p}", "--locked"];
        all.extend(options);
        cargo(root, &all)
    };
    let listed = tree(&["--offline"]).or_else(|_| tree(&[]))?;
    let text = String::from_utf8(listed)?;
    Ok(text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

/// Crates that must not be built at all.
pub fn banned(built: &BTreeSet<String>) -> Vec<String> {
    let mut findings = Vec::new();
    for name in NOWHERE.iter().filter(|name| built.contains(**name)) {
        findings.push(format!("`{name}` is in the tree: `cargo tree -e all -i {name}` shows who brings it"));
    }
    findings
}

fn metadata(root: &Path, options: &[&str]) -> Result<Value> {
    // For this machine only: packages of other systems need not be downloaded.
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let asked = ["metadata", "--format-version", "1", "--locked", "--filter-platform", &host];
    Ok(serde_json::from_slice(&cargo(root, &[&asked, options].concat())?)?)
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let asked = Command::new(cargo).args(arguments).current_dir(root).output().context("cargo")?;
    if !asked.status.success() {
        let name = arguments.first().unwrap_or(&"");
        bail!("cargo {name}: {}", String::from_utf8_lossy(&asked.stderr).trim());
    }
    Ok(asked.stdout)
}

fn list<'a>(value: &'a Value, pointer: &str) -> Result<&'a Vec<Value>> {
    value.pointer(pointer).and_then(Value::as_array).with_context(|| format!("no list `{pointer}`"))
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("no text `{pointer}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A graph from lines `a -> b`, or `a -dev-> b`; names beginning with `portcullis` are ours.
    fn graph(lines: &[&str]) -> Graph {
        let mut names = BTreeSet::new();
        let mut nodes: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for line in lines {
            let mut words = line.split(' ');
            let (from, arrow, to) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            let kind = if arrow == "->" { Value::Null } else { json!("dev") };
            names.extend([from, to]);
            let dependency = json!({ "pkg": to, "dep_kinds": [{ "kind": kind, "target": null }] });
            nodes.entry(from).or_default().push(dependency);
        }
        let ours: Vec<_> = names.iter().filter(|name| name.starts_with("portcullis")).collect();
        let packages: Vec<_> = names.iter().map(|name| json!({ "id": name, "name": name })).collect();
        let nodes: Vec<_> = names
            .iter()
            .map(|name| json!({ "id": name, "deps": nodes.get(name).cloned().unwrap_or_default() }))
            .collect();
        Graph::from_metadata(&json!({
            "packages": packages, "workspace_members": ours, "resolve": { "nodes": nodes }
        }))
        .unwrap()
    }

    #[test]
    fn the_picture_as_drawn_passes() {
        let graph = graph(&[
            "portcullis-access -> portcullis-model",
            "portcullis-contract -> portcullis-access",
            "portcullis-contract -> serde",
            "portcullis-gateway -> portcullis-contract",
            "portcullis-gateway -> tokio",
            "portcullis-gateway -dev-> portcullis-testkit",
            "portcullis -> portcullis-gateway",
        ]);
        assert_eq!([wrong_arrows(&graph), impure(&graph)].concat(), Vec::<String>::new());
    }

    #[test]
    fn sideways_upwards_and_unknown_arrows_are_found() {
        for line in [
            "portcullis-gateway -> portcullis-control",
            "portcullis-access -> portcullis-policy",
            "portcullis-waf -> portcullis-model",
            "portcullis-model -> portcullis-contract",
            "portcullis-control -> portcullis-store",
            "portcullis -> portcullis-testkit",
            "portcullis-gateway -> portcullis-novel",
        ] {
            assert!(!wrong_arrows(&graph(&[line])).is_empty(), "{line}");
        }
    }

    #[test]
    fn a_pure_crate_that_reaches_io_by_a_detour_is_found_with_the_way() {
        let graph = graph(&["portcullis-model -> nice", "nice -> tokio", "portcullis-model -dev-> axum"]);
        assert_eq!(
            impure(&graph),
            ["`portcullis-model` is pure but reaches `tokio`: portcullis-model -> nice -> tokio"]
        );
    }

    #[test]
    fn a_banned_crate_is_found() {
        let built = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(banned(&built(&["rustls", "ring"])).len(), 1);
        assert!(banned(&built(&["rustls", "ring-buffer"])).is_empty());
    }
}
