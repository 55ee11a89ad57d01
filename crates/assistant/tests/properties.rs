//! What holds in every dialogue, whatever is said and whatever the shop answers.
#![cfg(feature = "compile")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::cell::Cell;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use shelfedge_assistant::dialogue::policy::Policy;
use shelfedge_assistant::dialogue::{
    Dialogue, Entity, Event, Expects, Heard, Input, Item, Language, Outcome, Output, Sentiment,
};
use shelfedge_assistant::flow::{Flows, compile};
use shelfedge_commerce::rng::Rng;

const BUNDLED: &str = include_str!("../../../models/assistant/flows.toml");

static DIALOGUE: LazyLock<Dialogue<Vec<u8>>> = LazyLock::new(|| {
    let bytes = compile::compile(BUNDLED, &[]).unwrap();
    Dialogue::new(Flows::open(bytes).unwrap())
});

const INTENTS: &[&str] = &[
    "order_status",
    "return_refund",
    "change_address",
    "product_question",
    "price_match",
    "cancel_order",
    "complaint",
    "human",
    "greet",
    "thanks",
    "bye",
    "affirm",
    "affirm",
    "deny",
    "stop",
    "restart",
    "repeat",
    "correct",
    "help",
    "inform",
    "inform",
    "oos",
];
const TEXTS: &[&str] = &[
    "",
    "yes",
    "it's broken, a refund please",
    "the second one",
    "同一个地址",
    "换货",
    "<b>shit</b> 妈的",
    "the order number",
    "me and a long story of everything that went wrong since Monday",
];
const KINDS: &[&str] = &[
    "order_number",
    "address",
    "product",
    "money",
    "email",
    "name",
];
const OUTCOMES: &[&str] = &[
    "found",
    "none",
    "failed",
    "allowed",
    "created",
    "changed",
    "answered",
    "matched",
    "refused",
    "cancelled",
    "not_found",
    "shipped",
    "open",
    "closed",
    "left",
    "filed",
    "no_answer",
];
const FACTS: &[(&str, &str)] = &[
    ("carrier", "DHL"),
    ("arrives_on", "Monday"),
    ("return_by", "<i>Friday</i>"),
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
    ("why", "because."),
    ("cancelled_on", "Monday"),
    ("delivered_on", "Monday"),
    ("ships_on", "Monday"),
];

/// Any turn: intent and chance, text, an entity with its value and confidence, language,
/// mood; or an outcome; or silence; and the milliseconds before it.
#[derive(Clone, Debug)]
struct Step {
    what: u8,
    intent: usize,
    chance: f32,
    text: usize,
    entity: Option<(usize, u8, f32)>,
    chinese: bool,
    level: i8,
    outcome: usize,
    all_facts: bool,
    wait: u32,
}

fn step() -> impl Strategy<Value = Step> {
    let said = (0..INTENTS.len(), 0.2_f32..1.0, 0..TEXTS.len());
    let entity = proptest::option::of((0..KINDS.len(), 0_u8..4, 0.1_f32..1.0));
    let rest = (any::<bool>(), -1_i8..3, 0..OUTCOMES.len());
    let more = (
        any::<bool>(),
        prop_oneof![9 => 0_u32..9000, 1 => 0..4_000_000_u32],
    );
    (0_u8..12, said, entity, rest, more).prop_map(|(what, said, entity, rest, more)| Step {
        what,
        intent: said.0,
        chance: said.1,
        text: said.2,
        entity,
        chinese: rest.0,
        level: rest.1,
        outcome: rest.2,
        all_facts: more.0,
        wait: more.1,
    })
}

fn say(
    dialogue: &Dialogue<Vec<u8>>,
    state: &[u8],
    now: i64,
    intent: &str,
    step: Option<&Step>,
) -> Output {
    let value = step
        .and_then(|s| s.entity)
        .map(|(_, v, _)| format!("value {v}"));
    let entities: Vec<Entity<'_>> = (step.and_then(|s| s.entity).into_iter())
        .map(|(kind, _, confidence)| Entity {
            kind: KINDS[kind],
            value: value.as_deref().unwrap_or(""),
            confidence,
            span: (0, 0),
        })
        .collect();
    let heard = Heard {
        text: step.map_or("a person", |s| TEXTS[s.text]),
        language: match step {
            Some(step) if step.chinese => Language::Chinese,
            _ => Language::English,
        },
        intents: &[(intent, step.map_or(0.99, |s| s.chance))],
        entities: &entities,
        also: None,
        sentiment: step.map(|step| Sentiment {
            level: step.level,
            confidence: 1.0,
        }),
    };
    let event = Event::Said(heard);
    dialogue.turn(state, &Input { now, event }).unwrap()
}

