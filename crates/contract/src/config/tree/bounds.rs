//! The bounds on what connections and requests may cost: each stands here once, with its reason.

use std::time::Duration;

use super::super::kind::{Kind, Node, Shown};
use super::super::table::{Entry, Fields, Presence, Section, Setting, Shape, Spec, settings};
use super::super::time::Size;
use crate::diagnostic::Problems;

settings! {
    /// What one connection or request may cost the node. Every bound keeps a stranger from using up what others need.
    struct Bounds {
        /// Open client connections in all. Further ones are closed at once, and counted in the metrics.
        connections_max: usize = 10_000, from 1 to 1_000_000, example 2_000;
        /// Open client connections for each client address (IPv6: each /64), so that one client cannot take them all.
        connections_per_prefix_max: usize = 256, from 1 to 1_000_000, example 100;
        /// Requests that one HTTP/2 connection may have open at once. Browsers expect a hundred.
        streams_max: u32 = 100, from 1 to 1_000, example 50;
        /// Requests on one connection; the last answer closes it. So connections move to a node that was added, and
        /// what a connection holds does not live for ever.
        requests_per_connection_max: usize = 1_000, from 1 to 1_000_000_000, example 10_000;
        /// Requests under way in all, those whose answers stream included. Over a share of it requests are answered
        /// 503 with `Retry-After`, by the `priority` of their route: `low` ones from 60 % on, `normal` ones from
        /// 80 %, `high` ones from 95 %, those of exempt addresses and trusted proxies themselves at 100 %. So when
        /// the application is slow, what matters most is still served, and quickly.
        requests_max: usize = 10_000, from 1 to 1_000_000, example 2_000;
        /// Requests under way for each client address (IPv6: each /64), so that one client cannot take all places.
        /// Further ones are answered 429. It takes many: whole offices and mobile networks stand behind one address.
        requests_per_prefix_max: usize = 500, from 1 to 1_000_000, example 200;
        /// Bytes of request line and headers together.
        head_bytes_max: Size = "32KiB", from "1KiB" to "1MiB", example "16KiB";
        /// Header fields in a request.
        headers_max: usize = 100, from 8 to 1_000, example 64;
        /// Bytes of the request target, path and query together.
        target_bytes_max: Size = "8KiB", from "256B" to "64KiB", example "4KiB";
        /// Open WebSockets in all. Further ones are answered 503.
        websockets_max: usize = 2_000, from 0 to 1_000_000, example 500;
        /// Open WebSockets for each client address (IPv6: each /64), so that one client cannot take them all.
        websockets_per_prefix_max: usize = 100, from 1 to 1_000_000, example 20;
        /// Time to send a whole head, against clients that dribble; an idle connection is kept for as long. A TLS
        /// handshake, and a header of the PROXY protocol, have as long again before the first one.
        head_timeout: Duration = "10s", from "1s" to "5m", example "5s";
        /// Longest pause of a client that sends a body or reads an answer.
        client_stall_timeout: Duration = "30s", from "1s" to "10m", example "20s";
        /// Least bytes a second of a request body that streams through, on the average and after `body_grace`, against
        /// clients that dribble. Slower ones are answered 408. Only time in which the client is waited for counts, so
        /// a slow application cuts off nobody.
        body_rate_min: Size = "512B", from "1B" to "16MiB", example "4KiB";
        /// The same for a body that is held for inspection: it takes memory meanwhile, so it must come sooner.
        held_body_rate_min: Size = "16KiB", from "1B" to "16MiB", example "32KiB";
        /// Time for which a body may be waited for whatever its rate: a lost packet takes a second or two, a phone that
        /// changes its cell a few more.
        body_grace: Duration = "10s", from "1s" to "5m", example "20s";
        /// Bytes of request bodies held in memory for inspection, over all requests.
        buffered_bytes_max: Size = "64MiB", from "1MiB" to "64GiB", example "256MiB";
        /// The same for each client address (IPv6: each /64), so that one client cannot take it all. Left out,
        /// half of it, or as much as the largest body that is held.
        buffered_bytes_per_prefix_max: Size = optional, from "1KiB" to "64GiB", example "32MiB";
        /// How long open requests may go on after a stop was asked for.
        drain_timeout: Duration = "30s", from "0s" to "10m", example "10s";
    }
}
