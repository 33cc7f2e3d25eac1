//! Compiles CORS: for each route the section that is its own, or its application's.

use http::{HeaderName, HeaderValue, Method, header};

use super::kind::{List, Text as _};
use super::origin::PageOrigin;
use super::table::Setting;
use super::tree;
use super::word::{ExposedHeader, METHODS};
use crate::diagnostic::{Problem, Problems};
use crate::snapshot::{Cors, CorsOrigins};

/// What pages of other origins may do where no route says more. The outer `None` is a section with a mistake.
pub(crate) fn of_application(
    application: &tree::Application,
    problems: &mut Problems,
) -> Option<Option<Cors>> {
    of_section(&application.cors, &[], problems)
}

/// What pages of other origins may do on a route: what it says, or what its application says.
pub(crate) fn of_route(
    route: &tree::Route,
    application: &tree::Application,
    problems: &mut Problems,
) -> Option<Option<Cors>> {
    let methods: Vec<Method> = route.methods.items().map(|method| method.value.clone()).collect();
    if !route.cors.is_left_out() {
        return of_section(&route.cors, &methods, problems);
    }
    // What is wrong with the application's section was told where it stands.
    application.cors.value().map_or(Some(None), |cors| compiled(cors, &methods).map(Some))
}

fn of_section(
    section: &Setting<tree::Cors>,
    methods: &[Method],
    problems: &mut Problems,
) -> Option<Option<Cors>> {
    let Some(cors) = section.value() else { return section.is_left_out().then_some(None) };
    report_what_cannot_be_meant(cors, problems);
    compiled(cors, methods).map(Some)
}

/// Reports what would say nothing, or let everybody in.
fn report_what_cannot_be_meant(cors: &tree::Cors, problems: &mut Problems) {
    let says = |origin: &PageOrigin| cors.origins.items().find(|item| item.value == *origin);
    let with_credentials = cors.credentials.value() == Some(&true);
    if let Some(any) = says(&PageOrigin::Any) {
        if with_credentials {
            let message = "with `credentials`, any site could act for whoever visits it and read the answers";
            problems.add(Problem::at(&any.place, message).help("name the origins that are meant"));
        }
        if cors.origins.items().count() > 1 {
            let message = "`*` is every origin, so the others say nothing";
            problems.add(Problem::at(&any.place, message).help("keep `*`, or the others"));
        }
    }
    if let Some(null) = says(&PageOrigin::Null).filter(|_| with_credentials) {
        let message = "every site can show a page whose origin is `null`, which with `credentials` could act for visitors";
        problems.add(Problem::at(&null.place, message).help("take it out, or `credentials`"));
    }
}

/// What pages of other origins may do on a route that takes these methods; none are all.
fn compiled(cors: &tree::Cors, of_route: &[Method]) -> Option<Cors> {
    let listed_origins = cors.origins.value()?;
    let as_sent = listed_origins.values().map(|origin| HeaderValue::try_from(origin.text()));
    let as_sent: Vec<HeaderValue> = as_sent.collect::<Result<_, _>>().ok()?;
    let methods = match cors.methods.value() {
        Some(methods) => methods.values().cloned().collect(),
        None if !cors.methods.is_left_out() => return None,
        None if of_route.is_empty() => METHODS.to_vec(),
        None => of_route.to_vec(),
    };
    let request_headers = names(cors.request_headers.value()?);
    let seconds = cors.max_age.value()?.as_secs();
    let credentials = (*cors.credentials.value()?).then_some(HeaderValue::from_static("true"));
    let on_answers = [
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials),
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            listed(names(cors.expose.value()?).iter().map(HeaderName::as_str)),
        ),
    ];
    let on_preflights = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, listed(methods.iter().map(Method::as_str))),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, listed(request_headers.iter().map(HeaderName::as_str))),
        (header::ACCESS_CONTROL_MAX_AGE, Some(HeaderValue::from(seconds))),
    ];
    let present = |(name, value): (HeaderName, Option<HeaderValue>)| Some((name, value?));
    Some(Cors {
        origins: if listed_origins.values().any(|origin| *origin == PageOrigin::Any) {
            CorsOrigins::Any
        } else {
            CorsOrigins::Listed(as_sent)
        },
        methods,
        request_headers,
        on_answers: on_answers.into_iter().filter_map(present).collect(),
        on_preflights: on_preflights.into_iter().filter_map(present).collect(),
    })
}

fn names(headers: &List<ExposedHeader>) -> Vec<HeaderName> {
    headers.values().map(|header| header.0.clone()).collect()
}

/// A list as a header has it; `None` when it is empty.
fn listed<'a>(words: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let text = words.collect::<Vec<_>>().join(", ");
    HeaderValue::try_from(text).ok().filter(|value| !value.is_empty())
}
