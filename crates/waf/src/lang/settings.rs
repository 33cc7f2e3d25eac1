//! What directives set beside rules: the mode, body access, limits.

use crate::action::Mode;
use crate::error::Problem;

/// How a request body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// `name=value&…`
    UrlEncoded,
    /// Parts between boundaries.
    Multipart,
    /// Texts and attribute values.
    Xml,
    /// Flattened to `json.a.b`.
    Json,
    /// Not at all: the bytes as they are.
    Raw,
}

impl Processor {
    /// As `ctl:requestBodyProcessor` writes it, in any case.
    pub fn named(text: &str) -> Option<Self> {
        let all = [Self::UrlEncoded, Self::Multipart, Self::Xml, Self::Json, Self::Raw];
        all.into_iter().find(|processor| processor.name().eq_ignore_ascii_case(text))
    }

    /// As REQBODY_PROCESSOR tells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UrlEncoded => "URLENCODED",
            Self::Multipart => "MULTIPART",
            Self::Xml => "XML",
            Self::Json => "JSON",
            Self::Raw => "RAW",
        }
    }
}

/// What happens to a body that is larger than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitAction {
    /// It is refused.
    Reject,
    /// Only its beginning is looked at.
    ProcessPartial,
}

/// Settings of a set of rules. `Default` is what holds without any directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether rules refuse, only tell, or are not evaluated.
    pub mode: Mode,
    /// Whether request bodies are looked at.
    pub request_body_access: bool,
    /// The most bytes of a request body, files included.
    pub request_body_bytes_max: usize,
    /// The most bytes of a request body without its files.
    pub request_body_no_files_bytes_max: usize,
    /// What happens to a larger request body.
    pub request_body_limit_action: LimitAction,
    /// How deep JSON may be nested.
    pub json_depth_max: usize,
    /// The most arguments of a request; more are counted as an error.
    pub arguments_max: usize,
    /// The most files of a multipart body.
    pub files_max: usize,
    /// What separates arguments.
    pub argument_separator: u8,
    /// Whether response bodies are looked at.
    pub response_body_access: bool,
    /// The most bytes of a response body.
    pub response_body_bytes_max: usize,
    /// What happens to a larger response body.
    pub response_body_limit_action: LimitAction,
    /// Media types of response bodies that are looked at, in lower case.
    pub response_media_types: Vec<String>,
    /// Names of the collections of rules, as SecComponentSignature tells them.
    pub components: Vec<String>,
    /// The name of the application.
    pub web_app_id: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::DetectionOnly,
            request_body_access: false,
            request_body_bytes_max: 13_107_200,
            request_body_no_files_bytes_max: 131_072,
            request_body_limit_action: LimitAction::Reject,
            json_depth_max: 512,
            arguments_max: 1_000,
            files_max: 100,
            argument_separator: b'&',
            response_body_access: false,
            response_body_bytes_max: 524_288,
            response_body_limit_action: LimitAction::ProcessPartial,
            response_media_types: vec!["text/plain".to_owned(), "text/html".to_owned()],
            components: Vec::new(),
            web_app_id: "default".to_owned(),
        }
    }
}

/// A change of one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setting {
    Mode(Mode),
    RequestBodyAccess(bool),
    RequestBodyMax(usize),
    RequestBodyNoFilesMax(usize),
    RequestBodyLimitAction(LimitAction),
    JsonDepthMax(usize),
    ArgumentsMax(usize),
    FilesMax(usize),
    ArgumentSeparator(u8),
    ResponseBodyAccess(bool),
    ResponseBodyMax(usize),
    ResponseBodyLimitAction(LimitAction),
    ResponseMediaTypes(Vec<String>),
    NoResponseMediaTypes,
    Component(String),
    WebAppId(String),
    /// Read, and of no effect here: why.
    Nothing(&'static str),
}

