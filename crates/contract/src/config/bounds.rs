//! Compiles `[bounds]`: each bound by itself was read already, here they are held against each other.

use super::kind::Text;
use super::table::Setting;
use super::time::Size;
use super::tree::{self, Config};
use crate::diagnostic::{Problem, Problems};
use crate::snapshot::Bounds;

/// Compiles the bounds.
pub(crate) fn bounds(config: &Config, problems: &mut Problems) -> Option<Bounds> {
    let bounds = config.bounds.value()?;
    if let (Some(head), Some(target)) = (bounds.head_bytes_max.value(), bounds.target_bytes_max.value())
        && head.0 <= target.0
    {
        let message = "must be more than `target_bytes_max`, since the target is part of the head";
        problems.add(Problem::at(&bounds.head_bytes_max.place, message));
    }
    if let (Some(all), Some(each)) =
        (bounds.connections_max.value(), bounds.connections_per_prefix_max.value())
        && each > all
    {
        let message =
            format!("{each} connections for one client are more than `connections_max`, {all}, for all");
        let place = match bounds.connections_per_prefix_max.written() {
            Some((_, place)) => place,
            None => &bounds.connections_max.place,
        };
        problems.add(Problem::at(place, message).help("lower this one or raise the other"));
    }
    if let (Some(all), Some(each)) =
        (bounds.websockets_max.value(), bounds.websockets_per_prefix_max.written())
        && *each.0 > *all
    {
        let message =
            format!("{} WebSockets for one client are more than `websockets_max`, {all}, for all", each.0);
        problems.add(Problem::at(each.1, message).help("lower this one or raise the other"));
    }
    if let (Some(all), Some(each)) = (bounds.requests_max.value(), bounds.requests_per_prefix_max.written())
        && *each.0 > *all
    {
        let message =
            format!("{} requests for one client are more than `requests_max`, {all}, for all", each.0);
        problems.add(Problem::at(each.1, message).help("lower this one or raise the other"));
    }
    Some(Bounds {
        connections_max: *bounds.connections_max.value()?,
        connections_per_prefix_max: *bounds.connections_per_prefix_max.value()?,
        streams_max: *bounds.streams_max.value()?,
        requests_per_connection_max: *bounds.requests_per_connection_max.value()?,
        requests_max: *bounds.requests_max.value()?,
        requests_per_prefix_max: *bounds.requests_per_prefix_max.value()?,
        head_bytes_max: bytes(&bounds.head_bytes_max)?,
        headers_max: *bounds.headers_max.value()?,
        target_bytes_max: bytes(&bounds.target_bytes_max)?,
        websockets_max: *bounds.websockets_max.value()?,
        websockets_per_prefix_max: *bounds.websockets_per_prefix_max.value()?,
        head_timeout: *bounds.head_timeout.value()?,
        client_stall_timeout: *bounds.client_stall_timeout.value()?,
        body_rate_min: bounds.body_rate_min.value()?.0,
        held_body_rate_min: bounds.held_body_rate_min.value()?.0,
        body_grace: *bounds.body_grace.value()?,
        buffered_bytes_max: bytes(&bounds.buffered_bytes_max)?,
        buffered_bytes_per_prefix_max: share(config, bounds, problems)?,
        drain_timeout: *bounds.drain_timeout.value()?,
    })
}

fn bytes(size: &Setting<Size>) -> Option<usize> {
    usize::try_from(size.value()?.0).ok()
}

/// What one client may hold of the bytes for all: at least the largest body that is held, or nobody could send it.
fn share(config: &Config, bounds: &tree::Bounds, problems: &mut Problems) -> Option<usize> {
    let all = bounds.buffered_bytes_max.value()?.0;
    let largest = largest_held(config);
    let setting = &bounds.buffered_bytes_per_prefix_max;
    let Some((Size(own), place)) = setting.written() else {
        let own = (all / 2).max(largest).min(all);
        return setting.is_left_out().then(|| usize::try_from(own).ok()).flatten();
    };
    if *own > all {
        let message = format!(
            "`{}` for one client are more than `buffered_bytes_max`, `{}`, for all",
            Size(*own).text(),
            Size(all).text()
        );
        problems.add(Problem::at(place, message).help("lower this one or raise the other"));
    } else if *own < largest {
        let message = format!(
            "a route inspects bodies of up to `{}`, and a client may hold only `{}`",
            Size(largest).text(),
            Size(*own).text()
        );
        problems
            .add(Problem::at(place, message).help("raise this one or lower that route's `body_bytes_max`"));
    }
    usize::try_from(*own).ok()
}

/// The largest body that any route holds, as far as routes could be read.
fn largest_held(config: &Config) -> u64 {
    let applications = config.application.value().into_iter().flat_map(|named| &named.entries);
    let routes = applications.filter_map(|(_, application)| application.value.route.value());
    let held = |route: &tree::Route| {
        let inspected = route.inspection.value()?.body_bytes_max.value()?.0;
        Some(route.body_bytes_max.value().map_or(inspected, |largest| largest.0.min(inspected)))
    };
    routes.flat_map(|routes| &routes.0).filter_map(|route| held(&route.value)).max().unwrap_or(0)
}
