//! Compiles the listener for administrators.

use super::node::collide;
use super::tree::Config;
use crate::diagnostic::{Problem, Problems};
use crate::snapshot::AdminListen;

/// Compiles it; `Some(None)` without the section.
pub(crate) fn listener(config: &Config, problems: &mut Problems) -> Option<Option<AdminListen>> {
    if config.admin.is_left_out() {
        return Some(None);
    }
    let setting = &config.admin.value()?.address;
    let address = *setting.value()?;
    if !address.ip().to_canonical().is_loopback() {
        let message = format!(
            "`{address}` is not on loopback: from elsewhere this listener would have to ask for TLS and a client \
             certificate, and it speaks neither yet"
        );
        let help = "write an address on loopback, such as \"127.0.0.1:9092\", and reach it through a tunnel, such as `ssh -L`";
        problems.add(Problem::at(&setting.place, message).help(help));
    }
    let listen = config.listen.value()?;
    let forward_auth = config.forward_auth.value();
    let others = [
        ("listen.address", listen.address.value().copied()),
        ("listen.plain_address", listen.plain_address.value().copied()),
        ("ops.address", config.ops.value().and_then(|ops| ops.address.value().copied())),
        ("forward_auth.address", forward_auth.and_then(|asked| asked.address.value().copied())),
    ];
    for (name, other) in others {
        if other.is_some_and(|other| collide(other, address)) {
            let message = format!("`{address}` is taken by `{name}`");
            problems.add(Problem::at(&setting.place, message).help("give the two listeners different ports"));
        }
    }
    Some(Some(AdminListen { address }))
}
