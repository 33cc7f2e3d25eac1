//! Which RSA keys of others are too weak to believe. We make none ourselves.

/// Shortest modulus accepted, in bits (NIST SP 800-131A: shorter ones are disallowed).
const MODULUS_BITS_MIN: usize = 2048;

/// Longest modulus accepted, in bits: what the library verifies with.
const MODULUS_BITS_MAX: usize = 8192;

/// The primes below 168 but 2, which no modulus has.
const SMALL_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a public key, two big-endian numbers without leading zeros, is one that can be believed.
pub(super) fn is_sound(modulus: &[u8], exponent: &[u8]) -> bool {
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let has_no_zeros = |number: &[u8]| number.first().is_some_and(|first| *first != 0);
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    has_no_zeros(modulus)
        && has_no_zeros(exponent)
        && (MODULUS_BITS_MIN..=MODULUS_BITS_MAX).contains(&bits)
        && is_odd(modulus)
        && is_odd(exponent)
        // FIPS 186-5 §5.1: above 2^16. Below, a lax verifier of PKCS #1 v1.5 can be forged to, and 1 signs everything.
        // Four bytes are more than anybody uses; the library would refuse a long one later.
        && (3..=4).contains(&exponent.len())
        && !is_roca(modulus)
}

/// Whether the modulus has the mark of a maker of smart cards whose keys can be factored (CVE-2017-15361): it is a
/// power of 65537 modulo every small prime. By chance one modulus of 2^27 has it.
fn is_roca(modulus: &[u8]) -> bool {
    SMALL_PRIMES.into_iter().all(|prime| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let generator = 65537 % prime;
        // The powers of the generator come round after at most `prime - 1` steps.
        let powers = std::iter::successors(Some(1 % prime), |power| Some(power * generator % prime));
        powers.take(prime as usize).any(|power| power == rest)
    })
}
