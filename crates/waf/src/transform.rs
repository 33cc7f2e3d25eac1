//! Transformations: what `t:…` does to a value before an operator sees it.
//!
//! One file each, which says what it does, with an example that a test holds it to. All take bytes and give bytes, never
//! fail and never grow a value more than sixfold. Where ModSecurity 3, ModSecurity 2 and Coraza differ, the file says
//! whom we follow; where one of them loses bytes or reads beyond the end, we do neither.
//!
//! [`Transformation::triggers`] is a promise that lets an engine skip most calls: a value without any of these bytes
//! comes out unchanged.

use std::borrow::Cow;

use crate::ByteSet;

mod base64_decode;
mod base64_decode_ext;
mod base64_encode;
mod best_fit;
mod cmd_line;
mod compress_whitespace;
mod css_decode;
mod digits;
mod escape_seq_decode;
mod hex_decode;
mod hex_encode;
mod html_entity_decode;
mod js_decode;
mod length;
mod lowercase;
mod md5;
mod none;
mod normalize_path;
mod normalize_path_win;
mod parity_even_7bit;
mod parity_odd_7bit;
mod parity_zero_7bit;
mod remove_comments;
mod remove_comments_char;
mod remove_nulls;
mod remove_whitespace;
mod replace_comments;
mod replace_nulls;
mod rewrite;
mod sha1;
mod sql_hex_decode;
#[cfg(test)]
mod tests;
mod trim;
mod trim_left;
mod trim_right;
mod uppercase;
mod url_decode;
mod url_decode_uni;
mod url_encode;
mod utf8_to_unicode;

/// What is known of one transformation; the file of each holds one.
#[derive(Debug)]
struct About {
    /// As rules write it, in any case of letters; the first is its own name, the others are older ones.
    names: &'static [&'static str],
    /// What it does, in a sentence.
    what: &'static str,
    /// A value before and after.
    example: (&'static [u8], &'static [u8]),
    /// The bytes without which it changes nothing. None when it changes even a value without bytes.
    triggers: Option<ByteSet>,
    /// Does it. Gives the input itself when nothing changes.
    apply: fn(&[u8]) -> Cow<'_, [u8]>,
}

pub(crate) use digits::{hex_byte, hex_word};

macro_rules! transformations {
    ($($variant:ident => $module:ident,)*) => {
        /// A transformation, by the name that rules give it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Transformation {
            $(
                #[doc = concat!("See the file `transform/", stringify!($module), ".rs`.")]
                $variant,
            )*
        }

        impl Transformation {
            /// All there are, in the order of their names.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            fn about(self) -> &'static About {
                match self {
                    $(Self::$variant => &$module::ABOUT,)*
                }
            }
        }
    };
}

transformations! {
    Base64Decode => base64_decode,
    Base64DecodeExt => base64_decode_ext,
    Base64Encode => base64_encode,
    CmdLine => cmd_line,
    CompressWhitespace => compress_whitespace,
    CssDecode => css_decode,
    EscapeSeqDecode => escape_seq_decode,
    HexDecode => hex_decode,
    HexEncode => hex_encode,
    HtmlEntityDecode => html_entity_decode,
    JsDecode => js_decode,
    Length => length,
    Lowercase => lowercase,
    Md5 => md5,
    None => none,
    NormalizePath => normalize_path,
    NormalizePathWin => normalize_path_win,
    ParityEven7bit => parity_even_7bit,
    ParityOdd7bit => parity_odd_7bit,
    ParityZero7bit => parity_zero_7bit,
    RemoveComments => remove_comments,
    RemoveCommentsChar => remove_comments_char,
    RemoveNulls => remove_nulls,
    RemoveWhitespace => remove_whitespace,
    ReplaceComments => replace_comments,
    ReplaceNulls => replace_nulls,
    Sha1 => sha1,
    SqlHexDecode => sql_hex_decode,
    Trim => trim,
    TrimLeft => trim_left,
    TrimRight => trim_right,
    Uppercase => uppercase,
    UrlDecode => url_decode,
    UrlDecodeUni => url_decode_uni,
    UrlEncode => url_encode,
    Utf8ToUnicode => utf8_to_unicode,
}

impl Transformation {
    /// The transformation that rules call `name`, in any case of letters.
    pub fn named(name: &str) -> Option<Self> {
        let is_called = |one: &&Self| one.about().names.iter().any(|known| known.eq_ignore_ascii_case(name));
        Self::ALL.iter().find(is_called).copied()
    }

    /// Its name as ModSecurity's manual writes it.
    pub fn name(self) -> &'static str {
        self.about().names.first().copied().unwrap_or_default()
    }

    /// What it does, in a sentence.
    pub fn what(self) -> &'static str {
        self.about().what
    }

    /// A value before and after.
    pub fn example(self) -> (&'static [u8], &'static [u8]) {
        self.about().example
    }

    /// The bytes without which it changes nothing; `None` when it can change a value that has no byte at all.
    pub fn triggers(self) -> Option<ByteSet> {
        self.about().triggers
    }

    /// The transformed value: `input` itself, borrowed, when nothing changes.
    pub fn apply(self, input: &[u8]) -> Cow<'_, [u8]> {
        (self.about().apply)(input)
    }
}
