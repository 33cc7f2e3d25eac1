//! The ten expressions, tightened so that ordinary text never counts (RQ-02).
//!
//! The guide's own forms hit prose: `on\w+\s*=` hits `month=`, `delete\s+from` hits "Delete from basket".
//! Each form here asks for what an attack needs around those words, because without it the attack does not
//! run. All are matched without regard to case, in time linear in the input, and written in the verbose form:
//! blanks and line ends in them mean nothing. Whoever changes one adds the text that made them do so to
//! `patterns/tests.rs`.

use super::Pattern;

// The pieces are macros and not constants because `concat!` takes literals only.

/// At least one of what SQL takes for a blank. A comment to the end of the line is one (`union--x\nselect`);
/// the other kind of comment is replaced before matching.
macro_rules! blanks {
    () => {
        r"(?: [\s\x00] | --[^\n]*\n | \#[^\n]*\n )+"
    };
}

/// As [`blanks`], or nothing.
macro_rules! gap {
    () => {
        r"(?: [\s\x00] | --[^\n]*\n | \#[^\n]*\n )*"
    };
}

/// As [`gap`], and opening parentheses, which SQL allows before most things.
macro_rules! parens {
    () => {
        r"(?: [\s\x00(] | --[^\n]*\n | \#[^\n]*\n )*"
    };
}

/// A name, perhaps quoted, perhaps of several parts.
macro_rules! name {
    () => {
        r#"(?: [`"\[]? [a-z_] [0-9a-z_$]* [`"\]]? (?: \. [`"\[]? [a-z_] [0-9a-z_$]* [`"\]]? )* )"#
    };
}

/// What cuts off the rest of the statement that an attacker got into. In prose two hyphens are a dash, so
/// they count only at the end of the value.
macro_rules! cut_off {
    () => {
        r"(?: -- [\s\x00+\-]* $ | \# [\s\x00]* $ | /\* )"
    };
}

/// The beginning of one more statement.
macro_rules! statement {
    () => {
        concat!(
            r#"(?: select (?-u:\b)"#,
            gap!(),
            r#"[*0-9@'"(] | insert"#,
            blanks!(),
            r"into (?-u:\b) | update",
            blanks!(),
            name!(),
            blanks!(),
            r"set (?-u:\b) | delete",
            blanks!(),
            r"from (?-u:\b) | (?: drop | create | alter | truncate )",
            blanks!(),
            r"(?: table | database | schema | user | view | index | login ) (?-u:\b) | exec (?: ute )? [\s(]
              | declare",
            blanks!(),
            r"@ | shutdown (?-u:\b) | commit (?-u:\b) )"
        )
    };
}

/// The end of a statement, or of the value.
macro_rules! statement_end {
    () => {
        concat!(r"(?: $ | ;", gap!(), r"(?: $ |", cut_off!(), "|", statement!(), ") |", cut_off!(), ")")
    };
}

/// `from` a table and then what follows a table in SQL; "from each shop" is prose.
macro_rules! from_table {
    () => {
        concat!(
            r"(?: from",
            blanks!(),
            r"(?: \( |",
            name!(),
            gap!(),
            r#"(?: $ | [;,)'"\#] | -- | /\*
                 | (?-u:\b) (?: where | limit | order | group | union | having | join | as | into | for )
                   (?-u:\b) ) ) )"#
        )
    };
}

/// A value that is no name: a number, a string, null, a system variable.
macro_rules! literal {
    () => {
        r#"(?: [-+~!.\s]* (?: 0x [0-9a-f]+ | [0-9]+ (?: \. [0-9]+ )? (?: e [0-9]+ )? ) | null (?-u:\b)
             | '[^']*' | "[^"]*" | @@ [a-z_.]+ )"#
    };
}

/// One column of a selection.
macro_rules! column {
    () => {
        concat!("(?:", literal!(), "|", name!(), r"(?: \. \* | \([^()]*\) )? | @ [a-z_]+ | \* )")
    };
}

/// More columns.
macro_rules! more_columns {
    () => {
        concat!(
            "(?: (?:",
            gap!(),
            r"(?: , | \|\| | \+ )",
            gap!(),
            "|",
            blanks!(),
            "as",
            blanks!(),
            ")",
            column!(),
            ")*"
        )
    };
}

/// What follows `select`: nothing, or a word that says which rows.
macro_rules! which_rows {
    () => {
        concat!(
            "(?:",
            parens!(),
            r"(?: all | distinct | distinctrow | top",
            gap!(),
            r"\(?[0-9]+\)? ) (?-u:\b) )?"
        )
    };
}

