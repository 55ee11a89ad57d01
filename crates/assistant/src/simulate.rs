//! A simulated customer, for tests and for learning: it changes its mind, mistypes, switches
//! language, swears, asks something else and goes silent. How real customers fare, its
//! figures don't say.

use crate::dialogue::{
    Call, Entity, Event, Expects, Heard, Input, Item, Language, Outcome, Output, Sentiment,
};
use shelfedge_commerce::rng::Rng;

/// Turns after which a customer gives up.
const PATIENCE: u32 = 25;

/// Gives a simulated customer real words, and says how they are understood.
pub trait Voice {
    /// A text of an intent.
    fn utterance(&self, intent: &str, chinese: bool, rng: &mut Rng) -> Option<String>;
    /// The intents of a text.
    fn hear(&self, text: &str) -> Vec<(String, f32)>;
    /// A flow's title in English and Chinese.
    fn title(&self, flow: &str) -> [String; 2];
}

/// A flow's slots in the form's order, and the action that settles it.
pub const GOALS: [(&str, &[&str], &str); 8] = [
    ("order_status", &["order"], "order_status"),
    (
        "return_refund",
        &["order", "reason", "remedy"],
        "create_return",
    ),
    ("change_address", &["order", "address"], "change_address"),
    (
        "product_question",
        &["product", "question"],
        "answer_question",
    ),
    (
        "price_match",
        &["product", "seller", "price"],
        "match_price",
    ),
    ("cancel_order", &["order"], "cancel_order"),
    ("complaint", &["details", "wish"], "file_complaint"),
    ("human", &["email", "topic"], "leave_message"),
];

