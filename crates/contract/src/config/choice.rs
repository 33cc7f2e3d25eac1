//! Settings with a few words to choose from. The words are the ones that the reference and the schema list.

use serde_json::{Value, json};

use super::kind::{Text, Wrong};
use super::nearest;
use crate::diagnostic::quoted;
use crate::snapshot::{LimitBy, LogForm, Mode, OnError, OverLimit, RouteKind};

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
    RouteKind { Api = "api", Page = "page" }
    LimitBy { AddressAndRoute = "address_and_route", Address = "address", ApiKey = "api_key" }
    OverLimit { Deny = "deny", Pass = "pass" }
    OnError { Deny = "deny", Allow = "allow" }
}

fn not_among<T: Text>(text: &str, words: &[&str]) -> Wrong {
    let wrong = Wrong::new(format!("expected {}, found {}", T::NAME, quoted(text)));
    match nearest::to(text, words.iter().copied()) {
        Some(near) => wrong.help(format!("did you mean \"{near}\"?")),
        None => wrong,
    }
}
