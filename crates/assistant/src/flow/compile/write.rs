//! The flat form of flows without faults.

use std::collections::BTreeMap;

use super::super::format::{Special, System};
use super::super::{MAGIC, NONE, Table, VERSION};
use super::source::{Name, Phrase, Piece, Source, Step, Test};

const TABLES: usize = Table::States as usize + 1;

struct Writer<'s> {
    source: &'s Source,
    facts: Vec<&'s str>,
    tables: [Vec<u32>; TABLES],
    rows: [u32; TABLES],
    pool: String,
    texts: BTreeMap<String, u32>,
    replies: BTreeMap<Vec<u32>, u32>,
}

impl<'s> Writer<'s> {
    fn row(&mut self, table: Table, row: &[u32]) -> u32 {
        self.tables[table as usize].extend(row);
        let number = &mut self.rows[table as usize];
        *number += 1;
        *number - 1
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(row) = self.texts.get(text) {
            return *row;
        }
        let from = self.pool.len() as u32;
        self.pool.push_str(text);
        let row = self.row(Table::Texts, &[from, self.pool.len() as u32]);
        self.texts.insert(text.to_owned(), row);
        row
    }

    /// Where a list begins, and how long it is.
    fn list(&mut self, list: &[u32]) -> [u32; 2] {
        let first = self.rows[Table::Lists as usize];
        for word in list {
            self.row(Table::Lists, &[*word]);
        }
        [first, list.len() as u32]
    }

    fn texts(&mut self, names: &[Name]) -> [u32; 2] {
        let rows: Vec<u32> = names.iter().map(|name| self.text(&name.text)).collect();
        self.list(&rows)
    }

    fn slot(&self, name: &Name) -> u32 {
        self.source.slot(&name.text).map_or(NONE, |i| i as u32)
    }

    fn slots(&mut self, names: &[Name]) -> [u32; 2] {
        let rows: Vec<u32> = names.iter().map(|name| self.slot(name)).collect();
        self.list(&rows)
    }

    fn fact(&self, name: &str) -> u32 {
        let place = self.facts.iter().position(|fact| *fact == name);
        place.map_or(NONE, |i| i as u32)
    }

    fn reply(&mut self, phrase: &Phrase) -> u32 {
        let mut both = Vec::new();
        for pieces in [&phrase.en, &phrase.zh] {
            let mut parts = Vec::new();
            for piece in pieces {
                let part = match piece {
                    Piece::Text(text) => [0, self.text(text)],
                    Piece::Hole(name) => {
                        let special = Special::ALL.iter().position(|s| s.name() == name);
                        match (self.source.slot(name), special) {
                            (Some(slot), _) => [1, slot as u32],
                            (None, Some(special)) => [3, special as u32],
                            (None, None) => [2, self.fact(name)],
                        }
                    }
                };
                parts.extend(part);
            }
            both.push(parts);
        }
        let key = both.join(&NONE);
        if let Some(row) = self.replies.get(&key) {
            return *row;
        }
        let [en, zh] = [0, 1].map(|i: usize| self.list(&both[i]));
        let row = self.row(Table::Replies, &[en[0], en[1], zh[0], zh[1]]);
        self.replies.insert(key, row);
        row
    }

    fn step(&mut self, flow: usize, first: u32, step: &Step) -> (u32, [u32; 5]) {
        let source = self.source;
        let to = |name: &Name| {
            let state = source.flows[flow].state(&name.text);
            state.map_or(NONE, |i| first + i as u32)
        };
        match step {
            Step::Ask { slot, next } => (0, [self.slot(slot), to(next), 0, 0, 0]),
            Step::Say { reply, next } => (1, [self.reply(reply), to(next), 0, 0, 0]),
            Step::Call { action, on } => {
                let action = source.action(&action.text).unwrap_or(0);
                let outcomes = source.actions[action].outcomes.iter();
                let next: Vec<u32> = outcomes
                    .map(|(outcome, _)| {
                        let follows = on.iter().find(|(name, _)| name.text == outcome.text);
                        follows.map_or(NONE, |(_, name)| to(name))
                    })
                    .collect();
                let [at, count] = self.list(&next);
                (2, [action as u32, at, count, 0, 0])
            }
            Step::Confirm {
                reply,
                yes,
                no,
                slots,
            } => {
                let [at, count] = self.slots(slots);
                (3, [self.reply(reply), to(yes), to(no), at, count])
            }
            Step::Choose { rules, other } => {
                let mut words = Vec::new();
                for rule in rules {
                    let subject = match rule.fact {
                        true => self.fact(&rule.subject.text),
                        false => self.slot(&rule.subject),
                    };
                    let (test, value) = match &rule.test {
                        Test::Is(value) => (0, value.text.as_str()),
                        Test::IsNot(value) => (1, value.text.as_str()),
                        Test::Known => (2, ""),
                    };
                    let value = self.text(value);
                    words.extend([
                        test + 3 * u32::from(rule.fact),
                        subject,
                        value,
                        to(&rule.to),
                    ]);
                }
                let [at, count] = self.list(&words);
                (4, [at, count, to(other), 0, 0])
            }
            Step::End { reply } => {
                let reply = reply.as_ref().map_or(NONE, |reply| self.reply(reply));
                (5, [reply, 0, 0, 0, 0])
            }
            Step::Person { reason } => (6, [self.text(&reason.text), 0, 0, 0, 0]),
        }
    }

