//! The settings of WebSockets on a route.

use std::num::NonZeroU32;
use std::time::Duration;

use super::super::kind::{Kind, Node, NonEmpty, Shown};
use super::super::origin::PageOrigin;
use super::super::table::{Entry, Fields, Presence, Section, Setting, Shape, Spec, settings};
use super::super::time::Size;
use crate::diagnostic::Problems;

settings! {
    /// WebSockets (RFC 6455; on a stream of HTTP/2, RFC 8441). With this section the route takes them, beside ordinary
    /// requests; without it, nothing is switched. The request that opens a WebSocket passes every check that another one does. After that the frames
    /// are held to the standard and to these bounds, and what is in the messages is not looked at.
    struct Websocket {
        /// The pages that may open a WebSocket here, as their browsers name them in `Origin`: scheme, host, and port if
        /// it is not the usual one. `"*"` is every page there is. Left out, the pages of the host that is asked.
        origins: NonEmpty<PageOrigin> = optional, example ["https://shop.example.com"];
        /// `true`: a request without `Origin` is let in only with an API key. Every browser sends `Origin`, so it comes
        /// from a program, and programs have a key. `false`: it is let in as any other request of the route.
        origin_required: bool = true, example false;
        /// Largest message of a client, over all its frames. Compressed messages count as they are sent. A larger one
        /// ends the WebSocket with code 1009.
        message_bytes_max: Size = "1MiB", from "125B" to "1GiB", example "64KiB";
        /// Messages of a client in each window; pieces of one below 1 KiB count as messages. More end the WebSocket with
        /// code 1008, unless the application's limits only observe.
        messages: NonZeroU32 = 1_000, from 1 to 10_000_000, example 100;
        /// The window. Messages become free again steadily, not all at its end.
        window: Duration = "10s", from "1s" to "1d", example "1m";
        /// Messages that may come at one instant. Left out, as many as `messages`.
        burst: NonZeroU32 = optional, from 1 to 10_000_000, example 20;
        /// Longest time in which nothing passes, in either direction; pings pass too.
        idle_timeout: Duration = "2m", from "1s" to "1d", example "30s";
        /// Whether client and application may agree on compression (RFC 7692). A small message can then hold a very
        /// large one, and how large, only the application sees.
        compression: bool = false, example true;
    }
}
