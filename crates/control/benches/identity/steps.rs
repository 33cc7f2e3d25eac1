//! What is measured at one size: each thing that people, programs and administrators ask, by the service over the store.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use portcullis_contract::identity::{
    Begun, Holder, IdleBefore, PeopleStore, Place, Session, SessionRoom, Ticket,
};
use portcullis_contract::ports::{Credential, CredentialKind, Identity, NotKnown};
use portcullis_control::{LogIn, People, Wants, Which};
use portcullis_model::{Principal, RoleName, UserName, UserPrincipal};
use portcullis_store::Database;
use portcullis_testkit::{WAIT, eventually};
use secrecy::{ExposeSecret, SecretString};

use crate::crowd::{self, Crowd, OVER, bytes};
use crate::outside::{HOUR, Outside, PASSWORD, at_shop, caller, rules, shop};
use crate::store::Store;
use crate::table::Figure;

/// Credentials that warm checks go round.
const WARM: usize = 1000;
/// Rounds of warm checks, of which the median counts.
const ROUNDS: usize = 9;
/// Sessions that are asked for at the same time, when millions are.
const AT_ONCE: u64 = 8;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Calls of each kind.
    pub(crate) tries: usize,
    /// Log-ins with their hash.
    pub(crate) log_ins: usize,
    /// Different sessions that are asked for.
    pub(crate) asked: u64,
}

/// A store, the service over it, and what was measured so far.
pub(crate) struct Steps {
    people: Arc<People>,
    kept: PeopleStore,
    store: Store,
    crowd: Crowd,
    effort: Effort,
    place: Place,
    figures: Vec<Figure>,
}

impl Steps {
    /// Opens the store, clears it up as the first minute does, and begins the service.
    pub(crate) async fn begin(store: Store, crowd: Crowd, effort: Effort) -> Self {
        let outside = Outside::new();
        let begun = Instant::now();
        let database = Database::open(&store.settings()).await.unwrap();
        let opened = begun.elapsed();
        let kept = database.people(crowd::key(), Arc::clone(&outside) as _, Arc::clone(&outside) as _);
        let begun = Instant::now();
        let people = Arc::new(People::new(outside.ports(kept.clone()), rules()).unwrap());
        people.prepare().await;
        let prepared = begun.elapsed();
        let figures = vec![
            Figure::once("start: the database is opened", opened),
            Figure::once("start: the service is ready", prepared),
        ];
        let mut steps = Self { people, kept, store, crowd, effort, place: at_shop(), figures };
        steps.clear_up().await;
        tokio::spawn(Arc::clone(&steps.people).run());
        eventually(WAIT, || async { steps.people.obstacles().is_empty() }).await;
        steps
    }

    /// All of it.
    pub(crate) async fn all(mut self) -> Vec<Figure> {
        self.log_ins().await;
        self.store.say("cookies");
        let who = self.cookies().await;
        self.store.say("tokens and keys");
        self.tokens().await;
        self.keys().await;
        self.store.say("what ends");
        self.ends(&who).await;
        self.administration().await;
        self.crowding().await;
        self.figures
    }

    fn note(&mut self, what: &'static str, times: Vec<Duration>) {
        self.figures.push(Figure::median(what, times));
    }

    /// One turn of house-keeping: what is over goes.
    async fn clear_up(&mut self) {
        let now = Timestamp::now();
        let long_ago = now - SignedDuration::from_hours(24 * 365);
        let idle_before = IdleBefore { browsers: long_ago, programs: long_ago };
        let begun = Instant::now();
        let purged = self.kept.sessions.purge(now, idle_before, OVER as u16).await.unwrap();
        assert_eq!(purged, OVER);
        self.figures.push(Figure::once(
            "house-keeping: a session that is over is removed",
            begun.elapsed() / OVER as u32,
        ));
        let begun = Instant::now();
        assert_eq!(self.kept.sessions.purge(now, idle_before, OVER as u16).await.unwrap(), 0);
        self.figures.push(Figure::once("house-keeping: nothing is over", begun.elapsed()));
    }

