//! The one reading of a path.

use crate::stages::one_path;

/// Laws of [`one_path`]: what passes has one spelling, decodes to what was judged for every decoder, and climbs nowhere.
pub fn hold(input: &[u8]) {
    let Ok(raw) = str::from_utf8(input) else { return };
    let Ok(path) = one_path(raw) else { return };
    let (wire, decoded) = (&*path.wire, &*path.decoded);
    let again = one_path(wire).unwrap_or_else(|_| panic!("{raw:?} passes as {wire:?}, which does not pass"));
    assert_eq!(again, path, "{raw:?} passes as {wire:?}, and that as another");
    // Whoever decodes, and whichever form, sees what was judged.
    assert_eq!(undone(raw), decoded.as_bytes(), "{raw:?}");
    assert_eq!(undone(wire), decoded.as_bytes(), "{raw:?}");
    // Decoding twice, as some servers do, finds nothing more.
    assert_eq!(undone(decoded), decoded.as_bytes(), "{raw:?}");
    assert!(wire.bytes().all(is_plain), "{raw:?}: {wire:?}");
    let upper = |at: &[u8]| at[0] != b'%' || at[1..].iter().all(|d| !d.is_ascii_lowercase());
    assert!(wire.as_bytes().windows(3).all(upper), "{raw:?}: {wire:?}");
    assert!(
        !decoded.contains(['\\', ';']) && !decoded.bytes().any(|byte| byte.is_ascii_control()),
        "{raw:?}"
    );
    let inner = decoded.strip_prefix('/').unwrap_or_else(|| panic!("{raw:?} is not absolute"));
    let segments: Vec<_> = inner.split('/').collect();
    let last = segments.len() - 1;
    for (at, segment) in segments.into_iter().enumerate() {
        let is_odd = matches!(segment, "." | "..") || (segment.is_empty() && at < last);
        assert!(!is_odd, "{raw:?} has the segment {segment:?}");
    }
}

/// RFC 3986 §3.3, without the `;` that is refused.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/%".contains(&byte)
}

/// With every `%XX` decoded, and everything else left as it is, as most servers do it.
fn undone(text: &str) -> Vec<u8> {
    let (mut rest, mut bytes) = (text.as_bytes(), Vec::new());
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|two| str::from_utf8(two).ok());
        let digits = digits.filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}
