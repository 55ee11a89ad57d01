//! An assistant as a whole: what was written is understood by its models, and its dialogue
//! goes on.

use core::fmt;
use core::ops::Range;

use shelfedge_commerce::Currency;
use shelfedge_engine::file::Directory;

use crate::classify::{self, Classifier};
use crate::dialogue::policy::Policy;
use crate::dialogue::{
    ADDRESS_PART, Also, Dialogue, Entity, Event, Expects, Heard, Input, Language, Line, Misfit,
    Outcome, Output, Packet, Sentiment, StateError,
};
use crate::entities::{self, Clock, Context, Country, PartKind, Pattern, Value};
use crate::flow::{ENTITY_KINDS, Flows, System};
use crate::graph::{self, Graph, Like, Question, Reading};
use crate::language::language;
use crate::tag::{TagBuffers, Tagger};

/// Sections of an assistant's file, in their order. The model of sentiment, the graph and
/// the tagger of slots and the dialogue's policy may be missing.
pub const SECTIONS: [&str; 7] = [
    "shop",
    "flows",
    "intent",
    "sentiment",
    "graph",
    "slots",
    "policy",
];
/// Labels of a model of sentiment, the worst first.
pub const LEVELS: [&str; 5] = [
    "very_negative",
    "negative",
    "neutral",
    "positive",
    "very_positive",
];
/// Belief in a text that is taken as a whole for what was asked: the customer is asked
/// whether it is right.
const WHOLE: f32 = 0.5;
/// Belief in a product whose name is written nearly so: the customer is asked, too.
const LIKELY: f32 = 0.6;
/// How much a text and a product's name have in common, at least, for it to be meant; and
/// where a product is what was asked for.
const LIKE: f32 = 0.75;
const LIKE_ASKED: f32 = 0.35;
/// Longest text that is taken so, in bytes.
const LONGEST_WHOLE: usize = 300;
/// Letters and digits behind an address that may belong to it.
const LONGEST_REST: usize = 12;
/// Kinds of entities that no recogniser knows every one of.
const OPEN_KINDS: [&str; 4] = ["address", "name", "product", "sku"];
/// The intent of a text that tells what was asked.
const INFORM: &str = "inform";
/// Below this probability of the best intent, a question that the graph reads is one about a
/// product.
const UNSURE: f32 = 0.75;
/// How sure that is.
const READ: f32 = 0.9;
/// Short answers that are a yes or a no whatever a model makes of them.
const YES: &str = "y yes yep yeah yup ok okay sure correct right fine \
    是 是的 对 对的 好 好的 嗯 嗯嗯 行 可以 没错 确定 确认 要 👍 👌 ✅";
const NO: &str = "n no nope nah 不 不是 不对 不要 不用 不用了 不了 否 别 没有 没有了 👎 ❌";
/// The slot of a text that looks for products.
const WANTED: &str = "wanted";
/// What may join two wishes.
const JOINTS: [&str; 16] = [
    " and ", " also ", " plus ", ". ", "; ", "! ", "? ", "。", "；", "！", "？", "另外", "还有",
    "顺便", "并且", "以及",
];
const MOST_JOINTS: usize = 8;
/// Probability of each of two wishes, and the longest text that is looked at for them.
const CLEAR: f32 = 0.8;
const LONGEST_OF_TWO: usize = 600;
/// Intents passed on to the dialogue, the most probable.
const MOST_INTENTS: usize = 5;

/// A file that is no assistant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    /// The section at fault; empty for the file.
    pub section: &'static str,
    /// Why.
    pub cause: String,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.section {
            "" => f.write_str(&self.cause),
            section => write!(f, "the section {section:?}: {}", self.cause),
        }
    }
}

impl core::error::Error for OpenError {}

