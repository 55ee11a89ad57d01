//! From state to state, until the customer, the shop or a person is needed.

use core::cmp::Reverse;

use crate::flow::{Condition, Setting, Step, System};

use super::belief::Belief;
use super::memory::Entry;
use super::render::{Own, render, shown};
use super::state::{Asking, Frame, Pending};
use super::turn::Turn;
use super::{Call, Expects};

/// States that are passed in one turn.
const MOST_STEPS: usize = 256;

impl<B: AsRef<[u8]>> Turn<'_, B> {
    pub(super) fn say(&mut self, reply: u32) {
        let frame = self.state.frames.last();
        let text = render(
            self.flows,
            self.state.chinese,
            reply,
            frame,
            &Own::default(),
        );
        self.out.replies.push(text);
    }

    pub(super) fn say_own(&mut self, system: System, own: &Own) {
        let reply = self.flows.system(system);
        let text = render(self.flows, self.state.chinese, reply, None, own);
        self.out.replies.push(text);
    }

    pub(super) fn label(&self, reply: u32) -> String {
        render(self.flows, self.state.chinese, reply, None, &Own::default())
    }

    pub(super) fn title(&self, flow: u32) -> Own {
        Own {
            title: self.label(self.flows.flow(flow).title),
            ..Own::default()
        }
    }

    /// A slot's label and value, to be said.
    pub(super) fn of_slot(&self, slot: u32) -> Own {
        let beliefs = self.state.frames.last().map(|frame| &frame.beliefs);
        let belief = beliefs.into_iter().flatten().find(|b| b.slot == slot);
        let value = belief.and_then(|b| b.best()).map_or("", |(value, _)| value);
        Own {
            slot: self.label(self.flows.slot(slot).label),
            value: shown(self.flows, self.state.chinese, slot, value),
            ..Own::default()
        }
    }

    /// Begins a flow. One that is under way waits.
    pub(super) fn start(&mut self, flow: u32) {
        if let Some(under_way) = self.state.frames.last() {
            let own = self.title(under_way.flow);
            self.say_own(System::Later, &own);
            if self.state.frames.len() > self.flows.setting(Setting::Depth) as usize {
                self.state.frames.remove(0);
            }
        }
        let slots = self.flows.flow(flow).slots;
        let mut beliefs = Vec::new();
        // Between sure and unsure: the customer is asked whether it is still the same.
        let maybe = (self.flows.share(Setting::Sure) + self.flows.share(Setting::Unsure)) / 2.0;
        for slot in slots.iter().filter(|slot| self.flows.slot(*slot).keep) {
            let known = match self.sure(slot) {
                Some(value) => Some(value),
                None => {
                    let mut kept = self.state.kept.iter();
                    kept.find(|(s, _)| *s == slot).map(|(_, v)| v.as_str())
                }
            };
            if let Some(value) = known {
                let mut belief = Belief::new(slot);
                belief.replace(value, maybe);
                beliefs.push(belief);
            }
        }
        self.state.frames.push(Frame {
            flow,
            state: self.flows.flow(flow).start,
            retries: 0,
            beliefs,
            facts: Vec::new(),
        });
        self.state.asking = Asking::Anything;
    }

    /// Goes to a state. Whether a person is better now.
    fn go(&mut self, to: u32) -> bool {
        let most = self.flows.setting(Setting::FailedTurns);
        let forgets = self.flows.forgets(to);
        let Some(frame) = self.state.frames.last_mut() else {
            return false;
        };
        frame.state = to;
        if forgets.is_empty() {
            return false;
        }
        for slot in forgets.iter() {
            let of_slot = frame.beliefs.iter().find(|belief| belief.slot == slot);
            if let Some((value, _)) = of_slot.and_then(|belief| belief.best()) {
                let memory = &mut self.state.memory;
                memory.retain(|entry| entry.place > 0 || entry.value != value);
            }
            frame.beliefs.retain(|belief| belief.slot != slot);
            self.state.kept.retain(|(kept, _)| *kept != slot);
        }
        frame.retries = frame.retries.saturating_add(1);
        u32::from(frame.retries) >= most
    }

    /// Begins the flow under way anew with the values that are known.
    pub(super) fn rerun(&mut self) {
        if let Some(frame) = self.state.frames.last_mut() {
            frame.state = self.flows.flow(frame.flow).start;
            frame.facts.clear();
            for belief in &mut frame.beliefs {
                belief.confirmed = false;
            }
        }
        self.run();
    }

    pub(super) fn go_and_run(&mut self, to: u32) {
        match self.go(to) {
            true => self.hand_over("too_many_tries"),
            false => self.run(),
        }
    }

    /// Walks on until somebody is needed.
    pub(super) fn run(&mut self) {
        for _ in 0..MOST_STEPS {
            let Some(frame) = self.state.frames.last() else {
                self.state.asking = Asking::Anything;
                return;
            };
            let next = match self.flows.step(frame.state) {
                Step::Ask { slot, next } => match self.sure(slot).map(str::to_owned) {
                    Some(value) => {
                        if self.flows.slot(slot).keep {
                            self.state.keep(slot, &value);
                        }
                        next
                    }
                    None => return self.ask(slot),
                },
                Step::Say { reply, next } => {
                    self.say(reply);
                    next
                }
                Step::Choose { rules, other } => {
                    let mut rules = self.flows.rules(rules);
                    let holds = rules.find(|rule| self.holds(rule.when));
                    holds.map_or(other, |rule| rule.to)
                }
                Step::Confirm { reply, slots, .. } => {
                    if let Some(back) = slots.iter().find(|slot| self.sure(*slot).is_none())
                        && let Some(state) = self.state_that(
                            |step| matches!(step, Step::Ask { slot, .. } if *slot == back),
                        )
                    {
                        state
                    } else {
                        self.say(reply);
                        self.state.asking = Asking::Confirm;
                        return;
                    }
                }
                Step::Call { action, .. } => match self.lacks(action) {
                    Some(Some(state)) => state,
                    Some(None) => return self.hand_over("not_confirmed"),
                    None => return self.call(action),
                },
                Step::End { reply } => {
                    if let Some(reply) = reply {
                        self.say(reply);
                    }
                    self.state.frames.pop();
                    match self.state.frames.last() {
                        Some(frame) => {
                            let (own, state) = (self.title(frame.flow), frame.state);
                            self.say_own(System::Resume, &own);
                            state
                        }
                        None => {
                            self.say_own(System::AnythingElse, &Own::default());
                            self.state.asking = Asking::Anything;
                            return;
                        }
                    }
                }
                Step::Person { reason } => {
                    let reason = reason.to_owned();
                    return self.hand_over(&reason);
                }
            };
            let here = self.state.frames.last().map(|frame| frame.state);
            if here != Some(next) && self.go(next) {
                return self.hand_over("too_many_tries");
            }
        }
        self.hand_over("lost");
    }

    fn holds(&self, when: Condition<'_>) -> bool {
        let fact = |fact: u32| {
            let facts = &self.state.frames.last()?.facts;
            let found = facts.iter().find(|(name, _)| *name == fact)?;
            Some(found.1.as_str())
        };
        match when {
            Condition::Slot(slot, value, right) => (self.sure(slot) == Some(value)) == right,
            Condition::SlotKnown(slot) => self.sure(slot).is_some(),
            Condition::Fact(name, value, right) => (fact(name) == Some(value)) == right,
            Condition::FactKnown(name) => fact(name).is_some(),
        }
    }

    /// The first state of the flow under way whose step is such.
    fn state_that(&self, is: impl Fn(&Step<'_>) -> bool) -> Option<u32> {
        let frame = self.state.frames.last()?;
        let (first, count) = self.flows.flow(frame.flow).states;
        (first..first + count).find(|state| is(&self.flows.step(*state)))
    }

    /// What a call still needs: the state that asks for it, if there is one. `None` where
    /// nothing is missing.
    fn lacks(&self, action: u32) -> Option<Option<u32>> {
        let commits = self.flows.commits(action);
        for (input, required) in self.flows.inputs(action) {
            if !required {
                continue;
            }
            if self.sure(input).is_none() {
                let asks =
                    |step: &Step<'_>| matches!(step, Step::Ask { slot, .. } if *slot == input);
                return Some(self.state_that(asks));
            }
            let beliefs = self.state.frames.last().map(|frame| &frame.beliefs);
            let mut beliefs = beliefs.into_iter().flatten();
            if commits && !beliefs.any(|b| b.slot == input && b.confirmed) {
                let confirms = |step: &Step<'_>| match step {
                    Step::Confirm { slots, .. } => slots.iter().any(|slot| slot == input),
                    _ => false,
                };
                return Some(self.state_that(confirms));
            }
        }
        None
    }

    fn call(&mut self, action: u32) {
        let id = self.state.calls.wrapping_add(1);
        self.state.calls = id;
        let mut inputs = Vec::new();
        for (slot, _) in self.flows.inputs(action) {
            if let Some(value) = self.sure(slot) {
                inputs.push((self.flows.slot(slot).name.to_owned(), value.to_owned()));
            }
        }
        let commits = self.flows.commits(action);
        if commits && let Some(frame) = self.state.frames.last_mut() {
            for belief in &mut frame.beliefs {
                belief.confirmed = false;
            }
        }
        self.out.call = Some(Call {
            id,
            action: self.flows.action_name(action).to_owned(),
            inputs,
            commits,
        });
        self.state.pending = Some(Pending {
            id,
            action,
            since: self.state.now,
        });
        self.state.asking = Asking::Call;
    }

    fn ask(&mut self, slot: u32) {
        let unsure = self.flows.share(Setting::Unsure);
        let maybe = (self.belief(slot)).is_some_and(|b| b.value_above(unsure).is_some());
        if maybe {
            let own = self.of_slot(slot);
            self.say_own(System::Check, &own);
            self.state.asking = Asking::Check;
        } else {
            self.say(self.flows.slot(slot).prompt);
            self.state.asking = Asking::Slot;
        }
    }

    /// Says once more what is waited for.
    pub(super) fn prompt(&mut self) {
        if let Some(between) = &self.state.between {
            return self.say_which(between.flows);
        }
        let step = self.state.frames.last().map(|f| self.flows.step(f.state));
        match (self.state.asking, step) {
            (Asking::Slot | Asking::Check, Some(Step::Ask { slot, .. })) => self.ask(slot),
            (Asking::Confirm | Asking::Which, Some(Step::Confirm { reply, .. })) => {
                self.say(reply);
                self.state.asking = Asking::Confirm;
            }
            (Asking::Call, _) => self.say_own(System::Moment, &Own::default()),
            _ => {}
        }
    }

    /// Fetches a person.
    pub(super) fn hand_over(&mut self, why: &str) {
        self.out.call = None;
        self.state.pending = None;
        self.state.between = None;
        self.state.asking = Asking::Person;
        self.state.person = Some(why.to_owned());
        self.say_own(System::Person, &Own::default());
    }

    /// What is waited for, and short answers to it.
    pub(super) fn close(&mut self) {
        let place = self.state.frames.last().map(|frame| {
            let flow = self.flows.flow(frame.flow).name.to_owned();
            (flow, self.flows.state_name(frame.state).to_owned())
        });
        let system = |system| self.label(self.flows.system(system));
        let yes_no = || vec![system(System::Yes), system(System::No)];
        let between = self.state.between.as_ref().map(|between| between.flows);
        let titles = between.map(|flows| flows.map(|it| self.label(self.flows.flow(it).title)));
        let (expects, quick) = match self.state.asking {
            _ if titles.is_some() => (Expects::Anything, titles.into_iter().flatten().collect()),
            Asking::Anything => {
                let titles = (0..self.flows.len()).map(|flow| self.flows.flow(flow).title);
                let quick = titles.map(|title| self.label(title)).collect();
                (Expects::Anything, quick)
            }
            Asking::Slot => match self.asked() {
                Some(row) => {
                    let slot = self.flows.slot(row);
                    let expects = Expects::Slot {
                        slot: slot.name.to_owned(),
                        entity: slot.entity.to_owned(),
                    };
                    (expects, self.offers(row))
                }
                None => (Expects::Anything, Vec::new()),
            },
            Asking::Check | Asking::Confirm => (Expects::YesNo, yes_no()),
            Asking::Which => (Expects::Anything, self.confirmed_labels()),
            Asking::Call => (Expects::Outcome, Vec::new()),
            Asking::Person => (Expects::Person, Vec::new()),
        };
        let waits =
            between.is_some() || !matches!(self.state.asking, Asking::Anything | Asking::Person);
        self.out.nudge_ms = match self.state.asking {
            Asking::Call => Some(self.flows.setting(Setting::CallMs)),
            _ => waits.then(|| self.flows.setting(Setting::NudgeMs)),
        };
        self.out.place = place;
        self.out.expects = expects;
        self.out.quick = quick;
        self.out.person = self.state.person.clone();
        self.out.satisfaction = self.state.mood.satisfaction();
    }

    /// Answers to offer: a slot's choices, or what was shown or named of its kind.
    fn offers(&self, row: u32) -> Vec<String> {
        let slot = self.flows.slot(row);
        let (first, count) = slot.choices;
        if count > 0 {
            let labels = (first..first + count).map(|c| self.flows.choice(c).1);
            return labels.map(|label| self.label(label)).collect();
        }
        let known = self.state.memory.iter().rev();
        let mut known: Vec<&Entry> = known.filter(|entry| entry.kind == slot.entity).collect();
        // The newest first; of one list, in its order.
        known.sort_by_key(|entry| (Reverse(entry.turn), entry.place));
        let mut offers: Vec<String> = Vec::new();
        for entry in known {
            let value = shown(self.flows, self.state.chinese, row, &entry.value);
            if offers.len() < 3 && !offers.contains(&value) {
                offers.push(value);
            }
        }
        offers
    }

    /// The labels of what the state under way confirms.
    pub(super) fn confirmed_labels(&self) -> Vec<String> {
        let labels = self.confirms().into_iter();
        labels
            .map(|slot| self.label(self.flows.slot(slot).label))
            .collect()
    }

    pub(super) fn confirms(&self) -> Vec<u32> {
        let step = self.state.frames.last().map(|f| self.flows.step(f.state));
        match step {
            Some(Step::Confirm { slots, .. }) => slots.iter().collect(),
            _ => Vec::new(),
        }
    }
}