fn done(
    dialogue: &Dialogue<Vec<u8>>,
    state: &[u8],
    now: i64,
    call: u32,
    name: &str,
    facts: &[(&str, &str)],
) -> Output {
    let items = [1, 2].map(|n| Item {
        kind: "order_number",
        value: ["", "value 1", "value 2"][n],
        label: "an order",
    });
    let event = Event::Done(Outcome {
        call,
        name,
        facts,
        items: &items,
    });
    dialogue.turn(state, &Input { now, event }).unwrap()
}

/// From any state: a person comes after being asked for, and a new start always works.
fn has_ways_out(dialogue: &Dialogue<Vec<u8>>, output: &Output, call: u32, now: i64) {
    let mut at = output.clone();
    // Two calls that fail, a flow to go back to, three turns that lead nowhere.
    for _ in 0..8 {
        if at.person.is_some() {
            break;
        }
        at = match at.expects {
            Expects::Outcome => {
                let id = at.call.as_ref().map_or(call, |call| call.id);
                done(dialogue, &at.state, now, id, "failed", &[])
            }
            _ => say(dialogue, &at.state, now, "human", None),
        };
    }
    assert!(at.person.is_some(), "no person comes: {output:?}");
    let anew = say(dialogue, &output.state, now, "restart", None);
    assert_eq!((anew.expects, anew.person), (Expects::Anything, None));
}

/// Plays a dialogue and checks every turn. How many calls changed something.
fn keeps_the_rules(dialogue: &Dialogue<Vec<u8>>, steps: &[Step]) -> Result<u32, TestCaseError> {
    let mut commits = 0;
    // What the customer has read last.
    let mut said = String::new();
    let flows = dialogue.flows();
    let (mut state, mut now, mut call) = (Vec::new(), 1_000, 0);
    let mut waits = false;
    let mut last = Output::default();
    for step in steps {
        now += i64::from(step.wait);
        let facts = if step.all_facts { FACTS } else { &FACTS[..3] };
        let intent = INTENTS[step.intent];
        let said_yes = step.what >= 2 && !(waits && step.what < 9) && intent == "affirm";
        let output = match step.what {
            0 => dialogue
                .turn(
                    &state,
                    &Input {
                        now,
                        event: Event::Silence,
                    },
                )
                .unwrap(),
            1 => done(
                dialogue,
                &state,
                now,
                call.max(1) - 1,
                OUTCOMES[step.outcome],
                facts,
            ),
            // A call is mostly answered.
            _ if waits && step.what < 9 => {
                done(dialogue, &state, now, call, OUTCOMES[step.outcome], facts)
            }
            _ => say(dialogue, &state, now, intent, Some(step)),
        };
        if let Some(made) = &output.call {
            prop_assert_eq!(made.id, call + 1);
            call = made.id;
            let action = (0..flows.actions())
                .find(|row| flows.action_name(*row) == made.action)
                .unwrap();
            for (slot, required) in flows.inputs(action) {
                let slot = flows.slot(slot).name;
                let given = made.inputs.iter().find(|(name, _)| name == slot);
                prop_assert!(!required || given.is_some_and(|(_, v)| !v.is_empty()));
            }
            if made.commits {
                commits += 1;
                // Only a yes to the question that shows them makes such a call.
                prop_assert!(said_yes && last.expects == Expects::YesNo, "{:?}", made);
                let shown = &said;
                for (slot, value) in &made.inputs {
                    let row = (0..flows.slots()).find(|row| flows.slot(*row).name == slot);
                    let choice = flows.slot(row.unwrap()).entity == "choice";
                    let optional = slot == "order" && made.action == "file_complaint";
                    let plain = value.replace('<', "\u{2039}").replace('>', "\u{203a}");
                    prop_assert!(
                        choice || optional || shown.contains(&plain),
                        "{shown} {value}"
                    );
                }
            }
        }
        for reply in &output.replies {
            let plain = !reply.contains(['<', '>', '{', '}']);
            prop_assert!(plain && !reply.is_empty());
        }
        waits = output.expects == Expects::Outcome;
        prop_assert!(output.state.len() < 6000, "{}", output.state.len());
        prop_assert!((0.0..=1.0).contains(&output.satisfaction));
        has_ways_out(dialogue, &output, call, now);
        state.clone_from(&output.state);
        if let Some(reply) = output.replies.last() {
            said.clone_from(reply);
        }
        last = output;
    }
    Ok(commits)
}

