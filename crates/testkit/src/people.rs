//! A store of people in memory, for tests of what stands above it: it counts what it is asked, and can be gone or slow.
//!
//! It does what the ports promise, the numbered stream of ends included, and nothing survives it. The real stores are
//! tried by a suite of their own.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_access::apikey::KeyHash;
use portcullis_access::refresh::{Family, RefreshHash};
use portcullis_contract::identity::{
    ApiKeys, Begun, Changed, CodeUse, Codes, Ending, First, Found, Gone, IdleBefore, Keyrings, PeopleStore,
    Place, ROLES_MAX, RefreshFamilies, Revocation, Revocations, RoleChanged, RoleStore, SecretBytes, Session,
    SessionRoom, Sessions, StoreProblem, StoredApiKey, StoredRole, Ticket, User, UserState, Users,
};
use portcullis_contract::ports::Asking;
use portcullis_model::{ApiKeyId, KeyName, RoleName, SessionId, UserId, UserName};

/// The store. Clones are the same store.
#[derive(Clone, Default)]
pub struct MemoryPeople(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    calls: Mutex<Vec<&'static str>>,
    gone: AtomicBool,
    slow: Mutex<Duration>,
}

#[derive(Default)]
struct State {
    users: BTreeMap<UserId, User>,
    sessions: BTreeMap<SessionId, Session>,
    tickets: HashMap<[u8; 32], Ticket>,
    families: Vec<(Family, SessionId)>,
    keys: BTreeMap<ApiKeyId, StoredApiKey>,
    roles: BTreeMap<RoleName, StoredRole>,
    codes: Vec<(CodeUse, [u8; 32], Vec<u8>, Timestamp)>,
    rings: HashMap<String, (u64, SecretBytes)>,
    ends: Vec<(Revocation, Timestamp)>,
    number: u64,
}

impl MemoryPeople {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its parts, as the planes take them.
    pub fn store(&self) -> PeopleStore {
        PeopleStore {
            users: Arc::new(self.clone()),
            sessions: Arc::new(self.clone()),
            families: Arc::new(self.clone()),
            api_keys: Arc::new(self.clone()),
            roles: Arc::new(self.clone()),
            codes: Arc::new(self.clone()),
            keyrings: Arc::new(self.clone()),
            revocations: Arc::new(self.clone()),
        }
    }

    /// From now on nothing answers, or everything does again.
    pub fn set_gone(&self, gone: bool) {
        self.0.gone.store(gone, Ordering::SeqCst);
    }

    /// From now on every answer takes so long.
    pub fn set_slow(&self, pause: Duration) {
        *self.0.slow.lock().unwrap() = pause;
    }

    /// What it was asked since it was asked this last, in order: `users.by_name` and the like.
    pub fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.calls.lock().unwrap())
    }

    fn asking<'a, T: Send + 'a>(
        &'a self,
        call: &'static str,
        answer: impl FnOnce(&mut State) -> T + Send + 'a,
    ) -> Asking<'a, T> {
        Box::pin(async move {
            self.0.calls.lock().unwrap().push(call);
            let pause = *self.0.slow.lock().unwrap();
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            if self.0.gone.load(Ordering::SeqCst) {
                return Err(StoreProblem::Unavailable("switched off".into()));
            }
            Ok(answer(&mut self.0.state.lock().unwrap()))
        })
    }
}

impl State {
    fn tell(&mut self, gone: Gone) {
        self.number += 1;
        self.ends.push((Revocation { number: self.number, gone }, Timestamp::now()));
    }

    fn end(&mut self, id: SessionId) -> bool {
        let was_there = self.sessions.remove(&id).is_some();
        if was_there {
            self.tickets.retain(|_, ticket| ticket.session != id);
            self.families.retain(|(_, session)| *session != id);
            self.tell(Gone::Session(id));
        }
        was_there
    }

    fn end_of_user(&mut self, user: UserId, but: Option<SessionId>) -> Vec<SessionId> {
        let of_user = self.sessions.values().filter(|session| session.user == user);
        let ids: Vec<_> = of_user.map(|session| session.id).filter(|id| Some(*id) != but).collect();
        for id in &ids {
            self.end(*id);
        }
        ids
    }

