//! Learns the dialogue's policy from simulated conversations in real words, and compares it
//! with the fixed rules in words and seeds that it never met, and with the simplest thing that
//! might do as well: the rules with a lower threshold. Writes the section `policy` and the
//! figures:
//! `cargo run -p shelfedge-assistant --example policy --features compile,simulate -- OUT MODEL TEXTS`.
//!
//! It learns from texts that are heard by a model that wasn't taught with them, for such a one
//! is surer than it will ever be again; it is judged by those of `models/assistant/data` that
//! are held out, heard by `models/intent`. The customer is [`simulate`]'s. Policy gradient with
//! a mean for a baseline (Williams 1992), from a network that first imitates the rules; of its
//! states the one is kept that does best in other conversations with the same texts.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a command")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use shelfedge_assistant::dialogue::policy::{Action, FEATURES, Moment, Policy};
use shelfedge_assistant::dialogue::{Dialogue, Input, Output};
use shelfedge_assistant::flow::{Flows, compile};
use shelfedge_assistant::simulate::{Bot, End, GOALS, Talk, Voice, converse};
use shelfedge_assistant::{Buffers, Classifier};
use shelfedge_commerce::rng::Rng;

const HIDDEN: usize = 16;
const BATCH: u64 = 64;
const IMITATED: usize = 300;
const ROUNDS: usize = 800;
/// Rounds between two looks at what was learnt, and conversations of each flow in one.
const EVERY: usize = 50;
const CHECKED: u64 = 100;
const RATE: f32 = 0.003;
/// What a turn costs, what one in a wrong flow costs besides, and what each end is worth.
const TURN: f32 = 0.03;
const ASTRAY: f32 = 0.1;
const WORTH: [(End, f32); 4] = [
    (End::Done, 1.0),
    (End::Person, -0.5),
    (End::GaveUp, -1.0),
    (End::Wrong, -1.0),
];
/// Probability below which the rules decide.
const LEAST: f32 = 0.5;
const JUDGED: u64 = 250;

const USAGE: &str = "policy OUT MODEL TEXTS: the file to write, the folder of a model of intents, and a CSV of texts that it wasn't taught with";

type Said = BTreeMap<(String, bool), Vec<String>>;

/// Rows of text, label and language.
fn texts(path: &Path) -> Said {
    let mut out = Said::new();
    for line in fs::read_to_string(path).unwrap().lines().skip(1) {
        let (rest, language) = line.rsplit_once(',').unwrap();
        let (text, label) = rest.rsplit_once(',').unwrap();
        let text = match text.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => text.to_owned(),
        };
        let of = out.entry((label.to_owned(), language == "zh")).or_default();
        of.push(text);
    }
    out
}

struct Words<'a> {
    said: Said,
    flows: &'a Flows<Vec<u8>>,
    intent: &'a Classifier<Vec<u8>>,
    heard: RefCell<BTreeMap<String, Vec<(String, f32)>>>,
}

impl Voice for Words<'_> {
    fn utterance(&self, intent: &str, chinese: bool, rng: &mut Rng) -> Option<String> {
        let of = self.said.get(&(intent.to_owned(), chinese))?;
        Some(of[rng.below(of.len())].clone())
    }

    fn hear(&self, text: &str) -> Vec<(String, f32)> {
        let flows = 0..self.flows.len();
        let mut titled = flows.filter(|it| self.flows.title(*it).iter().any(|t| t == text));
        if let Some(flow) = titled.next() {
            let intent = self.flows.intents(flow).next().unwrap();
            return vec![(intent.to_owned(), 1.0)];
        }
        if let Some(known) = self.heard.borrow().get(text) {
            return known.clone();
        }
        let mut buffers = Buffers::default();
        let answer = self.intent.classify(text, &mut buffers);
        let mut heard: Vec<(String, f32)> = Vec::new();
        if answer.label.is_some() {
            let names = self.intent.labels().names.iter().cloned();
            heard.extend(names.zip(answer.probabilities.iter().copied()));
            heard.sort_by(|a, b| b.1.total_cmp(&a.1));
            heard.truncate(5);
        }
        self.heard
            .borrow_mut()
            .insert(text.to_owned(), heard.clone());
        heard
    }

    fn title(&self, flow: &str) -> [String; 2] {
        self.flows.title(self.flows.flow_named(flow).unwrap())
    }
}

struct Ours<'a> {
    dialogue: &'a Dialogue<Vec<u8>>,
    state: Vec<u8>,
    choose: &'a mut dyn FnMut(&Moment) -> Option<Action>,
}

impl Bot for Ours<'_> {
    fn turn(&mut self, input: &Input<'_>) -> Output {
        let output = self.dialogue.turn_by(&self.state, input, &mut *self.choose);
        let output = output.unwrap();
        self.state.clone_from(&output.state);
        output
    }
}

struct Net {
    policy: Policy,
    mean: Vec<f32>,
    square: Vec<f32>,
    steps: i32,
}

