//! Request bodies → values, by the processor that the media type or a rule has chosen.

use crate::body::{self, Limits, Pairs};
use crate::engine::values::{Entry, List, Values};
use crate::lang::{LimitAction, Processor, Settings, Variable};

/// How a body is to be read.
pub(crate) struct How<'a> {
    pub(crate) processor: Option<Processor>,
    /// A rule wants to see a body of which nothing is known.
    pub(crate) is_forced: bool,
    pub(crate) settings: &'a Settings,
    /// Rules look at what is in files.
    pub(crate) keeps_files: bool,
    /// Rules look at the whole request.
    pub(crate) keeps_request: bool,
}

/// Reads a body. What comes back is why it is too large, when it is and may not be.
pub(crate) fn read(values: &mut Values, how: &How<'_>, body: &[u8]) -> Option<String> {
    values.set(Variable::RequestBodyLength, body.len().to_string().as_bytes());
    let settings = how.settings;
    let limits = Limits {
        count_max: settings.arguments_max,
        depth_max: settings.json_depth_max,
        ..Limits::recommended(body.len())
    };
    let max = settings.request_body_no_files_bytes_max;
    let mut too_large = None;
    let mut body = body;
    if body.len() > max && how.processor != Some(Processor::Multipart) {
        values.set(Variable::InboundDataError, b"1");
        too_large = Some(format!("the body is larger than {max} bytes, which is the most without files"));
        body = body.get(..max).unwrap_or(body);
    }
    let error = match how.processor {
        Some(Processor::UrlEncoded) => {
            values.set(Variable::RequestBody, body);
            let form = body::urlencoded::read(body, settings.argument_separator, &limits);
            if form.has_broken_escape {
                values.set(Variable::UrlencodedError, b"1");
            }
            arguments(values, &form.pairs);
            form.error
        }
        Some(Processor::Json) => {
            let json = body::json::read(body, &limits);
            arguments(values, &json.pairs);
            json.error
        }
        Some(Processor::Xml) => xml(values, body, &limits),
        Some(Processor::Multipart) => {
            let error = multipart(values, body, &limits, how);
            let fields = body.len().saturating_sub(files_bytes(values));
            if fields > max {
                values.set(Variable::InboundDataError, b"1");
                too_large = Some(format!("the body without its files is larger than {max} bytes"));
            }
            error
        }
        Some(Processor::Raw) => {
            values.set(Variable::RequestBody, body);
            None
        }
        None => {
            if how.is_forced {
                values.set(Variable::RequestBody, body);
            }
            None
        }
    };
    if let Some(error) = error {
        for (flag, message) in [
            (Variable::ReqbodyError, Variable::ReqbodyErrorMsg),
            (Variable::ReqbodyProcessorError, Variable::ReqbodyProcessorErrorMsg),
        ] {
            values.set(flag, b"1");
            values.set(message, error.as_bytes());
        }
    }
    if how.keeps_request {
        full_request(values, body);
    }
    let all = values.list(List::Query).iter().chain(values.list(List::Form));
    let size: usize = all.map(|Entry { name, value }| values.at(*name).len() + values.at(*value).len()).sum();
    values.set(Variable::ArgsCombinedSize, size.to_string().as_bytes());
    too_large.filter(|_| settings.request_body_limit_action == LimitAction::Reject)
}

fn arguments(values: &mut Values, pairs: &Pairs) {
    pairs.iter().for_each(|(name, value)| values.push(List::Form, name, value));
}

fn xml(values: &mut Values, body: &[u8], limits: &Limits) -> Option<String> {
    let document = body::xml::read(body, limits);
    // Rules select by these, which are not paths in the document.
    for (list, name, pairs) in
        [(List::XmlTexts, &b"/*"[..], &document.texts), (List::XmlAttributes, b"//@*", &document.attributes)]
    {
        let name = values.keep(name);
        for (_, value) in pairs.iter() {
            let value = values.keep(value);
            values.push_kept(list, Entry { name, value });
        }
    }
    document.error
}

fn multipart(values: &mut Values, body: &[u8], limits: &Limits, how: &How<'_>) -> Option<String> {
    let content_type =
        values.first(Variable::RequestHeaders, Some(b"Content-Type")).unwrap_or_default().to_vec();
    let read = body::multipart::read(&content_type, body, limits);
    let mut files = 0;
    for part in &read.parts {
        let content = body.get(part.content.clone()).unwrap_or_default();
        values.push(List::PartNames, &part.name, &part.name);
        for header in &part.headers {
            values.push(List::PartHeaders, &part.name, header);
        }
        for name in &part.filenames {
            values.push(List::PartFileNames, &part.name, name);
            values.push(List::Files, &part.name, name);
        }
        if !part.is_file() {
            values.push(List::Form, &part.name, content);
            continue;
        }
        files += 1;
        values.push(List::FileSizes, &part.name, content.len().to_string().as_bytes());
        if how.keeps_files {
            values.push(List::FileContents, &part.name, content);
        }
    }
    values.set(Variable::FilesCombinedSize, read.file_bytes().to_string().as_bytes());
    let flags = &read.flags;
    let too_many = files > how.settings.files_max;
    for (variable, flag) in [
        (Variable::MultipartStrictError, read.is_strict_error() || too_many),
        (Variable::MultipartFileLimitExceeded, too_many),
        (Variable::MultipartBoundaryQuoted, flags.boundary_quoted),
        (Variable::MultipartBoundaryWhitespace, flags.boundary_whitespace),
        (Variable::MultipartDataBefore, flags.data_before),
        (Variable::MultipartDataAfter, flags.data_after),
        (Variable::MultipartHeaderFolding, flags.header_folding),
        (Variable::MultipartInvalidHeaderFolding, flags.invalid_header_folding),
        (Variable::MultipartLfLine, flags.lf_line),
        (Variable::MultipartCrlfLfLines, flags.has_mixed_line_ends()),
        (Variable::MultipartMissingSemicolon, flags.missing_semicolon),
        (Variable::MultipartSemicolonMissing, flags.missing_semicolon),
        (Variable::MultipartInvalidQuoting, flags.invalid_quoting),
        (Variable::MultipartInvalidPart, flags.invalid_part),
    ] {
        values.set(variable, if flag { b"1" } else { b"0" });
    }
    let unmatched = (flags.unmatched_boundary as u8).to_string();
    values.set(Variable::MultipartUnmatchedBoundary, unmatched.as_bytes());
    read.error
}

fn files_bytes(values: &Values) -> usize {
    usize::try_from(crate::engine::tx::number(values.single(Variable::FilesCombinedSize))).unwrap_or(0)
}

fn full_request(values: &mut Values, body: &[u8]) {
    let mut whole = values.single(Variable::RequestLine).to_vec();
    for Entry { name, value } in values.list(List::RequestHeaders) {
        whole.extend_from_slice(b"\r\n");
        whole.extend_from_slice(values.at(*name));
        whole.extend_from_slice(b": ");
        whole.extend_from_slice(values.at(*value));
    }
    whole.extend_from_slice(b"\r\n\r\n");
    whole.extend_from_slice(body);
    values.set(Variable::FullRequestLength, whole.len().to_string().as_bytes());
    values.set(Variable::FullRequest, &whole);
}