/// What the recognisers know of a shop: the section `shop`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shop {
    /// The shop's currency.
    pub currency: Option<Currency>,
    /// Where phone numbers without a country code are from.
    pub country: Option<Country>,
    /// What its order numbers look like.
    pub orders: Vec<String>,
    /// What the numbers of its articles look like.
    pub skus: Vec<String>,
    /// The digest of the model of intents, as its bundle names it.
    pub intent: String,
}

impl Shop {
    /// The section: a line for each thing that is known.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let currency = self.currency.map(|it| ["currency ", it.code()].concat());
        let country = self
            .country
            .map(|it| ["country ", country_code(it)].concat());
        let orders = self.orders.iter().map(|it| ["order ", it].concat());
        let skus = self.skus.iter().map(|it| ["sku ", it].concat());
        let mut lines = vec![["intent ", &self.intent].concat()];
        lines.extend(
            currency
                .into_iter()
                .chain(country)
                .chain(orders)
                .chain(skus),
        );
        lines.join("\n").into_bytes()
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = core::str::from_utf8(bytes).map_err(|_| "it isn't UTF-8".to_owned())?;
        let mut shop = Self::default();
        for line in text.split('\n') {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            match name {
                "intent" => shop.intent = value.to_owned(),
                "order" => shop.orders.push(value.to_owned()),
                "sku" => shop.skus.push(value.to_owned()),
                "currency" => {
                    shop.currency = Some(Currency::parse(value).map_err(|e| e.cause)?);
                }
                "country" => {
                    shop.country = Some(country(value).ok_or("its country isn't known")?);
                }
                _ => return Err(["it has a line that begins with ", name].concat()),
            }
        }
        Ok(shop)
    }
}

/// A part of a file, read in place.
#[derive(Clone, Debug)]
pub struct Part<B> {
    file: B,
    range: Range<usize>,
}

impl<B: AsRef<[u8]>> Part<B> {
    /// A whole file.
    pub fn whole(file: B) -> Self {
        let range = 0..file.as_ref().len();
        Self { file, range }
    }
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Part<B> {
    fn as_ref(&self) -> &[u8] {
        self.file.as_ref().get(self.range.clone()).unwrap_or(&[])
    }
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Happened<'a> {
    /// The customer wrote.
    Said(&'a str),
    /// The shop answered a call.
    Done(Outcome<'a>),
    /// Nobody wrote for a while.
    Silence,
}

/// What was understood, and what comes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// The most probable intent and its probability; none where the text is out of scope or
    /// nothing was said.
    pub intent: Option<(String, f32)>,
    /// How the text sounds, where the assistant has a model for that.
    pub sentiment: Option<Sentiment>,
    /// What the dialogue makes of it.
    pub output: Output,
}

/// An answer of what the shop knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// For the customer.
    pub text: String,
    /// What it says: the subject's key, the relation, and its value.
    pub facts: Vec<[String; 3]>,
    /// Products that it found, if it was asked for some: the key, the name, and the name with
    /// what makes it one of them.
    pub products: Vec<[String; 3]>,
}

/// Buffers for turns, used again by the next one.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    intent: classify::Buffers,
    sentiment: classify::Buffers,
    entities: entities::Buffers,
    slots: TagBuffers,
}

/// An assistant: models, flows, and what the shop knows, from one file.
#[derive(Clone, Debug)]
pub struct Assistant<B> {
    intent: Classifier<Part<B>>,
    sentiment: Option<Classifier<Part<B>>>,
    dialogue: Dialogue<Part<B>>,
    graph: Option<Graph<Part<B>>>,
    slots: Option<Tagger<Part<B>>>,
    shop: Shop,
    orders: Vec<Pattern>,
    skus: Vec<Pattern>,
}