    fn found(&self, id: SessionId) -> Option<Found> {
        let session = self.sessions.get(&id)?.clone();
        let user = self.users.get(&session.user)?.clone();
        Some(Found { session, user })
    }

    fn is_held(&self, roles: &[RoleName]) -> bool {
        let administer = |role: &StoredRole| role.permissions.iter().any(|held| held.as_str() == "admin");
        let is_one = |role| roles.contains(role) || self.roles.get(role).is_some_and(administer);
        let mut active = self.users.values().filter(|user| user.state == UserState::Active);
        active.any(|user| user.roles.iter().any(is_one))
    }

    fn name_is_taken(&self, user: &User) -> bool {
        self.users.values().any(|other| other.name == user.name && other.id != user.id)
    }
}

impl Users for MemoryPeople {
    fn create<'a>(&'a self, user: &'a User) -> Asking<'a, Changed> {
        self.asking("users.create", |state| {
            if state.name_is_taken(user) {
                return Changed::NameTaken;
            }
            state.users.insert(user.id, user.clone());
            Changed::Yes
        })
    }

    fn create_first<'a>(&'a self, user: &'a User, code: &'a [u8; 32], now: Timestamp) -> Asking<'a, First> {
        self.asking("users.create_first", move |state| {
            if !state.users.is_empty() {
                return First::NotFirst;
            }
            let is_it = |(used_for, hash, _, ends): &(CodeUse, [u8; 32], Vec<u8>, Timestamp)| {
                *used_for == CodeUse::SetUp && hash == code && *ends > now
            };
            let Some(at) = state.codes.iter().position(is_it) else { return First::NoCode };
            state.codes.remove(at);
            state.users.insert(user.id, user.clone());
            First::Made
        })
    }

    fn any(&self) -> Asking<'_, bool> {
        self.asking("users.any", |state| !state.users.is_empty())
    }

    fn by_id(&self, id: UserId) -> Asking<'_, Option<User>> {
        self.asking("users.by_id", move |state| state.users.get(&id).cloned())
    }

    fn by_name<'a>(&'a self, name: &'a UserName) -> Asking<'a, Option<User>> {
        self.asking("users.by_name", move |state| {
            state.users.values().find(|user| user.name == *name).cloned()
        })
    }

    fn page<'a>(&'a self, after: Option<&'a UserName>, count: u16) -> Asking<'a, Vec<User>> {
        self.asking("users.page", move |state| {
            let mut users: Vec<User> = state.users.values().cloned().collect();
            users.sort_by(|one, other| one.name.cmp(&other.name));
            let rest = users.into_iter().filter(|user| after.is_none_or(|after| user.name > *after));
            rest.take(usize::from(count)).collect()
        })
    }

    fn change<'a>(&'a self, user: &'a User, ending: Ending, held: &'a [RoleName]) -> Asking<'a, Changed> {
        self.asking("users.change", move |state| {
            if state.name_is_taken(user) {
                return Changed::NameTaken;
            }
            let was_held = state.is_held(held);
            let known = state.users.get_mut(&user.id).filter(|known| known.version == user.version);
            let Some(known) = known else { return Changed::Stale };
            let changed = User { version: user.version + 1, ..user.clone() };
            let before = std::mem::replace(known, changed);
            if was_held && !state.is_held(held) {
                state.users.insert(before.id, before);
                return Changed::LastHolder;
            }
            state.tell(Gone::User(user.id));
            match ending {
                Ending::None => {}
                Ending::All => drop(state.end_of_user(user.id, None)),
                Ending::AllBut(one) => drop(state.end_of_user(user.id, Some(one))),
            }
            Changed::Yes
        })
    }

    fn delete<'a>(&'a self, id: UserId, held: &'a [RoleName]) -> Asking<'a, Changed> {
        self.asking("users.delete", move |state| {
            let was_held = state.is_held(held);
            let Some(before) = state.users.remove(&id) else { return Changed::Stale };
            if was_held && !state.is_held(held) {
                state.users.insert(id, before);
                return Changed::LastHolder;
            }
            state.end_of_user(id, None);
            let owned = state.keys.values().filter(|key| key.owner == id);
            let keys: Vec<_> = owned.map(|key| key.id).collect();
            state.keys.retain(|_, key| key.owner != id);
            keys.into_iter().for_each(|key| state.tell(Gone::ApiKey(key)));
            state.tell(Gone::User(id));
            Changed::Yes
        })
    }
}

