//! Conversations with the simulated customer in real words, and what they are worth: of the
//! example `policy`, which learns, and of the test of the policy that is committed.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use shelfedge_assistant::dialogue::policy::{Action, Moment, Policy};
use shelfedge_assistant::dialogue::{Dialogue, Input, Output};
use shelfedge_assistant::flow::{Flows, compile};
use shelfedge_assistant::simulate::{Bot, End, GOALS, Talk, Voice, converse};
use shelfedge_assistant::{Buffers, Classifier};
use shelfedge_commerce::rng::Rng;

/// What a turn costs, what one in a wrong flow costs besides, and what each end is worth.
const TURN: f32 = 0.03;
const ASTRAY: f32 = 0.1;
const WORTH: [(End, f32); 4] = [
    (End::Done, 1.0),
    (End::Person, -0.5),
    (End::GaveUp, -1.0),
    (End::Wrong, -1.0),
];
/// Conversations of each flow that are judged.
pub(crate) const JUDGED: u64 = 250;
/// Probability below which the rules decide.
pub(crate) const LEAST: f32 = 0.5;

/// A file or folder of `models`.
pub(crate) fn models(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../models")
        .join(path)
}

/// The bundled flows.
pub(crate) fn dialogue() -> Dialogue<Vec<u8>> {
    let source = fs::read_to_string(models("assistant/flows.toml")).unwrap();
    let compiled = compile::compile(&source, &[]).unwrap();
    Dialogue::new(Flows::open(compiled).unwrap())
}

/// The model of intents in a bundle.
pub(crate) fn intent(folder: &Path) -> Classifier<Vec<u8>> {
    Classifier::open(fs::read(folder.join("model.shelf")).unwrap()).unwrap()
}

pub(crate) type Said = BTreeMap<(String, bool), Vec<String>>;

/// Rows of text, label and language.
pub(crate) fn texts(path: &Path) -> Said {
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

/// Texts, and what a model hears in them.
pub(crate) struct Words<'a> {
    pub(crate) said: Said,
    pub(crate) flows: &'a Flows<Vec<u8>>,
    pub(crate) intent: &'a Classifier<Vec<u8>>,
    pub(crate) heard: RefCell<BTreeMap<String, Vec<(String, f32)>>>,
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

/// What a conversation is worth.
pub(crate) fn worth(talk: Talk) -> f32 {
    let of = WORTH
        .iter()
        .find(|(other, _)| *other == talk.end)
        .unwrap()
        .1;
    of - TURN * talk.turns as f32 - ASTRAY * talk.astray as f32
}

/// One conversation.
pub(crate) fn play(
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

/// What chooses.
pub(crate) struct Way<'a> {
    pub(crate) name: &'a str,
    /// Probability from which the best flow is begun, whatever the rules say.
    pub(crate) begins: f32,
    /// None leaves it to the rules.
    pub(crate) chooser: Option<&'a Policy>,
}

impl Way<'_> {
    /// A line of the table, in seeds that learning never met. `rules` is what each
    /// conversation was worth with the first way, which is asked first.
    pub(crate) fn judged(
        &self,
        dialogue: &Dialogue<Vec<u8>>,
        voice: &Words<'_>,
        rules: &mut Vec<f32>,
    ) -> String {
        let mut figures: [Vec<f32>; 5] = Default::default();
        for seed in 0..JUDGED {
            for goal in 0..GOALS.len() {
                let seed = 1_000_000 + seed;
                let talk = play(dialogue, voice, seed, goal, &mut |moment| {
                    let free = moment.features[6] < 0.5;
                    match (moment.rule, self.chooser) {
                        (Action::Clarify, None) if self.name == "no question" => {
                            Some(Action::Follow)
                        }
                        (_, Some(chooser)) => chooser.choose(moment),
                        _ if free && moment.features[0] >= self.begins => Some(Action::Begin),
                        _ => None,
                    }
                });
                let percent = |other: End| f32::from(u8::from(talk.end == other)) * 100.0;
                let values = [
                    percent(End::Done),
                    percent(End::Person),
                    talk.turns as f32,
                    talk.astray as f32,
                    worth(talk),
                ];
                for (figure, value) in figures.iter_mut().zip(values) {
                    figure.push(value);
                }
            }
        }
        if rules.is_empty() {
            rules.clone_from(&figures[4]);
        }
        let over: Vec<f32> = figures[4].iter().zip(rules).map(|(a, b)| a - *b).collect();
        let mut line = format!("{:<13}", self.name);
        for (values, places) in figures.iter().chain([&over]).zip([1, 1, 2, 2, 3, 3]) {
            let (mean, half) = mean(values);
            write!(line, "  {mean:>6.places$} ±{half:<5.places$}").unwrap();
        }
        line.truncate(line.trim_end().len());
        line + "\n"
    }
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
