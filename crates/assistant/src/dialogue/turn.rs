//! One turn: what was said, what a call brought, or silence.

use shelfedge_features::text::Text;

use crate::flow::{ENTITY_KINDS, Flows, Setting, Step, System};

use super::belief;
use super::fill::Filled;
use super::memory::{self, Entry, Reference};
use super::policy::{Action, Choose};
use super::render::Own;
use super::state::{Asking, LONGEST_FACT, LONGEST_SAID, State, StateError, clip};
use super::{Entity, Event, Expects, Heard, Input, Item, Language, Misfit, Outcome, Output};

/// Belief above which something that is named is meant.
const NAMED: f32 = 0.55;
/// Turns with swearing after which a person takes over.
const SWEARS: u8 = 3;
/// Probability from which thanks are met where nothing else is under way.
const THANKED: f32 = 0.4;
const YESES: [&str; 9] = ["yes", "yeah", "yep", "ok", "okay", "sure", "是", "好", "对"];
/// Words that limit a yes.
const LIMITS: [&str; 13] = [
    "but", "except", "not", "only if", "first", "unless", "too", "但是", "不过", "除了", "先",
    "另外", "可是",
];
/// The name of the fact that lists what a call found.
const ITEMS: &str = "items";
/// The outcome of a call that brought nothing.
const FAILED: &str = "failed";
const MOST_ITEMS: usize = 10;

pub(super) struct Turn<'a, B> {
    pub(super) flows: &'a Flows<B>,
    pub(super) state: State,
    pub(super) out: Output,
    pub(super) text: Text,
    /// Whether the customer was away for so long that nothing more was said.
    away: bool,
}

pub(super) fn turn<B: AsRef<[u8]>>(
    flows: &Flows<B>,
    state: &[u8],
    input: &Input<'_>,
    choose: &mut Choose<'_>,
) -> Result<Output, StateError> {
    let begins = state.is_empty();
    let state = State::read(flows, state)?;
    let mut turn = Turn {
        flows,
        state,
        out: Output::default(),
        text: Text::default(),
        away: false,
    };
    let gap = input.now.saturating_sub(turn.state.now);
    // A clock that goes back stands still.
    turn.state.now = turn.state.now.max(input.now);
    if begins {
        turn.state.now = input.now;
    }
    let done = match &input.event {
        Event::Done(outcome) => turn.done(outcome),
        _ => false,
    };
    if !done {
        turn.call_timeout();
    }
    match &input.event {
        Event::Said(heard) => turn.said(heard, if begins { 0 } else { gap }, choose),
        Event::Silence => turn.silence(),
        Event::Done(_) => {}
    }
    turn.close();
    let said = turn.out.replies.join("\n");
    if !said.is_empty() {
        turn.state.said = clip(&said, LONGEST_SAID);
    }
    turn.out.language = turn.language();
    turn.out.state = turn.state.write(flows.digest());
    Ok(turn.out)
}

pub(super) fn awaits<B: AsRef<[u8]>>(
    flows: &Flows<B>,
    state: &[u8],
) -> Result<(Language, Expects), StateError> {
    let mut turn = Turn {
        flows,
        state: State::read(flows, state)?,
        out: Output::default(),
        text: Text::default(),
        away: false,
    };
    turn.close();
    Ok((turn.language(), turn.out.expects))
}

