//! The rules of the house, one test each, over this repository as it is.
//!
//! Each check proves in its own file that it can fail. A finding says where and what to do.

use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use portcullis_contract::config;
use portcullis_xtask::arrows::{self, Graph};
use portcullis_xtask::tree::{self, File};
use portcullis_xtask::{docs, files, golden, manners, purity, ratchet};

/// All files of the repository, read once.
fn all() -> Result<&'static [File]> {
    static FILES: LazyLock<Result<Vec<File>>> = LazyLock::new(|| tree::load(&tree::root()?));
    FILES.as_deref().map_err(|problem| anyhow::anyhow!("{problem:#}"))
}

fn text_of(path: &str) -> Result<Option<&'static str>> {
    Ok(all()?.iter().find(|file| file.path == path).and_then(File::text))
}

/// All dependencies, resolved once.
fn graph() -> Result<&'static Graph> {
    static GRAPH: LazyLock<Result<Graph>> = LazyLock::new(|| Graph::resolve(&tree::root()?));
    GRAPH.as_ref().map_err(|problem| anyhow::anyhow!("{problem:#}"))
}

fn none(findings: Vec<String>) -> Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    bail!("{} to mend:\n{}\n", findings.len(), findings.join("\n"));
}

#[test]
fn arrows_between_crates_point_downwards() -> Result<()> {
    none(arrows::wrong_arrows(graph()?))
}

#[test]
fn pure_crates_reach_no_io() -> Result<()> {
    none(arrows::impure(graph()?))
}

#[test]
fn banned_crates_are_nowhere() -> Result<()> {
    none(arrows::banned(&arrows::built(&tree::root()?)?))
}

#[test]
fn pure_crates_name_no_files_sockets_or_clocks() -> Result<()> {
    none(purity::check(all()?))
}

#[test]
fn pure_crates_are_watched_by_clippy_as_well() -> Result<()> {
    none(purity::clippy_settings(all()?))
}

#[test]
fn every_rust_file_has_a_head() -> Result<()> {
    none(files::heads(all()?))
}

#[test]
fn no_file_is_too_large() -> Result<()> {
    none(files::sizes(all()?))
}

#[test]
fn nothing_built_is_tracked() -> Result<()> {
    none(files::built(all()?))
}

#[test]
fn names_say_what_is_inside() -> Result<()> {
    none(files::names(all()?))
}

#[test]
fn no_path_of_a_private_machine_occurs() -> Result<()> {
    none(files::private_words(all()?))
}

#[test]
fn code_is_finished_and_tests_are_on_and_do_not_sleep() -> Result<()> {
    none(manners::check(all()?))
}

#[test]
fn long_functions_and_files_only_become_fewer() -> Result<()> {
    let recorded = text_of("crates/xtask/ratchet.txt")?.context("`crates/xtask/ratchet.txt` is missing")?;
    none(ratchet::check(all()?, recorded))
}

#[test]
fn every_requirement_tells_its_state_and_names_real_tests() -> Result<()> {
    let text = text_of(docs::REQUIREMENTS)?.context("`docs/requirements.md` is missing")?;
    none(docs::requirements(text, &docs::tests(all()?)))
}

#[test]
fn every_known_attack_names_a_real_test() -> Result<()> {
    // Not every state of the project has the page.
    let text = text_of(docs::KNOWN_ATTACKS)?.unwrap_or_default();
    none(docs::names_tests(docs::KNOWN_ATTACKS, text, &docs::tests(all()?)))
}

#[test]
fn every_row_of_the_asvs_names_a_real_test() -> Result<()> {
    let text = text_of(docs::ASVS)?.context("`docs/asvs.md` is missing")?;
    none(docs::names_tests(docs::ASVS, text, &docs::tests(all()?)))
}

#[test]
fn the_configuration_reference_is_not_stale() -> Result<()> {
    none(stale("docs/reference/configuration.md", &config::reference())?)
}

#[test]
fn the_configuration_schema_is_not_stale() -> Result<()> {
    let schema = serde_json::to_string_pretty(&config::schema())?;
    none(stale("docs/reference/configuration.schema.json", &format!("{schema}\n"))?)
}

#[test]
fn the_description_of_the_admin_api_is_not_stale() -> Result<()> {
    none(stale("docs/reference/openapi.json", &portcullis_control::openapi())?)
}

fn stale(path: &str, generated: &str) -> Result<Vec<String>> {
    Ok(golden::check(&tree::root()?, path, generated, golden::is_update())?.into_iter().collect())
}