impl Settings {
    pub(crate) fn apply(&mut self, setting: Setting) {
        match setting {
            Setting::Mode(mode) => self.mode = mode,
            Setting::RequestBodyAccess(on) => self.request_body_access = on,
            Setting::RequestBodyMax(bytes) => self.request_body_bytes_max = bytes,
            Setting::RequestBodyNoFilesMax(bytes) => self.request_body_no_files_bytes_max = bytes,
            Setting::RequestBodyLimitAction(action) => self.request_body_limit_action = action,
            Setting::JsonDepthMax(depth) => self.json_depth_max = depth,
            Setting::ArgumentsMax(count) => self.arguments_max = count,
            Setting::FilesMax(count) => self.files_max = count,
            Setting::ArgumentSeparator(byte) => self.argument_separator = byte,
            Setting::ResponseBodyAccess(on) => self.response_body_access = on,
            Setting::ResponseBodyMax(bytes) => self.response_body_bytes_max = bytes,
            Setting::ResponseBodyLimitAction(action) => self.response_body_limit_action = action,
            Setting::ResponseMediaTypes(types) => self.response_media_types = types,
            Setting::NoResponseMediaTypes => self.response_media_types.clear(),
            Setting::Component(name) => self.components.push(name),
            Setting::WebAppId(name) => self.web_app_id = name,
            Setting::Nothing(_) => {}
        }
    }
}

/// Reads the directives that set something; `None` when `name` is not one of them.
pub(crate) fn parse(name: &str, arguments: &[String]) -> Option<Result<Setting, Problem>> {
    let lower = name.to_ascii_lowercase();
    if let Some((_, why)) = ELSEWHERE.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Some(Ok(Setting::Nothing(why)));
    }
    if lower == "secresponsebodymimetype" {
        let types = arguments.iter().flat_map(|types| types.split_whitespace()).map(str::to_ascii_lowercase);
        return Some(Ok(Setting::ResponseMediaTypes(types.collect())));
    }
    if lower == "secresponsebodymimetypesclear" {
        return Some(Ok(Setting::NoResponseMediaTypes));
    }
    let read = one(&lower)?;
    Some(match arguments {
        [argument] => read(name, argument),
        _ => Err(Problem::argument(name, "it takes one argument")),
    })
}

type Read = fn(&str, &str) -> Result<Setting, Problem>;

/// How the argument of a directive with one argument is read.
fn one(lower: &str) -> Option<Read> {
    Some(match lower {
        "secruleengine" => |name, text| {
            let mode =
                Mode::named(text).ok_or_else(|| wrong(name, text, "`On`, `Off` or `DetectionOnly`"))?;
            Ok(Setting::Mode(mode))
        },
        "secrequestbodyaccess" => |name, text| switch(name, text).map(Setting::RequestBodyAccess),
        "secrequestbodylimit" => |name, text| number(name, text).map(Setting::RequestBodyMax),
        "secrequestbodynofileslimit" => |name, text| number(name, text).map(Setting::RequestBodyNoFilesMax),
        "secrequestbodylimitaction" => |name, text| limit(name, text).map(Setting::RequestBodyLimitAction),
        "secrequestbodyjsondepthlimit" => |name, text| number(name, text).map(Setting::JsonDepthMax),
        "secargumentslimit" => |name, text| number(name, text).map(Setting::ArgumentsMax),
        "secuploadfilelimit" => |name, text| number(name, text).map(Setting::FilesMax),
        "secargumentseparator" => |name, text| match text.as_bytes() {
            [byte] => Ok(Setting::ArgumentSeparator(*byte)),
            _ => Err(wrong(name, text, "one character")),
        },
        "secresponsebodyaccess" => |name, text| switch(name, text).map(Setting::ResponseBodyAccess),
        "secresponsebodylimit" => |name, text| number(name, text).map(Setting::ResponseBodyMax),
        "secresponsebodylimitaction" => |name, text| limit(name, text).map(Setting::ResponseBodyLimitAction),
        "seccomponentsignature" => |_, text| Ok(Setting::Component(text.to_owned())),
        "secwebappid" => |_, text| Ok(Setting::WebAppId(text.to_owned())),
        "seccookieformat" => |name, text| match text {
            "0" => Ok(Setting::Nothing("this is how cookies are read anyway")),
            _ => Err(wrong(name, text, "0; cookies of version 1 are read by no browser")),
        },
        "secxmlexternalentity" => |name, text| match switch(name, text)? {
            false => Ok(Setting::Nothing("external entities are never loaded")),
            true => Err(Problem::argument(name, "external entities are never loaded; write `Off`")),
        },
        _ => return None,
    })
}

fn wrong(name: &str, text: &str, expected: &str) -> Problem {
    Problem::argument(name, format!("`{text}` is not {expected}"))
}

fn switch(name: &str, text: &str) -> Result<bool, Problem> {
    match text.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(wrong(name, text, "`On` or `Off`")),
    }
}

