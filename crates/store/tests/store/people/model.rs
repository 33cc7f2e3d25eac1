//! Any sequence of operations ends as in a model: who is there, which sessions, what shows them, what ended.

use std::collections::BTreeMap;

use portcullis_access::apikey::KeyHash;
use portcullis_contract::identity::{
    Begun, Changed, Ending, Gone, Place, Session, SessionRoom, StoredApiKey, User, UserState,
};
use portcullis_model::{ApiKeyId, SessionId, UserId, UserName};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::world::{Opened, World, application, at, id, key, open, session, shown, since, ticket, user};

/// How long a session lasts here, and how long it may be idle; a step takes one second.
const LASTS: i64 = 14;
const IDLE: i64 = 6;
const PER_USER: usize = 2;
const ALL: usize = 4;

/// One operation, over so few people and sessions that they meet.
#[derive(Debug, Clone)]
enum Operation {
    Create { user: u64, name: u64 },
    Change { user: u64, name: u64, closes: bool, is_stale: bool, ending: Ending },
    Delete(u64),
    Begin { user: u64, is_stale: bool },
    AddTicket { session: u64, place: u64 },
    End(Vec<u64>),
    EndOfUser { user: u64, but: u64 },
    Seen(u64),
    Purge,
    CreateKey { key: u64, owner: u64 },
    Rotate { key: u64, until: i64 },
    DeleteKey(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let ending = prop_oneof![
        Just(Ending::None),
        Just(Ending::All),
        (0..40u64).prop_map(|number| Ending::AllBut(SessionId(id(number)))),
    ];
    prop_oneof![
        3 => (0..3u64, 0..3u64).prop_map(|(user, name)| Create { user, name }),
        2 => (0..3u64, 0..3u64, any::<bool>(), prop::bool::weighted(0.2), ending).prop_map(
            |(user, name, closes, is_stale, ending)| Change { user, name, closes, is_stale, ending }
        ),
        1 => (0..3u64).prop_map(Delete),
        8 => (0..3u64, prop::bool::weighted(0.1)).prop_map(|(user, is_stale)| Begin { user, is_stale }),
        3 => (0..40u64, 0..3u64).prop_map(|(session, place)| AddTicket { session, place }),
        1 => prop::collection::vec(0..40u64, 0..4).prop_map(End),
        1 => (0..3u64, 0..40u64).prop_map(|(user, but)| EndOfUser { user, but }),
        3 => (0..40u64).prop_map(Seen),
        1 => Just(Purge),
        3 => (0..4u64, 0..3u64).prop_map(|(key, owner)| CreateKey { key, owner }),
        2 => (0..4u64, 0..20i64).prop_map(|(key, until)| Rotate { key, until }),
        1 => (0..4u64).prop_map(DeleteKey),
    ]
}

/// What the store should hold.
#[derive(Default)]
struct Model {
    now: i64,
    users: BTreeMap<UserId, User>,
    sessions: BTreeMap<SessionId, Session>,
    /// By session and place, the number of the ticket.
    tickets: BTreeMap<(SessionId, u64), u64>,
    keys: BTreeMap<ApiKeyId, StoredApiKey>,
    /// What each operation ended, in any order.
    gone: Vec<Vec<Gone>>,
}

fn place(number: u64) -> Place {
    match number {
        0 => Place::Portal,
        number => application(&format!("shop-{number}")),
    }
}

fn named(number: u64, name: u64) -> User {
    User { name: UserName::parse(&format!("name-{name}")).unwrap(), ..user(number) }
}

impl Model {
    fn end(&mut self, ids: impl IntoIterator<Item = SessionId>) -> Vec<SessionId> {
        let ended: Vec<_> = ids.into_iter().filter(|id| self.sessions.remove(id).is_some()).collect();
        self.tickets.retain(|(session, _), _| self.sessions.contains_key(session));
        self.tell(ended.iter().copied().map(Gone::Session));
        ended
    }

    fn tell(&mut self, gone: impl IntoIterator<Item = Gone>) {
        self.gone.last_mut().unwrap().extend(gone);
    }

    /// Sessions of a user, the oldest first, or of all.
    fn of(&self, user: Option<UserId>) -> Vec<SessionId> {
        let own = self.sessions.values().filter(|session| user.is_none_or(|user| session.user == user));
        let mut own: Vec<_> = own.map(|session| (session.created, session.id)).collect();
        own.sort();
        own.into_iter().map(|(_, id)| id).collect()
    }

    fn is_over(&self, id: SessionId) -> bool {
        let session = &self.sessions[&id];
        session.ends <= at(self.now) || session.seen < at(self.now - IDLE)
    }