    async fn log_ins(&mut self) {
        self.store.say("log-ins");
        let password = SecretString::from(PASSWORD);
        let mut whole = Vec::new();
        for user in self.crowd.some_users(0).take(self.effort.log_ins) {
            let name = crowd::name(user);
            let asked = LogIn {
                name: &name,
                password: &password,
                device: None,
                place: &self.place,
                wants: Wants::Cookie,
            };
            let begun = Instant::now();
            self.people.log_in(asked, &caller()).await.unwrap();
            whole.push(begun.elapsed());
        }
        self.note("log-in, whole", whole);
        let mut stores = Vec::new();
        for (number, user) in (0..).zip(self.crowd.some_users(500).take(self.effort.tries)) {
            let name = UserName::parse(&crowd::name(user)).unwrap();
            let session = Session {
                id: portcullis_model::SessionId(*bytes("new session", number).first_chunk().unwrap()),
                user: self.crowd.user_id(user),
                created: Timestamp::now(),
                seen: Timestamp::now(),
                ends: Timestamp::now() + SignedDuration::from_hours(12),
                address: Some([192, 0, 2, 1].into()),
                user_agent: None,
                holder: Holder::Browser,
            };
            let ticket =
                Ticket { hash: bytes("new ticket", number), session: session.id, place: self.place.clone() };
            let idle_before = Timestamp::now() - SignedDuration::try_from(HOUR).unwrap();
            let idle_before = IdleBefore { browsers: idle_before, programs: Timestamp::MIN };
            let room = SessionRoom { per_user: 1000, all: 100_000_000, idle_before };
            let begun = Instant::now();
            let found = self.kept.users.by_name(&name).await.unwrap().unwrap();
            let begins = self.kept.sessions.begin(&session, found.version, Some(&ticket), room).await;
            stores.push(begun.elapsed());
            assert_eq!(begins, Ok(Begun::Yes(Vec::new())));
        }
        self.note("log-in, without the hash", stores);
    }

    /// Checks of cookies; whose they were.
    async fn cookies(&mut self) -> Vec<UserPrincipal> {
        let sessions = self.crowd.some(Holder::Browser, 0).take(self.effort.tries.max(WARM));
        let texts: Vec<SecretString> = sessions.map(|session| crowd::cookie(session).0).collect();
        let (cold, who) = self.cold(CredentialKind::Cookie, &texts).await;
        self.note("session check, cold", cold);
        self.warm("session check, warm", CredentialKind::Cookie, &texts);
        let user = |principal: Arc<Principal>| match &*principal {
            Principal::User(user) => Some(user.clone()),
            _ => None,
        };
        who.into_iter().filter_map(user).collect()
    }

    async fn tokens(&mut self) {
        let crowd = self.crowd;
        let mut renewed = Vec::new();
        let mut texts = Vec::new();
        for number in crowd.some(Holder::Program, 0).take(self.effort.tries) {
            let (_, token) = crowd::family(&crowd.session(number, Timestamp::now()), number);
            let token = SecretString::from(token.expose());
            let begun = Instant::now();
            let tokens = self.people.refresh(&token, &shop(), &caller()).await.unwrap();
            renewed.push(begun.elapsed());
            texts.push(tokens.access);
        }
        self.note("refresh token, renewed", renewed);
        let (cold, _) = self.cold(CredentialKind::Token, &texts).await;
        self.note("access token check, cold", cold);
        self.warm("access token check, warm", CredentialKind::Token, &texts);
    }

    async fn keys(&mut self) {
        let owners = self.crowd.some_users(0).filter(|user| crowd::has_key(*user)).take(self.effort.tries);
        let texts: Vec<SecretString> = owners.map(crowd::key_text).collect();
        let (cold, _) = self.cold(CredentialKind::ApiKey, &texts).await;
        self.note("API key check, cold", cold);
        self.warm("API key check, warm", CredentialKind::ApiKey, &texts);
    }

    /// How long a check takes that the store must answer.
    async fn cold(
        &self,
        kind: CredentialKind,
        texts: &[SecretString],
    ) -> (Vec<Duration>, Vec<Arc<Principal>>) {
        let (mut times, mut who) = (Vec::new(), Vec::new());
        for text in texts {
            let shown = Credential { place: &self.place, kind, text: text.expose_secret() };
            let begun = Instant::now();
            let found = self.people.ask(shown, Timestamp::now()).await.unwrap();
            times.push(begun.elapsed());
            who.push(found);
        }
        (times, who)
    }

    /// How long one takes that memory answers, on the average of a round over all of them.
    fn warm(&mut self, what: &'static str, kind: CredentialKind, texts: &[SecretString]) {
        let count = u32::try_from(texts.len()).unwrap();
        let mut rounds = Vec::new();
        while rounds.len() < ROUNDS {
            let now = Timestamp::now();
            let begun = Instant::now();
            let known = texts.iter().filter(|text| {
                let shown = Credential { place: &self.place, kind, text: text.expose_secret() };
                black_box(self.people.recall(&shown, now)).is_some_and(|judged| judged.is_ok())
            });
            let known = known.count();
            let took = begun.elapsed();
            // When the machine is busy the stream of ends may be read late, and memory does not count for a moment.
            if known == texts.len() {
                rounds.push(took / count);
            }
        }
        self.note(what, rounds);
    }

