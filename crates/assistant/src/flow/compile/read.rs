//! TOML to [`Source`]: every key and type is checked, whatever else is wrong.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::format::{Setting, System};
use super::fault::{self, Faults, quote};
use super::source::{
    Action, Choice, Flow, Name, Phrase, Piece, Rule, Slot, Source, State, Step, Test,
};

type Value<'s> = Spanned<DeValue<'s>>;

/// Most bytes of a reply in one language.
const MOST_REPLY: usize = 1000;
/// Most entries of a table, and of a list.
const MOST: usize = 128;
const MOST_STATES: usize = 256;

/// The keys of a table, each taken once; what is left over is unknown.
struct Fields<'a, 's> {
    at: usize,
    entries: Vec<(&'a str, usize, &'a Value<'s>)>,
    taken: Vec<&'static str>,
}

impl<'a, 's> Fields<'a, 's> {
    fn new(at: usize, table: &'a DeTable<'s>) -> Self {
        let each = table.iter();
        let mut entries: Vec<_> = each
            .map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value))
            .collect();
        entries.sort_by_key(|(_, at, _)| *at);
        Self {
            at,
            entries,
            taken: Vec::new(),
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Value<'s>> {
        self.taken.push(key);
        let found = self.entries.iter().position(|(name, ..)| *name == key)?;
        Some(self.entries.remove(found).2)
    }

    fn need(&mut self, key: &'static str, faults: &mut Faults) -> Option<&'a Value<'s>> {
        let value = self.take(key);
        if value.is_none() {
            faults.add(
                fault::MISSING,
                self.at,
                format!("the key `{key}` is missing"),
            );
        }
        value
    }

    fn done(self, faults: &mut Faults) {
        for (key, at, _) in self.entries {
            let known = self.taken.join("`, `");
            let cause = format!("the key {} is none of `{known}`", quote(key));
            faults.add(fault::UNKNOWN_KEY, at, cause);
        }
    }
}

struct Reader<'f> {
    faults: &'f mut Faults,
}

fn at(value: &Value<'_>) -> usize {
    value.span().start
}

