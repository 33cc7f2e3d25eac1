//! Drafts → rules: actions become what is done, names become numbers.

use std::sync::Arc;

use crate::action::{self, Action, Ctl, SetVariable};
use crate::engine::chains::Chains;
use crate::engine::compile::Skip;
use crate::engine::draft::{Draft, LinkDraft};
use crate::engine::program::{
    About, Change, Condition, Disruption, Effect, Exception, Jump, Link, Part, Piece, Rule, RuleSet, Target,
    Text,
};
use crate::engine::tx::Names;
use crate::error::{Problem, RuleError};
use crate::lang::{self, Note, Selector, Template, Test, Use, Variable, Which};

/// What `deny` answers when no `status` is given.
const DENIED: u16 = 403;

/// What `redirect` answers when no `status` is given.
const REDIRECTED: u16 = 302;

/// What a rule is known by, for `ctl`.
struct Identity {
    id: u64,
    tags: Vec<String>,
    message: Vec<u8>,
}

pub(crate) struct Lower {
    names: Names,
    sets: Vec<RuleSet>,
    removable: Vec<Exception>,
    chains: Chains,
    identities: Vec<Identity>,
}

impl Lower {
    pub(crate) fn new(drafts: &[Option<Draft>]) -> Self {
        let identities = drafts.iter().flatten().map(|draft| Identity {
            id: draft.id,
            tags: draft.tags(),
            message: draft.message(),
        });
        Self {
            names: Names::new(),
            sets: Vec::new(),
            removable: Vec::new(),
            chains: Chains::default(),
            identities: identities.collect(),
        }
    }

    /// The names, the sets of rules and the targets that `ctl` may remove, and the chains of transformations.
    pub(crate) fn finish(self) -> (Names, Vec<RuleSet>, Vec<Exception>, Chains) {
        (self.names, self.sets, self.removable, self.chains)
    }

    /// Compiles a rule; where evaluation goes on after it is told by itself.
    pub(crate) fn rule(&mut self, draft: Draft, notes: &mut Vec<Note>) -> Result<(Rule, Skip), RuleError> {
        let (id, place, phase) = (draft.id, draft.place.clone(), draft.phase());
        let fail = |problem| RuleError { place: place.clone(), rule: Some(id), problem };
        let mut head = Head::new(About::new(id, place.clone(), phase));
        let (defaults, own) = (draft.defaults.0, draft.links.first().map_or(&[][..], |link| &link.actions));
        defaults.iter().for_each(|action| head.take(action));
        head.default_disruption = head.disruption.take();
        own.iter().for_each(|action| head.take(action));
        let mut links = Vec::new();
        for (number, link) in draft.links.into_iter().enumerate() {
            note(&link, id, notes);
            links.push(self.link(link, &defaults, number == 0).map_err(fail)?);
        }
        let disruption = self.disruption(&head);
        let rule = Rule {
            links,
            disruption,
            is_logged: head.is_logged,
            is_audited: head.is_audited,
            message: head.message.as_ref().map(|text| self.text(text)),
            data: head.data.as_ref().map(|text| self.text(text)),
            about: Arc::new(head.about),
            jump: Jump::Next,
        };
        Ok((rule, head.skip))
    }

    fn disruption(&mut self, head: &Head) -> Disruption {
        let chosen = match &head.disruption {
            // `block` does what the default says; so does a rule that says nothing.
            Some(Action::Block) | None => &head.default_disruption,
            own => own,
        };
        match chosen {
            Some(Action::Deny) => Disruption::Deny { status: head.status.unwrap_or(DENIED) },
            Some(Action::Drop) => Disruption::Drop { status: head.status.unwrap_or(DENIED) },
            Some(Action::Allow(scope)) => Disruption::Allow(*scope),
            Some(Action::Redirect(to)) => {
                let status = head.status.filter(|status| (300..400).contains(status)).unwrap_or(REDIRECTED);
                Disruption::Redirect { status, to: self.text(to) }
            }
            _ => Disruption::Pass,
        }
    }

