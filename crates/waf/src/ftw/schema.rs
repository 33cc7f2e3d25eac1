//! The YAML of test files and of override files.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use crate::ftw::template;

/// Why a test file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FtwError {
    /// It is not the YAML that the schema describes.
    #[error("{0}")]
    Yaml(String),
    /// A text that should be Base64 is not.
    #[error("`{0}` is not Base64")]
    Base64(&'static str),
    /// A text is a template that is more than `{{ "text" | repeat number }}`.
    #[error("the template `{0}` is not understood")]
    Template(String),
}

/// One test file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Its tests; a file may have none.
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// The rule that it is about.
    pub rule_id: u64,
    /// Its number among the tests of the rule.
    pub id: u64,
    /// Requests, one after the other, with what is expected of each.
    pub stages: Vec<Stage>,
}

impl Test {
    /// `942100-1`
    pub fn name(&self) -> String {
        format!("{}-{}", self.rule_id, self.id)
    }
}

/// One request and what is expected of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Stage {
    /// The request.
    #[serde(default)]
    pub(crate) input: Input,
    /// What is expected.
    #[serde(default)]
    pub output: Output,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Input {
    pub(crate) method: Option<String>,
    pub(crate) uri: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) ordered_headers: Vec<HeaderTuple>,
    pub(crate) data: Option<String>,
    pub(crate) encoded_data: Option<String>,
    pub(crate) encoded_request: Option<String>,
    pub(crate) autocomplete_headers: Option<bool>,
    pub(crate) stop_magic: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct HeaderTuple {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// What is expected of a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Output {
    /// The status of the answer.
    pub status: Option<u16>,
    /// What the log holds.
    pub log: Log,
    /// An older form: a text that is in the log.
    pub log_contains: Option<String>,
    /// An older form: a text that is not in the log.
    pub no_log_contains: Option<String>,
    /// Exactly the one expected rule is in the log.
    pub isolated: bool,
}

/// What the log is expected to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Log {
    /// Rules that are in it.
    pub expect_ids: Vec<u64>,
    /// Rules that are not.
    pub no_expect_ids: Vec<u64>,
    /// A pattern that one line has.
    pub match_regex: Option<String>,
    /// A pattern that no line has.
    pub no_match_regex: Option<String>,
}

#[derive(Deserialize)]
struct RawFile {
    rule_id: u64,
    #[serde(default)]
    template: Template,
    tests: Vec<RawTest>,
}

#[derive(Deserialize)]
struct RawTest {
    #[serde(alias = "test_id")]
    id: Option<u64>,
    payload: Option<String>,
    #[serde(default)]
    template: Template,
    output: Option<Output>,
    #[serde(default)]
    stages: Vec<Stage>,
}

/// What the requests of a file, or of a test, have in common (schema 3).
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Template {
    method: Option<String>,
    uri: Option<String>,
    version: Option<String>,
    headers: Vec<HeaderTuple>,
    data: Option<String>,
    autocomplete_headers: Option<bool>,
    stop_magic: Option<bool>,
}

impl File {
    /// Reads a test file.
    pub fn parse(text: &str) -> Result<Self, FtwError> {
        let raw: Option<RawFile> =
            serde_saphyr::from_str(text).map_err(|problem| FtwError::Yaml(problem.to_string()))?;
        let Some(raw) = raw else { return Ok(Self::default()) };
        let tests = (1..).zip(raw.tests).map(|(position, test)| Test {
            rule_id: raw.rule_id,
            id: test.id.unwrap_or(position),
            stages: stages(test, &raw.template),
        });
        Ok(Self { tests: tests.collect() })
    }
}

fn stages(test: RawTest, of_file: &Template) -> Vec<Stage> {
    let mut stages = test.stages;
    if stages.is_empty() {
        stages.push(Stage { input: Input::default(), output: test.output.unwrap_or_default() });
    }
    for stage in &mut stages {
        stage.input.inherit(&test.template);
        stage.input.inherit(of_file);
        if let Some(payload) = &test.payload {
            stage.input.fill(payload);
        }
    }
    stages
}

impl Input {
    /// Takes from a template what it does not say itself.
    fn inherit(&mut self, template: &Template) {
        let take = |own: &mut Option<String>, other: &Option<String>| {
            if own.is_none() {
                own.clone_from(other);
            }
        };
        take(&mut self.method, &template.method);
        take(&mut self.uri, &template.uri);
        take(&mut self.version, &template.version);
        take(&mut self.data, &template.data);
        self.autocomplete_headers = self.autocomplete_headers.or(template.autocomplete_headers);
        self.stop_magic = self.stop_magic.or(template.stop_magic);
        for header in &template.headers {
            let is_said = self.headers.keys().any(|name| name.eq_ignore_ascii_case(&header.name))
                || self.ordered_headers.iter().any(|own| own.name.eq_ignore_ascii_case(&header.name));
            if !is_said {
                self.headers.insert(header.name.clone(), header.value.clone());
            }
        }
    }