/// What a slot is filled with: value, what is said in English and Chinese.
pub type Option3 = (&'static str, &'static str, &'static str);

/// A slot's kind and what it may be.
#[must_use]
pub fn values(slot: &str) -> (&'static str, &'static [Option3]) {
    match slot {
        "order" => (
            "order_number",
            &[
                ("10042", "10042", "10042"),
                ("10017", "10017", "10017"),
                ("10358", "10358", "10358"),
            ],
        ),
        "address" => (
            "address",
            &[
                (
                    "12 Mill Lane, York",
                    "12 Mill Lane, York",
                    "12 Mill Lane, York",
                ),
                ("文三路12号", "文三路12号", "文三路12号"),
            ],
        ),
        "product" => (
            "product",
            &[
                ("Steel kettle 1.7 l", "the steel kettle", "不锈钢水壶"),
                ("Blue desk lamp", "the blue lamp", "蓝色台灯"),
            ],
        ),
        "price" => (
            "money",
            &[("18.99 GBP", "18.99", "18.99"), ("25.00 GBP", "25", "25")],
        ),
        "email" => (
            "email",
            &[
                ("me@example.com", "me@example.com", "me@example.com"),
                ("wo@example.org", "wo@example.org", "wo@example.org"),
            ],
        ),
        "reason" => (
            "choice",
            &[
                ("damaged", "it's broken", "坏了"),
                ("wrong_item", "you sent the wrong item", "发错了"),
                ("late", "it came too late", "来得太晚"),
                ("changed_mind", "I changed my mind", "不想要了"),
            ],
        ),
        "remedy" => (
            "choice",
            &[
                ("refund", "a refund", "退款"),
                ("exchange", "an exchange", "换货"),
            ],
        ),
        "wish" => (
            "choice",
            &[
                ("refund", "a refund", "退款"),
                ("replacement", "a new one", "换新"),
                ("explanation", "please explain", "给个解释"),
                ("call_back", "call me", "请回电"),
            ],
        ),
        "question" => (
            "text",
            &[("", "how many litres does it hold", "能装多少升")],
        ),
        "seller" => ("text", &[("", "kettles.example", "某某商城")]),
        "details" => (
            "text",
            &[("", "the parcel lay in the rain", "包裹被雨淋了")],
        ),
        _ => ("text", &[("", "please write to me", "请联系我")]),
    }
}

/// How a choice is shown.
#[must_use]
pub fn shown(slot: &str, value: &str) -> [&'static str; 2] {
    match (slot, value) {
        (_, "damaged") => ["Damaged", "商品损坏"],
        (_, "wrong_item") => ["Wrong item", "发错货了"],
        (_, "late") => ["Came too late", "到得太晚"],
        (_, "changed_mind") => ["Changed my mind", "不想要了"],
        (_, "refund") => ["Money back", "退款"],
        (_, "exchange") => ["An exchange", "换货"],
        (_, "replacement") => ["A new one", "换一个新的"],
        (_, "explanation") => ["An explanation", "给个说法"],
        _ => ["A call from somebody", "给我回电"],
    }
}

/// What understands and answers.
pub trait Bot {
    /// Takes what happened.
    fn turn(&mut self, input: &Input<'_>) -> Output;
}

/// How a conversation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Talk {
    /// How it ended.
    pub end: End,
    /// How often the customer wrote.
    pub turns: u32,
    /// How often in a flow that the customer hadn't asked for; counted with a voice.
    pub astray: u32,
}

const fn talk(customer: &Customer, end: End, turns: u32) -> Talk {
    Talk {
        end,
        turns,
        astray: customer.astray,
    }
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What the customer came for was done.
    Done,
    /// A person took over whom the customer hadn't asked for.
    Person,
    /// It took too many turns.
    GaveUp,
    /// Something was changed that the customer didn't want.
    Wrong,
}

struct Customer {
    rng: Rng,
    goal: usize,
    /// A value for each slot, as its place among [`values`].
    wants: Vec<(&'static str, usize)>,
    chinese: bool,
    mistypes: f32,
    changes: bool,
    interrupts: bool,
    switches: bool,
    swears: bool,
    silent: bool,
    /// Flows that it asked for.
    asked: Vec<&'static str>,
    /// How often it wrote in a flow that it didn't ask for.
    astray: u32,
}

/// What a customer says, as it is understood.
#[derive(Default)]
struct Said {
    text: String,
    /// A slot's value, behind the text.
    told: String,
    intent: &'static str,
    chance: f32,
    entities: Vec<(&'static str, String, f32)>,
    level: i8,
}

impl Customer {
    fn new(seed: u64, goal: usize) -> Self {
        let mut rng = Rng::new(seed, 0xC0 + goal as u64);
        let slots = [
            "order", "address", "product", "price", "email", "reason", "remedy", "wish",
            "question", "seller", "details", "topic",
        ];
        let wants = slots.map(|slot| (slot, rng.below(values(slot).1.len())));
        Self {
            goal,
            wants: wants.to_vec(),
            chinese: rng.unit() < 0.5,
            mistypes: [0.0, 0.1, 0.2, 0.3][rng.below(4)],
            changes: rng.unit() < 0.3,
            interrupts: rng.unit() < 0.2,
            switches: rng.unit() < 0.2,
            swears: rng.unit() < 0.15,
            silent: rng.unit() < 0.15,
            asked: vec![GOALS[goal].0],
            astray: 0,
            rng,
        }
    }

    fn wanted(&self, slot: &str) -> Option3 {
        let place = self.wants.iter().find(|(name, _)| *name == slot);
        values(slot).1[place.map_or(0, |(_, place)| *place)]
    }

    fn tell(&self, slot: &str, said: &mut Said) {
        let (kind, _) = values(slot);
        let (value, en, zh) = self.wanted(slot);
        said.told += if self.chinese { zh } else { en };
        if kind != "text" && kind != "choice" {
            said.entities.push((kind, value.to_owned(), 0.95));
        }
    }

    fn said(&self, en: &str, zh: &str, intent: &'static str) -> Said {
        Said {
            text: if self.chinese { zh } else { en }.to_owned(),
            intent,
            chance: 0.92,
            ..Said::default()
        }
    }

    fn opens(&mut self) -> Said {
        let (flow, slots, _) = GOALS[self.goal];
        let mut said = self.said("hello, I need help: ", "你好，我想：", flow);
        if self.rng.unit() < 0.4 && values(slots[0]).0 != "text" {
            self.tell(slots[0], &mut said);
        }
        said
    }

    /// Whether a text shows what is wanted of a slot.
    fn sees(&self, slot: &str, text: &str) -> bool {
        let (value, en, zh) = self.wanted(slot);
        match values(slot).0 {
            "choice" => shown(slot, value).iter().any(|label| text.contains(label)),
            "text" => text.contains(en) || text.contains(zh),
            _ => text.contains(value),
        }
    }

    fn answers(&mut self, output: &Output) -> Said {
        let flow = output
            .place
            .as_ref()
            .map_or(GOALS[self.goal].0, |(flow, _)| flow);
        let slots = GOALS.iter().find(|(name, ..)| *name == flow);
        let slots = slots.map_or(&[][..], |goal| goal.1);
        let text = output.replies.join("\n");
        match &output.expects {
            Expects::Slot { slot, .. } => {
                if self.interrupts && values(slot).0 != "text" && flow != "product_question" {
                    self.interrupts = false;
                    self.asked.push("product_question");
                    return self.said(
                        "wait, first a question about something you sell",
                        "等等，先问个商品问题",
                        "product_question",
                    );
                }
                // By its place where it was shown.
                let place =
                    (1..=3).find(|n| text.contains(&format!("{n}. {}", self.wanted(slot).0)));
                if let (Some(place), "order") = (place, slot.as_str()) {
                    let en = ["the first one", "the second one", "the third one"][place - 1];
                    let zh = ["第一个", "第二个", "第三个"][place - 1];
                    return self.said(en, zh, "inform");
                }
                let mut said = self.said("", "", "inform");
                self.tell(slot, &mut said);
                said
            }
            Expects::YesNo => {
                let whole = text.lines().last().unwrap_or("");
                // A check shows one value, a confirmation all.
                let right = match &output.place {
                    Some((_, state)) if state != "sure" => {
                        let mut values = slots.iter();
                        values.any(|slot| self.sees(slot, whole))
                    }
                    _ => slots.iter().all(|slot| self.sees(slot, whole)),
                };
                let sure = output
                    .place
                    .as_ref()
                    .is_none_or(|(_, state)| state == "sure");
                let fixed = |slot: &&&str| values(slot).0 != "text" && values(slot).1.len() > 1;
                if right && sure && self.changes && flow == GOALS[self.goal].0 {
                    self.changes = false;
                    let open: Vec<&&str> = slots.iter().filter(fixed).collect();
                    if !open.is_empty() {
                        let slot = *open[self.rng.below(open.len())];
                        let all = values(slot).1.len();
                        let step = 1 + self.rng.below(all - 1);
                        let want = self.wants.iter_mut().find(|(name, _)| *name == slot);
                        if let Some(want) = want {
                            want.1 = (want.1 + step) % all;
                        }
                        let mut said = self.said("no, make that ", "不，改成", "correct");
                        self.tell(slot, &mut said);
                        return said;
                    }
                }
                if right {
                    return self.said("yes", "是的", "affirm");
                }
                let mut said = self.said("no, ", "不对，", "deny");
                let wrong = slots.iter().find(|slot| !self.sees(slot, whole));
                if let Some(slot) = wrong
                    && sure
                    && values(slot).0 != "text"
                {
                    self.tell(slot, &mut said);
                }
                said
            }
            _ => self.opens(),
        }
    }

    /// What it says in real words. In a flow that it didn't ask for, it says again what it
    /// came for.
    fn speaks(&mut self, output: &Output, voice: &dyn Voice) -> Said {
        let astray = (output.place.as_ref())
            .is_some_and(|(flow, _)| !self.asked.iter().any(|asked| asked == flow));
        self.astray += u32::from(astray);
        if let Expects::Anything = output.expects
            && output.quick.len() == 2
            && self.rng.unit() < 0.5
        {
            let titles = voice.title(GOALS[self.goal].0);
            let offered = output.quick.iter().find(|it| titles.contains(it));
            let mut said = self.said("neither of them", "都不是", "deny");
            if let Some(title) = offered {
                said.text.clone_from(title);
            }
            return said;
        }
        let mut said = match output.expects {
            Expects::Anything => self.opens(),
            _ if astray => self.opens(),
            _ => self.answers(output),
        };
        if said.intent != "inform"
            && let Some(text) = voice.utterance(said.intent, self.chinese, &mut self.rng)
        {
            said.text = text + if said.told.is_empty() { "" } else { " " };
        }
        said
    }

    /// What is understood of it: not always what was meant.
    fn blur(&mut self, said: &mut Said, voice: Option<&dyn Voice>) {
        if self.swears {
            self.swears = false;
            said.text = format!(
                "{} {}",
                if self.chinese { "妈的" } else { "shit," },
                said.text
            );
            said.level = -1;
        }
        if self.switches && self.rng.unit() < 0.3 {
            self.switches = false;
            self.chinese = !self.chinese;
        }
        if self.rng.unit() >= self.mistypes {
            return;
        }
        match self.rng.below(10) {
            0..=3 => {
                let other = voice.and_then(|it| it.utterance("oos", self.chinese, &mut self.rng));
                said.text = other.unwrap_or_else(|| "asdkj qwoe".to_owned());
                (said.intent, said.chance) = ("oos", 0.5);
                said.entities.clear();
            }
            4..=6 => {
                said.chance = 0.55;
                for (_, _, sure) in &mut said.entities {
                    *sure = 0.35 + 0.3 * self.rng.unit();
                }
            }
            place => {
                for (_, value, sure) in &mut said.entities {
                    // Two signs trade places.
                    let mut signs: Vec<char> = value.chars().collect();
                    let at = self.rng.below(signs.len() - 1);
                    signs.swap(at, at + 1);
                    *value = signs.into_iter().collect();
                    *sure = if place == 9 { 0.9 } else { 0.45 };
                }
            }
        }
    }

    /// What the shop says to a call.
    fn shop(&mut self, call: &Call) -> (&'static str, Vec<String>) {
        let input = |slot: &str| {
            let found = call.inputs.iter().find(|(name, _)| name == slot);
            found.map(|(_, value)| value.as_str())
        };
        let orders = values("order").1.iter().map(|v| v.0);
        if input("order").is_some_and(|order| !orders.clone().any(|o| o == order)) {
            return ("not_found", Vec::new());
        }
        let products = values("product").1.iter().map(|v| v.0);
        if input("product").is_some_and(|product| !products.clone().any(|p| p == product)) {
            return ("not_found", Vec::new());
        }
        let name = match call.action.as_str() {
            "recent_orders" if self.rng.unit() < 0.5 => {
                return ("found", orders.map(str::to_owned).collect());
            }
            "recent_orders" => "none",
            "order_status" => "shipped",
            "check_return" | "check_address_change" | "check_cancel" => "allowed",
            "create_return" => "created",
            "change_address" => "changed",
            "answer_question" => "answered",
            "match_price" => "matched",
            "cancel_order" => "cancelled",
            "file_complaint" => "filed",
            "find_person" if self.rng.unit() < 0.5 => "open",
            "find_person" => "closed",
            _ => "left",
        };
        (name, Vec::new())
    }

    /// Whether a call settles what the customer came for, and rightly.
    fn settles(&self, call: &Call) -> Option<bool> {
        let (_, slots, action) = GOALS[self.goal];
        let right = |slot: &str| {
            let (value, en, zh) = self.wanted(slot);
            let given = call.inputs.iter().find(|(name, _)| name == slot);
            given.is_some_and(|(_, given)| match values(slot).0 {
                "text" => given.contains(en) || given.contains(zh),
                _ => given == value,
            })
        };
        (call.action == action).then(|| slots.iter().all(|slot| right(slot)))
    }
}

const FACTS: &[(&str, &str)] = &[
    ("carrier", "DHL"),
    ("arrives_on", "Monday"),
    ("return_by", "Friday"),
    ("return_code", "R1"),
    ("next_step", "We'll write."),
    ("current_address", "1 High Street"),
    ("answer", "1.7 litres."),
    ("our_price", "18.99"),
    ("total", "49.90"),
    ("refund_by", "Friday"),
    ("case_number", "C1"),
    ("reply_by", "Friday"),
    ("opens", "at 9"),
];

/// One conversation: how it ended, and how often the customer wrote.
///
/// `goal` is one of [`GOALS`]; without a voice, its texts are fixed and mostly understood.
pub fn converse(bot: &mut dyn Bot, seed: u64, goal: usize, voice: Option<&dyn Voice>) -> Talk {
    let mut customer = Customer::new(seed, goal);
    let mut now = 1_000_000;
    let mut output = Output::default();
    let (mut turns, mut calls) = (0, 0);
    loop {
        if let Some(call) = output.call.take() {
            calls += 1;
            if calls > 200 {
                return talk(&customer, End::GaveUp, turns);
            }
            let settled = customer.settles(&call);
            let (name, items) = customer.shop(&call);
            let items: Vec<Item<'_>> = (items.iter())
                .map(|order| Item {
                    kind: "order_number",
                    value: order,
                    label: order,
                })
                .collect();
            if name != "not_found" && settled.is_some() {
                let end = if settled == Some(true) {
                    End::Done
                } else {
                    End::Wrong
                };
                // A look at the wrong order can be asked for again, a change can't.
                let looked = ["order_status", "answer_question"].contains(&call.action.as_str());
                if end == End::Done || !looked {
                    return talk(&customer, end, turns);
                }
            }
            let event = Event::Done(Outcome {
                call: call.id,
                name,
                facts: FACTS,
                items: &items,
            });
            now += 500;
            output = bot.turn(&Input { now, event });
            continue;
        }
        if let Some(why) = &output.person {
            let asked = GOALS[goal].0 == "human" && why == "asked";
            let end = if asked { End::Done } else { End::Person };
            return talk(&customer, end, turns);
        }
        if turns >= PATIENCE {
            return talk(&customer, End::GaveUp, turns);
        }
        if turns > 0 && customer.silent {
            customer.silent = false;
            now += 120_000;
            let event = Event::Silence;
            let silent = bot.turn(&Input { now, event });
            if !matches!(silent.expects, Expects::Anything) {
                output = silent;
            }
        }
        let mut said = match (voice, &output.expects) {
            (Some(voice), _) => customer.speaks(&output, voice),
            (None, Expects::Anything) => customer.opens(),
            (None, _) => customer.answers(&output),
        };
        said.text += &core::mem::take(&mut said.told);
        let language = match customer.chinese {
            true => Language::Chinese,
            false => Language::English,
        };
        customer.blur(&mut said, voice);
        let heard = voice.map_or(Vec::new(), |voice| voice.hear(&said.text));
        let mut intents: Vec<(&str, f32)> = heard.iter().map(|(it, p)| (it.as_str(), *p)).collect();
        if voice.is_none() {
            intents.push((said.intent, said.chance));
        }
        let entities: Vec<Entity<'_>> = (said.entities.iter())
            .map(|(kind, value, confidence)| Entity {
                kind,
                value,
                confidence: *confidence,
                span: (0, 0),
            })
            .collect();
        let heard = Heard {
            text: &said.text,
            language,
            intents: &intents,
            entities: &entities,
            also: None,
            sentiment: Some(Sentiment {
                level: said.level,
                confidence: 0.9,
            }),
        };
        turns += 1;
        now += 8000;
        let event = Event::Said(heard);
        output = bot.turn(&Input { now, event });
    }
}
