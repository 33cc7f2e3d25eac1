//! What goes out to other machines, as adapters.
//!
//! Everything goes through one client, [`Egress`], which judges each address that a name leads to before it connects there:
//! whoever can choose a URL, or answer for a name, must not make the gate speak to what only the gate can reach (server-side
//! request forgery, CWE-918). Read first: [`guard`], then [`egress`]; [`webhook`] is what it carries today.

pub mod egress;
pub mod guard;
pub mod webhook;

pub use egress::{Egress, NotSent};
pub use guard::Guard;
pub use webhook::{Webhook, WebhookSecret};
