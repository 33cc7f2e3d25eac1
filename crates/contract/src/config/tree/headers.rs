//! The settings of security headers: for an application, and by what its routes say otherwise.

use crate::config::choice::{
    ContentTypeOptions, CrossOriginOpener, CrossOriginResource, FrameOptions, Referrer, XssProtection,
};
use crate::config::kind::{Kind, Node, Shown};
use crate::config::policy::{ContentPolicy, PermissionsPolicy, TransportPolicy};
use crate::config::table::{Entry, Fields, Presence, Section, Setting, Shape, Spec, settings};
use crate::diagnostic::Problems;
use crate::snapshot::UpstreamsOwn;

/// Declares a section with its defaults, and a second one of the same settings without any, by which a part overrides
/// the whole.
macro_rules! settings_and_overrides {
    (
        $(#[doc = $about:literal])+
        struct $section:ident;
        $(#[doc = $about_overrides:literal])+
        struct $overrides:ident;
        both {
            $( $(#[doc = $doc:literal])+ $name:ident : $kind:ty = $default:tt, example $example:tt; )*
        }
    ) => {
        settings! {
            $(#[doc = $about])+
            struct $section { $( $(#[doc = $doc])+ $name: $kind = $default, example $example; )* }
        }
        settings! {
            $(#[doc = $about_overrides])+
            struct $overrides { $( $(#[doc = $doc])+ $name: $kind = optional, example $example; )* }
        }
    };
}

settings_and_overrides! {
    /// Headers that tell browsers to be careful, on every answer: the application's, and the gate's own refusals.
    /// `off` sends none. What breaks an application that was not made for it is off by default.
    struct SecurityHeaders;
    /// Security headers of this route that are not those of the application. What is left out is as there.
    struct RouteSecurityHeaders;
    both {
        /// What becomes of a header of these names that the application sent by itself: `keep` leaves it and does not
        /// add ours, `replace` puts ours in its place. Two different ones of the application are replaced in any case,
        /// because browsers do not agree which of them counts. A header that is `off` here passes as it is.
        upstream: UpstreamsOwn = "keep", example "replace";
        /// `X-Content-Type-Options`: browsers must not guess that an upload is a script.
        content_type_options: ContentTypeOptions = "nosniff", example "off";
        /// `X-Frame-Options`: whether other sites may show the pages within theirs, and make visitors click there.
        frame_options: FrameOptions = "DENY", example "SAMEORIGIN";
        /// `Strict-Transport-Security`, on answers over HTTPS only: browsers come by HTTPS from then on, and remember it
        /// for `max-age` seconds, whatever is changed here later. Over plain HTTP nobody's is sent.
        strict_transport_security: TransportPolicy = "max-age=31536000; includeSubDomains", example "max-age=300";
        /// `Content-Security-Policy`: from where pages may load what. Off by default, because a page that was not
        /// written for it breaks; try it as `content_security_policy_report_only` first.
        content_security_policy: ContentPolicy = "off", example "default-src 'self'";
        /// `Content-Security-Policy-Report-Only`: browsers report what the policy would have stopped, and stop nothing.
        content_security_policy_report_only: ContentPolicy = "off",
            example "default-src 'self'; report-uri /csp-reports";
        /// `X-XSS-Protection`: `0` switches a filter of old browsers off, which could be turned against pages;
        /// `1; mode=block` is what older guides ask for.
        xss_protection: XssProtection = "0", example "1; mode=block";
        /// `Referrer-Policy`: what other sites learn of the page that a visitor comes from.
        referrer_policy: Referrer = "strict-origin-when-cross-origin", example "no-referrer";
        /// `Permissions-Policy`: which abilities of the browser pages may use.
        permissions_policy: PermissionsPolicy = "off", example "camera=(), geolocation=(self)";
        /// `Cross-Origin-Opener-Policy`: whether pages share a window with those of other sites that opened them. Off
        /// by default, because log-in by a window of another site breaks.
        cross_origin_opener_policy: CrossOriginOpener = "off", example "same-origin";
        /// `Cross-Origin-Resource-Policy`: which sites may show what is served here within their pages.
        cross_origin_resource_policy: CrossOriginResource = "off", example "same-site";
    }
}
