//! The settings of the listener for administrators.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::super::kind::{Kind, List, Node, Shown};
use super::super::table::{Entry, Fields, Presence, Section, Setting, Shape, Spec, settings};
use super::super::word::AuthorityName;
use crate::diagnostic::Problems;
use crate::snapshot::{HostPattern, TlsVersion};

settings! {
    /// The listener for administrators: the admin API, `/api/v1`. Whoever asks shows an API key
    /// that is good for all applications and holds the permission `admin`, also from this machine. The local socket in the state directory
    /// is there without it.
    struct Admin {
        /// Address and port. Elsewhere than on loopback it needs the section `[admin.tls]`.
        address: SocketAddr = "127.0.0.1:9092", example "10.0.0.5:9092";
        /// The hosts that it is asked as, beside `localhost` and the addresses of this machine. Whoever asks for another
        /// one is refused: a page in an administrator's browser says its own.
        hosts: List<HostPattern> = [], example ["gate.internal.example.com"];
        /// TLS with certificates of both sides.
        tls: AdminTls = optional;
    }
}

settings! {
    /// TLS on the listener for administrators. Who connects presents a certificate of a named authority, and shows a key
    /// besides: one of the two in wrong hands opens nothing.
    struct AdminTls {
        /// The authority that administrators' certificates come from, as a section `[client_authority.NAME]` declares it.
        /// What it has revoked is told by its `crl_file`.
        client_authority: AuthorityName = required, example "administrators";
        /// A folder with certificates and keys, as `listen.tls.certificates` describes it; a change is noticed within
        /// seconds. Left out, the certificates of the public listener.
        certificates: PathBuf = optional, example "/etc/portcullis/admin-tls";
        /// The oldest version of TLS that is spoken.
        minimum_version: TlsVersion = "1.3", example "1.2";
    }
}
