//! Bans by hand over a store in memory, on two nodes.

use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_model::Monotonic;
use portcullis_testkit::MemoryPeople;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Default)]
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        let begin: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        begin + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic(0)
    }
}

/// A node's table; one address is never banned there.
struct Table {
    clock: Arc<TestClock>,
    bans: Lock<BTreeMap<Prefix, StandingBan>>,
    begun: AtomicU64,
}

impl Bans for Table {
    fn standing(&self) -> Vec<StandingBan> {
        let now = self.clock.wall();
        self.bans.lock().unwrap().values().filter(|ban| ban.until > now).cloned().collect()
    }
    fn against(&self, prefix: Prefix) -> Result<Option<StandingBan>, NeverBanned> {
        if prefix == Prefix::of("192.0.2.200".parse().unwrap()) {
            return Err(NeverBanned(prefix));
        }
        Ok(self.standing().into_iter().find(|ban| ban.prefix == prefix))
    }
    fn ban(&self, prefix: Prefix, duration: Duration) -> Result<StandingBan, NeverBanned> {
        self.against(prefix)?;
        self.begun.fetch_add(1, Ordering::Relaxed);
        let ban = StandingBan { prefix, until: self.clock.wall() + duration, reason: "manual".into() };
        self.bans.lock().unwrap().insert(prefix, ban.clone());
        Ok(ban)
    }
    fn lift(&self, prefix: Prefix) -> bool {
        self.bans.lock().unwrap().remove(&prefix).is_some()
    }
}

struct World {
    clock: Arc<TestClock>,
    memory: MemoryPeople,
}

impl World {
    fn new() -> Self {
        Self { clock: Arc::default(), memory: MemoryPeople::new() }
    }

    fn node(&self) -> (KeptBans, Arc<Table>) {
        let clock = Arc::clone(&self.clock);
        let here = Arc::new(Table { clock, bans: Lock::default(), begun: AtomicU64::default() });
        let kept = self.memory.store().keyrings;
        (KeptBans::new(Arc::<Table>::clone(&here), kept, Arc::<TestClock>::clone(&self.clock)), here)
    }

