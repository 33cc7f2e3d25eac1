//! A WebSocket from its first frame to its end: two directions, and everything that can end them.
//!
//! Whatever the end is, both sides hear a Close with the code that fits it, if a frame is not just half said; then they
//! have a short time to answer, and then the connections go. Nothing here decides who may talk: that was judged before,
//! and [`super::sockets`] says when it is over.

use std::fmt;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis_access::limit::{Bucket, Rate, Taken, take};
use portcullis_contract::ports::{Clock, Entropy};
use portcullis_contract::snapshot::Mode;
use portcullis_model::Blame;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::frame::{Began, Breach, Piece, Rules, Side, close};
use super::lane::{Lane, Saw};
use super::sockets::{Expiry, Place, Told};

/// How long the second side has for its Close when the first has closed.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How long both sides have for it when the gate has closed: whoever was told to go is to be gone within a second.
const GATE_CLOSE_WAIT: Duration = Duration::from_millis(500);
/// How long a connection has to take its last bytes.
const HANG_UP_WAIT: Duration = Duration::from_secs(2);

/// What a talk is held to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) client: Rules,
    pub(super) upstream: Rules,
    /// Messages of the client.
    pub(super) messages: Rate,
    /// Pings and pongs of the client.
    pub(super) controls: Rate,
    /// What becomes of more.
    pub(super) mode: Mode,
    pub(super) idle_timeout: Duration,
}

/// What a talk is told from outside.
pub(super) struct Outside<'a> {
    /// When its leave ends.
    pub(super) place: &'a mut Place,
    /// How long its key is still good.
    pub(super) expiry: Option<Expiry>,
    /// The node is stopping.
    pub(super) stop: &'a CancellationToken,
    /// The node has stopped.
    pub(super) cut: &'a CancellationToken,
    pub(super) clock: &'a dyn Clock,
    pub(super) entropy: &'a dyn Entropy,
}

/// How a talk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// A side closed it.
    Closed(Side, Option<u16>),
    /// A side left without a Close.
    Left(Side, ErrorKind),
    /// A side broke a rule.
    Broke(Side, Breach),
    /// Nothing passed for so long.
    Idle(Duration),
    /// Its leave was taken away.
    Told(Told),
    /// The node is stopping.
    Stopping,
    /// The node stopped before the two had done so.
    CutOff,
}

/// What is told of a talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) ending: Ending,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) messages_in: u64,
    pub(super) messages_out: u64,
    /// A rule that the client would have been refused by, had it been in force.
    pub(super) would_refuse: Option<Breach>,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(side, _) => write!(f, "the {} closed", side.as_str()),
            Self::Left(side, how) => write!(f, "the {} left without a Close: {how}", side.as_str()),
            Self::Broke(side, breach) => write!(f, "the {} broke a rule: {breach}", side.as_str()),
            Self::Idle(timeout) => write!(f, "nothing passed for {timeout:?}"),
            Self::Told(told) => told.fmt(f),
            Self::Stopping => f.write_str("the node is stopping"),
            Self::CutOff => f.write_str("the node stopped before both sides had closed"),
        }
    }
}

impl Ending {
    /// Who ended it.
    pub(super) fn by(self) -> &'static str {
        match self {
            Self::Closed(side, _) | Self::Left(side, _) => side.as_str(),
            _ => "gate",
        }
    }

    /// Whose fault that was, if anybody's.
    pub(super) fn blame(self) -> Option<Blame> {
        match self {
            Self::Broke(Side::Client, _) | Self::Told(_) => Some(Blame::Client),
            Self::Broke(Side::Upstream, _) | Self::Left(Side::Upstream, _) => Some(Blame::Upstream),
            _ => None,
        }
    }

    /// The code of the first Close, whoever said it.
    pub(super) fn code(self) -> Option<u16> {
        match self {
            Self::Closed(_, code) => code,
            Self::CutOff => None,
            _ => self.code_for(Side::Client).or(self.code_for(Side::Upstream)),
        }
    }

    /// The code of the Close that a side hears from us (RFC 6455 §7.4.1).
    fn code_for(self, side: Side) -> Option<u16> {
        match self {
            Self::Closed(..) | Self::CutOff => None,
            Self::Left(left, _) if left == side => None,
            Self::Left(Side::Client, _) => Some(1001),
            Self::Left(Side::Upstream, _) => Some(1011),
            Self::Broke(_, breach) => Some(breach.close_code()),
            Self::Told(_) => Some(1008),
            Self::Idle(_) | Self::Stopping => Some(1001),
        }
    }
}

