//! Bodies: the first three bytes are limits, the others the body.

use crate::body::{Limits, Pairs, json, multipart, urlencoded, xml};

fn split(input: &[u8]) -> Option<(Limits, &[u8])> {
    let ([count, depth, bytes], body) = input.split_first_chunk()?;
    let limits = Limits {
        count_max: usize::from(*count),
        depth_max: usize::from(*depth),
        bytes_max: usize::from(*bytes).pow(2),
    };
    Some((limits, body))
}

fn bounded(pairs: &Pairs, limits: &Limits) {
    assert!(pairs.len() <= limits.count_max && pairs.bytes() <= limits.bytes_max);
    let total: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert_eq!((pairs.iter().len(), total), (pairs.len(), pairs.bytes()));
}

/// Laws of forms: bounded, nothing grows, and what is read is the same with a wider limit.
pub(super) fn form(input: &[u8]) {
    let Some((limits, body)) = split(input) else { return };
    let form = urlencoded::read(body, b'&', &limits);
    bounded(&form.pairs, &limits);
    assert!(form.pairs.bytes() <= body.len());
    let wide =
        urlencoded::read(body, b'&', &Limits { count_max: usize::MAX, depth_max: 0, bytes_max: usize::MAX });
    assert_eq!(wide.error, None);
    assert!(wide.pairs.iter().zip(form.pairs.iter()).all(|(one, other)| one == other));
    assert!(form.error.is_some() || form.pairs.len() == wide.pairs.len());
}

/// Laws of JSON: bounded, and `serde_json` finds the same mistakes.
pub(super) fn json(input: &[u8]) {
    let Some((limits, body)) = split(input) else { return };
    bounded(&json::read(body, &limits).pairs, &limits);
    let read = json::read(body, &Limits { count_max: usize::MAX, depth_max: 100, bytes_max: usize::MAX });
    let theirs = serde_json::from_slice::<serde_json::Value>(body);
    if let Err(problem) = &theirs
        && !body.trim_ascii().is_empty()
        && read.error.is_none()
    {
        // These are syntax, but no value of theirs.
        let problem = problem.to_string();
        let is_value =
            ["number out of range", "surrogate", "hex escape"].iter().any(|part| problem.contains(part));
        assert!(is_value, "{problem}: {}", body.escape_ascii());
    }
    if let (Ok(_), Some(error)) = (&theirs, &read.error) {
        let is_ours =
            ["containers in one another", "byte order mark"].iter().any(|part| error.contains(part));
        assert!(is_ours, "{error}: {}", body.escape_ascii());
    }
}

/// Laws of XML: bounded.
pub(super) fn xml(input: &[u8]) {
    let Some((limits, body)) = split(input) else { return };
    let document = xml::read(body, &limits);
    bounded(&document.texts, &limits);
    bounded(&document.attributes, &limits);
}

/// Laws of parts, whose Content-Type is the first line: bounded, contents are in order and of the body, and a body with
/// an error or a flag is no strict one.
pub(super) fn multipart(input: &[u8]) {
    let Some((limits, input)) = split(input) else { return };
    let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (content_type, body) = input.split_at(line);
    let body = body.get(1..).unwrap_or_default();
    let read = multipart::read(content_type, body, &limits);
    assert!(read.parts.len() <= limits.count_max);
    assert!(read.parts.iter().map(|part| part.headers.len()).sum::<usize>() <= limits.count_max);
    let mut last = 0;
    for part in &read.parts {
        assert!(part.content.is_empty() || part.content.start >= last);
        assert!(part.content.start <= part.content.end && part.content.end <= body.len());
        last = last.max(part.content.end);
        assert!(part.name.len() + part.filenames.iter().map(Vec::len).sum::<usize>() <= body.len());
    }
    assert!(read.error.is_none() || read.is_strict_error());
    assert!(read.file_bytes() <= body.len());
}
