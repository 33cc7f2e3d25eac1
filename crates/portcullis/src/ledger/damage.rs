//! Damage in a large database: looked for while the node serves, said in the log and on `/readyz`.

use std::sync::{Arc, OnceLock};

use portcullis_store::sql::{Database, DatabaseError};
use tokio::runtime::Handle;

use super::Opener;

/// What was found, once it was.
#[derive(Debug, Clone, Default)]
pub(super) struct Damage(Arc<OnceLock<String>>);

impl Damage {
    /// Begins to look, on behalf of a node: a command has ended before all is read.
    pub(super) fn look_for(database: &Database, opener: Opener, runtime: &Handle) -> Self {
        let damage = Self::default();
        if opener == Opener::Node {
            runtime.spawn(look(database.clone(), damage.clone()));
        }
        damage
    }

    pub(super) fn found(&self) -> Option<String> {
        self.0.get().cloned()
    }
}

async fn look(database: Database, damage: Damage) {
    match database.check().await {
        Ok(()) => {}
        Err(error @ DatabaseError::Damaged { .. }) => {
            tracing::error!(%error, "the database is damaged; stop the node");
            // Nobody else sets it.
            let _ = damage.0.set(error.to_string());
        }
        Err(error) => tracing::warn!(%error, "it could not be seen whether the database is damaged"),
    }
}