impl Side {
    /// Its name in events.
    fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
        }
    }
}

/// Two directions.
struct Talk<'a> {
    /// What the client says.
    up: Lane,
    /// What it hears.
    down: Lane,
    pace: Pace<'a>,
    /// Whose turn it is to go first: whoever talks without a pause must not keep the other from being heard.
    first: Side,
    /// When something last passed.
    moved: Instant,
}

/// How fast the client may talk.
struct Pace<'a> {
    terms: &'a Terms,
    clock: &'a dyn Clock,
    messages: Bucket,
    controls: Bucket,
    would_refuse: Option<Breach>,
}

/// Lets the two talk until one of them, or something else, ends it.
pub(super) async fn talk<C, U>(
    client: &mut C,
    upstream: &mut U,
    terms: &Terms,
    mut outside: Outside<'_>,
) -> Tally
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let mut talk = Talk::new(terms, outside.clock);
    let ending = talk.open(client, upstream, &mut outside).await;
    if ending != Ending::CutOff {
        talk.close(ending, client, upstream, &mut outside).await;
    }
    Tally {
        ending,
        bytes_in: talk.up.bytes,
        bytes_out: talk.down.bytes,
        messages_in: talk.up.messages,
        messages_out: talk.down.messages,
        would_refuse: talk.pace.would_refuse,
    }
}

/// Ends both connections so that the last bytes arrive.
pub(super) async fn hang_up<C, U>(client: &mut C, upstream: &mut U, cut: &CancellationToken)
where
    C: AsyncWrite + Unpin,
    U: AsyncWrite + Unpin,
{
    let both = async {
        // Whether it worked makes no difference any more.
        let _ = tokio::join!(
            timeout(HANG_UP_WAIT, client.shutdown()),
            timeout(HANG_UP_WAIT, upstream.shutdown())
        );
    };
    tokio::select! {
        () = both => {}
        () = cut.cancelled() => {}
    }
}

impl<'a> Talk<'a> {
    fn new(terms: &'a Terms, clock: &'a dyn Clock) -> Self {
        let pace = Pace {
            terms,
            clock,
            messages: Bucket::default(),
            controls: Bucket::default(),
            would_refuse: None,
        };
        let (up, down) = (Lane::new(terms.client), Lane::new(terms.upstream));
        Self { up, down, pace, first: Side::Client, moved: Instant::now() }
    }

    /// Passes what the two say, until there is a reason to end.
    async fn open<C, U>(&mut self, client: &mut C, upstream: &mut U, outside: &mut Outside<'_>) -> Ending
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        let idle_timeout = self.pace.terms.idle_timeout;
        let told = outside.place.told(outside.expiry);
        tokio::pin!(told);
        loop {
            let silence_ends = self.moved + idle_timeout;
            tokio::select! {
                biased;
                () = outside.cut.cancelled() => return Ending::CutOff,
                why = &mut told => return Ending::Told(why),
                () = outside.stop.cancelled() => return Ending::Stopping,
                // What passed meanwhile has put the end off.
                () = sleep_until(silence_ends) => {
                    if self.moved + idle_timeout <= Instant::now() {
                        return Ending::Idle(idle_timeout);
                    }
                }
                (side, saw) = poll_fn(|cx| self.poll(cx, client, upstream)) => return match saw {
                    Saw::Closed(code) => Ending::Closed(side, code),
                    Saw::Broke(breach) => Ending::Broke(side, breach),
                    Saw::Left(side, how) => Ending::Left(side, how),
                    Saw::Over => Ending::Left(side, ErrorKind::Other),
                },
            }
        }
    }