/// The words of a second query and what may stand between them, up to what it selects.
macro_rules! union_select {
    () => {
        concat!(
            r"union (?: [\s\x00(] | --[^\n]*\n | \#[^\n]*\n )+
              (?: (?: all | distinct | distinctrow ) (?-u:\b)",
            parens!(),
            r")? select (?-u:\b)",
            which_rows!(),
            parens!()
        )
    };
}

/// What a browser drops from a URL, plain and as entities (WHATWG URL §4.4: tab and line ends).
macro_rules! dropped {
    () => {
        r"(?: [\t\n\r\x00] | & (?: tab | newline ) ; | &\# (?: x0* [9ad] | 0* (?: 9 | 10 | 13 ) ) ;? )*"
    };
}

/// `javascript:` with what a browser drops from it.
macro_rules! javascript {
    () => {
        concat!(
            "j",
            dropped!(),
            "a",
            dropped!(),
            "v",
            dropped!(),
            "a",
            dropped!(),
            "s",
            dropped!(),
            "c",
            dropped!(),
            "r",
            dropped!(),
            "i",
            dropped!(),
            "p",
            dropped!(),
            "t",
            dropped!(),
            r"(?: : | &colon; | &\# (?: x0*3a | 0*58 ) ;? )"
        )
    };
}

/// The expression of a pattern.
pub(super) fn expression(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::UnionSelect => UNION_SELECT,
        Pattern::DropTable => DROP_TABLE,
        Pattern::DeleteFrom => DELETE_FROM,
        Pattern::ScriptTag => SCRIPT_TAG,
        Pattern::JavascriptUrl => JAVASCRIPT_URL,
        Pattern::EventHandler => EVENT_HANDLER,
        Pattern::ParentSlash => PARENT_SLASH,
        Pattern::ParentBackslash => PARENT_BACKSLASH,
        Pattern::EvalCall => EVAL_CALL,
        Pattern::ExecCall => EXEC_CALL,
    }
}

/// The words without which a pattern's expression cannot match. They decide which expressions are tried at
/// all, so they must match wherever the expression does; a property test compares the two.
pub(super) fn words(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::UnionSelect => r"(?i)union",
        Pattern::DropTable => r"(?i)drop",
        Pattern::DeleteFrom => r"(?i)delete",
        Pattern::ScriptTag => r"(?i)<[a-z0-9:]*script",
        Pattern::JavascriptUrl => concat!("(?ix)", javascript!()),
        Pattern::EventHandler => r"(?i)on[a-z]+[\s\x00]*=",
        Pattern::ParentSlash => r"\.\.[;/]",
        Pattern::ParentBackslash => r"\.\.\\",
        Pattern::EvalCall => r"(?i)eval[\s\x00]*\(",
        Pattern::ExecCall => r"(?i)exec[\s\x00]*\(",
    }
}

/// A second query counts where it selects what only SQL selects (`*`, null, numbers and strings, a call,
/// `@@x`, a list of columns from a table), or where it stands behind a number or quote, or first of all, and
/// selects from a table. "The student union select a treasurer" does none of that.
const UNION_SELECT: &str = concat!(
    r"(?ix) (?: (?: (?-u:\b) | [0-9] | \\n )",
    union_select!(),
    r"(?: \*",
    gap!(),
    r"(?: $ | [,;)\#] | -- | from (?-u:\b) ) | @@ [a-z] | @ [a-z_]+",
    gap!(),
    r":= | case",
    blanks!(),
    r"when (?-u:\b) | select (?-u:\b)",
    // A call; "leader(s)" is prose.
    r"| [a-z_] [0-9a-z_.]* \( (?: [^a-z] | [a-z]{1,2} [^a-z)] | [a-z]{3} ) |",
    literal!(),
    more_columns!(),
    gap!(),
    r#"(?: $ | [;)'"\#] | -- | /\* | (?: into | limit | where | union | order | group | having ) (?-u:\b) |"#,
    from_table!(),
    ") |",
    name!(),
    gap!(),
    r"(?: , | \|\| )",
    gap!(),
    column!(),
    more_columns!(),
    gap!(),
    from_table!(),
    r#") | (?: ^ | [0-9'"`)] ) [\s\x00]*"#,
    union_select!(),
    column!(),
    more_columns!(),
    gap!(),
    "(?:",
    from_table!(),
    "|",
    cut_off!(),
    ") )"
);

