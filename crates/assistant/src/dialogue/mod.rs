//! A dialogue that follows flows: what was understood of a turn goes in, replies and calls
//! come out, and what must be known next time travels as bytes.
//!
//! Nothing is made up: what a reply says of an order is a fact that the shop's own action
//! returned in this flow, and an outcome that lacks a fact it should bring counts as
//! failed. A call that changes something is made only with values that the customer said
//! yes to, whatever the flow's states say.

mod belief;
mod clarify;
mod fill;
mod memory;
mod moment;
mod mood;
mod packet;
pub mod policy;
mod render;
mod run;
mod state;
mod turn;

pub use packet::{Line, Packet, Value, Who};
pub use state::{MAX_STATE, StateError};

use crate::flow::Flows;

use policy::{Choose, Policy};

/// What a customer writes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Chinese.
    Chinese,
    /// Any other.
    Other,
}

/// Something that a text names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entity<'a> {
    /// One of [`ENTITY_KINDS`](crate::flow::ENTITY_KINDS), or the name of a slot of the flows
    /// whose entity is `text`.
    pub kind: &'a str,
    /// Its value in normal form.
    pub value: &'a str,
    /// 0 to 1.
    pub confidence: f32,
    /// Its first byte in the text, and the byte after its last.
    pub span: (u32, u32),
}

/// How a customer feels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sentiment {
    /// -2 (very bad) to 2 (very good).
    pub level: i8,
    /// 0 to 1.
    pub confidence: f32,
}

/// The kind of an entity that completes an address that is known: a postcode, a town.
pub const ADDRESS_PART: &str = "address_part";

/// What was understood of a text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard<'a> {
    /// The text, as it was written.
    pub text: &'a str,
    /// Its language.
    pub language: Language,
    /// Intents with probabilities, in any order; none where the text is out of scope.
    pub intents: &'a [(&'a str, f32)],
    /// What it names.
    pub entities: &'a [Entity<'a>],
    /// How it sounds.
    pub sentiment: Option<Sentiment>,
    /// A part of it that asks for something else than the rest.
    pub also: Option<Also<'a>>,
}

/// A part of a text that asks for something else than the rest: "and change its address".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Also<'a> {
    /// What it asks for.
    pub intent: &'a str,
    /// The part, in bytes of the text.
    pub span: (u32, u32),
}

impl<'a> Heard<'a> {
    /// What lies within a part of the text, or outside of it.
    fn part<'b>(&self, entities: &'b [Entity<'b>], text: &'b str) -> Heard<'b>
    where
        'a: 'b,
    {
        Heard {
            text,
            entities,
            also: None,
            ..*self
        }
    }
}

/// One of a list that a call returned, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The kind of entity that it is.
    pub kind: &'a str,
    /// Its value.
    pub value: &'a str,
    /// How it is shown.
    pub label: &'a str,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome<'a> {
    /// The call's number.
    pub call: u32,
    /// One of the action's outcomes; `failed` where the shop couldn't say.
    pub name: &'a str,
    /// The facts that the outcome brings.
    pub facts: &'a [(&'a str, &'a str)],
    /// What the fact `items` lists.
    pub items: &'a [Item<'a>],
}

/// What keeps an outcome from being one of its action: such a one counts as failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The action has no outcome of its name, but these.
    Name {
        /// The action.
        action: String,
        /// Its outcomes.
        outcomes: Vec<String>,
    },
    /// It doesn't bring this fact, or an empty one.
    Fact(String),
    /// It should list something, and lists nothing.
    Items,
    /// What it lists at this place, from 0, is of no kind that flows know.
    Kind(usize),
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The customer wrote.
    Said(Heard<'a>),
    /// The shop answered a call.
    Done(Outcome<'a>),
    /// Nobody wrote for [`Output::nudge_ms`].
    Silence,
}

/// What happened, and when.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Milliseconds on the caller's clock.
    pub now: i64,
    /// What happened.
    pub event: Event<'a>,
}

