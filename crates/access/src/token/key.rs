//! Keys that verify and keys that sign, each bound to one algorithm.
//!
//! A key of ours is named by its thumbprint (RFC 7638), so that a name cannot stand for two keys. Read next:
//! [`super::jwk`] for the text of public keys.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use aws_lc_rs::{agreement, hmac, rand};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Algorithm, KeyKind, jwk, rsa};

/// Shortest secret of HS256, in bytes: as long as the hash (RFC 7518 §3.2). A shorter one can be guessed offline by
/// everybody who holds a token.
pub const SHARED_BYTES_MIN: usize = 32;

/// Longest name of a key, in bytes.
const KEY_ID_BYTES_MAX: usize = 256;

/// Why something cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyProblem {
    /// The bytes are no key of that algorithm: wrong length, a point that is not on the curve, a number out of range.
    #[error("the key is no key of that algorithm")]
    Material,
    /// An RSA key that is too short, has a small exponent or is known to be factored.
    #[error(
        "the rsa key is too weak: it needs 2048 bits, an exponent above 65536, and another maker than CVE-2017-15361's"
    )]
    Weak,
    /// A secret that is shorter than the algorithm's hash, or that nobody drew at random.
    #[error("the shared secret is too weak: draw at least 32 bytes at random (48 for HS384, 64 for HS512)")]
    WeakSecret,
    /// We do not sign with that algorithm.
    #[error("tokens are signed with EdDSA or ES256; others are only verified")]
    NotForSigning,
    /// The name of the key is empty or too long.
    #[error("a key's `kid` has 1 to 256 bytes")]
    Name,
    /// A JWK or a set of them is malformed; holds what about it.
    #[error("the json web key is not acceptable: {0}")]
    Jwk(&'static str),
}

/// A key that tells whether a signature is good, by one algorithm only.
pub struct VerificationKey {
    id: Box<str>,
    algorithm: Algorithm,
    material: Material,
}

enum Material {
    Public { parsed: ParsedPublicKey, parts: PublicParts },
    Shared(Box<hmac::Key>),
}

