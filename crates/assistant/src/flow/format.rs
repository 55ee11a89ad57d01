//! The flat form of flows.
//!
//! ```text
//! 0   magic "SHELFLOW"
//! 8   version, length of the whole                        u32 each
//! 16  settings, one for each of `Setting`                 u32 each
//! ..  replies of the dialogue, one for each of `System`   u32 each
//! ..  swear words: where in the lists, how many           u32 each
//! ..  rows of each table, bytes of the pool               u32 each
//! ..  tables, row after row of u32; then the pool of texts
//! ```
//!
//! All numbers are little-endian; rows name rows of other tables by their number, `NONE`
//! is no row.

use core::fmt;

use shelfedge_engine::file::u32_at;

pub(crate) const MAGIC: &[u8; 8] = b"SHELFLOW";
pub(crate) const VERSION: u32 = 2;
pub(crate) const NONE: u32 = u32::MAX;
/// Largest compiled flows, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$each])* $variant,)* }
        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// Its name in the file.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

names! {
    /// A number of the section `[settings]`; probabilities are kept in thousandths.
    Setting {
        /// Failed turns in a row after which a person takes over, 1 to 10.
        FailedTurns = "failed_turns",
        /// Milliseconds of silence after which the customer is asked again.
        NudgeMs = "nudge_ms",
        /// Milliseconds after which a dialogue is resumed with a word of welcome.
        StaleMs = "stale_ms",
        /// Milliseconds after which a call counts as failed.
        CallMs = "call_ms",
        /// Flows that may wait for another to end, 1 to 8.
        Depth = "depth",
        /// Belief from which a slot's value is taken as it is.
        Sure = "sure",
        /// Belief from which the customer is asked whether a value is right.
        Unsure = "unsure",
        /// Probability from which an intent begins another flow.
        Switch = "switch",
        /// Satisfaction below which a person takes over.
        Satisfied = "satisfied",
    }
}

names! {
    /// What the dialogue itself says, in the section `[replies]`.
    System {
        /// To a greeting.
        Greet = "greet",
        /// To thanks.
        Thanks = "thanks",
        /// To a goodbye.
        Bye = "bye",
        /// What it can do; the flows' titles are its quick replies.
        Help = "help",
        /// To what wasn't understood.
        NotUnderstood = "not_understood",
        /// To what no flow is about.
        OutOfScope = "out_of_scope",
        /// To another language than English and Chinese.
        UnknownLanguage = "unknown_language",
        /// When a flow was stopped.
        Stopped = "stopped",
        /// When all begins again.
        Restarted = "restarted",
        /// When another flow waits; `{title}` is its title.
        Later = "later",
        /// When a flow goes on; `{title}` is its title.
        Resume = "resume",
        /// Whether an uncertain value is right; `{slot}` and `{value}`.
        Check = "check",
        /// A value was replaced; `{slot}` and `{value}`.
        Corrected = "corrected",
        /// Which value is wrong.
        Which = "which",
        /// Which of two flows is meant; `{title}` and `{other}` are their titles.
        Clarify = "clarify",
        /// After a flow's end.
        AnythingElse = "anything_else",
        /// A person takes over.
        Person = "person",
        /// A person was already called.
        Waiting = "waiting",
        /// After a silence.
        StillThere = "still_there",
        /// After a second silence.
        Left = "left",
        /// While a call is under way.
        Moment = "moment",
        /// After a long pause; `{title}` is what it was about.
        WelcomeBack = "welcome_back",
        /// To swearing.
        Calm = "calm",
        /// The button for yes.
        Yes = "yes",
        /// The button for no.
        No = "no",
    }
}