    async fn ends(&mut self, who: &[UserPrincipal]) {
        let mut listed = Vec::new();
        for user in self.crowd.some_users(1000).take(self.effort.tries) {
            let begun = Instant::now();
            let found = self.people.sessions_of(self.crowd.user_id(user)).await.unwrap();
            listed.push(begun.elapsed());
            assert!(found.len() >= 3, "{}", found.len());
        }
        self.note("sessions of one user, listed", listed);
        let mut out = Vec::new();
        for user in who.iter().take(self.effort.tries) {
            let begun = Instant::now();
            self.people.log_out(user, &caller()).await.unwrap();
            out.push(begun.elapsed());
        }
        self.note("log-out", out);
        let mut revoked = Vec::new();
        for user in self.crowd.some_users(2000).take(self.effort.tries / 3) {
            let begun = Instant::now();
            self.people.end_sessions(self.crowd.user_id(user), Which::All, &caller()).await.unwrap();
            revoked.push(begun.elapsed());
        }
        self.note("all sessions of one user, ended", revoked);
    }

    async fn administration(&mut self) {
        let mut paged = Vec::new();
        for user in self.crowd.some_users(0).take(self.effort.tries / 10) {
            let after = UserName::parse(&crowd::name(user)).unwrap();
            let begun = Instant::now();
            self.people.users(Some(&after), 100).await.unwrap();
            paged.push(begun.elapsed());
        }
        self.note("a page of 100 users", paged);
        let mut changed = Vec::new();
        let user = RoleName::parse("user").unwrap();
        let administrator = RoleName::parse("admin").unwrap();
        let id = self.crowd.user_id(0);
        for _ in 0..self.effort.tries / 10 {
            self.people.change_roles(id, vec![administrator.clone(), user.clone()], &caller()).await.unwrap();
            let begun = Instant::now();
            self.people.change_roles(id, vec![user.clone()], &caller()).await.unwrap();
            changed.push(begun.elapsed());
        }
        self.note("an administrator is one no longer", changed);
    }

    /// So many different sessions are asked for that memory cannot hold them all.
    async fn crowding(&mut self) {
        let asked: Vec<u64> =
            self.crowd.some(Holder::Browser, 3000).take(self.effort.asked as usize).collect();
        self.store.say(&format!("{} different sessions are asked for", asked.len()));
        let before = resident_bytes();
        let (asked, next) = (Arc::new(asked), Arc::new(AtomicU64::new(0)));
        let begun = Instant::now();
        let ask = |people: Arc<People>, place: Place, asked: Arc<Vec<u64>>, next: Arc<AtomicU64>| async move {
            let (mut good, mut refused) = (0_usize, 0_usize);
            while let Some(session) = asked.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                let (text, _) = crowd::cookie(*session);
                let shown =
                    Credential { place: &place, kind: CredentialKind::Cookie, text: text.expose_secret() };
                match people.ask(shown, Timestamp::now()).await {
                    Ok(_) => good += 1,
                    Err(NotKnown::Unavailable) => refused += 1,
                    // It ended before.
                    Err(_) => {}
                }
            }
            (good, refused)
        };
        let spawn = |_| {
            tokio::spawn(ask(
                Arc::clone(&self.people),
                self.place.clone(),
                Arc::clone(&asked),
                Arc::clone(&next),
            ))
        };
        let tasks: Vec<_> = (0..AT_ONCE).map(spawn).collect();
        let (mut good, mut refused) = (0, 0);
        for task in tasks {
            let (some_good, some_refused) = task.await.unwrap();
            (good, refused) = (good + some_good, refused + some_refused);
        }
        let each = begun.elapsed() / u32::try_from(asked.len()).unwrap();
        self.figures.push(Figure::once("session check, cold, eight at once", each));
        assert!(
            good > asked.len() / 2,
            "{good} of {} were good, {refused} could not be asked for",
            asked.len()
        );
        let remembered = self.people.figures();
        self.figures.push(Figure::count("different sessions asked for", asked.len()));
        self.figures.push(Figure::count("of them not answered in time", refused));
        self.figures.push(Figure::count("sessions remembered", remembered.lives));
        self.figures.push(Figure::mebibytes("resident memory before, MiB", before));
        self.figures.push(Figure::mebibytes("resident memory after, MiB", resident_bytes()));
        assert!(
            remembered.lives <= rules().remembered + 16 && remembered.credentials <= rules().remembered + 16
        );
        let mut last = Vec::new();
        for session in asked.iter().rev().take(WARM) {
            let (text, _) = crowd::cookie(*session);
            let shown =
                Credential { place: &self.place, kind: CredentialKind::Cookie, text: text.expose_secret() };
            if self.people.ask(shown, Timestamp::now()).await.is_ok() {
                last.push(text);
            }
        }
        self.warm("session check, warm, memory full", CredentialKind::Cookie, &last);
    }
}

/// What of this process is in memory now.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
