//! The head of an upstream's answer: whether it says where the answer ends in one way only (RFC 9112 §6.3).
//!
//! The library reads what it can: it takes `010` and `10, 10` for ten, and drops a length beside chunks. A
//! client behind us may read these otherwise, and whoever can shape an upstream's head would choose how.

use http::{HeaderMap, header};

use super::{Fault, head, length};

/// Judges an answer's fields. No body has to follow: a length also counts for the body that HEAD asks about.
pub(crate) fn judge(fields: &HeaderMap) -> Result<(), Fault> {
    let length = length::only(fields)?;
    let mut codings = fields.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(_), Some(_)) => Err(Fault::CodingTwice),
        (Some(_), None) if length.is_some() => Err(Fault::LengthAndCoding),
        // Nobody asked for another coding (`TE`), and the client would not be told of it.
        (Some(one), None) => head::coding(one.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&str], expected: Result<(), Fault>) {
        let mut fields = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            fields.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        assert_eq!(judge(&fields), expected, "{lines:?}");
    }

    #[test]
    fn an_answer_ends_in_one_place() {
        check(&[], Ok(()));
        check(&["content-length: 0"], Ok(()));
        check(&["content-length: 10"], Ok(()));
        check(&["transfer-encoding: chunked"], Ok(()));
        check(&["transfer-encoding: Chunked"], Ok(()));
        for length in ["010", "00", "+1", "-1", "1, 1", "0x1", "1 1"] {
            check(&[&format!("content-length: {length}")], Err(Fault::Length));
        }
        check(&["content-length: 10", "content-length: 10"], Err(Fault::LengthTwice));
        check(&["content-length: 1", "transfer-encoding: chunked"], Err(Fault::LengthAndCoding));
        check(&["transfer-encoding: chunked", "transfer-encoding: chunked"], Err(Fault::CodingTwice));
        check(&["transfer-encoding: gzip, chunked"], Err(Fault::CodingUnknown));
        for coding in ["identity", "gzip", "chunked, gzip", "chunked, chunked", "xchunked", "chunked;a=b"] {
            check(&[&format!("transfer-encoding: {coding}")], Err(Fault::Coding));
        }
    }
}