/// A public key as a JWK carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PublicParts {
    Okp { x: Vec<u8> },
    Ec { x: Vec<u8>, y: Vec<u8> },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl VerificationKey {
    /// A public key under the name that `kid` will call it by.
    pub(super) fn public(id: &str, algorithm: Algorithm, parts: PublicParts) -> Result<Self, KeyProblem> {
        check_id(id)?;
        let parsed = match (&parts, algorithm.kind()) {
            (PublicParts::Okp { x }, KeyKind::Okp) if x.len() == 32 => parse(&ED25519, x)?,
            (PublicParts::Ec { x, y }, KeyKind::Ec) if x.len() == 32 && y.len() == 32 => {
                // SEC 1 §2.3.3: an uncompressed point. Whether it is on the curve is for the library to say.
                parse(&ECDSA_P256_SHA256_FIXED, &[&[4], x.as_slice(), y.as_slice()].concat())?
            }
            (PublicParts::Rsa { n, e }, KeyKind::Rsa) => {
                if !rsa::is_sound(n, e) {
                    return Err(KeyProblem::Weak);
                }
                let parameters = rsa_parameters(algorithm).ok_or(KeyProblem::Material)?;
                let components = RsaPublicKeyComponents { n, e };
                components.to_parsed_public_key(parameters).map_err(|_| KeyProblem::Material)?
            }
            _ => return Err(KeyProblem::Material),
        };
        Ok(Self { id: id.into(), algorithm, material: Material::Public { parsed, parts } })
    }

    /// A secret that the other side holds too, under the name that `kid` will call it by.
    pub(super) fn shared(id: &str, algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyProblem> {
        check_id(id)?;
        let (hash, bytes_min) = match algorithm {
            Algorithm::Hs256 => (hmac::HMAC_SHA256, SHARED_BYTES_MIN),
            Algorithm::Hs384 => (hmac::HMAC_SHA384, 48),
            Algorithm::Hs512 => (hmac::HMAC_SHA512, 64),
            _ => return Err(KeyProblem::Material),
        };
        if secret.len() < bytes_min {
            return Err(KeyProblem::WeakSecret);
        }
        let key = Box::new(hmac::Key::new(hash, secret));
        Ok(Self { id: id.into(), algorithm, material: Material::Shared(key) })
    }

    /// Its name, the `kid` of tokens.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The one algorithm that it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What a JWK says of it; nothing of a shared secret, which leaves the house in no form.
    pub(super) fn parts(&self) -> Option<&PublicParts> {
        match &self.material {
            Material::Public { parts, .. } => Some(parts),
            Material::Shared(_) => None,
        }
    }

    /// Whether the signature is this key's. An HMAC is compared in constant time.
    pub(super) fn is_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public { parsed, .. } => parsed.verify_sig(message, signature).is_ok(),
            Material::Shared(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }

    /// Makes an HMAC; `None` of a public key.
    pub(super) fn authenticate(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.material {
            Material::Public { .. } => None,
            Material::Shared(key) => Some(hmac::sign(key, message).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("VerificationKey");
        shown.field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

fn check_id(id: &str) -> Result<(), KeyProblem> {
    if id.is_empty() || id.len() > KEY_ID_BYTES_MAX { Err(KeyProblem::Name) } else { Ok(()) }
}

fn parse(algorithm: &'static dyn VerificationAlgorithm, bytes: &[u8]) -> Result<ParsedPublicKey, KeyProblem> {
    ParsedPublicKey::new(algorithm, bytes).map_err(|_| KeyProblem::Material)
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// A private key of ours. Debug output does not show it.
pub struct SigningKey {
    algorithm: Algorithm,
    pair: Pair,
    secret: Zeroizing<[u8; 32]>,
    id: Box<str>,
    parts: PublicParts,
}

enum Pair {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
}

impl SigningKey {
    /// The key of 256 secret bits, which must come from a generator fit for keys, or from [`SigningKey::secret`]. For
    /// ES256 one text of 2^32 is no key; draw again.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8; 32]) -> Result<Self, KeyProblem> {
        let (pair, parts) = match algorithm {
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_seed_unchecked(secret).map_err(|_| KeyProblem::Material)?;
                let parts = PublicParts::Okp { x: pair.public_key().as_ref().to_vec() };
                (Pair::EdDsa(pair), parts)
            }
            Algorithm::Es256 => es256(secret).ok_or(KeyProblem::Material)?,
            _ => return Err(KeyProblem::NotForSigning),
        };
        let id = jwk::thumbprint(&parts).into();
        Ok(Self { algorithm, pair, secret: Zeroizing::new(*secret), id, parts })
    }

    /// Its name, the `kid` of the tokens that it signs.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The one algorithm that it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The secret itself, to be sealed and stored.
    pub fn secret(&self) -> &Zeroizing<[u8; 32]> {
        &self.secret
    }

    /// The key that verifies what this one signs.
    pub fn verification_key(&self) -> Result<VerificationKey, KeyProblem> {
        VerificationKey::public(&self.id, self.algorithm, self.parts.clone())
    }

    /// Signs; `None` when the library has no randomness or memory left.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::EdDsa(pair) => pair.try_sign(message).ok().map(|signature| signature.as_ref().to_vec()),
            Pair::Es256(pair) => {
                let signature = pair.sign(&rand::SystemRandom::new(), message).ok()?;
                Some(signature.as_ref().to_vec())
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SigningKey");
        shown.field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// The pair of a private number. The library computes the public point only for key agreement, so it is asked there.
fn es256(secret: &[u8; 32]) -> Option<(Pair, PublicParts)> {
    let private = agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, secret).ok()?;
    let point = private.compute_public_key().ok()?;
    let pair = EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        secret,
        point.as_ref(),
    );
    let (x, y) = point.as_ref().strip_prefix(&[4])?.split_at_checked(32)?;
    Some((Pair::Es256(pair.ok()?), PublicParts::Ec { x: x.to_vec(), y: y.to_vec() }))
}
