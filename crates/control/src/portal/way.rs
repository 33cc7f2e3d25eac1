//! Where somebody goes on to after a log-in. It travels in addresses and in the hidden fields of the log-in page, so
//! whatever comes back is read anew: the host must be one that the configuration names, the rest a path on it.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_access::browser::BrowserName;
use portcullis_access::return_to::ReturnTo;
use portcullis_contract::Snapshot;
use portcullis_model::ApplicationName;

/// From the portal to a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// Of the application whose origin the portal shares: its cookie is the portal's.
    Here(ReturnTo),
    /// Of an application on another origin, which gets a cookie of its own by a code.
    There(There),
}

/// To an application on an origin of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct There {
    /// Its host, lower case, without a port.
    pub(super) host: Box<str>,
    /// Its name.
    pub(super) application: ApplicationName,
    /// Its origin.
    pub(super) origin: Box<str>,
    /// The page.
    pub(super) back: ReturnTo,
    /// The browser by the name that this origin gave it; `None` while it has not been there.
    pub(super) browser: Option<BrowserName>,
}

impl Way {
    /// The way to a page on `host`, seen from the portal at `origin`; `None` when the configuration names no such host.
    /// What is no way back leads to the first page.
    pub(super) fn find(
        snapshot: &Snapshot,
        origin: &str,
        host: &str,
        back: Option<&str>,
        browser: Option<&str>,
    ) -> Option<Self> {
        let (application, there) = snapshot.way_back(host)?;
        let back = back_to(back);
        if there == origin {
            return Some(Self::Here(back));
        }
        let browser = browser.and_then(BrowserName::parse);
        Some(Self::There(There { host: host.into(), application, origin: there.into(), back, browser }))
    }

    /// The origin, where it is another one.
    pub(super) fn elsewhere(&self) -> Option<&str> {
        match self {
            Self::Here(_) => None,
            Self::There(there) => Some(&there.origin),
        }
    }

    /// Where a browser goes that has just logged in at the portal.
    pub(super) fn onward(&self) -> String {
        match self {
            Self::Here(back) => back.as_str().to_owned(),
            Self::There(there) => there.authorize(),
        }
    }
}

impl There {
    /// The portal's address that brings a session there.
    pub(super) fn authorize(&self) -> String {
        let host = utf8_percent_encode(&self.host, NON_ALPHANUMERIC);
        let address = format!("/.portcullis/authorize?to={host}&return={}", self.back.in_query());
        match &self.browser {
            Some(browser) => format!("{address}&state={browser}"),
            None => address,
        }
    }

    /// The address at which that origin gives the browser a name.
    pub(super) fn begin(&self) -> String {
        format!("{}/.portcullis/login?return={}", self.origin, self.back.in_query())
    }

    /// The address at which that origin takes a code, which is of base64url and full stops.
    pub(super) fn callback(&self, tied: &str) -> String {
        format!("{}/.portcullis/callback?code={tied}&return={}", self.origin, self.back.in_query())
    }
}

/// The way back that a text names, or the first page.
pub(super) fn back_to(text: Option<&str>) -> ReturnTo {
    text.and_then(|text| ReturnTo::parse(text).ok()).unwrap_or_else(ReturnTo::front)
}
