//! The gate's cookies on one origin: their names, how they are read, and how they are set.
//!
//! Over HTTPS each has the prefix `__Host-` (RFC 6265bis §4.1.3.2): a browser takes it from this very host alone, so no
//! neighbour under the same domain can plant one. `SameSite=Lax` keeps other sites' forms from bringing it along, and
//! lets a link lead in.

use http::header::{self, HeaderMap, HeaderValue};
use portcullis_access::browser::BrowserSecret;
use portcullis_access::origin::WebScheme;
use secrecy::{ExposeSecret, SecretString};

/// For how long a device is known to which somebody logged in: a year.
const DEVICE_S: u32 = 365 * 24 * 60 * 60;

/// A cookie of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookie {
    /// Shows the session.
    Session,
    /// Ties forms and hand-overs to the browser ([`BrowserSecret`]).
    Browser,
    /// Shows that an account was logged in to from here before.
    Device,
}

/// The cookies of requests to one origin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cookies<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) scheme: WebScheme,
}

impl Cookie {
    /// Its name. The prefix is for HTTPS alone: without it browsers take no such cookie.
    fn name(self, scheme: WebScheme) -> &'static str {
        match (self, scheme) {
            (Self::Session, WebScheme::Https) => "__Host-portcullis",
            (Self::Session, WebScheme::Http) => "portcullis",
            (Self::Browser, WebScheme::Https) => "__Host-portcullis-form",
            (Self::Browser, WebScheme::Http) => "portcullis-form",
            (Self::Device, WebScheme::Https) => "__Host-portcullis-device",
            (Self::Device, WebScheme::Http) => "portcullis-device",
        }
    }

    /// The field that sets it. A session's cookie ends with the browser at the latest; the session itself ends here.
    pub(super) fn set(self, scheme: WebScheme, value: &SecretString) -> Option<HeaderValue> {
        self.field(scheme, value.expose_secret(), (self == Self::Device).then_some(DEVICE_S))
    }

    /// The field that removes it.
    pub(super) fn remove(self, scheme: WebScheme) -> Option<HeaderValue> {
        self.field(scheme, "", Some(0))
    }

    fn field(self, scheme: WebScheme, value: &str, max_age_s: Option<u32>) -> Option<HeaderValue> {
        let mut text = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax", self.name(scheme));
        if scheme == WebScheme::Https {
            text.push_str("; Secure");
        }
        if let Some(max_age_s) = max_age_s {
            text.push_str(&format!("; Max-Age={max_age_s}"));
        }
        let mut field = HeaderValue::try_from(text).ok()?;
        field.set_sensitive(true);
        Some(field)
    }
}

impl<'a> Cookies<'a> {
    /// The value of a cookie; `None` when there are two of its name, because nobody can say which is ours.
    pub(super) fn value(&self, cookie: Cookie) -> Option<&'a str> {
        let name = cookie.name(self.scheme);
        let lines = self.headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(found, _)| *found == name).map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    }

    /// The browser, if it has been here before.
    pub(super) fn browser(&self) -> Option<BrowserSecret> {
        self.value(Cookie::Browser).and_then(BrowserSecret::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_when_there_is_one() {
        let value = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, line.parse().unwrap());
            }
            let cookies = Cookies { headers: &headers, scheme: WebScheme::Https };
            cookies.value(Cookie::Session).map(str::to_owned)
        };
        assert_eq!(value(&["a=b; __Host-portcullis=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(value(&["a=b", "__Host-portcullis=x"]).as_deref(), Some("x"));
        for none in [
            &["__Host-portcullis=x; __Host-portcullis=y"][..],
            &["__Host-portcullis=x", "__Host-portcullis=x"],
            &["__host-portcullis=x; portcullis=y; __Host-portcullis-form=z"],
            &["__Host-portcullis"],
            &[],
        ] {
            assert_eq!(value(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_cookie_belongs_to_its_host_alone() {
        let secret = SecretString::from("x");
        let field =
            |cookie: Cookie, scheme| cookie.set(scheme, &secret).unwrap().to_str().unwrap().to_owned();
        assert_eq!(
            field(Cookie::Session, WebScheme::Https),
            "__Host-portcullis=x; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(field(Cookie::Session, WebScheme::Http), "portcullis=x; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(
            field(Cookie::Device, WebScheme::Https),
            "__Host-portcullis-device=x; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=31536000"
        );
        let removed = Cookie::Session.remove(WebScheme::Https).unwrap();
        assert_eq!(removed, "__Host-portcullis=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0");
    }
}
