//! The part of a path that tiles and entry bundles have in common: `<N>[.p/<W>]` of c2sp.org/tlog-tiles.
//!
//! `<N>` is written in groups of three digits, all but the last behind an `x`, so that no folder holds more than two
//! thousand names. There is one way to write a place, and only that one is read.

use std::fmt;

use super::TILE_WIDTH;
use crate::decimal::decimal;

/// Writes index and width.
pub(crate) fn write_place(f: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    write_index(f, index)?;
    if width == TILE_WIDTH { Ok(()) } else { write!(f, ".p/{width}") }
}

fn write_index(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    let (before, last) = (index / 1000, index % 1000);
    write_groups(f, before)?;
    write!(f, "{last:03}")
}

fn write_groups(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    if index == 0 {
        return Ok(());
    }
    write_groups(f, index / 1000)?;
    write!(f, "x{:03}/", index % 1000)
}

/// Reads index and width; 256 when none is written.
pub(crate) fn read_place(text: &str) -> Option<(u64, u16)> {
    let (index, width) = match text.split_once(".p/") {
        None => (text, TILE_WIDTH),
        Some((index, width)) => {
            let width = decimal(width).and_then(|width| u16::try_from(width).ok())?;
            // A full one is written without its width.
            (index, Some(width).filter(|width| (1..TILE_WIDTH).contains(width))?)
        }
    };
    Some((read_index(index)?, width))
}

fn read_index(text: &str) -> Option<u64> {
    let mut index = 0_u64;
    let mut groups = text.split('/').peekable();
    // Zeros in front would be a second way to write the index.
    let is_padded = text.starts_with("x000/");
    while let Some(group) = groups.next() {
        let digits = if groups.peek().is_some() { group.strip_prefix('x')? } else { group };
        let is_group = digits.len() == 3 && digits.bytes().all(|sign| sign.is_ascii_digit());
        let group = Some(digits).filter(|_| is_group)?.parse::<u64>().ok()?;
        index = index.checked_mul(1000)?.checked_add(group)?;
    }
    if is_padded { None } else { Some(index) }
}