    fn fill(&mut self, payload: &str) {
        let texts = [&mut self.method, &mut self.uri, &mut self.version, &mut self.data];
        texts.into_iter().flatten().for_each(|text| *text = template::fill(text, payload));
        self.headers.values_mut().for_each(|text| *text = template::fill(text, payload));
        self.ordered_headers
            .iter_mut()
            .for_each(|header| header.value = template::fill(&header.value, payload));
    }
}

/// What is expected instead on a platform: `test_overrides` of an override file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(Vec<Override>);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Override {
    rule_id: u64,
    #[serde(default)]
    test_ids: Vec<u64>,
    #[serde(default)]
    stage_ids: Vec<u64>,
    #[serde(default)]
    output: Output,
}

#[derive(Deserialize)]
struct RawOverrides {
    #[serde(default)]
    test_overrides: Vec<Override>,
}

impl Overrides {
    /// Reads an override file.
    pub fn parse(text: &str) -> Result<Self, FtwError> {
        let raw: RawOverrides =
            serde_saphyr::from_str(text).map_err(|problem| FtwError::Yaml(problem.to_string()))?;
        Ok(Self(raw.test_overrides))
    }

    /// Replaces what the stages of `test` expect.
    pub fn apply(&self, test: &mut Test) {
        for one in &self.0 {
            let is_meant =
                one.rule_id == test.rule_id && (one.test_ids.is_empty() || one.test_ids.contains(&test.id));
            for (number, stage) in (1..).zip(&mut test.stages) {
                if is_meant && (one.stage_ids.is_empty() || one.stage_ids.contains(&number)) {
                    stage.output = one.output.clone();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: &str = r#"
meta: { author: "somebody" }
rule_id: 942100
tests:
  - test_id: 7
    desc: a test
    stages:
      - input:
          dest_addr: 127.0.0.1
          port: 80
          method: "POST"
          headers: { Host: localhost, Content-Length: 0 }
          uri: "/post"
          data: "a=1"
        output: { status: 400, log: { expect_ids: [942100], no_match_regex: 'x' } }
"#;

    const THIRD: &str = r#"
meta: {}
rule_id: 942100
template:
  uri: "/get?x={{ .Payload }}"
  headers: [{ name: Host, value: localhost }]
tests:
  - payload: "1'--"
    output: { log: { no_expect_ids: [942100] } }
  - id: 5
    template: { method: POST, uri: /post, data: "{{.Payload}}" }
    payload: p
    output: { log: { expect_ids: [1] } }
"#;

    #[test]
    fn schema_2_is_read() {
        let file = File::parse(SECOND).unwrap();
        let [test] = file.tests.as_slice() else { panic!("{file:?}") };
        assert_eq!(test.name(), "942100-7");
        let stage = &test.stages[0];
        assert_eq!(stage.input.headers["Content-Length"], "0");
        assert_eq!(stage.output.status, Some(400));
        assert_eq!(stage.output.log.expect_ids, [942_100]);
        assert_eq!(stage.output.log.no_match_regex.as_deref(), Some("x"));
    }

    #[test]
    fn schema_3_fills_templates() {
        let file = File::parse(THIRD).unwrap();
        let [first, second] = file.tests.as_slice() else { panic!("{file:?}") };
        assert_eq!((first.id, second.id), (1, 5));
        assert_eq!(first.stages[0].input.uri.as_deref(), Some("/get?x=1'--"));
        assert_eq!(first.stages[0].input.headers["Host"], "localhost");
        let input = &second.stages[0].input;
        assert_eq!((input.method.as_deref(), input.uri.as_deref()), (Some("POST"), Some("/post")));
        assert_eq!(input.data.as_deref(), Some("p"));
    }

    #[test]
    fn a_file_may_be_empty() {
        assert_eq!(File::parse("# nothing yet\n").unwrap(), File::default());
        assert!(File::parse("tests: 5").is_err());
    }

    #[test]
    fn overrides_replace_what_is_expected() {
        let overrides = Overrides::parse(
            "version: v0\ntest_overrides:\n  - rule_id: 942100\n    test_ids: [7]\n    output: { status: 200 }\n",
        )
        .unwrap();
        let mut test = File::parse(SECOND).unwrap().tests.remove(0);
        overrides.apply(&mut test);
        assert_eq!(test.stages[0].output, Output { status: Some(200), ..Output::default() });
        test.id = 8;
        test.stages[0].output.status = None;
        overrides.apply(&mut test);
        assert_eq!(test.stages[0].output.status, None);
    }
}
