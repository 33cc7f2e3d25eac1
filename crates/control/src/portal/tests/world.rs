//! A portal, two applications, some people, and browsers with a jar of cookies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use portcullis_access::password::{Candidate, Verifier};
use portcullis_contract::identity::{Gone, Place, User, UserState};
use portcullis_contract::ports::{
    Audit, Clock, Credential, CredentialKind, Endings, Entropy, EventLost, FileProblem, Identity, Keeping,
    Local, LocalRequest, SelfMade, Surroundings, Urgency,
};
use portcullis_contract::{Snapshot, compile};
use portcullis_model::audit::{Entry, Personal};
use portcullis_model::{Monotonic, Principal, RequestId, RoleName, UserId, UserName};
use portcullis_testkit::{MemoryPeople, WAIT, eventually};
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::identity::{People, PeoplePorts, Rules};
use crate::portal::Portal;

pub(super) const PORTAL: &str = "https://login.test";
pub(super) const SHOP: &str = "https://shop.test";
pub(super) const BOARD: &str = "https://board.test";

/// What everybody has chosen.
pub(super) const PASSWORD: &str = "correct horse battery staple";

/// The same under bcrypt.
const BCRYPT: &str = "$2b$04$zQ4QT5HToJYD8e/WfJmF6.pi9.xtxWsSHpM5OZUmyw1M8kBQG6.yO";

const APPLICATIONS: &str = "[application.shop]\nhosts = [\"shop.test\"]\nupstream.servers = [\"http://127.0.0.1:1\"]\n\
    [[application.shop.route]]\nname = \"all\"\npath = \"/*\"\npublic = true\n\
    [application.board]\nhosts = [\"board.test\", \"*.spread.test\", \"*\"]\nupstream.servers = [\"http://127.0.0.1:1\"]\n\
    [[application.board.route]]\nname = \"all\"\npath = \"/*\"\npublic = true\n";

/// The portal and all that is below it.
pub(super) struct World {
    pub(super) people: Arc<People>,
    pub(super) store: MemoryPeople,
    portal: Portal,
    snapshot: Arc<Snapshot>,
    task: AbortHandle,
    _in_force: watch::Sender<Arc<Snapshot>>,
}

/// A browser: it keeps cookies by origin, and says of each form which page it is on.
pub(super) struct Browser<'a> {
    world: &'a World,
    jar: BTreeMap<String, BTreeMap<String, String>>,
}

impl World {
    /// With the portal on a host of its own, and `ann`, `ben`, `dis`, who is disabled, `new`, who has no password yet, and `imp`,
    /// whose password came from another program.
    pub(super) async fn start() -> Self {
        Self::at(PORTAL).await
    }

    /// With a portal at this origin, and the same people.
    pub(super) async fn at(portal: &str) -> Self {
        let world = Self::empty(portal).await;
        for (id, name) in [(1, "ann"), (2, "ben"), (3, "dis"), (4, "new"), (5, "imp")] {
            world.make(id, name).await;
        }
        world
    }

