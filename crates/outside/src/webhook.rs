//! Webhooks: a message is posted to a URL, signed as the Standard Webhooks specification says (version 1a).
//!
//! The signature is HMAC-SHA256 over `id.timestamp.body`, and stands in `webhook-signature` as `v1,` and base64; `webhook-id` and
//! `webhook-timestamp` (seconds) stand beside it. A receiver that remembers ids and looks at the time finds out repeats.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use jiff::Timestamp;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::egress::{Egress, NotSent};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What secrets begin with as they are written down.
const SECRET_PREFIX: &str = "whsec_";
/// Bytes of a secret, as the specification bounds them.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret that both sides know. Not shown by `Debug`.
pub struct WebhookSecret(hmac::Key);

/// Why a text is no secret of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a webhook's secret is `whsec_` and 24 to 64 bytes in base64")]
pub struct NotASecret;

impl WebhookSecret {
    /// Reads a secret as it is written down: `whsec_` and 24 to 64 bytes in base64.
    pub fn parse(text: &str) -> Result<Self, NotASecret> {
        let encoded = text.trim().strip_prefix(SECRET_PREFIX).ok_or(NotASecret)?;
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(encoded).map_err(|_| NotASecret)?);
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err(NotASecret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of `webhook-signature`.
    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mut signing = hmac::Context::with_key(&self.0);
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            signing.update(part);
        }
        format!("v1,{}", BASE64_STANDARD.encode(signing.sign()))
    }
}

/// Where messages go.
pub struct Webhook {
    egress: Egress,
    url: Uri,
    secret: Option<WebhookSecret>,
}

/// Why a message was not delivered. It may have been, when the answer was lost.
#[derive(Debug, Error)]
pub enum NotDelivered {
    /// There was no answer.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// The other side did not take it.
    #[error("`{host}` answered {status}")]
    NotTaken {
        /// Who.
        host: String,
        /// How.
        status: StatusCode,
    },
    /// The id of the message cannot stand in a header.
    #[error("the message's id has characters that no header holds")]
    BadId,
}

impl Webhook {
    /// Messages to `url`, signed when there is a secret.
    pub fn new(egress: Egress, url: Uri, secret: Option<WebhookSecret>) -> Self {
        Self { egress, url, secret }
    }

    /// Delivers a message. `id` names it: the same when it is sent again.
    ///
    /// # Errors
    /// When the other side did not answer with a status of 2xx.
    pub async fn deliver(
        &self,
        id: &str,
        now: Timestamp,
        media_type: &'static str,
        body: Bytes,
    ) -> Result<(), NotDelivered> {
        let timestamp = now.as_second().to_string();
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| NotDelivered::BadId);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("portcullis"));
        headers.insert(ID, value(id)?);
        if let Some(secret) = &self.secret {
            let mut signature = value(&secret.sign(id, &timestamp, &body))?;
            signature.set_sensitive(true);
            headers.insert(SIGNATURE, signature);
        }
        headers.insert(TIMESTAMP, value(&timestamp)?);
        let answer = self.egress.post(&self.url, headers, body).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let host = self.url.host().unwrap_or_default().to_owned();
        Err(NotDelivered::NotTaken { host, status: answer.status })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with another implementation (Python's `hmac`): key bytes 0 to 23.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = format!("whsec_{}", BASE64_STANDARD.encode((0..24).collect::<Vec<u8>>()));
        let signed =
            WebhookSecret::parse(&secret).unwrap().sign("msg_1", "1614265330", b"{\"test\": 2432232314}");
        assert_eq!(signed, "v1,daJC9zjteVUEcGf6sESvuljSVDEsnQ3shawBrSwYgzU=");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let of = |bytes: usize| format!("whsec_{}", BASE64_STANDARD.encode(vec![7; bytes]));
        assert!(WebhookSecret::parse(&of(24)).is_ok() && WebhookSecret::parse(&of(64)).is_ok());
        for bad in [of(23), of(65), of(24).replace("whsec_", ""), "whsec_!".to_owned(), String::new()] {
            assert!(WebhookSecret::parse(&bad).is_err(), "{bad}");
        }
    }
}
