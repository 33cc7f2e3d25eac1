//! The settings of what is recorded for good: the ledger, the key that seals what tells of people, and the database.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::super::address::HttpsUrl;
use super::super::audit::LedgerOrigin;
use super::super::certificate::CertificateFile;
use super::super::kind::{Kind, List, Node, Shown};
use super::super::secret::{SecretFile, SecretVariable};
use super::super::table::{Entry, Fields, Presence, Section, Setting, Shape, Spec, settings};
use crate::diagnostic::Problems;
use crate::snapshot::WhenFull;

settings! {
    /// The ledger: what is recorded for good, in the state directory. What a route's requests leave there is said by the
    /// route's `audit`.
    struct Audit {
        /// What becomes of requests on routes with `audit = "after"` while the ledger takes nothing, because the disk is
        /// full or fails: `deny` answers 503, so that nothing happens unseen; `drop` lets them go on, and only counts what
        /// is lost. Routes with `answer` or `before` are answered 503 in either case.
        when_full: WhenFull = "deny", example "drop";
        /// The name under which checkpoints of the ledger are signed, best one that no other ledger in the world has: 1 to
        /// 200 visible ASCII characters, no `+`. Left out, the node makes one up at its first start and keeps it. A ledger
        /// has one name for ever.
        origin: LedgerOrigin = optional, example "audit.example.com/portcullis";
        /// A folder outside the state directory, best on another disk or machine, into which signed checkpoints are
        /// copied. Whoever keeps them can later prove that nothing in the ledger was changed or cut off. Relative to this
        /// file.
        checkpoints: PathBuf = "checkpoints", example "/mnt/audit/checkpoints";
        /// For how long it can be read who an anonymous request came from, and what it asked for. Then the key of its day
        /// is destroyed, and the ledger still proves that it happened.
        anonymous_kept: Duration = "30d", from "1d" to "3650d", example "90d";
        /// Where checkpoints are posted besides.
        webhook: Webhook = optional;
    }
}

settings! {
    /// A server that is sent each checkpoint, at most one in `every`: whoever runs it can later prove that nothing in the
    /// ledger was changed or cut off. It gets the signed note as text, by POST, with the headers of Standard Webhooks,
    /// and answers with a status of 2xx. What it did not take is sent again, less and less often; a newer checkpoint takes
    /// the place of an older one.
    struct Webhook {
        /// Where they are posted.
        post_to: HttpsUrl = required, example "https://witness.example.com/portcullis";
        /// The file that holds the secret that both sides know, `whsec_` and base64; only its owner can read it. With it,
        /// each message is signed by HMAC-SHA256.
        secret_file: SecretFile = optional, example "witness.secret";
        /// Instead of `secret_file`: the environment variable that holds the secret.
        secret: SecretVariable = optional, example "env:WITNESS_SECRET";
        /// The certificates, in PEM, that vouch for the server. Left out, those that the machine trusts.
        ca_file: CertificateFile = optional, example "private-ca.pem";
        /// Networks in which the server may be although they are not public. Without one, a name that leads into a private
        /// network or to this machine is not connected to.
        networks: List<IpNet> = [], example ["10.0.0.7/32"];
        /// The least time between two checkpoints.
        every: Duration = "1m", from "1s" to "1d", example "10m";
    }
}

settings! {
    /// The root key: the one key that opens all that is sealed at rest. Whoever has it and the files can read everything,
    /// and without it nobody can, so keep a copy apart from the backups. Without this section it is `root.key` in the
    /// state directory.
    struct RootKey {
        /// The file that holds it, which only its owner can read.
        file: SecretFile = optional, example "/etc/portcullis/root.key";
        /// Instead of `file`: the environment variable that holds it.
        variable: SecretVariable = optional, example "env:PORTCULLIS_ROOT_KEY";
    }
}

settings! {
    /// The database for what is not the ledger. Without this section it is SQLite, a file in the state directory.
    struct Store {
        /// The file that holds the URL of a PostgreSQL database, with user and password; only its owner can read it.
        url_file: SecretFile = optional, example "/etc/portcullis/database.url";
        /// Instead of `url_file`: the environment variable that holds the URL.
        url_variable: SecretVariable = optional, example "env:PORTCULLIS_DATABASE_URL";
        /// Connections that this node may hold to a PostgreSQL at once. All nodes together must stay below the server's
        /// own `max_connections`. It is of no account for SQLite.
        connections_max: u32 = 10, from 2 to 100, example 20;
    }
}