impl<B: AsRef<[u8]> + Clone> Assistant<B> {
    /// Opens a file, read in place; `B` is cheap to clone, such as `&'static [u8]` or
    /// `Rc<[u8]>`.
    ///
    /// # Errors
    /// The first section that is missing or can't be used.
    pub fn open(file: B) -> Result<Self, OpenError> {
        fn at(section: &'static str, cause: impl fmt::Display) -> OpenError {
            OpenError {
                section,
                cause: cause.to_string(),
            }
        }
        let bytes = file.as_ref();
        let directory = Directory::read(bytes).map_err(|error| at("", error))?;
        let part = |name: &'static str| {
            directory.find(name).map(|range| Part {
                file: file.clone(),
                range,
            })
        };
        let needed = |name| part(name).ok_or_else(|| at(name, "it is missing"));
        let shop = Shop::read(needed("shop")?.as_ref()).map_err(|cause| at("shop", cause))?;
        let patterns = |patterns: &[String], cause| {
            let each = patterns.iter().map(|it| Pattern::new(it));
            let all: Result<Vec<Pattern>, _> = each.collect();
            all.map_err(|_| at("shop", cause))
        };
        let orders = patterns(&shop.orders, "a pattern of order numbers is wrong")?;
        let skus = patterns(&shop.skus, "a pattern of articles' numbers is wrong")?;
        let flows = Flows::open(needed("flows")?).map_err(|error| at("flows", error))?;
        let intent = Classifier::open(needed("intent")?).map_err(|error| at("intent", error))?;
        let sentiment = match part("sentiment") {
            Some(part) => {
                let model = Classifier::open(part).map_err(|error| at("sentiment", error))?;
                if !model.labels().names.iter().all(|it| level(it).is_some()) {
                    return Err(at("sentiment", "its labels aren't the levels of sentiment"));
                }
                Some(model)
            }
            None => None,
        };
        let graph = match part("graph") {
            Some(part) => Some(Graph::open(part).map_err(|error| at("graph", error))?),
            None => None,
        };
        let slots = match part("slots") {
            Some(part) => {
                let tagger = Tagger::open(part).map_err(|error| at("slots", error))?;
                if let Some(tag) = unfit_tags(&tagger, &flows).next() {
                    let cause = [tag, " is no entity and no slot of the flows for text"];
                    return Err(at("slots", cause.concat()));
                }
                Some(tagger)
            }
            None => None,
        };
        let policy = match part("policy") {
            Some(part) => {
                let policy = Policy::read(part.as_ref());
                Some(policy.ok_or_else(|| at("policy", "it is damaged or of other features"))?)
            }
            None => None,
        };
        Ok(Self {
            intent,
            sentiment,
            dialogue: Dialogue::new(flows).with_policy(policy),
            graph,
            slots,
            shop,
            orders,
            skus,
        })
    }
}

impl<B: AsRef<[u8]>> Assistant<B> {
    /// What the recognisers know of the shop.
    pub const fn shop(&self) -> &Shop {
        &self.shop
    }

    /// What its dialogue follows.
    pub const fn flows(&self) -> &Flows<Part<B>> {
        self.dialogue.flows()
    }

    /// The model of intents by itself.
    pub const fn intent(&self) -> &Classifier<Part<B>> {
        &self.intent
    }

    /// Takes what happened at this time: milliseconds on the caller's clock, or a [`Clock`],
    /// which knows the place's zone too. No bytes of state begin a conversation.
    ///
    /// # Errors
    /// Bytes that aren't a state of a dialogue over these flows.
    pub fn turn(
        &self,
        state: &[u8],
        clock: impl Into<Clock>,
        happened: &Happened<'_>,
        buffers: &mut Buffers,
    ) -> Result<Turn, StateError> {
        let clock = clock.into();
        let now = clock.now.millis();
        let event = match happened {
            Happened::Said(text) => return self.said(state, clock, text, buffers),
            Happened::Done(outcome) => Event::Done(*outcome),
            Happened::Silence => Event::Silence,
        };
        let output = self.dialogue.turn(state, &Input { now, event })?;
        Ok(Turn {
            intent: None,
            sentiment: None,
            output,
        })
    }

