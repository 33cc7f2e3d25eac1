//! One request and its response before the rules, phase by phase.

use std::sync::Arc;

use crate::action::{Mode, Phase, Scope};
use crate::engine::evaluate::{Evaluation, Found};
use crate::engine::filter::{self, Bits};
use crate::engine::live::{Live, Sight};
use crate::engine::plan::Plan;
use crate::engine::program::{Disruption, Jump, Link, Program, Rule};
use crate::engine::report::{Decision, LogContext, Match, MatchedPart, Refusal};
use crate::engine::request::{self, Origin, RequestHead};
use crate::engine::request_body::{self, How};
use crate::engine::scan::Scan;
use crate::engine::tx::Held;
use crate::engine::values::Values;
use crate::lang::{LimitAction, Variable};

/// The most work that the rules may do for one transaction, in bytes that operators looked at. What is not looked at is
/// refused. At a GB/s and more, these are some seconds.
const STEPS_MAX: u64 = 1 << 33;

/// The most matches that are told of one transaction: more than there are rules.
const MATCHES_MAX: usize = 2_000;

/// A request and its response, as far as they are known.
#[derive(Debug)]
pub struct Transaction {
    program: Arc<Program>,
    plans: Arc<[Plan; 5]>,
    scan: Scan,
    /// Whether rules that cannot match are not asked.
    is_filtered: bool,
    values: Values,
    live: Live,
    matches: Vec<Match>,
    refusal: Option<Refusal>,
    /// What a rule would have done if rules were allowed to.
    would_refuse: Option<Refusal>,
    /// `allow` ended the phases up to this one.
    allowed_to: Option<Phase>,
    unique_id: String,
}

impl Transaction {
    pub(crate) fn new(
        program: Arc<Program>,
        plans: Arc<[Plan; 5]>,
        is_filtered: bool,
        origin: &Origin<'_>,
    ) -> Self {
        let mut values = Values::new();
        request::origin(&mut values, origin);
        values.set(Variable::WebAppId, program.settings.web_app_id.as_bytes());
        let live = Live::new(&program);
        let scan = Scan::new(&program.chains);
        Self {
            program,
            plans,
            scan,
            is_filtered,
            values,
            live,
            matches: Vec::new(),
            refusal: None,
            would_refuse: None,
            allowed_to: None,
            unique_id: origin.unique_id.to_owned(),
        }
    }

    /// Phase 1: the head of the request.
    pub fn request_head(&mut self, head: &RequestHead<'_>) -> Decision {
        let program = Arc::clone(&self.program);
        let settings = &program.settings;
        let read = request::head(&mut self.values, head, settings.argument_separator, settings.arguments_max);
        self.live.processor = read.processor;
        if let Some(reason) = read.error {
            self.disrupt(Refusal { rule: 0, status: 400, redirect: None, drops: false, reason });
        }
        self.phase(Phase::RequestHeaders)
    }

    /// How many bytes of the request body are to be given to [`request_body`](Self::request_body); one more tells that it
    /// is larger. 0 when bodies are not looked at.
    pub fn request_body_bytes(&self) -> usize {
        if self.live.request_body_access && self.live.mode != Mode::Off {
            self.live.request_body_bytes_max.saturating_add(1)
        } else {
            0
        }
    }

    /// Phase 2: the body of the request, empty if there is none.
    pub fn request_body(&mut self, body: &[u8]) -> Decision {
        let program = Arc::clone(&self.program);
        let mut body = body;
        if !self.live.request_body_access || self.live.mode == Mode::Off {
            body = b"";
        }
        if body.len() > self.live.request_body_bytes_max {
            self.values.set(Variable::InboundDataError, b"1");
            if program.settings.request_body_limit_action == LimitAction::Reject {
                let reason = format!("the body is larger than {} bytes", self.live.request_body_bytes_max);
                self.disrupt(Refusal { rule: 0, status: 413, redirect: None, drops: false, reason });
            }
            body = body.get(..self.live.request_body_bytes_max).unwrap_or(body);
        }
        if self.refusal.is_none() {
            let how = How {
                processor: self.live.processor,
                is_forced: self.live.is_body_forced,
                settings: &program.settings,
                keeps_files: program.uses(Variable::FilesTmpContent),
                keeps_request: program.uses(Variable::FullRequest)
                    || program.uses(Variable::FullRequestLength),
            };
            if let Some(reason) = request_body::read(&mut self.values, &how, body) {
                self.disrupt(Refusal { rule: 0, status: 413, redirect: None, drops: false, reason });
            }
        }
        self.phase(Phase::RequestBody)
    }

    /// Phase 3: the head of the response.
    pub fn response_head(&mut self, status: u16, protocol: &[u8], headers: &[(&[u8], &[u8])]) -> Decision {
        request::response_head(&mut self.values, status, protocol, headers);
        self.phase(Phase::ResponseHeaders)
    }

