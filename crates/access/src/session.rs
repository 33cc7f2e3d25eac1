//! What shows a session, what brings it elsewhere, and how long it lives (ID-04).
//!
//! * A **cookie's secret** is 256 random bits in base64url. Only its SHA-256 is stored: the secret is random, so a slow
//!   hash would add nothing.
//! * A **device's mark** is an id with a MAC over it and one account's name. It proves nothing but that this account was
//!   logged in to from there before, which [`crate::lockout`] asks.
//! * A **code** is good once, for minutes: one for machines, as long as a cookie's secret, and one that somebody types.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use thiserror::Error;
use zeroize::Zeroizing;

/// Random bytes of a cookie's secret, and of a code for machines.
pub const SECRET_BYTES: usize = 32;

/// Random bytes of a device's id.
pub const DEVICE_BYTES: usize = 16;

/// Random bytes of a code that somebody types: eight groups of four characters.
pub const TYPED_CODE_BYTES: usize = 20;

/// Longest text that is read as a typed code, in bytes: what is pasted may have blanks around it.
const TYPED_CODE_TEXT_MAX: usize = 128;

/// Bytes of a device's MAC.
const MAC_BYTES: usize = 32;

/// The digits of a typed code: none looks like another (after Crockford's base 32).
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What a secret of 32 random bytes is used for. One use's hash never stands for another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretUse {
    /// It shows a session.
    Cookie,
    /// It brings a session to an application, once.
    HandOver,
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Over {
    /// Its time is over, however much it was used.
    #[error("the session has reached its end")]
    Ended,
    /// Nobody used it for too long.
    #[error("the session was not used for too long")]
    Idle,
}

/// The key under which devices are marked. Debug output does not show it.
pub struct DeviceKey(hmac::Key);

/// A device that an account was logged in to from before: its id.
pub type DeviceId = [u8; DEVICE_BYTES];

/// Writes a secret of random bytes, which must come from a generator fit for keys, and its hash.
pub fn secret(used_for: SecretUse, random: &[u8; SECRET_BYTES]) -> (SecretString, [u8; 32]) {
    // The final size from the start: growing would leave parts of the secret in freed memory.
    let mut text = Zeroizing::new(String::with_capacity(64));
    URL_SAFE_NO_PAD.encode_string(random, &mut text);
    (SecretString::from(text.as_str()), hash(used_for.context(), random))
}

/// The hash of a secret as it was presented; `None` when the text cannot be one. A secret has one text only.
pub fn hash_of(used_for: SecretUse, presented: &str) -> Option<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    let read = URL_SAFE_NO_PAD.decode_slice(presented, bytes.as_mut_slice());
    (read == Ok(SECRET_BYTES)).then(|| hash(used_for.context(), &*bytes))
}

/// Writes a code that somebody types, of random bytes from a generator fit for keys, and its hash.
pub fn typed_code(random: &[u8; TYPED_CODE_BYTES]) -> (SecretString, [u8; 32]) {
    let mut text = Zeroizing::new(String::with_capacity(2 * TYPED_CODE_BYTES));
    for (at, group) in random.chunks(5).enumerate() {
        let number = group.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        for digit in 0..8_u32 {
            if digit % 4 == 0 && (at, digit) != (0, 0) {
                text.push('-');
            }
            let value = number >> (5 * (7 - digit)) & 31;
            text.push(char::from(DIGITS.get(value as usize).copied().unwrap_or(b'0')));
        }
    }
    (SecretString::from(text.as_str()), hash(b"portcullis typed code ", random))
}

/// The hash of a code as somebody typed it, in letters of either case, with blanks and hyphens anywhere, and with the
/// letters that digits are taken for; `None` when the text cannot be one.
pub fn hash_of_typed(typed: &str) -> Option<[u8; 32]> {
    if typed.len() > TYPED_CODE_TEXT_MAX {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(TYPED_CODE_BYTES));
    let (mut number, mut bits) = (0_u32, 0_u32);
    for character in typed.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        let digit = match character.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let value = DIGITS.iter().position(|known| char::from(*known) == digit)?;
        // At most 7 bits are left over, so nothing is lost at the top.
        number = (number << 5 | value as u32) & 0xFFF;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((number >> bits & 0xFF) as u8);
        }
    }
    (bits == 0 && bytes.len() == TYPED_CODE_BYTES).then(|| hash(b"portcullis typed code ", &bytes))
}

/// Whether a session is over at `now`: it was last used at `seen`, and ends at `ends` in any case.
pub fn judge(seen: Timestamp, ends: Timestamp, idle: Duration, now: Timestamp) -> Result<(), Over> {
    if now >= ends {
        return Err(Over::Ended);
    }
    let idle = SignedDuration::try_from(idle).unwrap_or(SignedDuration::MAX);
    if now.duration_since(seen) >= idle { Err(Over::Idle) } else { Ok(()) }
}

impl SecretUse {
    fn context(self) -> &'static [u8] {
        match self {
            Self::Cookie => b"portcullis session ",
            Self::HandOver => b"portcullis hand-over ",
        }
    }
}

