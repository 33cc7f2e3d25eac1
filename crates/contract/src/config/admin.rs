//! Compiles the listener for administrators.

use super::certificate::Certificates;
use super::client_authority::Authorities;
use super::node::collide;
use super::tls;
use super::tree::{self, Config};
use crate::diagnostic::{Problem, Problems};
use crate::snapshot::{AdminListen, AdminTls, HostPattern};

/// Compiles it; `Some(None)` without the section.
pub(crate) fn listener(
    config: &Config,
    authorities: &Authorities<'_>,
    certificates: &Certificates<'_>,
    problems: &mut Problems,
) -> Option<Option<AdminListen>> {
    if config.admin.is_left_out() {
        return Some(None);
    }
    let admin = config.admin.value()?;
    let setting = &admin.address;
    let address = *setting.value()?;
    if !address.ip().to_canonical().is_loopback() && admin.tls.is_left_out() {
        let message = format!(
            "`{address}` is not on loopback: keys would cross the network in the clear, and whoever has found one could \
             use it from anywhere"
        );
        let help = "add a section `[admin.tls]` with `client_authority`, so that TLS is spoken and administrators present \
                    a certificate, or write an address on loopback, such as \"127.0.0.1:9092\"";
        problems.add(Problem::at(&setting.place, message).help(help));
    }
    let tls = admin_tls(config, admin, authorities, certificates, problems);
    for host in admin.hosts.items().filter(|host| host.value == HostPattern::Any) {
        let message = "is every host: any page in an administrator's browser could ask by a name of its own";
        problems.add(Problem::at(&host.place, message).help("name the hosts that administrators use"));
    }
    let hosts = admin.hosts.value()?.values().cloned().collect();
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
    Some(Some(AdminListen { address, hosts, tls: tls? }))
}

/// Compiles `[admin.tls]`; `Some(None)` without the section.
fn admin_tls(
    config: &Config,
    admin: &tree::Admin,
    authorities: &Authorities<'_>,
    certificates: &Certificates<'_>,
    problems: &mut Problems,
) -> Option<Option<AdminTls>> {
    if admin.tls.is_left_out() {
        return Some(None);
    }
    let declared = admin.tls.value()?;
    let client_authority = authorities.named(&declared.client_authority, problems);
    let tls = tls::of_administrators(config, &admin.tls.place, declared, certificates, problems);
    Some(Some(AdminTls { tls: tls?, client_authority: client_authority?? }))
}
