//! What pages of other origins may do (CORS, the Fetch standard), compiled: the fields are ready to be sent.

use http::{HeaderName, HeaderValue, Method};

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
