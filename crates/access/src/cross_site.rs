//! Cross-site requests: whose page sent a request that a browser has vouched for by itself.
//!
//! A browser adds cookies and certificates to what it sends, whoever's page has asked for it. So such a credential says
//! whose browser it is and not what its user wanted: a form on a page of anybody's acts in the user's name. An API
//! key is nothing that a browser adds, and is not judged here. Nor are the methods that change nothing: an answer is kept
//! from pages of others by the browser itself (CORS).

use thiserror::Error;

use crate::origin::{Origin, WebScheme};

/// What a browser says of the page that asks, once for each line of the field; programs say nothing.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// `Origin` (RFC 6454). Browsers send it with every method that may change something.
    pub origins: &'a [&'a str],
    /// `Sec-Fetch-Site` (W3C Fetch Metadata §2.3).
    pub sites: &'a [&'a str],
}

/// Why a request is not taken for what its user wanted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Foreign {
    /// `Origin` names another page, or none that has a name.
    #[error("a page of `{0}` asks with what the browser adds by itself")]
    Origin(String),
    /// `Origin` says nothing, and the browser says that the page is another site's.
    #[error("a page of another site (`Sec-Fetch-Site: {0}`) asks with what the browser adds by itself")]
    Site(String),
    /// There are two origins, and nobody can say which is meant.
    #[error("there is more than one `Origin`")]
    Origins,
}

/// Judges a request that may change something, for `host` over `scheme`. Pages of the same origin pass, and those of
/// origins that are `trusted` with credentials; so does what names no page, because every browser names one.
pub fn judge(
    page: Page<'_>,
    host: &str,
    scheme: WebScheme,
    trusted: impl Fn(&str) -> bool,
) -> Result<(), Foreign> {
    // `none` is the user's own hand: the address line, a bookmark.
    let foreign = page.sites.iter().find(|site| !matches!(**site, "same-origin" | "none"));
    match (page.origins, foreign) {
        ([_, _, ..], _) => Err(Foreign::Origins),
        ([origin], _) if trusted(origin) => Ok(()),
        // A page that tells nobody where it leads from (`Referrer-Policy: no-referrer`) hides its origin from itself too
        // (Fetch §3.2). Of an origin that is none, such as a sandbox, browsers say `cross-site`.
        (["null"], None) if page.sites == ["same-origin"] => Ok(()),
        // Both must agree: what a redirect has led through another site keeps its origin in some browsers.
        ([origin], None) if Origin::parse(origin).is_ok_and(|origin| origin.is_of(host, scheme)) => Ok(()),
        ([origin], None) => Err(Foreign::Origin((*origin).to_owned())),
        ([], None) => Ok(()),
        (_, Some(site)) => Err(Foreign::Site((*site).to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(origins: &[&str], sites: &[&str], passes: bool) {
        let trusted = |origin: &str| origin == "https://friend.test";
        let judged = judge(Page { origins, sites }, "shop.test", WebScheme::Https, trusted);
        assert_eq!(judged.is_ok(), passes, "{origins:?} {sites:?}: {judged:?}");
    }

    #[test]
    fn pages_of_others_do_not_ride_on_what_a_browser_adds() {
        // Programs.
        check(&[], &[], true);
        // Our own pages, and the user's own hand.
        for sites in [&[][..], &["same-origin"], &["none"]] {
            check(&["https://shop.test"], sites, true);
            check(&["https://shop.test:443"], sites, true);
            check(&[], sites, true);
        }
        // Pages of others, whichever of the two says so.
        for origin in [
            "https://evil.test",
            "https://shop.test.evil.test",
            "https://www.shop.test",
            "https://shop.test:8443",
            "http://shop.test",
            "",
            "https://friend.test.evil.test",
        ] {
            for sites in [&[][..], &["cross-site"], &["same-origin"]] {
                check(&[origin], sites, false);
            }
        }
        for site in ["cross-site", "same-site", "", "Same-Origin", "sideways"] {
            check(&[], &[site], false);
            check(&["https://shop.test"], &[site], false);
            check(&[], &["same-origin", site], false);
        }
        // A page that hides where it leads from, and the same said of another's, of nobody's, or by no browser.
        check(&["null"], &["same-origin"], true);
        for sites in [&[][..], &["none"], &["cross-site"], &["same-site"], &["same-origin", "cross-site"]] {
            check(&["null"], sites, false);
        }
        check(&["null", "null"], &["same-origin"], false);
        check(&["NULL"], &["same-origin"], false);
        // Those that the operator trusts are of another site by nature.
        for site in ["cross-site", "same-site"] {
            check(&["https://friend.test"], &[site], true);
        }
        check(&["https://friend.test"], &[], true);
        check(&["https://friend.test", "https://friend.test"], &[], false);
        check(&["https://shop.test", "https://evil.test"], &["same-origin"], false);
    }
}
