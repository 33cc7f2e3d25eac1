//! What a request leaves in the ledger: an entry made of its event, by a pure function.
//!
//! The event tells those who watch; the entry is kept for good, and says less in the clear: whatever a client chose, or
//! tells who it is, is in `personal`, which is sealed before it is written (see [`portcullis_model::audit`]). When an
//! entry is made, and who waits for it, is the business of [`crate::story`].

use std::borrow::Cow;
use std::mem::take;

use portcullis_model::audit::{Entry, Kind, Outcome, Personal, RequestFacts, Severity, Told, action};
use portcullis_model::{Blame, Outcome as Ended, RequestEvent, RequestId, Stage, Verdict};

/// Makes the entry that tells of a request, or of a connection that became none. The event's texts go over into it, so
/// that nobody copies them for each request: whoever needs the event after that keeps a copy.
pub(crate) fn entry(id: RequestId, event: &mut RequestEvent, told: Told) -> Entry<Personal> {
    let outcome = outcome(event, told);
    let (kind, severity) = (kind(event), severity(event, outcome));
    let action = match (kind, told) {
        (Kind::SecurityEvent, _) => action::CONNECTION,
        (_, Told::Intent) => action::INTENT,
        _ => action::REQUEST,
    };
    let mut entry = Entry::new(id, event.time, kind, action, severity, outcome);
    entry.application = event.application.take();
    entry.route = event.route.take();
    entry.request = (kind != Kind::SecurityEvent).then(|| facts(event, told));
    entry.personal = Personal {
        principal: event.principal.take(),
        session: event.session.map(|session| session.to_string().into()),
        client: Some(event.client),
        host: event.host.take(),
        path: Some(take(&mut event.path)).filter(|path| !path.is_empty()),
        method: None,
        resource: None,
        client_request_id: event.client_request_id.take(),
        trace_id: event.trace_id.take(),
        reason: event.reason.take(),
        decisions: take(&mut event.decisions),
        cut: Vec::new(),
    };
    entry.hide_method();
    entry
}

fn facts(event: &mut RequestEvent, told: Told) -> RequestFacts {
    RequestFacts {
        id: event.request_id,
        told,
        protocol: event.protocol.map(Cow::Borrowed),
        method: take(&mut event.method),
        status: event.status,
        stage: event.stage,
        blame: event.blame,
        bytes_in: event.bytes_in,
        bytes_out: event.bytes_out,
        duration_us: event.duration_us,
        upstream_us: event.upstream_us,
        websocket: event.websocket.take(),
    }
}

fn outcome(event: &RequestEvent, told: Told) -> Outcome {
    let by_status = match event.status {
        Some(..400) => Outcome::Success,
        Some(_) => Outcome::Failure,
        None => Outcome::Aborted,
    };
    match (told, event.outcome) {
        (Told::Intent, _) => Outcome::Intended,
        // Whether the answer arrives is not known yet, and not what this entry is about.
        (Told::Answer, Ended::ClientGone) | (_, Ended::Answered) => by_status,
        (_, Ended::ClientGone) => Outcome::Aborted,
        (_, Ended::UpstreamBroke | Ended::Failed) => Outcome::Error,
        (_, Ended::Refused) if matches!(event.blame, Some(Blame::Upstream | Blame::Us)) => Outcome::Error,
        (_, Ended::Refused) => Outcome::Refused,
    }
}

fn kind(event: &RequestEvent) -> Kind {
    if event.kind != "request" {
        return Kind::SecurityEvent;
    }
    if event.outcome == Ended::Refused && event.blame == Some(Blame::Client) {
        match event.stage {
            Stage::Authenticate => return Kind::AuthenticationAttempt,
            Stage::Accept
            | Stage::Address
            | Stage::Flood
            | Stage::Normalize
            | Stage::InspectHead
            | Stage::Limit
            | Stage::Authorize
            | Stage::InspectBody => return Kind::SecurityViolation,
            Stage::Route | Stage::Record | Stage::Forward | Stage::Respond | Stage::Account => {}
        }
    }
    if event.principal.is_some() { Kind::ApiAccess } else { Kind::ApiRequest }
}

