//! A storm of log-ins: a thousand a second, each from an address of its own. Whoever asks for anything else hardly
//! notices, who finds no place hears so soon, and memory is bounded by the threads that hash.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portcullis_testkit::{Client, Gate, RawConnection, Upstream, Visitor};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{interval, interval_at, timeout};

use crate::people::{ARGON2, Form, PASSWORD, SHOP, asked, config, import, somewhere, status_of, token_bytes};
use crate::{cpu_seconds, is_wanted, metric, mib, say, start};

const STORM: Duration = Duration::from_secs(30);
const LOG_INS_PER_SECOND: u32 = 1000;
/// How long others are measured before the storm.
const CALM: Duration = Duration::from_secs(20);
/// How much later others may be answered, ninety-nine of a hundred.
const LATER_MAX: Duration = Duration::from_millis(10);
/// When whoever finds no place has heard so.
const REFUSED_WITHIN: Duration = Duration::from_secs(2);
/// The latest that any log-in is answered: a hash that has begun is finished.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// Accounts; as many names again are nobody's.
const ACCOUNTS: u32 = 1000;
/// One log-in in so many shows the right password.
const RIGHT_EVERY: u32 = 10;
/// What one hash takes at the default cost, and how many are computed at once on two cores.
const HASH_KIB: u64 = 19 << 10;
/// What each connection that is open at the same time may take: its buffers, and the request on it.
const CONNECTION_KIB: u64 = 48;
/// What the storm may take besides: events and entries that wait to be written, and what the allocator keeps for itself.
const BESIDE_KIB: u64 = 16 << 10;

/// Those who ask for something else: so many of each kind, each over a connection that it keeps and an address of its own.
const OF_EACH_KIND: u32 = 10;
const EVERY: Duration = Duration::from_millis(100);

/// What others ask, and who they are.
#[derive(Clone)]
struct Kind {
    name: &'static str,
    bytes: Vec<u8>,
}

impl Kind {
    fn new(name: &'static str, path: &str, fields: &str) -> Self {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: {SHOP}\r\n{fields}\r\n").into_bytes();
        Self { name, bytes }
    }
}

/// How long answers took, of one kind, in order.
struct Times(Vec<Duration>);

impl Times {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort();
        Self(all)
    }

    /// The time in which so many of a hundred were answered.
    fn within(&self, percent: usize) -> Duration {
        self.0[(self.0.len() - 1) * percent / 100]
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [half, most, all] = [50, 99, 100].map(|percent| self.within(percent).as_secs_f64() * 1e3);
        write!(f, "{} requests, p50 {half:.1} ms, p99 {most:.1} ms, slowest {all:.1} ms", self.0.len())
    }
}

/// Has `work` done on a thread and a runtime of its own, so that what it waits for is the machine and not this test.
fn apart<T: Send + 'static, F: Future<Output = T>>(
    work: impl FnOnce() -> F + Send + 'static,
) -> JoinHandle<T> {
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work())
    })
}

/// What such a thread has done.
async fn wait<T: Send + 'static>(thread: JoinHandle<T>) -> T {
    tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_log_ins_slows_nobody_else_and_is_over_when_it_ends() {
    if !is_wanted("1,000 log-ins a second") {
        return;
    }
    let upstream = Upstream::start().await;
    let gate = start(&config(&upstream)).await;
    import(&gate, (0..ACCOUNTS).map(real), ARGON2);
    import(&gate, ["regular".to_owned()], ARGON2);
    let public = gate.address("public");
    let (form, kinds) = (Form::get(&gate).await, kinds(&gate).await);

    let machine = Machine::look(&gate);
    let before = wait(others(public, &kinds, CALM)).await;
    let busy_before = machine.taken_by_others(&gate);
    let (base_kib, machine) = (gate.memory().resident_kib, Machine::look(&gate));
    let cpu = cpu_seconds(gate.process_id());
    let others = others(public, &kinds, STORM);
    let (answers, open_max) = wait(apart(move || storm(public, form))).await;
    let cpu = cpu_seconds(gate.process_id()) - cpu;
    let during = wait(others).await;
    let busy_during = machine.taken_by_others(&gate);
    let peak_kib = gate.memory().peak_kib;
    let begun = Instant::now();
    let after = asked(Ipv4Addr::new(127, 9, 9, 9), public, &token_bytes("regular", PASSWORD)).await;
    let after = (after.ok().as_deref().and_then(status_of), begun.elapsed());

    let threads = u64::from(threads());
    let machine = format!(
        "of the machine's CPU time {:.0} % went to strangers before the storm and {:.0} % during it",
        busy_before * 100.0,
        busy_during * 100.0
    );
    say(&machine);
    for (kind, (calm, stormy)) in kinds.iter().zip(before.iter().zip(&during)) {
        say(&format!("{}: {calm}; during the storm {stormy}", kind.name));
    }
    let told = Told::of(&answers);
    say(&told.to_string());
    let bound = base_kib + threads * HASH_KIB + open_max * CONNECTION_KIB + BESIDE_KIB;
    say(&format!(
        "memory: {} before, {} at most, {} allowed ({threads} threads for hashes of {}; at most {open_max} log-ins under way); \
         {cpu:.1} s of CPU",
        mib(base_kib),
        mib(peak_kib),
        mib(bound),
        mib(HASH_KIB)
    ));
    say(&format!("a log-in after the storm: {after:?}"));
    told.check();
    for (kind, (calm, stormy)) in kinds.iter().zip(before.iter().zip(&during)) {
        let (calm, stormy) = (calm.within(99), stormy.within(99));
        assert!(stormy < calm + LATER_MAX, "{}: {calm:?} became {stormy:?}; {machine}", kind.name);
    }
    assert!(peak_kib < bound, "{} at most, {} allowed", mib(peak_kib), mib(bound));
    assert_eq!(after.0, Some(200));
    assert!(after.1 < Duration::from_secs(1), "{after:?}");
    assert_eq!(metric(&gate, &Client::new(), "portcullis_requests_in_flight").await, 0);
}

