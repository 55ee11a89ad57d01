//! What a dialogue must know next time, as bytes: a version, the digest of its flows, then
//! fields in a fixed order, numbers little-endian.

use core::fmt;

use crate::flow::{Flows, Step};

use super::belief::{self, Belief};
use super::memory::{self, Entry};
use super::mood::Mood;

/// Largest state, in bytes.
pub const MAX_STATE: usize = 16 * 1024;
const VERSION: u8 = 2;
/// Longest fact, in bytes.
pub(super) const LONGEST_FACT: usize = 600;
/// What is kept of the last replies, in bytes.
pub(super) const LONGEST_SAID: usize = 1500;
const MOST_FRAMES: usize = 9;
const MOST_KEPT: usize = 16;

/// Bytes that aren't a dialogue's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// More than [`MAX_STATE`] bytes.
    TooLarge,
    /// Of another version of this crate: begin a new dialogue.
    Version,
    /// Of other flows than these: begin a new dialogue.
    OtherFlows,
    /// Cut, changed or made up.
    Damaged,
}

impl StateError {
    /// Stable, for machines.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "state_too_large",
            Self::Version => "state_version",
            Self::OtherFlows => "state_other_flows",
            Self::Damaged => "state_damaged",
        }
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = match self {
            Self::TooLarge => "the dialogue's state is too large",
            Self::Version => "the dialogue's state is of another version",
            Self::OtherFlows => "the dialogue's state belongs to other flows",
            Self::Damaged => "the dialogue's state is damaged",
        };
        write!(f, "{cause} [{}]. Begin a new dialogue.", self.code())
    }
}

impl core::error::Error for StateError {}

/// The first bytes of a text, whole characters only.
pub(super) fn clip(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// What is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Asking {
    #[default]
    Anything,
    Slot,
    /// Whether an uncertain value of the slot is right.
    Check,
    Confirm,
    /// Which of the confirmed values is wrong.
    Which,
    Call,
    Person,
}

impl Asking {
    const ALL: [Self; 7] = [
        Self::Anything,
        Self::Slot,
        Self::Check,
        Self::Confirm,
        Self::Which,
        Self::Call,
        Self::Person,
    ];
}

/// A flow under way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) flow: u32,
    pub(super) state: u32,
    /// How often a state forgot what was asked.
    pub(super) retries: u8,
    pub(super) beliefs: Vec<Belief>,
    pub(super) facts: Vec<(u32, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pending {
    pub(super) id: u32,
    pub(super) action: u32,
    pub(super) since: i64,
}

/// A text that may mean either of two flows, kept until the customer has said which.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Between {
    pub(super) flows: [u32; 2],
    pub(super) text: String,
    /// Kinds and values that it names, with the confidence in each.
    pub(super) named: Vec<(String, String, f32)>,
}

impl Between {
    /// Longest text, in bytes.
    pub(super) const LONGEST: usize = 300;
    /// Most that is kept of what it names.
    pub(super) const MOST: usize = 8;
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) now: i64,
    pub(super) turns: u32,
    pub(super) calls: u32,
    pub(super) chinese: bool,
    pub(super) asking: Asking,
    pub(super) failed: u8,
    pub(super) silences: u8,
    pub(super) swears: u8,
    pub(super) mood: Mood,
    /// A number of the customer's last text.
    pub(super) heard: u64,
    pub(super) person: Option<String>,
    pub(super) pending: Option<Pending>,
    pub(super) between: Option<Between>,
    /// The last is under way, the others wait.
    pub(super) frames: Vec<Frame>,
    /// Slots that a later flow may take up.
    pub(super) kept: Vec<(u32, String)>,
    pub(super) memory: Vec<Entry>,
    pub(super) said: String,
}

struct Writer(Vec<u8>);

