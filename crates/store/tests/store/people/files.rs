//! What is on the disk: what was acknowledged, and nothing that is secret or tells of a person beyond their name.

use std::path::PathBuf;

use portcullis_contract::identity::{Changed, CodeUse, Ending, Place, SecretBytes, User};
use portcullis_model::{SessionId, UserId};
use portcullis_store::sql::Settings;
use zeroize::Zeroizing;

use super::world::{ROOM, World, application, at, gone, id, key, open, session, shown, ticket, user};

/// The files as they are at this moment, in another folder: what a process finds after this one was killed.
fn as_after_a_kill(world: &World) -> World {
    let copy = World::sqlite();
    for suffix in ["", "-wal"] {
        let [from, to] = [world, &copy].map(|world| {
            let mut path = world.file().into_os_string();
            path.push(suffix);
            PathBuf::from(path)
        });
        std::fs::copy(from, to).unwrap();
    }
    copy
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    for world in World::both().await {
        let opened = open(&world).await;
        let store = &opened.store;
        opened.people([1, 2]).await;
        for (number, owner) in [(10, 1), (11, 1), (12, 1), (20, 2)] {
            opened.begin(&session(number, owner, number as i64), ROOM).await;
        }
        assert_eq!(store.api_keys.create(&key(30, 1)).await, Ok(Changed::Yes));
        let changed = User { password: Some("$argon2id$new".to_owned().into()), ..user(1) };
        assert_eq!(
            store.users.change(&changed, Ending::AllBut(SessionId(id(10))), &[]).await,
            Ok(Changed::Yes)
        );
        assert_eq!(store.sessions.end(&[SessionId(id(20))]).await, Ok(vec![SessionId(id(20))]));
        let ring = SecretBytes(Zeroizing::new(b"ring".to_vec()));
        assert_eq!(store.keyrings.replace("tokens", 0, &ring).await, Ok(true));
        let told = opened.gone().await;
        assert!(told.contains(&gone(20)) && told.contains(&gone(11)) && told.contains(&gone(12)));

        let after = match &world.settings {
            Settings::Sqlite { .. } => as_after_a_kill(&world),
            // The server is another process, which was not killed.
            Settings::Postgres { .. } => world,
        };
        let again = open(&after).await;
        let found = again.store.users.by_id(UserId(id(1))).await.unwrap().unwrap();
        assert_eq!(shown(&found), shown(&User { version: 1, ..changed }), "{}", after.name);
        let left = again.store.sessions.page(None, 10).await.unwrap();
        assert_eq!(left, [session(10, 1, 10)], "{}: what ended stays ended", after.name);
        assert!(again.store.sessions.by_ticket(&id(20)).await.unwrap().is_none());
        assert_eq!(again.store.api_keys.by_id(key(30, 1).id).await, Ok(Some(key(30, 1))));
        assert_eq!(again.store.keyrings.load("tokens").await, Ok(Some((1, ring))));
        assert_eq!(again.gone().await, told);
    }
}

#[tokio::test]
async fn nothing_secret_or_personal_is_in_a_file_in_the_clear() {
    let world = World::sqlite();
    let opened = open(&world).await;
    let store = &opened.store;
    opened.people(1..40).await;
    for number in 1..40 {
        opened.begin(&session(100 + number, number, 0), ROOM).await;
        store.sessions.add_ticket(&ticket(200 + number, 100 + number, application("shop"))).await.unwrap();
        let changed = User { password: Some("$argon2id$another".to_owned().into()), ..user(number) };
        assert_eq!(store.users.change(&changed, Ending::None, &[]).await, Ok(Changed::Yes));
    }
    store.codes.keep(CodeUse::HandOver, &id(1), b"stands for this", at(60)).await.unwrap();
    let ring = SecretBytes(Zeroizing::new(b"seventeen keys".to_vec()));
    assert_eq!(store.keyrings.replace("tokens", 0, &ring).await, Ok(true));
    let before = world.bytes();
    opened.store.users.delete(UserId(id(1)), &[]).await.unwrap();
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    for bytes in [before, world.bytes()] {
        for part in [
            &b"argon2id"[..],
            b"ext-",
            b"2001:db8",
            b"Teapot",
            b"stands for this",
            b"seventeen keys",
            // The address as bytes.
            &[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0],
        ] {
            assert!(!holds(&bytes, part), "{}", String::from_utf8_lossy(part));
        }
        // The look is one that finds.
        assert!(holds(&bytes, b"user-2") && holds(&bytes, b"shop"));
    }
    assert_eq!(
        store.sessions.by_ticket(&id(102)).await.unwrap().map(|(place, _)| place),
        Some(Place::Portal)
    );
}