/// As many as the gate starts when the configuration says nothing.
fn threads() -> u32 {
    let cores = std::thread::available_parallelism().unwrap().get() as u32;
    (cores / 2).max(1)
}

/// Equally long, so that nothing but the account is another.
fn real(number: u32) -> String {
    format!("person-{number:04}")
}

fn nobody(number: u32) -> String {
    format!("nobody-{number:04}")
}

/// Everybody, who shows a cookie, who shows a token.
async fn kinds(gate: &Gate) -> [Kind; 3] {
    let mut visitor = Visitor::of(gate);
    let page = visitor.go("shop.localhost", "/.portcullis/login?return=/mine/page").await;
    let fill = [("username", "regular"), ("password", PASSWORD)];
    let page = visitor.send(&page, "/.portcullis/login", &fill).await;
    assert_eq!(page.answer.status, 200, "{}", page.answer.text());
    let cookie = visitor.cookies("shop.localhost")["portcullis"].clone();
    let answer = asked(Ipv4Addr::LOCALHOST, gate.address("public"), &token_bytes("regular", PASSWORD)).await;
    let answer = answer.unwrap();
    let json: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let token = json["access_token"].as_str().unwrap();
    [
        Kind::new("anybody", "/open/page", ""),
        Kind::new("with a cookie", "/mine/page", &format!("Cookie: portcullis={cookie}\r\n")),
        Kind::new("with a token", "/mine/page", &format!("Authorization: Bearer {token}\r\n")),
    ]
}

/// Asks for something else, as steadily before the storm as in it: how long the answers took, by kind.
fn others(public: SocketAddr, kinds: &[Kind], lasts: Duration) -> JoinHandle<Vec<Times>> {
    let kinds = kinds.to_vec();
    apart(move || async move {
        let mut clients = JoinSet::new();
        let begun = Instant::now();
        for (at, kind) in kinds.iter().enumerate() {
            for number in 0..OF_EACH_KIND {
                let place = at as u32 * OF_EACH_KIND + number;
                // Each in its own part of the time, so that they come evenly.
                let first = begun + EVERY * place / (kinds.len() as u32 * OF_EACH_KIND);
                let (bytes, from) = (kind.bytes.clone(), [127, 8, 0, 1 + place as u8]);
                clients.spawn(async move { (at, client(from, public, &bytes, first, lasts).await) });
            }
        }
        let mut times = vec![Vec::new(); kinds.len()];
        while let Some(done) = clients.join_next().await {
            let (at, took) = done.unwrap();
            times[at].extend(took);
        }
        times.into_iter().map(Times::of).collect()
    })
}

/// One who asks at fixed times. Whoever is not answered in time for the next question waits for that one too, and that counts;
/// that this thread is not run at once does not.
async fn client(
    from: [u8; 4],
    public: SocketAddr,
    bytes: &[u8],
    first: Instant,
    lasts: Duration,
) -> Vec<Duration> {
    let mut connection = RawConnection::open_from(from, public).await;
    // What was missed is due at once.
    let (mut took, mut times) = (Vec::new(), interval_at(first.into(), EVERY));
    loop {
        let free = Instant::now();
        let due = times.tick().await.into_std();
        if due >= first + lasts {
            return took;
        }
        let asking = if due < free { due } else { Instant::now() };
        connection.send(bytes).await;
        let (head, _) = connection.read_answer().await;
        took.push(asking.elapsed());
        assert_eq!(head.status, 200, "{}", head.text);
        if head.field("connection") == Some("close") {
            connection = RawConnection::open_from(from, public).await;
        }
    }
}

