//! One direction of a WebSocket: from one socket, through the judge, to the other.
//!
//! Bytes are read only when what was read before has been taken: a side that does not read makes the other one wait.
//! A word of our own, the Close at the end, is said between two frames and never within one.

use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frame::{Began, Breach, Frames, Rules, Side, Step};
use super::window::Window;

/// One direction.
pub(super) struct Lane {
    sender: Side,
    frames: Frames,
    window: Window,
    course: Course,
    /// Whether the sender's socket still gives something.
    source: Source,
    /// Whether the receiver's socket may hold something back.
    flush: Flush,
    /// The code of the sender's Close.
    close_code: Option<u16>,
    /// Bytes that have passed.
    pub(super) bytes: u64,
    /// Messages that have begun to.
    pub(super) messages: u64,
}

/// What becomes of the sender's frames.
#[derive(Debug)]
enum Course {
    /// They pass.
    Open,
    /// The one that has begun may end; then this is said, and nothing else.
    Ending(Bytes),
    /// They go nowhere; the sender's Close is waited for.
    Over,
    /// Nothing more happens.
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Open,
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    Needed,
    Done,
}

/// What was seen in a direction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Saw {
    /// The sender's Close has passed, with its code.
    Closed(Option<u16>),
    /// This side left without one.
    Left(Side, ErrorKind),
    /// The sender broke a rule.
    Broke(Breach),
    /// Our own Close is said, and the sender has said its own or will not.
    Over,
}

impl Side {
    /// Who sits at the other end.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Client => Self::Upstream,
            Self::Upstream => Self::Client,
        }
    }
}

impl Lane {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            sender: rules.sender,
            frames: Frames::new(rules),
            window: Window::new(),
            course: Course::Open,
            source: Source::Open,
            flush: Flush::Done,
            close_code: None,
            bytes: 0,
            messages: 0,
        }
    }

    /// Lets no further frame pass, and says `close` in its place, unless the sender itself has closed.
    pub(super) fn end(&mut self, close: Vec<u8>) {
        if matches!(self.course, Course::Open) && !self.frames.is_closed() {
            self.course = Course::Ending(close.into());
        }
    }

    /// Lets nothing happen any more.
    pub(super) fn give_up(&mut self) {
        self.course = Course::Done;
    }

    /// Whether anything can still happen.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.course, Course::Done)
    }

    /// Moves bytes until neither socket goes on. `pace` is asked about each frame before it passes.
    pub(super) fn poll<S, R>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
        sink: &mut R,
        mut pace: impl FnMut(Began) -> Result<(), Breach>,
    ) -> Poll<Saw>
    where
        S: AsyncRead + Unpin,
        R: AsyncWrite + Unpin,
    {
        while !self.is_done() {
            if let Err(kind) = ready!(self.poll_write(cx, sink)) {
                return Poll::Ready(self.left_by_receiver(kind));
            }
            if let Some(saw) = self.settle() {
                return Poll::Ready(saw);
            }
            match self.frames.judge(self.window.held()) {
                Ok(Step::Pass { bytes, .. }) if matches!(self.course, Course::Over) => {
                    self.window.drop(bytes)
                }
                Ok(Step::Pass { bytes, began }) => match began.map_or(Ok(()), &mut pace) {
                    Ok(()) => self.pass(bytes, began),
                    Err(breach) => self.frames.refuse(breach),
                },
                Ok(Step::More) => {
                    if let Poll::Ready(Err(kind)) = self.poll_flush(cx, sink) {
                        return Poll::Ready(self.left_by_receiver(kind));
                    }
                    match ready!(self.poll_read(cx, source)) {
                        Err(kind) if !self.is_ending() => return Poll::Ready(Saw::Left(self.sender, kind)),
                        Ok(()) | Err(_) => {}
                    }
                }
                Err(breach) if matches!(self.course, Course::Open) => return Poll::Ready(Saw::Broke(breach)),
                Err(_) => self.source = Source::Gone,
            }
        }
        Poll::Pending
    }

    fn left_by_receiver(&mut self, kind: ErrorKind) -> Saw {
        self.course = Course::Done;
        Saw::Left(self.sender.other(), kind)
    }

    fn is_ending(&self) -> bool {
        matches!(self.course, Course::Ending(_) | Course::Over)
    }

    fn pass(&mut self, bytes: usize, began: Option<Began>) {
        match began {
            Some(Began::Message) => self.messages += 1,
            Some(Began::Close(code)) => self.close_code = code,
            _ => {}
        }
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.window.pass(bytes);
    }

    /// What follows from everything having been written that could be.
    fn settle(&mut self) -> Option<Saw> {
        let saw = match &self.course {
            Course::Open if self.frames.is_closed() => Saw::Closed(self.close_code),
            Course::Ending(close) if close.is_empty() => {
                self.course = Course::Over;
                return self.settle();
            }
            Course::Ending(_) | Course::Over if self.source == Source::Gone => Saw::Over,
            Course::Over if self.frames.is_closed() => Saw::Over,
            _ => return None,
        };
        self.course = Course::Done;
        Some(saw)
    }

    /// Writes what may pass, and our own word when its place has come. Last words are pushed out at once.
    fn poll_write<R: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut R,
    ) -> Poll<Result<(), ErrorKind>> {
        let mut sink = Pin::new(sink);
        while !self.window.passing().is_empty() {
            let bytes = ready!(sink.as_mut().poll_write(cx, self.window.passing()));
            self.window.gone(written(bytes)?);
            self.flush = Flush::Needed;
        }
        let mut is_last = self.frames.is_closed() && matches!(self.course, Course::Open);
        if let Course::Ending(close) = &mut self.course
            && self.frames.is_between()
        {
            while !close.is_empty() {
                let bytes = ready!(sink.as_mut().poll_write(cx, close));
                close.advance(written(bytes)?);
                self.flush = Flush::Needed;
            }
            is_last = true;
        }
        if is_last { self.poll_flush(cx, sink.get_mut()) } else { Poll::Ready(Ok(())) }
    }

    /// Pushes out what the receiver's socket may hold back.
    fn poll_flush<R: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        sink: &mut R,
    ) -> Poll<Result<(), ErrorKind>> {
        if self.flush == Flush::Needed {
            ready!(Pin::new(sink).poll_flush(cx)).map_err(|error| error.kind())?;
            self.flush = Flush::Done;
        }
        Poll::Ready(Ok(()))
    }

    /// Receives into the window. An error also when the source has ended; it is then gone.
    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
    ) -> Poll<Result<(), ErrorKind>> {
        let mut room = ReadBuf::new(self.window.room());
        let read = match ready!(Pin::new(source).poll_read(cx, &mut room)) {
            Ok(()) if room.filled().is_empty() => Err(ErrorKind::UnexpectedEof),
            Ok(()) => {
                let bytes = room.filled().len();
                self.window.received(bytes);
                Ok(())
            }
            Err(error) => Err(error.kind()),
        };
        if read.is_err() {
            self.source = Source::Gone;
        }
        Poll::Ready(read)
    }
}

/// Nothing written is as bad as an error: it would be tried for ever.
fn written(bytes: std::io::Result<usize>) -> Result<usize, ErrorKind> {
    match bytes {
        Ok(0) => Err(ErrorKind::WriteZero),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(error.kind()),
    }
}
