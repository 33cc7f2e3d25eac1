//! Why a client's bytes are not passed on.
//!
//! The text is for the operator's event. The client learns the status and nothing else.

use thiserror::Error;

/// What is wrong with what a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    // Bytes that have no place in any line.
    #[error("a line ends in LF alone")]
    BareLf,
    #[error("CR without LF")]
    BareCr,
    #[error("a NUL byte")]
    Nul,
    #[error("a control character")]
    Control,
    #[error("more than one empty line before the request line")]
    EmptyLines,

    // The request line.
    #[error("the request line is not `METHOD TARGET VERSION` with one space between each")]
    RequestLine,
    #[error("the method is not a token")]
    Method,
    #[error("the method is longer than any that is known")]
    MethodLong,
    #[error("CONNECT: the gate is no tunnel")]
    Tunnel,
    #[error("the version is not `HTTP/` and two digits")]
    Version,
    #[error("the version of HTTP is not 1.0 or 1.1")]
    VersionUnknown,
    #[error("HTTP/2 with prior knowledge, on a listener that speaks HTTP/1.1")]
    Http2,
    #[error("the target is longer than `bounds.target_bytes_max`")]
    TargetLong,
    #[error("the target has a character that must be percent-encoded, or a fragment")]
    TargetCharacter,
    #[error("the target is neither a path, `*` for OPTIONS, nor an absolute `http` address with a path")]
    TargetForm,

    // Fields, of heads and of trailers.
    #[error("the head is longer than `bounds.head_bytes_max`")]
    HeadLong,
    #[error("more fields than `bounds.headers_max`")]
    Fields,
    #[error("a line begins with white space: a folded field, or white space before the first one")]
    Folded,
    #[error("a field without a colon")]
    Colon,
    #[error("a field without a name")]
    NameEmpty,
    #[error("white space between a field's name and its colon")]
    NameSpace,
    #[error("a field's name is not a token")]
    Name,
    #[error("a field's name is too long")]
    NameLong,

    // Fields that decide where a request goes and where it ends.
    #[error("there is no `Host`")]
    HostMissing,
    #[error("there is more than one `Host`")]
    HostTwice,
    #[error("`Host` is not a host with or without a port")]
    Host,
    #[error("the absolute target names another host than `Host`")]
    HostOther,
    #[error("there is more than one `Content-Length`")]
    LengthTwice,
    #[error("`Content-Length` is not a number in plain digits")]
    Length,
    #[error("`Content-Length` is larger than any body can be")]
    LengthLarge,
    #[error("CONNECT with a `:protocol` that is not `websocket`")]
    ProtocolUnknown,
    #[error("CONNECT with `:protocol` and without `:authority`")]
    AuthorityMissing,
    #[error("`:scheme` is not the connection's")]
    Scheme,
    #[error("white space before or behind a field's value, in HTTP/2")]
    Blanks,
    #[error("`Content-Length` beside `Transfer-Encoding`")]
    LengthAndCoding,
    #[error("there is more than one `Transfer-Encoding`")]
    CodingTwice,
    #[error("`Transfer-Encoding` in a request of HTTP/1.0")]
    CodingOld,
    #[error("`Transfer-Encoding` is not `chunked`")]
    Coding,
    #[error("a transfer coding besides `chunked`")]
    CodingUnknown,
    #[error("`Expect` asks for something else than `100-continue`, or twice")]
    Expect,

    // Chunks.
    #[error("a chunk's size is not hexadecimal digits and nothing else")]
    ChunkSize,
    #[error("a chunk's size has too many digits, or is larger than any chunk can be")]
    ChunkLarge,
    #[error("chunk extensions are too long")]
    ChunkExtension,
    #[error("a chunk is longer than its size says")]
    ChunkEnd,
    #[error("trailers are too long")]
    TrailersLong,
}

impl Fault {
    /// The status for the client.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::TargetLong => 414,
            Self::Expect => 417,
            Self::HeadLong | Self::Fields | Self::NameLong | Self::TrailersLong => 431,
            // RFC 9112 §3 and §6.1, and RFC 9220 §3, want 501 for what the server has never heard of.
            Self::MethodLong | Self::Tunnel | Self::CodingUnknown | Self::ProtocolUnknown => 501,
            Self::VersionUnknown | Self::Http2 => 505,
            _ => 400,
        }
    }
}
