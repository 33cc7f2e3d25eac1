//! Compiles what a route says of WebSockets.

use http::Method;
use portcullis_access::origin::Origins;

use super::node::rate;
use super::origin::PageOrigin;
use super::tree;
use crate::diagnostic::{Problem, Problems};
use crate::snapshot::{Compression, MissingOrigin, Websocket};

/// `Some(None)` without the section.
pub(crate) fn of(route: &tree::Route, problems: &mut Problems) -> Option<Option<Websocket>> {
    if route.websocket.is_left_out() {
        return Some(None);
    }
    let declared = route.websocket.value()?;
    if let Some(methods) = route.methods.value()
        && !methods.values().any(|method| *method == Method::GET)
    {
        let message = "a WebSocket begins with GET, which this route does not take";
        problems.add(
            Problem::at(&route.methods.place, message)
                .help("add \"GET\" here, or move `websocket` to the route that takes it"),
        );
    }
    Some(Some(Websocket {
        origins: origins(declared, problems)?,
        missing_origin: if *declared.origin_required.value()? {
            MissingOrigin::WithKey
        } else {
            MissingOrigin::Allowed
        },
        message_bytes_max: declared.message_bytes_max.value()?.0,
        rate: rate(&declared.messages, &declared.window, &declared.burst)?,
        idle_timeout: *declared.idle_timeout.value()?,
        compression: if *declared.compression.value()? { Compression::Agreed } else { Compression::Refused },
    }))
}

fn origins(declared: &tree::Websocket, problems: &mut Problems) -> Option<Origins> {
    if declared.origins.is_left_out() {
        return Some(Origins::Same);
    }
    let listed = declared.origins.value()?;
    let every = declared.origins.items().find(|origin| origin.value == PageOrigin::Any);
    if let Some(every) = every {
        if listed.values().count() > 1 {
            let message = "`*` is every page there is, so the others say nothing";
            problems.add(Problem::at(&every.place, message).help("remove it, or remove the others"));
        }
        return Some(Origins::Any);
    }
    if let Some(null) = declared.origins.items().find(|origin| origin.value == PageOrigin::Null) {
        let message = "pages without an origin of their own all say `null`";
        problems.add(Problem::at(&null.place, message).help("name those that have one"));
        return None;
    }
    let named = listed.values().filter_map(|origin| match origin {
        PageOrigin::This(origin) => Some(origin.clone()),
        PageOrigin::Null | PageOrigin::Any => None,
    });
    Some(Origins::Listed(named.collect()))
}
