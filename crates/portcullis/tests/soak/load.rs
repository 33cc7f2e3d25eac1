//! Clients that ask and ask, while something happens to the gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use portcullis_testkit::Client;
use tokio::task::JoinSet;

/// Clients that ask one request after the other, each over a connection that it keeps.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: JoinSet<Result<(), String>>,
}

impl Load {
    /// Begins to ask; each client's URL answers with a hundred bytes.
    pub(crate) fn begin(all: impl IntoIterator<Item = (Client, String)>) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut clients = JoinSet::new();
        for (client, url) in all {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            clients.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match client.get(&url).try_send().await {
                        Ok(answer) if answer.status == 200 && answer.body.len() == 100 => {}
                        Ok(answer) => return Err(format!("{}: {}", answer.status, answer.text())),
                        Err(why) => return Err(format!("{why:#}")),
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        Self { stop, answered, clients }
    }

    /// How many requests were answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// How many requests were answered, and what went wrong.
    pub(crate) async fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.clients.join_all().await;
        (self.answered.load(Ordering::Relaxed), ended.into_iter().filter_map(Result::err).collect())
    }
}
