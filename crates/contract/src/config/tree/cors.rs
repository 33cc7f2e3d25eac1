//! The settings of CORS, for an application or a route.

use std::time::Duration;

use http::Method;

use crate::config::kind::{Kind, List, Node, NonEmpty, Shown};
use crate::config::origin::PageOrigin;
use crate::config::table::{Entry, Fields, Presence, Section, Setting, Shape, Spec, settings};
use crate::config::word::ExposedHeader;
use crate::diagnostic::Problems;

settings! {
    /// Which pages of other origins may call (CORS). With this section the gate answers a browser's preflight itself, by
    /// the route of the method that is asked for, and what the application says of CORS is replaced. Without it a
    /// preflight is a request like any other, and the application speaks for itself. CORS keeps pages from reading
    /// answers, not programs from calling: who may call is what routes say.
    struct Cors {
        /// The origins: scheme, host and port as browsers write them. `*` is every origin and goes without credentials,
        /// `null` is any page in a sandbox. An empty list is nobody.
        origins: List<PageOrigin> = required, example ["https://app.example.com"];
        /// The methods that they may use. Left out, those of the route.
        methods: NonEmpty<Method> = optional, example ["GET", "POST"];
        /// Headers that they may send beyond those that every form can: a JSON body needs `content-type`, an API key its
        /// header.
        request_headers: List<ExposedHeader> = [], example ["content-type", "x-api-key"];
        /// Headers of answers that they may read beyond the few that all may.
        expose: List<ExposedHeader> = [], example ["ratelimit", "retry-after", "x-request-id"];
        /// `true`: browsers may send cookies along, and pages may read the answers. On a route with
        /// `client_certificate` these pages may also change things in the name of whoever holds the certificate.
        credentials: bool = false, example true;
        /// How long a browser may remember that a call is allowed; browsers have bounds of their own.
        max_age: Duration = "10m", from "0s" to "1d", example "1h";
    }
}
