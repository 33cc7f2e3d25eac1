//! The trees of eight entries that implementations of RFC 6962 compare each other with.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn known_entries_have_the_known_roots() {
    let known = [
        ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (
            "606162636465666768696a6b6c6d6e6f",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    ];
    let mut frontier = Frontier::default();
    assert_eq!(frontier.head(), TreeHead::EMPTY);
    for ((entry, root), size) in known.into_iter().zip(1..) {
        frontier.push(&LeafHash::of(&hex(entry)));
        let root = Hash::try_from(hex(root).as_slice()).unwrap();
        assert_eq!(frontier.head(), TreeHead { size, root });
    }
}

#[test]
fn the_empty_root_is_the_hash_of_nothing() {
    assert_eq!(crate::hash::sha256(&[]), Hash::EMPTY);
}

#[test]
fn an_entry_is_hashed_alike_whether_it_is_copied_or_not() {
    for length in [0, 1, 511, 512, 513, 65_535] {
        let entry = vec![7; length];
        let whole = crate::hash::sha256(&[&[0], entry.as_slice()].concat());
        assert_eq!(*LeafHash::of(&entry).hash(), whole, "{length}");
    }
}

#[test]
fn a_tree_is_cut_behind_the_largest_smaller_power_of_two() {
    let cuts =
        [(0, 0, None), (0, 1, None), (0, 2, Some(1)), (0, 7, Some(4)), (0, 8, Some(4)), (8, 13, Some(12))];
    for (start, end, cut) in cuts {
        assert_eq!(middle(start, end), cut, "{start}..{end}");
    }
    assert_eq!(middle(0, u64::MAX), Some(1 << 63));
    assert_eq!(perfect(0, u64::MAX).count(), 64);
}