impl Sessions for MemoryPeople {
    fn begin<'a>(
        &'a self,
        session: &'a Session,
        version: u64,
        ticket: Option<&'a Ticket>,
        room: SessionRoom,
    ) -> Asking<'a, Begun> {
        self.asking("sessions.begin", move |state| {
            let is_same = |user: &User| user.version == version && user.state == UserState::Active;
            if !state.users.get(&session.user).is_some_and(is_same) {
                return Begun::Stale;
            }
            let now = session.created;
            let counts = |one: &&Session| one.ends > now && one.seen >= room.idle_before.of(one.holder);
            let mut own: Vec<Session> = state
                .sessions
                .values()
                .filter(counts)
                .filter(|one| one.user == session.user)
                .cloned()
                .collect();
            if state.sessions.values().filter(counts).count() >= room.all as usize && own.is_empty() {
                return Begun::Full;
            }
            own.sort_by_key(|one| one.created);
            let surplus = (own.len() + 1).saturating_sub(room.per_user as usize);
            let ended: Vec<SessionId> = own.iter().take(surplus).map(|one| one.id).collect();
            for id in &ended {
                state.end(*id);
            }
            state.sessions.insert(session.id, session.clone());
            state.tickets.extend(ticket.map(|ticket| (ticket.hash, ticket.clone())));
            Begun::Yes(ended)
        })
    }

    fn add_ticket<'a>(&'a self, ticket: &'a Ticket) -> Asking<'a, bool> {
        self.asking("sessions.add_ticket", move |state| {
            if !state.sessions.contains_key(&ticket.session) {
                return false;
            }
            state.tickets.retain(|_, old| old.session != ticket.session || old.place != ticket.place);
            state.tickets.insert(ticket.hash, ticket.clone());
            true
        })
    }

    fn by_ticket<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Option<(Place, Found)>> {
        self.asking("sessions.by_ticket", move |state| {
            let ticket = state.tickets.get(hash)?;
            Some((ticket.place.clone(), state.found(ticket.session)?))
        })
    }

    fn by_id(&self, id: SessionId) -> Asking<'_, Option<Found>> {
        self.asking("sessions.by_id", move |state| state.found(id))
    }

    fn of_user(&self, user: UserId) -> Asking<'_, Vec<Session>> {
        self.asking("sessions.of_user", move |state| {
            let of_user = state.sessions.values().filter(|session| session.user == user);
            let mut sessions: Vec<Session> = of_user.cloned().collect();
            sessions.sort_by_key(|session| std::cmp::Reverse(session.created));
            sessions
        })
    }

    fn page(&self, after: Option<SessionId>, count: u16) -> Asking<'_, Vec<Session>> {
        self.asking("sessions.page", move |state| {
            let rest = state.sessions.values().filter(|session| after.is_none_or(|after| session.id > after));
            rest.take(usize::from(count)).cloned().collect()
        })
    }

    fn end<'a>(&'a self, ids: &'a [SessionId]) -> Asking<'a, Vec<SessionId>> {
        self.asking("sessions.end", move |state| ids.iter().copied().filter(|id| state.end(*id)).collect())
    }

    fn end_of_user(&self, user: UserId, but: Option<SessionId>) -> Asking<'_, Vec<SessionId>> {
        self.asking("sessions.end_of_user", move |state| state.end_of_user(user, but))
    }

    fn seen<'a>(&'a self, seen: &'a [(SessionId, Timestamp)]) -> Asking<'a, ()> {
        self.asking("sessions.seen", move |state| {
            for (id, at) in seen {
                if let Some(session) = state.sessions.get_mut(id) {
                    session.seen = session.seen.max(*at);
                }
            }
        })
    }

    fn purge(&self, now: Timestamp, idle_before: IdleBefore, count: u16) -> Asking<'_, u64> {
        self.asking("sessions.purge", move |state| {
            let is_over =
                |session: &&Session| session.ends <= now || session.seen < idle_before.of(session.holder);
            let over = state.sessions.values().filter(is_over);
            let ids: Vec<SessionId> = over.map(|session| session.id).take(usize::from(count)).collect();
            ids.iter().filter(|id| state.end(**id)).count() as u64
        })
    }
}

