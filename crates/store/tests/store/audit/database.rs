//! The recorder over a database's table of keys: what a restart finds, what an erasure leaves.

use std::sync::Arc;
use std::time::Duration;

use portcullis_contract::ports::{Audit as _, Urgency};
use portcullis_store::Database;
use portcullis_store::audit::{
    DatabaseKeys, Found, KeyProblem, KeyRing, Keys as _, Opened, Reader, Recorder,
};
use portcullis_store::sql::Settings;
use portcullis_testkit::WAIT;
use tokio::runtime::Runtime;

use super::world::{ORIGIN, World, block_on, is_in_files};

/// A ring over the database in a folder, and the database.
fn ring(world: &World, folder: &std::path::Path, runtime: &Runtime) -> (Arc<KeyRing>, Database) {
    let settings = Settings::Sqlite { file: folder.join("portcullis.db") };
    let database = runtime.block_on(Database::open(&settings)).unwrap();
    let keys = Arc::new(DatabaseKeys::new(database.data_keys(), runtime.handle().clone()));
    let root = Arc::clone(&world.root);
    (Arc::new(KeyRing::new(keys, root, world.clock(), world.entropy()).unwrap()), database)
}

#[test]
fn keys_outlive_the_process_and_what_was_erased_is_erased_everywhere() {
    let runtime = Runtime::new().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let world = World::new(1);
    let (first, database) = ring(&world, temp.path(), &runtime);
    let (running, settings) = (world.open_in(&temp.path().join("ledger")), world.settings.clone());
    let journal = running.journal().clone();
    let recorder =
        Recorder::start(running, Arc::clone(&first), world.clock(), world.entropy(), settings).unwrap();
    let handle = recorder.handle();
    for who in [Some("ada@example.org"), Some("bob@example.org"), None] {
        let entry = world.request(who, "192.0.2.77", "/secret");
        block_on(handle.keep(entry, Urgency::Ordinary)).unwrap();
    }
    recorder.end(WAIT).unwrap();
    let id = first.of_subject("ada@example.org").unwrap().id();
    drop(first);
    runtime.block_on(database.close());

    let (second, database) = ring(&world, temp.path(), &runtime);
    assert_eq!(second.of_subject("ada@example.org").unwrap().id(), id, "the same key as before");
    assert_eq!(second.erase_subject("ada@example.org").unwrap(), Some(id));
    assert_ne!(second.of_subject("ada@example.org").unwrap().id(), id, "and then a new one");
    let mut reader = Reader::new(journal.entries(0), ORIGIN, second);
    let parts: Vec<_> = std::iter::from_fn(|| reader.next_entry().unwrap())
        .filter(|(_, entry)| entry.request.is_some())
        .map(|(_, entry)| match entry.personal {
            Opened::Personal(personal) => personal.principal,
            Opened::Erased(key) => Some(format!("erased with {key}").into()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(parts, [Some(format!("erased with {id}").into()), Some("bob@example.org".into()), None]);
    let keys = DatabaseKeys::new(database.data_keys(), runtime.handle().clone());
    assert_eq!(keys.find(id), Ok(Found::Destroyed));
    runtime.block_on(database.close());
    for text in ["ada@example.org", "bob@example.org", "192.0.2.77", "/secret"] {
        assert!(!is_in_files(temp.path(), text), "{text}");
    }
}

#[test]
fn a_database_that_does_not_answer_is_said_and_asked_again() {
    let runtime = Runtime::new().unwrap();
    let temp = tempfile::tempdir().unwrap();
    let world = World::new(2);
    let (ring, database) = ring(&world, temp.path(), &runtime);
    ring.of_subject("ada").unwrap();
    runtime.block_on(database.close());
    assert!(ring.of_subject("ada").is_ok(), "it is held open");
    let Err(KeyProblem::Unavailable(why)) = ring.of_subject("bob") else { panic!("the database is closed") };
    assert!(why.starts_with("the table of data keys"), "{why}");
    world.clock.pass(Duration::from_secs(2));
    assert!(matches!(ring.erase_subject("ada"), Err(KeyProblem::Unavailable(_))));
    assert!(ring.of_subject("ada").is_err(), "after an erasure nothing is held open, whatever became of it");
}