    /// How many bytes of the response body are to be given to [`response_body`](Self::response_body); one more tells that
    /// it is larger. 0 when it is not looked at.
    pub fn response_body_bytes(&self) -> usize {
        let is_looked_at = self.live.response_body_access
            && self.live.mode != Mode::Off
            && self.program.settings.response_media_types.iter().any(|media_type| {
                media_type.as_bytes().eq_ignore_ascii_case(self.values.single(Variable::ResponseContentType))
            });
        if is_looked_at { self.live.response_body_bytes_max.saturating_add(1) } else { 0 }
    }

    /// Phase 4: the body of the response, decoded as `Content-Encoding` says, empty if there is none.
    pub fn response_body(&mut self, body: &[u8]) -> Decision {
        let mut body = if self.response_body_bytes() == 0 { b"" } else { body };
        if body.len() > self.live.response_body_bytes_max {
            self.values.set(Variable::OutboundDataError, b"1");
            if self.program.settings.response_body_limit_action == LimitAction::Reject {
                let reason =
                    format!("the response is larger than {} bytes", self.live.response_body_bytes_max);
                self.disrupt(Refusal { rule: 0, status: 500, redirect: None, drops: false, reason });
            }
            body = body.get(..self.live.response_body_bytes_max).unwrap_or(body);
        }
        self.values.set(Variable::ResponseBody, body);
        self.values.set(Variable::ResponseContentLength, body.len().to_string().as_bytes());
        self.phase(Phase::ResponseBody)
    }

    /// Phase 5: the end. Whatever happened before, this phase is evaluated.
    pub fn finish(&mut self) {
        let before = self.refusal.take();
        // What is decided here comes too late for the client.
        let _ = self.phase(Phase::Logging);
        self.refusal = before;
    }

    /// The rules that matched and are to be logged, in the order in which they did.
    pub fn matches(&self) -> &[Match] {
        &self.matches
    }

