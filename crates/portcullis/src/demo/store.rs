//! What the application remembers: in memory, bounded, gone when it stops.

use std::collections::{BTreeMap, VecDeque};

use axum::body::Bytes;
use serde::Serialize;

use super::refused::Refused;

/// Tasks that are kept; a further one is refused, because a task must not vanish unasked.
const TASKS_MAX: usize = 1000;
/// Detections that are kept; a further one pushes out the oldest, because a camera never stops.
const DETECTIONS_MAX: usize = 1000;
/// Files that are kept.
const FILES_MAX: usize = 100;
/// Bytes of one file.
pub(super) const FILE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Bytes of all files together, those that are still being received among them.
const FILES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Something to do.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Task {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) done: bool,
    /// The user that the gate named, when it named one.
    pub(super) created_by: Option<String>,
}

/// A number plate that a camera read.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Detection {
    pub(super) id: u64,
    pub(super) plate: String,
    pub(super) confidence: f64,
}

/// Everything that is remembered.
#[derive(Debug, Default)]
pub(super) struct Store {
    tasks: BTreeMap<u64, Task>,
    detections: VecDeque<Detection>,
    files: BTreeMap<String, Bytes>,
    file_bytes: usize,
    runs: u64,
    last_id: u64,
}

impl Store {
    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    pub(super) fn add_task(
        &mut self,
        title: String,
        done: bool,
        created_by: Option<String>,
    ) -> Result<Task, Refused> {
        if self.tasks.len() >= TASKS_MAX {
            return Err(Refused::full(format!("there are {TASKS_MAX} tasks already; delete one first")));
        }
        let task = Task { id: self.fresh_id(), title, done, created_by };
        self.tasks.insert(task.id, task.clone());
        Ok(task)
    }

    /// Whether there was such a task.
    pub(super) fn remove_task(&mut self, id: u64) -> bool {
        self.tasks.remove(&id).is_some()
    }

    pub(super) fn detections(&self) -> impl Iterator<Item = &Detection> {
        self.detections.iter()
    }

    pub(super) fn add_detection(&mut self, plate: String, confidence: f64) -> Detection {
        if self.detections.len() >= DETECTIONS_MAX {
            self.detections.pop_front();
        }
        let detection = Detection { id: self.fresh_id(), plate, confidence };
        self.detections.push_back(detection.clone());
        detection
    }

    /// Counts a run of an agent and gives it its number.
    pub(super) fn begin_run(&mut self) -> u64 {
        self.runs += 1;
        self.runs
    }

    /// Names and sizes in bytes.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, usize)> {
        self.files.iter().map(|(name, data)| (&**name, data.len()))
    }

    pub(super) fn file(&self, name: &str) -> Option<Bytes> {
        self.files.get(name).cloned()
    }

    /// Sets memory aside for a file that is being received; [`Store::release`] gives it back.
    pub(super) fn reserve(&mut self, bytes: usize) -> Result<(), Refused> {
        if self.file_bytes.saturating_add(bytes) > FILES_BYTES_MAX {
            return Err(Refused::too_large("the store is full; all files together have at most 64 MiB"));
        }
        self.file_bytes += bytes;
        Ok(())
    }

    pub(super) fn release(&mut self, bytes: usize) {
        self.file_bytes = self.file_bytes.saturating_sub(bytes);
    }

    /// Keeps a file whose bytes are reserved; says whether it replaced one of that name.
    pub(super) fn keep_file(&mut self, name: &str, data: Bytes) -> Result<Kept, Refused> {
        if !self.files.contains_key(name) && self.files.len() >= FILES_MAX {
            return Err(Refused::full(format!("there are {FILES_MAX} files already")));
        }
        match self.files.insert(name.to_owned(), data) {
            Some(before) => {
                self.release(before.len());
                Ok(Kept::Replaced)
            }
            None => Ok(Kept::New),
        }
    }

    fn fresh_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// Whether a file's name was taken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    New,
    Replaced,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_and_files_beyond_the_bounds_are_refused_and_old_detections_go() {
        let mut store = Store::default();
        for at in 0..=TASKS_MAX {
            let added = store.add_task("t".into(), false, None);
            assert_eq!(added.is_ok(), at < TASKS_MAX);
            store.add_detection(format!("A{at}"), 0.5);
        }
        assert_eq!(store.detections().count(), DETECTIONS_MAX);
        assert_eq!(store.detections().next().unwrap().plate, "A1");
        for at in 0..=FILES_MAX {
            let kept = store.keep_file(&at.to_string(), Bytes::new());
            assert_eq!(kept.is_ok(), at < FILES_MAX);
        }
        assert_eq!(store.keep_file("0", Bytes::new()), Ok(Kept::Replaced));
    }

    #[test]
    fn memory_of_files_is_reserved_first_and_given_back() {
        let mut store = Store::default();
        store.reserve(FILES_BYTES_MAX).unwrap();
        assert!(store.reserve(1).is_err());
        store.release(10);
        store.reserve(4).unwrap();
        store.keep_file("a", Bytes::from_static(b"1234")).unwrap();
        store.reserve(6).unwrap();
        store.keep_file("a", Bytes::from_static(b"123456")).unwrap();
        assert!(store.reserve(4).is_ok(), "the replaced file's bytes are free again");
        assert!(store.reserve(1).is_err());
    }
}