    fn said(
        &self,
        state: &[u8],
        clock: Clock,
        text: &str,
        buffers: &mut Buffers,
    ) -> Result<Turn, StateError> {
        let (spoken, expects) = self.dialogue.awaits(state)?;
        let asked = match &expects {
            Expects::Slot { entity, .. } => entity.as_str(),
            _ => "",
        };
        let least = if asked == "product" { LIKE_ASKED } else { LIKE };
        let (reading, products) = self.products(text, least);
        let seeks = matches!(&reading, Some(it) if matches!(it.question, Question::Which(_)));
        let plain = without(text, &products);
        let answer = self.intent.classify(&plain, &mut buffers.intent);
        let names = &self.intent.labels().names;
        let mut intents: Vec<(&str, f32)> = Vec::new();
        if answer.label.is_some() {
            intents.extend(
                (names.iter().map(String::as_str)).zip(answer.probabilities.iter().copied()),
            );
            // Stable, so equal ones keep the model's order.
            intents.sort_by(|a, b| b.1.total_cmp(&a.1));
            intents.truncate(MOST_INTENTS);
        }
        let first = intents.first().map_or(0.0, |(_, chance)| *chance);
        let of_products = self.flows().opened_by("product");
        let of_products = of_products.and_then(|flow| self.flows().intents(flow).next());
        let mut also = None;
        if let Some(offered) = self.offered(text) {
            intents = vec![(offered, 1.0)];
        } else if asked != "text"
            && let Some((one, other)) = self.two_wishes(text, buffers)
        {
            intents = vec![one];
            also = Some(other);
        } else if !products.is_empty() && is_bare(text, &products) {
            intents = vec![(INFORM, 1.0)];
        } else if first < if seeks { READ } else { UNSURE }
            && let Some(Reading {
                question: Question::Of(..) | Question::Which(_),
                ..
            }) = reading
            && let Some(intent) = of_products
        {
            intents = vec![(intent, READ)];
        }
        let sentiment = self.sentiment.as_ref().map(|model| {
            let answer = model.classify(&plain, &mut buffers.sentiment);
            Sentiment {
                level: level(&model.labels().names[answer.best]).unwrap_or(0),
                confidence: answer.probabilities[answer.best],
            }
        });
        let context = self.context(Some(clock));
        let found = entities::recognise(text, &context, &mut buffers.entities);
        let mut values: Vec<(&str, String, Range<usize>)> = Vec::new();
        let mut taken: Vec<Range<usize>> = Vec::new();
        for it in found {
            let before = values.len();
            let value = dialogue_values(it, text);
            values.extend(value.map(|(kind, value)| (kind, value, it.start..it.end)));
            if values.len() > before || matches!(it.value, Value::Card | Value::Identity) {
                taken.push(it.start..it.end);
            }
        }
        let names = |kind: &str| values.iter().any(|(named, ..)| *named == kind);
        let whole_text = 0..text.len();
        if asked == "order_number"
            && !names(asked)
            && let Some(number) = entities::spelled(text, &self.orders)
        {
            values.push(("order_number", number, whole_text.clone()));
        } else if !names("money")
            && let Some(money) = entities::bare_amount(text, self.currency(), asked != "money")
        {
            values.push(("money", money.to_string(), whole_text.clone()));
        }
        taken.extend(products.iter().map(|it| it.span.clone()));
        let tagged = self.tagged(text, &taken, &context, buffers);
        let entity_of = |kind, value, confidence, span: &Range<usize>| Entity {
            kind,
            value,
            confidence,
            span: (span.start as u32, span.end as u32),
        };
        let mut named: Vec<Entity<'_>> = (values.iter())
            .map(|(kind, value, span)| entity_of(kind, value, 0.95, span))
            .collect();
        let of_product = match products.as_slice() {
            [Product { is_exact: true, .. }] => 0.9,
            [_] => LIKELY,
            // Of several it can't be told which one is meant.
            _ => WHOLE,
        };
        let of = products.iter();
        named.extend(of.map(|it| entity_of("product", &it.name, of_product, &it.span)));
        let tagged = tagged.iter();
        named.extend(tagged.map(|it| entity_of(it.tag, &it.value, it.confidence, &it.bytes)));
        let whole = text.trim();
        if seeks && products.is_empty() {
            named.push(entity_of(WANTED, whole, READ, &whole_text));
        }
        if let Some(kind) = OPEN_KINDS.into_iter().find(|kind| *kind == asked)
            // What the graph doesn't know isn't sold.
            && (kind != "product" || self.graph.is_none())
            && !named.iter().any(|it| it.kind == kind)
            && (1..=LONGEST_WHOLE).contains(&whole.len())
            && whole.chars().any(char::is_alphanumeric)
            && intents.first().is_none_or(|(name, _)| {
                *name == INFORM || kind == "product" && Some(*name) == of_products
            })
        {
            named.push(entity_of(kind, whole, WHOLE, &whole_text));
        }
        let heard = Heard {
            text,
            // A name of a place or a number is of no language.
            language: match language(&text_around(text, &products, "")) {
                Some(Language::Other) if !values.is_empty() => spoken,
                found => found.unwrap_or(spoken),
            },
            intents: &intents,
            entities: &named,
            sentiment,
            also,
        };
        let event = Event::Said(heard);
        let now = clock.now.millis();
        let output = self.dialogue.turn(state, &Input { now, event })?;
        Ok(Turn {
            intent: intents.first().map(|(name, p)| ((*name).to_owned(), *p)),
            sentiment,
            output,
        })
    }