    fn begin(&mut self, begun: &Session, is_stale: bool) -> Begun {
        let account = self.users.get(&begun.user);
        if is_stale || account.is_none_or(|user| user.state != UserState::Active) {
            return Begun::Stale;
        }
        let own = self.of(Some(begun.user));
        self.end(own.iter().copied().filter(|id| self.is_over(*id)).collect::<Vec<_>>());
        let mut own = self.of(Some(begun.user));
        let mut ended = self.end(own.drain(..(own.len() + 1).saturating_sub(PER_USER)).collect::<Vec<_>>());
        if self.sessions.len() >= ALL {
            let over = self.of(None).into_iter().filter(|id| self.is_over(*id)).collect::<Vec<_>>();
            self.end(over);
        }
        if self.sessions.len() >= ALL {
            if ended.is_empty() && own.is_empty() {
                return Begun::Full;
            }
            ended.extend(self.end(own.into_iter().take(1)));
        }
        self.sessions.insert(begun.id, begun.clone());
        self.tickets.insert((begun.id, 0), self.now as u64);
        Begun::Yes(ended)
    }

    fn change(&mut self, changed: &User, is_stale: bool, ending: Ending) -> Changed {
        if is_stale || !self.users.contains_key(&changed.id) {
            return Changed::Stale;
        }
        if self.users.values().any(|other| other.name == changed.name && other.id != changed.id) {
            return Changed::NameTaken;
        }
        self.users.insert(changed.id, User { version: changed.version + 1, ..changed.clone() });
        self.tell([Gone::User(changed.id)]);
        let own = self.of(Some(changed.id));
        match ending {
            Ending::None => {}
            Ending::All => drop(self.end(own)),
            Ending::AllBut(kept) => drop(self.end(own.into_iter().filter(|id| *id != kept))),
        }
        Changed::Yes
    }