pub(super) fn misfits<B: AsRef<[u8]>>(
    flows: &Flows<B>,
    state: &[u8],
    outcome: &Outcome<'_>,
) -> Result<Vec<Misfit>, StateError> {
    let pending = State::read(flows, state)?.pending;
    let Some(pending) = pending.filter(|it| it.id == outcome.call && outcome.name != FAILED) else {
        return Ok(Vec::new());
    };
    let mut outcomes = flows.outcomes(pending.action);
    let Some((_, facts)) = outcomes.find(|(name, _)| *name == outcome.name) else {
        let names = flows.outcomes(pending.action).map(|(name, _)| name);
        return Ok(vec![Misfit::Name {
            action: flows.action_name(pending.action).to_owned(),
            outcomes: names.map(str::to_owned).collect(),
        }]);
    };
    let lacks = |name: &str| {
        let mut given = outcome.facts.iter().filter(|(given, _)| *given == name);
        given
            .next()
            .is_none_or(|(_, value)| value.trim().is_empty())
    };
    let mut misfits = Vec::new();
    for fact in facts.iter() {
        match flows.fact(fact) {
            ITEMS if outcome.items.is_empty() => misfits.push(Misfit::Items),
            ITEMS => {}
            name if lacks(name) => misfits.push(Misfit::Fact(name.to_owned())),
            _ => {}
        }
    }
    let unknown = |(_, item): &(usize, &Item<'_>)| !ENTITY_KINDS.contains(&item.kind);
    let items = outcome.items.iter().enumerate().filter(unknown);
    misfits.extend(items.map(|(place, _)| Misfit::Kind(place)));
    Ok(misfits)
}

/// FNV-1a of a text's tokens.
fn number(text: &Text) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for token in text.tokens() {
        for byte in text.normal(token).bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

impl<B: AsRef<[u8]>> Turn<'_, B> {
    const fn language(&self) -> Language {
        match self.state.chinese {
            true => Language::Chinese,
            false => Language::English,
        }
    }

    /// Takes a call's outcome. Whether it was waited for.
    fn done(&mut self, outcome: &Outcome<'_>) -> bool {
        let Some(pending) = self.state.pending.clone() else {
            return false;
        };
        if pending.id != outcome.call {
            return false;
        }
        let wanted = self.flows.outcomes(pending.action);
        let mut found = None;
        for (place, (name, facts)) in wanted.enumerate() {
            if name == outcome.name {
                found = Some((place, facts));
            }
        }
        let Some((place, facts)) = found else {
            self.call_failed();
            return true;
        };
        let mut brought = Vec::new();
        for fact in facts.iter() {
            let name = self.flows.fact(fact);
            let value = match name == ITEMS {
                true => self.show(outcome),
                false => {
                    let given = outcome.facts.iter().find(|(given, _)| *given == name);
                    given.map_or(String::new(), |(_, value)| value.trim().to_owned())
                }
            };
            if value.is_empty() {
                // A fact that should be there and isn't is never filled in.
                self.call_failed();
                return true;
            }
            brought.push((fact, clip(&value, LONGEST_FACT)));
        }
        if let Some(frame) = self.state.frames.last_mut() {
            for (fact, value) in brought {
                frame.facts.retain(|(old, _)| *old != fact);
                frame.facts.push((fact, value));
            }
        }
        self.follow(place);
        true
    }

    /// Notes what a call listed, and gives it as text.
    fn show(&mut self, outcome: &Outcome<'_>) -> String {
        let mut lines = Vec::new();
        for (i, item) in outcome.items.iter().take(MOST_ITEMS).enumerate() {
            let entry = Entry {
                kind: clip(item.kind, 40),
                value: item.value.to_owned(),
                label: item.label.to_owned(),
                turn: self.state.turns,
                place: i as u8 + 1,
            };
            lines.push(format!("{}. {}", i + 1, clip(item.label, memory::LONGEST)));
            memory::note(&mut self.state.memory, entry);
        }
        // An item that doesn't fit as a whole isn't shown.
        while lines.iter().map(|line| line.len() + 1).sum::<usize>() > LONGEST_FACT {
            lines.pop();
        }
        lines.join("\n")
    }

    fn follow(&mut self, place: usize) {
        self.state.pending = None;
        let step = self.state.frames.last().map(|f| self.flows.step(f.state));
        match step {
            Some(Step::Call { on, .. }) => match on.get(place) {
                Some(to) => self.go_and_run(to),
                None => self.hand_over("call_failed"),
            },
            _ => self.hand_over("call_failed"),
        }
    }

    fn call_failed(&mut self) {
        let Some(pending) = &self.state.pending else {
            return;
        };
        let mut outcomes = self.flows.outcomes(pending.action);
        match outcomes.position(|(name, _)| name == FAILED) {
            Some(place) => self.follow(place),
            None => self.hand_over("call_failed"),
        }
    }

    fn call_timeout(&mut self) {
        let most = i64::from(self.flows.setting(Setting::CallMs));
        let late = |since: i64| self.state.now.saturating_sub(since) >= most;
        if self.state.pending.as_ref().is_some_and(|p| late(p.since)) {
            self.call_failed();
        }
    }

    fn silence(&mut self) {
        let waits = match self.state.asking {
            Asking::Anything => self.state.between.is_some(),
            Asking::Person | Asking::Call => false,
            _ => true,
        };
        if !waits || !self.out.replies.is_empty() {
            return;
        }
        self.state.silences = self.state.silences.saturating_add(1);
        self.state.mood.silent += 1.0;
        match self.state.silences {
            1 => {
                self.say_own(System::StillThere, &Own::default());
                self.prompt();
            }
            2 => self.say_own(System::Left, &Own::default()),
            _ => {}
        }
    }

    fn said(&mut self, heard: &Heard<'_>, gap: i64, choose: &mut Choose<'_>) {
        self.state.turns = self.state.turns.saturating_add(1);
        self.away = self.state.silences > 1;
        self.state.silences = 0;
        self.text.read(heard.text);
        self.feel(heard);
        let (intent, chance) = best(heard);
        let switch = self.flows.share(Setting::Switch);
        let (act, sure) = (intent, chance >= switch);
        match heard.language {
            Language::English => self.state.chinese = false,
            Language::Chinese => self.state.chinese = true,
            Language::Other => {}
        }
        if act == "restart" && sure {
            return self.restart();
        }
        if act == "affirm" && sure && self.offered_a_person() {
            return self.hand_over("language");
        }
        if self.state.asking == Asking::Person {
            if self.out.replies.is_empty() {
                self.say_own(System::Waiting, &Own::default());
            }
            return;
        }
        if gap >= i64::from(self.flows.setting(Setting::StaleMs))
            && let Some(frame) = self.state.frames.last()
        {
            let own = self.title(frame.flow);
            self.say_own(System::WelcomeBack, &own);
        }
        let swore = self.flows.swearing().any(|w| memory::says(&self.text, w));
        if swore {
            self.state.mood.swore += 1.0;
            self.state.swears = self.state.swears.saturating_add(1);
            if self.state.swears >= SWEARS {
                return self.hand_over("upset");
            }
            self.say_own(System::Calm, &Own::default());
        }
        if heard.language == Language::Other {
            self.say_own(System::UnknownLanguage, &Own::default());
            return self.fail(None);
        }
        if !self.control(act, sure) {
            self.task(heard, intent, chance, choose);
        }
        let unsatisfied = self.state.mood.satisfaction() < self.flows.share(Setting::Satisfied);
        match self.state.asking {
            // What the customer has just said yes to is under way.
            Asking::Person | Asking::Call => {}
            asking if unsatisfied => {
                if asking != Asking::Anything || self.state.between.is_some() {
                    // Nobody has to answer that any more.
                    self.out.replies.pop();
                }
                self.hand_over("unsatisfied");
            }
            _ => {}
        }
    }

    /// Whether what was said last offers a person, as to whoever writes in another language.
    fn offered_a_person(&self) -> bool {
        let offers = self.flows.says(System::UnknownLanguage);
        let mut offers = offers.iter().filter(|offer| !offer.is_empty());
        offers.any(|offer| self.state.said.ends_with(offer.as_str()))
    }

    fn feel(&mut self, heard: &Heard<'_>) {
        self.state.mood.fade();
        if let Some(sentiment) = heard.sentiment {
            let level = f32::from(sentiment.level.clamp(-2, 2));
            let confidence = match sentiment.confidence {
                c if c > 0.0 => c.min(1.0),
                _ => 0.0,
            };
            self.state.mood.sentiment += level * confidence;
        }
        let number = number(&self.text);
        // Short answers such as "yes" come again for good reasons.
        if number == self.state.heard && self.text.tokens().len() > 2 {
            self.state.mood.repeated += 1.0;
        }
        self.state.heard = number;
    }

    fn restart(&mut self) {
        self.state = State {
            now: self.state.now,
            turns: self.state.turns,
            calls: self.state.calls,
            chinese: self.state.chinese,
            heard: self.state.heard,
            memory: std::mem::take(&mut self.state.memory),
            ..State::default()
        };
        self.say_own(System::Restarted, &Own::default());
    }

    /// What the dialogue itself answers. Whether it did.
    fn control(&mut self, act: &str, sure: bool) -> bool {
        let open = self.is_open_question();
        let nothing = Own::default();
        match act {
            "stop" if sure => self.stop(),
            "repeat" if sure && !self.state.said.is_empty() => {
                let said = self.state.said.clone();
                self.out.replies.push(said);
            }
            "help" if sure => {
                self.say_own(System::Help, &nothing);
                self.prompt();
            }
            "bye" if sure && !open => {
                self.say_own(System::Bye, &nothing);
                self.state.between = None;
                if self.state.asking != Asking::Call {
                    self.state.frames.clear();
                    self.state.asking = Asking::Anything;
                }
                self.out.ended = true;
            }
            "thanks" if sure && !open => {
                self.say_own(System::Thanks, &nothing);
                self.prompt();
            }
            "greet" if sure && !open => {
                self.say_own(System::Greet, &nothing);
                self.prompt();
            }
            _ => return false,
        }
        self.state.failed = 0;
        true
    }

    fn stop(&mut self) {
        let pending = self.state.pending.as_ref();
        if pending.is_some_and(|pending| self.flows.commits(pending.action)) {
            // What changes something and is under way can't be called back.
            return self.say_own(System::Moment, &Own::default());
        }
        self.state.pending = None;
        self.state.between = None;
        self.state.frames.pop();
        self.say_own(System::Stopped, &Own::default());
        if let Some(frame) = self.state.frames.last() {
            let own = self.title(frame.flow);
            self.say_own(System::Resume, &own);
        } else {
            self.say_own(System::AnythingElse, &Own::default());
        }
        self.run();
    }

    pub(super) fn is_open_question(&self) -> bool {
        let asked = self.asked();
        asked.is_some_and(|slot| self.flows.slot(slot).entity == "text")
    }

    /// The flow of an intent; of a text that only tells something, that which it begins by
    /// itself where nothing is under way.
    pub(super) fn flow_meant(&self, intent: &str, heard: &Heard<'_>) -> Option<u32> {
        match intent {
            "inform" if self.state.frames.is_empty() => {
                let mut named = heard.entities.iter().filter(|it| it.confidence > NAMED);
                let by_name = named.find_map(|it| self.flows.opened_by(it.kind));
                by_name.or_else(|| self.flow_of_listed())
            }
            _ => self.flows.flow_of(intent),
        }
    }

    /// The flow that one of a list begins, where the text picks it by its place.
    fn flow_of_listed(&self) -> Option<u32> {
        let Some(Reference::Nth(_)) = memory::reference(&self.text) else {
            return None;
        };
        let newest = self.state.memory.iter().rev().find(|it| it.place > 0)?;
        self.flows.opened_by(&newest.kind)
    }

    /// Whether a text names what is asked for.
    pub(super) fn answers(&self, heard: &Heard<'_>) -> bool {
        let asked = self.asked().map(|slot| self.flows.slot(slot).entity);
        let mut named = heard.entities.iter().filter(|it| it.confidence > NAMED);
        named.any(|it| asked == Some(it.kind))
    }

    /// What flows answer.
    fn task(&mut self, heard: &Heard<'_>, intent: &str, chance: f32, choose: &mut Choose<'_>) {
        if self.state.asking == Asking::Call {
            return self.say_own(System::Moment, &Own::default());
        }
        let asked_which = match self.state.between.take() {
            Some(between) => match self.which_flow(&between, heard) {
                Some(flow) => return self.take_up(flow, &between, heard),
                None => true,
            },
            None => false,
        };
        let moment = self.moment(heard, intent, chance, asked_which);
        let chosen = choose(&moment).filter(|it| moment.allowed[*it as usize]);
        let others = self.other_flows(heard);
        let begins = match chosen.unwrap_or(moment.rule) {
            Action::Clarify if self.clarify(heard) => return,
            Action::Begin => others.first(),
            Action::BeginSecond => others.get(1),
            Action::Follow | Action::Clarify => None,
        };
        if let Some((flow, _)) = begins {
            self.begin_both(*flow, heard);
            self.state.failed = 0;
            return self.run();
        }
        if self.state.frames.is_empty() {
            match (intent, chance >= 0.5) {
                ("deny", _) if asked_which => return self.say_own(System::Help, &Own::default()),
                ("thanks", _) if chance >= THANKED => {
                    return self.say_own(System::Thanks, &Own::default());
                }
                // To "Is there anything else?", or to nothing.
                ("affirm", true) => return self.say_own(System::Help, &Own::default()),
                ("deny", true) if self.state.turns > 1 => {
                    self.say_own(System::Bye, &Own::default());
                    self.out.ended = true;
                    return;
                }
                _ => {}
            }
            let system = match intent == "oos" && !self.text.tokens().is_empty() {
                true => System::OutOfScope,
                false => System::NotUnderstood,
            };
            return self.fail(Some(system));
        }
        // To which of two flows is meant, a yes or a no says nothing of what was asked before.
        let yes = intent == "affirm" && chance >= 0.5 && !asked_which;
        let no = intent == "deny" && chance >= 0.5 && !asked_which;
        let corrects = intent == "correct" && chance >= 0.5;
        let agrees = yes || !corrects && self.begins_with_yes();
        if agrees && self.state.asking == Asking::Confirm && self.says_more(heard) {
            // A yes to something else than what was asked commits to nothing.
            return self.not_followed();
        }
        let filled = self.fill(heard, no || corrects);
        let moved = match self.state.asking {
            Asking::Check => self.at_check(heard, &filled, yes, no || corrects),
            Asking::Confirm => self.at_confirm(&filled, yes, no, corrects),
            Asking::Which => self.at_which(&filled, no),
            _ => self.at_slot(&filled),
        };
        if moved {
            self.state.failed = 0;
        } else if no && self.state.asking == Asking::Slot && self.is_yes_or_no(heard) {
            // To a question that no no answers: the customer wants none of it.
            self.state.failed = 0;
            self.stop();
        } else if asked_which && intent == "deny" {
            // Neither of the two: what was asked is asked again.
            self.prompt();
        } else if asked_which || !self.clarify(heard) {
            self.not_followed();
        }
    }

    /// Begins the flow that a text asks for; what it also asks for waits below.
    fn begin_both(&mut self, flow: u32, heard: &Heard<'_>) {
        let also = heard.also.and_then(|also| {
            let other = self.flows.flow_of(also.intent)?;
            let waits = self.state.frames.iter().any(|frame| frame.flow == other);
            (other != flow && !waits).then_some((other, also.span))
        });
        let Some((other, (from, to))) = also else {
            self.begin(flow);
            self.fill(heard, false);
            return self.account(heard.text);
        };
        let within = |it: &Entity<'_>| from <= it.span.0 && it.span.1 <= to;
        let (theirs, ours): (Vec<Entity<'_>>, Vec<Entity<'_>>) =
            heard.entities.iter().partition(|it| within(it));
        let part = |from: usize, to: usize| heard.text.get(from..to).unwrap_or_default();
        let (from, to) = (from as usize, to as usize);
        let rest = [part(0, from), part(to, heard.text.len())].concat();
        for (flow, text, entities) in [(other, part(from, to), &theirs), (flow, &*rest, &ours)] {
            self.text.read(text);
            self.begin(flow);
            self.fill(&heard.part(entities, text), false);
            self.account(text);
        }
        self.text.read(heard.text);
    }

    /// Begins a flow, or goes on with it where it waits.
    pub(super) fn begin(&mut self, flow: u32) {
        let waits = self.state.frames.iter().position(|f| f.flow == flow);
        match waits {
            Some(waits) => {
                let frame = self.state.frames.remove(waits);
                self.state.frames.push(frame);
                self.state.asking = Asking::Anything;
            }
            None => self.start(flow),
        }
    }

    /// Nothing in the text was an answer.
    fn not_followed(&mut self) {
        if self.state.asking != Asking::Person {
            let again = self.asked().and_then(|slot| self.flows.slot(slot).again);
            match again {
                Some(again) if self.state.asking == Asking::Slot => {
                    self.say(again);
                    self.fail(None);
                }
                _ => {
                    self.fail(Some(System::NotUnderstood));
                    if self.state.asking != Asking::Person {
                        self.prompt();
                    }
                }
            }
        }
    }

    /// A turn that led nowhere.
    fn fail(&mut self, say: Option<System>) {
        self.state.failed = self.state.failed.saturating_add(1);
        self.state.mood.failed += 1.0;
        if u32::from(self.state.failed) >= self.flows.setting(Setting::FailedTurns) {
            self.out.replies.clear();
            return self.hand_over("not_understood");
        }
        if let Some(system) = say {
            self.say_own(system, &Own::default());
        }
    }

    pub(super) fn correct(&mut self, filled: &Filled) {
        for slot in filled.changed.clone() {
            if self.sure(slot).is_some() {
                let own = self.of_slot(slot);
                self.say_own(System::Corrected, &own);
            }
        }
        self.rerun();
    }

    fn at_slot(&mut self, filled: &Filled) -> bool {
        let asked = self.asked();
        let elsewhere =
            |slot: &u32| Some(*slot) != asked && self.flows.slot(*slot).entity == "text";
        if !filled.changed.is_empty() {
            self.correct(filled);
        } else if asked.is_some_and(|slot| !filled.took(slot)) && filled.new.iter().any(elsewhere) {
            // What the flow asks for first may be another thing now.
            self.rerun();
        } else if filled.any() {
            self.run();
        }
        filled.any()
    }

    fn at_check(&mut self, heard: &Heard<'_>, filled: &Filled, yes: bool, no: bool) -> bool {
        let Some(slot) = self.asked() else {
            return false;
        };
        if no
            && !filled.took(slot)
            && let Some(belief) = self.belief(slot)
        {
            belief.deny();
        }
        if filled.any() {
            return self.at_slot(filled);
        }
        // Who goes on to ask takes it as right.
        let asks = !yes && !no && self.asks_on(heard);
        if yes || asks {
            let value =
                (self.belief(slot).and_then(|b| b.best())).map(|(value, _)| value.to_owned());
            if let (Some(value), Some(belief)) = (value, self.belief(slot)) {
                belief.replace(&value, 0.95);
            }
            self.run();
        } else if no {
            self.run();
        }
        yes || no || asks
    }

    /// Takes a question as the text of the slot that is to hold it. Whether it is one.
    fn asks_on(&mut self, heard: &Heard<'_>) -> bool {
        let Some(frame) = self.state.frames.last() else {
            return false;
        };
        let (_, chance) = best(heard);
        let slots = self.flows.flow(frame.flow).slots;
        let opening = slots.iter().find(|slot| self.flows.slot(*slot).opening);
        let Some(slot) = opening.filter(|_| chance > 0.0 && memory::asks(&self.text, heard.text))
        else {
            return false;
        };
        let text = clip(heard.text.trim(), belief::LONGEST);
        if let Some(belief) = self.belief(slot) {
            belief.replace(&text, 1.0);
        }
        true
    }

    fn at_confirm(&mut self, filled: &Filled, yes: bool, no: bool, corrects: bool) -> bool {
        let step = self.state.frames.last().map(|f| self.flows.step(f.state));
        let Some(Step::Confirm {
            yes: right,
            no: wrong,
            ..
        }) = step
        else {
            return false;
        };
        if !filled.changed.is_empty() {
            self.correct(filled);
        } else if yes && self.away {
            // What a yes would commit to was shown long ago.
            self.prompt();
        } else if yes {
            for slot in self.confirms() {
                let sure = self.sure(slot).is_some();
                if let Some(belief) = self.belief(slot) {
                    belief.confirmed = sure;
                }
            }
            self.go_and_run(right);
        } else if corrects || no && self.says_a_number() {
            match self.confirms()[..] {
                [only] => self.forget(only),
                _ => {
                    self.say_own(System::Which, &Own::default());
                    self.state.asking = Asking::Which;
                }
            }
        } else if no {
            self.go_and_run(wrong);
        } else if filled.any() {
            self.rerun();
        } else {
            return false;
        }
        true
    }

    fn begins_with_yes(&self) -> bool {
        let first = self.text.tokens().first();
        first.is_some_and(|first| YESES.contains(&self.text.normal(first)))
    }

    /// Whether a text goes on behind a yes, with a condition or with something else.
    fn says_more(&self, heard: &Heard<'_>) -> bool {
        let mut limits = LIMITS.iter();
        let names = |slot: u32| {
            let value = self.sure(slot).map(str::to_lowercase);
            value.is_some_and(|value| heard.text.to_lowercase().contains(&value))
        };
        let repeats = self.confirms().into_iter().any(names);
        limits.any(|word| memory::says(&self.text, word)) || self.says_a_number() && !repeats
    }

    /// Whether a text has digits, as no plain no has.
    fn says_a_number(&self) -> bool {
        let mut tokens = self.text.tokens().iter();
        tokens.any(|token| self.text.normal(token).bytes().any(|b| b.is_ascii_digit()))
    }

    fn at_which(&mut self, filled: &Filled, no: bool) -> bool {
        if filled.any() {
            self.correct(filled);
            return true;
        }
        let named = (self.confirms().into_iter()).find(|slot| {
            let label = self.flows.reply(self.flows.slot(*slot).label);
            [label.en, label.zh].into_iter().any(|parts| {
                self.flows.parts(parts).any(|part| match part {
                    crate::flow::Part::Text(text) => memory::says(&self.text, text),
                    _ => false,
                })
            })
        });
        match named {
            Some(slot) => self.forget(slot),
            None if no => self.prompt(),
            None => return false,
        }
        true
    }

    /// Asks anew for a slot.
    fn forget(&mut self, slot: u32) {
        if let Some(frame) = self.state.frames.last_mut() {
            frame.beliefs.retain(|belief| belief.slot != slot);
        }
        self.rerun();
    }
}

/// The most probable intent.
fn best<'a>(heard: &Heard<'a>) -> (&'a str, f32) {
    let mut best = ("oos", 0.0);
    for (name, chance) in heard.intents {
        if *chance > best.1 {
            best = (name, *chance);
        }
    }
    best
}
