//! Ten gibibytes in each direction: they stream through, so memory stays where it was.

use std::time::{Duration, Instant};

use portcullis_testkit::{Client, Upstream, pattern, pattern_crc32};

use crate::{config, is_wanted, mib, say, start};

const BYTES: u64 = 10 << 30;
/// The most that the process may ever hold, in KiB.
const PEAK_KIB_MAX: u64 = 64 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_gibibytes_in_each_direction_need_no_more_memory_than_one_request() {
    if !is_wanted("10 GiB in each direction") {
        return;
    }
    let (upstream, client) = (Upstream::start().await, Client::new());
    let gate = start(&config(&upstream.url(), "body_bytes_max = \"16GiB\"\n")).await;
    client.get(gate.url("/echo")).send().await;
    say(&format!("idle: {} resident", mib(gate.memory().resident_kib)));
    let expected = pattern_crc32(BYTES);

    let began = Instant::now();
    let mut answer = client.get(gate.url(&format!("/bytes/{BYTES}"))).open().await;
    assert_eq!(answer.drain().await.unwrap(), (BYTES, expected));
    tell("download", began.elapsed(), gate.memory().peak_kib);

    let began = Instant::now();
    let upload = client.put(gate.url("/sink")).header("content-type", "application/octet-stream");
    let sink = upload.stream(pattern(BYTES)).deadline(Duration::from_secs(600)).send().await.json();
    assert_eq!((&sink["body_bytes"], &sink["body_crc32"]), (&BYTES.into(), &expected.into()));
    tell("upload", began.elapsed(), gate.memory().peak_kib);
    assert!(gate.memory().peak_kib < PEAK_KIB_MAX, "{}", mib(gate.memory().peak_kib));
}

fn tell(what: &str, took: Duration, peak_kib: u64) {
    let seconds = took.as_secs_f64();
    let rate = (BYTES >> 20) as f64 / seconds;
    say(&format!("{what} of 10 GiB: {seconds:.1} s, {rate:.0} MiB/s, at most {} resident", mib(peak_kib)));
}
