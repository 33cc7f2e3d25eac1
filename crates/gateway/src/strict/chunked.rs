//! A body of chunks (RFC 9112 §7.1), judged as it comes.
//!
//! Sizes are hexadecimal digits and nothing else: signs, `0x`, white space and overflow are where readers part.
//! Lines end in CRLF. Extensions mean nothing to anybody (RFC 9112 §7.1.1), so they are bounded and go no
//! further: a bare LF or CR within one is how some servers were made to see another chunk. Trailers are judged
//! by their form; those that belong in a head are taken away by `crate::fields`, with those that are forged.

use super::length::LENGTH_MAX;
use super::line::{self, CRLF_BYTES, Line};
use super::{Fault, Limits, head};

/// Digits of a size; leading zeros count.
const SIZE_DIGITS_MAX: usize = 16;
/// Bytes of extensions in one line. Known uses (signatures) have about 90.
const EXTENSION_BYTES_MAX: usize = 256;
/// Bytes of extensions in one body: with many small chunks a client could otherwise send much more than the
/// bounds of bodies say (CVE-2023-39326 of another server).
const EXTENSIONS_BYTES_MAX: usize = 4096;
/// Bytes of all trailers together, with the empty line that ends them.
pub(crate) const TRAILERS_BYTES_MAX: usize = 4096;

/// How far a body of chunks was read.
pub(super) enum Progress {
    /// There is too little to judge.
    More,
    /// `pass` bytes go on, the `skip` bytes behind them do not.
    Take { pass: usize, skip: usize },
    /// After `pass` more bytes the body is over.
    Last { pass: usize },
}

/// Where in its body the reading is.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    place: Place,
    extensions_bytes: usize,
}

#[derive(Debug, Default)]
enum Place {
    /// Before the line with a size.
    #[default]
    Size,
    /// At the end of that line, after an extension was taken away.
    SizeEnd(u64),
    /// Within data, with so many bytes to go.
    Data(u64),
    /// After the data.
    DataEnd,
    /// Within the trailers.
    Trailers(Trailers),
}

/// Trailers of which some lines may have been judged already.
#[derive(Debug, Default)]
struct Trailers {
    line: usize,
    looked: usize,
    fields: usize,
}

impl Place {
    /// What follows the line with this size.
    fn after(size: u64) -> Self {
        if size == 0 { Self::Trailers(Trailers::default()) } else { Self::Data(size) }
    }
}

impl Chunks {
    /// Judges `held`, which begins where the last step ended.
    pub(super) fn judge(&mut self, held: &[u8], limits: &Limits) -> Result<Progress, Fault> {
        let whole_line = Progress::Take { pass: CRLF_BYTES, skip: 0 };
        let (progress, next) = match &mut self.place {
            Place::Size => match size_line(held)? {
                None => return Ok(Progress::More),
                Some(SizeLine { size, digits, extension: 0 }) => {
                    (Progress::Take { pass: digits + CRLF_BYTES, skip: 0 }, Place::after(size))
                }
                Some(SizeLine { size, digits, extension }) => {
                    self.extensions_bytes += extension;
                    if self.extensions_bytes > EXTENSIONS_BYTES_MAX {
                        return Err(Fault::ChunkExtension);
                    }
                    (Progress::Take { pass: digits, skip: extension }, Place::SizeEnd(size))
                }
            },
            Place::SizeEnd(size) => match line::ends(held, Fault::ChunkSize)? {
                None => return Ok(Progress::More),
                Some(()) => (whole_line, Place::after(*size)),
            },
            Place::Data(left) => {
                let pass = held.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left = left.saturating_sub(pass as u64);
                let next = if *left == 0 { Place::DataEnd } else { Place::Data(*left) };
                (Progress::Take { pass, skip: 0 }, next)
            }
            Place::DataEnd => match line::ends(held, Fault::ChunkEnd)? {
                None => return Ok(Progress::More),
                Some(()) => (whole_line, Place::Size),
            },
            Place::Trailers(trailers) => {
                let end = trailers.read(held, limits)?;
                return Ok(end.map_or(Progress::More, |pass| Progress::Last { pass }));
            }
        };
        self.place = next;
        Ok(progress)
    }
}

/// A line with a chunk's size, without its CRLF.
struct SizeLine {
    size: u64,
    /// Bytes of the size.
    digits: usize,
    /// Bytes of the extensions.
    extension: usize,
}

/// Reads a whole line with a size; `None` when its end is not there yet.
fn size_line(held: &[u8]) -> Result<Option<SizeLine>, Fault> {
    let digits = held.iter().take(SIZE_DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits > SIZE_DIGITS_MAX {
        return Err(Fault::ChunkLarge);
    }
    let (number, rest) = held.split_at_checked(digits).unwrap_or_default();
    let extension = match rest {
        [] => return Ok(None),
        [b'\n', ..] => return Err(Fault::BareLf),
        _ if digits == 0 => return Err(Fault::ChunkSize),
        [b'\r', ..] => match line::ends(rest, Fault::ChunkSize)? {
            None => return Ok(None),
            Some(()) => 0,
        },
        [b';', ..] => match extension(rest)? {
            None => return Ok(None),
            Some(bytes) => bytes,
        },
        _ => return Err(Fault::ChunkSize),
    };
    let number = std::str::from_utf8(number).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
    let size = number.filter(|size| *size <= LENGTH_MAX).ok_or(Fault::ChunkLarge)?;
    Ok(Some(SizeLine { size, digits, extension }))
}

/// The bytes of extensions up to the line's end; `None` when that is not there yet.
fn extension(rest: &[u8]) -> Result<Option<usize>, Fault> {
    let allowed = rest.get(..EXTENSION_BYTES_MAX + CRLF_BYTES).unwrap_or(rest);
    match line::find(allowed, 0)? {
        Line::Whole(bytes) => Ok(Some(bytes)),
        Line::Open(_) if allowed.len() < rest.len() => Err(Fault::ChunkExtension),
        Line::Open(_) => Ok(None),
    }
}

impl Trailers {
    /// Reads on in `held`, which begins with the trailers; gives their bytes once they are whole and good.
    fn read(&mut self, held: &[u8], limits: &Limits) -> Result<Option<usize>, Fault> {
        // The library, too, takes no more of them than of a head.
        let bytes_max = TRAILERS_BYTES_MAX.min(limits.head_bytes_max.saturating_sub(1));
        let allowed = held.get(..bytes_max).unwrap_or(held);
        loop {
            let end = match line::find(allowed, self.looked)? {
                Line::Whole(end) => end,
                Line::Open(_) if allowed.len() < held.len() => return Err(Fault::TrailersLong),
                Line::Open(looked) => {
                    self.looked = looked;
                    return Ok(None);
                }
            };
            let text = held.get(self.line..end).unwrap_or_default();
            self.line = end + CRLF_BYTES;
            self.looked = self.line;
            if text.is_empty() {
                return Ok(Some(self.line));
            }
            if self.fields >= limits.headers_max {
                return Err(Fault::Fields);
            }
            self.fields += 1;
            head::field(text)?;
        }
    }
}
