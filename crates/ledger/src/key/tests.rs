//! Texts of keys: the specification's example, and what is refused.

use secrecy::{ExposeSecret as _, SecretString};

use super::*;

/// The example of c2sp.org/signed-note, "Verifier keys".
const VERIFIER: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

fn signer() -> SignerKey {
    SignerKey::from_seed(NoteKeyName::new("log.example/a").unwrap(), &[0x5a; 32]).unwrap()
}

#[test]
fn a_verifier_key_is_read_and_written() {
    let key: VerifierKey = VERIFIER.parse().unwrap();
    assert_eq!((key.name().as_str(), key.id().to_string().as_str()), ("example.com/foo", "530d903a"));
    assert_eq!(key.to_string(), VERIFIER);
}

#[test]
fn wrong_texts_of_keys_are_refused() {
    for (text, problem) in [
        ("", KeyError::Form),
        ("example.com/foo+530d903a", KeyError::Form),
        ("example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Form),
        ("example.com/foo++30d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Form),
        ("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k=", KeyError::Form),
        ("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n", KeyError::Form),
        ("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Id),
        ("example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Id),
        // Type 2, and 31 bytes.
        ("example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Type),
        ("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0=", KeyError::Type),
        ("example.com/foo+530d903a+", KeyError::Type),
        ("+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Name),
        ("example com+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyError::Name),
    ] {
        assert_eq!(text.parse::<VerifierKey>().unwrap_err(), problem, "{text}");
    }
}

#[test]
fn names_have_no_spaces_of_any_script() {
    for name in
        ["", " ", "a b", "a+b", "a\nb", "a\tb", "a\u{a0}b", "a\u{3000}b", "a\u{85}b", "a\u{2028}b", "\u{1}"]
    {
        assert_eq!(NoteKeyName::new(name), Err(KeyError::Name), "{name:?}");
    }
    for name in ["a", "example.com/log42", "žluťoučký.example", "—", "a/b:c=d"] {
        assert_eq!(NoteKeyName::new(name).unwrap().as_str(), name);
    }
}

#[test]
fn a_signer_key_is_kept_as_text_and_signs_as_before() {
    let key = signer();
    let text = key.text();
    assert!(text.expose_secret().starts_with("PRIVATE+KEY+log.example/a+"));
    let read = SignerKey::parse(&text).unwrap();
    let signature = read.sign("text\n").unwrap();
    assert!(key.verifier().unwrap().verifies("text\n", &signature));
    assert!(!key.verifier().unwrap().verifies("another\n", &signature));

    let parse = |text: String| SignerKey::parse(&SecretString::from(text)).unwrap_err();
    assert_eq!(parse(VERIFIER.to_owned()), KeyError::Form);
    assert_eq!(parse(text.expose_secret().replace("log.example/a", "log.example/b")), KeyError::Id);
    assert_eq!(
        parse(text.expose_secret().trim_end_matches(char::is_alphanumeric).to_owned()),
        KeyError::Type
    );
}

#[test]
fn a_signer_key_is_not_shown() {
    let key = signer();
    assert_eq!(format!("{key:?}"), format!("SignerKey(log.example/a+{})", key.id()));
    let text = key.text();
    let encoded = text.expose_secret().rsplit('+').next().unwrap();
    assert!(!format!("{key:?} {text:?}").contains(encoded));
}

/// The keys and the note of the documentation of Go's `golang.org/x/mod/sumdb/note`, which this form comes from.
#[test]
fn a_signer_key_of_another_program_signs_the_same() {
    let text = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let key = SignerKey::parse(&SecretString::from(text)).unwrap();
    assert_eq!(key.text().expose_secret(), text);
    let verifier = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(key.verifier().unwrap().to_string(), verifier);
    let message = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n";
    let line = "— PeterNeumann \
        x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    assert_eq!(key.sign(message).unwrap().to_string(), line);
}
