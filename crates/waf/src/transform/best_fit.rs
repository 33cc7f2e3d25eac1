//! What ASCII character a Unicode character comes nearest to: Microsoft's best fit for code page 20127 (US-ASCII).
//!
//! Servers on Windows fold such characters when they store text in an ASCII column or open a file, so that `%u2039` can
//! become the `<` that a filter looked for before. ModSecurity has the same table (`SecUnicodeMapFile … 20127`).

/// The nearest ASCII character, where the code page names one.
pub(super) fn best_fit(character: u16) -> Option<u8> {
    let run = RUNS.partition_point(|(first, _)| *first <= character).checked_sub(1)?;
    let (first, fits) = RUNS.get(run)?;
    fits.get(usize::from(character - first)).copied()
}

/// Characters in a row: the first one's number and what each becomes.
const RUNS: &[(u16, &[u8])] = &[
    (0x00a0, b" !c"),
    (0x00a4, b"$Y|"),
    (0x00a9, b"Ca<"),
    (0x00ad, b"-R"),
    (0x00b2, b"23"),
    (0x00b7, b".,1o>"),
    (0x00c0, b"AAAAAAACEEEEIIIIDNOOOOO"),
    (0x00d8, b"OUUUUY"),
    (0x00e0, b"aaaaaaaceeeeiiii"),
    (0x00f1, b"nooooo"),
    (0x00f8, b"ouuuuy"),
    (0x00ff, b"yAaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi"),
    (0x0134, b"JjKk"),
    (0x0139, b"LlLlLl"),
    (0x0141, b"LlNnNnNn"),
    (0x014c, b"OoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZ"),
    (0x017b, b"ZzZz"),
    (0x0180, b"b"),
    (0x0189, b"D"),
    (0x0191, b"Ff"),
    (0x0197, b"I"),
    (0x019a, b"l"),
    (0x019f, b"OOo"),
    (0x01ab, b"t"),
    (0x01ae, b"TUu"),
    (0x01b6, b"z"),
    (0x01cd, b"AaIiOoUuUuUuUuUu"),
    (0x01de, b"Aa"),
    (0x01e4, b"GgGgKkOoOo"),
    (0x01f0, b"j"),
    (0x0261, b"g"),
    (0x02b9, b"'\""),
    (0x02bc, b"'"),
    (0x02c4, b"^"),
    (0x02c6, b"^"),
    (0x02c8, b"'"),
    (0x02cb, b"`"),
    (0x02cd, b"_"),
    (0x02dc, b"~"),
    (0x0300, b"`"),
    (0x0302, b"^~"),
    (0x030e, b"\""),
    (0x0331, b"__"),
    (0x2000, b"       "),
    (0x2010, b"--"),
    (0x2013, b"--"),
    (0x2018, b"'',"),
    (0x201c, b"\"\"\""),
    (0x2022, b"."),
    (0x2026, b"."),
    (0x2032, b"'"),
    (0x2035, b"`"),
    (0x2039, b"<>"),
    (0x2122, b"T"),
    (0xff01, b"!\"#$%&'()*+,-./0123456789:;<=>"),
    (0xff20, b"@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_fold_to_what_they_look_like() {
        for (character, fit) in
            [(0x00e9, b'e'), (0x2018, b'\''), (0x2039, b'<'), (0xff1c, b'<'), (0xff5e, b'~')]
        {
            assert_eq!(best_fit(character), Some(fit), "{character:x}");
        }
        for character in [0, 0x41, 0x9f, 0xa3, 0x0430, 0x2028, 0xff00, 0xff1f, 0xff5f, 0xffff] {
            assert_eq!(best_fit(character), None, "{character:x}");
        }
    }

    #[test]
    fn the_table_is_in_order_and_gives_ascii() {
        let ends = RUNS.iter().map(|(first, fits)| usize::from(*first) + fits.len());
        assert!(ends.zip(RUNS.iter().skip(1)).all(|(end, (next, _))| end < usize::from(*next)));
        assert!(RUNS.iter().flat_map(|(_, fits)| *fits).all(|fit| fit.is_ascii_graphic() || *fit == b' '));
        assert_eq!(RUNS.iter().map(|(_, fits)| fits.len()).sum::<usize>(), 370);
    }
}
