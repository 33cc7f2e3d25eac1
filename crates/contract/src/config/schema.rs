//! The JSON Schema (draft 2020-12) of the configuration, made from the settings table, for editors that understand it.

use serde_json::{Map, Value, json};
use toml::de::DeValue;

use super::kind::Kind as _;
use super::reference::prose;
use super::table::{Entry, Presence, Section, Shape};
use super::tree::Config;

/// The schema as a JSON value.
pub fn schema() -> Value {
    let mut schema = of_shape(&Config::shape());
    if let Value::Object(object) = &mut schema {
        object.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".into(), json!("portcullis.toml"));
    }
    schema
}

fn of_shape(shape: &Shape) -> Value {
    match shape {
        Shape::Value { schema, .. } => schema.clone(),
        Shape::Section(section) => of_section(section),
        Shape::Many(section) => json!({ "type": "array", "items": of_section(section) }),
        Shape::Named { of, .. } => json!({
            "type": "object",
            "propertyNames": { "pattern": super::word::NAME_PATTERN },
            "additionalProperties": of_shape(of),
        }),
    }
}

fn of_section(section: &Section) -> Value {
    let properties: Map<_, _> = section.entries.iter().map(|e| (e.spec.name.into(), of_entry(e))).collect();
    let required: Vec<_> = section.entries.iter().filter(|e| e.spec.presence == Presence::Required).collect();
    let required: Vec<_> = required.iter().map(|entry| entry.spec.name).collect();
    json!({
        "type": "object",
        "description": prose(section.about),
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn of_entry(Entry { spec, shape }: &Entry) -> Value {
    let mut schema = of_shape(shape);
    let Value::Object(object) = &mut schema else { return schema };
    object.insert("description".into(), json!(prose(spec.about)));
    if let Presence::Default(text) = spec.presence {
        object.insert("default".into(), of_text(text));
    }
    if let Some(example) = spec.example {
        object.insert("examples".into(), json!([of_text(example)]));
    }
    // Of durations and sizes, which are strings, a schema cannot bound the amount.
    if let (Some((least, most)), Some("integer")) = (spec.range, object.get("type").and_then(Value::as_str)) {
        object.insert("minimum".into(), of_text(least));
        object.insert("maximum".into(), of_text(most));
    }
    schema
}

/// A value of the settings table as JSON.
fn of_text(text: &str) -> Value {
    json_of(DeValue::parse_recoverable(text).0.get_ref())
}

fn json_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(digits) => json!(digits.as_str().parse::<u64>().ok()),
        DeValue::Float(digits) => json!(digits.as_str().parse::<f64>().ok()),
        DeValue::Boolean(value) => json!(value),
        DeValue::Datetime(at) => json!(at.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json_of(item.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, item)| (key.get_ref().to_string(), json_of(item.get_ref()))).collect()
        }
    }
}