    fn link(&mut self, draft: LinkDraft, defaults: &[Action], is_first: bool) -> Result<Link, Problem> {
        let mut link = Link {
            place: draft.place,
            condition: None,
            takes_captures: false,
            effects: Vec::new(),
            message: None,
            data: None,
        };
        let (mut transformations, mut tries_each) = (Vec::new(), false);
        // Of the defaults, the other rules of a chain inherit how values are looked at.
        let inherited =
            defaults.iter().filter(|action| is_first || !matches!(action, Action::SetVariable(_)));
        for action in inherited.chain(&draft.actions) {
            match action {
                Action::Capture => link.takes_captures = true,
                Action::MultiMatch => tries_each = true,
                Action::Transform(transformation) => transformations.push(*transformation),
                Action::ForgetTransformations => transformations.clear(),
                Action::Message(text) if !is_first => link.message = Some(self.text(text)),
                Action::LogData(text) if !is_first => link.data = Some(self.text(text)),
                action => link.effects.extend(self.effect(action)?),
            }
        }
        if let Some((targets, operation)) = draft.condition {
            let argument = match &operation.test {
                Test::Compare(_, template) => self.text(template),
                _ => Text::default(),
            };
            let (targets, exceptions) = self.targets(targets)?;
            let chain = self.chains.number(&transformations);
            link.condition = Some(Condition {
                targets,
                exceptions,
                transformations,
                chain,
                tries_each,
                operation,
                argument,
            });
        }
        Ok(link)
    }

    fn effect(&mut self, action: &Action) -> Result<Option<Effect>, Problem> {
        Ok(Some(match action {
            Action::SetVariable(set) => self.set_variable(set),
            Action::SetEnvironment { name, value } => {
                Effect::SetEnvironment { name: self.text(name), value: self.text(value) }
            }
            Action::SetSession(text) => Effect::SetSession(self.text(text)),
            Action::SetUser(text) => Effect::SetUser(self.text(text)),
            Action::Ctl(ctl) => return self.ctl(ctl),
            _ => return Ok(None),
        }))
    }

    fn set_variable(&mut self, set: &SetVariable) -> Effect {
        let change = match &set.change {
            action::Change::Set(value) => Change::Set(self.text(value)),
            action::Change::Add(amount) => Change::Add(self.text(amount)),
            action::Change::Subtract(amount) => Change::Subtract(self.text(amount)),
            action::Change::Unset => Change::Unset,
        };
        match set.name.literal() {
            Some(name) if set.collection == Variable::Tx => {
                Effect::SetTx { slot: self.names.number(name), change }
            }
            _ => Effect::SetNamed { collection: set.collection, name: self.text(&set.name), change },
        }
    }

    fn ctl(&mut self, ctl: &Ctl) -> Result<Option<Effect>, Problem> {
        Ok(Some(match ctl {
            Ctl::AuditEngine(on) => Effect::AuditEngine(*on),
            Ctl::ForceRequestBodyVariable(on) => Effect::ForceRequestBodyVariable(*on),
            Ctl::RequestBodyAccess(on) => Effect::RequestBodyAccess(*on),
            Ctl::RequestBodyLimit(bytes) => Effect::RequestBodyLimit(*bytes),
            Ctl::RequestBodyProcessor(processor) => Effect::RequestBodyProcessor(*processor),
            Ctl::ResponseBodyAccess(on) => Effect::ResponseBodyAccess(*on),
            Ctl::ResponseBodyLimit(bytes) => Effect::ResponseBodyLimit(*bytes),
            Ctl::RuleEngine(mode) => Effect::RuleEngine(*mode),
            Ctl::RemoveRules(which) => Effect::RemoveRules { set: self.set(which) },
            Ctl::RemoveTarget(which, target) => {
                let set = self.set(which);
                let variable = target.variable;
                let part = self.part(variable, &target.selector);
                self.removable.push(Exception { variable, part });
                Effect::RemoveTarget { set, target: self.removable.len() - 1 }
            }
            Ctl::Nothing => return Ok(None),
        }))
    }

    /// The rules that are meant, wherever they stand.
    fn set(&mut self, which: &Which) -> usize {
        let mut set = RuleSet::default();
        let rules = self.identities.iter().enumerate();
        rules
            .filter(|(_, rule)| which.is_about(Some(rule.id), &rule.tags, &rule.message))
            .for_each(|(number, _)| set.insert(number));
        self.sets.push(set);
        self.sets.len() - 1
    }