    /// What a rule decided or, where rules may only tell, would have decided.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref().or(self.would_refuse.as_ref())
    }

    /// Variables of TX whose name tells of a score, if they are not 0.
    pub fn scores(&self) -> Vec<(String, i64)> {
        let all = self.live.tx.all(&self.program.names);
        let scores = all.filter_map(|(name, held)| match held {
            Held::Number(score) if *score != 0 => Some((String::from_utf8_lossy(name).into_owned(), *score)),
            _ => None,
        });
        scores
            .filter(|(name, _)| name.contains("score") && !name.ends_with("anomaly_score_threshold"))
            .collect()
    }

    /// The matches as ModSecurity writes them into an error log.
    pub fn log_lines(&self) -> impl Iterator<Item = String> + '_ {
        let client = String::from_utf8_lossy(self.values.single(Variable::RemoteAddr)).into_owned();
        self.matches.iter().map(move |one| {
            one.log_line(&LogContext {
                client: &client,
                host: self.values.single(Variable::ServerName),
                uri: self.values.single(Variable::RequestFilename),
                unique_id: &self.unique_id,
            })
        })
    }

    fn phase(&mut self, phase: Phase) -> Decision {
        let program = Arc::clone(&self.program);
        let is_allowed = self.allowed_to.is_some_and(|last| phase <= last);
        if !is_allowed && self.refusal.is_none() {
            self.rules(&program, phase);
        }
        match &self.refusal {
            Some(refusal) => Decision::Refuse(refusal.clone()),
            None => Decision::Pass,
        }
    }

    fn rules(&mut self, program: &Program, phase: Phase) {
        let index = usize::from(phase.number()) - 1;
        let list = program.phases.get(index).map_or(&[][..], Vec::as_slice);
        let plans = Arc::clone(&self.plans);
        let plan = if self.is_filtered { plans.get(index) } else { None };
        self.scan.begin_phase();
        let mut position = 0;
        let end = plan.map_or(list.len(), |plan| plan.plain_until);
        while position < end && self.goes_on(phase) {
            position = self.next(program, list, position);
        }
        if let Some(plan) = plan
            && self.goes_on(phase)
        {
            self.planned(program, phase, list, plan, position);
        }
    }

    /// Evaluates the rules from `position` on, but those that cannot match.
    fn planned(&mut self, program: &Program, phase: Phase, list: &[usize], plan: &Plan, position: usize) {
        let mut position = position;
        let mut open = self.open(list, plan, position);
        let scanned = filter::both(&open, &plan.filtered);
        let candidates = self.scan.run(&self.values, &program.chains, plan, &open);
        let mut removals = self.live.removals;
        // Of the rules that were scanned for, only candidates can match. Those that a gate kept closed then are asked like
        // plain ones when the gate itself is removed meanwhile.
        let mut asked = filter::without(&open, &filter::without(&scanned, &candidates));
        while let Some(place) = filter::next(&asked, position)
            && self.goes_on(phase)
        {
            position = self.next(program, list, place);
            if self.live.removals != removals {
                removals = self.live.removals;
                open = self.open(list, plan, position);
                asked = filter::without(&open, &filter::without(&scanned, &candidates));
            }
        }
    }

    fn open(&self, list: &[usize], plan: &Plan, position: usize) -> Bits {
        let removed = &self.live.removed;
        plan.open(position, &self.live.tx, |place| {
            list.get(place).is_some_and(|rule| removed.contains(*rule))
        })
    }

    fn goes_on(&self, phase: Phase) -> bool {
        self.live.mode != Mode::Off
            && self.refusal.is_none()
            && self.allowed_to < Some(phase)
            && self.live.steps <= STEPS_MAX
    }

    /// Evaluates the rule at a place of the list; gives the place where evaluation goes on.
    fn next(&mut self, program: &Program, list: &[usize], position: usize) -> usize {
        let number = list.get(position).copied().unwrap_or(usize::MAX);
        let Some(rule) = program.rules.get(number).filter(|_| !self.live.removed.contains(number)) else {
            return position + 1;
        };
        let has_matched = self.rule(program, number, position, rule);
        if self.live.steps > STEPS_MAX {
            let reason = format!("the rules need more than {STEPS_MAX} steps");
            self.disrupt(Refusal { rule: 0, status: 403, redirect: None, drops: false, reason });
        }
        match rule.jump {
            Jump::To(next) if has_matched => next,
            _ => position + 1,
        }
    }

    fn rule(&mut self, program: &Program, number: usize, position: usize, rule: &Rule) -> bool {
        let mut evaluation = Evaluation {
            program,
            number,
            position,
            rule,
            values: &self.values,
            live: &mut self.live,
            found: Vec::new(),
        };
        if !evaluation.matches(self.is_filtered.then_some(&mut self.scan)) {
            return false;
        }
        let found = std::mem::take(&mut evaluation.found);
        let worst = self.live.worst.into_iter().chain(rule.about.severity).min();
        self.live.worst = worst;
        let refused = self.disruption(program, rule);
        if rule.is_logged && self.matches.len() < MATCHES_MAX {
            let told = self.told(program, rule, found, refused);
            self.matches.push(told);
        }
        true
    }

    fn told(&self, program: &Program, rule: &Rule, found: Vec<Found>, refused: Option<u16>) -> Match {
        let sight = Sight { program, rule, values: &self.values, live: &self.live };
        let last =
            |text: fn(&Link) -> Option<&crate::engine::program::Text>| rule.links.iter().rev().find_map(text);
        let message = rule.message.as_ref().or_else(|| last(|link| link.message.as_ref()));
        let data = rule.data.as_ref().or_else(|| last(|link| link.data.as_ref()));
        let parts = found.into_iter().filter_map(|found| {
            let link = rule.links.get(found.link)?;
            let condition = link.condition.as_ref()?;
            let operation = &condition.operation;
            Some(MatchedPart {
                line: link.place.line,
                variable: found.name,
                transformations: condition.transformations.iter().map(|one| one.name()).collect(),
                operator: format!("{}@{}", if operation.is_negated { "!" } else { "" }, operation.name),
                argument: operation.argument.clone(),
                value: found.value,
                found: found.part,
            })
        });
        Match {
            about: Arc::clone(&rule.about),
            message: message.map(|text| sight.expand(text)).unwrap_or_default(),
            data: data.map(|text| sight.expand(text)).unwrap_or_default(),
            parts: parts.collect(),
            refused,
            is_audited: rule.is_audited && self.live.is_audited,
        }
    }

    /// Does what the rule says of the request; the status with which it refuses.
    fn disruption(&mut self, program: &Program, rule: &Rule) -> Option<u16> {
        let (status, redirect, drops) = match &rule.disruption {
            Disruption::Pass => return None,
            Disruption::Allow(scope) => {
                let phase = rule.about.phase;
                self.allowed_to = Some(match scope {
                    Scope::Phase => phase,
                    Scope::Request => phase.max(Phase::RequestBody),
                    Scope::Transaction => phase.max(Phase::ResponseBody),
                });
                return None;
            }
            Disruption::Deny { status } => (*status, None, false),
            Disruption::Drop { status } => (*status, None, true),
            Disruption::Redirect { status, to } => {
                let sight = Sight { program, rule, values: &self.values, live: &self.live };
                (*status, Some(sight.expand(to)), false)
            }
        };
        let id = rule.about.id;
        self.disrupt(Refusal { rule: id, status, redirect, drops, reason: format!("rule {id} refuses it") });
        (self.live.mode == Mode::On).then_some(status)
    }

    fn disrupt(&mut self, refusal: Refusal) {
        if self.live.mode == Mode::On {
            self.refusal.get_or_insert(refusal);
        } else {
            self.would_refuse.get_or_insert(refusal);
        }
    }
}
