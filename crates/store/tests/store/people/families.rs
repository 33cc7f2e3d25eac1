//! Families of refresh tokens: stored whole, and stepped by one of two at once.

use std::time::Duration;

use portcullis_access::refresh::{Family, Lifetimes, Presented, RefreshHash, RefreshToken};
use portcullis_model::SessionId;

use super::world::{ROOM, World, at, id, open, session};

const LIFETIMES: Lifetimes =
    Lifetimes { idle: Duration::from_secs(3600), absolute: Duration::from_secs(7200) };

fn begin(number: u64) -> (Family, RefreshToken) {
    let session = SessionId(id(number)).to_string();
    // Its name is made of the first bytes.
    let mut random = [0; 48];
    random[..16].copy_from_slice(&id::<16>(number));
    Family::begin(&session, "shop", LIFETIMES, at(0), &random)
}

fn step(family: &Family, token: &RefreshToken, random: u64) -> (Family, RefreshToken) {
    let presented = Presented::parse(token.expose()).unwrap();
    let (next, token) = family.clone().step(&presented, "shop", LIFETIMES, at(1), &id(random));
    (next, token.unwrap())
}

#[tokio::test]
async fn a_family_is_stored_whole_at_each_step() {
    for world in World::both().await {
        let opened = open(&world).await;
        let families = &opened.store.families;
        opened.people([1]).await;
        opened.begin(&session(10, 1, 0), ROOM).await;
        let (first, token) = begin(10);
        assert_eq!(families.find(&first.name).await, Ok(None));
        assert_eq!(families.keep(&first, SessionId(id(10))).await, Ok(true));
        assert_eq!(families.find(&first.name).await, Ok(Some(first.clone())), "{}", world.name);
        let (second, _) = step(&first, &token, 2);
        assert_eq!(families.step(&second).await, Ok(true));
        // A retry has two answers.
        let (third, token) = step(&second, &token, 3);
        assert_eq!(third.current.len(), 2);
        assert_eq!(families.step(&third).await, Ok(true));
        assert_eq!(families.find(&first.name).await, Ok(Some(third.clone())));
        let (fourth, _) = step(&third, &token, 4);
        assert_eq!(families.step(&fourth).await, Ok(true));
        let over = fourth.revoke();
        assert_eq!(families.step(&over).await, Ok(true));
        assert_eq!(families.find(&first.name).await, Ok(Some(over)));
        assert_eq!(families.find(&RefreshHash([9; 32])).await, Ok(None));
    }
}

#[tokio::test]
async fn a_step_needs_the_version_before() {
    for world in World::both().await {
        let opened = open(&world).await;
        let families = &opened.store.families;
        opened.people([1]).await;
        opened.begin(&session(10, 1, 0), ROOM).await;
        let (first, token) = begin(10);
        let (second, next) = step(&first, &token, 2);
        assert_eq!(families.step(&second).await, Ok(false), "it is not there");
        assert_eq!(families.keep(&first, SessionId(id(10))).await, Ok(true));
        assert_eq!(families.step(&first).await, Ok(false), "nothing is before the first");
        let (third, _) = step(&second, &next, 3);
        assert_eq!(families.step(&third).await, Ok(false), "one is missing");
        assert_eq!(families.step(&second).await, Ok(true));
        assert_eq!(families.step(&second).await, Ok(false), "{}: a second time", world.name);
        opened.store.sessions.end(&[SessionId(id(10))]).await.unwrap();
        assert_eq!(families.step(&third).await, Ok(false), "it ended with its session");
    }
}

#[tokio::test]
async fn of_many_who_step_at_once_one_does() {
    for world in World::both().await {
        let nodes = [open(&world).await, open(&world).await];
        nodes[0].people([1]).await;
        nodes[0].begin(&session(10, 1, 0), ROOM).await;
        let (mut family, mut token) = begin(10);
        assert_eq!(nodes[0].store.families.keep(&family, SessionId(id(10))).await, Ok(true));
        for round in 0..10u64 {
            let mut tasks = Vec::new();
            for at_once in 0..6u64 {
                let families = nodes[at_once as usize % 2].store.families.clone();
                let (next, token) = step(&family, &token, 100 * round + at_once + 1);
                tasks.push(tokio::spawn(async move {
                    families.step(&next).await.unwrap().then_some((next, token))
                }));
            }
            let mut won = Vec::new();
            for task in tasks {
                won.extend(task.await.unwrap());
            }
            assert_eq!(won.len(), 1, "{}, round {round}", world.name);
            (family, token) = won.remove(0);
            assert_eq!(nodes[1].store.families.find(&family.name).await, Ok(Some(family.clone())));
        }
    }
}

#[tokio::test]
async fn no_family_begins_for_a_session_that_is_over() {
    for world in World::both().await {
        let opened = open(&world).await;
        opened.people([1]).await;
        opened.begin(&session(10, 1, 0), ROOM).await;
        let keep = async |number| opened.store.families.keep(&begin(number).0, SessionId(id(number))).await;
        assert_eq!(keep(11).await, Ok(false), "{}", world.name);
        opened.clock.set(12 * 3600);
        assert_eq!(keep(10).await, Ok(false));
        opened.clock.set(12 * 3600 - 1);
        assert_eq!(keep(10).await, Ok(true));
    }
}
