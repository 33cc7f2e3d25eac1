//! The table of data keys, over both databases: each operation, races, and any sequence of operations beside a model.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::civil::{Date, date};
use portcullis_protect::{KeyId, Purpose, WrappedKey};
use portcullis_store::sql::{DataKeys, DatabaseError, Found, Owner};
use portcullis_testkit::Random;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::world::{World, at, key, subject};

#[tokio::test]
async fn a_key_is_found_by_its_id_and_by_its_owner() {
    let mut random = Random::new(1);
    for world in World::both().await {
        let keys = world.open().await.data_keys();
        let ada = subject(&mut random);
        let owners = [Owner::Subject(&ada), Owner::Day(date(2026, 11, 22)), Owner::Store("tokens")];
        for owner in owners {
            let kept = key(&mut random, owner.purpose());
            assert_eq!(keys.of_owner(owner).await.unwrap(), None);
            assert_eq!(keys.find(kept.id()).await.unwrap(), Found::Unknown);
            assert_eq!(keys.keep(owner, &kept, at(0)).await.unwrap(), kept, "{}", world.name);
            assert_eq!(keys.of_owner(owner).await.unwrap(), Some(kept.clone()));
            assert_eq!(keys.find(kept.id()).await.unwrap(), Found::Key(kept));
        }
        // It is in the database, not in this process.
        let again = world.open().await.data_keys();
        for owner in owners {
            assert_eq!(again.of_owner(owner).await.unwrap(), keys.of_owner(owner).await.unwrap());
            assert!(again.of_owner(owner).await.unwrap().is_some());
        }
    }
}

#[tokio::test]
async fn the_first_key_of_an_owner_stays() {
    let mut random = Random::new(2);
    for world in World::both().await {
        let keys = world.open().await.data_keys();
        let ada = subject(&mut random);
        let [first, second] = [(); 2].map(|()| key(&mut random, Purpose::Subject));
        for offered in [&first, &second, &first] {
            assert_eq!(keys.keep(Owner::Subject(&ada), offered, at(0)).await.unwrap(), first);
        }
        assert_eq!(keys.find(second.id()).await.unwrap(), Found::Unknown, "{}", world.name);
    }
}

#[tokio::test]
async fn of_many_who_keep_a_key_at_once_all_get_the_same() {
    let mut random = Random::new(3);
    for world in World::both().await {
        // Two nodes, or two processes of one.
        let databases = [world.open().await, world.open().await];
        for round in 0..20 {
            let owner = subject(&mut random);
            let mut tasks = Vec::new();
            for at_once in 0..8 {
                let keys = databases[at_once % 2].data_keys();
                let offered = key(&mut random, Purpose::Subject);
                tasks.push(tokio::spawn(async move {
                    keys.keep(Owner::Subject(&owner), &offered, at(round)).await.unwrap()
                }));
            }
            let mut winners = Vec::new();
            for task in tasks {
                winners.push(task.await.unwrap());
            }
            let in_force = databases[0].data_keys().of_owner(Owner::Subject(&owner)).await.unwrap();
            for winner in winners {
                assert_eq!(Some(winner), in_force, "{}, round {round}", world.name);
            }
        }
    }
}

#[tokio::test]
async fn a_destroyed_key_leaves_a_tombstone_and_its_id_is_never_used_again() {
    let mut random = Random::new(4);
    for world in World::both().await {
        let keys = world.open().await.data_keys();
        let (ada, eve) = (subject(&mut random), subject(&mut random));
        let [first, second] = [(); 2].map(|()| key(&mut random, Purpose::Subject));
        assert_eq!(keys.destroy(Owner::Subject(&ada), at(0)).await.unwrap(), None);
        keys.keep(Owner::Subject(&ada), &first, at(0)).await.unwrap();
        assert_eq!(keys.destroy(Owner::Subject(&ada), at(7)).await.unwrap(), Some(first.id()));
        assert_eq!(keys.find(first.id()).await.unwrap(), Found::Destroyed { at: at(7) });
        assert_eq!(keys.of_owner(Owner::Subject(&ada)).await.unwrap(), None);
        // A second time there is nothing to destroy, and the time stays.
        assert_eq!(keys.destroy(Owner::Subject(&ada), at(9)).await.unwrap(), None);
        assert_eq!(keys.find(first.id()).await.unwrap(), Found::Destroyed { at: at(7) });
        for owner in [ada, eve] {
            let again = keys.keep(Owner::Subject(&owner), &first, at(9)).await;
            assert!(matches!(again, Err(DatabaseError::IdTaken(id)) if id == first.id()), "{}", world.name);
        }
        // Who comes back gets a new one.
        assert_eq!(keys.keep(Owner::Subject(&ada), &second, at(9)).await.unwrap(), second);
        assert_eq!(keys.find(first.id()).await.unwrap(), Found::Destroyed { at: at(7) });
    }
}

