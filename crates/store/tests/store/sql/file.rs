//! What a SQLite file promises: only its owner reads it, damage is noticed, and what is destroyed is nowhere in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use portcullis_protect::Purpose;
use portcullis_store::sql::{DatabaseError, Owner};
use portcullis_testkit::Random;

use super::world::{World, at, key, subject};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn nobody_else_can_read_what_it_makes() {
    let world = World::sqlite();
    let database = world.open().await;
    database
        .data_keys()
        .keep(Owner::Store("a"), &key(&mut Random::new(1), Purpose::Store), at(0))
        .await
        .unwrap();
    let mut seen = Vec::new();
    for file in fs::read_dir(world.file().parent().unwrap()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600, "{file:?}");
        seen.push(file.file_name().into_string().unwrap());
    }
    seen.sort();
    assert_eq!(seen, ["portcullis.db", "portcullis.db-shm", "portcullis.db-wal"]);
}

#[tokio::test]
async fn what_others_can_read_or_exchange_is_refused() {
    let world = World::sqlite();
    let file = world.file();
    let (folder, log) = (file.parent().unwrap().to_owned(), file.with_extension("db-wal"));
    // As long as it is open, its log is there.
    let database = world.open().await;
    database.data_keys().destroy(Owner::Store("a"), at(0)).await.unwrap();
    for (path, modes, right, fix) in [
        (&file, &[0o640, 0o604, 0o602][..], 0o600, "chmod 600"),
        (&log, &[0o644], 0o600, "chmod 600"),
        (&folder, &[0o770, 0o702], 0o700, "chmod go-w"),
    ] {
        for mode in modes {
            set_mode(path, *mode);
            let said = world.refusal().await;
            let name = path.display().to_string();
            assert!(
                said.contains(&name) && said.contains(&format!("{mode:04o}")) && said.contains(fix),
                "{said}"
            );
        }
        set_mode(path, right);
        world.open().await.close().await;
    }
    database.close().await;
}

#[tokio::test]
async fn a_link_in_its_place_is_refused() {
    let world = World::sqlite();
    let elsewhere = world.file().with_extension("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    set_mode(&elsewhere, 0o600);
    symlink(&elsewhere, world.file()).unwrap();
    let said = world.refusal().await;
    assert!(said.contains("is not an ordinary file"), "{said}");
}

#[tokio::test]
async fn damage_is_told_with_the_file_and_what_to_do() {
    let mut random = Random::new(2);
    for (at_byte, part) in [(0, &b"not a database"[..]), (4096, &[0xA5; 4096]), (3 * 4096, &[0; 2048])] {
        let world = World::sqlite();
        let database = world.open().await;
        for _ in 0..200 {
            let owner = subject(&mut random);
            let kept = key(&mut random, Purpose::Subject);
            database.data_keys().keep(Owner::Subject(&owner), &kept, at(0)).await.unwrap();
        }
        database.close().await;
        let file = fs::OpenOptions::new().write(true).open(world.file()).unwrap();
        file.write_all_at(part, at_byte).unwrap();
        let said = world.refusal().await;
        let file = format!("`{}` is damaged (", world.file().display());
        assert!(said.starts_with(&file) && said.contains("put the last backup in its place"), "{said}");
    }
}

#[tokio::test]
async fn a_destroyed_key_and_its_owner_are_in_no_file() {
    let mut random = Random::new(3);
    let world = World::sqlite();
    let database = world.open().await;
    let keys = database.data_keys();
    let mut kept = Vec::new();
    // So many that pages of the table and of its index are split, in the middle too.
    for _ in 0..400 {
        let owner = subject(&mut random);
        let wrapped = key(&mut random, Purpose::Subject);
        keys.keep(Owner::Subject(&owner), &wrapped, at(0)).await.unwrap();
        kept.push((owner, wrapped));
    }
    let mut gone = Vec::new();
    for round in 0..100 {
        let (owner, wrapped) = kept.swap_remove(random.below(kept.len() as u64) as usize);
        // The part of the wrapped form that is a secret: its head has the id, which stays.
        let secret = &wrapped.to_bytes()[26..];
        let before = world.bytes();
        assert!(holds(&before, secret) && holds(&before, &owner), "round {round}");
        keys.destroy(Owner::Subject(&owner), at(1)).await.unwrap();
        let after = world.bytes();
        assert!(!holds(&after, secret), "round {round}: the key is still there");
        assert!(!holds(&after, &owner), "round {round}: the owner is still there");
        assert!(holds(&after, &wrapped.id().0), "round {round}: the tombstone is not there");
        gone.push(secret.to_vec());
    }
    // What moved later has brought nothing back.
    let after = world.bytes();
    assert!(!gone.iter().any(|secret| holds(&after, secret)));
}

#[tokio::test]
async fn what_a_reader_still_holds_is_said_and_erased_when_asked_again() {
    let mut random = Random::new(4);
    let world = World::sqlite();
    let keys = world.open().await.data_keys();
    let wrapped = key(&mut random, Purpose::Store);
    keys.keep(Owner::Store("tokens"), &wrapped, at(0)).await.unwrap();
    let other = sqlx::SqlitePool::connect(&world.url).await.unwrap();
    let mut reads = other.begin().await.unwrap();
    sqlx::raw_sql("SELECT * FROM data_key").execute(&mut *reads).await.unwrap();
    let refused = keys.destroy(Owner::Store("tokens"), at(1)).await;
    assert!(matches!(&refused, Err(DatabaseError::StillRead { .. })), "{refused:?}");
    assert!(holds(&world.bytes(), &wrapped.to_bytes()[26..]));
    reads.rollback().await.unwrap();
    assert_eq!(keys.destroy(Owner::Store("tokens"), at(1)).await.unwrap(), None);
    assert!(!holds(&world.bytes(), &wrapped.to_bytes()[26..]));
}