    /// What each of two parts of a text asks for, where a word joins them and they are two
    /// flows' matters: the first one's intent with its probability, and the second.
    fn two_wishes(&self, text: &str, buffers: &mut Buffers) -> Option<((&str, f32), Also<'_>)> {
        let text_end = u32::try_from(text.len()).ok()?;
        if text.len() > LONGEST_OF_TWO {
            return None;
        }
        let lower = text.to_ascii_lowercase();
        let mut best: Option<((&str, f32), Also<'_>, f32)> = None;
        let joints = JOINTS.iter().flat_map(|joint| {
            let places = lower.match_indices(joint);
            places.map(|(at, joint)| (at, at + joint.len()))
        });
        for (end, start) in joints.take(MOST_JOINTS) {
            let mut meant = |part: &str| -> Option<(usize, f32, u32)> {
                let (_, products) = self.products(part, LIKE);
                let plain = without(part, &products);
                let answer = self.intent.classify(&plain, &mut buffers.intent);
                let chance = answer.probabilities[answer.best];
                let flow = self.flows().flow_of(answer.label?)?;
                (chance >= CLEAR).then_some((answer.best, chance, flow))
            };
            let Some((one, sure, flow)) = meant(&text[..end]) else {
                continue;
            };
            let Some((other, also_sure, also_flow)) = meant(&text[start..]) else {
                continue;
            };
            let least = sure.min(also_sure);
            if flow != also_flow
                && self.says_itself(also_flow, &lower[start..])
                && best.as_ref().is_none_or(|(.., found)| *found < least)
            {
                let names = &self.intent.labels().names;
                let also = Also {
                    intent: &names[other],
                    span: (u32::try_from(start).ok()?, text_end),
                };
                best = Some(((&names[one], sure), also, least));
            }
        }
        best.map(|(one, other, _)| (one, other))
    }

    /// Whether a text begins a flow by its own words: one that takes an account of what
    /// happened is begun by its title's, lest a few angry words make a second matter.
    fn says_itself(&self, flow: u32, text: &str) -> bool {
        let flows = self.flows();
        let mut slots = flows.slots_of(flow);
        if !slots.any(|slot| slot.account) {
            return true;
        }
        flows.title(flow).iter().any(|title| {
            let title = title.to_ascii_lowercase();
            let word = title.split_whitespace().next_back().unwrap_or_default();
            // Complaint, complain, complaining.
            let stem: String = word.chars().take(word.chars().count().min(7)).collect();
            !stem.is_empty() && text.contains(&stem)
        })
    }

    /// The intent of a short answer that the dialogue offers: a flow's title, a yes, a no.
    fn offered(&self, text: &str) -> Option<&str> {
        let flows = self.flows();
        let is = |labels: [String; 2]| {
            let mut labels = labels.iter().filter(|label| !label.is_empty());
            labels.any(|label| label.trim().eq_ignore_ascii_case(text.trim()))
        };
        let flow = (0..flows.len()).find(|flow| is(flows.title(*flow)));
        flow.and_then(|flow| flows.intents(flow).next())
            .or_else(|| (is(flows.says(System::Yes)) || is_one_of(text, YES)).then_some("affirm"))
            .or_else(|| (is(flows.says(System::No)) || is_one_of(text, NO)).then_some("deny"))
    }

    /// What the tagger finds besides what is taken.
    fn tagged(
        &self,
        text: &str,
        taken: &[Range<usize>],
        context: &Context<'_>,
        buffers: &mut Buffers,
    ) -> Vec<Tagged<'_>> {
        let Some(tagger) = &self.slots else {
            return Vec::new();
        };
        let spans = tagger.spans("", text, &mut buffers.slots).into_iter();
        let free = spans.filter(|span| {
            let over = |it: &Range<usize>| it.start < span.bytes.end && span.bytes.start < it.end;
            !taken.iter().any(over)
        });
        free.filter_map(|span| {
            let written = &text[span.bytes.clone()];
            let value = match ENTITY_KINDS.contains(&span.tag) && !OPEN_KINDS.contains(&span.tag) {
                true => entities::recognise(written, context, &mut buffers.entities)
                    .iter()
                    .flat_map(|it| dialogue_values(it, written))
                    .find_map(|(kind, value)| (kind == span.tag).then_some(value))?,
                false => written.to_owned(),
            };
            Some(Tagged {
                tag: span.tag,
                value,
                confidence: span.confidence,
                bytes: span.bytes,
            })
        })
        .collect()
    }

