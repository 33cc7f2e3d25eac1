//! What holds for all transformations, and tables for each.

use proptest::prelude::*;

use super::*;

fn check(name: &str, cases: &[(&[u8], &[u8])]) {
    let transformation = Transformation::named(name).unwrap();
    for (before, after) in cases {
        let result = transformation.apply(before);
        assert_eq!(
            result.escape_ascii().to_string(),
            after.escape_ascii().to_string(),
            "{name} of {}",
            before.escape_ascii()
        );
        assert_eq!(matches!(result, Cow::Borrowed(_)), before == after || is_cut(transformation), "{name}");
    }
}

/// Gives a part of its input, so that there is never anything to allocate.
fn is_cut(transformation: Transformation) -> bool {
    matches!(transformation, Transformation::Trim | Transformation::TrimLeft | Transformation::TrimRight)
}

#[test]
fn every_transformation_does_what_its_example_says() {
    for transformation in Transformation::ALL {
        let (before, after) = transformation.example();
        check(transformation.name(), &[(before, after)]);
        assert!(!transformation.what().is_empty());
    }
}

#[test]
fn names_are_known_in_any_case_of_letters_and_are_unique() {
    assert_eq!(Transformation::named("URLDECODEUNI"), Some(Transformation::UrlDecodeUni));
    assert_eq!(Transformation::named("normalisePath"), Some(Transformation::NormalizePath));
    assert_eq!(Transformation::named("normalisePathwin"), Some(Transformation::NormalizePathWin));
    assert_eq!(Transformation::named("urlDecodeUn"), None);
    assert_eq!(Transformation::named(""), None);
    for transformation in Transformation::ALL {
        assert_eq!(Transformation::named(transformation.name()), Some(*transformation));
    }
}

#[test]
fn url_escapes() {
    let shared: &[(&[u8], &[u8])] = &[
        (b"", b""),
        (b"plain", b"plain"),
        (b"a+b%20c", b"a b c"),
        (b"%3c%3C%00", b"<<\0"),
        (b"%", b"%"),
        (b"%4", b"%4"),
        (b"%zz%0g%g0", b"%zz%0g%g0"),
        (b"%%41", b"%A"),
        (b"%2541", b"%41"),
        (b"\xff%ff", b"\xff\xff"),
    ];
    check("urlDecode", shared);
    check("urlDecodeUni", shared);
    check("urlDecode", &[(b"%u0041", b"%u0041")]);
    check(
        "urlDecodeUni",
        &[
            (b"%u0041%U0042", b"AB"),
            (b"%uff1cscript%uFF1e%uff1f", b"<script>?"),
            (b"%u00e9%u2039%u201c", b"e<\""),
            // Nothing that code page 20127 knows: the lower byte.
            (b"%u1141%u00a3%u0430", b"A\xa30"),
            (b"%uff00%uff5f", b"\0_"),
            (b"%u%u004%u00g1%u0041", b"%u%u004%u00g1A"),
            // `utf8toUnicode` writes five digits for what lies beyond U+FFFF.
            (b"%u1f600", b"`0"),
            (b"%u12", b"%u12"),
        ],
    );
    check("urlEncode", &[(b"", b""), (b"aZ09*", b"aZ09*"), (b"-_.~ /\xff\0", b"%2d%5f%2e%7e+%2f%ff%00")]);
}

#[test]
fn entities_of_html() {
    check(
        "htmlEntityDecode",
        &[
            (b"&lt;&LT;&Gt&quot;&amp;&nbsp;", b"<<>\"&\xa0"),
            (b"&#60;&#060&#x3c;&#X3C&#0;", b"<<<<\0"),
            (b"&#x13c;&#316;", b"<<"),
            (b"&#99999999999999999999;&#xffffffffffffffffffff;", b"\xff\xff"),
            (b"&", b"&"),
            (b"&#", b"&#"),
            (b"&#x", b"&#x"),
            (b"&#xg;&#g;&;", b"&#xg;&#g;&;"),
            (b"&copy;&ltx;&lt1", b"&copy;&ltx;&lt1"),
            (b"&#&lt;&&gt", b"&#<&>"),
            (b"&amp;lt;", b"&lt;"),
        ],
    );
}

