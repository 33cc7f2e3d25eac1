//! The few bytes of one direction that are held at a time: received, judged, not yet passed.
//!
//! Pure. It grows while more comes than fits, shrinks when it is empty, and never holds more than its bound, however
//! long a message is: a side that does not read makes the other one wait.

/// Bytes of a fresh window: most messages fit, and a silent WebSocket costs no more.
const BYTES_USUAL: usize = 2 << 10;
/// The most that is held. Larger ones make nothing faster.
const BYTES_MAX: usize = 32 << 10;

const _: () = assert!(BYTES_USUAL >= super::frame::WINDOW_BYTES_MIN);

/// Bytes between two sockets.
#[derive(Debug)]
pub(super) struct Window {
    buffer: Vec<u8>,
    /// What may pass stands from here …
    start: usize,
    /// … to here …
    judged: usize,
    /// … and what was not judged yet from there to here.
    end: usize,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; BYTES_USUAL], start: 0, judged: 0, end: 0 }
    }

    /// What may pass.
    pub(super) fn passing(&self) -> &[u8] {
        self.buffer.get(self.start..self.judged).unwrap_or_default()
    }

    /// The first `bytes` of what may pass have gone.
    pub(super) fn gone(&mut self, bytes: usize) {
        self.start = self.judged.min(self.start + bytes);
    }

    /// What is still to be judged.
    pub(super) fn held(&self) -> &[u8] {
        self.buffer.get(self.judged..self.end).unwrap_or_default()
    }

    /// The first `bytes` of what is held may pass.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.judged = self.end.min(self.judged + bytes);
    }

    /// The first `bytes` of what is held go nowhere. Only when nothing waits to pass.
    pub(super) fn drop(&mut self, bytes: usize) {
        self.pass(bytes);
        self.start = self.judged;
    }

    /// Room for what is received next; never empty while less is held than a frame's header and a control frame take.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let was_full = self.end == self.buffer.len();
        if self.start == self.end {
            (self.start, self.judged, self.end) = (0, 0, 0);
            if !was_full && self.buffer.len() > BYTES_USUAL {
                self.buffer = vec![0; BYTES_USUAL];
            }
        } else if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.judged, self.end) = (self.judged - self.start, self.end - self.start);
            self.start = 0;
        }
        if was_full && self.buffer.len() < BYTES_MAX {
            self.buffer.resize(self.buffer.len().saturating_mul(2).min(BYTES_MAX), 0);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// So many bytes were received into the room.
    pub(super) fn received(&mut self, bytes: usize) {
        self.end = self.buffer.len().min(self.end + bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Receives `bytes`, as far as they fit.
    fn receive(window: &mut Window, bytes: &[u8]) -> usize {
        let room = window.room();
        let fitting = room.len().min(bytes.len());
        room[..fitting].copy_from_slice(&bytes[..fitting]);
        window.received(fitting);
        fitting
    }

    #[test]
    fn bytes_come_out_in_order_and_only_when_judged() {
        let mut window = Window::new();
        receive(&mut window, b"abcdef");
        assert_eq!((window.passing(), window.held()), (&b""[..], &b"abcdef"[..]));
        window.pass(4);
        assert_eq!((window.passing(), window.held()), (&b"abcd"[..], &b"ef"[..]));
        window.gone(1);
        receive(&mut window, b"gh");
        assert_eq!((window.passing(), window.held()), (&b"bcd"[..], &b"efgh"[..]));
        window.gone(3);
        window.drop(2);
        assert_eq!((window.passing(), window.held()), (&b""[..], &b"gh"[..]));
    }

    #[test]
    fn it_grows_to_its_bound_and_shrinks_when_little_comes() {
        let (mut window, mut held) = (Window::new(), 0);
        loop {
            let received = receive(&mut window, &[7; BYTES_MAX]);
            if received == 0 {
                break;
            }
            held += received;
        }
        assert_eq!((held, window.buffer.len()), (BYTES_MAX, BYTES_MAX));
        window.pass(held);
        window.gone(held);
        receive(&mut window, b"a");
        assert_eq!(window.buffer.len(), BYTES_MAX, "what filled it may come again");
        window.drop(1);
        receive(&mut window, b"a");
        assert_eq!(window.buffer.len(), BYTES_USUAL);
        assert_eq!(window.held(), b"a");
    }
}