impl Net {
    fn new() -> Self {
        let mut rng = Rng::new(1, 0xD1A);
        let size = Policy::size(HIDDEN);
        let weights = (0..size).map(|_| 0.2 * rng.normal()).collect();
        Self {
            policy: Policy::new(0.0, HIDDEN, weights).unwrap(),
            mean: vec![0.0; size],
            square: vec![0.0; size],
            steps: 0,
        }
    }

    /// Adds the gradient of -weight * ln(probability of the action).
    fn gradient(&self, moment: &Moment, action: Action, weight: f32, sum: &mut [f32]) {
        let (hidden, chances) = self.policy.run(moment);
        let inner = HIDDEN * (FEATURES.len() + 1);
        let outer = &self.policy.weights()[inner..];
        let mut back = [0.0; HIDDEN];
        for (place, (chance, allowed)) in chances.iter().zip(moment.allowed).enumerate() {
            if !allowed {
                continue;
            }
            let hit = f32::from(u8::from(place == action as usize));
            let slope = weight * (chance - hit);
            let row = place * (HIDDEN + 1);
            sum[inner + row] += slope;
            for unit in 0..HIDDEN {
                sum[inner + row + 1 + unit] += slope * hidden[unit];
                back[unit] += slope * outer[row + 1 + unit];
            }
        }
        for unit in 0..HIDDEN {
            let slope = back[unit] * (1.0 - hidden[unit] * hidden[unit]);
            let row = unit * (FEATURES.len() + 1);
            sum[row] += slope;
            for (to, feature) in sum[row + 1..].iter_mut().zip(moment.features) {
                *to += slope * feature;
            }
        }
    }

    /// A step of Adam (Kingma and Ba 2015).
    fn step(&mut self, sum: &[f32], count: usize) {
        self.steps += 1;
        let fix = |decay: f32| 1.0 - decay.powi(self.steps);
        let mut weights = self.policy.weights().to_vec();
        for i in 0..sum.len() {
            let slope = sum[i] / count.max(1) as f32;
            self.mean[i] = 0.9 * self.mean[i] + 0.1 * slope;
            self.square[i] = 0.999 * self.square[i] + 0.001 * slope * slope;
            let size = (self.square[i] / fix(0.999)).sqrt() + 1e-8;
            weights[i] -= RATE * self.mean[i] / fix(0.9) / size;
        }
        self.policy = Policy::new(0.0, HIDDEN, weights).unwrap();
    }
}

fn worth(talk: Talk) -> f32 {
    let of = WORTH
        .iter()
        .find(|(other, _)| *other == talk.end)
        .unwrap()
        .1;
    of - TURN * talk.turns as f32 - ASTRAY * talk.astray as f32
}

fn play(
    dialogue: &Dialogue<Vec<u8>>,
    voice: &Words<'_>,
    seed: u64,
    goal: usize,
    choose: &mut dyn FnMut(&Moment) -> Option<Action>,
) -> Talk {
    let mut bot = Ours {
        dialogue,
        state: Vec::new(),
        choose,
    };
    converse(&mut bot, seed, goal, Some(voice))
}

fn learn(dialogue: &Dialogue<Vec<u8>>, voice: &Words<'_>) -> Policy {
    let mut net = Net::new();
    let mut best: Option<(f32, Policy)> = None;
    let mut baseline = [0.0_f32; GOALS.len()];
    for round in 0..IMITATED + ROUNDS {
        let imitates = round < IMITATED;
        let mut sum = vec![0.0; Policy::size(HIDDEN)];
        let (mut count, mut total) = (0, 0.0);
        for i in 0..BATCH {
            let seed = round as u64 * BATCH + i;
            let goal = (seed % GOALS.len() as u64) as usize;
            let mut rng = Rng::new(seed, 0xE0);
            let mut moments: Vec<(Moment, Action)> = Vec::new();
            let policy = &net.policy;
            let talk = play(dialogue, voice, seed, goal, &mut |moment| {
                let mut action = moment.rule;
                if !imitates {
                    let mut left = rng.unit();
                    for (each, chance) in Action::ALL.into_iter().zip(policy.run(moment).1) {
                        if moment.allowed[each as usize] {
                            action = each;
                            left -= chance;
                        }
                        if left <= 0.0 && moment.allowed[each as usize] {
                            break;
                        }
                    }
                }
                moments.push((moment.clone(), action));
                Some(action)
            });
            let worth = worth(talk);
            total += worth;
            let over = if imitates {
                1.0
            } else {
                worth - baseline[goal]
            };
            baseline[goal] = 0.95 * baseline[goal] + 0.05 * worth;
            for (moment, action) in &moments {
                net.gradient(moment, *action, over, &mut sum);
                count += 1;
            }
        }
        net.step(&sum, count);
        if round % EVERY == EVERY - 1 {
            let mut chooser = net.policy.clone();
            chooser.least = LEAST;
            let mut chosen = 0.0;
            for seed in 0..CHECKED {
                for goal in 0..GOALS.len() {
                    let seed = 500_000 + seed;
                    let choose = &mut |moment: &Moment| chooser.choose(moment);
                    chosen += worth(play(dialogue, voice, seed, goal, choose));
                }
            }
            let chosen = chosen / (CHECKED as usize * GOALS.len()) as f32;
            println!(
                "round {:>4}: worth {:.3}, in other conversations {chosen:.3}",
                round + 1,
                total / BATCH as f32
            );
            if best.as_ref().is_none_or(|(most, _)| chosen > *most) {
                best = Some((chosen, net.policy.clone()));
            }
        }
    }
    best.unwrap().1
}

