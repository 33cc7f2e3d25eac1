//! What was acknowledged is not undone by a crash, and nothing is left half done: log-in and log-out, roles, passwords, keys
//! (SIGKILL while all of that is under way). `soak/identity.rs` does the same for longer.

use portcullis_testkit::crowd::{Kills, builder, check_ledger, crowd};
use portcullis_testkit::{Gate, Random, Upstream};

use crate::gate::{DEADLINE, binary};

const KILLS: u64 = 6;

#[tokio::test]
async fn what_was_acknowledged_is_not_undone_by_a_crash() {
    let upstream = Upstream::start().await;
    let mut gate = builder(Gate::builder(binary()), &upstream.url(), "").start().await;
    let people = crowd(3, KILLS, &gate).await;
    let kills = Kills { count: KILLS, life_ms_max: 600, has_tables: true };
    let people = kills.outlive(&mut gate, people, &mut Random::new(KILLS)).await;
    assert!(people.iter().all(|person| person.acts() > KILLS as usize), "checks of nothing would pass");
    assert!(gate.stop(DEADLINE).await.success());
    check_ledger(binary(), gate.folder(), &people);
}
