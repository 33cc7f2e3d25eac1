//! What pages of other origins may do (CORS, the Fetch standard), compiled: the fields are ready to be sent.

use http::{HeaderName, HeaderValue, Method, header};

/// What pages of other origins may do on a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// The origins whose pages may.
    pub origins: CorsOrigins,
    /// The methods that they may use.
    pub methods: Vec<Method>,
    /// The header fields that they may send beyond those that every form can.
    pub request_headers: Vec<HeaderName>,
    /// What an answer to an allowed origin carries beside that origin.
    pub on_answers: Vec<(HeaderName, HeaderValue)>,
    /// What the answer to an allowed preflight carries besides.
    pub on_preflights: Vec<(HeaderName, HeaderValue)>,
}

/// The origins whose pages may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Every one, without credentials.
    Any,
    /// These, as browsers write them.
    Listed(Vec<HeaderValue>),
}

impl Cors {
    /// Whether pages of this origin may ask with what their browser adds by itself: cookies, certificates.
    pub fn trusts(&self, origin: &str) -> bool {
        let says_so =
            |(name, _): &(HeaderName, HeaderValue)| *name == header::ACCESS_CONTROL_ALLOW_CREDENTIALS;
        match &self.origins {
            CorsOrigins::Any => false,
            CorsOrigins::Listed(listed) => {
                self.on_answers.iter().any(says_so) && listed.iter().any(|listed| listed == origin)
            }
        }
    }
}

impl CorsOrigins {
    /// What a page of this origin is told, `Access-Control-Allow-Origin`; `None` when it may not.
    pub fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match self {
            Self::Any => Some(HeaderValue::from_static("*")),
            // The whole value, by the byte: browsers write an origin in one way only.
            Self::Listed(listed) => listed.iter().find(|listed| *listed == origin).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_listed_origin_is_trusted_and_only_with_credentials() {
        let trusts = |origins: CorsOrigins, credentials: bool, origin: &str| {
            let says = (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            let on_answers = credentials.then_some(says).into_iter().collect();
            let (methods, request_headers, on_preflights) = (Vec::new(), Vec::new(), Vec::new());
            Cors { origins, methods, request_headers, on_answers, on_preflights }.trusts(origin)
        };
        let listed = || CorsOrigins::Listed(vec![HeaderValue::from_static("https://a.test")]);
        assert!(trusts(listed(), true, "https://a.test"));
        assert!(!trusts(listed(), false, "https://a.test"));
        assert!(!trusts(listed(), true, "https://b.test"));
        assert!(!trusts(CorsOrigins::Any, true, "https://a.test"));
    }
}