macro_rules! tables {
    ($($name:ident = $width:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Table { $($name,)* }
        const WIDTHS: &[usize] = &[$($width),*];
        const TABLES: &[Table] = &[$(Table::$name),*];
    };
}

tables! {
    // start and end in the pool
    Texts = 2,
    // any number
    Lists = 1,
    // English: where in the lists, how many parts; Chinese: the same
    Replies = 4,
    // name
    Facts = 1,
    // name, entity, label, prompt, again or NONE, flags (1 keep, 2 opening, 4 account), choices: first, how many
    Slots = 8,
    // name, label, words: where in the lists, how many
    Choices = 4,
    // name, commits, inputs (slot, required): where in the lists, how many; outcomes: first, how many
    Actions = 6,
    // name, facts: where in the lists, how many
    Outcomes = 3,
    // name, title, intents: where, how many; slots: where, how many; states: first, how many; start
    Flows = 9,
    // name, kind, forgets: where, how many; five of the kind's own
    States = 9,
}

impl Table {
    const fn width(self) -> usize {
        WIDTHS[self as usize]
    }
}

/// Where the rows of tables are counted, in u32 from the first after the magic.
const SWEARING: usize = 2 + Setting::ALL.len() + System::ALL.len();
const COUNTS: usize = SWEARING + 2;
const HEAD: usize = COUNTS + TABLES.len() + 1;

/// Bytes that aren't flows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// They don't begin like flows, or aren't of this version.
    Version,
    /// They are longer than [`MAX_BYTES`], or not as long as they say.
    Length,
    /// A part of theirs is damaged.
    Damaged(&'static str),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => {
                f.write_str("these aren't compiled flows of this version; compile them again")
            }
            Self::Length => f.write_str("the compiled flows are cut or too long; copy them again"),
            Self::Damaged(part) => {
                write!(
                    f,
                    "the compiled flows are damaged ({part}); compile them again"
                )
            }
        }
    }
}

impl core::error::Error for OpenError {}

/// Compiled flows, read in place.
#[derive(Clone, Debug)]
pub struct Flows<B> {
    bytes: B,
    tables: [(usize, u32); TABLES.len()],
    pool: usize,
    digest: u64,
}

/// A run of numbers in the lists.
#[derive(Clone, Copy, Debug)]
pub struct List<'a>(&'a [u8]);

impl List<'_> {
    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len() / 4
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<u32> {
        u32_at(self.0, i.checked_mul(4)?)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0
            .chunks_exact(4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }
}

/// A flow.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    /// Its name.
    pub name: &'a str,
    /// The slots that its states use.
    pub slots: List<'a>,
    /// Its first state, and how many there are.
    pub states: (u32, u32),
    /// The state that it begins with.
    pub start: u32,
    pub(crate) title: u32,
    pub(crate) intents: List<'a>,
}

/// A slot.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    /// Its name.
    pub name: &'a str,
    /// The kind of entity that fills it, one of [`ENTITY_KINDS`](super::ENTITY_KINDS).
    pub entity: &'a str,
    /// Whether a later flow asks if it is still the same.
    pub keep: bool,
    /// Whether a question that begins the flow and fills another slot is this slot's text.
    pub opening: bool,
    /// Whether what the customer tells when the flow begins is this slot's text, if it tells
    /// more than that it begins.
    pub account: bool,
    pub(crate) label: u32,
    pub(crate) prompt: u32,
    pub(crate) again: Option<u32>,
    pub(crate) choices: (u32, u32),
}

/// What a state does.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Asks for a slot unless it is filled.
    Ask {
        /// The slot.
        slot: u32,
        /// The state after it.
        next: u32,
    },
    /// Says something.
    Say {
        /// The reply.
        reply: u32,
        /// The state after it.
        next: u32,
    },
    /// Calls the shop.
    Call {
        /// The action.
        action: u32,
        /// The next state for each of the action's outcomes.
        on: List<'a>,
    },
    /// Asks whether values are right.
    Confirm {
        /// The reply.
        reply: u32,
        /// After a yes.
        yes: u32,
        /// After a no.
        no: u32,
        /// What a yes confirms.
        slots: List<'a>,
    },
    /// Goes where the first rule that holds says.
    Choose {
        /// Rules, as `Flows::rules` reads them.
        rules: List<'a>,
        /// Where no rule holds.
        other: u32,
    },
    /// Ends the flow.
    End {
        /// What is said.
        reply: Option<u32>,
    },
    /// Fetches a person.
    Person {
        /// Why.
        reason: &'a str,
    },
}

