//! Paths of tiles: the one way to write each, and the ways that are refused.

use super::*;
use crate::bundle::Bundle;

#[test]
fn indices_are_written_in_groups_of_three() {
    for (index, width, path) in [
        (0, 256, "000"),
        (7, 1, "007.p/1"),
        (999, 255, "999.p/255"),
        (1000, 256, "x001/000"),
        (1_234_067, 256, "x001/x234/067"),
        (1_000_000, 9, "x001/x000/000.p/9"),
        (u64::MAX >> 8, 256, "x072/x057/x594/x037/x927/935"),
    ] {
        let tile = Tile::new(0, index, width).unwrap();
        assert_eq!(tile.path(), format!("tile/0/{path}"));
        assert_eq!(tile.path().parse(), Ok(tile));
        let bundle = Bundle::new(index, width).unwrap();
        assert_eq!(bundle.path(), format!("tile/entries/{path}"));
        assert_eq!(bundle.path().parse(), Ok(bundle));
    }
}

#[test]
fn other_ways_to_write_a_place_are_refused() {
    for path in [
        "",
        "0",
        "00",
        "0000",
        "x000",
        "x000/001",
        "001/002",
        "x1/002",
        "x001/x002",
        "x001/02",
        "x001//002",
        "+01",
        "-01",
        "0x1",
        "00１",
        " 001",
        "001 ",
        "001/",
        "/001",
        "001.p",
        "001.p/",
        "001.p/0",
        "001.p/00",
        "001.p/01",
        "001.p/256",
        "001.p/+5",
        "001.p/1/",
        "001.p/1.p/1",
        "001.P/1",
        "x018/x446/x744/x073/x709/x551/616",
    ] {
        assert_eq!(format!("tile/0/{path}").parse::<Tile>(), Err(TileError::Path), "{path}");
        assert_eq!(format!("tile/entries/{path}").parse::<Bundle>(), Err(TileError::Path), "{path}");
    }
    for path in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile//000",
        "tile/00/000",
        "tile/-1/000",
        "tile/256/000",
        "/tile/0/000",
    ] {
        assert_eq!(path.parse::<Tile>(), Err(TileError::Path), "{path}");
    }
    assert_eq!("tile/entries/000".parse::<Tile>(), Err(TileError::Path));
    assert_eq!("tile/0/000".parse::<Bundle>(), Err(TileError::Path));
    assert_eq!("tile/63/000".parse::<Tile>(), Err(TileError::Beyond));
    assert_eq!("tile/0/x999/x999/x999/x999/x999/999".parse::<Tile>(), Err(TileError::Beyond));
}