    /// What a text asks of the graph, and the products that it is about: by their names, or
    /// else by one that is so much alike. Nothing without a graph.
    fn products(&self, text: &str, least: f32) -> (Option<Reading>, Vec<Product>) {
        let Some(graph) = &self.graph else {
            return (None, Vec::new());
        };
        let reading = graph.read(text, self.currency());
        let about = match reading.as_ref().map(|it| &it.question) {
            Some(Question::About(one) | Question::Of(one, _)) => vec![*one],
            Some(Question::Between(one, other, _)) => vec![*one, *other],
            Some(Question::Which(_)) | None => Vec::new(),
        };
        let currency = self.currency();
        let named = graph.products(text).into_iter();
        let named = named.filter(|(_, entity)| about.contains(entity));
        let products: Vec<Product> = named
            .map(|(span, it)| Product {
                name: graph.name(it),
                span,
                is_exact: true,
            })
            .collect();
        let sought = match reading {
            None => graph.seek(text, currency),
            Some(_) => None,
        };
        // Who looks for something names it as it is, if at all.
        let least = if sought.is_some() { LIKE } else { least };
        let plain = graph::without_prices(text, currency);
        let like = graph
            .like(&plain, 1)
            .into_iter()
            .find(|it| it.score >= least);
        // A longer name that is written nearly so may have another's in it.
        let is_longer = |like: &Like| match products.as_slice() {
            [Product { span, .. }] => like.span.len() > span.len() + 1 && like.score >= LIKE,
            _ => false,
        };
        if reading.is_some() && !like.as_ref().is_some_and(is_longer) {
            return (reading, products);
        }
        let Some(like) = like else {
            return (sought, products);
        };
        let name = graph.name(like.entity);
        let product = Product {
            span: like.span,
            name,
            is_exact: false,
        };
        let corrected = text_around(text, core::slice::from_ref(&product), &product.name);
        (graph.read(&corrected, self.currency()), vec![product])
    }

