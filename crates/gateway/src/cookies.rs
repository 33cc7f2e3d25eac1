//! Cookies of ours: what a request shows by them, and that none of them crosses to an upstream or comes from one.
//!
//! A session is read from one spelling of its cookie, that of RFC 6265 §4.2. From upstreams our cookies are kept in
//! every spelling that some server takes for the same: an upstream that sees one could act for its bearer elsewhere, and
//! one that could set it could log a visitor in as somebody else.

use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use percent_encoding::percent_decode;
use portcullis_access::origin::WebScheme;

/// The beginnings of our names, in lower case. Browsers keep a promise for the first two; without HTTPS there is only the
/// last.
const OURS: [&[u8]; 3] = [b"__host-portcullis", b"__secure-portcullis", b"portcullis"];

/// Characters of a session's secret: 32 bytes in base64url without padding.
const SECRET_CHARACTERS: usize = 43;

/// There is more than one cookie of a session, and nobody can say which is meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Several;

/// What a request shows of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session<'a> {
    /// A text of the right form.
    Secret(&'a str),
    /// A text that was never a secret of ours.
    Malformed,
}

/// The one cookie by which a session is shown.
pub(crate) fn session(headers: &HeaderMap, scheme: WebScheme) -> Result<Option<Session<'_>>, Several> {
    let name: &[u8] = match scheme {
        WebScheme::Https => b"__Host-portcullis",
        WebScheme::Http => b"portcullis",
    };
    let mut found = None;
    for pair in headers.get_all(COOKIE).iter().flat_map(pairs) {
        let value = pair.trim_ascii().strip_prefix(name).and_then(|rest| rest.strip_prefix(b"="));
        let Some(value) = value else { continue };
        if found.replace(secret(value).map_or(Session::Malformed, Session::Secret)).is_some() {
            return Err(Several);
        }
    }
    Ok(found)
}

fn secret(value: &[u8]) -> Option<&str> {
    let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_one = value.len() == SECRET_CHARACTERS && value.iter().all(is_base64url);
    std::str::from_utf8(value).ok().filter(|_| is_one)
}

/// Takes our cookies out of a request for an upstream.
pub(crate) fn keep_from_upstream(headers: &mut HeaderMap) {
    if !headers.get_all(COOKIE).iter().flat_map(pairs).any(holds_ours) {
        return;
    }
    let without_ours = |line: &HeaderValue| {
        let kept: Vec<&[u8]> = pairs(line).filter(|pair| !holds_ours(pair)).collect();
        HeaderValue::from_bytes(kept.join(&b';').trim_ascii()).ok().filter(|line| !line.is_empty())
    };
    let kept: Vec<HeaderValue> = headers.get_all(COOKIE).iter().filter_map(without_ours).collect();
    headers.remove(COOKIE);
    for line in kept {
        headers.append(COOKIE, line);
    }
}

/// Takes our cookies out of an upstream's answer.
pub(crate) fn keep_from_client(headers: &mut HeaderMap) {
    // A browser may store a cookie without a name and send its value as if it began with one.
    let is_ours = |value: &HeaderValue| {
        let before = |byte: &u8| matches!(byte, b' ' | b'\t' | b'=' | b'"');
        let name = value.as_bytes().iter().position(|byte| !before(byte));
        name.and_then(|at| value.as_bytes().get(at..)).is_some_and(begins_as_ours)
    };
    if !headers.get_all(SET_COOKIE).iter().any(is_ours) {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().filter(|value| !is_ours(value)).cloned().collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}

fn pairs(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b';')
}

/// Whether some server reads a cookie of ours here. Old ones separate cookies by commas or blanks too, and some know
/// quotes.
fn holds_ours(pair: &[u8]) -> bool {
    let between = |byte: &u8| matches!(byte, b',' | b' ' | b'\t' | b'"');
    let mut words = pair.split(between).filter(|word| !word.is_empty());
    words.next().is_some_and(|name| begins_as_ours(name.strip_prefix(b"=").unwrap_or(name)))
        || words.any(|word| word.contains(&b'=') && begins_as_ours(word))
}

