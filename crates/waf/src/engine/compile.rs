//! Directives → program.
//!
//! First each rule is drafted, so that later directives can remove and change it. Then drafts are compiled: names get
//! numbers, jumps get their ends. All mistakes are reported, not the first alone.

use std::collections::{HashMap, HashSet};

use crate::action::{Action, Phase};
use crate::engine::draft::{self, Defaults, Draft, LinkDraft};
use crate::engine::lower::Lower;
use crate::engine::program::{Jump, Program};
use crate::error::{Place, Problem, RuleError};
use crate::lang::{Directive, Kind, Note, Settings, Target, Use, Which};

/// What came out of compiling.
pub(crate) struct Compiled {
    pub(crate) program: Program,
    pub(crate) notes: Vec<Note>,
}

/// Compiles directives, in the order in which they were read.
pub(crate) fn compile(directives: Vec<Directive>) -> Result<Compiled, Vec<RuleError>> {
    let mut drafting = Drafting::default();
    for directive in directives {
        drafting.take(directive);
    }
    drafting.finish()
}

/// A marker, and how many rules stand before it.
struct Marker {
    name: String,
    rules_before: usize,
}

#[derive(Default)]
struct Drafting {
    settings: Settings,
    defaults: HashMap<Phase, Defaults>,
    /// `None` where a rule was removed, so that markers keep their places.
    drafts: Vec<Option<Draft>>,
    ids: HashSet<u64>,
    markers: Vec<Marker>,
    /// The last rule was marked `chain`, so the next one belongs to it.
    is_chain_open: bool,
    /// A rule could not be drafted, and what is chained to it goes with it.
    is_chain_broken: bool,
    notes: Vec<Note>,
    problems: Vec<RuleError>,
}

impl Drafting {
    fn take(&mut self, directive: Directive) {
        let Directive { place, kind } = directive;
        if self.is_chain_open && !matches!(kind, Kind::Rule(_)) {
            self.is_chain_open = false;
            self.fail(
                &place,
                None,
                Problem::argument("chain", "the rule before is to be continued; a SecRule must follow"),
            );
        }
        match kind {
            Kind::Rule(text) => self.rule(place, text),
            Kind::DefaultAction(actions) => match Defaults::parse(actions) {
                Ok((phase, defaults)) => drop(self.defaults.insert(phase, defaults)),
                Err(problem) => self.fail(&place, None, problem),
            },
            Kind::Marker(name) => self.markers.push(Marker { name, rules_before: self.drafts.len() }),
            Kind::Set(setting) => self.settings.apply(setting),
            Kind::Remove(which) => self.remove(&place, &which),
            Kind::UpdateTargets { which, targets, replaced } => {
                self.update_targets(&place, &which, &targets, replaced.as_ref());
            }
            Kind::UpdateActions { id, link, actions } => self.update_actions(&place, id, link, actions),
            // The reader has followed it.
            Kind::Include { .. } => {}
        }
    }

    fn rule(&mut self, place: Place, text: crate::lang::RuleText) {
        let is_chained = std::mem::take(&mut self.is_chain_open);
        self.is_chain_open = text.actions.iter().any(|action| matches!(action, Action::Chain));
        let link = LinkDraft { place: place.clone(), condition: text.condition, actions: text.actions };
        if is_chained {
            if self.is_chain_broken {
                return;
            }
            let Some(Some(head)) = self.drafts.last_mut() else { return };
            let id = head.id;
            match head.chain(link) {
                Ok(()) => {}
                Err(problem) => self.fail(&place, Some(id), problem),
            }
            return;
        }
        self.is_chain_broken = false;
        match draft::head(link) {
            Ok(draft) if !self.ids.insert(draft.id) => {
                self.is_chain_broken = true;
                let other = self.drafts.iter().flatten().find(|other| other.id == draft.id);
                let other = other.map_or_else(String::new, |other| format!(" at {}", other.place));
                let why = format!("another rule has this id{other}; every rule needs its own");
                self.fail(&place, Some(draft.id), Problem::argument("id", why));
            }
            Ok(mut draft) => {
                draft.defaults = self.defaults.get(&draft.phase()).cloned().unwrap_or_default();
                self.drafts.push(Some(draft));
            }
            Err((id, problem)) => {
                self.is_chain_broken = true;
                self.fail(&place, id, problem);
            }
        }
    }

    fn remove(&mut self, place: &Place, which: &Which) {
        let mut count = 0;
        for place in &mut self.drafts {
            if place.as_ref().is_some_and(|draft| draft.is_meant(which)) {
                if let Some(draft) = place.take() {
                    self.ids.remove(&draft.id);
                }
                count += 1;
            }
        }
        self.note_if_none(place, count);
    }