    /// Answers a question by what the shop knows, in the question's language; none without
    /// a graph, or where the question names nothing that it knows.
    pub fn ask(&self, text: &str) -> Option<Known> {
        let graph = self.graph.as_ref()?;
        let reading = self.products(text, LIKE).0?;
        let spoken = match language(text) {
            Some(Language::Chinese) => graph::Language::Zh,
            _ => graph::Language::En,
        };
        let answer = graph.answer(&reading.question, spoken).ok()?;
        let facts = answer.facts.iter().map(|fact| {
            let relation = graph.about(fact.relation).map(|about| about.name.clone());
            [
                graph.key(fact.subject),
                relation.unwrap_or_default(),
                graph.show(&fact.object, spoken),
            ]
        });
        let products = match &reading.question {
            Question::Which(query) => graph.find(query).map_or(Vec::new(), |found| found.hits),
            _ => Vec::new(),
        };
        let products = products.iter().map(|hit| {
            [
                graph.key(hit.entity),
                graph.name(hit.entity),
                graph.told(hit, spoken),
            ]
        });
        Some(Known {
            facts: facts.collect(),
            products: products.collect(),
            text: answer.text,
        })
    }

    fn currency(&self) -> Currency {
        self.shop.currency.unwrap_or(Currency::GBP)
    }

    /// What keeps an outcome from being one of the action that is waited for.
    ///
    /// # Errors
    /// Bytes that aren't a state of a dialogue over these flows.
    pub fn misfits(&self, state: &[u8], outcome: &Outcome<'_>) -> Result<Vec<Misfit>, StateError> {
        self.dialogue.misfits(state, outcome)
    }

    /// What a person who takes over should see; personal data is masked.
    ///
    /// # Errors
    /// Bytes that aren't a state of a dialogue over these flows.
    pub fn packet(&self, state: &[u8], transcript: &[Line<'_>]) -> Result<Packet, StateError> {
        let context = self.context(None);
        let mut mask = |text: &str| entities::mask(text, &context);
        self.dialogue.packet(state, transcript, &mut mask)
    }

    fn context(&self, clock: Option<Clock>) -> Context<'_> {
        Context {
            country: self.shop.country,
            orders: &self.orders,
            skus: &self.skus,
            clock,
            currency: self.shop.currency,
        }
    }
}

/// Whether a text is one of these words and nothing else.
fn is_one_of(text: &str, words: &str) -> bool {
    let text = text
        .trim()
        .trim_end_matches(['.', '!', '。', '！', ',', '，', '~', '～']);
    let mut words = words.split_ascii_whitespace();
    text.len() <= 20 && words.any(|word| word.eq_ignore_ascii_case(text))
}

/// A product that a text names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Product {
    name: String,
    /// Where, in bytes.
    span: Range<usize>,
    /// Whether the text has its name as it is.
    is_exact: bool,
}

/// A text with other words in place of products' names.
fn text_around(text: &str, products: &[Product], instead: &str) -> String {
    let mut around = String::with_capacity(text.len());
    let mut from = 0;
    for Product { span, .. } in products {
        around.push_str(text.get(from..span.start).unwrap_or(""));
        around.push_str(instead);
        from = span.end;
    }
    around.push_str(text.get(from..).unwrap_or(""));
    around
}

/// A text as the models of intents and sentiment should read it: a product's name says
/// nothing of either, however it sounds ("night light", "hanging heart").
fn without(text: &str, products: &[Product]) -> String {
    let is_chinese = language(&text_around(text, products, "")) == Some(Language::Chinese);
    text_around(text, products, if is_chinese { "这个商品" } else { "this" })
}

/// Whether a text is nothing but products' names.
fn is_bare(text: &str, products: &[Product]) -> bool {
    !(text_around(text, products, "").chars()).any(char::is_alphanumeric)
}

