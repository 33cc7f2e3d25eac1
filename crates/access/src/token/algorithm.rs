//! The algorithms that a key can be bound to. There is no `none`, and no name is a variable part of another.

/// How tokens are signed (RFC 7518 §3.1, RFC 8037 §3.1).
///
/// We sign with [`Algorithm::EdDsa`] by default and [`Algorithm::Es256`] for peers that know no other, and with
/// [`Algorithm::Hs256`] for an application that shares a secret already. The others are only verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// RSA, PKCS #1 v1.5, with SHA-256.
    Rs256,
    /// RSA, PKCS #1 v1.5, with SHA-384.
    Rs384,
    /// RSA, PKCS #1 v1.5, with SHA-512.
    Rs512,
    /// RSA, PSS, with SHA-256.
    Ps256,
    /// RSA, PSS, with SHA-384.
    Ps384,
    /// RSA, PSS, with SHA-512.
    Ps512,
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

/// What kind of key an algorithm needs: the `kty` of a JWK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// `OKP`: Ed25519.
    Okp,
    /// `EC`: P-256.
    Ec,
    /// `RSA`.
    Rsa,
    /// `oct`: a secret that both sides hold.
    Shared,
}

const ALL: [Algorithm; 11] = [
    Algorithm::EdDsa,
    Algorithm::Es256,
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Hs256,
    Algorithm::Hs384,
    Algorithm::Hs512,
];

impl Algorithm {
    /// The algorithm of that name, which is compared byte by byte: `NONE` and `hs256` are no names.
    pub fn parse(name: &str) -> Option<Self> {
        ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Its name in `alg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// The kind of its keys.
    pub fn kind(self) -> KeyKind {
        match self {
            Self::EdDsa => KeyKind::Okp,
            Self::Es256 => KeyKind::Ec,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyKind::Rsa,
            Self::Hs256 | Self::Hs384 | Self::Hs512 => KeyKind::Shared,
        }
    }
}

impl KeyKind {
    /// Its name in `kty`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Okp => "OKP",
            Self::Ec => "EC",
            Self::Rsa => "RSA",
            Self::Shared => "oct",
        }
    }
}