    fn targets(&mut self, targets: Vec<lang::Target>) -> Result<(Vec<Target>, Vec<Exception>), Problem> {
        let (mut looked_at, mut exceptions) = (Vec::new(), Vec::new());
        for target in targets {
            let variable = target.variable;
            let part = self.part(variable, &target.selector);
            match target.usage {
                Use::Except => exceptions.push(Exception { variable, part }),
                usage => looked_at.push(Target { variable, part, is_count: usage == Use::Count }),
            }
        }
        if looked_at.is_empty() {
            return Err(Problem::argument(
                "SecRule",
                "it looks at nothing: only exceptions are left of its variables",
            ));
        }
        Ok((looked_at, exceptions))
    }

    fn part(&mut self, variable: Variable, selector: &Selector) -> Part {
        match selector {
            Selector::All => Part::All,
            Selector::Name(name) if variable == Variable::Tx => {
                Part::Slot(self.names.number(name.as_bytes()), name.as_bytes().into())
            }
            Selector::Name(name) => Part::Name(name.as_bytes().into()),
            Selector::Pattern(pattern, _) => Part::Pattern((**pattern).clone()),
        }
    }

    pub(crate) fn text(&mut self, template: &Template) -> Text {
        let pieces = template.pieces.iter().map(|piece| match piece {
            lang::Piece::Text(text) => Piece::Literal(text.as_slice().into()),
            lang::Piece::Value(Variable::Tx, Some(name)) => Piece::Tx(self.names.number(name.as_bytes())),
            lang::Piece::Value(variable, name) => {
                Piece::Value(*variable, name.as_ref().map(|name| name.as_bytes().into()))
            }
        });
        Text(pieces.collect())
    }
}

/// What the actions of the first rule say about the whole chain.
struct Head {
    disruption: Option<Action>,
    default_disruption: Option<Action>,
    status: Option<u16>,
    is_logged: bool,
    is_audited: bool,
    message: Option<Template>,
    data: Option<Template>,
    about: About,
    skip: Skip,
}

impl Head {
    fn new(about: About) -> Self {
        Self {
            disruption: None,
            default_disruption: None,
            status: None,
            is_logged: true,
            is_audited: true,
            message: None,
            data: None,
            about,
            skip: Skip::Nothing,
        }
    }

    fn take(&mut self, action: &Action) {
        match action {
            Action::Pass
            | Action::Deny
            | Action::Drop
            | Action::Block
            | Action::Allow(_)
            | Action::Redirect(_) => self.disruption = Some(action.clone()),
            Action::Status(status) => self.status = Some(*status),
            Action::Log(on) => {
                self.is_logged = *on;
                self.is_audited &= *on;
            }
            Action::AuditLog(on) => self.is_audited = *on,
            Action::Message(text) => self.message = Some(text.clone()),
            Action::LogData(text) => self.data = Some(text.clone()),
            Action::Severity(severity) => self.about.severity = Some(*severity),
            Action::Tag(tag) => self.about.tags.push(tag.clone()),
            Action::Version(version) => self.about.version.clone_from(version),
            Action::Revision(revision) => self.about.revision.clone_from(revision),
            Action::Maturity(maturity) => self.about.maturity = *maturity,
            Action::Accuracy(accuracy) => self.about.accuracy = *accuracy,
            Action::Skip(count) => self.skip = Skip::Rules(*count),
            Action::SkipAfter(marker) => self.skip = Skip::After(marker.clone()),
            _ => {}
        }
    }
}

/// Tells of what can never work here, since nothing outlives a transaction or is looked up.
fn note(link: &LinkDraft, id: u64, notes: &mut Vec<Note>) {
    let mut tell = |text: String| notes.push(Note { place: link.place.clone(), text });
    if link.actions.iter().any(|action| matches!(action, Action::InitCollection)) {
        tell(format!("rule {id}: `initcol` keeps nothing beyond one transaction here"));
    }
    for target in link.condition.iter().flat_map(|(targets, _)| targets) {
        if matches!(target.variable, Variable::Geo | Variable::FilesTmpNames) && target.usage == Use::Values {
            tell(format!("rule {id}: {} never has a value here", target.variable));
        }
    }
}