impl DeviceKey {
    /// Takes 256 random bits.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Marks a device for an account, whose name the caller has brought into one form.
    pub fn mark(&self, account: &str, id: &DeviceId) -> SecretString {
        let tag = self.tag(account, id);
        let mut bytes = Zeroizing::new([0; DEVICE_BYTES + MAC_BYTES]);
        for (to, from) in bytes.iter_mut().zip(id.iter().chain(tag.as_ref())) {
            *to = *from;
        }
        let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
        URL_SAFE_NO_PAD.encode_string(*bytes, &mut text);
        SecretString::from(text.as_str())
    }

    /// The device that shows this mark, if it is one of this account.
    pub fn recognise(&self, account: &str, mark: &str) -> Option<DeviceId> {
        let mut bytes = [0; DEVICE_BYTES + MAC_BYTES];
        if URL_SAFE_NO_PAD.decode_slice(mark, &mut bytes) != Ok(bytes.len()) {
            return None;
        }
        let (id, tag) = bytes.split_at_checked(DEVICE_BYTES)?;
        let id: DeviceId = id.try_into().ok()?;
        hmac::verify(&self.0, &message(account, &id), tag).ok().map(|()| id)
    }

    fn tag(&self, account: &str, id: &DeviceId) -> hmac::Tag {
        hmac::sign(&self.0, &message(account, id))
    }
}

/// The id has a fixed length, so no two pairs make the same message.
fn message(account: &str, id: &DeviceId) -> Vec<u8> {
    [b"portcullis device ", id.as_slice(), account.as_bytes()].concat()
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey(hidden)")
    }
}

fn hash(context: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut digest = digest::Context::new(&digest::SHA256);
    digest.update(context);
    digest.update(bytes);
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(digest.finish().as_ref()) {
        *to = *from;
    }
    hash
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    proptest! {
        #[test]
        fn a_secret_is_found_by_its_text_alone(random: [u8; 32], at in 0_usize..43, other in "[A-Za-z0-9_-]") {
            let (text, hash) = secret(SecretUse::Cookie, &random);
            let text = text.expose_secret();
            prop_assert_eq!(text.len(), 43);
            prop_assert_eq!(hash_of(SecretUse::Cookie, text), Some(hash));
            prop_assert_ne!(hash_of(SecretUse::HandOver, text), Some(hash));
            let mut changed = text.to_owned();
            changed.replace_range(at..=at, &other);
            prop_assert_eq!(hash_of(SecretUse::Cookie, &changed) == Some(hash), changed == text);
        }

        #[test]
        fn a_typed_code_forgives_how_it_is_typed(random: [u8; 20]) {
            let (text, hash) = typed_code(&random);
            let text = text.expose_secret();
            prop_assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [4; 8]);
            let typed = format!(" {} ", text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l"));
            prop_assert_eq!(hash_of_typed(&typed), Some(hash));
            prop_assert_eq!(hash_of_typed(&text.replace('-', "")), Some(hash));
            prop_assert_eq!(hash_of_typed(&text[..38]), None);
            prop_assert_eq!(hash_of_typed(&format!("{text}0")), None);
        }

        #[test]
        fn a_device_is_known_to_its_account_alone(id: [u8; 16], key: [u8; 32]) {
            let key = DeviceKey::new(&key);
            let mark = key.mark("ann", &id);
            let mark = mark.expose_secret();
            prop_assert_eq!(key.recognise("ann", mark), Some(id));
            prop_assert_eq!(key.recognise("ben", mark), None);
            prop_assert_eq!(key.recognise("ann", &mark[..63]), None);
            prop_assert_eq!(DeviceKey::new(&[1; 32]).recognise("ann", mark), None);
        }
    }

    #[test]
    fn what_is_no_secret_has_no_hash() {
        let (text, _) = secret(SecretUse::Cookie, &[7; 32]);
        let text = text.expose_secret();
        for odd in ["", "a", &text[..42], &format!("{text}="), &format!("{text}A"), &"A".repeat(100_000)] {
            assert_eq!(hash_of(SecretUse::Cookie, odd), None, "{odd:.50}");
        }
        // The last character carries four bits; with a stray bit it would be a second text of the same secret.
        assert_eq!(hash_of(SecretUse::Cookie, &format!("{}B", &"A".repeat(42))), None);
        assert_eq!(hash_of_typed(&"0".repeat(100_000)), None);
        assert_eq!(hash_of_typed("UUUU-UUUU-UUUU-UUUU-UUUU-UUUU-UUUU-UUUU"), None);
    }

    #[test]
    fn a_session_ends_unused_and_in_any_case() {
        let at = |s: i64| Timestamp::from_second(s).unwrap();
        let idle = Duration::from_secs(60);
        assert_eq!(judge(at(0), at(1000), idle, at(59)), Ok(()));
        assert_eq!(judge(at(0), at(1000), idle, at(60)), Err(Over::Idle));
        assert_eq!(judge(at(999), at(1000), idle, at(1000)), Err(Over::Ended));
        // A clock that went back ends nothing.
        assert_eq!(judge(at(500), at(1000), idle, at(400)), Ok(()));
    }

    #[test]
    fn the_key_of_devices_is_not_shown() {
        assert_eq!(format!("{:?}", DeviceKey::new(&[9; 32])), "DeviceKey(hidden)");
    }
}