impl RefreshFamilies for MemoryPeople {
    fn keep<'a>(&'a self, family: &'a Family, session: SessionId) -> Asking<'a, bool> {
        self.asking("families.keep", move |state| {
            let is_there = state.sessions.contains_key(&session);
            if is_there {
                state.families.push((family.clone(), session));
            }
            is_there
        })
    }

    fn find<'a>(&'a self, name: &'a RefreshHash) -> Asking<'a, Option<Family>> {
        self.asking("families.find", move |state| {
            state.families.iter().find(|(family, _)| family.name == *name).map(|(family, _)| family.clone())
        })
    }

    fn step<'a>(&'a self, family: &'a Family) -> Asking<'a, bool> {
        self.asking("families.step", move |state| {
            let known = state.families.iter_mut().find(|(known, _)| known.name == family.name);
            match known.filter(|(known, _)| known.version + 1 == family.version) {
                Some((known, _)) => *known = family.clone(),
                None => return false,
            }
            true
        })
    }
}

impl ApiKeys for MemoryPeople {
    fn create<'a>(&'a self, key: &'a StoredApiKey) -> Asking<'a, Changed> {
        self.asking("api_keys.create", move |state| {
            if state.keys.values().any(|other| other.name == key.name) {
                return Changed::NameTaken;
            }
            if !state.users.contains_key(&key.owner) {
                return Changed::Stale;
            }
            state.keys.insert(key.id, key.clone());
            Changed::Yes
        })
    }

    fn by_hash<'a>(&'a self, hash: &'a KeyHash) -> Asking<'a, Option<(StoredApiKey, User)>> {
        self.asking("api_keys.by_hash", move |state| {
            let is_it =
                |key: &&StoredApiKey| key.hash == *hash || key.before.is_some_and(|(old, _)| old == *hash);
            let key = state.keys.values().find(is_it)?.clone();
            let owner = state.users.get(&key.owner)?.clone();
            Some((key, owner))
        })
    }

    fn by_id(&self, id: ApiKeyId) -> Asking<'_, Option<StoredApiKey>> {
        self.asking("api_keys.by_id", move |state| state.keys.get(&id).cloned())
    }

    fn by_name<'a>(&'a self, name: &'a KeyName) -> Asking<'a, Option<StoredApiKey>> {
        self.asking("api_keys.by_name", move |state| {
            state.keys.values().find(|key| key.name == *name).cloned()
        })
    }

    fn page(
        &self,
        owner: Option<UserId>,
        after: Option<ApiKeyId>,
        count: u16,
    ) -> Asking<'_, Vec<StoredApiKey>> {
        self.asking("api_keys.page", move |state| {
            let rest = state.keys.values().filter(|key| after.is_none_or(|after| key.id > after));
            let of_owner = rest.filter(|key| owner.is_none_or(|owner| key.owner == owner));
            of_owner.take(usize::from(count)).cloned().collect()
        })
    }

    fn rotate<'a>(&'a self, id: ApiKeyId, hash: &'a KeyHash, until: Timestamp) -> Asking<'a, Changed> {
        self.asking("api_keys.rotate", move |state| {
            let Some(key) = state.keys.get_mut(&id) else { return Changed::Stale };
            key.before = Some((key.hash, until));
            key.hash = *hash;
            state.tell(Gone::ApiKey(id));
            Changed::Yes
        })
    }

    fn delete(&self, id: ApiKeyId) -> Asking<'_, bool> {
        self.asking("api_keys.delete", move |state| {
            let was_there = state.keys.remove(&id).is_some();
            if was_there {
                state.tell(Gone::ApiKey(id));
            }
            was_there
        })
    }

    fn used<'a>(&'a self, used: &'a [(ApiKeyId, Timestamp)]) -> Asking<'a, ()> {
        self.asking("api_keys.used", move |state| {
            for (id, at) in used {
                if let Some(key) = state.keys.get_mut(id) {
                    key.used = key.used.max(Some(*at));
                }
            }
        })
    }
}