    /// With nobody.
    pub(super) async fn empty(portal: &str) -> Self {
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[portal]\norigin = \"{portal}\"\n\
             [access]\npermissions = [\"read:tasks\", \"write:tasks\"]\n\
             roles = {{ admin = [\"admin\"], user = [\"read:tasks\"] }}\n[api_keys]\nhash_key_file = \"hash.key\"\n[passwords]\nmemory = \"7MiB\"\npasses = 5\nthreads = 2\n{APPLICATIONS}"
        );
        let snapshot = compile(&text, "test.toml", &Nothing, Timestamp::now());
        let snapshot = Arc::new(snapshot.unwrap_or_else(|told| panic!("{told:?}")));
        let store = MemoryPeople::new();
        let entropy: Arc<dyn Entropy> = Arc::new(Counter::default());
        let ports = PeoplePorts {
            store: store.store(),
            clock: Arc::new(TestClock(Instant::now())),
            entropy: Arc::clone(&entropy),
            audit: Arc::new(Forgets),
            endings: Arc::new(Forgets),
        };
        let people = Arc::new(People::new(ports, Rules::of(&snapshot).unwrap()).unwrap());
        let task = tokio::spawn(Arc::clone(&people).run()).abort_handle();
        let in_force = watch::Sender::new(Arc::clone(&snapshot));
        let portal = Portal::new(Arc::clone(&people), in_force.subscribe(), entropy);
        let world = Self { people, store, portal, snapshot, task, _in_force: in_force };
        eventually(WAIT, async || world.people.obstacles().is_empty()).await;
        world
    }

    async fn make(&self, id: u8, name: &str) {
        let log_in = self.snapshot.log_in.as_ref().unwrap();
        let verifier = Verifier::new(log_in.passwords.cost, []);
        let stored = match name {
            "new" => None,
            "imp" => Some(BCRYPT.to_owned()),
            _ => verifier.hash(&Candidate::new(PASSWORD), &[id; 16]).map(|stored| stored.as_str().to_owned()),
        };
        let user = User {
            id: UserId([id; 16]),
            name: UserName::parse(name).unwrap(),
            user_id: None,
            password: stored.map(SecretString::from),
            password_set: None,
            roles: vec![RoleName::parse("user").unwrap()],
            state: if name == "dis" { UserState::Disabled } else { UserState::Active },
            created: Timestamp::now(),
            version: 1,
        };
        self.store.store().users.create(&user).await.unwrap();
    }

    pub(super) fn browser(&self) -> Browser<'_> {
        Browser { world: self, jar: BTreeMap::new() }
    }

    /// How many sessions somebody has.
    pub(super) async fn sessions_of(&self, id: u8) -> usize {
        self.people.sessions_of(UserId([id; 16])).await.unwrap().len()
    }

    /// A request as the gateway hands it over.
    pub(super) async fn ask(&self, origin: &str, request: Request<Bytes>) -> Response<Bytes> {
        let host = origin.split_once("://").unwrap().1;
        let place = self.snapshot.place_of(host).unwrap();
        let who = self.who(&place, request.headers()).await;
        let asked = LocalRequest {
            request,
            place,
            origin: origin.into(),
            client: "203.0.113.7".parse().unwrap(),
            id: RequestId::from_parts(1, 2),
            who,
        };
        self.portal.answer(asked).await
    }

    async fn who(&self, place: &Place, headers: &HeaderMap) -> Arc<Principal> {
        let line = headers.get(header::COOKIE).map(|line| line.to_str().unwrap()).unwrap_or_default();
        let secret = line.split("; ").find_map(|pair| pair.strip_prefix("__Host-portcullis="));
        let Some(text) = secret else { return Arc::new(Principal::Anonymous) };
        let shown = Credential { place, kind: CredentialKind::Cookie, text };
        let judged = self.people.ask(shown, Timestamp::now()).await;
        judged.unwrap_or_else(|_| Arc::new(Principal::Anonymous))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Browser<'_> {
    /// Opens an address, as somebody does who types it or follows a link.
    pub(super) async fn get(&mut self, address: &str) -> Response<Bytes> {
        self.ask(Method::GET, address, &[], Bytes::new()).await
    }

    /// Opens an address, and follows where that leads.
    pub(super) async fn follow(&mut self, address: &str) -> (String, Response<Bytes>) {
        let answer = self.get(address).await;
        self.follow_on(address, answer).await
    }

    /// Follows where an answer leads, as far as pages of ours answer.
    pub(super) async fn follow_on(
        &mut self,
        from: &str,
        mut answer: Response<Bytes>,
    ) -> (String, Response<Bytes>) {
        let mut at = from.to_owned();
        for _ in 0..10 {
            if answer.status() != StatusCode::SEE_OTHER {
                return (at, answer);
            }
            let location = location(&answer);
            at = if location.starts_with('/') { format!("{}{location}", origin(&at)) } else { location };
            if !at.contains("/.portcullis/") {
                return (at, answer);
            }
            answer = self.get(&at).await;
        }
        panic!("it goes round in circles at {at}");
    }

    /// Sends a form from a page of the same origin.
    pub(super) async fn post(&mut self, address: &str, form: &[(&str, &str)]) -> Response<Bytes> {
        let origin = origin(address).to_owned();
        self.post_with(address, &[("origin", &origin), ("sec-fetch-site", "same-origin")], form).await
    }

    pub(super) async fn post_with(
        &mut self,
        address: &str,
        fields: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Response<Bytes> {
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend(fields);
        self.ask(Method::POST, address, &all, serde_urlencoded::to_string(form).unwrap().into()).await
    }

    /// Opens the page, fills in its form as it stands and sends it.
    pub(super) async fn send(&mut self, page: &str, to: &str, form: &[(&str, &str)]) -> Response<Bytes> {
        let shown = self.get(page).await;
        let proof = hidden(&text(&shown), to, "proof");
        let all = [&[("proof", proof.as_str())], form].concat();
        self.post(&format!("{}{to}", origin(page)), &all).await
    }

    /// Logs in at the portal.
    pub(super) async fn log_in(&mut self, name: &str, password: &str) -> Response<Bytes> {
        let form = [("username", name), ("password", password)];
        self.send(&format!("{PORTAL}/.portcullis/login"), "/.portcullis/login", &form).await
    }

    pub(super) async fn ask(
        &mut self,
        method: Method,
        address: &str,
        fields: &[(&str, &str)],
        body: Bytes,
    ) -> Response<Bytes> {
        let origin = origin(address).to_owned();
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = address[origin.len()..].parse().unwrap();
        for (name, value) in fields {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        let cookies: Vec<String> = self
            .jar
            .entry(origin.clone())
            .or_default()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        let answer = self.world.ask(&origin, request).await;
        self.keep(&origin, &answer);
        answer
    }

    fn keep(&mut self, origin: &str, answer: &Response<Bytes>) {
        let jar = self.jar.entry(origin.to_owned()).or_default();
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if rest.ends_with("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// The value of a cookie that it has for an origin.
    pub(super) fn cookie(&self, origin: &str, name: &str) -> Option<&str> {
        self.jar.get(origin)?.get(name).map(String::as_str)
    }

    /// Puts a cookie into the jar, as somebody does who has the browser in hand.
    pub(super) fn plant(&mut self, origin: &str, name: &str, value: &str) {
        self.jar.entry(origin.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
    }
}

pub(super) fn origin(address: &str) -> &str {
    let path = address.match_indices('/').nth(2).map_or(address.len(), |(at, _)| at);
    &address[..path]
}

pub(super) fn location(answer: &Response<Bytes>) -> String {
    answer.headers()[header::LOCATION].to_str().unwrap().to_owned()
}

pub(super) fn text(answer: &Response<Bytes>) -> String {
    String::from_utf8(answer.body().to_vec()).unwrap()
}

/// The value of a hidden field in the form that leads to `action`.
pub(super) fn hidden(page: &str, action: &str, name: &str) -> String {
    let form = page.split("<form ").find(|form| form.contains(&format!("action=\"{action}\"")));
    let form = form.unwrap_or_else(|| panic!("no form to {action} in {page}"));
    let field = form.split(&format!("name=\"{name}\" value=\"")).nth(1);
    field
        .unwrap_or_else(|| panic!("no field {name} in {form}"))
        .split('"')
        .next()
        .unwrap()
        .replace("&amp;", "&")
}

struct TestClock(Instant);

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(u64::try_from(self.0.elapsed().as_nanos()).unwrap())
    }
}

/// Never the same bytes twice.
#[derive(Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let next = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst).to_be_bytes();
            chunk.copy_from_slice(&next[..chunk.len()]);
        }
    }
}

