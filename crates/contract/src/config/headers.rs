//! Compiles security headers: for an application, and for each route with what it says otherwise.

use http::{HeaderName, HeaderValue, header};

use super::kind::Text;
use super::policy::OFF;
use super::table::Setting;
use super::tree::{RouteSecurityHeaders, SecurityHeaders as Declared};
use crate::snapshot::SecurityHeaders;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The headers that `declared` says, or what `overrides` says instead.
pub(crate) fn compiled(
    declared: &Declared,
    overrides: Option<&RouteSecurityHeaders>,
) -> Option<SecurityHeaders> {
    macro_rules! chosen {
        ($setting:ident) => {
            chosen(&declared.$setting, overrides.map(|overrides| &overrides.$setting))?
        };
    }
    let all = [
        (header::X_CONTENT_TYPE_OPTIONS, sent(chosen!(content_type_options))),
        (header::X_FRAME_OPTIONS, sent(chosen!(frame_options))),
        (header::CONTENT_SECURITY_POLICY, sent(chosen!(content_security_policy))),
        (header::CONTENT_SECURITY_POLICY_REPORT_ONLY, sent(chosen!(content_security_policy_report_only))),
        (header::X_XSS_PROTECTION, sent(chosen!(xss_protection))),
        (header::REFERRER_POLICY, sent(chosen!(referrer_policy))),
        (PERMISSIONS_POLICY, sent(chosen!(permissions_policy))),
        (OPENER_POLICY, sent(chosen!(cross_origin_opener_policy))),
        (RESOURCE_POLICY, sent(chosen!(cross_origin_resource_policy))),
    ];
    Some(SecurityHeaders {
        upstream: *chosen!(upstream),
        always: all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        strict_transport_security: sent(chosen!(strict_transport_security)),
    })
}

/// What the part says, or where it says nothing, the whole.
fn chosen<'s, T>(whole: &'s Setting<T>, part: Option<&'s Setting<T>>) -> Option<&'s T> {
    part.filter(|part| !part.is_left_out()).unwrap_or(whole).value()
}

/// The value as it is sent; none for `off`. What the settings let through can stand in a header.
fn sent<T: Text>(value: &T) -> Option<HeaderValue> {
    HeaderValue::try_from(value.text()).ok().filter(|value| value != OFF)
}