    /// Says what is still to be said, and hears it out for a while.
    async fn close<C, U>(
        &mut self,
        ending: Ending,
        client: &mut C,
        upstream: &mut U,
        outside: &mut Outside<'_>,
    ) where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        let mut wait = ANSWER_WAIT;
        if !matches!(ending, Ending::Closed(..)) {
            wait = GATE_CLOSE_WAIT;
            let mut mask = [0; 4];
            outside.entropy.fill(&mut mask);
            let to_upstream = ending.code_for(Side::Upstream).map(|code| close(code, Some(mask)));
            let to_client = ending.code_for(Side::Client).map(|code| close(code, None));
            self.up.end(to_upstream.unwrap_or_default());
            self.down.end(to_client.unwrap_or_default());
        }
        let told = outside.place.told(outside.expiry);
        let last = sleep_until(Instant::now() + wait);
        tokio::pin!(told, last);
        let mut is_told = matches!(ending, Ending::Told(_));
        while !(self.up.is_done() && self.down.is_done()) {
            tokio::select! {
                biased;
                () = outside.cut.cancelled() => return,
                () = &mut last => return,
                _ = &mut told, if !is_told => {
                    is_told = true;
                    last.as_mut().reset(Instant::now());
                }
                (side, saw) = poll_fn(|cx| self.poll(cx, client, upstream)) => match (side, saw) {
                    (Side::Client, Saw::Broke(_) | Saw::Left(..)) => self.up.give_up(),
                    (Side::Upstream, Saw::Broke(_) | Saw::Left(..)) => self.down.give_up(),
                    (_, Saw::Closed(_) | Saw::Over) => {}
                },
            }
        }
    }

    /// Moves what can be moved; whose frames it was that something was seen of.
    fn poll<C, U>(&mut self, cx: &mut Context<'_>, client: &mut C, upstream: &mut U) -> Poll<(Side, Saw)>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        let before = (self.up.bytes, self.down.bytes);
        self.first = self.first.other();
        let mut saw = Poll::Pending;
        for side in [self.first, self.first.other()] {
            let pace = &mut self.pace;
            saw = match side {
                Side::Client => self.up.poll(cx, client, upstream, |began| pace.ask(began)),
                Side::Upstream => self.down.poll(cx, upstream, client, |_| Ok(())),
            }
            .map(|saw| (side, saw));
            if saw.is_ready() {
                break;
            }
        }
        if (self.up.bytes, self.down.bytes) != before {
            self.moved = Instant::now();
        }
        saw
    }
}

impl Pace<'_> {
    /// Whether the client may begin this now.
    fn ask(&mut self, began: Began) -> Result<(), Breach> {
        let (bucket, rate, breach) = match began {
            Began::Message | Began::Piece(Piece::Small) => {
                (&mut self.messages, &self.terms.messages, Breach::TooManyMessages)
            }
            Began::Control => (&mut self.controls, &self.terms.controls, Breach::TooManyControls),
            Began::Piece(Piece::Large) | Began::Close(_) => return Ok(()),
        };
        if self.terms.mode == Mode::Off {
            return Ok(());
        }
        let (next, taken) = take(*bucket, rate, self.clock.monotonic(), 1);
        *bucket = next;
        match taken {
            Taken::Allowed { .. } => Ok(()),
            Taken::Refused { .. } if self.terms.mode == Mode::Observe => {
                self.would_refuse = Some(breach);
                Ok(())
            }
            Taken::Refused { .. } => Err(breach),
        }
    }
}
