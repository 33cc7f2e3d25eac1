//! A rule before it is compiled: its text may still be changed by later directives.

use crate::action::{Action, Phase};
use crate::error::{Place, Problem};
use crate::lang::{Operation, Target, Which};

/// One rule of a chain.
#[derive(Debug)]
pub(crate) struct LinkDraft {
    pub(crate) place: Place,
    pub(crate) condition: Option<(Vec<Target>, Operation)>,
    pub(crate) actions: Vec<Action>,
}

/// A rule with all that is chained to it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: u64,
    /// Where it begins.
    pub(crate) place: Place,
    pub(crate) links: Vec<LinkDraft>,
    /// SecDefaultAction of its phase, as it was when the rule was read.
    pub(crate) defaults: Defaults,
}

/// What SecDefaultAction says for a phase.
#[derive(Debug, Clone)]
pub(crate) struct Defaults(pub(crate) Vec<Action>);

impl Default for Defaults {
    fn default() -> Self {
        Self(vec![Action::Log(true), Action::AuditLog(true), Action::Pass])
    }
}

impl Defaults {
    /// Reads the actions; they name the phase.
    pub(crate) fn parse(actions: Vec<Action>) -> Result<(Phase, Self), Problem> {
        let wrong = |why: &str| Err(Problem::argument("SecDefaultAction", why));
        let mut phase = None;
        let mut is_disruptive = false;
        for action in &actions {
            match action {
                Action::Phase(named) => phase = Some(*named),
                Action::Pass | Action::Deny | Action::Drop | Action::Allow(_) | Action::Redirect(_) => {
                    is_disruptive = true;
                }
                Action::Log(_)
                | Action::AuditLog(_)
                | Action::Status(_)
                | Action::Transform(_)
                | Action::ForgetTransformations
                | Action::Tag(_)
                | Action::SetVariable(_)
                | Action::Capture
                | Action::MultiMatch
                | Action::Severity(_) => {}
                _ => {
                    return wrong(
                        "only `phase`, logging, a disruptive action, `status`, `t`, `tag`, `severity`, `setvar`, `capture` and `multiMatch` can be defaults",
                    );
                }
            }
        }
        match phase {
            Some(phase) if is_disruptive => Ok((phase, Self(actions))),
            Some(_) => wrong("say what `block` is to do: `pass`, `deny`, …"),
            None => wrong("say for which `phase`"),
        }
    }
}

/// Drafts the first rule of a chain. A mistake tells the id, when there is one.
pub(crate) fn head(link: LinkDraft) -> Result<Draft, (Option<u64>, Problem)> {
    let id = link.actions.iter().find_map(|action| match action {
        Action::Id(id) => Some(*id),
        _ => None,
    });
    match id {
        Some(id) => {
            Ok(Draft { id, place: link.place.clone(), links: vec![link], defaults: Defaults::default() })
        }
        None => Err((None, Problem::argument("id", "the rule has none; every rule needs its own"))),
    }
}

impl Draft {
    /// Adds the next rule of the chain.
    pub(crate) fn chain(&mut self, link: LinkDraft) -> Result<(), Problem> {
        let misplaced = link.actions.iter().find_map(|action| match action {
            Action::Id(_) => Some("id"),
            Action::Phase(_) => Some("phase"),
            Action::Deny => Some("deny"),
            Action::Drop => Some("drop"),
            Action::Pass => Some("pass"),
            Action::Block => Some("block"),
            Action::Allow(_) => Some("allow"),
            Action::Redirect(_) => Some("redirect"),
            Action::Skip(_) => Some("skip"),
            Action::SkipAfter(_) => Some("skipAfter"),
            _ => None,
        });
        if let Some(name) = misplaced {
            return Err(Problem::argument(name, "it belongs to the first rule of a chain"));
        }
        self.links.push(link);
        Ok(())
    }

    fn head_actions(&self) -> impl DoubleEndedIterator<Item = &Action> {
        self.links.first().into_iter().flat_map(|link| &link.actions)
    }

    /// The phase it says, 2 if none.
    pub(crate) fn phase(&self) -> Phase {
        let named = self.head_actions().rev().find_map(|action| match action {
            Action::Phase(phase) => Some(*phase),
            _ => None,
        });
        named.unwrap_or(Phase::RequestBody)
    }

    /// Its tags.
    pub(crate) fn tags(&self) -> Vec<String> {
        let defaults = self.defaults.0.iter();
        let tags = defaults.chain(self.head_actions()).filter_map(|action| match action {
            Action::Tag(tag) => Some(tag.clone()),
            _ => None,
        });
        tags.collect()
    }

    /// Its message as it is written.
    pub(crate) fn message(&self) -> Vec<u8> {
        let message = self.head_actions().rev().find_map(|action| match action {
            Action::Message(message) => Some(message.source.clone().into_bytes()),
            _ => None,
        });
        message.unwrap_or_default()
    }

    /// Whether a directive is about it.
    pub(crate) fn is_meant(&self, which: &Which) -> bool {
        which.is_about(Some(self.id), &self.tags(), &self.message())
    }
}

/// Whether SecRuleUpdateActionById may change a rule by these.
pub(crate) fn changeable(actions: &[Action]) -> Result<(), Problem> {
    let fixed = actions.iter().find_map(|action| match action {
        Action::Id(_) => Some("id"),
        Action::Phase(_) => Some("phase"),
        Action::Chain => Some("chain"),
        _ => None,
    });
    match fixed {
        Some(name) => Err(Problem::argument(name, "it cannot be changed afterwards")),
        None => Ok(()),
    }
}