    fn delete(&mut self, user: UserId) -> bool {
        if self.users.remove(&user).is_none() {
            return false;
        }
        self.end(self.of(Some(user)));
        let (own, others): (Vec<_>, Vec<_>) = self.keys.values().cloned().partition(|key| key.owner == user);
        self.keys = others.into_iter().map(|key| (key.id, key)).collect();
        self.tell(own.iter().map(|key| Gone::ApiKey(key.id)));
        self.tell([Gone::User(user)]);
        true
    }
}

fn sorted<T: std::fmt::Debug>(mut these: Vec<T>) -> Vec<T> {
    these.sort_by_key(|this| format!("{this:?}"));
    these
}

async fn step(opened: &Opened, model: &mut Model, operation: Operation) {
    let store = &opened.store;
    let now = model.now;
    let number = now as u64;
    match operation {
        Operation::Create { user, name } => {
            let new = named(user, name);
            let is_new = !model.users.contains_key(&new.id);
            let taken = model.users.values().any(|other| other.name == new.name);
            // An id is random: the same one twice is an error and no answer.
            if is_new {
                let created = if taken { Changed::NameTaken } else { Changed::Yes };
                assert_eq!(store.users.create(&new).await, Ok(created));
                if !taken {
                    model.users.insert(new.id, new);
                }
            }
        }
        Operation::Change { user, name, closes, is_stale, ending } => {
            let version = model.users.get(&UserId(id(user))).map_or(0, |user| user.version);
            let version = version + u64::from(is_stale);
            let state = if closes { UserState::Disabled } else { UserState::Active };
            let changed = User { version, state, ..named(user, name) };
            let wanted = model.change(&changed, is_stale, ending);
            assert_eq!(store.users.change(&changed, ending, &[]).await, Ok(wanted));
        }
        Operation::Delete(user) => {
            let user = UserId(id(user));
            let wanted = if model.delete(user) { Changed::Yes } else { Changed::Stale };
            assert_eq!(store.users.delete(user, &[]).await, Ok(wanted));
        }
        Operation::Begin { user, is_stale } => {
            let begun = Session { ends: at(now + LASTS), ..session(number, user, now) };
            let version = model.users.get(&begun.user).map_or(0, |user| user.version) + u64::from(is_stale);
            let room = SessionRoom {
                per_user: PER_USER as u32,
                all: ALL as u32,
                idle_before: since(at(now - IDLE)),
            };
            let shows = ticket(number, number, Place::Portal);
            let answer = store.sessions.begin(&begun, version, Some(&shows), room).await.unwrap();
            assert_eq!(answer, model.begin(&begun, is_stale));
        }
        other => step_of_what_exists(opened, model, other).await,
    }
}

async fn step_of_what_exists(opened: &Opened, model: &mut Model, operation: Operation) {
    let store = &opened.store;
    let now = model.now;
    match operation {
        Operation::AddTicket { session, place: at_place } => {
            let shows = ticket(1000 + now as u64, session, place(at_place));
            let there = model.sessions.get(&shows.session).is_some_and(|session| session.ends > at(now));
            if there {
                model.tickets.insert((shows.session, at_place), 1000 + now as u64);
            }
            assert_eq!(store.sessions.add_ticket(&shows).await, Ok(there));
        }
        Operation::End(numbers) => {
            let ids: Vec<_> = numbers.into_iter().map(|number| SessionId(id(number))).collect();
            let ended = store.sessions.end(&ids).await.unwrap();
            assert_eq!(sorted(ended), sorted(model.end(ids)));
        }
        Operation::EndOfUser { user, but } => {
            let (user, but) = (UserId(id(user)), SessionId(id(but)));
            let own = model.of(Some(user)).into_iter().filter(|id| *id != but).collect::<Vec<_>>();
            let ended = store.sessions.end_of_user(user, Some(but)).await.unwrap();
            assert_eq!(sorted(ended), sorted(model.end(own)));
        }
        Operation::Seen(number) => {
            let session = SessionId(id(number));
            store.sessions.seen(&[(session, at(now))]).await.unwrap();
            model.sessions.entry(session).and_modify(|session| session.seen = at(now));
        }
        Operation::Purge => {
            let over = model.of(None).into_iter().filter(|id| model.is_over(*id)).collect::<Vec<_>>();
            let purged = model.end(over).len() as u64;
            assert_eq!(store.sessions.purge(at(now), since(at(now - IDLE)), 100).await, Ok(purged));
        }
        Operation::CreateKey { key: number, owner } => {
            let new = StoredApiKey { hash: KeyHash::from_bytes(id(now as u64)), ..key(number, owner) };
            if model.keys.contains_key(&new.id) {
                return;
            }
            let there = model.users.contains_key(&new.owner);
            let created = if there { Changed::Yes } else { Changed::Stale };
            assert_eq!(store.api_keys.create(&new).await, Ok(created));
            if there {
                model.keys.insert(new.id, new);
            }
        }
        Operation::Rotate { key, until } => {
            let (key, hash, until) =
                (ApiKeyId(id(key)), KeyHash::from_bytes(id(now as u64)), at(now + until));
            let rotated = store.api_keys.rotate(key, &hash, until).await;
            let Some(kept) = model.keys.get_mut(&key) else { return assert_eq!(rotated, Ok(Changed::Stale)) };
            assert_eq!(rotated, Ok(Changed::Yes));
            kept.before = Some((kept.hash, until));
            kept.hash = hash;
            model.tell([Gone::ApiKey(key)]);
        }
        Operation::DeleteKey(key) => {
            let key = ApiKeyId(id(key));
            let there = model.keys.remove(&key).is_some();
            assert_eq!(store.api_keys.delete(key).await, Ok(there));
            model.tell(there.then_some(Gone::ApiKey(key)));
        }
        other => panic!("{other:?} is done elsewhere"),
    }
}

/// Whatever the store can be asked for is what the model says.
async fn compare(opened: &Opened, model: &Model) {
    let store = &opened.store;
    let users = store.users.page(None, 100).await.unwrap();
    let shown_all = |users: Vec<&User>| sorted(users.into_iter().map(shown).collect());
    assert_eq!(shown_all(users.iter().collect()), shown_all(model.users.values().collect()));
    let sessions = store.sessions.page(None, 100).await.unwrap();
    assert_eq!(sessions, model.sessions.values().cloned().collect::<Vec<_>>());
    let keys = store.api_keys.page(None, None, 100).await.unwrap();
    assert_eq!(keys, model.keys.values().cloned().collect::<Vec<_>>());
    for number in (0..=model.now as u64).chain(1000..=1000 + model.now as u64) {
        let found = store.sessions.by_ticket(&id(number)).await.unwrap();
        let found = found.map(|(place, found)| (place, found.session.id));
        let wanted = model.tickets.iter().find(|(_, ticket)| **ticket == number);
        assert_eq!(found, wanted.map(|((session, at_place), _)| (place(*at_place), *session)), "{number}");
        let found = store.api_keys.by_hash(&KeyHash::from_bytes(id(number))).await.unwrap();
        let has = |key: &&StoredApiKey| {
            let hash = KeyHash::from_bytes(id(number));
            key.hash == hash
                || key.before.is_some_and(|(before, until)| before == hash && until > at(model.now))
        };
        assert_eq!(found.map(|(key, _)| key), model.keys.values().find(has).cloned(), "{number}");
    }
    // Each operation told of its own, whatever the order within it.
    let mut told = opened.gone().await.into_iter();
    for wanted in &model.gone {
        let told: Vec<_> = told.by_ref().take(wanted.len()).collect();
        assert_eq!(sorted(told), sorted(wanted.clone()));
    }
    assert_eq!(told.next(), None);
}

#[test]
fn any_sequence_of_operations_ends_as_in_the_model() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for world in runtime.block_on(World::both()) {
        let opened = runtime.block_on(open(&world));
        let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
        let sequences = proptest::collection::vec(operation(), 1..60);
        let run = TestRunner::new(config).run(&sequences, |sequence| {
            runtime.block_on(async {
                let clear = "DELETE FROM account; DELETE FROM revocation; \
                    UPDATE people_turn SET revocations = 0, sessions = 0";
                world.run(clear).await;
                let mut model = Model::default();
                for operation in sequence {
                    model.now += 1;
                    opened.clock.set(model.now);
                    model.gone.push(Vec::new());
                    step(&opened, &mut model, operation).await;
                }
                compare(&opened, &model).await;
            });
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{}: {error}", world.name));
    }
}