/// A condition of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    /// The slot has (or hasn't) this value.
    Slot(u32, &'a str, bool),
    /// The slot has a value.
    SlotKnown(u32),
    /// The fact has (or hasn't) this value.
    Fact(u32, &'a str, bool),
    /// The fact has a value.
    FactKnown(u32),
}

/// A rule of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule<'a> {
    /// When it holds.
    pub when: Condition<'a>,
    /// The next state then.
    pub to: u32,
}

names! {
    /// Placeholders that the dialogue fills.
    Special {
        /// A flow's title.
        Title = "title",
        /// A slot's value.
        Value = "value",
        /// A slot's label.
        Slot = "slot",
        /// Another flow's title.
        Other = "other",
    }
}

/// A part of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// As it is.
    Text(&'a str),
    /// A slot's value.
    Slot(u32),
    /// A fact that a call returned.
    Fact(u32),
    /// What the dialogue fills in.
    Special(Special),
}

/// A reply in both languages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) en: List<'a>,
    pub(crate) zh: List<'a>,
}

impl<B: AsRef<[u8]>> Flows<B> {
    /// Opens compiled flows: checks every offset, row and text.
    ///
    /// # Errors
    /// Bytes that aren't compiled flows of this version, or are damaged.
    pub fn open(bytes: B) -> Result<Self, OpenError> {
        let all = bytes.as_ref();
        let word = |i: usize| u32_at(all, 8 + 4 * i).unwrap_or(NONE);
        if all.get(..8) != Some(MAGIC) || word(0) != VERSION {
            return Err(OpenError::Version);
        }
        if all.len() > MAX_BYTES || word(1) as usize != all.len() || all.len() < 8 + 4 * HEAD {
            return Err(OpenError::Length);
        }
        let mut tables = [(0, 0); TABLES.len()];
        let mut at = 8 + 4 * HEAD;
        for table in TABLES {
            let rows = word(COUNTS + *table as usize);
            tables[*table as usize] = (at, rows);
            let bytes = (rows as usize).checked_mul(4 * table.width());
            at = (bytes.and_then(|bytes| at.checked_add(bytes)))
                .filter(|at| *at <= all.len())
                .ok_or(OpenError::Length)?;
        }
        if word(COUNTS + TABLES.len()) as usize != all.len() - at {
            return Err(OpenError::Length);
        }
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        for byte in all {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let flows = Self {
            bytes,
            tables,
            pool: at,
            digest,
        };
        flows.check().map_err(OpenError::Damaged)?;
        Ok(flows)
    }

    fn word(&self, i: usize) -> u32 {
        u32_at(self.bytes.as_ref(), 8 + 4 * i).unwrap_or(0)
    }

    fn at(&self, table: Table, row: u32, column: usize) -> u32 {
        let (start, rows) = self.tables[table as usize];
        debug_assert!(row < rows && column < table.width());
        let at = start + 4 * (row as usize * table.width() + column);
        u32_at(self.bytes.as_ref(), at).unwrap_or(0)
    }

    fn rows(&self, table: Table) -> u32 {
        self.tables[table as usize].1
    }

    fn text_of(&self, row: u32) -> Option<&str> {
        let (from, to) = (self.at(Table::Texts, row, 0), self.at(Table::Texts, row, 1));
        let pool = self.bytes.as_ref().get(self.pool..)?;
        core::str::from_utf8(pool.get(from as usize..to as usize)?).ok()
    }

    pub(crate) fn text(&self, row: u32) -> &str {
        self.text_of(row).unwrap_or("")
    }

    fn list(&self, first: u32, count: u32) -> Option<List<'_>> {
        let end = first
            .checked_add(count)
            .filter(|end| *end <= self.rows(Table::Lists))?;
        let (start, _) = self.tables[Table::Lists as usize];
        let bytes = self.bytes.as_ref();
        let list = bytes.get(start + 4 * first as usize..start + 4 * end as usize)?;
        Some(List(list))
    }

