//! One request to the portal: who asks from where, by which browser, and what keeps others from asking in their name.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use maud::Markup;
use portcullis_access::browser::BrowserSecret;
use portcullis_access::cross_site::{self, Page};
use portcullis_access::origin::WebScheme;
use portcullis_contract::Snapshot;
use portcullis_contract::identity::Place;
use portcullis_contract::ports::LocalRequest;
use portcullis_model::{ApplicationName, Principal, SessionId, Shown, UserPrincipal};
use serde::de::DeserializeOwned;

use super::answer;
use super::cookie::{Cookie, Cookies};
use super::page::{Form, Forms};
use super::received::{self, Unreadable, Written};
use crate::identity::{By, Caller};

/// A request.
pub(super) struct Visit<'a> {
    pub(super) asked: &'a LocalRequest,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) scheme: WebScheme,
    /// Of the origin, with its port where it names one.
    authority: &'a str,
    pub(super) browser: BrowserSecret,
    /// Whether the browser has not got its secret yet.
    is_new: bool,
}

/// Why a request is refused. What the client hears of it is said in one place, for people and for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is no such page here.
    NotFound,
    /// Not by this method; holds those by which it can be asked.
    Method(&'static str),
    /// What came with it is not read.
    Unreadable(Unreadable),
    /// A page of another origin asks, or the form is none that this browser was given.
    Foreign,
    /// It leads to an application that the configuration does not name.
    NoApplication,
    /// Too many are logging in.
    Busy { retry_after_s: u64 },
    /// The store does not answer.
    Unavailable,
    /// A mistake of ours.
    Internal,
}

/// A form of ours that came back.
pub(super) trait Sent: DeserializeOwned {
    /// Which one.
    const FORM: Form;
    /// What shows that this browser was given it.
    fn proof(&self) -> &str;
}

impl<'a> Visit<'a> {
    /// Reads what every answer needs; `random` becomes the secret of a browser that has none.
    pub(super) fn new(asked: &'a LocalRequest, snapshot: Arc<Snapshot>, random: [u8; 32]) -> Self {
        let (scheme, authority) = match asked.origin.split_once("://") {
            Some(("http", authority)) => (WebScheme::Http, authority),
            Some((_, authority)) => (WebScheme::Https, authority),
            None => (WebScheme::Https, &*asked.origin),
        };
        let known = Cookies { headers: asked.request.headers(), scheme }.browser();
        let is_new = known.is_none();
        let browser = known.unwrap_or_else(|| BrowserSecret::new(random));
        Self { asked, snapshot, scheme, authority, browser, is_new }
    }

    /// The host of the origin, without a port.
    pub(super) fn host(&self) -> &'a str {
        let after_name = self.authority.rfind(']').unwrap_or(0);
        match self.authority.get(after_name..).and_then(|rest| rest.find(':')) {
            Some(colon) => self.authority.get(..after_name + colon).unwrap_or(self.authority),
            None => self.authority,
        }
    }

    pub(super) fn cookies(&self) -> Cookies<'a> {
        Cookies { headers: self.asked.request.headers(), scheme: self.scheme }
    }

    /// Who has logged in with this browser. Tokens and keys are for programs, and open no page.
    pub(super) fn user(&self) -> Option<&'a UserPrincipal> {
        match &*self.asked.who {
            Principal::User(user) if user.shown == Shown::Cookie => Some(user),
            _ => None,
        }
    }

    /// The session that this browser shows.
    pub(super) fn session(&self) -> Option<SessionId> {
        self.user().map(|user| user.session)
    }

    /// The application whose origin this is, also where the portal shares it.
    pub(super) fn application(&self) -> Option<ApplicationName> {
        match &self.asked.place {
            Place::Application(name) => Some(name.clone()),
            Place::Portal => self.snapshot.way_back(self.host()).map(|(name, _)| name),
        }
    }

    /// For events and lockout.
    pub(super) fn caller(&self) -> Caller {
        let user_agent = self.asked.request.headers().get(header::USER_AGENT);
        Caller {
            address: self.asked.client,
            request: Some(self.asked.id),
            user_agent: user_agent.and_then(|value| value.to_str().ok()).map(Into::into),
            by: By::Portal,
        }
    }

    pub(super) fn forms(&self) -> Forms<'_> {
        Forms { browser: &self.browser, session: self.session() }
    }

    /// Reads the query.
    pub(super) fn query<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        received::query(self.asked.request.uri().query()).map_err(Refused::Unreadable)
    }

    /// Reads a form of ours, if this browser was given it and no page of another origin sends it.
    pub(super) fn form<T: Sent>(&self) -> Result<T, Refused> {
        let form: T = self.sent(Written::Form)?;
        self.prove(T::FORM, form.proof()).map(|()| form)
    }

    /// Reads what no page of another origin sends.
    pub(super) fn sent<T: DeserializeOwned>(&self, written: Written) -> Result<T, Refused> {
        self.refuse_foreign()?;
        let request = &self.asked.request;
        received::body(written, request.headers(), request.body()).map_err(Refused::Unreadable)
    }

    /// Whether a form came from a page that this browser was given, in the session that it shows now. A browser that is new
    /// was given none.
    pub(super) fn prove(&self, form: Form, proof: &str) -> Result<(), Refused> {
        let gave = !self.is_new && self.browser.gave(form.name(), self.session(), proof);
        if gave { Ok(()) } else { Err(Refused::Foreign) }
    }

    /// Refuses what a page of another origin asks.
    pub(super) fn refuse_foreign(&self) -> Result<(), Refused> {
        let headers = self.asked.request.headers();
        let (origins, sites) = (values(headers, &header::ORIGIN)?, values(headers, &SEC_FETCH_SITE)?);
        let page = Page { origins: &origins, sites: &sites };
        cross_site::judge(page, self.authority, self.scheme, |_| false).map_err(|_| Refused::Foreign)
    }

    /// Whether a browser goes from page to page (W3C Fetch Metadata §2.2).
    pub(super) fn is_navigation(&self) -> bool {
        self.asked.request.headers().get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate")
    }

    /// Answers with a page of forms. A browser that is new gets its secret with it.
    pub(super) fn forms_page(
        &self,
        status: StatusCode,
        markup: Markup,
        leads_to: Option<&str>,
    ) -> Response<Bytes> {
        self.known(answer::forms(status, markup, leads_to))
    }

    /// Leads the browser on.
    pub(super) fn see_other(&self, location: &str) -> Result<Response<Bytes>, Refused> {
        let location = HeaderValue::try_from(location).map_err(|_| Refused::Internal)?;
        Ok(answer::see_other(location))
    }

    /// Gives a browser that is new its secret.
    pub(super) fn known(&self, mut answer: Response<Bytes>) -> Response<Bytes> {
        if self.is_new {
            let cookie = Cookie::Browser.set(self.scheme, &self.browser.to_text());
            answer.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
        }
        answer
    }
}

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// All values of a field; one that is no text is no browser's.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Vec<&'a str>, Refused> {
    let texts = headers.get_all(name).into_iter().map(|value| value.to_str());
    texts.collect::<Result<_, _>>().map_err(|_| Refused::Foreign)
}
