//! What is wrong with flows that could be read: names that nothing has, and what a walk
//! over each flow's states shows.

use super::super::format::{Special, System};
use super::super::{ACTS, ENTITY_KINDS};
use super::fault::{self, Faults, quote};
use super::source::{Action, Flow, Name, Phrase, Source, Step, Test, targets};

/// What holds on every way to a state: a bit for each slot or fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    filled: u128,
    confirmed: u128,
    facts: u128,
}

impl Known {
    const NOTHING: Self = Self {
        filled: 0,
        confirmed: 0,
        facts: 0,
    };

    const fn and(self, other: Self) -> Self {
        Self {
            filled: self.filled & other.filled,
            confirmed: self.confirmed & other.confirmed,
            facts: self.facts & other.facts,
        }
    }
}

struct Checker<'s, 'f> {
    source: &'s Source,
    facts: Vec<&'s str>,
    faults: &'f mut Faults,
}

pub(super) fn check(source: &Source, intents: &[&str], faults: &mut Faults) {
    let facts = source.facts();
    if facts.len() > 128 {
        let cause = format!("there are {} facts, at most 128 fit", facts.len());
        faults.add(fault::TOO_LARGE, 0, cause);
        return;
    }
    let mut checker = Checker {
        source,
        facts,
        faults,
    };
    checker.vocabulary();
    checker.intents(intents);
    for flow in &source.flows {
        checker.flow(flow);
    }
    checker.unused();
}

