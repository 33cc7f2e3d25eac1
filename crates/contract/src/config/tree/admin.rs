//! The settings of the listener for administrators.

use std::net::SocketAddr;

use super::super::kind::{Kind, Node, Shown};
use super::super::table::{Entry, Fields, Presence, Section, Setting, Shape, Spec, settings};
use crate::diagnostic::Problems;

settings! {
    /// The listener for administrators: the admin API, `/api/v1`, for programs of this machine. Whoever asks shows an API key
    /// that is good for all applications and holds the permission `admin`, also from this machine. The local socket in the state directory
    /// is there without it.
    struct Admin {
        /// Address and port, on loopback.
        address: SocketAddr = "127.0.0.1:9092", example "[::1]:9092";
    }
}