#[tokio::test]
async fn a_key_that_is_destroyed_while_it_is_kept_is_kept_or_destroyed() {
    let mut random = Random::new(5);
    for world in World::both().await {
        let databases = [world.open().await, world.open().await];
        for _ in 0..20 {
            let owner = subject(&mut random);
            let offered = key(&mut random, Purpose::Subject);
            let [keeps, destroys] = [0, 1].map(|at| databases[at].data_keys());
            let (to_keep, id) = (offered.clone(), offered.id());
            let kept = tokio::spawn(async move { keeps.keep(Owner::Subject(&owner), &to_keep, at(1)).await });
            let destroyed =
                tokio::spawn(async move { destroys.destroy(Owner::Subject(&owner), at(2)).await.unwrap() });
            let (kept, destroyed) = (kept.await.unwrap(), destroyed.await.unwrap());
            let found = databases[0].data_keys().find(id).await.unwrap();
            match destroyed {
                Some(gone) => {
                    assert_eq!((gone, found), (id, Found::Destroyed { at: at(2) }), "{}", world.name)
                }
                None => assert_eq!((kept.unwrap(), found), (offered.clone(), Found::Key(offered))),
            }
        }
    }
}

#[tokio::test]
async fn days_that_are_over_are_destroyed_together() {
    let mut random = Random::new(6);
    for world in World::both().await {
        let keys = world.open().await.data_keys();
        let days = [date(2025, 12, 31), date(2026, 9, 30), date(2026, 10, 1), date(2026, 10, 2)];
        let mut ids = Vec::new();
        for day in days {
            let kept = key(&mut random, Purpose::Day);
            ids.push(keys.keep(Owner::Day(day), &kept, at(0)).await.unwrap().id());
        }
        // Owners of other purposes are no days, whatever their bytes.
        let other = key(&mut random, Purpose::Store);
        keys.keep(Owner::Store("2000-01-01"), &other, at(0)).await.unwrap();
        let mut destroyed = keys.destroy_days_before(date(2026, 10, 1), at(5)).await.unwrap();
        destroyed.sort();
        let mut wanted = ids[..2].to_vec();
        wanted.sort();
        assert_eq!(destroyed, wanted, "{}", world.name);
        assert_eq!(keys.destroy_days_before(date(2026, 10, 1), at(6)).await.unwrap(), []);
        assert_eq!(keys.find(ids[0]).await.unwrap(), Found::Destroyed { at: at(5) });
        assert!(matches!(keys.find(ids[2]).await.unwrap(), Found::Key(_)));
        assert_eq!(keys.find(other.id()).await.unwrap(), Found::Key(other));
    }
}

#[tokio::test]
async fn all_keys_are_read_page_by_page() {
    let mut random = Random::new(7);
    for world in World::both().await {
        let keys = world.open().await.data_keys();
        let mut ids = Vec::new();
        for _ in 0..25 {
            let owner = subject(&mut random);
            let kept = key(&mut random, Purpose::Subject);
            ids.push(keys.keep(Owner::Subject(&owner), &kept, at(0)).await.unwrap().id());
            if random.once_in(4) {
                keys.destroy(Owner::Subject(&owner), at(1)).await.unwrap();
                ids.pop();
            }
        }
        ids.sort();
        assert_eq!(all(&keys, 10).await, ids, "{}", world.name);
        assert_eq!(keys.page(ids.last().copied(), 10).await.unwrap(), []);
    }
}

async fn all(keys: &DataKeys, at_once: u16) -> Vec<KeyId> {
    let mut ids: Vec<KeyId> = Vec::new();
    loop {
        let page = keys.page(ids.last().copied(), at_once).await.unwrap();
        if page.is_empty() {
            return ids;
        }
        ids.extend(page.iter().map(WrappedKey::id));
    }
}

#[tokio::test]
async fn a_key_is_kept_for_an_owner_of_its_own_purpose_only() {
    let mut random = Random::new(8);
    for world in World::both().await {
        let keys = world.open().await.data_keys();
        let of_day = key(&mut random, Purpose::Day);
        let kept = keys.keep(Owner::Store("tokens"), &of_day, at(0)).await;
        assert!(matches!(kept, Err(DatabaseError::OtherPurpose)));
        assert_eq!(keys.find(of_day.id()).await.unwrap(), Found::Unknown);
    }
}