impl<'s> Checker<'s, '_> {
    fn add(&mut self, code: fault::Code, at: usize, cause: impl Into<String>) {
        self.faults.add(code, at, cause);
    }

    fn vocabulary(&mut self) {
        let source = self.source;
        for slot in &source.slots {
            if !ENTITY_KINDS.contains(&slot.entity.text.as_str()) {
                let known = ENTITY_KINDS.join("`, `");
                let cause = format!("{} is none of `{known}`", quote(&slot.entity.text));
                self.add(fault::UNKNOWN_ENTITY, slot.entity.at, cause);
            }
            for (is, what) in [(slot.opening, "opening"), (slot.account, "account")] {
                if is && slot.entity.text != "text" {
                    let cause = format!("only a slot whose entity is \"text\" may be `{what}`");
                    self.add(fault::UNKNOWN_ENTITY, slot.entity.at, cause);
                }
            }
            if (slot.entity.text == "choice") == slot.choices.is_empty() {
                let cause = "a slot has `choices` when, and only when, its entity is \"choice\"";
                self.add(fault::MISSING, slot.name.at, cause);
            }
            let name = slot.name.text.as_str();
            let special = Special::ALL.iter().any(|s| s.name() == name);
            if self.facts.contains(&name) || special {
                let cause = format!("{} is a slot and also a fact or placeholder", quote(name));
                self.add(fault::DUPLICATE, slot.name.at, cause);
            }
            for (i, choice) in slot.choices.iter().enumerate() {
                let mut others = slot.choices[..i].iter();
                if others.any(|other| other.name.text == choice.name.text) {
                    let cause = format!("the choice {} is there twice", quote(&choice.name.text));
                    self.add(fault::DUPLICATE, choice.name.at, cause);
                }
                self.holes(&choice.label, &[]);
            }
            for phrase in [Some(&slot.label), Some(&slot.prompt), slot.again.as_ref()] {
                phrase
                    .into_iter()
                    .for_each(|phrase| self.holes(phrase, &[]));
            }
        }
        for (system, phrase) in &source.replies {
            let may: &[&str] = match system {
                System::Later | System::Resume | System::WelcomeBack => &["title"],
                System::Check | System::Corrected => &["slot", "value"],
                System::Clarify => &["title", "other"],
                _ => &[],
            };
            self.holes(phrase, may);
        }
        for action in &source.actions {
            let outcomes = || action.outcomes.iter().map(|(name, _)| name);
            if !outcomes().any(|name| name.text == "failed") {
                let cause =
                    "an action needs the outcome `failed`, for a shop that can't be reached";
                self.add(fault::MISSING, action.name.at, cause);
            }
            if let Some((_, facts)) = action.outcomes.iter().find(|(n, _)| n.text == "failed")
                && let Some(fact) = facts.first()
            {
                let cause = "the outcome `failed` brings no facts";
                self.add(fault::UNKNOWN_FACT, fact.at, cause);
            }
            for (slot, _) in &action.inputs {
                self.slot(slot);
            }
            for (_, facts) in &action.outcomes {
                for fact in facts {
                    let special = Special::ALL.iter().any(|s| s.name() == fact.text);
                    if special {
                        let cause =
                            format!("{} is the dialogue's own placeholder", quote(&fact.text));
                        self.add(fault::DUPLICATE, fact.at, cause);
                    }
                }
            }
        }
    }

    fn intents(&mut self, known: &[&str]) {
        let all: Vec<&Name> = self.source.flows.iter().flat_map(|f| &f.intents).collect();
        for (i, intent) in all.iter().enumerate() {
            let name = intent.text.as_str();
            if all[..i].iter().any(|other| other.text == name) {
                let cause = format!("the intent {} begins two flows", quote(name));
                self.add(fault::DUPLICATE, intent.at, cause);
            }
            if ACTS.contains(&name) {
                let cause = format!("the intent {} is the dialogue's own", quote(name));
                self.add(fault::UNKNOWN_INTENT, intent.at, cause);
            } else if !known.is_empty() && !known.contains(&name) {
                let cause = format!("no model knows the intent {}", quote(name));
                self.add(fault::UNKNOWN_INTENT, intent.at, cause);
            }
        }
        if self.source.flows.is_empty() && !self.source.lacks_flows {
            self.add(fault::MISSING, 0, "there is no flow that could be read");
        }
    }

    fn holes(&mut self, phrase: &Phrase, may: &[&str]) {
        for hole in phrase.holes().filter(|hole| !may.contains(hole)) {
            let cause = format!("nothing fills the placeholder {{{hole}}} here");
            self.add(fault::PLACEHOLDER, phrase.at, cause);
        }
    }

    fn slot(&mut self, name: &Name) -> Option<usize> {
        let found = self.source.slot(&name.text);
        if found.is_none() && !self.source.broken.contains(&name.text) {
            let cause = format!("there is no slot {}", quote(&name.text));
            self.add(fault::UNKNOWN_SLOT, name.at, cause);
        }
        found
    }

    fn action(&mut self, name: &Name) -> Option<&'s Action> {
        let found = self.source.action(&name.text);
        if found.is_none() && !self.source.broken.contains(&name.text) {
            let cause = format!("there is no action {}", quote(&name.text));
            self.add(fault::UNKNOWN_ACTION, name.at, cause);
        }
        found.map(|i| &self.source.actions[i])
    }

    fn fact(&mut self, name: &Name) -> Option<usize> {
        let found = self.facts.iter().position(|fact| *fact == name.text);
        if found.is_none() && self.source.broken.is_empty() {
            let cause = format!("no action returns a fact {}", quote(&name.text));
            self.add(fault::UNKNOWN_FACT, name.at, cause);
        }
        found
    }

    fn flow(&mut self, flow: &'s Flow) {
        self.holes(&flow.title, &[]);
        let before = self.faults.len();
        if flow.state(&flow.start.text).is_none() && !flow.broken.contains(&flow.start.text) {
            let cause = format!("the flow has no state {}", quote(&flow.start.text));
            self.add(fault::UNKNOWN_STATE, flow.start.at, cause);
        }
        for state in &flow.states {
            for to in targets(&state.step) {
                if flow.state(&to.text).is_none() && !flow.broken.contains(&to.text) {
                    let cause = format!("the flow has no state {}", quote(&to.text));
                    self.add(fault::UNKNOWN_STATE, to.at, cause);
                }
            }
            for slot in &state.forget {
                self.slot(slot);
            }
            self.names(&state.step);
        }
        // A walk over states that lead nowhere would find faults that aren't.
        if self.faults.len() == before && flow.broken.is_empty() && self.source.broken.is_empty() {
            self.walk(flow);
        }
    }

    fn names(&mut self, step: &Step) {
        match step {
            Step::Ask { slot, .. } => drop(self.slot(slot)),
            Step::Confirm { slots, .. } => {
                for slot in slots {
                    self.slot(slot);
                }
            }
            Step::Choose { rules, .. } => {
                for rule in rules {
                    match rule.fact {
                        true => drop(self.fact(&rule.subject)),
                        false => self.choice_of(&rule.subject, &rule.test),
                    }
                }
            }
            Step::Call { action, on } => {
                let Some(action) = self.action(action) else {
                    return;
                };
                for (outcome, _) in on {
                    let known = action.outcomes.iter().any(|(n, _)| n.text == outcome.text);
                    if !known {
                        let cause = format!("the action has no outcome {}", quote(&outcome.text));
                        self.add(fault::UNKNOWN_OUTCOME, outcome.at, cause);
                    }
                }
                for (outcome, _) in &action.outcomes {
                    if !on.iter().any(|(name, _)| name.text == outcome.text) {
                        let at = on.first().map_or(action.name.at, |(name, _)| name.at);
                        let name = quote(&action.name.text);
                        let cause =
                            format!("nothing follows the outcome `{}` of {name}", outcome.text);
                        self.add(fault::UNHANDLED, at, cause);
                    }
                }
            }
            Step::Say { .. } | Step::End { .. } | Step::Person { .. } => {}
        }
    }

    fn choice_of(&mut self, slot: &Name, test: &Test) {
        let Some(slot) = self.slot(slot) else { return };
        let choices = &self.source.slots[slot].choices;
        if let Test::Is(value) | Test::IsNot(value) = test
            && !choices.is_empty()
            && !choices.iter().any(|c| c.name.text == value.text)
        {
            let cause = format!("the slot has no choice {}", quote(&value.text));
            self.add(fault::UNKNOWN_SLOT, value.at, cause);
        }
    }

    /// What a state leads to, with what is then known.
    fn after(&self, flow: &Flow, state: usize, mut known: Known) -> Vec<(usize, Known)> {
        let bit = |name: &Name| self.source.slot(&name.text).map_or(0, |i| 1_u128 << i);
        let fact = |name: &str| {
            let place = self.facts.iter().position(|fact| *fact == name);
            place.map_or(0, |i| 1_u128 << i)
        };
        let to = |name: &Name| flow.state(&name.text).unwrap_or(0);
        let at = &flow.states[state];
        for slot in &at.forget {
            known.filled &= !bit(slot);
            known.confirmed &= !bit(slot);
        }
        match &at.step {
            Step::Ask { slot, next } => {
                known.filled |= bit(slot);
                vec![(to(next), known)]
            }
            Step::Say { next, .. } => vec![(to(next), known)],
            Step::Confirm { yes, no, slots, .. } => {
                let mut right = known;
                right.confirmed |= slots.iter().fold(0, |bits, slot| bits | bit(slot));
                vec![(to(yes), right), (to(no), known)]
            }
            Step::Call { action, on } => {
                let action = self.source.action(&action.text);
                let Some(action) = action.map(|i| &self.source.actions[i]) else {
                    return Vec::new();
                };
                if action.commits {
                    known.confirmed = 0;
                }
                let each = on.iter().map(|(outcome, next)| {
                    let mut known = known;
                    let found = action.outcomes.iter().find(|(n, _)| n.text == outcome.text);
                    for name in found.map_or(&[][..], |(_, facts)| facts) {
                        known.facts |= fact(&name.text);
                    }
                    (to(next), known)
                });
                each.collect()
            }
            Step::Choose { rules, other } => {
                let each = rules.iter().map(|rule| {
                    let mut then = known;
                    if !matches!(rule.test, Test::IsNot(_)) {
                        match rule.fact {
                            true => then.facts |= fact(&rule.subject.text),
                            false => then.filled |= bit(&rule.subject),
                        }
                    }
                    (to(&rule.to), then)
                });
                each.chain([(to(other), known)]).collect()
            }
            Step::End { .. } | Step::Person { .. } => Vec::new(),
        }
    }

    fn walk(&mut self, flow: &'s Flow) {
        let Some(start) = flow.state(&flow.start.text) else {
            return;
        };
        let count = flow.states.len();
        let mut known: Vec<Option<Known>> = vec![None; count];
        known[start] = Some(Known::NOTHING);
        let mut open = vec![start];
        while let Some(state) = open.pop() {
            let here = known[state].unwrap_or(Known::NOTHING);
            for (to, then) in self.after(flow, state, here) {
                let met = known[to].map_or(then, |old| old.and(then));
                if known[to] != Some(met) {
                    known[to] = Some(met);
                    open.push(to);
                }
            }
        }
        let next: Vec<Vec<usize>> = (flow.states.iter())
            .map(|state| {
                let to = targets(&state.step).into_iter();
                to.filter_map(|name| flow.state(&name.text)).collect()
            })
            .collect();
        let leaves = |state: usize| {
            let mut seen = vec![false; count];
            let mut open = vec![state];
            while let Some(at) = open.pop() {
                if next[at].is_empty() {
                    return true;
                }
                if !std::mem::replace(&mut seen[at], true) {
                    open.extend(&next[at]);
                }
            }
            false
        };
        for (i, state) in flow.states.iter().enumerate() {
            let name = quote(&state.name.text);
            let Some(here) = known[i] else {
                let cause = format!("no way leads to the state {name}");
                self.add(fault::UNREACHABLE, state.name.at, cause);
                continue;
            };
            if !leaves(i) {
                let cause = format!("no way from the state {name} ends or fetches a person");
                self.add(fault::DEAD_END, state.name.at, cause);
            } else if self.spins(flow, &next, i) {
                let cause = format!("the state {name} can come back without asking anything new");
                self.add(fault::LOOP, state.name.at, cause);
            }
            self.needs(flow, i, here);
        }
    }

    /// Whether a state lies on a loop in which no state is sure to ask the customer.
    fn spins(&self, flow: &Flow, next: &[Vec<usize>], state: usize) -> bool {
        let asks = |at: usize, forgotten: &[&str]| match &flow.states[at].step {
            Step::Confirm { .. } => true,
            Step::Ask { slot, .. } => forgotten.contains(&slot.text.as_str()),
            _ => false,
        };
        let reaches = |from: usize, to: usize| {
            let mut seen = vec![false; next.len()];
            let mut open = next[from].clone();
            while let Some(at) = open.pop() {
                if at == to {
                    return true;
                }
                if !std::mem::replace(&mut seen[at], true) {
                    open.extend(&next[at]);
                }
            }
            false
        };
        // What the states of its own loops forget.
        let ring = (0..next.len()).filter(|at| reaches(state, *at) && reaches(*at, state));
        let forgotten: Vec<&str> = ring
            .flat_map(|at| flow.states[at].forget.iter().map(|slot| slot.text.as_str()))
            .collect();
        if asks(state, &forgotten) {
            return false;
        }
        let mut seen = vec![false; next.len()];
        let mut open = next[state].clone();
        while let Some(at) = open.pop() {
            if at == state {
                return true;
            }
            if !asks(at, &forgotten) && !std::mem::replace(&mut seen[at], true) {
                open.extend(&next[at]);
            }
        }
        false
    }

    /// What a state needs to be known.
    fn needs(&mut self, flow: &'s Flow, state: usize, known: Known) {
        let at = &flow.states[state];
        let source = self.source;
        let mut known = known;
        for name in &at.forget {
            if let Some(i) = source.slot(&name.text) {
                known.filled &= !(1 << i);
                known.confirmed &= !(1 << i);
            }
        }
        let filled = |name: &str| {
            let slot = source.slot(name);
            slot.is_some_and(|i| known.filled >> i & 1 == 1)
        };
        let phrase = match &at.step {
            Step::Say { reply, .. } | Step::Confirm { reply, .. } => Some(reply),
            Step::End { reply } => reply.as_ref(),
            _ => None,
        };
        if let Some(phrase) = phrase {
            let facts = &self.facts;
            let fact = |name: &str| {
                let place = facts.iter().position(|fact| *fact == name);
                place.is_some_and(|i| known.facts >> i & 1 == 1)
            };
            let may: Vec<&str> = phrase.holes().filter(|h| filled(h) || fact(h)).collect();
            self.holes(phrase, &may);
        }
        if let Step::Confirm { slots, .. } = &at.step {
            for slot in slots.iter().filter(|slot| !filled(&slot.text)) {
                let cause = format!("{} may be empty when it is confirmed", quote(&slot.text));
                self.add(fault::NOT_FILLED, slot.at, cause);
            }
        }
        if let Step::Call { action, .. } = &at.step
            && let Some(own) = source.action(&action.text).map(|i| &source.actions[i])
        {
            for (slot, required) in &own.inputs {
                let Some(bit) = source.slot(&slot.text) else {
                    continue;
                };
                let name = quote(&slot.text);
                if *required && !filled(&slot.text) {
                    let cause = format!("the slot {name} may be empty at this call");
                    self.add(fault::NOT_FILLED, action.at, cause);
                } else if *required && own.commits && known.confirmed >> bit & 1 == 0 {
                    let cause =
                        format!("the call changes something, and {name} may be unconfirmed");
                    self.add(fault::NOT_CONFIRMED, action.at, cause);
                }
            }
        }
    }

    fn unused(&mut self) {
        let source = self.source;
        let is_broken = source.flows.iter().any(|flow| !flow.broken.is_empty());
        if is_broken || source.lacks_flows || !source.broken.is_empty() {
            return;
        }
        let steps = || source.flows.iter().flat_map(|f| &f.states).map(|s| &s.step);
        for slot in &source.slots {
            let name = &slot.name.text;
            let asked =
                steps().any(|step| matches!(step, Step::Ask { slot, .. } if slot.text == *name));
            if !asked {
                let cause = format!("no state asks for the slot {}", quote(name));
                self.add(fault::NEVER_ASKED, slot.name.at, cause);
            }
        }
        for action in &source.actions {
            let name = &action.name.text;
            let called = steps()
                .any(|step| matches!(step, Step::Call { action, .. } if action.text == *name));
            if !called {
                let cause = format!("no state calls the action {}", quote(name));
                self.add(fault::NEVER_CALLED, action.name.at, cause);
            }
        }
    }
}