    fn update_targets(
        &mut self,
        place: &Place,
        which: &Which,
        targets: &[Target],
        replaced: Option<&Target>,
    ) {
        let mut count = 0;
        for draft in self.drafts.iter_mut().flatten().filter(|draft| draft.is_meant(which)) {
            count += 1;
            for (number, link) in draft.links.iter_mut().enumerate() {
                let Some((own, _)) = &mut link.condition else { continue };
                if let Some(replaced) = replaced {
                    let before = own.len();
                    own.retain(|target| target != replaced);
                    if own.len() == before {
                        continue;
                    }
                }
                // What is to be looked at besides belongs to the first rule of a chain; an exception to all of them.
                let added = targets
                    .iter()
                    .filter(|target| number == 0 || target.usage == Use::Except || replaced.is_some());
                own.extend(added.cloned());
            }
        }
        self.note_if_none(place, count);
    }

    fn update_actions(&mut self, place: &Place, id: u64, link: usize, actions: Vec<Action>) {
        let draft = self.drafts.iter_mut().flatten().find(|draft| draft.id == id);
        match draft.and_then(|draft| draft.links.get_mut(link)) {
            Some(draft) => match draft::changeable(&actions) {
                Ok(()) => draft.actions.extend(actions),
                Err(problem) => self.fail(place, Some(id), problem),
            },
            None => self.note_if_none(place, 0),
        }
    }

    fn note_if_none(&mut self, place: &Place, count: usize) {
        if count == 0 {
            let text = "no rule before this line is meant, so nothing changes".to_owned();
            self.notes.push(Note { place: place.clone(), text });
        }
    }

    fn fail(&mut self, place: &Place, rule: Option<u64>, problem: Problem) {
        self.problems.push(RuleError { place: place.clone(), rule, problem });
    }

    fn finish(mut self) -> Result<Compiled, Vec<RuleError>> {
        if self.is_chain_open
            && let Some(draft) = self.drafts.iter().flatten().last()
        {
            let (place, id) = (draft.place.clone(), draft.id);
            self.fail(
                &place,
                Some(id),
                Problem::argument("chain", "nothing follows that could be chained to it"),
            );
        }
        let Self { settings, drafts, markers, mut notes, mut problems, .. } = self;
        let mut lower = Lower::new(&drafts);
        let mut rules = Vec::new();
        let mut phases: [Vec<usize>; 5] = Default::default();
        // How many rules that stayed stand before each draft: markers are counted in drafts.
        let mut kept_before = Vec::new();
        let mut skips = Vec::new();
        for draft in drafts {
            kept_before.push(rules.len());
            let Some(draft) = draft else { continue };
            match lower.rule(draft, &mut notes) {
                Ok((rule, skip)) => {
                    if let Some(list) = phases.get_mut(usize::from(rule.about.phase.number()) - 1) {
                        skips.push((rules.len(), list.len(), skip));
                        list.push(rules.len());
                    }
                    rules.push(rule);
                }
                Err(problem) => problems.push(problem),
            }
        }
        kept_before.push(rules.len());
        for (number, position, skip) in skips {
            let Some(rule) = rules.get_mut(number) else { continue };
            let list = phases.get(usize::from(rule.about.phase.number()) - 1).map_or(&[][..], Vec::as_slice);
            match jump(&skip, number, position, list, &markers, &kept_before) {
                Ok(jump) => rule.jump = jump,
                Err(problem) => {
                    problems.push(RuleError {
                        place: rule.about.place.clone(),
                        rule: Some(rule.about.id),
                        problem,
                    });
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let (names, sets, removable, chains) = lower.finish();
        let program = Program { settings, rules, phases, names, sets, removable, chains };
        Ok(Compiled { program, notes })
    }
}

/// Where a rule wants evaluation to go on.
#[derive(Debug, Default)]
pub(crate) enum Skip {
    #[default]
    Nothing,
    Rules(usize),
    After(String),
}

fn jump(
    skip: &Skip,
    number: usize,
    position: usize,
    list: &[usize],
    markers: &[Marker],
    kept_before: &[usize],
) -> Result<Jump, Problem> {
    match skip {
        Skip::Nothing => Ok(Jump::Next),
        Skip::Rules(count) => Ok(Jump::To(position.saturating_add(1).saturating_add(*count))),
        Skip::After(name) => {
            let ends = markers.iter().filter(|marker| marker.name == *name);
            let mut ends = ends.filter_map(|marker| kept_before.get(marker.rules_before).copied());
            let end = ends.find(|end| *end > number).ok_or_else(|| {
                Problem::argument("skipAfter", format!("no `SecMarker {name}` follows this rule"))
            })?;
            Ok(Jump::To(list.partition_point(|rule| *rule < end)))
        }
    }
}
