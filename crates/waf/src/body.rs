//! Request bodies, taken apart into names and values.
//!
//! A processor takes a whole body and gives what is in it; what is wrong with the body comes back as data beside it, so
//! that rules can refuse it (`REQBODY_ERROR`) and still see what was understood. None panics, none recurses, and what
//! one gives is bounded by [`Limits`] whatever the body says. A body of another kind (`RAW`) is its own single value and
//! needs no processor.
//!
//! Read next: [`urlencoded`], [`multipart`], [`json`], [`xml`].

pub mod json;
pub mod multipart;
mod pairs;
#[cfg(test)]
mod tests;
pub mod urlencoded;
pub mod xml;

pub use pairs::Pairs;

/// How much a body may come to. What is beyond is not silently passed over: it is an error of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Arguments, parts, headers of all parts together, texts and attributes: so many of each.
    pub count_max: usize,
    /// Containers in one another, in JSON and XML.
    pub depth_max: usize,
    /// Names and values together. Names of JSON repeat the way to each value, so that a short body could make many long
    /// ones.
    pub bytes_max: usize,
}

impl Limits {
    /// As ModSecurity recommends: 1,000 arguments and 512 containers. A body is read into memory before, and what it
    /// comes to may be eight times its size and 64 KiB more.
    pub fn recommended(body_bytes: usize) -> Self {
        Self {
            count_max: 1_000,
            depth_max: 512,
            bytes_max: body_bytes.saturating_mul(8).saturating_add(65_536),
        }
    }
}

/// What was read from a body that is names and values alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arguments {
    /// Names and values in the order of the body.
    pub pairs: Pairs,
    /// What is wrong with the body; what comes after it may be missing.
    pub error: Option<String>,
}
