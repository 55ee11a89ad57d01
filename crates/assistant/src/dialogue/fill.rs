//! What a text fills into the slots of the flow under way.

use crate::flow::{Setting, Step};

use super::Heard;
use super::belief::{self, Belief};
use super::memory::{self, Entry};
use super::state::{Asking, clip};
use super::turn::Turn;

/// Belief in a choice that the text names.
const NAMED: f32 = 0.95;
/// Entities below this confidence are noise.
const NOISE: f32 = 0.15;
/// Entities of a text that are looked at.
const MOST_ENTITIES: usize = 64;

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
        let corrects = corrects || matches!(self.state.asking, Asking::Confirm | Asking::Which);
        let mut named: Vec<Named> = (heard.entities.iter().take(MOST_ENTITIES))
            .filter(|entity| entity.confidence >= NOISE && !entity.value.trim().is_empty())
            .map(|entity| Named {
                kind: entity.kind.to_owned(),
                value: entity.value.trim().to_owned(),
                confidence: entity.confidence,
            })
            .collect();
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
            && !heard.text.trim().is_empty()
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

    /// What "the second one" or "the same address" means, where the text doesn't name it.
    fn meant(&self, slots: &[u32], asked: Option<u32>, named: &[Named]) -> Option<Named> {
        let reference = memory::reference(&self.text)?;
        let open = slots.iter().filter(|slot| self.is_empty(**slot));
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
            slot.entity == entity.kind || slot.entity == "text" && slot.name == entity.kind
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
        if let Some(slot) = slot {
            self.put(slot, &entity.value, entity.confidence, corrects, filled);
        }
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
