//! Reload: a new configuration is compiled beside the one in force and swapped in whole, or changes nothing.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use portcullis_contract::ports::{Publish, Surroundings};
use portcullis_contract::{Diagnostic, Snapshot, compile};
use thiserror::Error;
use tokio::sync::watch;

/// Publishes configurations.
pub struct Reloader {
    publish: Arc<dyn Publish>,
    /// The configuration in force, as text. Held over a whole reload, so that two at once cannot overtake each other.
    text: Mutex<String>,
    /// The same, compiled.
    in_force: watch::Sender<Arc<Snapshot>>,
}

/// Why a configuration was not taken over; the one in force stays.
#[derive(Debug, Error)]
pub enum NotReloaded {
    /// It has mistakes.
    #[error("the configuration has {} mistakes", .0.len())]
    Invalid(Vec<Diagnostic>),
    /// It changes what only a restart can change.
    #[error("`{0}` cannot change while the gate runs; restart it to take over this configuration")]
    NeedsRestart(&'static str),
}

impl Reloader {
    /// Begins with the configuration that is in force.
    pub fn new(publish: Arc<dyn Publish>, text: String, snapshot: Arc<Snapshot>) -> Self {
        Self { publish, text: Mutex::new(text), in_force: watch::Sender::new(snapshot) }
    }

    /// The Snapshot in force, and each that follows it.
    pub fn in_force(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.in_force.subscribe()
    }

    /// The configuration in force, as text.
    pub fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this is the text in force, byte by byte.
    pub fn is_in_force(&self, text: &str) -> bool {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) == text
    }

    /// Compiles the text in force once more, because files that it names have changed. Whatever somebody is writing into
    /// the configuration at the moment waits for its own reload.
    pub fn refresh(
        &self,
        file_name: &str,
        surroundings: &dyn Surroundings,
        now: Timestamp,
    ) -> Result<Arc<Snapshot>, NotReloaded> {
        self.reload(&self.text(), file_name, surroundings, now)
    }

    /// Compiles `text` and puts it in force for every request from now on.
    pub fn reload(
        &self,
        text: &str,
        file_name: &str,
        surroundings: &dyn Surroundings,
        now: Timestamp,
    ) -> Result<Arc<Snapshot>, NotReloaded> {
        let next = compile(text, file_name, surroundings, now).map_err(NotReloaded::Invalid)?;
        let mut text_in_force = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(setting) = fixed_setting_changed(&self.in_force.borrow(), &next) {
            return Err(NotReloaded::NeedsRestart(setting));
        }
        let next = Arc::new(next);
        self.publish.publish(Arc::clone(&next));
        text.clone_into(&mut text_in_force);
        self.in_force.send_replace(Arc::clone(&next));
        Ok(next)
    }
}

/// The first setting that differs and is read only at start.
fn fixed_setting_changed(now: &Snapshot, next: &Snapshot) -> Option<&'static str> {
    let address = |snapshot: &Snapshot| snapshot.ops.as_ref().map(|ops| ops.address);
    let administered_at = |snapshot: &Snapshot| snapshot.admin.as_ref().map(|admin| admin.address);
    let asked_at = |snapshot: &Snapshot| snapshot.forward_auth.as_ref().map(|asked| asked.address);
    let fixed = [
        ("listen.address", now.listen.address == next.listen.address),
        ("listen.plain_address", now.listen.plain_address == next.listen.plain_address),
        ("ops.address", address(now) == address(next)),
        ("admin.address", administered_at(now) == administered_at(next)),
        ("forward_auth.address", asked_at(now) == asked_at(next)),
        ("portal", now.log_in.is_some() == next.log_in.is_some()),
        ("state.directory", now.state_directory == next.state_directory),
        ("audit.origin", now.audit.origin == next.audit.origin),
        ("audit.checkpoints", now.audit.checkpoints == next.audit.checkpoints),
        ("audit.anonymous_kept", now.audit.anonymous_kept == next.audit.anonymous_kept),
        ("audit.webhook", now.audit.webhook == next.audit.webhook),
        ("root_key", now.root_key == next.root_key),
        ("store", now.store == next.store),
        ("log.form", now.log == next.log),
    ];
    fixed.into_iter().find(|(_, same)| !same).map(|(setting, _)| setting)
}