impl Reader<'_> {
    fn wrong<T>(&mut self, value: &Value<'_>, wanted: &str) -> Option<T> {
        let found = value.get_ref().type_str();
        let cause = format!("{wanted} belongs here, and this is of the type {found}");
        self.faults.add(fault::TYPE, at(value), cause);
        None
    }

    fn fields<'a, 's>(&mut self, value: &'a Value<'s>) -> Option<Fields<'a, 's>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Fields::new(at(value), table)),
            _ => self.wrong(value, "a table"),
        }
    }

    fn list<'a, 's>(&mut self, value: &'a Value<'s>) -> Option<&'a [Value<'s>]> {
        match value.get_ref() {
            DeValue::Array(list) if list.len() > MOST => {
                let cause = format!("this list has {} entries, at most {MOST} fit", list.len());
                self.faults.add(fault::TOO_LARGE, at(value), cause);
                None
            }
            DeValue::Array(list) => Some(list),
            _ => self.wrong(value, "a list"),
        }
    }

    fn text(&mut self, value: &Value<'_>) -> Option<Name> {
        match value.get_ref() {
            DeValue::String(text) if text.len() <= MOST_REPLY => Some(Name {
                text: text.to_string(),
                at: at(value),
            }),
            DeValue::String(text) => {
                let cause = format!("this text has {} bytes, {MOST_REPLY} fit", text.len());
                self.faults.add(fault::TOO_LARGE, at(value), cause);
                None
            }
            _ => self.wrong(value, "a text"),
        }
    }

    fn named(&mut self, text: &str, at: usize) -> Option<Name> {
        let right = (1..=40).contains(&text.len())
            && (text.bytes()).all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !right {
            let cause = format!("{} is no name", quote(text));
            self.faults.add(fault::NAME, at, cause);
        }
        right.then(|| Name {
            text: text.to_owned(),
            at,
        })
    }

    fn name(&mut self, value: &Value<'_>) -> Option<Name> {
        let text = self.text(value)?;
        self.named(&text.text, text.at)
    }

    fn names(&mut self, value: &Value<'_>) -> Option<Vec<Name>> {
        let list = self.list(value)?;
        let names: Vec<_> = list.iter().filter_map(|value| self.name(value)).collect();
        for (i, name) in names.iter().enumerate() {
            if names[..i].iter().any(|other| other.text == name.text) {
                let cause = format!("{} stands here twice", quote(&name.text));
                self.faults.add(fault::DUPLICATE, name.at, cause);
            }
        }
        (names.len() == list.len()).then_some(names)
    }

    fn flag(&mut self, value: Option<&Value<'_>>) -> Option<bool> {
        match value.map(Spanned::get_ref) {
            None => Some(false),
            Some(DeValue::Boolean(flag)) => Some(*flag),
            Some(_) => self.wrong(value?, "true or false"),
        }
    }

    fn phrase(&mut self, value: &Value<'_>) -> Option<Phrase> {
        let mut fields = self.fields(value)?;
        let mut of = |key: &'static str| {
            let text = fields.take(key);
            let Some(text) = text else {
                let cause = format!("the text isn't there in `{key}`");
                self.faults.add(fault::TRANSLATION, at(value), cause);
                return None;
            };
            let text = self.text(text)?;
            if text.text.trim().is_empty() {
                let cause = format!("the text in `{key}` is empty");
                self.faults.add(fault::TRANSLATION, text.at, cause);
                return None;
            }
            self.pieces(&text)
        };
        let (en, zh) = (of("en"), of("zh"));
        fields.done(self.faults);
        Some(Phrase {
            at: at(value),
            en: en?,
            zh: zh?,
        })
    }

    fn pieces(&mut self, text: &Name) -> Option<Vec<Piece>> {
        let bad = |c: char| {
            c.is_control() && c != '\n'
                || matches!(c, '<' | '>' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        if text.text.contains(bad) {
            let cause = "a reply holds signs of markup or of control";
            self.faults.add(fault::MARKUP, text.at, cause);
            return None;
        }
        let (mut pieces, mut rest) = (Vec::new(), text.text.as_str());
        while let Some(open) = rest.find(['{', '}']) {
            let hole = rest[open..]
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'));
            let Some((name, after)) = hole else {
                let cause = "a brace has no partner";
                self.faults.add(fault::PLACEHOLDER, text.at, cause);
                return None;
            };
            if open > 0 {
                pieces.push(Piece::Text(rest[..open].to_owned()));
            }
            pieces.push(Piece::Hole(self.named(name, text.at)?.text));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Some(pieces)
    }

    fn optional<T>(
        &mut self,
        value: Option<&Value<'_>>,
        read: impl FnOnce(&mut Self, &Value<'_>) -> Option<T>,
    ) -> Option<Option<T>> {
        match value {
            None => Some(None),
            Some(value) => read(self, value).map(Some),
        }
    }

    /// The entries of a table of named things; names of those with faults are `broken`.
    fn each<T>(
        &mut self,
        value: Option<&Value<'_>>,
        most: usize,
        broken: &mut Vec<String>,
        mut read: impl FnMut(&mut Self, Name, Fields<'_, '_>) -> Option<T>,
    ) -> Vec<T> {
        let Some(fields) = value.and_then(|value| self.fields(value)) else {
            return Vec::new();
        };
        if fields.entries.len() > most {
            let cause = format!("there are {}, at most {most} fit", fields.entries.len());
            self.faults.add(fault::TOO_LARGE, fields.at, cause);
            let names = fields.entries.iter();
            broken.extend(names.map(|(key, ..)| (*key).to_owned()));
            return Vec::new();
        }
        let mut all = Vec::new();
        for (key, place, value) in fields.entries {
            let name = self.named(key, place);
            let inner = self
                .fields(value)
                .map(|inner| Fields { at: place, ..inner });
            let whole = match (name, inner) {
                (Some(name), Some(inner)) => read(self, name, inner),
                _ => None,
            };
            match whole {
                Some(whole) => all.push(whole),
                None => broken.push(key.to_owned()),
            }
        }
        all
    }

    fn slot(&mut self, name: Name, mut fields: Fields<'_, '_>) -> Option<Slot> {
        let entity = fields.need("entity", self.faults);
        let entity = entity.and_then(|value| self.name(value));
        let label = fields.need("label", self.faults);
        let label = label.and_then(|value| self.phrase(value));
        let prompt = fields.need("prompt", self.faults);
        let prompt = prompt.and_then(|value| self.phrase(value));
        let again = self.optional(fields.take("again"), Self::phrase);
        let keep = self.flag(fields.take("keep"));
        let opening = self.flag(fields.take("opening"));
        let account = self.flag(fields.take("account"));
        let choices = self.optional(fields.take("choices"), |reader, value| {
            let list = reader.list(value)?;
            let all: Vec<_> = list.iter().filter_map(|v| reader.choice(v)).collect();
            (all.len() == list.len()).then_some(all)
        });
        fields.done(self.faults);
        // What is wrong with it is told; the rest of it is checked all the same.
        Some(Slot {
            name,
            entity: entity?,
            label: label.unwrap_or_default(),
            prompt: prompt.unwrap_or_default(),
            again: again.unwrap_or_default(),
            keep: keep.unwrap_or_default(),
            opening: opening.unwrap_or_default(),
            account: account.unwrap_or_default(),
            choices: choices?.unwrap_or_default(),
        })
    }

    fn choice(&mut self, value: &Value<'_>) -> Option<Choice> {
        let mut fields = self.fields(value)?;
        let name = fields.need("name", self.faults);
        let name = name.and_then(|value| self.name(value));
        let label = fields.need("label", self.faults);
        let label = label.and_then(|value| self.phrase(value));
        let words = fields.need("words", self.faults);
        let words = words.and_then(|value| self.words(value));
        fields.done(self.faults);
        Some(Choice {
            name: name?,
            label: label?,
            words: words?,
        })
    }

    fn words(&mut self, value: &Value<'_>) -> Option<Vec<Name>> {
        let list = self.list(value)?;
        let words: Vec<_> = list.iter().filter_map(|value| self.text(value)).collect();
        (words.len() == list.len()).then_some(words)
    }

    fn action(&mut self, name: Name, mut fields: Fields<'_, '_>) -> Option<Action> {
        let commits = self.flag(fields.take("commits"));
        let inputs = self.optional(fields.take("inputs"), Self::names);
        let optional = self.optional(fields.take("optional"), Self::names);
        let outcomes = fields.need("outcomes", self.faults);
        let outcomes = outcomes.and_then(|value| self.fields(value));
        let outcomes = outcomes.and_then(|outcomes| {
            let all: Vec<_> = outcomes
                .entries
                .iter()
                .map(|(key, at, value)| Some((self.named(key, *at)?, self.names(value)?)))
                .collect();
            all.into_iter().collect::<Option<Vec<_>>>()
        });
        fields.done(self.faults);
        let required = inputs?.unwrap_or_default().into_iter().map(|s| (s, true));
        let optional = (optional?.unwrap_or_default().into_iter()).map(|s| (s, false));
        Some(Action {
            name,
            commits: commits?,
            inputs: required.chain(optional).collect(),
            outcomes: outcomes?,
        })
    }

    fn flow(&mut self, name: Name, mut fields: Fields<'_, '_>) -> Option<Flow> {
        let title = fields.need("title", self.faults);
        let title = title.and_then(|value| self.phrase(value));
        let intents = fields.need("intents", self.faults);
        let intents = intents.and_then(|value| self.names(value));
        let start = fields.need("start", self.faults);
        let start = start.and_then(|value| self.name(value));
        let mut broken = Vec::new();
        let states = fields.need("states", self.faults);
        let states = self.each(states, MOST_STATES, &mut broken, Self::state);
        fields.done(self.faults);
        let start = match (start, states.first()) {
            (Some(start), _) => start,
            // Where it begins is told to be missing, or wrong; what is reached isn't known.
            (None, first) => {
                let first = first.map(|state| state.name.clone());
                broken.push(String::new());
                first?
            }
        };
        Some(Flow {
            name,
            title: title.unwrap_or_default(),
            intents: intents.unwrap_or_default(),
            start,
            states,
            broken,
        })
    }

    fn target(&mut self, fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Name> {
        match fields.take(key) {
            Some(value) => self.name(value),
            None => {
                let cause = format!("this state leads nowhere: it has no `{key}`");
                self.faults.add(fault::DEAD_END, fields.at, cause);
                None
            }
        }
    }

    fn state(&mut self, name: Name, mut fields: Fields<'_, '_>) -> Option<State> {
        const KINDS: [&str; 7] = ["ask", "say", "call", "confirm", "choose", "end", "person"];
        let kinds: Vec<(usize, &Value<'_>)> = KINDS
            .iter()
            .enumerate()
            .filter_map(|(kind, key)| Some((kind, fields.take(key)?)))
            .collect();
        let forget = self.optional(fields.take("forget"), Self::names);
        let step = match kinds[..] {
            [(kind, value)] => self.step(kind, value, &mut fields),
            [] => {
                let cause = "this state does nothing: it has none of `ask`, `say`, `call`, \
                             `confirm`, `choose`, `end` and `person`";
                self.faults.add(fault::DEAD_END, fields.at, cause);
                return None;
            }
            _ => {
                let cause = "a state does one thing, and this one does several";
                self.faults.add(fault::TYPE, fields.at, cause);
                return None;
            }
        };
        fields.done(self.faults);
        Some(State {
            name,
            forget: forget?.unwrap_or_default(),
            step: step?,
        })
    }

    fn step(
        &mut self,
        kind: usize,
        value: &Value<'_>,
        fields: &mut Fields<'_, '_>,
    ) -> Option<Step> {
        match kind {
            0 => {
                let (slot, next) = (self.name(value), self.target(fields, "next"));
                Some(Step::Ask {
                    slot: slot?,
                    next: next?,
                })
            }
            1 => {
                let (reply, next) = (self.phrase(value), self.target(fields, "next"));
                Some(Step::Say {
                    reply: reply?,
                    next: next?,
                })
            }
            2 => {
                let action = self.name(value);
                let Some(on) = fields.take("on") else {
                    let cause = "this call leads nowhere: it has no `on`";
                    self.faults.add(fault::DEAD_END, fields.at, cause);
                    return None;
                };
                let on = self.fields(on)?.entries;
                let all: Vec<_> = on
                    .iter()
                    .map(|(key, at, to)| Some((self.named(key, *at)?, self.name(to)?)))
                    .collect();
                Some(Step::Call {
                    action: action?,
                    on: all.into_iter().collect::<Option<_>>()?,
                })
            }
            3 => {
                let reply = self.phrase(value);
                let (yes, no) = (self.target(fields, "yes"), self.target(fields, "no"));
                let slots = fields.need("slots", self.faults);
                let slots = slots.and_then(|value| self.names(value));
                Some(Step::Confirm {
                    reply: reply?,
                    yes: yes?,
                    no: no?,
                    slots: slots?,
                })
            }
            4 => {
                let list = self.list(value)?;
                let rules: Vec<_> = list.iter().filter_map(|v| self.rule(v)).collect();
                let other = self.target(fields, "other");
                (rules.len() == list.len()).then_some(())?;
                Some(Step::Choose {
                    rules,
                    other: other?,
                })
            }
            5 => match value.get_ref() {
                DeValue::Boolean(true) => Some(Step::End { reply: None }),
                DeValue::Table(_) => Some(Step::End {
                    reply: Some(self.phrase(value)?),
                }),
                _ => self.wrong(value, "true or a reply"),
            },
            _ => Some(Step::Person {
                reason: self.name(value)?,
            }),
        }
    }

    fn rule(&mut self, value: &Value<'_>) -> Option<Rule> {
        let mut fields = self.fields(value)?;
        let (slot, fact) = (fields.take("slot"), fields.take("fact"));
        let (is, isnt) = (fields.take("is"), fields.take("is_not"));
        let known = self.flag(fields.take("known"));
        let to = self.target(&mut fields, "to");
        let place = fields.at;
        fields.done(self.faults);
        let (of_fact, subject) = match (slot, fact) {
            (Some(slot), None) => (false, self.name(slot)?),
            (None, Some(fact)) => (true, self.name(fact)?),
            _ => {
                let cause = "a rule is about one `slot` or one `fact`";
                self.faults.add(fault::TYPE, place, cause);
                return None;
            }
        };
        let test = match (is, isnt, known?) {
            (Some(is), None, false) => Test::Is(self.text(is)?),
            (None, Some(isnt), false) => Test::IsNot(self.text(isnt)?),
            (None, None, true) => Test::Known,
            _ => {
                let cause = "a rule has one of `is`, `is_not` and `known = true`";
                self.faults.add(fault::TYPE, place, cause);
                return None;
            }
        };
        Some(Rule {
            fact: of_fact,
            subject,
            test,
            to: to?,
        })
    }

    fn settings(&mut self, value: Option<&Value<'_>>) -> [u32; Setting::ALL.len()] {
        const DAY: f64 = 86_400_000.0;
        let mut out = [0; Setting::ALL.len()];
        let mut fields = value.and_then(|value| self.fields(value));
        for setting in Setting::ALL {
            let (usual, least, most, scale) = match setting {
                Setting::FailedTurns => (3.0, 1.0, 10.0, 1.0),
                Setting::NudgeMs => (120_000.0, 1000.0, DAY, 1.0),
                Setting::StaleMs => (1_800_000.0, 1000.0, 30.0 * DAY, 1.0),
                Setting::CallMs => (15_000.0, 100.0, DAY, 1.0),
                Setting::Depth => (3.0, 1.0, 8.0, 1.0),
                Setting::Sure => (0.7, 0.05, 1.0, 1000.0),
                Setting::Unsure => (0.3, 0.01, 1.0, 1000.0),
                Setting::Switch => (0.6, 0.01, 1.0, 1000.0),
                Setting::Satisfied => (0.2, 0.0, 1.0, 1000.0),
            };
            let given = fields.as_mut().and_then(|f| f.take(setting.name()));
            let mut number = usual;
            if let Some(given) = given {
                let read = match given.get_ref() {
                    DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
                        .ok()
                        .map(|n| n as f64),
                    DeValue::Float(n) => n.as_str().parse().ok(),
                    _ => None,
                };
                match read {
                    Some(read) if (least..=most).contains(&read) => number = read,
                    _ => {
                        let cause =
                            format!("`{}` is a number of {least} to {most}", setting.name());
                        self.faults.add(fault::RANGE, at(given), cause);
                    }
                }
            }
            out[*setting as usize] = (number * scale + 0.5) as u32;
        }
        if let Some(fields) = fields {
            fields.done(self.faults);
        }
        out
    }
}

/// Reads a file. `None` where nothing could be read.
pub(super) fn read(source: &str, faults: &mut Faults) -> Option<Source> {
    if source.len() > super::MAX_SOURCE {
        let cause = format!("the file has {} bytes", source.len());
        faults.add(fault::TOO_LARGE, 0, cause);
        return None;
    }
    let (root, errors) = DeTable::parse_recoverable(source);
    for error in errors {
        let code = match error.message().contains("duplicate") {
            true => fault::DUPLICATE,
            false => fault::SYNTAX,
        };
        let place = error.span().map_or(0, |span| span.start);
        faults.add(code, place, error.message());
    }
    let mut reader = Reader { faults };
    let mut fields = Fields::new(0, root.get_ref());
    let version = fields.need("version", reader.faults);
    if let Some(version) = version {
        let right = matches!(version.get_ref(), DeValue::Integer(n) if n.as_str() == "1");
        if !right {
            let cause = "the version isn't 1";
            reader.faults.add(fault::RANGE, at(version), cause);
        }
    }
    let settings = reader.settings(fields.take("settings"));
    let swearing = fields.take("swearing");
    let swearing = swearing.and_then(|value| reader.words(value));
    let mut replies = Vec::new();
    let said = fields.need("replies", reader.faults);
    if let Some(mut said) = said.and_then(|value| reader.fields(value)) {
        for system in System::ALL {
            let value = said.need(system.name(), reader.faults);
            if let Some(phrase) = value.and_then(|value| reader.phrase(value)) {
                replies.push((*system, phrase));
            }
        }
        said.done(reader.faults);
    }
    let mut broken = Vec::new();
    let slots = reader.each(fields.take("slots"), MOST, &mut broken, Reader::slot);
    let actions = reader.each(fields.take("actions"), MOST, &mut broken, Reader::action);
    let flows = fields.need("flows", reader.faults);
    let mut lacking = Vec::new();
    let flows = reader.each(flows, MOST, &mut lacking, Reader::flow);
    fields.done(reader.faults);
    Some(Source {
        settings,
        replies,
        swearing: swearing.unwrap_or_default(),
        slots,
        actions,
        flows,
        broken,
        lacks_flows: !lacking.is_empty(),
    })
}
