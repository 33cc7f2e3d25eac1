//! The settings of log-in: the portal, sessions, tokens and passwords.

use std::time::Duration;

use super::super::identity::PortalOrigin;
use super::super::kind::{Kind, Node, Shown};
use super::super::secret::{SecretFile, SecretVariable};
use super::super::table::{Entry, Fields, Presence, Section, Setting, Shape, Spec, settings};
use super::super::time::Size;
use crate::diagnostic::Problems;
use crate::snapshot::TokenAlgorithm;

settings! {
    /// The portal, where people log in and see their sessions. Without this section nobody can log in, and callers are known
    /// by the API keys of this file.
    struct Portal {
        /// The origin of its pages, best on a host of its own: then no page of an application, not even one that an
        /// attacker writes into, reaches it. It may be a host of an application; that is less safe, so there each change of
        /// a password or key asks for the password once more. `http` is for trying out on this machine only.
        origin: PortalOrigin = required, example "https://login.example.com";
    }
}

settings! {
    /// Sessions: what somebody who logged in is known by until they log out.
    struct Sessions {
        /// A session that is not used for so long is over.
        idle_timeout: Duration = "1h", from "1m" to "90d", example "30m";
        /// A session that began so long ago is over, whatever happens.
        absolute_timeout: Duration = "12h", from "5m" to "365d", example "8h";
        /// Sessions of one user. With one more, that user's oldest ends.
        per_user_max: u32 = 10, from 1 to 1_000, example 3;
        /// Sessions in all. When there are so many, only who has one already gets another, in the place of their oldest.
        all_max: u32 = 1_000_000, from 1 to 100_000_000, example 1_000;
        /// Sessions, tokens and keys that a node remembers in memory, some 500 bytes each; the others are looked up in the
        /// database.
        remembered: usize = 100_000, from 100 to 10_000_000, example 20_000;
        /// When the database is gone, for how long remembered sessions go on although nobody can say whether they were
        /// ended. Others are refused at once.
        stale_max: Duration = "60s", from "1s" to "1h", example "10s";
    }
}

settings! {
    /// Tokens that are issued to programs of people who logged in.
    struct Tokens {
        /// How long an access token is good for.
        lifetime: Duration = "1h", from "1m" to "7d", example "15m";
        /// A refresh token that is not used for so long is over.
        refresh_idle_timeout: Duration = "14d", from "1h" to "365d", example "1d";
        /// Refreshing ends so long after the log-in, whatever happens.
        refresh_absolute_timeout: Duration = "90d", from "1h" to "3650d", example "30d";
        /// What access tokens are signed with, where the application has no secret of its own: `eddsa` or `es256`.
        algorithm: TokenAlgorithm = "eddsa", example "es256";
        /// How long a key signs before the next one does.
        rotate_every: Duration = "30d", from "1d" to "3650d", example "7d";
    }
}

settings! {
    /// What storing a password costs (Argon2id). When it rises, a password is hashed anew at its user's next log-in.
    struct Passwords {
        /// Memory for one hash.
        memory: Size = "19MiB", from "7MiB" to "256MiB", example "46MiB";
        /// Passes over that memory.
        passes: u32 = 2, from 1 to 32, example 1;
        /// Lanes.
        lanes: u32 = 1, from 1 to 16, example 2;
        /// Hashes that are computed at once. Left out, half as many as the machine has cores.
        threads: usize = optional, from 1 to 256, example 2;
    }
}

settings! {
    /// The access tokens that are good for this application, where that is not what `[tokens]` says.
    struct ApplicationTokens {
        /// How long one is good for.
        lifetime: Duration = optional, from "1m" to "7d", example "24h";
        /// A secret that the application shares already, of 32 bytes or more, in a file that only its owner can read: tokens
        /// are signed by it (HS256), and such tokens of the application's own are good here too. Whoever can verify them
        /// can make them, so without need for it leave it out.
        shared_secret_file: SecretFile = optional, example "shop-jwt.secret";
        /// Instead of `shared_secret_file`: the environment variable that holds the secret.
        shared_secret: SecretVariable = optional, example "env:JWT_SECRET_KEY";
    }
}
