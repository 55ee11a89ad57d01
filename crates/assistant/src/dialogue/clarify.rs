//! Which of two flows is meant.

use shelfedge_features::text::Text;

use crate::flow::System;

use super::belief;
use super::memory::{self, Reference};
use super::render::Own;
use super::state::{Asking, Between, clip};
use super::turn::Turn;
use super::{Entity, Heard};

/// Probability from which a flow may be meant, and from which a second one may.
const MAYBE: f32 = 0.25;
const OTHER: f32 = 0.1;

impl<B: AsRef<[u8]>> Turn<'_, B> {
    /// Flows with the probability that a text means them, the most probable first.
    pub(super) fn meant_flows(&self, heard: &Heard<'_>) -> Vec<(u32, f32)> {
        let mut found: Vec<(u32, f32)> = Vec::new();
        for (intent, chance) in heard.intents {
            let Some(flow) = self.flow_meant(intent, heard) else {
                continue;
            };
            match found.iter_mut().find(|(other, _)| *other == flow) {
                Some((_, sum)) => *sum += chance,
                None => found.push((flow, *chance)),
            }
        }
        // Stable, so that equal ones keep their order.
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found
    }

    /// Two flows between which a text leaves open which one is meant; the one under way
    /// may be the second.
    pub(super) fn two_meant(&self, heard: &Heard<'_>) -> Option<[u32; 2]> {
        let meant = self.meant_flows(heard);
        let under_way = self.state.frames.last().map(|frame| frame.flow);
        let (first, _) = *meant.first().filter(|(_, chance)| *chance >= MAYBE)?;
        let second = meant.get(1).filter(|(_, chance)| *chance >= OTHER);
        let second = second.map(|(flow, _)| *flow).or(under_way)?;
        (first != second).then_some([first, second])
    }

    pub(super) fn say_which(&mut self, flows: [u32; 2]) {
        let [title, other] = flows.map(|flow| self.label(self.flows.flow(flow).title));
        let own = Own {
            title,
            other,
            ..Own::default()
        };
        self.say_own(System::Clarify, &own);
    }

    /// Asks which of two flows is meant, where two may be. Whether it did.
    pub(super) fn clarify(&mut self, heard: &Heard<'_>) -> bool {
        if matches!(self.state.asking, Asking::Person | Asking::Call) {
            return false;
        }
        let Some(flows) = self.two_meant(heard) else {
            return false;
        };
        let named = heard.entities.iter().filter(|it| it.confidence > 0.0);
        self.state.between = Some(Between {
            flows,
            text: clip(heard.text.trim(), Between::LONGEST),
            named: (named.take(Between::MOST))
                .map(|it| {
                    let value = clip(it.value.trim(), belief::LONGEST);
                    (clip(it.kind, 40), value, it.confidence.min(1.0))
                })
                .collect(),
        });
        self.say_which(flows);
        true
    }

    /// The flow that answers which of two is meant.
    pub(super) fn which_flow(&self, between: &Between, heard: &Heard<'_>) -> Option<u32> {
        let meant = self.meant_flows(heard);
        if let Some((best, sure)) = meant.first()
            && *sure >= MAYBE
            && meant.get(1).is_none_or(|(_, other)| *sure > 2.0 * other)
        {
            // Another flow than the two is the usual way's matter.
            return between.flows.contains(best).then_some(*best);
        }
        let named = (between.flows.iter()).find(|flow| {
            let titles = self.flows.title(**flow);
            titles.iter().any(|it| memory::says(&self.text, it))
        });
        let place = match memory::reference(&self.text) {
            Some(Reference::Nth(1)) => Some(between.flows[0]),
            Some(Reference::Nth(2 | 255)) => Some(between.flows[1]),
            _ => None,
        };
        named.copied().or(place)
    }

    /// Goes on with the flow that was meant, and with what was said before it was asked.
    pub(super) fn take_up(&mut self, flow: u32, between: &Between, heard: &Heard<'_>) {
        let goes_on = self.state.frames.last().map(|frame| frame.flow) == Some(flow);
        if !goes_on {
            self.begin(flow);
        }
        let entities: Vec<Entity<'_>> = (between.named.iter())
            .map(|(kind, value, confidence)| Entity {
                kind,
                value,
                confidence: *confidence,
                span: (0, 0),
            })
            .collect();
        let answer = core::mem::replace(&mut self.text, Text::new(&between.text));
        let before = Heard {
            text: &between.text,
            entities: &entities,
            ..*heard
        };
        let mut filled = self.fill(&before, false);
        if !goes_on {
            self.account(&between.text);
        }
        self.text = answer;
        if !heard.entities.is_empty() {
            filled.changed.extend(self.fill(heard, false).changed);
        }
        self.state.failed = 0;
        match goes_on && !filled.changed.is_empty() {
            true => self.correct(&filled),
            false => self.run(),
        }
    }
}
