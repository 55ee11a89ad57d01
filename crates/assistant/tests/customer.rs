//! A simulated customer who changes their mind, mistypes, switches language, swears, asks
//! something else and goes silent, against the bundled flows and against a form that asks
//! for its fields in a fixed order: 1,000 seeded conversations per flow. The figures are
//! of this generator; how real customers fare, they don't say.
#![cfg(all(feature = "compile", feature = "simulate"))]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fmt::Write as _;
use std::path::Path;

use expect_test::expect_file;
use shelfedge_assistant::dialogue::{Call, Dialogue, Event, Expects, Input, Output};
use shelfedge_assistant::flow::{Flows, compile};
use shelfedge_assistant::simulate::{Bot, End, GOALS, Option3, converse, shown, values};

const BUNDLED: &str = include_str!("../../../models/assistant/flows.toml");
const CONVERSATIONS: u64 = 1000;

struct Ours<'a> {
    dialogue: &'a Dialogue<Vec<u8>>,
    state: Vec<u8>,
}

impl Bot for Ours<'_> {
    fn turn(&mut self, input: &Input<'_>) -> Output {
        let output = self.dialogue.turn(&self.state, input).unwrap();
        assert!(output.state.len() <= 2500, "{}", output.state.len());
        self.state.clone_from(&output.state);
        output
    }
}

/// A form: asks for its fields in order, takes whatever it is told, reads all of it back,
/// begins again after a no.
#[derive(Default)]
struct Form {
    goal: usize,
    filled: Vec<String>,
    begun: bool,
    calls: u32,
}

impl Form {
    fn ask(&mut self) -> Output {
        let (_, slots, action) = GOALS[self.goal];
        let mut output = Output::default();
        match slots.get(self.filled.len()) {
            Some(slot) => {
                output.expects = Expects::Slot {
                    slot: (*slot).to_owned(),
                    entity: values(slot).0.to_owned(),
                };
            }
            None if action == "order_status" || action == "answer_question" => return self.call(),
            None => {
                let mut shows = Vec::new();
                for (slot, value) in slots.iter().zip(&self.filled) {
                    shows.push(match values(slot).0 {
                        "choice" => shown(slot, value).join(" "),
                        _ => value.clone(),
                    });
                }
                output.replies = vec![format!("{}?", shows.join(", "))];
                output.expects = Expects::YesNo;
            }
        }
        output
    }

    fn call(&mut self) -> Output {
        let (_, slots, action) = GOALS[self.goal];
        self.calls += 1;
        let inputs = slots.iter().zip(&self.filled);
        Output {
            call: Some(Call {
                id: self.calls,
                action: action.to_owned(),
                inputs: (inputs.map(|(s, v)| ((*s).to_owned(), v.clone()))).collect(),
                commits: true,
            }),
            expects: Expects::Outcome,
            ..Output::default()
        }
    }
}

impl Bot for Form {
    fn turn(&mut self, input: &Input<'_>) -> Output {
        let (_, slots, _) = GOALS[self.goal];
        match &input.event {
            Event::Silence => self.ask(),
            Event::Done(_) => {
                self.filled.clear();
                self.ask()
            }
            Event::Said(heard) => {
                let intent = heard.intents.first().map_or("oos", |(name, _)| name);
                if !self.begun {
                    self.begun = GOALS.iter().any(|(name, ..)| *name == intent);
                    return match self.begun {
                        true => self.ask(),
                        false => Output::default(),
                    };
                }
                match slots.get(self.filled.len()) {
                    None if intent == "affirm" => return self.call(),
                    None => self.filled.clear(),
                    Some(slot) => {
                        let (kind, all) = values(slot);
                        let told = match kind {
                            "text" => Some(heard.text.to_owned()),
                            "choice" => {
                                let says = |v: &&Option3| {
                                    heard.text.contains(v.1) || heard.text.contains(v.2)
                                };
                                all.iter().find(says).map(|v| v.0.to_owned())
                            }
                            _ => {
                                let found = heard.entities.iter().find(|e| e.kind == kind);
                                found.map(|entity| entity.value.to_owned())
                            }
                        };
                        self.filled.extend(told);
                    }
                }
                self.ask()
            }
        }
    }
}

#[test]
fn a_thousand_conversations_of_each_flow() {
    let bytes = compile::compile(BUNDLED, &[]).unwrap();
    let dialogue = Dialogue::new(Flows::open(bytes).unwrap());
    let mut out = String::from(
        "1,000 seeded conversations per flow with the simulated customer of\n\
         crates/assistant/src/simulate.rs: percent done, handed to a person, given up (25 turns)\n\
         and wrongly done, and the customer's turns where it was done. The form asks in a fixed\n\
         order, without beliefs, corrections and interruptions, and never fetches a person.\n\
         `UPDATE_EXPECT=1` writes this file anew.\n\n\
         flow              bot    done  person  gave up  wrong  turns\n",
    );
    for (goal, (flow, ..)) in GOALS.iter().enumerate() {
        let mut mean = [0.0; 2];
        for (i, name) in ["flows", "form"].iter().enumerate() {
            let (mut ends, mut sum) = ([0_u32; 4], 0);
            for seed in 0..CONVERSATIONS {
                let mut ours = Ours {
                    dialogue: &dialogue,
                    state: Vec::new(),
                };
                let mut form = Form {
                    goal,
                    ..Form::default()
                };
                let bot: &mut dyn Bot = if i == 0 { &mut ours } else { &mut form };
                let talk = converse(bot, seed, goal, None);
                let (end, turns) = (talk.end, talk.turns);
                ends[end as usize] += 1;
                if end == End::Done {
                    sum += turns;
                }
            }
            let percent = |n: u32| f64::from(n) * 100.0 / CONVERSATIONS as f64;
            let [done, person, gave_up, wrong] = ends.map(percent);
            let turns = f64::from(sum) / f64::from(ends[0].max(1));
            mean[i] = turns;
            writeln!(
                out,
                "{flow:<17} {name:<5} {done:>5.1}  {person:>6.1}  {gave_up:>7.1}  {wrong:>5.1}  {turns:>5.2}"
            )
            .unwrap();
            if i == 0 {
                assert!(done >= 95.0, "{flow}: {done} % done");
                assert!(ends[3] == 0, "{flow}: {} changed wrongly", ends[3]);
            }
        }
        assert!(
            mean[0] < mean[1],
            "{flow}: the form needs fewer turns, {mean:?}"
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/ratchet/dialogue.txt");
    expect_file![path].assert_eq(&out);
}
