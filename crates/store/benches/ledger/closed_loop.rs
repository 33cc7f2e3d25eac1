//! Writers that each wait for their event to be durable before they bring the next one, as requests of one client do.

use std::future::Future;
use std::time::{Duration, Instant};

/// As many different events as one after the other may be alike.
const BODIES: usize = 1024;

/// What came of one measurement.
pub(crate) struct Measured {
    pub(crate) events: u64,
    /// How often something was synced for them, where that is known.
    pub(crate) batches: u64,
    /// Until the last event was durable.
    pub(crate) elapsed: Duration,
    /// Until all that belongs to it was done: the tree, and a checkpoint over it.
    pub(crate) finished: Duration,
    /// How long each event waited.
    pub(crate) waits: Vec<Duration>,
}

impl Measured {
    pub(crate) fn print(mut self, target: &str, writers: usize) {
        self.waits.sort_unstable();
        let at = |part: usize| {
            let wait = self.waits.get(self.waits.len() * part / 100).copied().unwrap_or_default();
            wait.as_secs_f64() * 1e6
        };
        let events = self.events as f64;
        println!(
            "{{\"target\": \"{target}\", \"writers\": {writers}, \"events\": {}, \"batches\": {}, \"rate\": {:.1}, \
             \"finished_rate\": {:.1}, \"p50_us\": {:.1}, \"p99_us\": {:.1}}}",
            self.events,
            self.batches,
            events / self.elapsed.as_secs_f64(),
            events / self.finished.as_secs_f64(),
            at(50),
            at(99),
        );
    }
}

/// Events of 650 to 750 bytes, 700 in the middle, which look like ours and do not repeat within a page.
pub(crate) fn bodies() -> Vec<Vec<u8>> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let body = |number: usize, next: &mut dyn FnMut() -> u64| {
        let length = 650 + (number * 37) % 101;
        let mut body =
            format!("{{\"v\":1,\"kind\":\"request\",\"number\":{number},\"outcome\":\"allowed\",\"id\":\"");
        while body.len() + 2 < length {
            body.push_str(&format!("{:016x}", next()));
        }
        body.truncate(length - 2);
        body.push_str("\"}");
        body.into_bytes()
    };
    (0..BODIES).map(|number| body(number, &mut next)).collect()
}

/// Lets `writers` tasks append for some time. Gives the waits, and how long it took until the last one was told.
pub(crate) fn run<F, W>(writers: usize, time: Duration, append: F) -> (Vec<Duration>, Duration)
where
    F: Fn(&'static [u8]) -> W + Copy + Send + Sync + 'static,
    W: Future<Output = ()> + Send,
{
    // They live as long as the process does.
    let bodies: &'static [Vec<u8>] = bodies().leak();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let begin = Instant::now();
        let end = begin + time;
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                tokio::spawn(async move {
                    let mut waits = Vec::new();
                    for body in bodies.iter().cycle().skip(writer * 7) {
                        let before = Instant::now();
                        if before >= end {
                            break;
                        }
                        append(body).await;
                        waits.push(before.elapsed());
                    }
                    waits
                })
            })
            .collect();
        let mut waits = Vec::new();
        for task in tasks {
            waits.extend(task.await.unwrap());
        }
        (waits, begin.elapsed())
    })
}
