//! The stream of ends: numbered without gaps, in the order of the commits, and never missed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_contract::identity::{Begun, Gone, Revocation, StoreProblem};
use portcullis_contract::ports::Asking;
use portcullis_model::SessionId;

use super::world::{ROOM, World, at, gone, id, open, session};

#[tokio::test]
async fn it_is_read_from_any_number_and_forgotten_from_its_beginning() {
    for world in World::both().await {
        let opened = open(&world).await;
        let revocations = &opened.store.revocations;
        opened.people([1]).await;
        assert_eq!(revocations.last().await, Ok(0));
        for number in 10..15 {
            opened.begin(&session(number, 1, 0), ROOM).await;
        }
        for number in 10..15 {
            opened.clock.set(number as i64);
            opened.store.sessions.end(&[SessionId(id(number))]).await.unwrap();
        }
        let numbered = |number, session| Revocation { number, gone: gone(session) };
        assert_eq!(
            revocations.after(1, 2).await,
            Ok(vec![numbered(2, 11), numbered(3, 12)]),
            "{}",
            world.name
        );
        assert_eq!(revocations.after(4, 9).await, Ok(vec![numbered(5, 14)]));
        assert_eq!(revocations.after(5, 9).await, Ok(vec![]));
        revocations.forget(at(13)).await.unwrap();
        assert_eq!(revocations.after(0, 9).await, Ok(vec![numbered(4, 13), numbered(5, 14)]));
        revocations.forget(at(1000)).await.unwrap();
        // Numbers go on: whoever was away sees that there is a gap.
        assert_eq!((revocations.after(0, 9).await, revocations.last().await), (Ok(vec![]), Ok(5)));
        opened.begin(&session(20, 1, 0), ROOM).await;
        opened.store.sessions.end(&[SessionId(id(20))]).await.unwrap();
        assert_eq!(revocations.after(0, 9).await, Ok(vec![numbered(6, 20)]));
    }
}

#[tokio::test]
async fn more_are_forgotten_than_one_statement_takes() {
    for world in World::both().await {
        let opened = open(&world).await;
        let many = "INSERT INTO revocation (number, kind, ended_at) WITH RECURSIVE n (n) AS \
            (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500) SELECT n, 4, n FROM n";
        world.run(many).await;
        opened.store.revocations.forget(at(0)).await.unwrap();
        assert_eq!(opened.store.revocations.after(0, 9).await, Ok(vec![]), "{}", world.name);
    }
}

/// Many writers on two nodes end sessions, of which some fail and give their numbers back, while readers follow: each
/// sees every number once, in order, and all that ended.
/// Asks again while another node holds SQLite's lock: who waits for that is not queued, and a busy machine can leave one
/// writer out for longer than it waits. Nothing was done then.
async fn heard<'a, T>(ask: impl Fn() -> Asking<'a, T>) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(StoreProblem::Unavailable(why)) if why.contains("database is locked") => {}
            Err(problem) => panic!("{problem}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_follows_it_misses_nothing_that_many_writers_end() {
    const WRITERS: u64 = 8;
    const EACH: u64 = 12;
    for world in World::both().await {
        let nodes = [open(&world).await, open(&world).await];
        nodes[0].people(0..WRITERS).await;
        let done = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = [0, 1]
            .map(|node| {
                let (revocations, done) = (nodes[node].store.revocations.clone(), done.clone());
                tokio::spawn(async move {
                    let mut read: Vec<Revocation> = Vec::new();
                    loop {
                        let is_last = done.load(Ordering::SeqCst);
                        let last = read.last().map_or(0, |last| last.number);
                        let page = revocations.after(last, 7).await.unwrap();
                        if page.is_empty() && is_last {
                            return read;
                        }
                        read.extend(page);
                    }
                })
            })
            .into();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let node = &nodes[writer as usize % 2];
                let (sessions, users) = (node.store.sessions.clone(), node.store.users.clone());
                tokio::spawn(async move {
                    for number in 0..EACH {
                        let number = 1000 * (writer + 1) + number;
                        let new = session(number, writer, 0);
                        let begun = heard(|| sessions.begin(&new, 0, None, ROOM)).await;
                        assert_eq!(begun, Begun::Yes(vec![]));
                        // Twice the same id: the whole call fails, after its turn came.
                        assert!(sessions.begin(&session(number, writer, 0), 0, None, ROOM).await.is_err());
                        let deleted = heard(|| users.delete(portcullis_model::UserId(id(99)), &[])).await;
                        assert_eq!(deleted, portcullis_contract::identity::Changed::Stale);
                        let ends = [SessionId(id(number))];
                        let ended = heard(|| sessions.end(&ends)).await;
                        assert_eq!(ended.len(), 1);
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            let read = reader.await.unwrap();
            let numbers: Vec<_> = read.iter().map(|one| one.number).collect();
            assert_eq!(numbers, (1..=WRITERS * EACH).collect::<Vec<_>>(), "{}", world.name);
            let ended: HashSet<Gone> = read.iter().map(|one| one.gone).collect();
            assert_eq!(ended.len() as u64, WRITERS * EACH);
        }
    }
}
