//! Settings with a few words to choose from. The words are the ones that the reference and the schema list.

use serde_json::{Value, json};

use super::kind::{Text, Wrong};
use super::nearest;
use crate::diagnostic::quoted;
use crate::snapshot::{
    AuditMode, Challenge, Dialect, ForwardedBy, LimitBy, LogForm, Mode, OnError, OverLimit, Priority,
    Protocol, ProxyProtocol, RouteKind, TlsVersion, TokenAlgorithm, UpstreamsOwn, WhenFull,
};

/// The modes that authentication has: it cannot be switched off as a whole, only route by route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthMode {
    Enforce,
    Observe,
}

impl From<AuthMode> for Mode {
    fn from(mode: AuthMode) -> Self {
        match mode {
            AuthMode::Enforce => Mode::Enforce,
            AuthMode::Observe => Mode::Observe,
        }
    }
}

/// A cipher suite, as IANA names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suite {
    Aes256Gcm,
    Aes128Gcm,
    ChaCha20,
    EcdsaAes256Gcm,
    EcdsaAes128Gcm,
    EcdsaChaCha20,
    RsaAes256Gcm,
    RsaAes128Gcm,
    RsaChaCha20,
}

/// What becomes of requests over plain HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpsMode {
    Auto,
    Redirect,
    Allow,
    Refuse,
}

/// Gives each enum its words; the text after `instead` helps those who wrote a word that one might expect here.
macro_rules! choices {
    ($(
        $choice:ident {
            $first:ident = $first_word:literal $(, $rest:ident = $rest_word:literal)*
            $(; instead of $expected:literal: $advice:literal)?
        }
    )+) => { $(
        impl Text for $choice {
            const NAME: &'static str = concat!("`", $first_word, "`" $(, " or `", $rest_word, "`")*);
            const LIKE: &'static str = concat!("\"", $first_word, "\"");

            fn parse(text: &str) -> Result<Self, Wrong> {
                match text {
                    $first_word => Ok(Self::$first),
                    $( $rest_word => Ok(Self::$rest), )*
                    $( $expected => Err(not_among::<Self>(text, &[]).help($advice)), )?
                    _ => Err(not_among::<Self>(text, &[$first_word $(, $rest_word)*])),
                }
            }

            fn text(&self) -> String {
                match self {
                    Self::$first => $first_word,
                    $( Self::$rest => $rest_word, )*
                }
                .to_owned()
            }

            fn schema() -> Value {
                json!({ "enum": [$first_word $(, $rest_word)*] })
            }
        }
    )+ };
}

choices! {
    LogForm { Auto = "auto", Json = "json", Text = "text" }
    AuthMode {
        Enforce = "enforce", Observe = "observe";
        instead of "off": "write \"observe\" to only record, or make single routes `public = true`"
    }
    Mode { Enforce = "enforce", Observe = "observe", Off = "off" }
    ForwardedBy {
        XForwardedFor = "x-forwarded-for", Forwarded = "forwarded";
        instead of "x-real-ip": "`X-Real-IP` holds one address, so nobody sees which proxies a request passed; \
            let the proxy send `X-Forwarded-For`"
    }
    ProxyProtocol {
        Off = "off", Required = "required";
        instead of "optional": "whoever may leave the header out may also forge it; write \"required\", and let \
            only proxies that send it connect"
    }
    AuditMode {
        Off = "off", After = "after", Answer = "answer", Before = "before";
        instead of "on": "write \"after\", or \"answer\" or \"before\" for requests whose record must be on the disk first"
    }
    WhenFull {
        Deny = "deny", Drop = "drop";
        instead of "block": "nobody waits for room: write \"deny\" to answer 503, or \"drop\" to go on without a record"
    }
    RouteKind { Api = "api", Page = "page" }
    Dialect { Nginx = "nginx", Caddy = "caddy", Traefik = "traefik" }
    TokenAlgorithm { EdDsa = "eddsa", Es256 = "es256" }
    Priority { High = "high", Normal = "normal", Low = "low" }
    LimitBy { AddressAndRoute = "address_and_route", Address = "address", ApiKey = "api_key" }
    OverLimit { Deny = "deny", Pass = "pass" }
    OnError { Deny = "deny", Allow = "allow" }
    Protocol { Auto = "auto", Http1 = "http/1.1", Http2 = "h2" }
    TlsVersion {
        Tls12 = "1.2", Tls13 = "1.3";
        instead of "1.1": "write \"1.2\": older versions are broken, and not spoken here"
    }
    Challenge {
        Http01 = "http-01", TlsAlpn01 = "tls-alpn-01";
        instead of "dns-01": "write \"tls-alpn-01\" or \"http-01\": proofs in the DNS are not offered"
    }
    Suite {
        Aes256Gcm = "TLS_AES_256_GCM_SHA384",
        Aes128Gcm = "TLS_AES_128_GCM_SHA256",
        ChaCha20 = "TLS_CHACHA20_POLY1305_SHA256",
        EcdsaAes256Gcm = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        EcdsaAes128Gcm = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        EcdsaChaCha20 = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        RsaAes256Gcm = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        RsaAes128Gcm = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        RsaChaCha20 = "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"
    }
    HttpsMode { Auto = "auto", Redirect = "redirect", Allow = "allow", Refuse = "refuse" }
    UpstreamsOwn { Keep = "keep", Replace = "replace" }
}

/// Gives each header that has a few words to choose from its words, as they are sent; `off` sends none.
macro_rules! header_words {
    ($( $header:ident { $($word:ident = $text:literal),+ } )+) => {
        $(
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub(crate) enum $header {
                $($word,)+
                Off,
            }
        )+

        choices! { $( $header { $($word = $text,)+ Off = "off" } )+ }
    };
}

header_words! {
    ContentTypeOptions { NoSniff = "nosniff" }
    FrameOptions { Deny = "DENY", SameOrigin = "SAMEORIGIN" }
    XssProtection { Zero = "0", Block = "1; mode=block" }
    Referrer {
        None = "no-referrer",
        NoneWhenDowngraded = "no-referrer-when-downgrade",
        Origin = "origin",
        OriginToOthers = "origin-when-cross-origin",
        SameOrigin = "same-origin",
        StrictOrigin = "strict-origin",
        StrictOriginToOthers = "strict-origin-when-cross-origin",
        UnsafeUrl = "unsafe-url"
    }
    CrossOriginOpener {
        SameOrigin = "same-origin",
        AllowPopups = "same-origin-allow-popups",
        NoOpenerAllowPopups = "noopener-allow-popups",
        UnsafeNone = "unsafe-none"
    }
    CrossOriginResource {
        SameOrigin = "same-origin",
        SameSite = "same-site",
        CrossOrigin = "cross-origin"
    }
}

fn not_among<T: Text>(text: &str, words: &[&str]) -> Wrong {
    let wrong = Wrong::new(format!("expected {}, found {}", T::NAME, quoted(text)));
    match nearest::to(text, words.iter().copied()) {
        Some(near) => wrong.help(format!("did you mean \"{near}\"?")),
        None => wrong,
    }
}
