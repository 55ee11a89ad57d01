//! A file of flows as it was read, with the place of each name.

use super::super::format::{Setting, System};

/// A name and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) at: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Hole(String),
}

/// What is said, in both languages.
#[derive(Clone, Debug, Default)]
pub(super) struct Phrase {
    pub(super) at: usize,
    pub(super) en: Vec<Piece>,
    pub(super) zh: Vec<Piece>,
}

impl Phrase {
    pub(super) fn holes(&self) -> impl Iterator<Item = &str> {
        self.en
            .iter()
            .chain(&self.zh)
            .filter_map(|piece| match piece {
                Piece::Hole(name) => Some(name.as_str()),
                Piece::Text(_) => None,
            })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) name: Name,
    pub(super) label: Phrase,
    pub(super) words: Vec<Name>,
}

#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) name: Name,
    pub(super) entity: Name,
    pub(super) label: Phrase,
    pub(super) prompt: Phrase,
    pub(super) again: Option<Phrase>,
    pub(super) keep: bool,
    pub(super) opening: bool,
    pub(super) account: bool,
    pub(super) choices: Vec<Choice>,
}

#[derive(Clone, Debug)]
pub(super) struct Action {
    pub(super) name: Name,
    pub(super) commits: bool,
    pub(super) inputs: Vec<(Name, bool)>,
    pub(super) outcomes: Vec<(Name, Vec<Name>)>,
}

#[derive(Clone, Debug)]
pub(super) enum Test {
    Is(Name),
    IsNot(Name),
    Known,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) fact: bool,
    pub(super) subject: Name,
    pub(super) test: Test,
    pub(super) to: Name,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Ask {
        slot: Name,
        next: Name,
    },
    Say {
        reply: Phrase,
        next: Name,
    },
    Call {
        action: Name,
        on: Vec<(Name, Name)>,
    },
    Confirm {
        reply: Phrase,
        yes: Name,
        no: Name,
        slots: Vec<Name>,
    },
    Choose {
        rules: Vec<Rule>,
        other: Name,
    },
    End {
        reply: Option<Phrase>,
    },
    Person {
        reason: Name,
    },
}

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) name: Name,
    pub(super) forget: Vec<Name>,
    pub(super) step: Step,
}

#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) name: Name,
    pub(super) title: Phrase,
    pub(super) intents: Vec<Name>,
    pub(super) start: Name,
    pub(super) states: Vec<State>,
    /// States whose own faults keep them out of `states`.
    pub(super) broken: Vec<String>,
}

impl Flow {
    pub(super) fn state(&self, name: &str) -> Option<usize> {
        self.states.iter().position(|s| s.name.text == name)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) settings: [u32; Setting::ALL.len()],
    pub(super) replies: Vec<(System, Phrase)>,
    pub(super) swearing: Vec<Name>,
    pub(super) slots: Vec<Slot>,
    pub(super) actions: Vec<Action>,
    pub(super) flows: Vec<Flow>,
    /// Slots and actions whose own faults keep them out of the lists.
    pub(super) broken: Vec<String>,
    /// Whether a flow's own faults keep it out of the list.
    pub(super) lacks_flows: bool,
}

impl Source {
    pub(super) fn slot(&self, name: &str) -> Option<usize> {
        self.slots.iter().position(|s| s.name.text == name)
    }

    pub(super) fn action(&self, name: &str) -> Option<usize> {
        self.actions.iter().position(|a| a.name.text == name)
    }

    /// All facts that actions return, each once, sorted.
    pub(super) fn facts(&self) -> Vec<&str> {
        let outcomes = self.actions.iter().flat_map(|a| &a.outcomes);
        let mut facts: Vec<&str> = outcomes
            .flat_map(|(_, facts)| facts.iter().map(|fact| fact.text.as_str()))
            .collect();
        facts.sort_unstable();
        facts.dedup();
        facts
    }
}

/// The states that a step leads to.
pub(super) fn targets(step: &Step) -> Vec<&Name> {
    match step {
        Step::Ask { next, .. } | Step::Say { next, .. } => vec![next],
        Step::Call { on, .. } => on.iter().map(|(_, to)| to).collect(),
        Step::Confirm { yes, no, .. } => vec![yes, no],
        Step::Choose { rules, other } => rules.iter().map(|r| &r.to).chain([other]).collect(),
        Step::End { .. } | Step::Person { .. } => Vec::new(),
    }
}