impl RoleStore for MemoryPeople {
    fn all(&self) -> Asking<'_, Vec<StoredRole>> {
        self.asking("roles.all", |state| state.roles.values().cloned().collect())
    }

    fn create<'a>(&'a self, role: &'a StoredRole) -> Asking<'a, RoleChanged> {
        self.asking("roles.create", |state| {
            if state.roles.contains_key(&role.name) {
                return RoleChanged::NameTaken;
            }
            if state.roles.len() >= usize::from(ROLES_MAX) {
                return RoleChanged::Full;
            }
            state.roles.insert(role.name.clone(), role.clone());
            state.tell(Gone::Roles);
            RoleChanged::Yes
        })
    }

    fn change<'a>(&'a self, role: &'a StoredRole, held: &'a [RoleName]) -> Asking<'a, RoleChanged> {
        self.asking("roles.change", move |state| {
            let was_held = state.is_held(held);
            let known = state.roles.get_mut(&role.name).filter(|known| known.version == role.version);
            let Some(known) = known else { return RoleChanged::Stale };
            let changed = StoredRole { version: role.version + 1, ..role.clone() };
            let before = std::mem::replace(known, changed);
            if was_held && !state.is_held(held) {
                state.roles.insert(before.name.clone(), before);
                return RoleChanged::LastAdministrator;
            }
            state.tell(Gone::Roles);
            RoleChanged::Yes
        })
    }

    fn delete<'a>(&'a self, name: &'a RoleName) -> Asking<'a, RoleChanged> {
        self.asking("roles.delete", move |state| {
            let holders = state.users.values().filter(|user| user.roles.contains(name)).count() as u64;
            if holders > 0 {
                return RoleChanged::Held(holders);
            }
            if state.roles.remove(name).is_none() {
                return RoleChanged::Stale;
            }
            state.tell(Gone::Roles);
            RoleChanged::Yes
        })
    }
}

impl Codes for MemoryPeople {
    fn keep<'a>(
        &'a self,
        used_for: CodeUse,
        hash: &'a [u8; 32],
        stands_for: &'a [u8],
        ends: Timestamp,
    ) -> Asking<'a, ()> {
        self.asking("codes.keep", move |state| {
            if used_for == CodeUse::SetUp {
                state.codes.retain(|(other, ..)| *other != CodeUse::SetUp);
            }
            state.codes.push((used_for, *hash, stands_for.to_vec(), ends));
        })
    }

    fn holds<'a>(&'a self, used_for: CodeUse, hash: &'a [u8; 32], now: Timestamp) -> Asking<'a, bool> {
        self.asking("codes.holds", move |state| {
            state.codes.iter().any(|one| one.0 == used_for && one.1 == *hash && one.3 > now)
        })
    }

    fn take<'a>(
        &'a self,
        used_for: CodeUse,
        hash: &'a [u8; 32],
        now: Timestamp,
    ) -> Asking<'a, Option<Vec<u8>>> {
        self.asking("codes.take", move |state| {
            let is_it = |one: &(CodeUse, [u8; 32], Vec<u8>, Timestamp)| one.0 == used_for && one.1 == *hash;
            let at = state.codes.iter().position(is_it)?;
            let (_, _, stands_for, ends) = state.codes.remove(at);
            (ends > now).then_some(stands_for)
        })
    }
}

impl Keyrings for MemoryPeople {
    fn load<'a>(&'a self, name: &'a str) -> Asking<'a, Option<(u64, SecretBytes)>> {
        self.asking("keyrings.load", move |state| state.rings.get(name).cloned())
    }

    fn replace<'a>(&'a self, name: &'a str, version: u64, bytes: &'a SecretBytes) -> Asking<'a, bool> {
        self.asking("keyrings.replace", move |state| {
            let is_that = state.rings.get(name).map_or(0, |(known, _)| *known) == version;
            if is_that {
                state.rings.insert(name.to_owned(), (version + 1, bytes.clone()));
                state.tell(Gone::Keys);
            }
            is_that
        })
    }
}

impl Revocations for MemoryPeople {
    fn last(&self) -> Asking<'_, u64> {
        self.asking("revocations.last", |state| state.number)
    }

    fn after(&self, number: u64, count: u16) -> Asking<'_, Vec<Revocation>> {
        self.asking("revocations.after", move |state| {
            let later = state.ends.iter().map(|(revocation, _)| *revocation);
            later.filter(|revocation| revocation.number > number).take(usize::from(count)).collect()
        })
    }

    fn forget(&self, before: Timestamp) -> Asking<'_, ()> {
        self.asking("revocations.forget", move |state| state.ends.retain(|(_, at)| *at >= before))
    }
}
