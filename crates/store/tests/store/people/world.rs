//! A store of people over each database, a clock that is set by hand, and people to put into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use portcullis_access::apikey::KeyHash;
use portcullis_contract::identity::{
    Begun, Changed, Gone, Holder, IdleBefore, PeopleStore, Place, Session, SessionRoom, StoredApiKey, Ticket,
    User, UserState,
};
use portcullis_contract::ports::{Clock, Entropy};
use portcullis_model::{
    ApiKeyId, ApplicationName, KeyName, Monotonic, Permission, RoleName, SessionId, UserId, UserName,
};
use portcullis_protect::{DataKey, Purpose};
use secrecy::SecretString;
use zeroize::Zeroizing;

pub(crate) use crate::sql::world::{World, at};

/// A clock that stands until it is set.
#[derive(Default)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        at(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(0)
    }
}

/// Bytes that are never the same.
#[derive(Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        bytes.iter_mut().zip(number.iter().cycle()).for_each(|(byte, next)| *byte = *next);
    }
}

/// The store, and its clock.
pub(crate) struct Opened {
    pub(crate) store: PeopleStore,
    pub(crate) clock: Arc<TestClock>,
}

/// Opens the store with a key of its own number.
pub(crate) async fn open_with(world: &World, key: u8) -> Opened {
    let database = world.open().await;
    let clock = Arc::new(TestClock::default());
    let key = DataKey::generate([key; 16], Zeroizing::new([key; 32]), Purpose::Store);
    let store = database.people(key, clock.clone(), Arc::new(Counting::default()));
    Opened { store, clock }
}

pub(crate) async fn open(world: &World) -> Opened {
    open_with(world, 7).await
}

/// As many bytes of a number as are asked for.
pub(crate) fn id<const N: usize>(number: u64) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().rev().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
    bytes
}

pub(crate) fn roles(names: &[&str]) -> Vec<RoleName> {
    names.iter().map(|name| RoleName::parse(name).unwrap()).collect()
}

/// A user with everything that one can have.
pub(crate) fn user(number: u64) -> User {
    User {
        id: UserId(id(number)),
        name: UserName::parse(&format!("user-{number}")).unwrap(),
        user_id: Some(format!("ext-{number}").into()),
        password: Some(SecretString::from(format!("$argon2id$stored-{number}"))),
        password_set: Some(at(1)),
        roles: roles(&["analyst", "reader"]),
        state: UserState::Active,
        created: at(2),
        version: 0,
    }
}

/// A session of a user's, begun at a time and good for 12 hours.
pub(crate) fn session(number: u64, user: u64, begun: i64) -> Session {
    Session {
        id: SessionId(id(number)),
        user: UserId(id(user)),
        created: at(begun),
        seen: at(begun),
        ends: at(begun + 12 * 3600),
        address: Some("2001:db8::17".parse().unwrap()),
        user_agent: Some("Teapot/4.18".into()),
        holder: Holder::Browser,
    }
}

/// Whoever was not seen since then is idle, but no program is.
pub(crate) const fn since(browsers: Timestamp) -> IdleBefore {
    IdleBefore { browsers, programs: Timestamp::MIN }
}

/// The portal's ticket of a session.
pub(crate) fn ticket(number: u64, session: u64, place: Place) -> Ticket {
    Ticket { hash: id(number), session: SessionId(id(session)), place }
}

pub(crate) fn application(name: &str) -> Place {
    Place::Application(ApplicationName::parse(name).unwrap())
}

/// Room that nobody in a small test fills.
pub(crate) const ROOM: SessionRoom =
    SessionRoom { per_user: 10, all: 1000, idle_before: since(Timestamp::MIN) };

/// A key of a user's with everything that one can have.
pub(crate) fn key(number: u64, owner: u64) -> StoredApiKey {
    let permissions = ["read:tasks", "write:*"].map(|text| Permission::parse(text).unwrap());
    StoredApiKey {
        id: ApiKeyId(id(number)),
        name: KeyName::parse(&format!("key-{number}")).unwrap(),
        owner: UserId(id(owner)),
        permissions: permissions.into_iter().collect(),
        applications: ["shop", "wiki"].map(|name| ApplicationName::parse(name).unwrap()).to_vec(),
        created: at(3),
        expires: Some(at(1000)),
        used: None,
        hash: KeyHash::from_bytes(id(number)),
        before: None,
    }
}

/// What users compare by: a secret compares with nothing.
pub(crate) fn shown(user: &User) -> String {
    use secrecy::ExposeSecret as _;
    let password = user.password.as_ref().map(|password| password.expose_secret().to_owned());
    format!("{user:?} {password:?}")
}

impl Opened {
    /// Keeps users of these numbers.
    pub(crate) async fn people(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            assert_eq!(self.store.users.create(&user(number)).await, Ok(Changed::Yes));
        }
    }

    /// Begins a session with a ticket of the same number at the portal.
    pub(crate) async fn begin(&self, session: &Session, room: SessionRoom) -> Begun {
        let shows = Ticket { hash: id(number_of(session.id)), session: session.id, place: Place::Portal };
        self.store.sessions.begin(session, 0, Some(&shows), room).await.unwrap()
    }

    /// Everything that ended so far, whose numbers must have no gap.
    pub(crate) async fn gone(&self) -> Vec<Gone> {
        let all = self.store.revocations.after(0, u16::MAX).await.unwrap();
        for (at, one) in all.iter().enumerate() {
            assert_eq!(one.number, at as u64 + 1);
        }
        assert_eq!(self.store.revocations.last().await, Ok(all.len() as u64));
        all.iter().map(|one| one.gone).collect()
    }
}

pub(crate) fn number_of(session: SessionId) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = session.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

pub(crate) fn gone(session: u64) -> Gone {
    Gone::Session(SessionId(id(session)))
}