/// What the tagger found, for the dialogue.
struct Tagged<'a> {
    tag: &'a str,
    value: String,
    confidence: f32,
    bytes: Range<usize>,
}

/// Tags of a tagger that an assistant over these flows has no use for: they are no kind of
/// entity that is found within a text ([`ENTITY_KINDS`] but `choice` and `text`), nor the
/// name of a slot of the flows whose entity is `text`.
pub fn unfit_tags<'a, B: AsRef<[u8]>, F: AsRef<[u8]>>(
    tagger: &'a Tagger<B>,
    flows: &'a Flows<F>,
) -> impl Iterator<Item = &'a str> {
    tagger.kinds().filter(|tag| {
        let kinds = ENTITY_KINDS.iter();
        let mut kinds = kinds.filter(|kind| !["choice", "text"].contains(kind));
        let mut slots = (0..flows.slots()).map(|slot| flows.slot(slot));
        !kinds.any(|kind| kind == tag)
            && !slots.any(|slot| slot.entity == "text" && slot.name == *tag)
    })
}

const COUNTRIES: [(&str, Country); 3] = [
    ("CN", Country::Cn),
    ("GB", Country::Gb),
    ("US", Country::Us),
];

/// A country by its ISO 3166 code of two letters, of those whose phone numbers are known.
#[must_use]
pub fn country(code: &str) -> Option<Country> {
    let found = (COUNTRIES.iter()).find(|(name, _)| code.eq_ignore_ascii_case(name));
    found.map(|(_, country)| *country)
}

fn country_code(country: Country) -> &'static str {
    let found = COUNTRIES.iter().find(|(_, it)| *it == country);
    found.map_or("", |(code, _)| code)
}

/// -2 to 2.
fn level(name: &str) -> Option<i8> {
    let place = LEVELS.iter().position(|level| *level == name)?;
    Some(place as i8 - 2)
}

/// What flows take of an entity, by their [kinds](crate::flow::ENTITY_KINDS), in normal
/// form. Cards and identity numbers fill nothing, nor does a week, or less than a street.
fn dialogue_values(
    entity: &entities::Entity,
    text: &str,
) -> impl Iterator<Item = (&'static str, String)> + use<> {
    let mut time = None;
    let value = match &entity.value {
        Value::Order(number, _) => Some(("order_number", number.clone())),
        Value::Sku(number, _) => Some(("sku", number.clone())),
        Value::Money(money) => Some(("money", money.to_string())),
        Value::Email(address) => Some(("email", address.clone())),
        Value::Phone(number) => Some(("phone", number.clone())),
        Value::Quantity(count, _) => Some(("number", count.to_string())),
        Value::When(when) => {
            time = when.time().map(|it| ("time", it.to_string()));
            when.date().map(|it| ("date", it.to_string()))
        }
        Value::Address(parts) => {
            let rest = &text[entity.end..];
            let rest = rest.chars().filter(|c| c.is_alphanumeric()).count();
            let known = text[entity.start..entity.end].chars();
            let known = known.filter(|c| c.is_alphanumeric()).count();
            let is_whole = parts.iter().any(|it| {
                let kinds = [PartKind::Street, PartKind::Building];
                kinds.contains(&it.kind)
            });
            let written = match is_whole {
                true => entities::whole_address(text, entity.start, entity.end).to_owned(),
                false => text[entity.start..entity.end].to_owned(),
            };
            let rest = rest.saturating_sub(
                written
                    .chars()
                    .filter(|c| c.is_alphanumeric())
                    .count()
                    .saturating_sub(known),
            );
            match is_whole {
                true => (rest <= LONGEST_REST).then_some(("address", written)),
                false => Some((ADDRESS_PART, written)),
            }
        }
        Value::Card | Value::Identity | Value::Digits => None,
    };
    value.into_iter().chain(time)
}
