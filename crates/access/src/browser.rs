//! What shows that two requests came from one browser, before anybody has logged in there.
//!
//! A form that logs somebody in, or a link that ends a log-in, works for whoever sends it. An attacker can so log a
//! victim's browser in to the attacker's own account, and read later what the victim did there (log-in CSRF). So a browser
//! that is shown a form gets 256 random bits in a cookie, and what comes back must show that it was made for them. Nothing
//! is stored, and the cookie's value never stands in a page or an address.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::SessionId;
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Characters of a SHA-256 in base64url without padding, and of 256 random bits.
const TEXT_BYTES: usize = 43;

/// The random bits of a browser's cookie. Debug output does not show them.
#[derive(Clone)]
pub struct BrowserSecret(Zeroizing<[u8; 32]>);

/// What names a [`BrowserSecret`] in an address, without telling it: a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrowserName([u8; 32]);

impl BrowserSecret {
    /// Makes one of random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// Reads a cookie's value.
    pub fn parse(text: &str) -> Option<Self> {
        read(text).map(Zeroizing::new).map(Self)
    }

    /// The cookie's value.
    pub fn to_text(&self) -> SecretString {
        URL_SAFE_NO_PAD.encode(*self.0).into()
    }

    /// What a form holds that this browser is shown, for the session that it is shown in: so a page that was open
    /// before a log-in is of no use after it.
    pub fn form_field(&self, form: &str, session: Option<SessionId>) -> String {
        URL_SAFE_NO_PAD.encode(self.form_hash(form, session))
    }

    /// Whether `field` came from such a form.
    pub fn gave(&self, form: &str, session: Option<SessionId>, field: &str) -> bool {
        read(field)
            .is_some_and(|field| verify_slices_are_equal(&field, &self.form_hash(form, session)).is_ok())
    }

    /// What an application calls this browser when it sends it to the portal.
    pub fn name(&self) -> BrowserName {
        BrowserName(hash(b"portcullis browser\0", &[&*self.0]))
    }

    fn form_hash(&self, form: &str, session: Option<SessionId>) -> [u8; 32] {
        // The secret has a fixed length and a form's name holds no zero byte, so no two lists of parts read the same.
        let session = session.map(|session| session.0);
        let session: &[u8] = session.as_ref().map_or(&[], |session| session);
        hash(b"portcullis form\0", &[&*self.0, form.as_bytes(), b"\0", session])
    }
}

impl BrowserName {
    /// Reads it from an address.
    pub fn parse(text: &str) -> Option<Self> {
        read(text).map(Self)
    }

    /// Ties a hand-over code to this browser: whoever knows the code and not the browser's name cannot make this text.
    /// Both were told to that browser alone.
    pub fn tie(&self, code: &str) -> String {
        format!("{code}.{}", URL_SAFE_NO_PAD.encode(self.knot(code)))
    }

    /// The code of a text that was tied to this browser.
    pub fn untie<'a>(&self, tied: &'a str) -> Option<&'a str> {
        let (code, knot) = tied.rsplit_once('.')?;
        let is_own = verify_slices_are_equal(&read(knot)?, &self.knot(code)).is_ok();
        is_own.then_some(code)
    }

    fn knot(&self, code: &str) -> [u8; 32] {
        hash(b"portcullis hand-over\0", &[&self.0, code.as_bytes()])
    }
}

impl fmt::Debug for BrowserSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserSecret")
    }
}

impl fmt::Display for BrowserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The 32 bytes of a text; only the one text that writes them so is read.
fn read(text: &str) -> Option<[u8; 32]> {
    if text.len() != TEXT_BYTES {
        return None;
    }
    let mut bytes = [0; 32];
    let read = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (read == bytes.len()).then_some(bytes)
}

fn hash(purpose: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(purpose);
    for part in parts {
        context.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const ANN: Option<SessionId> = Some(SessionId([1; 16]));
    const BOB: Option<SessionId> = Some(SessionId([2; 16]));

    #[test]
    fn a_form_comes_back_from_the_browser_that_was_given_it() {
        let (own, other) = (BrowserSecret::new([1; 32]), BrowserSecret::new([2; 32]));
        let field = own.form_field("login", None);
        assert_eq!(field.len(), TEXT_BYTES);
        assert!(own.gave("login", None, &field));
        // Another browser, another form, another session, and nothing at all.
        assert!(!other.gave("login", None, &field));
        assert!(!own.gave("logout", None, &field));
        assert!(!own.gave("login", ANN, &field));
        assert!(!own.gave("login", BOB, &own.form_field("login", ANN)));
        for forged in ["", "A", &"A".repeat(TEXT_BYTES), own.to_text().expose_secret(), &format!("{field}=")]
        {
            assert!(!own.gave("login", None, forged), "{forged}");
        }
        let seen = BrowserSecret::parse(own.to_text().expose_secret()).unwrap();
        assert!(seen.gave("login", None, &field));
        assert!(!format!("{own:?}").contains(own.to_text().expose_secret()));
    }

    #[test]
    fn a_cookie_has_one_spelling() {
        let text = BrowserSecret::new([0xff; 32]).to_text().expose_secret().to_owned();
        assert!(BrowserSecret::parse(&text).is_some());
        let last_bits = format!("{}9", &text[..42]);
        for other in ["", &text[..42], &format!("{text}="), &last_bits, &text.replace('_', "/")] {
            assert!(BrowserSecret::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_code_is_good_in_the_browser_that_asked_for_it() {
        let (own, other) = (BrowserSecret::new([1; 32]).name(), BrowserSecret::new([2; 32]).name());
        let tied = own.tie("c0de");
        assert_eq!(own.untie(&tied), Some("c0de"));
        assert_eq!(other.untie(&tied), None);
        // An attacker has a code and its knot, and the victim's browser a name that the attacker does not know.
        let knot = tied.rsplit_once('.').unwrap().1;
        for forged in
            [format!("other.{knot}"), "c0de".to_owned(), "c0de.".to_owned(), format!("c0de.{other}")]
        {
            assert_eq!(own.untie(&forged), None, "{forged}");
        }
        assert_eq!(BrowserName::parse(&own.to_string()), Some(own));
        assert_eq!(BrowserName::parse("c0de"), None);
    }
}