fn number(name: &str, text: &str) -> Result<usize, Problem> {
    text.parse().map_err(|_| wrong(name, text, "a number"))
}

fn limit(name: &str, text: &str) -> Result<LimitAction, Problem> {
    match text.to_ascii_lowercase().as_str() {
        "reject" => Ok(LimitAction::Reject),
        "processpartial" => Ok(LimitAction::ProcessPartial),
        _ => Err(wrong(name, text, "`Reject` or `ProcessPartial`")),
    }
}

const AUDIT: &str = "there is no audit log here; matches are in the events of the program that asks";
const DEBUG: &str = "there is no debug log here; `waf inspect` shows what rules see";
const FILES: &str = "no file is written here";
const PATTERNS: &str = "patterns run in linear time here and need no limit";
const KEPT: &str = "nothing is kept here beyond one transaction";

/// Directives that are read and have no effect here, with the reason.
const ELSEWHERE: &[(&str, &str)] = &[
    ("SecAuditEngine", AUDIT),
    ("SecAuditLog", AUDIT),
    ("SecAuditLog2", AUDIT),
    ("SecAuditLogDirMode", AUDIT),
    ("SecAuditLogFileMode", AUDIT),
    ("SecAuditLogFormat", AUDIT),
    ("SecAuditLogParts", AUDIT),
    ("SecAuditLogRelevantStatus", AUDIT),
    ("SecAuditLogStorageDir", AUDIT),
    ("SecAuditLogType", AUDIT),
    ("SecDebugLog", DEBUG),
    ("SecDebugLogLevel", DEBUG),
    ("SecDataDir", FILES),
    ("SecTmpDir", FILES),
    ("SecTmpSaveUploadedFiles", FILES),
    ("SecUploadDir", FILES),
    ("SecUploadFileMode", FILES),
    ("SecUploadKeepFiles", FILES),
    ("SecRequestBodyInMemoryLimit", "bodies are held in memory here, up to SecRequestBodyLimit"),
    ("SecPcreMatchLimit", PATTERNS),
    ("SecPcreMatchLimitRecursion", PATTERNS),
    ("SecUnicodeMapFile", "the map of code page 20127 is built in"),
    ("SecStatusEngine", "nothing is sent home"),
    ("SecServerSignature", "what the server tells of itself is not up to rules"),
    ("SecCollectionTimeout", KEPT),
    ("SecGeoLookupDb", "addresses are not looked up here"),
    ("SecHttpBlKey", "addresses are not looked up here"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn after(name: &str, argument: &str) -> Settings {
        let mut settings = Settings::default();
        settings.apply(parse(name, &[argument.to_owned()]).unwrap().unwrap());
        settings
    }

    fn refused(name: &str, argument: &str) -> String {
        parse(name, &[argument.to_owned()]).unwrap().unwrap_err().to_string()
    }

    #[test]
    fn directives_change_what_they_name() {
        assert_eq!(after("SecRuleEngine", "On").mode, Mode::On);
        assert!(after("secrequestbodyaccess", "on").request_body_access);
        assert_eq!(after("SecRequestBodyLimit", "134217728").request_body_bytes_max, 134_217_728);
        assert_eq!(after("SecArgumentSeparator", ";").argument_separator, b';');
        assert_eq!(
            after("SecResponseBodyMimeType", "text/XML a/b").response_media_types,
            ["text/xml", "a/b"]
        );
        assert_eq!(after("SecAuditLog", "/var/log/audit.log"), Settings::default());
    }

    #[test]
    fn arguments_that_mean_nothing_are_refused() {
        assert_eq!(
            refused("SecRuleEngine", "Maybe"),
            "`SecRuleEngine`: `Maybe` is not `On`, `Off` or `DetectionOnly`"
        );
        assert_eq!(refused("SecRequestBodyLimit", "5MB"), "`SecRequestBodyLimit`: `5MB` is not a number");
        assert_eq!(
            refused("SecXmlExternalEntity", "On"),
            "`SecXmlExternalEntity`: external entities are never loaded; write `Off`"
        );
        assert_eq!(
            parse("SecRuleEngine", &[]).unwrap().unwrap_err().to_string(),
            "`SecRuleEngine`: it takes one argument"
        );
        assert!(parse("SecNothing", &[]).is_none());
    }
}
