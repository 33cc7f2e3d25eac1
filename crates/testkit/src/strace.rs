//! What `strace -f -y -xx` wrote: the system calls of a process and its threads, in order.
//!
//! With `-xx` every text is hexadecimal (`\x2f`), so that quotes, brackets and blanks never stand in one.

use std::collections::HashMap;

/// The calls by which files are changed and answers are sent, and those that this reader of traces would not understand.
const CALLS: &str = "trace=openat,open,creat,write,pwrite64,pwritev,pwritev2,writev,sendto,sendmsg,fsync,fdatasync,\
    sync_file_range,ftruncate,fallocate,lseek,mmap,rename,renameat,renameat2,link,linkat,symlink,unlink,unlinkat,rmdir,\
    mkdir,mkdirat,copy_file_range,sendfile,io_uring_setup";

/// The arguments of strace for a command line that follows them; what it sees is in the file `calls`.
pub fn arguments() -> [&'static str; 11] {
    // Detached, so that the process is our own child.
    ["-D", "-f", "-y", "-xx", "-s", "10000000", "-o", "calls", "-e", CALLS, "--seccomp-bpf"]
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Everything between its brackets.
    pub arguments: String,
    /// What it gave; `None` when it failed or never returned.
    pub gave: Option<i64>,
    /// The file or folder that it opened.
    pub opened: Option<String>,
    /// The line at which it began.
    pub began: usize,
    /// The line at which it had returned; `usize::MAX` when it never did.
    pub ended: usize,
}

/// Reads a trace. Lines that tell of no call (signals, the ends of threads) are left out.
pub fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut begun: HashMap<&str, usize> = HashMap::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let (Some(index), Some((_, more))) = (begun.remove(thread), resumed.split_once(" resumed>"))
            else {
                continue;
            };
            let call = &mut calls[index];
            call.arguments.push_str(more.split(')').next().unwrap_or_default());
            call.ended = at;
            (call.gave, call.opened) = given(more);
            continue;
        }
        let Some((name, rest)) = rest.split_once('(').filter(|(name, _)| is_name(name)) else { continue };
        let mut call = Call {
            name: name.to_owned(),
            arguments: String::new(),
            gave: None,
            opened: None,
            began: at,
            ended: at,
        };
        if let Some(arguments) = rest.strip_suffix(" <unfinished ...>") {
            (call.arguments, call.ended) = (arguments.to_owned(), usize::MAX);
            begun.insert(thread, calls.len());
        } else {
            // `)`, perhaps some blanks, and `= `; behind it the words for an error may stand in brackets.
            let behind = rest.rfind(" = ").unwrap_or(rest.len());
            call.arguments = rest[..behind].trim_end().trim_end_matches(')').to_owned();
            (call.gave, call.opened) = given(&rest[behind..]);
        }
        calls.push(call);
    }
    calls
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What stands behind ` = `: a number, and the name of what it opened.
fn given(text: &str) -> (Option<i64>, Option<String>) {
    let Some((_, gave)) = text.rsplit_once(" = ") else { return (None, None) };
    // An address (`0x7f…`) is of no use here.
    let number = gave.split([' ', '<']).next().and_then(|number| number.parse().ok());
    let opened =
        gave.split_once('<').and_then(|(_, rest)| rest.split('>').next()).map(|hex| text_of(&bytes(hex)));
    (number.filter(|number| *number >= 0), opened)
}

impl Call {
    /// The number of the file that is its first argument, and what it is called.
    pub fn file(&self) -> Option<(i64, String)> {
        let (number, rest) = self.arguments.split_once('<')?;
        Some((number.parse().ok()?, text_of(&bytes(rest.split('>').next()?))))
    }

    /// What the first file is called that it names by a number, wherever that stands.
    pub fn named(&self) -> Option<String> {
        let (_, rest) = self.arguments.split_once('<')?;
        Some(text_of(&bytes(rest.split('>').next()?)))
    }

    /// Its texts.
    pub fn texts(&self) -> Vec<Vec<u8>> {
        self.arguments.split('"').skip(1).step_by(2).map(bytes).collect()
    }

    /// Its texts, one behind the other: what it writes.
    pub fn data(&self) -> Vec<u8> {
        self.texts().concat()
    }

    /// Its texts as paths.
    pub fn paths(&self) -> Vec<String> {
        self.texts().iter().map(|text| text_of(text)).collect()
    }

    /// Its last argument.
    pub fn last(&self) -> &str {
        self.arguments.rsplit(", ").next().unwrap_or_default()
    }

    /// Whether it is the begin of an answer over HTTP/1.1.
    pub fn answers(&self) -> bool {
        matches!(&*self.name, "write" | "writev" | "sendto" | "sendmsg")
            && self.file().is_some_and(|(_, name)| name.starts_with("socket:"))
            && self.data().starts_with(b"HTTP/1.1 ")
    }
}

/// What `\x2f\x74` stands for.
fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.split("\\x").skip(1);
    digits.map(|two| u8::from_str_radix(&two[..2], 16).expect("two digits of hex")).collect()
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = r#"7 openat(AT_FDCWD<\x2f\x74>, "\x61", O_RDWR|O_CREAT, 0600) = 3<\x2f\x74\x2f\x61>
7 pwrite64(3<\x2f\x74\x2f\x61>, "\x7a\x22", 2, 4096) = 2
7 fdatasync(3<\x2f\x74\x2f\x61> <unfinished ...>
8 writev(5<\x73\x6f\x63\x6b\x65\x74\x3a\x5b\x37\x5d>, [{iov_base="\x48\x54\x54\x50\x2f\x31", iov_len=6}, {iov_base="\x2e\x31\x20", iov_len=3}], 2 <unfinished ...>
7 <... fdatasync resumed>)                = 0
8 <... writev resumed>)                   = 9
8 write(3<\x2f\x74\x2f\x61>(deleted), "\x71", 1) = -1 EBADF (Bad file descriptor)
8 --- SIGCHLD {si_signo=SIGCHLD} ---
8 mmap(NULL, 10, PROT_READ, MAP_SHARED, 3<\x2f\x61>, 0) = 0x7fd2dbe77000
9 fsync(3<\x2f\x61> <unfinished ...>
8 +++ exited with 0 +++
"#;

    #[test]
    fn calls_are_put_together_and_read() {
        let calls = calls(TRACE);
        let names: Vec<_> =
            calls.iter().map(|call| (&*call.name, call.gave, call.began, call.ended)).collect();
        let never = usize::MAX;
        assert_eq!(
            names,
            [
                ("openat", Some(3), 0, 0),
                ("pwrite64", Some(2), 1, 1),
                ("fdatasync", Some(0), 2, 4),
                ("writev", Some(9), 3, 5),
                ("write", None, 6, 6),
                ("mmap", None, 8, 8),
                ("fsync", None, 9, never),
            ]
        );
        assert_eq!(
            (calls[0].opened.as_deref(), &*calls[0].paths()[0], calls[0].last()),
            (Some("/t/a"), "a", "0600")
        );
        assert_eq!((calls[1].file(), calls[1].data()), (Some((3, "/t/a".into())), b"z\"".to_vec()));
        assert_eq!(calls[1].last(), "4096");
        assert_eq!(calls[4].data(), b"q");
        let answers: Vec<_> = calls.iter().map(Call::answers).collect();
        assert_eq!(answers, [false, false, false, true, false, false, false]);
    }
}
