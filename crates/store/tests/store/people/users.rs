//! Accounts: what is kept comes back, changes are by version, and of many first administrators one is made.

use portcullis_contract::identity::{Changed, CodeUse, Ending, First, Gone, StoreProblem, User, UserState};
use portcullis_model::{SessionId, UserId, UserName};

use super::world::{ROOM, World, at, gone, id, key, open, open_with, roles, session, shown, user};

#[tokio::test]
async fn what_is_kept_comes_back_by_id_and_by_name() {
    for world in World::both().await {
        let users = open(&world).await.store.users;
        assert_eq!(users.any().await, Ok(false));
        let bare = User {
            user_id: None,
            password: None,
            password_set: None,
            roles: Vec::new(),
            state: UserState::Disabled,
            version: 5,
            ..user(2)
        };
        for kept in [user(1), bare] {
            assert!(users.by_name(&kept.name).await.unwrap().is_none());
            assert_eq!(users.create(&kept).await, Ok(Changed::Yes));
            for found in [users.by_id(kept.id).await, users.by_name(&kept.name).await] {
                assert_eq!(shown(&found.unwrap().unwrap()), shown(&kept), "{}", world.name);
            }
        }
        assert_eq!(users.any().await, Ok(true));
        let again = User { name: user(1).name, ..user(3) };
        assert_eq!(users.create(&again).await, Ok(Changed::NameTaken));
        assert!(users.by_id(again.id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn accounts_are_read_page_by_page_in_the_order_of_their_names() {
    for world in World::both().await {
        let users = open(&world).await.store.users;
        // In the order of bytes, wherever the server stands: `-` is before `.`, digits and letters.
        let names = ["a", "a-b", "a.b", "a0", "ab", "b@c"];
        for (number, name) in names.iter().enumerate().rev() {
            let named = User { name: UserName::parse(name).unwrap(), ..user(number as u64) };
            assert_eq!(users.create(&named).await, Ok(Changed::Yes));
        }
        let mut read: Vec<UserName> = Vec::new();
        loop {
            let page = users.page(read.last(), 4).await.unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.iter().all(|user| user.roles == roles(&["analyst", "reader"])));
            read.extend(page.into_iter().map(|user| user.name));
        }
        assert_eq!(read.iter().map(UserName::as_str).collect::<Vec<_>>(), names, "{}", world.name);
    }
}

#[tokio::test]
async fn a_change_is_made_once_and_told() {
    for world in World::both().await {
        let opened = open(&world).await;
        let users = &opened.store.users;
        opened.people([1, 2]).await;
        let changed = User {
            name: UserName::parse("ann").unwrap(),
            roles: roles(&["admin"]),
            state: UserState::Disabled,
            password: Some("$argon2id$other".to_owned().into()),
            password_set: Some(at(50)),
            user_id: None,
            ..user(1)
        };
        assert_eq!(users.change(&changed, Ending::None, &[]).await, Ok(Changed::Yes));
        let found = users.by_id(changed.id).await.unwrap().unwrap();
        assert_eq!(shown(&found), shown(&User { version: 1, ..changed.clone() }), "{}", world.name);
        assert_eq!(opened.gone().await, [Gone::User(changed.id)]);
        // Whoever read it before that has to read it again.
        assert_eq!(users.change(&changed, Ending::All, &[]).await, Ok(Changed::Stale));
        let taken = User { name: user(2).name, ..found };
        assert_eq!(users.change(&taken, Ending::All, &[]).await, Ok(Changed::NameTaken));
        assert_eq!(users.change(&user(3), Ending::All, &[]).await, Ok(Changed::Stale));
        assert_eq!(opened.gone().await, [Gone::User(changed.id)], "nothing is told of what was not done");
        assert!(users.by_name(&changed.name).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_change_ends_the_sessions_that_it_should() {
    for world in World::both().await {
        let opened = open(&world).await;
        opened.people([1, 2]).await;
        for number in 10..14 {
            opened.begin(&session(number, 1, 0), ROOM).await;
        }
        opened.begin(&session(20, 2, 0), ROOM).await;
        let users = &opened.store.users;
        let change = async |version, ending| {
            assert_eq!(users.change(&User { version, ..user(1) }, ending, &[]).await, Ok(Changed::Yes));
            let of_user = opened.store.sessions.of_user(UserId(id(1))).await.unwrap();
            let mut left: Vec<_> = of_user.iter().map(|session| session.id).collect();
            left.sort();
            left
        };
        let all = [10, 11, 12, 13].map(|number| SessionId(id(number)));
        assert_eq!(change(0, Ending::None).await, all);
        assert_eq!(change(1, Ending::AllBut(all[2])).await, [all[2]], "{}", world.name);
        assert_eq!(change(2, Ending::All).await, []);
        let told = opened.gone().await;
        let user = Gone::User(UserId(id(1)));
        assert_eq!(told.iter().filter(|told| **told == user).count(), 3);
        for number in 10..14 {
            assert_eq!(told.iter().filter(|told| **told == gone(number)).count(), 1);
        }
        assert!(!told.contains(&gone(20)));
        assert!(opened.store.sessions.by_id(SessionId(id(20))).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn deleting_an_account_takes_all_that_is_its_own_and_tells_of_each() {
    for world in World::both().await {
        let opened = open(&world).await;
        opened.people([1, 2]).await;
        opened.begin(&session(10, 1, 0), ROOM).await;
        opened.begin(&session(20, 2, 0), ROOM).await;
        for kept in [key(30, 1), key(40, 2)] {
            assert_eq!(opened.store.api_keys.create(&kept).await, Ok(Changed::Yes));
        }
        assert_eq!(opened.store.users.delete(UserId(id(1)), &[]).await, Ok(Changed::Yes));
        assert!(opened.store.users.by_id(UserId(id(1))).await.unwrap().is_none());
        assert!(opened.store.sessions.by_ticket(&id(10)).await.unwrap().is_none());
        assert!(opened.store.api_keys.by_hash(&key(30, 1).hash).await.unwrap().is_none());
        let told = opened.gone().await;
        assert_eq!(told.len(), 3, "{}: {told:?}", world.name);
        for one in [gone(10), Gone::ApiKey(key(30, 1).id), Gone::User(UserId(id(1)))] {
            assert!(told.contains(&one), "{one:?}");
        }
        assert_eq!(opened.store.users.delete(UserId(id(1)), &[]).await, Ok(Changed::Stale));
        assert_eq!(opened.gone().await.len(), 3);
        assert!(opened.store.sessions.by_ticket(&id(20)).await.unwrap().is_some());
        assert!(opened.store.api_keys.by_hash(&key(40, 2).hash).await.unwrap().is_some());
        // The name is free again.
        assert_eq!(opened.store.users.create(&user(1)).await, Ok(Changed::Yes));
    }
}

#[tokio::test]
async fn the_last_active_account_with_a_role_that_must_be_held_keeps_it() {
    for world in World::both().await {
        let opened = open(&world).await;
        let users = &opened.store.users;
        let held = roles(&["owner", "admin"]);
        for (number, names, state) in [
            (1, &["admin"][..], UserState::Active),
            (2, &["owner", "reader"], UserState::Active),
            (3, &["admin"], UserState::Disabled),
            (4, &["reader"], UserState::Active),
        ] {
            let kept = User { roles: roles(names), state, ..user(number) };
            assert_eq!(users.create(&kept).await, Ok(Changed::Yes));
        }
        let of = |number: u64, names: &[&str], state| User { roles: roles(names), state, ..user(number) };
        // Another one is there, and one who has none of them takes none away.
        let without = of(1, &["reader"], UserState::Active);
        assert_eq!(users.change(&without, Ending::All, &held).await, Ok(Changed::Yes), "{}", world.name);
        assert_eq!(users.delete(UserId(id(4)), &held).await, Ok(Changed::Yes));
        let told = opened.gone().await;
        opened.begin(&session(20, 2, 0), ROOM).await;
        for last in [of(2, &["reader"], UserState::Active), of(2, &["owner"], UserState::Disabled)] {
            assert_eq!(
                users.change(&last, Ending::All, &held).await,
                Ok(Changed::LastHolder),
                "{}",
                world.name
            );
        }
        assert_eq!(users.delete(UserId(id(2)), &held).await, Ok(Changed::LastHolder));
        // Nothing of it was done.
        assert_eq!(opened.gone().await, told);
        assert!(opened.store.sessions.by_ticket(&id(20)).await.unwrap().is_some());
        assert_eq!(users.by_id(UserId(id(2))).await.unwrap().unwrap().roles, roles(&["owner", "reader"]));
        // One such role for another is as good, and where nobody has any there is nobody to keep.
        assert_eq!(
            users.change(&of(2, &["admin"], UserState::Active), Ending::None, &held).await,
            Ok(Changed::Yes)
        );
        let closed = User { version: 1, ..of(2, &["admin"], UserState::Disabled) };
        assert_eq!(users.change(&closed, Ending::None, &[]).await, Ok(Changed::Yes));
        assert_eq!(users.delete(UserId(id(3)), &held).await, Ok(Changed::Yes));
    }
}

#[tokio::test]
async fn the_first_administrator_needs_the_code_and_is_the_first() {
    for world in World::both().await {
        let opened = open(&world).await;
        let (users, codes) = (&opened.store.users, &opened.store.codes);
        let keep = async |code: u64| {
            codes.keep(CodeUse::SetUp, &id(code), b"", at(3600)).await.unwrap();
        };
        keep(1).await;
        // The later code takes the place of the one before.
        keep(2).await;
        for (code, now) in [(1, 0), (3, 0), (2, 3600)] {
            assert_eq!(users.create_first(&user(1), &id(code), at(now)).await, Ok(First::NoCode));
            assert_eq!(users.any().await, Ok(false), "{}", world.name);
        }
        // A code for something else is none.
        codes.keep(CodeUse::HandOver, &id(4), b"", at(3600)).await.unwrap();
        assert_eq!(users.create_first(&user(1), &id(4), at(0)).await, Ok(First::NoCode));
        assert_eq!(users.create_first(&user(1), &id(2), at(0)).await, Ok(First::Made));
        assert_eq!(users.create_first(&user(2), &id(2), at(0)).await, Ok(First::NoCode));
        keep(5).await;
        assert_eq!(users.create_first(&user(2), &id(5), at(0)).await, Ok(First::NotFirst));
        assert!(users.by_id(UserId(id(2))).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn of_many_first_administrators_at_once_exactly_one_is_made() {
    for world in World::both().await {
        let nodes = [open(&world).await, open(&world).await];
        nodes[0].store.codes.keep(CodeUse::SetUp, &id(1), b"", at(3600)).await.unwrap();
        let mut tasks = Vec::new();
        for number in 0..12 {
            let users = nodes[number as usize % 2].store.users.clone();
            tasks.push(tokio::spawn(async move {
                users.create_first(&user(number), &id(1), at(0)).await.unwrap()
            }));
        }
        let mut made = 0;
        for task in tasks {
            made += usize::from(task.await.unwrap() == First::Made);
        }
        assert_eq!(made, 1, "{}", world.name);
        assert_eq!(nodes[0].store.users.page(None, 100).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_another_key_sealed_is_said_and_not_taken_for_nothing() {
    for world in World::both().await {
        open(&world).await.people([1]).await;
        let users = open_with(&world, 8).await.store.users;
        let refused = users.by_id(UserId(id(1))).await;
        assert!(
            matches!(&refused, Err(StoreProblem::Damaged(said)) if said.contains("`account`")),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_password_in_another_accounts_row_is_refused() {
    for world in World::both().await {
        let opened = open(&world).await;
        opened.people([1, 2]).await;
        // The administrator of the database puts one that they know into the row of somebody else.
        let text = "UPDATE account SET password = \
            (SELECT password FROM account WHERE name = 'user-1') WHERE name = 'user-2'";
        world.run(text).await;
        assert!(opened.store.users.by_name(&user(1).name).await.is_ok());
        let refused = opened.store.users.by_name(&user(2).name).await;
        assert!(matches!(refused, Err(StoreProblem::Damaged(_))), "{}: {refused:?}", world.name);
    }
}