    fn list_at(&self, table: Table, row: u32, column: usize) -> List<'_> {
        let list = self.list(self.at(table, row, column), self.at(table, row, column + 1));
        list.unwrap_or(List(&[]))
    }

    fn check(&self) -> Result<(), &'static str> {
        let is = |right: bool, part| if right { Ok(()) } else { Err(part) };
        let texts = self.rows(Table::Texts);
        is((0..texts).all(|t| self.text_of(t).is_some()), "texts")?;
        let below = |table: Table| {
            let rows = self.rows(table);
            move |row: u32| row < rows
        };
        let (text, reply) = (below(Table::Texts), below(Table::Replies));
        let (slot, fact) = (below(Table::Slots), below(Table::Facts));
        let list = |table, row, column| {
            self.list(self.at(table, row, column), self.at(table, row, column + 1))
        };
        let all = |of: Option<List<'_>>, right: &dyn Fn(u32) -> bool| {
            of.is_some_and(|list| list.iter().all(right))
        };
        let range = |table: Table, first: u32, count: u32| {
            first
                .checked_add(count)
                .is_some_and(|end| end <= self.rows(table))
        };
        let setting = |s: Setting| self.word(2 + s as usize);
        let thousandths = [
            Setting::Sure,
            Setting::Unsure,
            Setting::Switch,
            Setting::Satisfied,
        ];
        let small = [(Setting::FailedTurns, 10), (Setting::Depth, 8)];
        let sound = thousandths.iter().all(|s| setting(*s) <= 1000)
            && (small.iter()).all(|(s, most)| (1..=*most).contains(&setting(*s)));
        is(sound, "settings")?;
        let said = (0..System::ALL.len()).all(|i| reply(self.word(2 + Setting::ALL.len() + i)));
        is(said, "replies of the dialogue")?;
        let swearing = self.list(self.word(SWEARING), self.word(SWEARING + 1));
        is(all(swearing, &text), "swear words")?;
        for row in 0..self.rows(Table::Replies) {
            for column in [0, 2] {
                let parts = list(Table::Replies, row, column);
                let right = parts.is_some_and(|parts| {
                    parts.len() % 2 == 0
                        && (0..parts.len() / 2).all(|i| {
                            let (kind, what) = (parts.get(2 * i), parts.get(2 * i + 1));
                            what.is_some_and(|what| match kind {
                                Some(0) => text(what),
                                Some(1) => slot(what),
                                Some(2) => fact(what),
                                Some(3) => (what as usize) < Special::ALL.len(),
                                _ => false,
                            })
                        })
                });
                is(right, "replies")?;
            }
        }
        let facts = (0..self.rows(Table::Facts)).all(|row| text(self.at(Table::Facts, row, 0)));
        is(facts, "facts")?;
        for row in 0..self.rows(Table::Slots) {
            let at = |column| self.at(Table::Slots, row, column);
            let named = text(at(0)) && text(at(1)) && reply(at(2)) && reply(at(3));
            let rest = (at(4) == NONE || reply(at(4))) && at(5) < 8;
            is(
                named && rest && range(Table::Choices, at(6), at(7)),
                "slots",
            )?;
        }
        for row in 0..self.rows(Table::Choices) {
            let at = |column| self.at(Table::Choices, row, column);
            let right = text(at(0)) && reply(at(1)) && all(list(Table::Choices, row, 2), &text);
            is(right, "choices")?;
        }
        for row in 0..self.rows(Table::Actions) {
            let at = |column| self.at(Table::Actions, row, column);
            let inputs = list(Table::Actions, row, 2).is_some_and(|list| {
                let mut each = list.iter().enumerate();
                list.len() % 2 == 0 && each.all(|(i, w)| if i % 2 == 0 { slot(w) } else { w < 2 })
            });
            let right = text(at(0)) && at(1) < 2 && inputs && at(5) > 0;
            is(right && range(Table::Outcomes, at(4), at(5)), "actions")?;
        }
        for row in 0..self.rows(Table::Outcomes) {
            let right =
                text(self.at(Table::Outcomes, row, 0)) && all(list(Table::Outcomes, row, 1), &fact);
            is(right, "outcomes")?;
        }
        let mut states = 0;
        for row in 0..self.rows(Table::Flows) {
            let at = |column| self.at(Table::Flows, row, column);
            let lists =
                all(list(Table::Flows, row, 2), &text) && all(list(Table::Flows, row, 4), &slot);
            let own = at(6)..at(6).checked_add(at(7)).ok_or("flows")?;
            // Every state belongs to one flow, and flows follow one another.
            let right = text(at(0)) && reply(at(1)) && lists && at(6) == states;
            is(right && own.contains(&at(8)), "flows")?;
            states = own.end;
            is(states <= self.rows(Table::States), "flows")?;
            for state in own.clone() {
                let to = |state: u32| own.contains(&state);
                is(self.check_state(state, &to), "states")?;
            }
        }
        is(states == self.rows(Table::States) && states > 0, "states")
    }

    fn check_state(&self, row: u32, to: &dyn Fn(u32) -> bool) -> bool {
        let at = |column| self.at(Table::States, row, column);
        let (text, reply) = (self.rows(Table::Texts), self.rows(Table::Replies));
        let (slot, fact) = (self.rows(Table::Slots), self.rows(Table::Facts));
        let slots = |first, count| {
            self.list(first, count)
                .is_some_and(|list| list.iter().all(|s| s < slot))
        };
        let own = match at(1) {
            0 => at(4) < slot && to(at(5)),
            1 => at(4) < reply && to(at(5)),
            2 => {
                let outcomes = || self.at(Table::Actions, at(4), 5);
                at(4) < self.rows(Table::Actions)
                    && at(6) == outcomes()
                    && self
                        .list(at(5), at(6))
                        .is_some_and(|list| list.iter().all(to))
            }
            3 => at(4) < reply && to(at(5)) && to(at(6)) && slots(at(7), at(8)),
            4 => {
                to(at(6))
                    && self.list(at(4), at(5)).is_some_and(|list| {
                        let rule = |i: usize| {
                            let word = |j| list.get(4 * i + j).unwrap_or(NONE);
                            let subject = match word(0) {
                                0..=2 => slot,
                                3..=5 => fact,
                                _ => 0,
                            };
                            word(1) < subject && word(2) < text && to(word(3))
                        };
                        list.len() % 4 == 0 && (0..list.len() / 4).all(rule)
                    })
            }
            5 => at(4) == NONE || at(4) < reply,
            6 => at(4) < text,
            _ => false,
        };
        own && at(0) < text && slots(at(2), at(3))
    }

    /// A number that the same flows always have, and others hardly ever (FNV-1a).
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// A setting as it is kept.
    #[must_use]
    pub fn setting(&self, setting: Setting) -> u32 {
        self.word(2 + setting as usize)
    }

    pub(crate) fn share(&self, setting: Setting) -> f32 {
        self.setting(setting) as f32 / 1000.0
    }

    pub(crate) fn system(&self, system: System) -> u32 {
        self.word(2 + Setting::ALL.len() + system as usize)
    }

    pub(crate) fn swearing(&self) -> impl Iterator<Item = &str> {
        let list = self.list(self.word(SWEARING), self.word(SWEARING + 1));
        let words = list.unwrap_or(List(&[]));
        (0..words.len()).map(move |i| self.text(words.get(i).unwrap_or(0)))
    }

    pub(crate) fn reply(&self, row: u32) -> Reply<'_> {
        Reply {
            en: self.list_at(Table::Replies, row, 0),
            zh: self.list_at(Table::Replies, row, 2),
        }
    }

    pub(crate) fn parts<'a>(&'a self, list: List<'a>) -> impl Iterator<Item = Part<'a>> {
        (0..list.len() / 2).map(move |i| {
            let what = list.get(2 * i + 1).unwrap_or(0);
            match list.get(2 * i) {
                Some(1) => Part::Slot(what),
                Some(2) => Part::Fact(what),
                Some(3) => Part::Special(Special::ALL[what as usize % Special::ALL.len()]),
                _ => Part::Text(self.text(what)),
            }
        })
    }

    /// How many flows there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.rows(Table::Flows)
    }

    /// Whether there is none; never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A flow, by its number below [`Self::len`].
    #[must_use]
    pub fn flow(&self, row: u32) -> Flow<'_> {
        let at = |column| self.at(Table::Flows, row, column);
        Flow {
            name: self.text(at(0)),
            title: at(1),
            intents: self.list_at(Table::Flows, row, 2),
            slots: self.list_at(Table::Flows, row, 4),
            states: (at(6), at(7)),
            start: at(8),
        }
    }

    /// The flow of an intent.
    #[must_use]
    pub fn flow_of(&self, intent: &str) -> Option<u32> {
        (0..self.len()).find(|row| {
            let flow = self.flow(*row);
            flow.intents.iter().any(|text| self.text(text) == intent)
        })
    }

    /// The flow which something of that kind begins by itself: it asks for it, and what is
    /// asked of it may open the flow.
    #[must_use]
    pub fn opened_by(&self, kind: &str) -> Option<u32> {
        (0..self.len()).find(|row| {
            let slots = self.flow(*row).slots;
            let has = |fits: fn(&Slot<'_>, &str) -> bool| {
                let mut slots = slots.iter();
                slots.any(|slot| fits(&self.slot(slot), kind))
            };
            has(|slot, kind| slot.entity == kind) && has(|slot, _| slot.opening)
        })
    }

    /// The slots that a flow asks for or shows.
    pub fn slots_of(&self, flow: u32) -> impl Iterator<Item = Slot<'_>> {
        let slots: Vec<u32> = self.flow(flow).slots.iter().collect();
        slots.into_iter().map(|slot| self.slot(slot))
    }

    /// A flow's title in English and in Chinese.
    #[must_use]
    pub fn title(&self, flow: u32) -> [String; 2] {
        self.fixed(self.flow(flow).title)
    }

    /// What the dialogue itself says, in English and in Chinese, without what it fills in.
    #[must_use]
    pub fn says(&self, system: System) -> [String; 2] {
        self.fixed(self.system(system))
    }

    fn fixed(&self, reply: u32) -> [String; 2] {
        let reply = self.reply(reply);
        [reply.en, reply.zh].map(|parts| {
            let texts = self.parts(parts).map(|part| match part {
                Part::Text(text) => text,
                _ => "",
            });
            texts.collect()
        })
    }

    /// The intents that begin a flow.
    pub fn intents(&self, flow: u32) -> impl Iterator<Item = &str> {
        let intents: Vec<u32> = self.flow(flow).intents.iter().collect();
        intents.into_iter().map(|text| self.text(text))
    }

    /// The flow of that name.
    #[must_use]
    pub fn flow_named(&self, name: &str) -> Option<u32> {
        (0..self.len()).find(|row| self.flow(*row).name == name)
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.rows(Table::Slots)
    }

    /// A slot, by its number below [`Self::slots`].
    #[must_use]
    pub fn slot(&self, row: u32) -> Slot<'_> {
        let at = |column| self.at(Table::Slots, row, column);
        Slot {
            name: self.text(at(0)),
            entity: self.text(at(1)),
            label: at(2),
            prompt: at(3),
            again: Some(at(4)).filter(|row| *row != NONE),
            keep: at(5) & 1 == 1,
            opening: at(5) & 2 == 2,
            account: at(5) & 4 == 4,
            choices: (at(6), at(7)),
        }
    }

    /// Name, label and words of a choice.
    pub(crate) fn choice(&self, row: u32) -> (&str, u32, List<'_>) {
        let at = |column| self.at(Table::Choices, row, column);
        (
            self.text(at(0)),
            at(1),
            self.list_at(Table::Choices, row, 2),
        )
    }

    /// A fact's name.
    #[must_use]
    pub fn fact(&self, row: u32) -> &str {
        self.text(self.at(Table::Facts, row, 0))
    }

    pub(crate) fn facts(&self) -> u32 {
        self.rows(Table::Facts)
    }

    /// How many states all flows have together.
    #[must_use]
    pub fn states(&self) -> u32 {
        self.rows(Table::States)
    }

    /// A state's name.
    #[must_use]
    pub fn state_name(&self, row: u32) -> &str {
        self.text(self.at(Table::States, row, 0))
    }

    pub(crate) fn forgets(&self, row: u32) -> List<'_> {
        self.list_at(Table::States, row, 2)
    }

    /// What a state does, by its number below [`Self::states`].
    #[must_use]
    pub fn step(&self, row: u32) -> Step<'_> {
        let at = |column| self.at(Table::States, row, column);
        match at(1) {
            0 => Step::Ask {
                slot: at(4),
                next: at(5),
            },
            1 => Step::Say {
                reply: at(4),
                next: at(5),
            },
            2 => Step::Call {
                action: at(4),
                on: self.list_at(Table::States, row, 5),
            },
            3 => Step::Confirm {
                reply: at(4),
                yes: at(5),
                no: at(6),
                slots: self.list_at(Table::States, row, 7),
            },
            4 => Step::Choose {
                rules: self.list_at(Table::States, row, 4),
                other: at(6),
            },
            5 => Step::End {
                reply: Some(at(4)).filter(|row| *row != NONE),
            },
            _ => Step::Person {
                reason: self.text(at(4)),
            },
        }
    }

    /// The rules of a choice.
    pub fn rules<'a>(&'a self, list: List<'a>) -> impl Iterator<Item = Rule<'a>> {
        (0..list.len() / 4).map(move |i| {
            let word = |j| list.get(4 * i + j).unwrap_or(0);
            let (subject, value) = (word(1), self.text(word(2)));
            let when = match word(0) {
                0 => Condition::Slot(subject, value, true),
                1 => Condition::Slot(subject, value, false),
                2 => Condition::SlotKnown(subject),
                3 => Condition::Fact(subject, value, true),
                4 => Condition::Fact(subject, value, false),
                _ => Condition::FactKnown(subject),
            };
            Rule { when, to: word(3) }
        })
    }

    /// How many actions there are.
    #[must_use]
    pub fn actions(&self) -> u32 {
        self.rows(Table::Actions)
    }

    /// An action's name.
    #[must_use]
    pub fn action_name(&self, row: u32) -> &str {
        self.text(self.at(Table::Actions, row, 0))
    }

    /// Whether an action changes something, and so needs what it is given confirmed.
    #[must_use]
    pub fn commits(&self, action: u32) -> bool {
        self.at(Table::Actions, action, 1) == 1
    }

    /// The slots that an action is given, and whether each is required.
    pub fn inputs(&self, action: u32) -> impl Iterator<Item = (u32, bool)> + '_ {
        let list = self.list_at(Table::Actions, action, 2);
        (0..list.len() / 2).map(move |i| {
            let word = |j| list.get(2 * i + j).unwrap_or(0);
            (word(0), word(1) == 1)
        })
    }

    /// The names of an action's outcomes with the facts that each brings, in the order of
    /// [`Step::Call`]'s states.
    pub fn outcomes(&self, action: u32) -> impl Iterator<Item = (&str, List<'_>)> {
        let first = self.at(Table::Actions, action, 4);
        (first..first + self.at(Table::Actions, action, 5)).map(|row| {
            let name = self.text(self.at(Table::Outcomes, row, 0));
            (name, self.list_at(Table::Outcomes, row, 1))
        })
    }
}