fn severity(event: &RequestEvent, outcome: Outcome) -> Severity {
    let would_refuse = event.decisions.iter().any(|decision| decision.verdict == Verdict::WouldRefuse);
    let least = if would_refuse { Severity::Low } else { Severity::Info };
    let own = match (outcome, event.blame, event.stage) {
        (Outcome::Success | Outcome::Intended, ..) => Severity::Info,
        (_, Some(Blame::Us | Blame::Operator), _) => Severity::High,
        (Outcome::Error, ..) => Severity::Medium,
        (
            Outcome::Refused,
            _,
            Stage::Address | Stage::InspectHead | Stage::InspectBody | Stage::Authenticate | Stage::Authorize,
        ) => Severity::Medium,
        _ => Severity::Low,
    };
    own.max(least)
}

#[cfg(test)]
mod tests {
    use portcullis_model::event::EVENT_VERSION;
    use portcullis_model::{ApplicationName, Decision, RouteName};

    use super::*;

    fn event() -> RequestEvent {
        RequestEvent {
            v: EVENT_VERSION,
            kind: "request",
            time: "2026-11-22T12:00:00Z".parse().unwrap(),
            request_id: RequestId::from_parts(1, 2),
            client_request_id: Some("theirs".into()),
            trace_id: Some("trace".into()),
            client: "192.0.2.7".parse().unwrap(),
            protocol: Some("h2"),
            method: "GET".into(),
            host: Some("shop.example".into()),
            path: "/ada".into(),
            application: ApplicationName::parse("shop").ok(),
            route: RouteName::parse("people").ok(),
            principal: None,
            session: None,
            status: Some(200),
            outcome: Ended::Answered,
            blame: None,
            stage: Stage::Respond,
            reason: None,
            decisions: vec![Decision {
                stage: Stage::Route,
                verdict: Verdict::Pass,
                detail: "people".into(),
            }],
            bytes_in: 3,
            bytes_out: 4,
            duration_us: 5,
            upstream_us: Some(6),
            websocket: None,
        }
    }

    /// What is known of an event and when it is told, and what becomes of that.
    #[track_caller]
    fn check(told: Told, of: impl FnOnce(&mut RequestEvent), expected: (Kind, Severity, Outcome)) {
        let mut event = event();
        of(&mut event);
        let made = entry(RequestId::from_parts(1, 3), &mut event, told);
        assert_eq!((made.kind, made.severity, made.outcome), expected);
    }

    fn refused(stage: Stage, blame: Blame) -> impl FnOnce(&mut RequestEvent) {
        move |event| {
            (event.outcome, event.stage, event.blame) = (Ended::Refused, stage, Some(blame));
            (event.status, event.reason) = (Some(400), Some("why".into()));
        }
    }

    #[test]
    fn requests_that_went_on_are_judged_by_their_answer() {
        use Kind::{ApiAccess, ApiRequest};
        use Severity::{High, Info, Low, Medium};
        check(Told::End, |_| {}, (ApiRequest, Info, Outcome::Success));
        check(Told::End, |e| e.principal = Some("ada".into()), (ApiAccess, Info, Outcome::Success));
        check(Told::End, |e| e.status = Some(101), (ApiRequest, Info, Outcome::Success));
        check(Told::End, |e| e.status = Some(399), (ApiRequest, Info, Outcome::Success));
        check(Told::End, |e| e.status = Some(400), (ApiRequest, Low, Outcome::Failure));
        check(Told::End, |e| e.status = Some(502), (ApiRequest, Low, Outcome::Failure));
        let gone = |status| move |e: &mut RequestEvent| (e.outcome, e.status) = (Ended::ClientGone, status);
        check(Told::End, gone(None), (ApiRequest, Low, Outcome::Aborted));
        check(Told::End, gone(Some(200)), (ApiRequest, Low, Outcome::Aborted));
        check(Told::Answer, gone(Some(200)), (ApiRequest, Info, Outcome::Success));
        check(Told::Answer, gone(Some(404)), (ApiRequest, Low, Outcome::Failure));
        check(Told::Intent, gone(None), (ApiRequest, Info, Outcome::Intended));
        let broke =
            |e: &mut RequestEvent| (e.outcome, e.blame) = (Ended::UpstreamBroke, Some(Blame::Upstream));
        check(Told::End, broke, (ApiRequest, Medium, Outcome::Error));
        let failed = |e: &mut RequestEvent| (e.outcome, e.blame) = (Ended::Failed, Some(Blame::Us));
        check(Told::Answer, failed, (ApiRequest, High, Outcome::Error));
        let observed = |e: &mut RequestEvent| e.decisions[0].verdict = Verdict::WouldRefuse;
        check(Told::End, observed, (ApiRequest, Low, Outcome::Success));
    }

