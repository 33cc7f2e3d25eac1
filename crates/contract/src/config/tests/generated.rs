//! What is generated from the settings table: the reference, the schema, the sample, the configuration in force.

use super::mistakes::{GOOD, check_text};
use super::*;
use crate::config::kind::{Kind as _, Node};
use crate::config::reference::each_section;
use crate::config::table::{Presence, Shape};
use crate::config::tree::Config;
use crate::config::{Sample, reference, sample, schema};
use crate::diagnostic::{Place, Problems};

/// Every setting as (header of its section, name).
fn every_setting() -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    each_section(&mut |header, section| {
        all.extend(section.entries.iter().map(|entry| (header.to_owned(), entry.spec.name)));
    });
    all
}

#[test]
fn the_reference_has_every_setting_under_its_section() {
    let reference = reference();
    for (header, name) in every_setting() {
        let title = if header.is_empty() { "## The whole file".to_owned() } else { format!("## `{header}`") };
        let section = reference.split("## ").find(|part| format!("## {part}").starts_with(&title)).unwrap();
        assert!(section.contains(&format!("\n| `{name}` | ")), "{name} in {header}");
    }
}

#[test]
fn every_value_says_what_it_means_and_gives_an_example() {
    each_section(&mut |header, section| {
        assert!(!section.about.is_empty());
        for entry in &section.entries {
            let about = entry.spec.about.join(" ");
            assert!(about.trim_end().ends_with('.'), "{header} {}: {about}", entry.spec.name);
            let of_sections = entry.shape.section().is_some();
            assert_eq!(entry.spec.example.is_none(), of_sections, "{header} {}", entry.spec.name);
        }
    });
}

/// Defaults, bounds and examples stand in the table as text: here they are read as if a file had them.
#[test]
fn the_settings_table_can_be_read_by_its_own_readers() {
    let mut text = String::new();
    each_section(&mut |header, section| {
        // One table of every kind, with every example written out.
        let header =
            header.replace("NAME", "shop").replace("LIMIT", "per-client").replace("AUTHORITY", "partners");
        text += &format!("{header}\n");
        for entry in section.entries.iter().filter(|entry| matches!(entry.shape, Shape::Value { .. })) {
            text += &format!("{} = {}\n", entry.spec.name, entry.spec.example.unwrap());
        }
        for (least, most) in section.entries.iter().filter_map(|entry| entry.spec.range) {
            assert_ne!(least, most);
        }
    });
    let (_, diagnostics) = parse(&text, "examples.toml");
    assert!(diagnostics.is_empty(), "{}", rendered(&text, &diagnostics));
}

#[test]
fn every_default_is_within_its_own_range() {
    // A default outside its range could not be written down, and a range that cannot be read would bound nothing.
    each_section(&mut |header, section| {
        for entry in &section.entries {
            let mut values =
                Vec::from_iter(entry.spec.range.into_iter().flat_map(|(least, most)| [least, most]));
            if let Presence::Default(text) = entry.spec.presence
                && matches!(entry.shape, Shape::Value { .. })
            {
                values.push(text);
            }
            for value in values {
                let parent = header
                    .replace("NAME", "shop")
                    .replace("LIMIT", "per-client")
                    .replace("AUTHORITY", "partners");
                let text = format!("{parent}\n{} = {value}\n", entry.spec.name);
                let (_, diagnostics) = parse(&text, "defaults.toml");
                let key = format!("{}.{}", parent.trim_matches(['[', ']']), entry.spec.name);
                let wrong: Vec<_> = diagnostics.iter().filter(|d| d.key.replace("[0]", "") == key).collect();
                assert!(wrong.is_empty(), "{header} {} = {value}: {wrong:?}", entry.spec.name);
            }
        }
    });
}

#[test]
fn hits_are_bounded_as_the_machine_is() {
    let most = portcullis_access::suspicion::HITS_MAX;
    assert!(compiled(&format!("{GOOD}\n[ban]\nhits = {most}")).is_ok());
    assert!(compiled(&format!("{GOOD}\n[ban]\nhits = {}", most + 1)).is_err());
}

#[test]
fn the_schema_is_closed_and_has_every_setting() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let text = serde_json::to_string_pretty(&schema).unwrap();
    let settings = every_setting();
    let sections = text.matches("\"additionalProperties\": false").count();
    let mut headers = 0;
    each_section(&mut |_, _| headers += 1);
    assert_eq!(sections, headers);
    for (_, name) in settings {
        assert!(text.contains(&format!("\"{name}\": {{")), "{name}");
    }
    assert_eq!(schema["properties"]["bounds"]["properties"]["headers_max"]["maximum"], 1000);
    assert_eq!(schema["properties"]["flood"]["properties"]["window"]["default"], "10s");
    let route = &schema["properties"]["application"]["additionalProperties"]["properties"]["route"]["items"];
    assert_eq!(route["required"], serde_json::json!(["name", "path"]));
}

#[test]
fn the_sample_compiles_and_observes() {
    let text =
        sample(&Sample { upstream: "http://127.0.0.1:3000", listen: "0.0.0.0:8080", application: "shop" });
    check_text("sample", &text);
    let snapshot = snapshot(&text);
    let application = &snapshot.applications[0];
    assert_eq!(application.name.as_str(), "shop");
    assert_eq!(application.modes.auth, Mode::Observe);
    assert_eq!(application.modes.limits, Mode::Observe);
    assert_eq!(application.modes.inspection, Mode::Observe);
    assert_eq!(application.routes[0].demand, Demand::Public);
    assert!(text.lines().all(|line| line.chars().count() <= 110));
}

#[test]
fn the_configuration_in_force_says_the_same_again() {
    let shown = show(&parse(GOOD, "f").0);
    check_text("show", &shown);
    assert_eq!(format!("{:?}", snapshot(&shown)), format!("{:?}", snapshot(GOOD)));
    assert_eq!(show(&parse(&shown, "f").0), shown);
}

#[test]
fn the_whole_table_reads_an_empty_file() {
    let value = toml::de::DeValue::Table(toml::de::DeTable::new());
    let mut problems = Problems::default();
    assert!(Config::read(&Node { value: &value, place: Place::default() }, &mut problems).is_some());
    assert!(problems.is_empty());
}