    fn flow(&mut self, number: usize) {
        let source = self.source;
        let flow = &source.flows[number];
        let first = self.rows[Table::States as usize];
        let mut used = Vec::new();
        for state in &flow.states {
            match &state.step {
                Step::Ask { slot, .. } => used.push(self.slot(slot)),
                Step::Confirm { slots, .. } => used.extend(slots.iter().map(|s| self.slot(s))),
                Step::Call { action, .. } => {
                    let action = source.action(&action.text).unwrap_or(0);
                    let inputs = source.actions[action].inputs.iter();
                    used.extend(inputs.map(|(slot, _)| self.slot(slot)));
                }
                _ => {}
            }
        }
        let mut slots: Vec<u32> = Vec::new();
        for slot in used {
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        }
        for state in &flow.states {
            let name = self.text(&state.name.text);
            let forget = self.slots(&state.forget);
            let (kind, own) = self.step(number, first, &state.step);
            let head = [name, kind, forget[0], forget[1]];
            let row = [&head[..], &own[..]].concat();
            self.row(Table::States, &row);
        }
        let name = self.text(&flow.name.text);
        let title = self.reply(&flow.title);
        let (intents, slots) = (self.texts(&flow.intents), self.list(&slots));
        let count = flow.states.len() as u32;
        let start = flow
            .state(&flow.start.text)
            .map_or(NONE, |i| first + i as u32);
        let head = [name, title, intents[0], intents[1], slots[0], slots[1]];
        let row = [&head[..], &[first, count, start]].concat();
        self.row(Table::Flows, &row);
    }
}

pub(super) fn write(source: &Source) -> Vec<u8> {
    let mut writer = Writer {
        source,
        facts: source.facts(),
        tables: Default::default(),
        rows: [0; TABLES],
        pool: String::new(),
        texts: BTreeMap::new(),
        replies: BTreeMap::new(),
    };
    let said: Vec<u32> = (System::ALL.iter())
        .map(|system| {
            let found = source.replies.iter().find(|(name, _)| name == system);
            found.map_or(NONE, |(_, phrase)| writer.reply(phrase))
        })
        .collect();
    let swearing = writer.texts(&source.swearing);
    for fact in writer.facts.clone() {
        let name = writer.text(fact);
        writer.row(Table::Facts, &[name]);
    }
    for slot in &source.slots {
        let first = writer.rows[Table::Choices as usize];
        for choice in &slot.choices {
            let (name, label) = (writer.text(&choice.name.text), writer.reply(&choice.label));
            let words = writer.texts(&choice.words);
            writer.row(Table::Choices, &[name, label, words[0], words[1]]);
        }
        let (name, entity) = (writer.text(&slot.name.text), writer.text(&slot.entity.text));
        let (label, prompt) = (writer.reply(&slot.label), writer.reply(&slot.prompt));
        let again = slot
            .again
            .as_ref()
            .map_or(NONE, |again| writer.reply(again));
        let flags = [slot.keep, slot.opening, slot.account];
        let flags = flags
            .iter()
            .rev()
            .fold(0, |bits, is| bits << 1 | u32::from(*is));
        let count = slot.choices.len() as u32;
        let row = [name, entity, label, prompt, again, flags, first, count];
        writer.row(Table::Slots, &row);
    }
    for action in &source.actions {
        let first = writer.rows[Table::Outcomes as usize];
        for (outcome, facts) in &action.outcomes {
            let name = writer.text(&outcome.text);
            let facts: Vec<u32> = facts.iter().map(|f| writer.fact(&f.text)).collect();
            let facts = writer.list(&facts);
            writer.row(Table::Outcomes, &[name, facts[0], facts[1]]);
        }
        let name = writer.text(&action.name.text);
        let inputs: Vec<u32> = (action.inputs.iter())
            .flat_map(|(slot, required)| [writer.slot(slot), u32::from(*required)])
            .collect();
        let inputs = writer.list(&inputs);
        let count = action.outcomes.len() as u32;
        let commits = u32::from(action.commits);
        let row = [name, commits, inputs[0], inputs[1], first, count];
        writer.row(Table::Actions, &row);
    }
    for flow in 0..source.flows.len() {
        writer.flow(flow);
    }
    let mut words = vec![VERSION, 0];
    words.extend(source.settings);
    words.extend(said);
    words.extend(swearing);
    words.extend(writer.rows);
    words.push(writer.pool.len() as u32);
    words.extend(writer.tables.iter().flatten());
    words[1] = (8 + 4 * words.len() + writer.pool.len()) as u32;
    let mut out = MAGIC.to_vec();
    out.extend(words.into_iter().flat_map(u32::to_le_bytes));
    out.extend(writer.pool.as_bytes());
    out
}