    #[test]
    fn refusals_are_judged_by_their_stage_and_whose_fault_they_were() {
        use Kind::{ApiRequest, AuthenticationAttempt, SecurityViolation};
        use Severity::{High, Low, Medium};
        for (stage, kind, severity) in [
            (Stage::Accept, SecurityViolation, Low),
            (Stage::Address, SecurityViolation, Medium),
            (Stage::Flood, SecurityViolation, Low),
            (Stage::Normalize, SecurityViolation, Low),
            (Stage::Route, ApiRequest, Low),
            (Stage::InspectHead, SecurityViolation, Medium),
            (Stage::Authenticate, AuthenticationAttempt, Medium),
            (Stage::Limit, SecurityViolation, Low),
            (Stage::Authorize, SecurityViolation, Medium),
            (Stage::InspectBody, SecurityViolation, Medium),
            (Stage::Record, ApiRequest, Low),
            (Stage::Forward, ApiRequest, Low),
            (Stage::Respond, ApiRequest, Low),
        ] {
            for told in [Told::Answer, Told::End] {
                check(told, refused(stage, Blame::Client), (kind, severity, Outcome::Refused));
                check(told, refused(stage, Blame::Operator), (ApiRequest, High, Outcome::Refused));
                check(told, refused(stage, Blame::Us), (ApiRequest, High, Outcome::Error));
            }
        }
        check(Told::End, refused(Stage::Forward, Blame::Upstream), (ApiRequest, Medium, Outcome::Error));
    }

    #[test]
    fn what_a_client_chose_is_personal_and_nothing_is_lost() {
        let id = RequestId::from_parts(1, 3);
        let mut told = RequestEvent { method: "ADA".into(), reason: Some("why".into()), ..event() };
        let made = entry(id, &mut told, Told::End);
        let Personal { client, host, path, method, client_request_id, trace_id, reason, decisions, .. } =
            made.personal.clone();
        assert_eq!(client, Some("192.0.2.7".parse().unwrap()));
        let texts = [host, path, method, client_request_id, trace_id, reason].map(|text| text.unwrap());
        assert_eq!(
            texts.each_ref().map(|text| &**text),
            ["shop.example", "/ada", "ADA", "theirs", "trace", "why"]
        );
        assert_eq!(decisions.len(), 1);
        let clear = serde_json::to_string(&made.with(Personal::default(), None)).unwrap();
        assert!(!clear.contains("ada") && !clear.contains("ADA") && !clear.contains("192.0.2.7"), "{clear}");
        let request: serde_json::Value = serde_json::from_str(&clear).unwrap();
        assert_eq!(
            request["request"],
            serde_json::json!({
                "id": event().request_id, "told": "end", "protocol": "h2", "method": "other", "status": 200,
                "stage": "respond", "bytes_in": 3, "bytes_out": 4, "duration_us": 5, "upstream_us": 6
            })
        );
        assert_eq!((&request["application"], &request["route"]), (&"shop".into(), &"people".into()));
    }

    #[test]
    fn a_connection_is_no_request() {
        let mut told = RequestEvent { kind: "connection", method: "".into(), path: "".into(), ..event() };
        let made = entry(RequestId::from_parts(1, 3), &mut told, Told::End);
        assert_eq!((made.kind, &*made.action, made.request), (Kind::SecurityEvent, action::CONNECTION, None));
        assert_eq!((made.personal.path, made.personal.method), (None, None));
    }
}
