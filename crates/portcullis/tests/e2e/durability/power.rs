//! The power goes: the state folder rebuilt from a trace of the gate's system calls, without what was not synced.
//! `soak/identity.rs` does the same at more moments.

use portcullis_testkit::crowd::Recorded;
use portcullis_testkit::power::Kept;
use portcullis_testkit::{Random, Upstream};

use crate::gate::binary;

#[tokio::test]
async fn what_was_acknowledged_outlives_a_loss_of_power() {
    let upstream = Upstream::start().await;
    let recorded = Recorded::begin(binary(), &upstream.url(), 24, 7).await;
    let mut random = Random::new(7);
    for (number, moment) in recorded.moments(6, &mut random).into_iter().enumerate() {
        recorded.check(moment, Kept::nth(number, &mut random)).await;
    }
}