    fn pass(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

fn prefix(address: &str) -> Prefix {
    Prefix::of(address.parse().unwrap())
}

fn shut_out(table: &Table) -> Vec<String> {
    table.standing().iter().map(|ban| ban.prefix.to_string()).collect()
}

#[tokio::test]
async fn a_ban_by_hand_outlives_the_process_and_is_heard_of_on_all_nodes() {
    let world = World::new();
    let ((one, _), (other, at_other)) = (world.node(), world.node());
    one.ban(prefix("192.0.2.7"), HOUR).await.unwrap();
    one.ban(prefix("2001:db8::7"), 2 * HOUR).await.unwrap();
    other.poll().await.unwrap();
    assert_eq!(shut_out(&at_other), ["192.0.2.7/32", "2001:db8::/64"]);
    world.pass(1800);
    let (again, at_again) = world.node();
    again.poll().await.unwrap();
    let until = at_again.standing().first().unwrap().until;
    assert_eq!(until.to_string(), "2026-03-01T13:00:00Z", "it ends when it was meant to");
    // What one node lifts is lifted on all.
    assert_eq!(other.lift(prefix("192.0.2.7")).await, Ok(true));
    assert_eq!(other.lift(prefix("192.0.2.7")).await, Ok(false));
    again.poll().await.unwrap();
    assert_eq!(
        (shut_out(&at_again), shut_out(&at_other)),
        (vec!["2001:db8::/64".into()], vec!["2001:db8::/64".into()])
    );
    // And what is over is over, on a node that begins later too.
    world.pass(7200);
    let (late, at_late) = world.node();
    late.poll().await.unwrap();
    assert!(shut_out(&at_late).is_empty());
}

#[tokio::test]
async fn a_later_ban_never_shortens_one_and_each_begins_once() {
    let world = World::new();
    let ((one, at_one), (other, at_other)) = (world.node(), world.node());
    one.ban(prefix("192.0.2.7"), 2 * HOUR).await.unwrap();
    other.ban(prefix("192.0.2.7"), HOUR).await.unwrap();
    for _ in 0..3 {
        one.poll().await.unwrap();
        other.poll().await.unwrap();
    }
    let (again, at_again) = world.node();
    again.poll().await.unwrap();
    assert_eq!(at_again.standing().first().unwrap().until.to_string(), "2026-03-01T14:00:00Z");
    assert_eq!(at_again.begun.load(Ordering::Relaxed), 1);
    assert!(at_one.begun.load(Ordering::Relaxed) <= 2 && at_other.begun.load(Ordering::Relaxed) <= 3);
}

#[tokio::test]
async fn a_ban_that_was_pushed_out_of_the_table_comes_back_also_without_the_store() {
    let world = World::new();
    let (one, at_one) = world.node();
    one.ban(prefix("192.0.2.7"), HOUR).await.unwrap();
    for gone in [false, true] {
        world.memory.set_gone(gone);
        at_one.lift(prefix("192.0.2.7"));
        assert_eq!(one.poll().await.is_err(), gone);
        assert_eq!(shut_out(&at_one), ["192.0.2.7/32"]);
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_done() {
    let world = World::new();
    let (one, at_one) = world.node();
    let never = prefix("192.0.2.200");
    assert_eq!(one.ban(never, HOUR).await, Err(BanProblem::Never(NeverBanned(never))));
    one.ban(prefix("192.0.2.7"), HOUR).await.unwrap();
    world.memory.set_gone(true);
    assert!(matches!(one.ban(prefix("192.0.2.8"), HOUR).await, Err(BanProblem::Store(_))));
    assert!(matches!(one.lift(prefix("192.0.2.7")).await, Err(BanProblem::Store(_))));
    assert_eq!(shut_out(&at_one), ["192.0.2.7/32"]);
    world.memory.set_gone(false);
    // So many and no more, until some have ended.
    let list: List = (0..BANS_MAX as u64).map(|at| (Prefix::V6(at), world.clock.wall() + HOUR)).collect();
    let (version, _) = one.kept.load(NAME).await.unwrap().unwrap();
    assert!(one.kept.replace(NAME, version, &write(&list)).await.unwrap());
    assert_eq!(one.ban(prefix("192.0.2.8"), HOUR).await, Err(BanProblem::Full));
    assert_eq!(one.lift(Prefix::V6(0)).await, Ok(true));
    one.ban(prefix("192.0.2.8"), HOUR).await.unwrap();
}

#[tokio::test]
async fn a_prefix_that_is_never_banned_on_one_node_is_banned_on_the_others() {
    let world = World::new();
    let (one, at_one) = world.node();
    let list: List = ["192.0.2.200", "192.0.2.7"].map(|one| (prefix(one), world.clock.wall() + HOUR)).into();
    one.kept.replace(NAME, 0, &write(&list)).await.unwrap();
    one.poll().await.unwrap();
    assert_eq!(shut_out(&at_one), ["192.0.2.7/32"]);
}

#[test]
fn a_list_is_read_as_it_was_written_or_not_at_all() {
    let at: Timestamp = "2026-03-01T12:00:00.123456Z".parse().unwrap();
    let list: List = [(prefix("192.0.2.7"), at), (prefix("2001:db8::7"), at)].into();
    let written = write(&list);
    assert_eq!(read(&written), Some(list));
    assert_eq!(read(&write(&List::new())), Some(List::new()));
    let altered = |at: usize, byte: u8| {
        let mut bytes = written.clone();
        bytes.0[at] = byte;
        read(&bytes)
    };
    assert_eq!((altered(0, 2), altered(1, 5), altered(2, 1)), (None, None, None));
    assert_eq!(read(&SecretBytes(Zeroizing::new(written.0[..17].to_vec()))), None);
    assert_eq!(read(&SecretBytes(Zeroizing::default())), None);
}