/// A table thrown away counts where the statement begins the value or follows a quote, `;` or `)`, and ends
/// after the table's name; elsewhere only with what prose does not have: `if exists`, `cascade`, a cut-off,
/// one more statement.
const DROP_TABLE: &str = concat!(
    r#"(?ix) (?: (?: ^ | [;'"`)] | ^ \s* -? [0-9]+ ) [\s\x00]* drop"#,
    blanks!(),
    "(?: temporary",
    blanks!(),
    ")? table",
    blanks!(),
    name!(),
    "(?:",
    gap!(),
    ",",
    gap!(),
    name!(),
    ")*",
    gap!(),
    "(?:",
    statement_end!(),
    r#") | ['"`)] [\s\x00]* ; [\s\x00]* drop"#,
    blanks!(),
    "table",
    blanks!(),
    name!(),
    gap!(),
    r"(?: [;,)\#] | -- ) | (?-u:\b) drop",
    blanks!(),
    "(?: temporary",
    blanks!(),
    ")? table",
    blanks!(),
    "(?: if",
    blanks!(),
    "exists",
    blanks!(),
    r#"[`"\[]? [a-z_] |"#,
    name!(),
    gap!(),
    "(?: (?-u:\\b) cascade (?-u:\\b) | ; ?",
    gap!(),
    cut_off!(),
    "| ;",
    gap!(),
    "(?: $ |",
    statement!(),
    ") ) ) )"
);

/// Rows thrown away count with a condition that compares, a cut-off or one more statement behind them, or
/// with the end of another statement before them. "Delete from basket" has neither.
const DELETE_FROM: &str = concat!(
    r"(?ix) (?: (?-u:\b) delete",
    blanks!(),
    "from",
    blanks!(),
    name!(),
    "(?:",
    blanks!(),
    "where (?-u:\\b)",
    parens!(),
    "(?: not (?-u:\\b)",
    parens!(),
    ")? (?: exists",
    gap!(),
    r"\( | (?: true | [0-9]+ )",
    gap!(),
    statement_end!(),
    r#"| (?: [0-9]+ | '[^']*' | "[^"]*" | @? "#,
    name!(),
    r")",
    gap!(),
    r#"(?: [=<>] | != | (?-u:\b) like"#,
    gap!(),
    r#"n? ['"(@] | (?-u:\b) in"#,
    gap!(),
    r"\( | (?-u:\b) is",
    blanks!(),
    "(?: not",
    blanks!(),
    ")? null (?-u:\\b) | (?-u:\\b) between",
    blanks!(),
    r#"[0-9'"@] ) ) |"#,
    gap!(),
    ";?",
    gap!(),
    cut_off!(),
    "|",
    gap!(),
    ";",
    gap!(),
    statement!(),
    r#") | (?: ['"`)] [\s\x00]* ; | (?: ^ | = ) \s* -? [0-9]+ [\s)'"]* ; ) [\s\x00]* delete"#,
    blanks!(),
    "from",
    blanks!(),
    name!(),
    gap!(),
    r"(?: $ | ; | -- | \# | where (?-u:\b) ) )"
);

/// HTML takes a tag's name to be over at a blank, a slash or `>`. The end of the value counts as well: the
/// page may go on with one of them.
const SCRIPT_TAG: &str = r"(?ix) < (?: [a-z] [0-9a-z]* : )? script (?: [\s\x00/>] | $ )";

