//! Request smuggling, tried in every form that is known: each payload hides a second request, `GET /smuggled`, and the
//! bytes that reach the upstream are recorded and read by the narrowest rules (see `portcullis_testkit::recorder`).
//!
//! `/smuggled` is closed. So there are two ways for it to show: the upstream sees it, which is the finding; or the gate
//! itself reads it as a request of its own and answers 401, which is honest pipelining and stands in the tables as such.
//! One module per family, each a table of names, texts and the statuses that the client reads. [`Scene::judge`] says
//! what must hold of every row whatever it is. Where the answer matters less than the rules, rows are made by loops.

mod bytes;
mod chunks;
mod codings;
mod fields;
mod lengths;
mod pauses;
mod scene;
mod targets;
mod upgrades;

use scene::{Attack, Scene, hidden};
