//! Many at once, on two nodes: room is never exceeded, a change of a password lets no log-in slip through, and nobody
//! waits in a circle.

use std::collections::HashSet;
use std::time::Duration;

use portcullis_access::refresh::{Family, Lifetimes};
use portcullis_contract::identity::{Begun, Changed, Ending, Gone, SessionRoom, User, UserState};
use portcullis_model::{RoleName, SessionId, UserId};
use portcullis_testkit::Random;

use super::world::{Opened, ROOM, World, application, at, id, key, open, session, since, ticket, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_log_ins_at_once_never_exceed_the_room() {
    for world in World::both().await {
        let nodes = [open(&world).await, open(&world).await];
        nodes[0].people(0..4).await;
        let room = SessionRoom { per_user: 3, all: 8, ..ROOM };
        let mut tasks = Vec::new();
        for number in 0..48u64 {
            let sessions = nodes[number as usize % 2].store.sessions.clone();
            tasks.push(tokio::spawn(async move {
                let begun = session(100 + number, number % 4, number as i64);
                let begun = sessions.begin(&begun, 0, None, room).await.unwrap();
                (SessionId(id(100 + number)), begun)
            }));
        }
        let (mut there, mut full) = (HashSet::new(), 0);
        let mut ended = HashSet::new();
        for task in tasks {
            match task.await.unwrap() {
                (begun, Begun::Yes(others)) => {
                    there.insert(begun);
                    ended.extend(others);
                }
                (_, Begun::Full) => full += 1,
                (_, Begun::Stale) => panic!("no account changed"),
            }
        }
        let left: HashSet<_> =
            nodes[0].store.sessions.page(None, 100).await.unwrap().iter().map(|session| session.id).collect();
        assert_eq!(left, &there - &ended, "{}", world.name);
        assert!(left.len() == 8 && full < 48, "{}: {} left", world.name, left.len());
        for number in 0..4 {
            let own = nodes[0].store.sessions.of_user(UserId(id(number))).await.unwrap();
            assert!(own.len() <= 3, "{}: {}", world.name, own.len());
        }
        let told: HashSet<_> = nodes[0].gone().await.into_iter().collect();
        assert_eq!(told, ended.into_iter().map(Gone::Session).collect());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_log_in_with_the_old_password_outlives_its_change() {
    for world in World::both().await {
        let nodes = [open(&world).await, open(&world).await];
        nodes[0].people([1]).await;
        for version in 0..12u64 {
            let mut tasks = Vec::new();
            for number in 0..6u64 {
                let sessions = nodes[number as usize % 2].store.sessions.clone();
                tasks.push(tokio::spawn(async move {
                    let begun = session(100 * (version + 1) + number, 1, 0);
                    sessions.begin(&begun, version, None, ROOM).await.unwrap();
                }));
            }
            let users = nodes[version as usize % 2].store.users.clone();
            let changes = tokio::spawn(async move {
                let changed = users.change(&User { version, ..user(1) }, Ending::All, &[]).await;
                assert_eq!(changed, Ok(Changed::Yes));
            });
            for task in tasks {
                task.await.unwrap();
            }
            changes.await.unwrap();
            let left = nodes[0].store.sessions.of_user(UserId(id(1))).await.unwrap();
            assert_eq!(left, [], "{}, version {version}", world.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_administrators_who_close_each_other_at_once_one_remains() {
    for world in World::both().await {
        let nodes = [open(&world).await, open(&world).await];
        let held = [RoleName::parse("admin").unwrap()];
        let administrator = |number: u64| User { roles: held.to_vec(), ..user(number) };
        for round in 0..12u64 {
            let pair = [10 * round, 10 * round + 1];
            for number in pair {
                assert_eq!(nodes[0].store.users.create(&administrator(number)).await, Ok(Changed::Yes));
            }
            let tasks = [0, 1].map(|at| {
                let (users, held) = (nodes[at].store.users.clone(), held.clone());
                let closed = User { state: UserState::Disabled, ..administrator(pair[at]) };
                let demoted = User { roles: Vec::new(), ..administrator(pair[at]) };
                tokio::spawn(async move {
                    match (round + at as u64) % 3 {
                        0 => users.change(&closed, Ending::All, &held).await.unwrap(),
                        1 => users.change(&demoted, Ending::All, &held).await.unwrap(),
                        _ => users.delete(closed.id, &held).await.unwrap(),
                    }
                })
            });
            let mut done = Vec::new();
            for task in tasks {
                done.push(task.await.unwrap());
            }
            done.sort_by_key(|done| format!("{done:?}"));
            assert_eq!(done, [Changed::LastHolder, Changed::Yes], "{}, round {round}", world.name);
            for number in pair {
                nodes[1].store.users.delete(UserId(id(number)), &[]).await.unwrap();
            }
        }
    }
}

/// Whatever one node does beside the other, over the same few rows, until all of it is done or something fails.
async fn busy(node: Opened, seed: u64) {
    const LIFETIMES: Lifetimes =
        Lifetimes { idle: Duration::from_secs(3600), absolute: Duration::from_secs(7200) };
    let (mut random, store) = (Random::new(seed), &node.store);
    let all: Vec<_> = (0..12).map(|number| SessionId(id(number))).collect();
    for round in 0..60u64 {
        let (number, owner) = (random.below(12), random.below(3));
        let session_id = SessionId(id(number));
        match random.below(9) {
            0 | 1 => {
                // Somebody else may have begun one of that id.
                let begun = session(1000 * seed + round, owner, 0);
                store.sessions.begin(&begun, 0, None, ROOM).await.unwrap();
                let _ = store.sessions.begin(&session(number, owner, 0), 0, None, ROOM).await;
            }
            2 => drop(store.sessions.end(&all).await.unwrap()),
            3 => drop(store.sessions.end_of_user(UserId(id(owner)), None).await.unwrap()),
            4 => {
                let seen: Vec<_> = all.iter().rev().map(|id| (*id, at(round as i64))).collect();
                store.sessions.seen(&seen).await.unwrap();
            }
            5 => {
                let shop = ticket(1000 * seed + round, number, application("shop"));
                store.sessions.add_ticket(&shop).await.unwrap();
            }
            6 => {
                let random = [(seed * 60 + round) as u8; 48];
                let (family, _) = Family::begin(&session_id.to_string(), "shop", LIFETIMES, at(0), &random);
                store.families.keep(&family, session_id).await.unwrap();
            }
            7 => {
                store.users.delete(UserId(id(owner)), &[]).await.unwrap();
                store.users.create(&user(owner)).await.unwrap();
            }
            _ => {
                store.api_keys.create(&key(1000 * seed + round, owner)).await.unwrap();
                store.sessions.purge(at(0), since(at(0)), 10).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_waits_in_a_circle() {
    for world in World::both().await {
        open(&world).await.people(0..3).await;
        let mut tasks = Vec::new();
        for seed in 1..5 {
            tasks.push(tokio::spawn(busy(open(&world).await, seed)));
        }
        for task in tasks {
            task.await.unwrap_or_else(|error| panic!("{}: {error}", world.name));
        }
        // What was counted on the way is what is there.
        let opened = open(&world).await;
        opened.gone().await;
        let count = u32::try_from(opened.store.sessions.page(None, 1000).await.unwrap().len()).unwrap();
        opened.people([9]).await;
        let begin = async |number, all| {
            opened.store.sessions.begin(&session(number, 9, 0), 0, None, SessionRoom { all, ..ROOM }).await
        };
        assert_eq!(begin(9001, count).await, Ok(Begun::Full), "{}", world.name);
        assert_eq!(begin(9001, count + 1).await, Ok(Begun::Yes(vec![])));
    }
}
