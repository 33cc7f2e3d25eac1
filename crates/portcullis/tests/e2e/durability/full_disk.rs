//! A disk that fills up while the gate runs, and is cleared again.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use portcullis_testkit::{Client, Gate, Upstream, eventually, within};
use rustix::fs::statvfs;

use super::{config, started_by};
use crate::gate::DEADLINE;

/// The whole file system. Below 256 MiB free ordinary entries are refused, below 64 MiB all (docs/ledger.md).
const DISK: &str = "300m";

/// Mounts a small file system as the state directory, where nobody but the gate sees it, and goes on with the gate.
const MOUNT: &str = "mkdir -m 700 state && mount -t tmpfs -o size=$0,mode=700 none state && exec \"$@\"";

/// A gate whose state directory is a small file system of its own.
struct SmallDisk {
    gate: Gate,
    client: Client,
}

impl SmallDisk {
    /// `None` where this machine lets nobody mount.
    #[expect(clippy::print_stdout, reason = "whoever reads the log should see what was skipped")]
    async fn start(upstream: &Upstream, audit: &str) -> Option<Self> {
        let unshare = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
        let mut trial = Command::new("unshare");
        trial.args([unshare, "mount", "-t", "tmpfs", "none", "/mnt"]).stderr(Stdio::null());
        if !trial.status().is_ok_and(|status| status.success()) {
            println!("skipped: nobody may mount a file system here, so none can be filled up");
            return None;
        }
        let mounted = [unshare, "sh", "-c", MOUNT, DISK];
        let gate = started_by("unshare", &mounted).config(&config(upstream, audit)).start().await;
        Some(Self { gate, client: Client::new() })
    }

    /// The state directory, as the gate sees it.
    fn state(&self) -> PathBuf {
        let folder = self.gate.folder().strip_prefix("/").expect("a temp folder is absolute");
        PathBuf::from(format!("/proc/{}/root", self.gate.process_id())).join(folder).join("state")
    }

    /// Fills the disk until so many MiB are left.
    fn fill_up_to(&self, left_mib: u64) {
        let disk = statvfs(self.state()).expect("it is mounted");
        let free = disk.f_bavail * disk.f_frsize;
        let fill = free.saturating_sub(left_mib << 20);
        fs::write(self.state().join(format!("filled-{left_mib}")), vec![1; usize::try_from(fill).unwrap()])
            .unwrap();
    }

    /// Takes all of it away again.
    fn clear(&self) {
        for entry in fs::read_dir(self.state()).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().starts_with("filled-") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }

    /// The status of a request on the route of this name.
    async fn status(&self, route: &str) -> u16 {
        self.client.get(self.gate.url(&format!("/{route}/x"))).send().await.status.as_u16()
    }

    async fn statuses(&self) -> [u16; 4] {
        let mut statuses = [0; 4];
        for (status, route) in statuses.iter_mut().zip(["off", "after", "answer", "before"]) {
            *status = self.status(route).await;
        }
        statuses
    }

    /// Waits until these are the answers of `/off`, `/after`, `/answer` and `/before`.
    async fn answers(&self, expected: [u16; 4]) {
        let reached = within(DEADLINE, async || (self.statuses().await == expected).then_some(())).await;
        assert!(reached.is_some(), "{:?} instead of {expected:?}", self.statuses().await);
    }
}

#[tokio::test]
async fn routes_that_insist_answer_503_and_the_others_go_on_until_there_is_room() {
    let upstream = Upstream::start().await;
    let Some(disk) = SmallDisk::start(&upstream, "when_full = \"drop\"").await else { return };
    disk.answers([200; 4]).await;
    disk.fill_up_to(128);
    disk.answers([200, 200, 503, 200]).await;
    let seen = upstream.requests_seen().len();
    assert_eq!(disk.status("before").await, 200);
    assert_eq!(upstream.requests_seen().len(), seen + 1);
    disk.fill_up_to(32);
    disk.answers([200, 200, 503, 503]).await;
    let seen = upstream.requests_seen().len();
    assert_eq!(disk.status("before").await, 503);
    assert_eq!(
        upstream.requests_seen().len(),
        seen,
        "the upstream sees nothing whose intent is not recorded"
    );
    let ready = disk.client.get(disk.gate.ops_url("/readyz")).send().await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("disk"), "{}", ready.text());
    disk.clear();
    disk.answers([200; 4]).await;
    eventually(DEADLINE, async || {
        (disk.client.get(disk.gate.ops_url("/readyz")).send().await.status == 200).then_some(())
    })
    .await;
}