struct Forgets;

impl Audit for Forgets {
    fn note(&self, _: Box<Entry<Personal>>) -> Result<(), EventLost> {
        Ok(())
    }

    fn keep(&self, _: Box<Entry<Personal>>, _: Urgency) -> Keeping<'_> {
        Box::pin(async { Ok(()) })
    }

    fn has_room(&self) -> bool {
        true
    }
}

impl Endings for Forgets {
    fn gone(&self, _: &Gone) {}

    fn roles_changed(&self, _: &portcullis_access::roles::Roles, _: &portcullis_access::roles::Roles) {}
}

/// Surroundings in which there is nothing but the secret for API keys.
struct Nothing;

impl Surroundings for Nothing {
    fn secret_file(&self, path: &Path) -> Result<SecretString, FileProblem> {
        let is_ours = path.ends_with("hash.key");
        if is_ours { Ok("8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e".into()) } else { Err(FileProblem::Missing) }
    }

    fn public_file(&self, _: &Path) -> Result<Vec<u8>, FileProblem> {
        Err(FileProblem::Missing)
    }

    fn files(&self, _: &Path) -> Result<Vec<PathBuf>, FileProblem> {
        Err(FileProblem::Missing)
    }

    fn self_made(&self, _: &Path, _: &[String]) -> Result<SelfMade, FileProblem> {
        Err(FileProblem::Missing)
    }

    fn system_authorities(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        Err("there are none".into())
    }

    fn variable(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        Path::new("/nowhere").join(path)
    }
}