/// Names are told apart by case in browsers and not in all servers; PHP undoes percent-encoding in them.
fn begins_as_ours(name: &[u8]) -> bool {
    let begins = |ours: &&[u8]| {
        let mut spelled = percent_decode(name).map(|byte| byte.to_ascii_lowercase());
        ours.iter().all(|byte| spelled.next() == Some(*byte))
    };
    OURS.iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-";

    fn cookies(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[track_caller]
    fn check(lines: &[&str], expected: Result<Option<Session<'_>>, Several>) {
        let lines: Vec<String> = lines.iter().map(|line| line.replace('S', SECRET)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(session(&cookies(&lines), WebScheme::Http), expected, "{lines:?}");
    }

    #[test]
    fn a_session_is_shown_once_in_one_spelling_or_not_at_all() {
        let good = Ok(Some(Session::Secret(SECRET)));
        check(&[], Ok(None));
        check(&["portcullis=S"], good);
        check(&["a=b; portcullis=S;c=d"], Ok(Some(Session::Secret(SECRET))));
        check(&["a=b", "portcullis=S"], Ok(Some(Session::Secret(SECRET))));
        // What a server with quotes reads as one cookie has ours in it for everybody else.
        check(&["a=\"x; portcullis=S; b=y\""], Ok(Some(Session::Secret(SECRET))));
        for several in [&["portcullis=S; portcullis=S"][..], &["portcullis=S", "portcullis="]] {
            check(several, Err(Several));
        }
        for malformed in ["", "x", "S=", "SS", "\"S\"", "S S", "%41S", " S", "S,S"] {
            check(&[&format!("portcullis={malformed}")], Ok(Some(Session::Malformed)));
        }
        for other in ["Portcullis=S", "portcullis =S", "portcullis-form=S", "xportcullis=S", "portcullis"] {
            check(&[other], Ok(None));
        }
        check(&["__Host-portcullis=S"], Ok(None));
        let both = format!("__Host-portcullis={SECRET}; portcullis=x");
        assert_eq!(session(&cookies(&[&both]), WebScheme::Https), Ok(Some(Session::Secret(SECRET))));
    }

    #[test]
    fn no_spelling_of_ours_reaches_an_upstream_and_others_stay_as_they_are() {
        for ours in [
            "__Host-portcullis=x",
            "__host-PORTCULLIS=x",
            "__Secure-portcullis=x",
            "__Host-portcullis-form=x",
            "portcullis=x",
            "portcullis = x",
            "\"portcullis\"=x",
            "=portcullis=x",
            "portcullis",
            "__%48ost-portcullis=x",
            "%70ortcullis=x",
            "b=c, portcullis=x",
            "b=c portcullis=x",
            "b=\"portcullis=x\"",
            "\tportcullis=x",
        ] {
            let mut headers = cookies(&[&format!("a=1; {ours}; z=\"2"), ours, "y=3, 4"]);
            keep_from_upstream(&mut headers);
            let left: Vec<_> = headers.get_all(COOKIE).iter().map(|line| line.to_str().unwrap()).collect();
            assert_eq!(left, ["a=1; z=\"2", "y=3, 4"], "{ours}");
        }
        for others in ["a=portcullis", "theme=b; q=\"\"; xportcullis=1", "utm=a portcullis b", "", ";;", "a"]
        {
            let mut headers = cookies(&[others]);
            keep_from_upstream(&mut headers);
            assert_eq!(headers[COOKIE], others);
        }
    }

    #[test]
    fn no_upstream_sets_a_cookie_of_ours() {
        for ours in [
            "__Host-portcullis=x; Path=/; Secure",
            "__HOST-Portcullis-form=x",
            "__Secure-portcullis=x",
            "portcullis=x; Domain=example.com",
            " \tportcullis=x",
            "=portcullis=x",
            "= __Host-portcullis=x",
            "__%48ost-portcullis=x",
        ] {
            let mut headers = HeaderMap::new();
            for value in ["theirs=1", ours, "x-portcullis=2"] {
                headers.append(SET_COOKIE, HeaderValue::from_str(value).unwrap());
            }
            keep_from_client(&mut headers);
            let left: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
            assert_eq!(left, ["theirs=1", "x-portcullis=2"], "{ours}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_around_it_a_secret_does_not_go_on(
            before in "[ -~\t]{0,24}", between in "[a-z=\"\\\\, ]{0,8}", after in "[ -~]{0,24}",
        ) {
            // A browser separates cookies by `; ` and sends what pages have made it store.
            let line = format!("{before}; portcullis={SECRET}; {between}=1; {after}");
            let mut headers = cookies(&[line.trim()]);
            keep_from_upstream(&mut headers);
            let left: Vec<u8> = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().to_vec()).collect();
            assert!(!left.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "{line}");
        }
    }
}