/// A call that the shop makes; its outcome is the next input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number in this dialogue, which its outcome names; fit for an idempotency key.
    pub id: u32,
    /// The action.
    pub action: String,
    /// Slots and values. The required ones are all there.
    pub inputs: Vec<(String, String)>,
    /// Whether it changes something; the customer has confirmed its required inputs.
    pub commits: bool,
}

/// What the dialogue waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expects {
    /// Whatever the customer wants.
    #[default]
    Anything,
    /// A slot's value.
    Slot {
        /// The slot.
        slot: String,
        /// The kind of entity that fills it.
        entity: String,
    },
    /// A yes or a no.
    YesNo,
    /// A call's outcome.
    Outcome,
    /// A person.
    Person,
}

/// What comes of a turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// What is said: plain text without markup, in order.
    pub replies: Vec<String>,
    /// The language of the replies; never [`Language::Other`].
    pub language: Language,
    /// A call to make.
    pub call: Option<Call>,
    /// What is waited for.
    pub expects: Expects,
    /// Short answers to offer.
    pub quick: Vec<String>,
    /// Why a person should take over.
    pub person: Option<String>,
    /// The flow and its state where the dialogue waits; none between flows.
    pub place: Option<(String, String)>,
    /// How satisfied the customer seems, 0 to 1: an estimate by fixed weights.
    pub satisfaction: f32,
    /// Whether the customer said goodbye.
    pub ended: bool,
    /// Milliseconds of silence after which [`Event::Silence`] should come.
    pub nudge_ms: Option<u32>,
    /// What must come with the next input.
    pub state: Vec<u8>,
}

/// Dialogues that follow flows.
#[derive(Clone, Debug)]
pub struct Dialogue<B> {
    flows: Flows<B>,
    policy: Option<Policy>,
}

impl<B: AsRef<[u8]>> Dialogue<B> {
    /// Dialogues that follow these flows.
    pub const fn new(flows: Flows<B>) -> Self {
        Self {
            flows,
            policy: None,
        }
    }

    /// Lets a network choose among what is allowed.
    #[must_use]
    pub fn with_policy(self, policy: Option<Policy>) -> Self {
        Self { policy, ..self }
    }

    /// The flows.
    pub const fn flows(&self) -> &Flows<B> {
        &self.flows
    }

    /// Takes what happened. No bytes of state begin a dialogue.
    ///
    /// # Errors
    /// Bytes that aren't a state of a dialogue over these flows. Whether they are the ones
    /// that this dialogue gave out, a signature must say.
    pub fn turn(&self, state: &[u8], input: &Input<'_>) -> Result<Output, StateError> {
        let mut choose = |moment: &policy::Moment| self.policy.as_ref()?.choose(moment);
        turn::turn(&self.flows, state, input, &mut choose)
    }

    /// As [`Self::turn`], with another choice among what is allowed, as learning makes it.
    ///
    /// # Errors
    /// Those of [`Self::turn`].
    pub fn turn_by(
        &self,
        state: &[u8],
        input: &Input<'_>,
        choose: &mut Choose<'_>,
    ) -> Result<Output, StateError> {
        turn::turn(&self.flows, state, input, choose)
    }

    /// What is waited for, and in which language.
    ///
    /// # Errors
    /// Bytes that aren't a state of a dialogue over these flows.
    pub fn awaits(&self, state: &[u8]) -> Result<(Language, Expects), StateError> {
        turn::awaits(&self.flows, state)
    }

    /// What keeps an outcome from being one of the action that is waited for; nothing where
    /// it isn't waited for, or says `failed`.
    ///
    /// # Errors
    /// Bytes that aren't a state of a dialogue over these flows.
    pub fn misfits(&self, state: &[u8], outcome: &Outcome<'_>) -> Result<Vec<Misfit>, StateError> {
        turn::misfits(&self.flows, state, outcome)
    }

    /// What a person who takes over should see. `mask` hides personal data in a text.
    ///
    /// # Errors
    /// Bytes that aren't a state of a dialogue over these flows.
    pub fn packet(
        &self,
        state: &[u8],
        transcript: &[Line<'_>],
        mask: &mut dyn FnMut(&str) -> String,
    ) -> Result<Packet, StateError> {
        packet::packet(&self.flows, state, transcript, mask)
    }
}