impl Writer {
    fn text(&mut self, text: &str) {
        self.0.extend((text.len() as u16).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    fn u32(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn count(&mut self, list: usize) {
        self.0.push(list as u8);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn u32(&mut self, below: u32) -> Option<u32> {
        let number = self.array().map(u32::from_le_bytes)?;
        (number < below).then_some(number)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn f32(&mut self, most: f32) -> Option<f32> {
        let number = self.array().map(f32::from_le_bytes)?;
        (-most..=most).contains(&number).then_some(number)
    }

    fn text(&mut self, most: usize) -> Option<String> {
        let length = usize::from(self.array().map(u16::from_le_bytes)?);
        let text = core::str::from_utf8(self.bytes(length)?).ok()?;
        (length <= most).then(|| text.to_owned())
    }

    fn list<T>(
        &mut self,
        most: usize,
        mut each: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = usize::from(self.u8()?);
        (count <= most)
            .then(|| (0..count).map(|_| each(self)).collect())
            .flatten()
    }
}

impl State {
    pub(super) fn read<B: AsRef<[u8]>>(flows: &Flows<B>, bytes: &[u8]) -> Result<Self, StateError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        if bytes.len() > MAX_STATE {
            return Err(StateError::TooLarge);
        }
        let mut reader = Reader(bytes);
        if reader.u8() != Some(VERSION) {
            return Err(StateError::Version);
        }
        match reader.array().map(u64::from_le_bytes) {
            Some(digest) if digest == flows.digest() => {}
            Some(_) => return Err(StateError::OtherFlows),
            None => return Err(StateError::Damaged),
        }
        let state = Self::fields(flows, &mut reader);
        state
            .filter(|state| reader.0.is_empty() && state.is_sound(flows))
            .ok_or(StateError::Damaged)
    }

    fn fields<B: AsRef<[u8]>>(flows: &Flows<B>, reader: &mut Reader<'_>) -> Option<Self> {
        let mut state = Self {
            now: reader.i64()?,
            turns: reader.u32(u32::MAX)?,
            calls: reader.u32(u32::MAX)?,
            chinese: reader.flag()?,
            asking: *Asking::ALL.get(usize::from(reader.u8()?))?,
            failed: reader.u8()?,
            silences: reader.u8()?,
            swears: reader.u8()?,
            heard: reader.array().map(u64::from_le_bytes)?,
            ..Self::default()
        };
        for sum in state.mood.sums_mut() {
            *sum = reader.f32(100.0)?;
        }
        if reader.flag()? {
            state.person = Some(reader.text(64)?);
        }
        if reader.flag()? {
            state.pending = Some(Pending {
                id: reader.u32(u32::MAX)?,
                action: reader.u32(flows.actions())?,
                since: reader.i64()?,
            });
        }
        if reader.flag()? {
            state.between = Some(Between {
                flows: [reader.u32(flows.len())?, reader.u32(flows.len())?],
                text: reader.text(Between::LONGEST)?,
                named: reader.list(Between::MOST, |reader| {
                    let (kind, value) = (reader.text(40)?, reader.text(belief::LONGEST)?);
                    Some((kind, value, reader.f32(1.0)?))
                })?,
            });
        }
        state.frames = reader.list(MOST_FRAMES, |reader| {
            Some(Frame {
                flow: reader.u32(flows.len())?,
                state: reader.u32(flows.states())?,
                retries: reader.u8()?,
                beliefs: reader.list(128, |reader| {
                    Some(Belief {
                        slot: reader.u32(flows.slots())?,
                        confirmed: reader.flag()?,
                        values: reader.list(belief::MOST, |reader| {
                            let value = reader.text(belief::LONGEST)?;
                            let belief = reader.f32(1.0).filter(|b| *b >= 0.0)?;
                            Some((value, belief))
                        })?,
                    })
                })?,
                facts: reader.list(128, |reader| {
                    Some((reader.u32(flows.facts())?, reader.text(LONGEST_FACT)?))
                })?,
            })
        })?;
        state.kept = reader.list(MOST_KEPT, |reader| {
            Some((reader.u32(flows.slots())?, reader.text(belief::LONGEST)?))
        })?;
        state.memory = reader.list(memory::MOST, |reader| {
            Some(Entry {
                kind: reader.text(40)?,
                value: reader.text(memory::LONGEST)?,
                label: reader.text(memory::LONGEST)?,
                turn: reader.u32(u32::MAX)?,
                place: reader.u8()?,
            })
        })?;
        state.said = reader.text(LONGEST_SAID)?;
        Some(state)
    }

    /// Whether what is waited for is what the state of the flow waits for.
    fn is_sound<B: AsRef<[u8]>>(&self, flows: &Flows<B>) -> bool {
        let inside = self.frames.iter().all(|frame| {
            let (first, count) = flows.flow(frame.flow).states;
            (first..first + count).contains(&frame.state)
        });
        let step = self.frames.last().map(|frame| flows.step(frame.state));
        let waits = match (self.asking, step) {
            (Asking::Anything, None) | (Asking::Person, _) => true,
            (Asking::Slot | Asking::Check, Some(Step::Ask { .. })) => true,
            (Asking::Confirm | Asking::Which, Some(Step::Confirm { .. })) => true,
            (Asking::Call, Some(Step::Call { action, .. })) => {
                self.pending.as_ref().is_some_and(|p| p.action == action)
            }
            _ => false,
        };
        let open = !matches!(self.asking, Asking::Call | Asking::Person);
        inside
            && waits
            && (open || self.between.is_none())
            && (self.asking == Asking::Call) == self.pending.is_some()
            && (self.asking == Asking::Person) == self.person.is_some()
    }

    /// The bytes. What matters least is left out until they fit.
    pub(super) fn write(&mut self, digest: u64) -> Vec<u8> {
        loop {
            let bytes = self.bytes(digest);
            if bytes.len() <= MAX_STATE {
                return bytes;
            }
            let beliefs = || self.frames.iter().flat_map(|frame| &frame.beliefs);
            if !self.memory.is_empty() {
                self.memory.remove(0);
            } else if beliefs().any(|belief| belief.values.len() > 1) {
                let all = self.frames.iter_mut().flat_map(|frame| &mut frame.beliefs);
                all.for_each(|belief| belief.values.truncate(1));
            } else if self.frames.len() > 1 {
                self.frames.remove(0);
            } else {
                // One flow with more values than fit: a person reads the transcript.
                self.frames.clear();
                self.pending = None;
                self.between = None;
                self.asking = Asking::Person;
                self.person = Some("too_long".to_owned());
            }
        }
    }

    fn bytes(&self, digest: u64) -> Vec<u8> {
        let mut out = Writer(vec![VERSION]);
        out.0.extend(digest.to_le_bytes());
        out.0.extend(self.now.to_le_bytes());
        out.u32(self.turns);
        out.u32(self.calls);
        let asking = Asking::ALL.iter().position(|a| *a == self.asking);
        out.0.push(u8::from(self.chinese));
        out.count(asking.unwrap_or(0));
        out.0.extend([self.failed, self.silences, self.swears]);
        out.0.extend(self.heard.to_le_bytes());
        for sum in self.mood.sums() {
            out.0.extend(sum.to_le_bytes());
        }
        out.0.push(u8::from(self.person.is_some()));
        if let Some(person) = &self.person {
            out.text(person);
        }
        out.0.push(u8::from(self.pending.is_some()));
        if let Some(pending) = &self.pending {
            out.u32(pending.id);
            out.u32(pending.action);
            out.0.extend(pending.since.to_le_bytes());
        }
        out.0.push(u8::from(self.between.is_some()));
        if let Some(between) = &self.between {
            between.flows.iter().for_each(|flow| out.u32(*flow));
            out.text(&between.text);
            out.count(between.named.len());
            for (kind, value, confidence) in &between.named {
                out.text(kind);
                out.text(value);
                out.0.extend(confidence.to_le_bytes());
            }
        }
        out.count(self.frames.len());
        for frame in &self.frames {
            out.u32(frame.flow);
            out.u32(frame.state);
            out.0.push(frame.retries);
            out.count(frame.beliefs.len());
            for belief in &frame.beliefs {
                out.u32(belief.slot);
                out.0.push(u8::from(belief.confirmed));
                out.count(belief.values.len());
                for (value, chance) in &belief.values {
                    out.text(value);
                    out.0.extend(chance.to_le_bytes());
                }
            }
            out.count(frame.facts.len());
            for (fact, value) in &frame.facts {
                out.u32(*fact);
                out.text(value);
            }
        }
        out.count(self.kept.len());
        for (slot, value) in &self.kept {
            out.u32(*slot);
            out.text(value);
        }
        out.count(self.memory.len());
        for entry in &self.memory {
            out.text(&entry.kind);
            out.text(&entry.value);
            out.text(&entry.label);
            out.u32(entry.turn);
            out.0.push(entry.place);
        }
        out.text(&self.said);
        out.0
    }

    /// Keeps a slot's value for later flows.
    pub(super) fn keep(&mut self, slot: u32, value: &str) {
        self.kept.retain(|(other, _)| *other != slot);
        if self.kept.len() >= MOST_KEPT {
            self.kept.remove(0);
        }
        self.kept.push((slot, value.to_owned()));
    }
}