fn mean(values: &[f32]) -> (f32, f32) {
    let count = values.len() as f32;
    let mean = values.iter().sum::<f32>() / count;
    let variance = values
        .iter()
        .map(|it| (it - mean) * (it - mean))
        .sum::<f32>()
        / count;
    (mean, 1.96 * (variance / count).sqrt())
}

fn main() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let source = fs::read_to_string(root.join("assistant/flows.toml")).unwrap();
    let compiled = compile::compile(&source, &[]).unwrap();
    let dialogue = Dialogue::new(Flows::open(compiled).unwrap());
    let [out_file, model, taught] = [1, 2, 3].map(|at| {
        let argument = std::env::args().nth(at);
        PathBuf::from(argument.unwrap_or_else(|| panic!("{USAGE}")))
    });
    let open = |folder: &Path| {
        let bytes = fs::read(folder.join("model.shelf")).unwrap();
        Classifier::open(bytes).unwrap()
    };
    let (other, intent) = (open(&model), open(&root.join("intent")));
    let words = |texts: Said, intent| Words {
        said: texts,
        flows: dialogue.flows(),
        intent,
        heard: RefCell::default(),
    };
    let policy = learn(&dialogue, &words(texts(&taught), &other));
    let held_out = texts(&root.join("assistant/data/held_out.csv"));
    let held_out = words(held_out, &intent);
    let mut out = format!(
        "The learnt policy of the dialogue beside the fixed rules, by crates/assistant/examples/policy.rs:\n\
         {JUDGED} conversations of each of {} flows with the simulated customer of src/simulate.rs, in the\n\
         texts of held_out.csv, heard by models/intent; seeds and texts that learning never met. \"no\n\
         question\" never begins by asking which of two flows is meant; \"begins at\" begins the best\n\
         flow from that probability. Means with 95 % intervals; worth is 1 for done, -0.5 for a\n\
         person who wasn't asked for, -1 for given up or wrongly done, less 0.03 a turn and 0.1 for each\n\
         in a flow that wasn't asked for (astray). Every customer wants something that a flow does,\n\
         which favours beginning one. The customers are made up: unproven on real chats.\n\n\
         {:<13}{:>14}{:>15}{:>14}{:>10}{:>14}{:>14}\n",
        GOALS.len(),
        "policy",
        "done %",
        "person %",
        "turns",
        "astray",
        "worth",
        "over rules"
    );
    let mut rules: Vec<f32> = Vec::new();
    for (name, begins, least) in [
        ("rules", 2.0, 2.0),
        ("no question", 2.0, 2.0),
        ("begins at .5", 0.5, 2.0),
        ("begins at .4", 0.4, 2.0),
        ("begins at .3", 0.3, 2.0),
        ("begins at .2", 0.2, 2.0),
        ("begins at .1", 0.1, 2.0),
        ("network", 2.0, 0.0),
        ("network .5", 2.0, 0.5),
        ("network .7", 2.0, 0.7),
        ("network .9", 2.0, 0.9),
    ] {
        let mut figures: [Vec<f32>; 5] = Default::default();
        let mut chooser = policy.clone();
        chooser.least = least;
        for seed in 0..JUDGED {
            for goal in 0..GOALS.len() {
                let seed = 1_000_000 + seed;
                let talk = play(&dialogue, &held_out, seed, goal, &mut |moment| {
                    let free = moment.features[6] < 0.5;
                    match moment.rule {
                        Action::Clarify if name == "no question" => Some(Action::Follow),
                        _ if least <= 1.0 => chooser.choose(moment),
                        _ if free && moment.features[0] >= begins => Some(Action::Begin),
                        _ => None,
                    }
                });
                let percent = |other: End| f32::from(u8::from(talk.end == other)) * 100.0;
                let worth = worth(talk);
                let values = [
                    percent(End::Done),
                    percent(End::Person),
                    talk.turns as f32,
                    talk.astray as f32,
                    worth,
                ];
                for (figure, value) in figures.iter_mut().zip(values) {
                    figure.push(value);
                }
            }
        }
        if rules.is_empty() {
            rules.clone_from(&figures[4]);
        }
        let over: Vec<f32> = figures[4].iter().zip(&rules).map(|(a, b)| a - b).collect();
        write!(out, "{name:<13}").unwrap();
        for (values, places) in figures.iter().chain([&over]).zip([1, 1, 2, 2, 3, 3]) {
            let (mean, half) = mean(values);
            write!(out, "  {mean:>6.places$} ±{half:<5.places$}").unwrap();
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        println!("{}", out.lines().last().unwrap());
    }
    let root = root.join("..");
    fs::write(root.join("tests/ratchet/dialogue_policy.txt"), &out).unwrap();
    let mut policy = policy;
    policy.least = LEAST;
    fs::write(out_file, policy.write()).unwrap();
}