#[tokio::test]
async fn a_key_in_another_keys_row_is_refused() {
    let mut random = Random::new(9);
    for world in World::both().await {
        let keys = world.open().await.data_keys();
        let [one, two] = [(); 2].map(|()| key(&mut random, Purpose::Store));
        keys.keep(Owner::Store("one"), &one, at(0)).await.unwrap();
        keys.keep(Owner::Store("two"), &two, at(0)).await.unwrap();
        world.run("UPDATE data_key SET wrapped = (SELECT wrapped FROM data_key ORDER BY id LIMIT 1)").await;
        let found = [one.id(), two.id()].map(|id| keys.find(id));
        let [one, two] = found;
        let refused = [one.await, two.await].into_iter().filter(Result::is_err).count();
        assert_eq!(refused, 1, "{}", world.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_outside_the_executor_asks_through_a_handle() {
    let world = World::sqlite();
    let keys = world.open().await.data_keys();
    let handle = tokio::runtime::Handle::current();
    let asks = std::thread::spawn(move || handle.block_on(keys.find(KeyId([1; 16]))));
    let found = tokio::task::spawn_blocking(|| asks.join().unwrap()).await.unwrap();
    assert_eq!(found.unwrap(), Found::Unknown);
}

/// One operation, over so few owners that they meet.
#[derive(Debug, Clone, Copy)]
enum Operation {
    Keep(u8),
    Destroy(u8),
    DestroyDaysBefore(u8),
    Find(u8),
    OfOwner(u8),
    All,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0..6u8).prop_map(Operation::Keep),
        2 => (0..6u8).prop_map(Operation::Destroy),
        1 => (0..4u8).prop_map(Operation::DestroyDaysBefore),
        2 => any::<u8>().prop_map(Operation::Find),
        2 => (0..6u8).prop_map(Operation::OfOwner),
        1 => Just(Operation::All),
    ]
}

/// What the table should hold.
#[derive(Default)]
struct Model {
    owned: HashMap<u8, WrappedKey>,
    destroyed: BTreeMap<KeyId, Timestamp>,
    offered: Vec<KeyId>,
}

fn day(number: u8) -> Date {
    date(2026, 11, 20 + i8::try_from(number).unwrap())
}

/// The first three are days, the others subjects.
fn owner(number: u8, index: &[u8; 32]) -> Owner<'_> {
    if number < 3 { Owner::Day(day(number)) } else { Owner::Subject(index) }
}

async fn step(keys: &DataKeys, model: &mut Model, operation: Operation, now: Timestamp, random: &mut Random) {
    match operation {
        Operation::Keep(number) => {
            let index = [number; 32];
            let owner = owner(number, &index);
            let offered = key(random, owner.purpose());
            model.offered.push(offered.id());
            let in_force = model.owned.entry(number).or_insert_with(|| offered.clone());
            assert_eq!(keys.keep(owner, &offered, now).await.unwrap(), *in_force);
        }
        Operation::Destroy(number) => {
            let gone = model.owned.remove(&number).map(|key| key.id());
            assert_eq!(keys.destroy(owner(number, &[number; 32]), now).await.unwrap(), gone);
            model.destroyed.extend(gone.map(|id| (id, now)));
        }
        Operation::DestroyDaysBefore(before) => {
            let over = (0..before.min(3)).filter_map(|number| model.owned.remove(&number));
            let mut over: Vec<_> = over.map(|key| key.id()).collect();
            over.sort();
            let mut gone = keys.destroy_days_before(day(before), now).await.unwrap();
            gone.sort();
            assert_eq!(gone, over);
            model.destroyed.extend(gone.into_iter().map(|id| (id, now)));
        }
        Operation::Find(which) => {
            let Some(id) = model.offered.get(usize::from(which) % model.offered.len().max(1)) else { return };
            let kept = model.owned.values().find(|key| key.id() == *id).cloned().map(Found::Key);
            let destroyed = model.destroyed.get(id).map(|at| Found::Destroyed { at: *at });
            let wanted = kept.or(destroyed).unwrap_or(Found::Unknown);
            assert_eq!(keys.find(*id).await.unwrap(), wanted);
        }
        Operation::OfOwner(number) => {
            let found = keys.of_owner(owner(number, &[number; 32])).await.unwrap();
            assert_eq!(found.as_ref(), model.owned.get(&number));
        }
        Operation::All => {
            let mut wanted: Vec<_> = model.owned.values().map(WrappedKey::id).collect();
            wanted.sort();
            assert_eq!(all(keys, 2).await, wanted);
        }
    }
}

#[test]
fn any_sequence_of_operations_ends_as_in_the_model() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for world in runtime.block_on(World::both()) {
        let database = runtime.block_on(world.open());
        let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
        let sequences = proptest::collection::vec(operation(), 1..40);
        let run = TestRunner::new(config).run(&sequences, |sequence| {
            runtime.block_on(async {
                world.run("DELETE FROM data_key").await;
                let (mut model, mut random) = (Model::default(), Random::new(10));
                for (number, operation) in sequence.into_iter().enumerate() {
                    let now = at(i64::try_from(number).unwrap());
                    step(&database.data_keys(), &mut model, operation, now, &mut random).await;
                }
            });
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{}: {error}", world.name));
    }
}