/// How many calls changed something.
fn always_keeps_the_rules(dialogue: &Dialogue<Vec<u8>>, cases: u32) -> u32 {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let commits = Cell::new(0);
    let steps = proptest::collection::vec(step(), 1..30);
    let run = runner.run(&steps, |steps| {
        commits.set(commits.get() + keeps_the_rules(dialogue, &steps)?);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    commits.get()
}

#[test]
fn every_dialogue_keeps_the_rules() {
    let commits = always_keeps_the_rules(&DIALOGUE, 20_000);
    // The rules for such calls were put to the test.
    assert!(commits > 50, "{commits}");
}

#[test]
fn no_policy_breaks_the_rules() {
    let mut commits = 0;
    for seed in 0..4 {
        let mut rng = Rng::new(seed, 7);
        let weights = (0..Policy::size(4)).map(|_| 3.0 * rng.normal()).collect();
        let policy = Policy::new(0.0, 4, weights);
        assert!(policy.is_some());
        commits += always_keeps_the_rules(&DIALOGUE.clone().with_policy(policy), 4000);
    }
    assert!(commits > 10, "{commits}");
    let learnt = Policy::read(include_bytes!("../../../models/assistant/policy.bin"));
    assert!(learnt.is_some());
    always_keeps_the_rules(&DIALOGUE.clone().with_policy(learnt), 4000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_of_state_are_a_crash(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let digest = DIALOGUE.flows().digest().to_le_bytes();
        let silent = Input { now: 0, event: Event::Silence };
        for state in [bytes.clone(), [&[2], &digest[..], &bytes].concat()] {
            let answer = DIALOGUE.turn(&state, &silent);
            prop_assert!(answer.is_err() || state.is_empty());
        }
    }
}

#[test]
fn a_packet_tells_a_person_what_is_known_and_nothing_unmasked() {
    use shelfedge_assistant::dialogue::{Line, Who};
    let step = Step {
        what: 9,
        intent: 0,
        chance: 0.9,
        text: 2,
        entity: Some((0, 1, 0.95)),
        chinese: false,
        level: -1,
        outcome: 0,
        all_facts: true,
        wait: 0,
    };
    let asked = say(&DIALOGUE, &[], 1, "return_refund", Some(&step));
    let shown = done(&DIALOGUE, &asked.state, 2, 1, "allowed", FACTS);
    let lines = [
        Line {
            who: Who::Customer,
            text: "I'm value 1, and it's broken",
        },
        Line {
            who: Who::Assistant,
            text: &shown.replies[0],
        },
    ];
    let mut mask = |text: &str| text.replace("value 1", "***");
    let packet = DIALOGUE.packet(&shown.state, &lines, &mut mask).unwrap();
    assert!(!format!("{packet:?}").contains("value 1"));
    expect_test::expect![[r#"
        Packet {
            reason: "",
            summary: "The customer wrote 1 times. Return an item: order ***, reason Damaged, remedy Money back.",
            language: "en",
            satisfaction: 0.785835,
            flows: [
                (
                    "return_refund",
                    "sure",
                ),
            ],
            slots: [
                Value {
                    flow: "return_refund",
                    slot: "order",
                    value: "***",
                    belief: 0.95,
                    confirmed: false,
                },
                Value {
                    flow: "return_refund",
                    slot: "reason",
                    value: "Damaged",
                    belief: 0.95,
                    confirmed: false,
                },
                Value {
                    flow: "return_refund",
                    slot: "remedy",
                    value: "Money back",
                    belief: 0.95,
                    confirmed: false,
                },
            ],
            facts: [
                (
                    "return_by",
                    "<i>Friday</i>",
                ),
            ],
            transcript: [
                (
                    Customer,
                    "I'm ***, and it's broken",
                ),
                (
                    Assistant,
                    "You can return order *** until ‹i›Friday‹/i›.",
                ),
            ],
            suggested: [
                "Is there anything else I can do for you?",
            ],
        }"#]].assert_eq(&format!("{packet:#?}"));
}