#[test]
fn escapes_of_javascript() {
    check(
        "jsDecode",
        &[
            (br"\u0041\u1142\uff1C\uFF5E\uff00", b"AB<~\0"),
            (br"\x41\x4", b"Ax4"),
            (br"\X41\u004\u", b"X41u004u"),
            (br"\101\60\7\08\400\377\3770", b"A0\x07\x008 0\xff\xff0"),
            (br#"\a\b\f\n\r\t\v\?\\\'\""#, b"\x07\x08\x0c\n\r\t\x0b?\\'\""),
            (b"a\\", b"a\\"),
            (b"\\\0\\\xff", b"\0\xff"),
        ],
    );
}

#[test]
fn escapes_of_css() {
    check(
        "cssDecode",
        &[
            (br"\6\61\061\0061\00061\000061", b"\x06aaaaa"),
            (br"\61 b\61  b\61b", b"aba b\x1b"),
            (b"\\61\tb\\61\nc\\61\x0bd", b"abacad"),
            (br"\ff41\0ff41\00ff41\1ff41\10ff41", b"aaaAA"),
            (br"\00006134", b"a34"),
            (b"a\\\nb\\", b"ab"),
            (br"\g\\\:", br"g\:"),
            (b"\\61\0\\62", b"a\0b"),
        ],
    );
}

#[test]
fn escapes_of_c() {
    check(
        "escapeSeqDecode",
        &[
            (br"\x41\X42\x4\x\q", b"ABx4xq"),
            (br"\101\60\7\777\08", b"A0\x07\xff\x008"),
            (br#"\a\b\f\n\r\t\v\?\\\'\""#, b"\x07\x08\x0c\n\r\t\x0b?\\'\""),
            (b"a\\", b"a\\"),
        ],
    );
}

#[test]
fn characters_beyond_ascii_are_written_in_hexadecimal() {
    check(
        "utf8toUnicode",
        &[
            (
                "\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}".as_bytes(),
                b"%u0080%u07ff%u0800%uffff%u10000%u10ffff",
            ),
            // Overlong, and a surrogate: decoded, and marked by the first byte.
            (
                b"\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf\xed\xa0\x80",
                b"%u002f\xc0%u002f\xe0%u002f\xf0%ud800\xed",
            ),
            // No UTF-8.
            (b"\x80\xbf\xf8\xff", b"\x80\xbf\xf8\xff"),
            (b"\xf5\xf7", b"\xf5\xf7"),
            (b"\xf5\x80\x80\x80", b"\xf5%u140000"),
            // Broken off.
            (b"\xc3", b""),
            (b"a\xe2\x82b\xf0\x9f\x98", b"a\x82b\x9f\x98"),
            (b"a\0b", b"ab"),
        ],
    );
}

#[test]
fn spaces_and_nulls() {
    check("trim", &[(b" \t\n\x0b\x0c\ra b\xa0 \n", b"a b\xa0"), (b"  ", b"")]);
    check("trimLeft", &[(b" a ", b"a "), (b"", b"")]);
    check("trimRight", &[(b" a ", b" a"), (b"\n", b"")]);
    check("compressWhitespace", &[(b" ", b" "), (b"a \x0b\x0cb\tc", b"a b c"), (b"\xa0\xa0", b"\xa0\xa0")]);
    check(
        "removeWhitespace",
        &[(b" a\x0bb\xa0c\xc2\xa0d\xc2", b"abcd"), (b"\xc3\xa0", b"\xc3"), (b"\xc2\xa1", b"\xa1")],
    );
    check("removeNulls", &[(b"\0a\0\0b\0", b"ab"), (b"\0", b"")]);
    check("replaceNulls", &[(b"\0a\0\0b\0", b" a  b ")]);
}

#[test]
fn comments() {
    check(
        "replaceComments",
        &[(b"/**/a/*/b*/c*/", b" a c*/"), (b"a/*", b"a "), (b"a/", b"a/"), (b"/* /* */ */", b"  */")],
    );
    check(
        "removeComments",
        &[
            (b"a/*b*/c", b"ac"),
            (b"a<!--b-->c", b"ac"),
            (b"a<!--b*/c", b"ac"),
            (b"a/*b", b"a "),
            (b"a/*b*/", b"a"),
            (b"a--b", b"a"),
            (b"a#b", b"a"),
            // The byte right after a comment is not looked at.
            (b"/**/#a", b"#a"),
            (b"/a<!-b-c", b"/a<!-b-c"),
        ],
    );
    check(
        "removeCommentsChar",
        &[
            (b"/*a*/<!--b-->c--d#e", b"abcde"),
            (b"//**", b"/*"),
            (b"---->", b""),
            (b"/ * <!- - >", b"/ * <!- - >"),
        ],
    );
}

#[test]
fn shell_commands() {
    check(
        "cmdLine",
        &[
            (b"C:\\^WINDOWS\\cmd.exe,;\t\r\n  /c (dir)", b"c:windowscmd.exe/c(dir)"),
            (b" /", b"/"),
            (b"a \"'/b", b"a/b"),
            (b"a\x0bb\xc3\x84", b"a\x0bb\xc3\x84"),
        ],
    );
}

#[test]
fn paths() {
    let cases: &[(&[u8], &[u8])] = &[
        (b"", b""),
        (b"/", b"/"),
        (b"//", b"/"),
        (b".", b"."),
        (b"./", b""),
        (b"..", b".."),
        (b"./..", b".."),
        (b"../.", b".."),
        (b".././", b"../"),
        (b"../../", b"../../"),
        (b"a/..", b""),
        (b"a/../", b""),
        (b"/a/../", b"/"),
        (b"/..", b""),
        (b"/../../etc/./passwd", b"/etc/passwd"),
        (b"dir/../../foo", b"../foo"),
        (b"dir//.//..//.//..//..//foo//bar//", b"../../foo/bar/"),
        (b"/dir/./sub/../sub/../sub/../", b"/dir/"),
        (b"web.config..", b"web.config.."),
        (b"a/b../c", b"a/b../c"),
        (b"a/.../b", b"a/.../b"),
        (b"a\0/../b", b"b"),
    ];
    check("normalizePath", cases);
    check("normalizePathWin", cases);
    check("normalizePath", &[(b"\\a\\..\\b", b"\\a\\..\\b")]);
    check(
        "normalizePathWin",
        &[(b"\\a\\..\\b", b"/b"), (b"a\\b", b"a/b"), (b"..\\.\\x/..\\..\\", b"../../")],
    );
}

#[test]
fn base64_and_hexadecimal() {
    check(
        "base64Decode",
        &[
            (b"YWJj", b"abc"),
            (b"YWI=", b"ab"),
            (b"YQ==", b"a"),
            (b"YWI", b"ab"),
            (b"YQ", b"a"),
            (b"Y", b""),
            (b"YW\r\nJj", b"abc"),
            (b"YWJj!YWJj", b"abc"),
            (b"YWJj=YWJj", b"abc"),
            (b" YWJj", b""),
            (b"+/+/", b"\xfb\xff\xbf"),
            (b"-_-_", b""),
        ],
    );
    check("base64DecodeExt", &[(b" Y!W=J j-", b"abc"), (b"-_-_", b"\xfb\xff\xbf"), (b"!", b"")]);
    check(
        "base64Encode",
        &[(b"a", b"YQ=="), (b"ab", b"YWI="), (b"abc", b"YWJj"), (b"\xfb\xff\xbf", b"+/+/")],
    );
    check("hexDecode", &[(b"4a4B4", b"JK"), (b"zz", b"S"), (b"4", b"")]);
    check("hexEncode", &[(b"\x00\x9a\xff", b"009aff")]);
    check(
        "sqlHexDecode",
        &[
            (b"0x4142", b"AB"),
            (b"0X414", b"A4"),
            (b"00x41 ", b"0A "),
            (b"0x4g 0x", b"0x4g 0x"),
            (b"0x41x", b"Ax"),
            (b"0x410x42", b"AB"),
        ],
    );
}

#[test]
fn numbers_digests_and_parity() {
    check("length", &[(b"", b"0"), (&[0; 1234], b"1234")]);
    check("md5", &[(b"a", b"\x0c\xc1\x75\xb9\xc0\xf1\xb6\xa8\x31\xc3\x99\xe2\x69\x77\x26\x61")]);
    check(
        "sha1",
        &[(b"a", b"\x86\xf7\xe4\x37\xfa\xa5\xa7\xfc\xe1\x5d\x1d\xdc\xb9\xea\xea\xea\x37\x76\x67\xb8")],
    );
    check("parityEven7bit", &[(b"a\x81\x03\xe1", b"\xe1\x01\x03a")]);
    check("parityOdd7bit", &[(b"a\x81\x03", b"a\x81\x83")]);
    check("parityZero7bit", &[(b"a\x81", b"a\x01")]);
    check("lowercase", &[(b"aZ[@\xc4", b"az[@\xc4")]);
    check("uppercase", &[(b"aZ{`\xe4", b"AZ{`\xe4")]);
}

/// Bytes that are rich in what transformations look for.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::sample::select(b"%+&#;\\/*<!->.,\"'^ \t\n\0x0u1fFaZ(=\xa0\xc2\xe2\x82\xf0\xff".to_vec())
            .prop_map(|byte| vec![byte]),
        2 => any::<u8>().prop_map(|byte| vec![byte]),
        1 => proptest::sample::select(vec!["%u00", "&#x", "&lt", "\\x", "\\u", "/*", "*/", "<!--", "-->", "../", "0x"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn nothing_changes_without_a_trigger(value in value(), which in 0..Transformation::ALL.len()) {
        let transformation = Transformation::ALL[which];
        if let Some(triggers) = transformation.triggers() {
            let tame: Vec<u8> = value.into_iter().filter(|byte| !triggers.contains(*byte)).collect();
            let result = transformation.apply(&tame);
            prop_assert_eq!(&*result, &*tame);
            prop_assert!(matches!(result, Cow::Borrowed(_)));
        }
    }

    #[test]
    fn what_is_unchanged_is_borrowed_and_growth_is_bounded(
        value in value(), which in 0..Transformation::ALL.len(),
    ) {
        let transformation = Transformation::ALL[which];
        let result = transformation.apply(&value);
        prop_assert!(result.len() <= 6 * value.len() + 20, "{transformation:?}");
        if let Cow::Owned(changed) = &result {
            prop_assert_ne!(changed, &value, "{:?}", transformation);
        }
    }

    #[test]
    fn what_is_clean_stays_clean(value in value()) {
        use Transformation::*;
        for once in [
            Lowercase, Uppercase, RemoveNulls, ReplaceNulls, RemoveWhitespace, CompressWhitespace, Trim,
            NormalizePath, NormalizePathWin, ParityZero7bit, CmdLine,
        ] {
            let clean = once.apply(&value);
            prop_assert_eq!(once.apply(&clean), &*clean, "{:?}", once);
        }
    }

    #[test]
    fn encoders_and_decoders_are_each_others_inverse(value in proptest::collection::vec(any::<u8>(), 0..40)) {
        use Transformation::*;
        for (encode, decode) in [
            (Base64Encode, Base64Decode), (Base64Encode, Base64DecodeExt), (HexEncode, HexDecode),
            (UrlEncode, UrlDecode), (UrlEncode, UrlDecodeUni),
        ] {
            let encoded = encode.apply(&value);
            prop_assert_eq!(decode.apply(&encoded), &*value, "{:?}", decode);
        }
    }
}
