//! What a customer says, understood in the page.

use std::rc::Rc;

use shelfedge_assistant::{Assistant, Buffers, Classifier, Part, TurnBuffers};
use shelfedge_commerce::fault::{Fault, Faults};
use shelfedge_wire::assist::{self, Around};
use shelfedge_wire::manifest::Manifest;
use shelfedge_wire::problem::Code;
use shelfedge_wire::seal::Seal;
use shelfedge_wire::{Limits, Problem, codes, intent};

use crate::bundle;

type File = Rc<[u8]>;

/// What a bundle holds.
enum Model {
    /// A classifier of texts alone.
    Intent(Box<Classifier<Part<File>>>),
    /// All that converses.
    Assistant(Box<Assistant<File>>),
}

/// An open bundle.
pub(crate) struct Reader {
    model: Model,
    digest: String,
    buffers: Buffers,
    turns: TurnBuffers,
}

impl Reader {
    pub(crate) fn open(
        manifest: &[u8],
        shelf: Vec<u8>,
        digest: Option<&[u8]>,
    ) -> Result<Self, Problem> {
        let manifest = Manifest::parse(manifest).map_err(bundle::unreadable)?;
        bundle::check(&manifest, &shelf, digest)?;
        let unusable = |error: String| {
            Problem::new(Code::MODEL_UNUSABLE).with_detail(["model.shelf: ", &error].concat())
        };
        let shelf = File::from(shelf);
        let model = match &manifest.task[..] {
            "assistant" => Assistant::open(shelf)
                .map(|assistant| Model::Assistant(Box::new(assistant)))
                .map_err(|error| error.to_string()),
            _ => Classifier::open(Part::whole(shelf))
                .map(|classifier| Model::Intent(Box::new(classifier)))
                .map_err(|error| error.to_string()),
        };
        Ok(Self {
            model: model.map_err(unusable)?,
            digest: manifest.model_digest(),
            buffers: Buffers::default(),
            turns: TurnBuffers::default(),
        })
    }

    /// The model of intents, and the digest by which its answers name it.
    fn intent(&self) -> (&Classifier<Part<File>>, &str) {
        match &self.model {
            Model::Intent(classifier) => (classifier, &self.digest),
            Model::Assistant(assistant) => (assistant.intent(), &assistant.shop().intent),
        }
    }

    /// The labels that it knows, as JSON.
    pub(crate) fn labels(&self) -> Vec<u8> {
        let (classifier, digest) = self.intent();
        intent::labels(classifier, digest)
    }

    pub(crate) fn classify(&mut self, request: &[u8]) -> Result<Vec<u8>, Problem> {
        let request = intent::parse(request, &Limits::DEFAULT)?;
        let mut buffers = std::mem::take(&mut self.buffers);
        let (classifier, digest) = self.intent();
        let answer = intent::respond(classifier, &request, digest, &mut buffers);
        self.buffers = buffers;
        Ok(answer)
    }

    /// A turn of a conversation. The state never leaves the page by itself, so it isn't
    /// signed.
    pub(crate) fn turn(&mut self, request: &[u8]) -> Result<Vec<u8>, Problem> {
        let Model::Assistant(assistant) = &self.model else {
            let cause = "the bundle is a model of intents alone; load one of an assistant";
            return Err(Problem::new(Code::MODEL_UNUSABLE).with_detail(cause));
        };
        let request = assist::parse(request, &Limits::DEFAULT)?;
        let Some(now) = request.now else {
            let cause = "the page's clock is the only one here";
            return Err(Faults::from(Fault::new(&codes::NOW_MISSING, "now", cause)).into());
        };
        let around = Around {
            model: &self.digest,
            seal: Seal::Plain,
            now: now.now.millis(),
        };
        let conversation = request.conversation(&around, [0; 16])?;
        Ok(assist::respond(
            assistant,
            &request,
            &conversation,
            &around,
            &mut self.turns,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/intent/");
        std::fs::read([folder, name].concat()).expect("the committed bundle")
    }

    #[test]
    fn texts_are_understood_and_faults_told() {
        let mut reader = Reader::open(&read("manifest.json"), read("model.shelf"), None)
            .unwrap_or_else(|problem| panic!("{problem:?}"));
        let answer = reader
            .classify(br#"{"text":"I want my money back"}"#)
            .expect("an answer");
        let answer = String::from_utf8(answer).expect("UTF-8");
        assert!(
            answer.contains(r#""label":"return_refund","labels":[{"#),
            "{answer}"
        );
        let problem = reader.classify(b"{}").expect_err("no text");
        assert_eq!(
            problem.faults.iter().map(|f| f.code).collect::<Vec<_>>(),
            ["field_missing"]
        );
        let labels = String::from_utf8(reader.labels()).expect("UTF-8");
        assert!(labels.contains(r#""order_status""#), "{labels}");
    }

    #[test]
    fn every_golden_turn_has_the_bytes_of_the_trainer() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/chat/");
        let [manifest, shelf, golden] = ["manifest.json", "model.shelf", "golden.json"]
            .map(|name| std::fs::read([folder, name].concat()).expect("the committed bundle"));
        let mut reader = Reader::open(&manifest, shelf, None).expect("an assistant");
        let golden: serde_json::Value = serde_json::from_slice(&golden).expect("JSON");
        let mut last = (String::new(), serde_json::Value::Null);
        for case in golden["cases"].as_array().expect("cases") {
            let conversation = case["conversation"].as_str().expect("a name");
            let mut request = case["request"].clone();
            if last.0 == conversation {
                request["state"] = last.1;
            }
            let told = reader
                .turn(request.to_string().as_bytes())
                .expect("an answer");
            let told = String::from_utf8(told).expect("UTF-8");
            assert_eq!(Some(&*told), case["response"].as_str(), "{conversation}");
            let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
            last = (conversation.to_owned(), told["state"].clone());
        }
        let problem = reader.turn(br#"{"text":"hi"}"#).expect_err("no time");
        assert_eq!(
            problem.faults.iter().next().map(|it| it.code),
            Some("now_missing")
        );
        let mut alone =
            Reader::open(&read("manifest.json"), read("model.shelf"), None).expect("a classifier");
        let problem = alone.turn(br#"{"text":"hi"}"#).expect_err("no flows");
        assert_eq!(problem.code, "model_unusable");
    }

    #[test]
    fn another_model_is_refused() {
        let mut shelf = read("model.shelf");
        let last = shelf.len() - 1;
        shelf[last] ^= 1;
        assert!(Reader::open(&read("manifest.json"), shelf, None).is_err());
        let ranking = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/ranking/");
        let [manifest, shelf] = ["manifest.json", "model.shelf"]
            .map(|name| std::fs::read([ranking, name].concat()).expect("the committed bundle"));
        let refused = Reader::open(&manifest, shelf, None)
            .err()
            .expect("no classifier");
        assert_eq!(refused.code, "model_unusable");
    }
}
