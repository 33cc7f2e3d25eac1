//! Codes that are good once, and secrets that one node at a time changes.

use portcullis_contract::identity::{CodeUse, Gone, SecretBytes, StoreProblem};
use zeroize::Zeroizing;

use super::world::{World, at, id, open, open_with, since};

#[tokio::test]
async fn a_code_is_good_once_until_its_end_for_its_use() {
    for world in World::both().await {
        let codes = open(&world).await.store.codes;
        let keep = async |number: u64| {
            codes.keep(CodeUse::HandOver, &id(number), &[number as u8; 40], at(60)).await.unwrap();
        };
        for number in 1..4 {
            keep(number).await;
        }
        let take =
            async |used_for, number: u64, now| codes.take(used_for, &id(number), at(now)).await.unwrap();
        assert_eq!(take(CodeUse::HandOver, 9, 0).await, None);
        assert_eq!(take(CodeUse::SetUp, 1, 0).await, None);
        assert_eq!(take(CodeUse::HandOver, 1, 59).await, Some(vec![1; 40]), "{}", world.name);
        assert_eq!(take(CodeUse::HandOver, 1, 59).await, None);
        assert_eq!(take(CodeUse::HandOver, 2, 60).await, None, "its time is over");
        assert_eq!(take(CodeUse::HandOver, 3, 0).await, Some(vec![3; 40]));
    }
}

#[tokio::test]
async fn a_code_is_used_by_one_of_many() {
    for world in World::both().await {
        let nodes = [open(&world).await, open(&world).await];
        for round in 0..10 {
            nodes[0].store.codes.keep(CodeUse::HandOver, &id(round), b"what", at(60)).await.unwrap();
            let mut tasks = Vec::new();
            for at_once in 0..8 {
                let codes = nodes[at_once % 2].store.codes.clone();
                tasks.push(tokio::spawn(async move {
                    codes.take(CodeUse::HandOver, &id(round), at(0)).await.unwrap()
                }));
            }
            let mut taken = 0;
            for task in tasks {
                taken += usize::from(task.await.unwrap().is_some());
            }
            assert_eq!(taken, 1, "{}, round {round}", world.name);
        }
    }
}

#[tokio::test]
async fn codes_that_are_over_leave_with_the_sessions_that_are() {
    for world in World::both().await {
        let opened = open(&world).await;
        // More than one turn takes.
        for number in 0..100 {
            let ends = at(number as i64);
            opened.store.codes.keep(CodeUse::HandOver, &id(number), b"", ends).await.unwrap();
        }
        opened.store.sessions.purge(at(90), since(at(0)), 70).await.unwrap();
        for number in 0..100 {
            // Earlier, each of them would be good.
            let taken = opened.store.codes.take(CodeUse::HandOver, &id(number), at(-1)).await.unwrap();
            assert_eq!(taken.is_some(), number > 90, "{}, {number}", world.name);
        }
    }
}

fn secret(text: &str) -> SecretBytes {
    SecretBytes(Zeroizing::new(text.as_bytes().to_vec()))
}

#[tokio::test]
async fn a_keyring_is_replaced_by_version_and_told() {
    for world in World::both().await {
        let opened = open(&world).await;
        let rings = &opened.store.keyrings;
        assert_eq!(rings.load("tokens").await, Ok(None));
        assert_eq!(rings.replace("tokens", 1, &secret("no")).await, Ok(false));
        assert_eq!(rings.replace("tokens", 0, &secret("one")).await, Ok(true));
        assert_eq!(rings.replace("tokens", 0, &secret("two")).await, Ok(false));
        assert_eq!(rings.load("tokens").await, Ok(Some((1, secret("one")))), "{}", world.name);
        assert_eq!(rings.replace("tokens", 1, &secret("two")).await, Ok(true));
        assert_eq!(rings.replace("tokens", 1, &secret("three")).await, Ok(false));
        assert_eq!(rings.load("tokens").await, Ok(Some((2, secret("two")))));
        assert_eq!(rings.load("assertions").await, Ok(None));
        assert_eq!(opened.gone().await, [Gone::Keys, Gone::Keys]);
        let other = open_with(&world, 8).await.store.keyrings.load("tokens").await;
        assert!(matches!(other, Err(StoreProblem::Damaged(_))), "{other:?}");
    }
}

#[tokio::test]
async fn a_keyring_is_replaced_by_one_node_of_many() {
    for world in World::both().await {
        let nodes = [open(&world).await, open(&world).await];
        for version in 0..5 {
            let mut tasks = Vec::new();
            for at_once in 0..6 {
                let rings = nodes[at_once % 2].store.keyrings.clone();
                tasks.push(tokio::spawn(async move {
                    rings.replace("tokens", version, &secret(&at_once.to_string())).await.unwrap()
                }));
            }
            let mut won = Vec::new();
            for (number, task) in tasks.into_iter().enumerate() {
                won.extend(task.await.unwrap().then_some(number));
            }
            let wanted = (version + 1, secret(&won[0].to_string()));
            assert_eq!(
                (won.len(), nodes[1].store.keyrings.load("tokens").await.unwrap()),
                (1, Some(wanted)),
                "{}",
                world.name
            );
        }
    }
}
