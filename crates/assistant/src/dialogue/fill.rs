//! What a text fills into the slots of the flow under way.

use shelfedge_features::text::Text;

use crate::entities;
use crate::flow::{Setting, Step};

use super::belief::{self, Belief};
use super::memory::{self, Entry};
use super::state::{Asking, clip};
use super::turn::Turn;
use super::{ADDRESS_PART, Heard};

/// Belief in a choice that the text names.
const NAMED: f32 = 0.95;
/// Entities below this confidence are noise.
const NOISE: f32 = 0.15;
/// Entities of a text that are looked at.
const MOST_ENTITIES: usize = 64;
/// Belief in one of a list that the text describes.
const DESCRIBED: f32 = 0.75;
/// Belief in an address without a place: the customer is asked whether it is right.
const PLACELESS: f32 = 0.6;
/// Tokens up to which a yes or a no is no text to be kept.
const SHORT: usize = 3;
/// Words that tell something, from which an account tells more than that a flow begins; of
/// Chinese, signs.
const ACCOUNT: usize = 3;
const ACCOUNT_SIGNS: usize = 6;
/// What stands before a value that isn't meant.
const DENIED: [&str; 7] = [
    "not",
    "isn't",
    "instead of",
    "rather than",
    "不是",
    "而非",
    "别用",
];
/// What stands between a value and the one that takes its place.
const CHANGED: [&str; 15] = [
    "wait",
    "no,",
    "i mean",
    "sorry",
    "actually",
    "rather",
    "make that",
    "correction",
    "oops",
    "不对",
    "应该是",
    "我是说",
    "哦不",
    "说错",
    "改成",
];
/// Words between them that mean nothing here.
const BETWEEN: [&str; 6] = ["order", "number", "the", "no.", "#", "订单"];

/// What a text changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Filled {
    /// Slots that have a value now and hadn't, or have more belief in it.
    pub(super) new: Vec<u32>,
    /// Slots whose value is another now.
    pub(super) changed: Vec<u32>,
}

impl Filled {
    pub(super) const fn any(&self) -> bool {
        !self.new.is_empty() || !self.changed.is_empty()
    }

    pub(super) fn took(&self, slot: u32) -> bool {
        self.new.contains(&slot) || self.changed.contains(&slot)
    }
}

struct Named {
    kind: String,
    value: String,
    confidence: f32,
    span: (u32, u32),
}

/// Drops of several values of a kind those that the text takes back: "10042, no wait,
/// 10024", "10024, not 10042".
fn settle(named: &mut Vec<Named>, text: &str) {
    let of = |from: u32, to: u32| {
        let part = text.get(from as usize..to as usize).unwrap_or_default();
        part.to_lowercase()
    };
    let mut at = 0;
    while at < named.len() {
        let kind = named[at].kind.clone();
        let others = named.iter().enumerate();
        let others =
            others.filter(|(i, it)| *i != at && it.kind == kind && it.value != named[at].value);
        let last = others.clone().map(|(_, it)| it.span).max();
        let Some(last) = last else {
            at += 1;
            continue;
        };
        let span = named[at].span;
        let before = of(0, span.0);
        let mut before = before.trim_end();
        while let Some(shorter) = BETWEEN.iter().find_map(|word| before.strip_suffix(word)) {
            before = shorter.trim_end();
        }
        let is_denied = DENIED.iter().any(|word| before.ends_with(word));
        let is_replaced = span.1 <= last.0 && {
            let between = of(span.1, last.0);
            CHANGED.iter().any(|word| between.contains(word))
        };
        match is_denied || is_replaced {
            true => drop(named.remove(at)),
            false => at += 1,
        }
    }
}

