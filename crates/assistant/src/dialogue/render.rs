//! Replies as plain text.

use crate::flow::{Flows, Part, Special};

use super::state::{Frame, clip};

/// Longest value of a slot that is shown, in bytes.
const LONGEST_SHOWN: usize = 200;

/// What the dialogue fills into its own replies.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    pub(super) title: String,
    pub(super) value: String,
    pub(super) slot: String,
    pub(super) other: String,
}

/// A value as text that no page takes for markup: without signs of tags, control and
/// direction.
fn inert(value: &str) -> String {
    let hidden = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
            || *c == '\n'
    };
    value
        .chars()
        .filter(hidden)
        .map(|c| match c {
            '<' => '\u{2039}',
            '>' => '\u{203a}',
            c => c,
        })
        .collect()
}

/// A slot's value as the customer reads it: a choice by its label.
pub(super) fn shown<B: AsRef<[u8]>>(
    flows: &Flows<B>,
    chinese: bool,
    slot: u32,
    value: &str,
) -> String {
    let (first, count) = flows.slot(slot).choices;
    for row in first..first + count {
        let (name, label, _) = flows.choice(row);
        if name == value {
            return render(flows, chinese, label, None, &Own::default());
        }
    }
    inert(&clip(value, LONGEST_SHOWN))
}

/// A reply with the values of a flow under way.
pub(super) fn render<B: AsRef<[u8]>>(
    flows: &Flows<B>,
    chinese: bool,
    reply: u32,
    frame: Option<&Frame>,
    own: &Own,
) -> String {
    let reply = flows.reply(reply);
    let parts = if chinese { reply.zh } else { reply.en };
    let mut out = String::new();
    for part in flows.parts(parts) {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Slot(slot) => {
                let beliefs = frame.map_or(&[][..], |frame| &frame.beliefs);
                let belief = beliefs.iter().find(|belief| belief.slot == slot);
                if let Some((value, _)) = belief.and_then(|belief| belief.best()) {
                    out += &shown(flows, chinese, slot, value);
                }
            }
            Part::Fact(fact) => {
                let facts = frame.map_or(&[][..], |frame| &frame.facts);
                if let Some((_, value)) = facts.iter().find(|(name, _)| *name == fact) {
                    out += &inert(value);
                }
            }
            Part::Special(special) => out.push_str(match special {
                Special::Title => &own.title,
                Special::Value => &own.value,
                Special::Slot => &own.slot,
                Special::Other => &own.other,
            }),
        }
    }
    out
}
