//! The variables that rules can look at.

use std::fmt;

use crate::error::Problem;

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One value; a rule cannot select a part of it.
    Single,
    /// Values with names, of which a rule can select some.
    Collection,
}

macro_rules! variables {
    ($( $(#[doc = $doc:literal])+ $name:ident = $text:literal, $shape:ident; )+) => {
        /// A variable, by the name that rules use.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Variable { $( $(#[doc = $doc])+ $name, )+ }

        impl Variable {
            /// All variables.
            pub const ALL: &[Self] = &[$( Self::$name, )+];

            /// As rules and logs write it.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$name => $text, )+ }
            }

            /// What it holds, in one line.
            pub const fn meaning(self) -> &'static str {
                match self { $( Self::$name => concat!($($doc),+), )+ }
            }

            pub(crate) const fn shape(self) -> Shape {
                match self { $( Self::$name => Shape::$shape, )+ }
            }
        }
    };
}

variables! {
    /// Arguments of query and body, by name.
    Args = "ARGS", Collection;
    /// Arguments of the query, by name.
    ArgsGet = "ARGS_GET", Collection;
    /// Arguments of the body, by name.
    ArgsPost = "ARGS_POST", Collection;
    /// Names of the arguments of query and body.
    ArgsNames = "ARGS_NAMES", Collection;
    /// Names of the arguments of the query.
    ArgsGetNames = "ARGS_GET_NAMES", Collection;
    /// Names of the arguments of the body.
    ArgsPostNames = "ARGS_POST_NAMES", Collection;
    /// How many bytes names and values of all arguments have together.
    ArgsCombinedSize = "ARGS_COMBINED_SIZE", Single;
    /// The scheme of the `Authorization` header.
    AuthType = "AUTH_TYPE", Single;
    /// Variables of the environment; only those that `setenv` has set.
    Env = "ENV", Collection;
    /// File names of the files of a multipart body, by the part's name.
    Files = "FILES", Collection;
    /// How many bytes all files of a multipart body have together.
    FilesCombinedSize = "FILES_COMBINED_SIZE", Single;
    /// Names of the parts of a multipart body that are files.
    FilesNames = "FILES_NAMES", Collection;
    /// Sizes of the files of a multipart body, by the part's name.
    FilesSizes = "FILES_SIZES", Collection;
    /// Where the files were put on disk: nowhere, so there is never one.
    FilesTmpNames = "FILES_TMPNAMES", Collection;
    /// Contents of the files of a multipart body, by the part's name.
    FilesTmpContent = "FILES_TMP_CONTENT", Collection;
    /// The whole request: head and body.
    FullRequest = "FULL_REQUEST", Single;
    /// How many bytes the whole request has.
    FullRequestLength = "FULL_REQUEST_LENGTH", Single;
    /// Where the client's address is: nothing looks it up here, so there is never one.
    Geo = "GEO", Collection;
    /// What rules have remembered for all requests.
    Global = "GLOBAL", Collection;
    /// The number of the worst severity among the rules that matched so far: 0 is the worst, 255 means none.
    HighestSeverity = "HIGHEST_SEVERITY", Single;
    /// 1 when the request body was larger than the limit.
    InboundDataError = "INBOUND_DATA_ERROR", Single;
    /// What rules have remembered for an address.
    Ip = "IP", Collection;
    /// The value that matched last.
    MatchedVar = "MATCHED_VAR", Single;
    /// The name of the value that matched last.
    MatchedVarName = "MATCHED_VAR_NAME", Single;
    /// The values that the rule before in the chain matched.
    MatchedVars = "MATCHED_VARS", Collection;
    /// The names of the values that the rule before in the chain matched.
    MatchedVarsNames = "MATCHED_VARS_NAMES", Collection;
    /// 1 when the boundary of a multipart body is in quotes.
    MultipartBoundaryQuoted = "MULTIPART_BOUNDARY_QUOTED", Single;
    /// 1 when blanks stand in or around the boundary of a multipart body.
    MultipartBoundaryWhitespace = "MULTIPART_BOUNDARY_WHITESPACE", Single;
    /// 1 when lines of a multipart body end in both ways.
    MultipartCrlfLfLines = "MULTIPART_CRLF_LF_LINES", Single;
    /// 1 when something follows the last boundary of a multipart body.
    MultipartDataAfter = "MULTIPART_DATA_AFTER", Single;
    /// 1 when something stands before the first boundary of a multipart body.
    MultipartDataBefore = "MULTIPART_DATA_BEFORE", Single;
    /// 1 when a multipart body has more files than are allowed.
    MultipartFileLimitExceeded = "MULTIPART_FILE_LIMIT_EXCEEDED", Single;
    /// `filename` of the parts of a multipart body.
    MultipartFilename = "MULTIPART_FILENAME", Collection;
    /// 1 when a header of a part goes on in the next line.
    MultipartHeaderFolding = "MULTIPART_HEADER_FOLDING", Single;
    /// 1 when a header of a part goes on in the next line in a wrong way.
    MultipartInvalidHeaderFolding = "MULTIPART_INVALID_HEADER_FOLDING", Single;
    /// 1 when a part of a multipart body is not as it should be.
    MultipartInvalidPart = "MULTIPART_INVALID_PART", Single;
    /// 1 when a quoted text in a part's header is not as it should be.
    MultipartInvalidQuoting = "MULTIPART_INVALID_QUOTING", Single;
    /// 1 when a line of a multipart body ends in LF alone.
    MultipartLfLine = "MULTIPART_LF_LINE", Single;
    /// 1 when a `;` is missing in the Content-Type of a multipart body.
    MultipartMissingSemicolon = "MULTIPART_MISSING_SEMICOLON", Single;
    /// `name` of the parts of a multipart body.
    MultipartName = "MULTIPART_NAME", Collection;
    /// Header lines of the parts of a multipart body, by the part's name.
    MultipartPartHeaders = "MULTIPART_PART_HEADERS", Collection;
    /// The older name of MULTIPART_MISSING_SEMICOLON.
    MultipartSemicolonMissing = "MULTIPART_SEMICOLON_MISSING", Single;
    /// 1 when anything was odd in a multipart body.
    MultipartStrictError = "MULTIPART_STRICT_ERROR", Single;
    /// 1 when a multipart body has a line that looks like a boundary and is none.
    MultipartUnmatchedBoundary = "MULTIPART_UNMATCHED_BOUNDARY", Single;
    /// 1 when the response body was larger than the limit.
    OutboundDataError = "OUTBOUND_DATA_ERROR", Single;
    /// The path of the request.
    PathInfo = "PATH_INFO", Single;
    /// What follows the `?`, as it was sent.
    QueryString = "QUERY_STRING", Single;
    /// The client's address.
    RemoteAddr = "REMOTE_ADDR", Single;
    /// The client's address; names are not looked up.
    RemoteHost = "REMOTE_HOST", Single;
    /// The client's port.
    RemotePort = "REMOTE_PORT", Single;
    /// Who the client has shown to be.
    RemoteUser = "REMOTE_USER", Single;
    /// 1 when the request body could not be read in its format.
    ReqbodyError = "REQBODY_ERROR", Single;
    /// Why the request body could not be read in its format.
    ReqbodyErrorMsg = "REQBODY_ERROR_MSG", Single;
    /// How the request body is read: URLENCODED, MULTIPART, XML, JSON or nothing.
    ReqbodyProcessor = "REQBODY_PROCESSOR", Single;
    /// 1 when the request body could not be read in its format.
    ReqbodyProcessorError = "REQBODY_PROCESSOR_ERROR", Single;
    /// Why the request body could not be read in its format.
    ReqbodyProcessorErrorMsg = "REQBODY_PROCESSOR_ERROR_MSG", Single;
    /// The last part of the path.
    RequestBasename = "REQUEST_BASENAME", Single;
    /// The request body as it was sent, where it is a form or nothing that is known.
    RequestBody = "REQUEST_BODY", Single;
    /// How many bytes the request body has.
    RequestBodyLength = "REQUEST_BODY_LENGTH", Single;
    /// Cookies, by name.
    RequestCookies = "REQUEST_COOKIES", Collection;
    /// Names of the cookies.
    RequestCookiesNames = "REQUEST_COOKIES_NAMES", Collection;
    /// The path, without the query.
    RequestFilename = "REQUEST_FILENAME", Single;
    /// Header fields, by name.
    RequestHeaders = "REQUEST_HEADERS", Collection;
    /// Names of the header fields.
    RequestHeadersNames = "REQUEST_HEADERS_NAMES", Collection;
    /// The first line of the request.
    RequestLine = "REQUEST_LINE", Single;
    /// The method.
    RequestMethod = "REQUEST_METHOD", Single;
    /// The protocol, like `HTTP/1.1`.
    RequestProtocol = "REQUEST_PROTOCOL", Single;
    /// Path and query, without scheme and host.
    RequestUri = "REQUEST_URI", Single;
    /// The target of the request as it was sent.
    RequestUriRaw = "REQUEST_URI_RAW", Single;
    /// What rules have remembered for a resource.
    Resource = "RESOURCE", Collection;
    /// The response body.
    ResponseBody = "RESPONSE_BODY", Single;
    /// How many bytes of the response body were looked at.
    ResponseContentLength = "RESPONSE_CONTENT_LENGTH", Single;
    /// The media type of the response.
    ResponseContentType = "RESPONSE_CONTENT_TYPE", Single;
    /// Header fields of the response, by name.
    ResponseHeaders = "RESPONSE_HEADERS", Collection;
    /// Names of the header fields of the response.
    ResponseHeadersNames = "RESPONSE_HEADERS_NAMES", Collection;
    /// The protocol of the response.
    ResponseProtocol = "RESPONSE_PROTOCOL", Single;
    /// The status of the response.
    ResponseStatus = "RESPONSE_STATUS", Single;
    /// The rule that is being evaluated: `id`, `rev`, `severity`, `msg`, `logdata`.
    Rule = "RULE", Collection;
    /// The server's address.
    ServerAddr = "SERVER_ADDR", Single;
    /// The host that the request names.
    ServerName = "SERVER_NAME", Single;
    /// The server's port.
    ServerPort = "SERVER_PORT", Single;
    /// What rules have remembered for a session.
    Session = "SESSION", Collection;
    /// The session that `setsid` has named.
    SessionId = "SESSIONID", Single;
    /// The first line of the response.
    StatusLine = "STATUS_LINE", Single;
    /// Hour, minute and second (UTC).
    Time = "TIME", Single;
    /// The day of the month.
    TimeDay = "TIME_DAY", Single;
    /// Seconds since 1970.
    TimeEpoch = "TIME_EPOCH", Single;
    /// The hour (UTC).
    TimeHour = "TIME_HOUR", Single;
    /// The minute.
    TimeMin = "TIME_MIN", Single;
    /// The month, counted from 0.
    TimeMon = "TIME_MON", Single;
    /// The second.
    TimeSec = "TIME_SEC", Single;
    /// The day of the week, counted from 0 for Sunday.
    TimeWday = "TIME_WDAY", Single;
    /// The year.
    TimeYear = "TIME_YEAR", Single;
    /// What rules have set with `setvar`, by name.
    Tx = "TX", Collection;
    /// The name of this transaction.
    UniqueId = "UNIQUE_ID", Single;
    /// 1 when the percent encoding of arguments is not as it should be.
    UrlencodedError = "URLENCODED_ERROR", Single;
    /// What rules have remembered for a user.
    User = "USER", Collection;
    /// The user that `setuid` has named.
    UserId = "USERID", Single;
    /// The application that `SecWebAppId` has named.
    WebAppId = "WEBAPPID", Single;
    /// Text (`XML:/*`) and attribute values (`XML://@*`) of an XML body.
    Xml = "XML", Collection;
}

impl Variable {
    /// The variable of this name, in any case.
    pub(crate) fn named(name: &str) -> Result<Self, Problem> {
        let found = Self::ALL.iter().find(|variable| variable.name().eq_ignore_ascii_case(name));
        found.copied().ok_or_else(|| Problem::unknown("variable", name))
    }

    /// Whether names in it are the same in any case. Names of arguments and cookies are not.
    pub(crate) const fn ignores_case(self) -> bool {
        !matches!(
            self,
            Self::Args
                | Self::ArgsGet
                | Self::ArgsPost
                | Self::ArgsNames
                | Self::ArgsGetNames
                | Self::ArgsPostNames
                | Self::RequestCookies
                | Self::RequestCookiesNames
                | Self::Files
                | Self::FilesNames
                | Self::FilesSizes
                | Self::FilesTmpContent
                | Self::MultipartFilename
                | Self::MultipartName
        )
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