impl<B: AsRef<[u8]>> Turn<'_, B> {
    /// The slot that is asked for.
    pub(super) fn asked(&self) -> Option<u32> {
        let frame = self.state.frames.last()?;
        match (self.state.asking, self.flows.step(frame.state)) {
            (Asking::Slot | Asking::Check, Step::Ask { slot, .. }) => Some(slot),
            _ => None,
        }
    }

    pub(super) fn belief(&mut self, slot: u32) -> Option<&mut Belief> {
        let beliefs = &mut self.state.frames.last_mut()?.beliefs;
        let at = match beliefs.iter().position(|belief| belief.slot == slot) {
            Some(at) => at,
            None => {
                beliefs.push(Belief::new(slot));
                beliefs.len() - 1
            }
        };
        beliefs.get_mut(at)
    }

    /// A slot's value where it is sure.
    pub(super) fn sure(&self, slot: u32) -> Option<&str> {
        let beliefs = &self.state.frames.last()?.beliefs;
        let belief = beliefs.iter().find(|belief| belief.slot == slot)?;
        belief.value_above(self.flows.share(Setting::Sure))
    }

    fn is_empty(&self, slot: u32) -> bool {
        let beliefs = self.state.frames.last().map(|frame| &frame.beliefs);
        let mut of = beliefs.into_iter().flatten().filter(|b| b.slot == slot);
        let unsure = self.flows.share(Setting::Unsure);
        !of.any(|belief| belief.value_above(unsure).is_some())
    }

    /// Fills slots of the flow under way. `corrects` where the customer takes back what
    /// was understood or said.
    pub(super) fn fill(&mut self, heard: &Heard<'_>, corrects: bool) -> Filled {
        let mut filled = Filled::default();
        let Some(frame) = self.state.frames.last() else {
            return filled;
        };
        let slots: Vec<u32> = self.flows.flow(frame.flow).slots.iter().collect();
        let asked = self.asked();
        let corrects = corrects
            || matches!(
                self.state.asking,
                Asking::Check | Asking::Confirm | Asking::Which
            );
        let mut named: Vec<Named> = (heard.entities.iter().take(MOST_ENTITIES))
            .filter(|entity| entity.confidence >= NOISE && !entity.value.trim().is_empty())
            .map(|entity| Named {
                kind: entity.kind.to_owned(),
                value: entity.value.trim().to_owned(),
                confidence: entity.confidence,
                span: entity.span,
            })
            .collect();
        settle(&mut named, heard.text);
        if let Some(meant) = self.meant(&slots, asked, &named) {
            named.push(meant);
        }
        for entity in &named {
            self.fill_one(entity, &slots, asked, corrects, &mut filled);
        }
        for slot in &slots {
            if let Some(choice) = self.choice(*slot, asked, corrects) {
                self.put(*slot, &choice, NAMED, corrects, &mut filled);
            }
        }
        let free = asked.filter(|slot| self.flows.slot(*slot).entity == "text");
        if let Some(slot) = free
            && !(filled.took(slot) && self.sure(slot).is_some())
            // What corrects another slot is no answer to this one.
            && filled.changed.is_empty()
            && !heard.text.trim().is_empty()
            && !self.is_yes_or_no(heard)
        {
            let text = clip(heard.text.trim(), belief::LONGEST);
            self.put(slot, &text, 1.0, true, &mut filled);
        }
        if filled.any() && memory::asks(&self.text, heard.text) {
            let opening = |slot: &&u32| self.flows.slot(**slot).opening && self.is_empty(**slot);
            let opening = slots.iter().find(opening).copied();
            if let Some(slot) = opening {
                let text = clip(heard.text.trim(), belief::LONGEST);
                self.put(slot, &text, 1.0, false, &mut filled);
            }
        }
        filled
    }

    /// Fills from the text that began the flow under way the slot which is to tell what
    /// happened, if it tells more than that the flow begins.
    pub(super) fn account(&mut self, text: &str) {
        let Some(frame) = self.state.frames.last() else {
            return;
        };
        let flow = frame.flow;
        let slots: Vec<u32> = self.flows.flow(flow).slots.iter().collect();
        let account = |slot: &u32| self.flows.slot(*slot).account && self.is_empty(*slot);
        let Some(slot) = slots.into_iter().find(account) else {
            return;
        };
        let titles = self.flows.title(flow).map(|title| Text::new(&title));
        let in_title = |word: &str| {
            let mut titles = titles.iter();
            titles.any(|title| title.tokens().iter().any(|it| title.normal(it) == word))
        };
        let mut told: Vec<&str> = (self.text.tokens().iter())
            .map(|token| self.text.normal(token))
            .filter(|word| word.chars().any(char::is_alphabetic))
            .filter(|word| !memory::says_little(word) && !in_title(word))
            .collect();
        told.sort_unstable();
        told.dedup();
        let signs = told.iter().filter(|word| !word.is_ascii()).count();
        if told.len() - signs >= ACCOUNT || signs >= ACCOUNT_SIGNS {
            let text = clip(text.trim(), belief::LONGEST);
            self.put(slot, &text, 1.0, false, &mut Filled::default());
        }
    }

    /// Whether a text is a yes or a no and nothing else.
    pub(super) fn is_yes_or_no(&self, heard: &Heard<'_>) -> bool {
        let mut intents = heard.intents.iter();
        let is = intents.any(|(name, chance)| matches!(*name, "affirm" | "deny") && *chance >= 0.5);
        is && self.text.tokens().len() <= SHORT
    }

    /// What "the second one", "the same address" or "the one with the lamp" means, where the
    /// text doesn't name it.
    fn meant(&self, slots: &[u32], asked: Option<u32>, named: &[Named]) -> Option<Named> {
        let Some(reference) = memory::reference(&self.text) else {
            return self.described(slots, asked, named);
        };
        let open = slots.iter().filter(|slot| self.sure(**slot).is_none());
        let mut kinds: Vec<&str> = Vec::new();
        for slot in asked.iter().chain(open) {
            let kind = self.flows.slot(*slot).entity;
            let said = named.iter().any(|entity| entity.kind == kind);
            if !said && !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let (memory, turn) = (&self.state.memory, self.state.turns);
        let (entry, attention) = memory::recall(memory, &self.text, reference, &kinds, turn)?;
        Some(Named {
            kind: entry.kind.clone(),
            value: entry.value.clone(),
            confidence: attention,
            span: (0, 0),
        })
    }

    fn described(&self, slots: &[u32], asked: Option<u32>, named: &[Named]) -> Option<Named> {
        let open = slots.iter().filter(|slot| self.sure(**slot).is_none());
        let mut kinds = (asked.iter().chain(open)).map(|slot| self.flows.slot(*slot).entity);
        kinds.find_map(|kind| {
            if named.iter().any(|entity| entity.kind == kind) {
                return None;
            }
            let entry = memory::described(&self.state.memory, &self.text, kind)?;
            Some(Named {
                kind: entry.kind.clone(),
                value: entry.value.clone(),
                confidence: DESCRIBED,
                span: (0, 0),
            })
        })
    }

    fn fill_one(
        &mut self,
        entity: &Named,
        slots: &[u32],
        asked: Option<u32>,
        corrects: bool,
        filled: &mut Filled,
    ) {
        let fits = |slot: &&u32| {
            let slot = self.flows.slot(**slot);
            // A tagger names slots for text by themselves.
            slot.entity == entity.kind
                || slot.entity == "text" && slot.name == entity.kind
                || slot.entity == "address" && entity.kind == ADDRESS_PART
        };
        let fitting: Vec<u32> = slots.iter().filter(fits).copied().collect();
        let asked = asked.filter(|slot| fitting.contains(slot) && !filled.took(*slot));
        let free = |slot: &&u32| !filled.took(**slot);
        let empty = (fitting.iter().filter(free)).find(|slot| self.is_empty(**slot));
        let full = (fitting.iter().filter(free)).find(|slot| !self.is_empty(**slot));
        let slot = match corrects {
            true => asked.or(full.copied()).or(empty.copied()),
            false => asked.or(empty.copied()).or(full.copied()),
        };
        let Some(slot) = slot else {
            return;
        };
        if self.flows.slot(slot).entity != "address" {
            return self.put(slot, &entity.value, entity.confidence, corrects, filled);
        }
        let old = self.belief(slot).and_then(|belief| belief.best());
        let old = old.map(|(value, _)| value.to_owned());
        let (value, corrects) = match old {
            Some(old) if corrects || entity.kind == ADDRESS_PART => {
                (entities::join_addresses(&old, &entity.value), true)
            }
            _ if entity.kind == ADDRESS_PART => return,
            _ => (entity.value.clone(), corrects),
        };
        let confidence = match entities::names_a_place(&value) {
            true => entity.confidence,
            false => entity.confidence.min(PLACELESS),
        };
        self.put(slot, &value, confidence, corrects, filled);
    }

    fn put(
        &mut self,
        slot: u32,
        value: &str,
        confidence: f32,
        corrects: bool,
        filled: &mut Filled,
    ) {
        let sure = self.flows.share(Setting::Sure);
        let Some(belief) = self.belief(slot) else {
            return;
        };
        let before = belief
            .best()
            .map(|(value, belief)| (value.to_owned(), belief));
        // What was sure and is said otherwise now is another, however sure it was.
        let other = (before.as_ref()).is_some_and(|(old, b)| old != value && *b >= sure);
        if corrects && before.as_ref().is_none_or(|(old, _)| old != value)
            || other && confidence >= sure
        {
            belief.replace(value, confidence);
        } else {
            belief.observe(value, confidence);
        }
        let after = belief
            .best()
            .map(|(value, belief)| (value.to_owned(), belief));
        match (before, &after) {
            (Some((old, b)), Some((new, _))) if old != *new && b >= sure => {
                filled.changed.push(slot);
            }
            (before, after) if before != *after => filled.new.push(slot),
            // The same value once more is an answer too.
            _ => filled.new.push(slot),
        }
        if confidence >= sure {
            let kind = self.flows.slot(slot).entity;
            if !matches!(kind, "text" | "choice") {
                let entry = Entry {
                    kind: kind.to_owned(),
                    value: value.to_owned(),
                    label: value.to_owned(),
                    turn: self.state.turns,
                    place: 0,
                };
                memory::note(&mut self.state.memory, entry);
            }
        }
    }

    /// Whether a text names something that the flow under way still needs and that the other
    /// has no use for: a price, in the middle of matching one.
    pub(super) fn fills_rather(&self, heard: &Heard<'_>, other: u32) -> bool {
        let Some(frame) = self.state.frames.last() else {
            return false;
        };
        let of = |flow: u32, kind: &str| -> Vec<u32> {
            let slots = self.flows.flow(flow).slots;
            let slots = slots.iter();
            slots
                .filter(|slot| self.flows.slot(*slot).entity == kind)
                .collect()
        };
        let mut named = heard.entities.iter().filter(|it| it.confidence > 0.5);
        named.any(|it| {
            let mut here = of(frame.flow, it.kind).into_iter();
            here.any(|slot| self.is_empty(slot)) && of(other, it.kind).is_empty()
        })
    }

    /// Whether the text names one of the choices that are asked for.
    pub(super) fn names_a_choice(&self) -> bool {
        let asked = self.asked();
        asked.is_some_and(|slot| self.choice(slot, asked, false).is_some())
    }

    /// The one choice of a slot that the text names.
    fn choice(&self, slot: u32, asked: Option<u32>, corrects: bool) -> Option<String> {
        let (first, count) = self.flows.slot(slot).choices;
        if count == 0 || !(asked == Some(slot) || corrects || self.is_empty(slot)) {
            return None;
        }
        let mut found: Vec<&str> = Vec::new();
        for row in first..first + count {
            let (name, label, words) = self.flows.choice(row);
            let label = self.flows.reply(label);
            let label = [label.en, label.zh].map(|parts| {
                let texts = self.flows.parts(parts).map(|part| match part {
                    crate::flow::Part::Text(text) => text,
                    _ => "",
                });
                texts.collect::<String>()
            });
            let words = words.iter().map(|word| self.flows.text(word));
            let mut words = words.chain(label.iter().map(String::as_str));
            if words.any(|word| memory::says(&self.text, word)) {
                found.push(name);
            }
        }
        if found.is_empty()
            && asked == Some(slot)
            && let Some(memory::Reference::Nth(place)) = memory::reference(&self.text)
        {
            let place = if place == 255 {
                count
            } else {
                u32::from(place)
            };
            if (1..=count).contains(&place) {
                found.push(self.flows.choice(first + place - 1).0);
            }
        }
        match found[..] {
            [one] => Some(one.to_owned()),
            _ => None,
        }
    }
}
