//! What a person who takes over should see.

use crate::flow::{Flows, Setting, Step, System};

use super::render::{Own, render, shown};
use super::state::{State, StateError};

/// Lines of a transcript that are passed on: the newest.
const MOST_LINES: usize = 100;

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The customer.
    Customer,
    /// The assistant.
    Assistant,
}

/// A line of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Who said it.
    pub who: Who,
    /// What was said.
    pub text: &'a str,
}

/// What is known of a slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The flow.
    pub flow: String,
    /// The slot.
    pub slot: String,
    /// Its value, masked.
    pub value: String,
    /// How sure it is, 0 to 1.
    pub belief: f32,
    /// Whether the customer said yes to it.
    pub confirmed: bool,
}

/// What a person who takes over should see.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Why a person is needed; empty where nobody asked for one.
    pub reason: String,
    /// A few sentences in English, masked.
    pub summary: String,
    /// The customer's language: `en` or `zh`.
    pub language: &'static str,
    /// How satisfied the customer seems, 0 to 1.
    pub satisfaction: f32,
    /// Flows under way, the newest last, each with its state.
    pub flows: Vec<(String, String)>,
    /// What is known.
    pub slots: Vec<Value>,
    /// What the shop's actions returned, masked.
    pub facts: Vec<(String, String)>,
    /// The newest lines, masked.
    pub transcript: Vec<(Who, String)>,
    /// Replies to begin with, in the customer's language.
    pub suggested: Vec<String>,
}

pub(super) fn packet<B: AsRef<[u8]>>(
    flows: &Flows<B>,
    state: &[u8],
    transcript: &[Line<'_>],
    mask: &mut dyn FnMut(&str) -> String,
) -> Result<Packet, StateError> {
    let state = State::read(flows, state)?;
    let mut slots = Vec::new();
    let mut facts = Vec::new();
    let mut summary = Vec::new();
    for frame in &state.frames {
        let flow = flows.flow(frame.flow);
        let title = render(flows, false, flow.title, None, &Own::default());
        let mut known = Vec::new();
        for belief in &frame.beliefs {
            let Some((value, chance)) = belief.best() else {
                continue;
            };
            let slot = flows.slot(belief.slot);
            let value = mask(&shown(flows, false, belief.slot, value));
            known.push(format!("{} {value}", slot.name));
            slots.push(Value {
                flow: flow.name.to_owned(),
                slot: slot.name.to_owned(),
                value,
                belief: chance,
                confirmed: belief.confirmed,
            });
        }
        for (fact, value) in &frame.facts {
            facts.push((flows.fact(*fact).to_owned(), mask(value)));
        }
        let known = match known.is_empty() {
            true => "nothing known yet".to_owned(),
            false => known.join(", "),
        };
        summary.push(format!("{title}: {known}."));
    }
    let satisfaction = state.mood.satisfaction();
    let turns = state.turns;
    summary.insert(0, format!("The customer wrote {turns} times."));
    if state.failed > 0 {
        summary.push(format!("The last {} weren't understood.", state.failed));
    }
    if state.swears > 0 {
        summary.push("The customer swore.".to_owned());
    }
    let say = |reply: u32| render(flows, state.chinese, reply, None, &Own::default());
    let mut suggested = Vec::new();
    if satisfaction < 2.0 * flows.share(Setting::Satisfied) || state.swears > 0 {
        suggested.push(say(flows.system(System::Calm)));
    }
    if let Some(frame) = state.frames.last()
        && let Step::Ask { slot, .. } = flows.step(frame.state)
    {
        suggested.push(say(flows.slot(slot).prompt));
    }
    suggested.push(say(flows.system(System::AnythingElse)));
    let newest = transcript.len().saturating_sub(MOST_LINES);
    Ok(Packet {
        reason: state.person.clone().unwrap_or_default(),
        summary: summary.join(" "),
        language: if state.chinese { "zh" } else { "en" },
        satisfaction,
        flows: (state.frames.iter())
            .map(|frame| {
                let flow = flows.flow(frame.flow).name.to_owned();
                (flow, flows.state_name(frame.state).to_owned())
            })
            .collect(),
        slots,
        facts,
        transcript: (transcript[newest..].iter())
            .map(|line| (line.who, mask(line.text)))
            .collect(),
        suggested,
    })
}