/// Log-ins at their rate, whether or not earlier ones were answered: what each was told, and when; and how many were under
/// way at once, at most.
async fn storm(public: SocketAddr, form: Form) -> (Vec<(Option<u16>, Duration)>, u64) {
    let (mut log_ins, begun) = (JoinSet::new(), Instant::now());
    let (mut answers, mut open_max) = (Vec::new(), 0);
    let mut tick = interval(Duration::from_millis(5));
    let mut sent = 0;
    while sent < LOG_INS_PER_SECOND * STORM.as_secs() as u32 {
        tick.tick().await;
        let due = begun.elapsed().min(STORM).as_secs_f64() * f64::from(LOG_INS_PER_SECOND);
        while sent < due as u32 {
            let bytes = log_in(sent, &form);
            log_ins.spawn(async move {
                let asking = Instant::now();
                let answer = timeout(ANSWERED_WITHIN, asked(somewhere(sent), public, &bytes)).await;
                (answer.ok().and_then(Result::ok).as_deref().and_then(status_of), asking.elapsed())
            });
            sent += 1;
        }
        open_max = open_max.max(log_ins.len() as u64);
        while let Some(answered) = log_ins.try_join_next() {
            answers.push(answered.unwrap());
        }
    }
    answers.extend(log_ins.join_all().await);
    (answers, open_max)
}

/// Half of them for somebody, half of them for nobody; by the page and as a program in turn.
fn log_in(number: u32, form: &Form) -> Vec<u8> {
    let who = number / 4 % ACCOUNTS;
    let name = if number.is_multiple_of(2) { real(who) } else { nobody(who) };
    let password =
        if number.is_multiple_of(RIGHT_EVERY) { PASSWORD } else { "incorrect horse battery staple" };
    if number % 4 < 2 { form.bytes(&name, password) } else { token_bytes(&name, password) }
}

/// What the log-ins of a storm were told: how many of each status, and the slowest of them.
struct Told(BTreeMap<Option<u16>, (usize, Duration)>);

impl Told {
    fn of(answers: &[(Option<u16>, Duration)]) -> Self {
        let mut told = BTreeMap::new();
        for (status, took) in answers {
            let (count, slowest) = told.entry(*status).or_insert((0, Duration::ZERO));
            (*count, *slowest) = (*count + 1, took.max(slowest).to_owned());
        }
        Self(told)
    }

    fn check(&self) {
        let count: usize = self.0.values().map(|(count, _)| count).sum();
        assert_eq!(count, (LOG_INS_PER_SECOND * STORM.as_secs() as u32) as usize);
        for (status, (count, slowest)) in &self.0 {
            match status {
                // Done, by the page and as a program; wrong, the same.
                Some(303 | 200 | 403 | 401) => {}
                Some(503) => assert!(*slowest < REFUSED_WITHIN, "a 503 came after {slowest:?}"),
                other => panic!("{count} log-ins were told {other:?}"),
            }
        }
        for needed in [303, 200, 403, 401, 503] {
            assert!(self.0.contains_key(&Some(needed)), "nobody was told {needed}");
        }
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("of the log-ins")?;
        for (status, (count, slowest)) in &self.0 {
            let status = status.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
            write!(f, ", {count} were told {status}, the last after {:.2} s", slowest.as_secs_f64())?;
        }
        Ok(())
    }
}

/// CPU time since the machine was looked at.
struct Machine {
    ours: f64,
    all: f64,
    begun: Instant,
}

impl Machine {
    fn look(gate: &Gate) -> Self {
        let ours = cpu_seconds(gate.process_id()) + cpu_seconds(std::process::id());
        Self { ours, all: busy_seconds(), begun: Instant::now() }
    }

    /// Which part of all CPU time went to processes that are neither the gate nor this test.
    fn taken_by_others(&self, gate: &Gate) -> f64 {
        let now = Self::look(gate);
        let cores = std::thread::available_parallelism().unwrap().get() as f64;
        let there_was = self.begun.elapsed().as_secs_f64() * cores;
        ((now.all - self.all - (now.ours - self.ours)) / there_was).max(0.0)
    }
}

/// CPU time that was not idle since the machine's start (`proc_stat(5)`), in seconds.
fn busy_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let ticks = stat.lines().next().unwrap().split_whitespace().skip(1);
    let ticks: Vec<f64> = ticks.map(|ticks| ticks.parse().unwrap()).collect();
    // User, nice, system; idle and waiting for the disk are left out; interrupts, and what the host took.
    [0, 1, 2, 5, 6, 7].map(|at| ticks[at]).iter().sum::<f64>() / 100.0
}
