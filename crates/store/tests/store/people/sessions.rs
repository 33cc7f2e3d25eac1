//! Sessions: what shows them, how many there may be, and that what ended is gone everywhere.

use portcullis_access::refresh::{Family, Lifetimes};
use portcullis_contract::identity::{
    Begun, Changed, Ending, Holder, IdleBefore, Place, Session, SessionRoom, User, UserState,
};
use portcullis_model::{SessionId, UserId};

use super::world::{
    ROOM, World, application, at, gone, id, number_of, open, session, shown, since, ticket, user,
};

fn sid(number: u64) -> SessionId {
    SessionId(id(number))
}

#[tokio::test]
async fn a_session_is_found_by_its_ticket_with_its_user_as_they_are_now() {
    for world in World::both().await {
        let opened = open(&world).await;
        let sessions = &opened.store.sessions;
        opened.people([1]).await;
        let begun = session(10, 1, 0);
        assert_eq!(opened.begin(&begun, ROOM).await, Begun::Yes(vec![]));
        let (place, found) = sessions.by_ticket(&id(10)).await.unwrap().unwrap();
        assert_eq!((place, &found.session), (Place::Portal, &begun), "{}", world.name);
        assert_eq!(shown(&found.user), shown(&user(1)));
        let changed = User { state: UserState::Disabled, ..user(1) };
        assert_eq!(opened.store.users.change(&changed, Ending::None, &[]).await, Ok(Changed::Yes));
        for found in [
            sessions.by_ticket(&id(10)).await.unwrap().unwrap().1,
            sessions.by_id(sid(10)).await.unwrap().unwrap(),
        ] {
            assert_eq!((found.user.state, found.user.version), (UserState::Disabled, 1));
        }
        assert!(sessions.by_ticket(&id(11)).await.unwrap().is_none());
        assert!(sessions.by_id(sid(11)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_session_without_a_cookie_has_no_ticket() {
    for world in World::both().await {
        let opened = open(&world).await;
        opened.people([1]).await;
        let bare = Session { address: None, user_agent: None, holder: Holder::Program, ..session(10, 1, 0) };
        let begun = opened.store.sessions.begin(&bare, 0, None, ROOM).await;
        assert_eq!(begun, Ok(Begun::Yes(vec![])));
        assert_eq!(
            opened.store.sessions.by_id(sid(10)).await.unwrap().unwrap().session,
            bare,
            "{}",
            world.name
        );
    }
}

#[tokio::test]
async fn a_log_in_whose_account_changed_meanwhile_begins_nothing() {
    for world in World::both().await {
        let opened = open(&world).await;
        let (users, sessions) = (&opened.store.users, &opened.store.sessions);
        opened.people([1, 2]).await;
        let begin =
            async |number, version| sessions.begin(&session(10, number, 0), version, None, ROOM).await;
        assert_eq!(begin(1, 1).await, Ok(Begun::Stale));
        assert_eq!(begin(3, 0).await, Ok(Begun::Stale), "no such account");
        assert_eq!(users.change(&user(1), Ending::All, &[]).await, Ok(Changed::Yes));
        assert_eq!(begin(1, 0).await, Ok(Begun::Stale), "{}", world.name);
        let closed = User { state: UserState::Disabled, ..user(2) };
        assert_eq!(users.change(&closed, Ending::All, &[]).await, Ok(Changed::Yes));
        assert_eq!(begin(2, 1).await, Ok(Begun::Stale), "closed");
        assert!(sessions.page(None, 10).await.unwrap().is_empty());
        assert_eq!(begin(1, 1).await, Ok(Begun::Yes(vec![])));
    }
}

#[tokio::test]
async fn each_place_has_one_ticket_of_a_session() {
    for world in World::both().await {
        let opened = open(&world).await;
        let sessions = &opened.store.sessions;
        opened.people([1]).await;
        opened.begin(&session(10, 1, 0), ROOM).await;
        for (number, place) in
            [(11, application("shop")), (12, application("wiki")), (13, application("shop"))]
        {
            assert_eq!(sessions.add_ticket(&ticket(number, 10, place.clone())).await, Ok(true));
            assert_eq!(sessions.by_ticket(&id(number)).await.unwrap().unwrap().0, place, "{}", world.name);
        }
        // The second one for the shop took the place of the first.
        assert!(sessions.by_ticket(&id(11)).await.unwrap().is_none());
        assert!(sessions.by_ticket(&id(10)).await.unwrap().is_some());
        // Neither for a session that is not there, nor for one whose time is over.
        assert_eq!(sessions.add_ticket(&ticket(14, 99, Place::Portal)).await, Ok(false));
        opened.clock.set(12 * 3600);
        assert_eq!(sessions.add_ticket(&ticket(14, 10, application("mail"))).await, Ok(false));
        assert!(sessions.by_ticket(&id(14)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn with_one_more_than_a_user_may_have_their_own_oldest_ends() {
    for world in World::both().await {
        let opened = open(&world).await;
        opened.people([1, 2]).await;
        let room = SessionRoom { per_user: 3, ..ROOM };
        opened.begin(&session(20, 2, 0), room).await;
        for (number, begun) in [(11, 5), (12, 3), (13, 4)] {
            assert_eq!(opened.begin(&session(number, 1, begun), room).await, Begun::Yes(vec![]));
        }
        assert_eq!(opened.begin(&session(14, 1, 6), room).await, Begun::Yes(vec![sid(12)]), "{}", world.name);
        assert_eq!(opened.gone().await, [gone(12)]);
        // Those that are over leave and are no longer counted.
        let room = SessionRoom { idle_before: since(at(5)), ..room };
        assert_eq!(opened.begin(&session(15, 1, 7), room).await, Begun::Yes(vec![]));
        assert_eq!(opened.gone().await, [gone(12), gone(13)]);
        // Fewer than before are allowed.
        let room = SessionRoom { per_user: 1, ..room };
        let Begun::Yes(ended) = opened.begin(&session(16, 1, 8), room).await else { panic!("no room") };
        assert_eq!(ended, [sid(11), sid(14), sid(15)]);
        assert!(opened.store.sessions.by_id(sid(20)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn when_all_is_full_the_users_own_oldest_leaves_and_never_anothers() {
    for world in World::both().await {
        let opened = open(&world).await;
        opened.people([1, 2]).await;
        let room = SessionRoom { all: 3, ..ROOM };
        for number in 11..14 {
            assert_eq!(opened.begin(&session(number, 1, number as i64), room).await, Begun::Yes(vec![]));
        }
        assert_eq!(opened.begin(&session(21, 2, 20), room).await, Begun::Full, "{}", world.name);
        assert!(opened.store.sessions.by_id(sid(21)).await.unwrap().is_none());
        assert_eq!(opened.begin(&session(14, 1, 20), room).await, Begun::Yes(vec![sid(11)]));
        // Whoever logs out leaves room.
        assert_eq!(opened.store.sessions.end(&[sid(12)]).await, Ok(vec![sid(12)]));
        assert_eq!(opened.begin(&session(21, 2, 20), room).await, Begun::Yes(vec![]));
        assert_eq!(opened.begin(&session(22, 2, 21), room).await, Begun::Yes(vec![sid(21)]));
        // And so does whoever was idle for long, or whose time is over.
        let idle = SessionRoom { idle_before: since(at(14)), ..room };
        opened.people([3]).await;
        assert_eq!(opened.begin(&session(31, 3, 22), idle).await, Begun::Yes(vec![]));
        assert_eq!(opened.gone().await, [gone(11), gone(12), gone(21), gone(13)]);
        opened.clock.set(12 * 3600 + 20);
        opened.people([4]).await;
        let late = session(41, 4, 12 * 3600 + 20);
        assert_eq!(opened.begin(&late, room).await, Begun::Yes(vec![]));
        assert_eq!(opened.gone().await[4..], [gone(14)]);
    }
}

#[tokio::test]
async fn what_ended_is_gone_with_its_tickets_and_refresh_tokens() {
    for world in World::both().await {
        let opened = open(&world).await;
        let sessions = &opened.store.sessions;
        opened.people([1]).await;
        let lifetimes = Lifetimes {
            idle: std::time::Duration::from_secs(60),
            absolute: std::time::Duration::from_secs(600),
        };
        let mut names = Vec::new();
        for number in 10..13u64 {
            opened.begin(&session(number, 1, number as i64), ROOM).await;
            sessions.add_ticket(&ticket(100 + number, number, application("shop"))).await.unwrap();
            let begun =
                Family::begin(&sid(number).to_string(), "shop", lifetimes, at(0), &[number as u8; 48]);
            assert_eq!(opened.store.families.keep(&begun.0, sid(number)).await, Ok(true));
            names.push(begun.0.name);
        }
        // Those that are there, each once, however often they are named.
        let mut ended = sessions.end(&[sid(10), sid(99), sid(12), sid(10)]).await.unwrap();
        ended.sort();
        assert_eq!(ended, [sid(10), sid(12)], "{}", world.name);
        assert_eq!(sessions.end(&[sid(10)]).await, Ok(vec![]));
        assert_eq!(sessions.end(&[]).await, Ok(vec![]));
        for (number, name) in (10..13u64).zip(&names) {
            let there = number == 11;
            assert_eq!(sessions.by_ticket(&id(number)).await.unwrap().is_some(), there);
            assert_eq!(sessions.by_ticket(&id(100 + number)).await.unwrap().is_some(), there);
            assert_eq!(opened.store.families.find(name).await.unwrap().is_some(), there);
        }
        let mut told = opened.gone().await;
        told.sort_by_key(|gone| format!("{gone:?}"));
        assert_eq!(told, [gone(10), gone(12)]);
    }
}

#[tokio::test]
async fn a_users_sessions_end_together_or_all_but_one() {
    for world in World::both().await {
        let opened = open(&world).await;
        let sessions = &opened.store.sessions;
        opened.people([1, 2]).await;
        let room = SessionRoom { per_user: 100, ..ROOM };
        // More than one statement ends.
        for number in 100..180 {
            opened.begin(&session(number, 1, number as i64), room).await;
        }
        opened.begin(&session(20, 2, 0), room).await;
        let listed: Vec<_> = sessions
            .of_user(UserId(id(1)))
            .await
            .unwrap()
            .iter()
            .map(|session| number_of(session.id))
            .collect();
        assert_eq!(listed, (100..180).rev().collect::<Vec<_>>(), "{}: the newest first", world.name);
        let ended = sessions.end_of_user(UserId(id(1)), Some(sid(150))).await.unwrap();
        assert_eq!(ended.len(), 79);
        assert_eq!(opened.gone().await.len(), 79);
        assert_eq!(sessions.end_of_user(UserId(id(1)), None).await, Ok(vec![sid(150)]));
        assert_eq!(sessions.end_of_user(UserId(id(1)), None).await, Ok(vec![]));
        let left = sessions.page(None, 10).await.unwrap();
        assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [sid(20)]);
    }
}

#[tokio::test]
async fn when_it_was_last_used_only_grows() {
    for world in World::both().await {
        let opened = open(&world).await;
        let sessions = &opened.store.sessions;
        opened.people([1]).await;
        let room = SessionRoom { per_user: 100, ..ROOM };
        for number in 10..80 {
            opened.begin(&session(number, 1, 0), room).await;
        }
        let seen: Vec<_> = (10..81).map(|number| (sid(number), at(number as i64))).collect();
        sessions.seen(&seen).await.unwrap();
        sessions.seen(&[(sid(10), at(5)), (sid(11), at(500))]).await.unwrap();
        sessions.seen(&[]).await.unwrap();
        for (number, wanted) in [(10, 10), (11, 500), (12, 12), (79, 79)] {
            let found = sessions.by_id(sid(number)).await.unwrap().unwrap();
            assert_eq!(found.session.seen, at(wanted), "{}", world.name);
        }
    }
}

#[tokio::test]
async fn what_is_over_is_purged_and_told() {
    for world in World::both().await {
        let opened = open(&world).await;
        let sessions = &opened.store.sessions;
        opened.people([1]).await;
        for (number, begun) in [(10, 0), (11, 10), (12, 20), (13, 30)] {
            opened.begin(&session(number, 1, begun), ROOM).await;
        }
        sessions.seen(&[(sid(10), at(40_000))]).await.unwrap();
        let (ended, idle) = (at(12 * 3600), since(at(21)));
        assert_eq!(sessions.purge(ended, idle, 2).await, Ok(2), "{}", world.name);
        assert_eq!(sessions.purge(ended, idle, 2).await, Ok(1));
        assert_eq!(sessions.purge(ended, idle, 2).await, Ok(0));
        assert_eq!(opened.gone().await, [gone(10), gone(11), gone(12)]);
        assert_eq!(sessions.page(None, 10).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn more_is_purged_than_one_turn_takes_and_no_more_than_was_asked_for() {
    for world in World::both().await {
        let opened = open(&world).await;
        opened.people([1]).await;
        for number in 0..150 {
            let room = SessionRoom { per_user: 1000, ..ROOM };
            opened.store.sessions.begin(&session(number, 1, 0), 0, None, room).await.unwrap();
        }
        for wanted in [140, 10, 0] {
            let purged = opened.store.sessions.purge(at(0), since(at(1)), 140).await;
            assert_eq!(purged, Ok(wanted), "{}", world.name);
        }
        assert_eq!(opened.gone().await.len(), 150);
    }
}

#[tokio::test]
async fn what_a_program_holds_may_go_unused_for_longer() {
    for world in World::both().await {
        let opened = open(&world).await;
        let sessions = &opened.store.sessions;
        opened.people([1]).await;
        let program = |number, begun| Session { holder: Holder::Program, ..session(number, 1, begun) };
        for begun in [session(10, 1, 0), program(11, 1), program(12, 9)] {
            opened.begin(&begun, ROOM).await;
        }
        let found = sessions.by_id(sid(11)).await.unwrap().unwrap();
        assert_eq!(found.session, program(11, 1), "{}", world.name);
        let idle = IdleBefore { browsers: at(10), programs: at(5) };
        let room = SessionRoom { per_user: 2, idle_before: idle, ..ROOM };
        // Two of the three are over, so there is room for one more.
        assert_eq!(opened.begin(&program(13, 20), room).await, Begun::Yes(vec![]));
        assert_eq!(opened.gone().await, [gone(10), gone(11)]);
        opened.begin(&session(14, 1, 6), ROOM).await;
        assert_eq!(sessions.purge(at(30), idle, 10).await, Ok(1));
        assert_eq!(sessions.purge(at(30), IdleBefore { programs: at(10), ..idle }, 10).await, Ok(1));
        assert_eq!(opened.gone().await, [gone(10), gone(11), gone(14), gone(12)]);
    }
}

#[tokio::test]
async fn all_sessions_are_read_page_by_page() {
    for world in World::both().await {
        let opened = open(&world).await;
        opened.people([1]).await;
        for number in (10..20).rev() {
            opened.begin(&session(number, 1, 0), ROOM).await;
        }
        let mut read: Vec<SessionId> = Vec::new();
        loop {
            let page = opened.store.sessions.page(read.last().copied(), 3).await.unwrap();
            if page.is_empty() {
                break;
            }
            read.extend(page.into_iter().map(|session| session.id));
        }
        assert_eq!(read, (10..20).map(sid).collect::<Vec<_>>(), "{}", world.name);
    }
}