/// A URL that runs a script counts where a URL can begin and where code follows. "JavaScript: The Good Parts"
/// is a title.
const JAVASCRIPT_URL: &str = concat!(
    r#"(?ix) (?: ^ | ['"`=(</\s\x00-\x20] )"#,
    javascript!(),
    dropped!(),
    // A call somewhere before the next blank; a comment; an assignment; what else is code at once.
    r"(?: [^\s\x00]* [0-9a-z_$\])}] \( | / [/*] | [a-z_$] [0-9a-z_$.]* = | \(* \( \) \s* =>
        | (?: document | window | location | self | top | parent | globalthis | history | navigator ) [.\[]
        | (?: alert | confirm | prompt | eval | print | fetch | import | settimeout | function ) \s* `
        | void [\s0] | throw \s | new \s+ (?: function | image | xmlhttprequest | websocket | worker )
        | (?: var | let | const ) \s+ [0-9a-z_$]+ \s* =",
    // After a blank only a whole call that ends the value or attribute, or an assignment to the page.
    r#" | \s+ (?: [a-z_$] [0-9a-z_$.]* \( [^)]* \) \s* (?: $ | ; | // | ['">] )
        | (?: document | window | location | self | top ) (?: \. [a-z]+ )* \s* = ) )"#
);

/// An attribute that runs a script counts where an attribute can begin, under a name that some browser knows.
const EVENT_HANDLER: &str = concat!(
    r#"(?ix) (?: ^ | ['"`/<\s\x00] ) on (?: "#,
    // The page and its window.
    "abort | afterprint | appinstalled | beforeinstallprompt | beforeprint | beforeunload | blur | close
     | error | focus | hashchange | languagechange | load | loadend | loadstart | message |
     messageerror | offline | online | pagehide | pagereveal | pageshow | pageswap | popstate |
     readystatechange | rejectionhandled | resize | scroll | scrollend | scrollsnapchange |
     scrollsnapchanging | stop | storage | unhandledrejection | unload | visibilitychange |
     securitypolicyviolation | fullscreenchange | fullscreenerror | freeze | resume |",
    // Forms.
    "beforeinput | cancel | change | command | formdata | input | invalid | reset | search | select |
     selectionchange | selectstart | submit | toggle | beforetoggle | compositionend |
     compositionstart | compositionupdate | formchange | forminput | propertychange | beforematch |
     contentvisibilityautostatechange |",
    // Mouse, touch, pen and keyboard.
    "auxclick | click | contextmenu | dblclick | drag | dragend | dragenter | dragexit | dragleave |
     dragover | dragstart | drop | gesturechange | gestureend | gesturestart | gotpointercapture |
     keydown | keypress | keyup | lostpointercapture | mousedown | mouseenter | mouseleave |
     mousemove | mouseout | mouseover | mouseup | mousewheel | pointercancel | pointerdown |
     pointerenter | pointerleave | pointermove | pointerout | pointerover | pointerrawupdate |
     pointerup | touchcancel | touchend | touchmove | touchstart | wheel | webkitmouseforceup |
     webkitmouseforcedown | webkitmouseforcechanged | webkitmouseforcewillbegin |",
    // The clipboard and focus.
    "beforecopy | beforecut | beforepaste | copy | cut | paste | focusin | focusout | activate |
     beforeactivate | beforedeactivate | deactivate | show |",
    // Animation: CSS and SMIL.
    "animationcancel | animationend | animationiteration | animationstart | transitioncancel |
     transitionend | transitionrun | transitionstart | webkitanimationend | webkitanimationiteration
     | webkitanimationstart | webkittransitionend | begin | end | repeat |",
    // Media.
    "canplay | canplaythrough | cuechange | durationchange | emptied | encrypted | ended | loadeddata |
     loadedmetadata | pause | play | playing | progress | ratechange | seeked | seeking | stalled |
     suspend | timeupdate | volumechange | waiting | waitingforkey |
     webkitplaybacktargetavailabilitychanged | enterpictureinpicture | leavepictureinpicture |
     slotchange |",
    // What old browsers knew.
    "bounce | finish | start | controlselect | dataavailable | datasetchanged | datasetcomplete |
     errorupdate | filterchange | help | layoutcomplete | losecapture | move | moveend | movestart |
     resizeend | resizestart | rowenter | rowexit | rowsdelete | rowsinserted | beforeeditfocus |
     beforeupdate | afterupdate | cellchange",
    r") [\s\x00]* = (?: [^=] | $ )"
);

/// "and so on.../etc" has three dots. `..;/` climbs where a servlet container cuts off what follows `;`.
const PARENT_SLASH: &str = r"(?ix) (?: ^ | [^.] ) \.\. (?: ; [^/\\\s]* )? /";

/// As [`PARENT_SLASH`], for Windows.
const PARENT_BACKSLASH: &str = r"(?ix) (?: ^ | [^.] ) \.\. \\";

/// What makes a parenthesis behind a word a call: no blank before it and something in it ("the eval(s)" and
/// "use eval() never" are prose), or behind a blank something that prose does not put into parentheses.
macro_rules! call {
    () => {
        r#"(?: \( \s* (?: [^s)\s] | s [^)] )
             | [\s\x00]+ \( \s* (?: \$ [a-z_{(] | [a-z_$] [0-9a-z_$.]* [(\[] | n? ['"] [^'"]* [;(=]
               | n? '[^']* (?: drop | xp_ | sp_ | select (?-u:\b) )
               | @ [a-z_] [0-9a-z_]* \s* \) \s* (?: $ | ; | -- ) ) )"#
    };
}

/// `_` before the word is allowed (`shell_exec(`), a letter is not ("retrieval (", "medieval (").
const EVAL_CALL: &str = concat!(r"(?ix) (?: (?-u:\b) | _ ) eval", call!());

/// As [`EVAL_CALL`].
const EXEC_CALL: &str = concat!(r"(?ix) (?: (?-u:\b) | _ ) exec", call!());
