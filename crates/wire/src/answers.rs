//! Questions for a shopper of whom nothing is known, and the answers that a request
//! brings.
//!
//! `answers_off.rs` takes the place of this file in a build without the feature.

use shelfedge_commerce::fault::{Fault, Faults, quote};
use shelfedge_commerce::{Currency, Money};
use shelfedge_ranking::Ranker;
use shelfedge_ranking::questions::{
    self, Answer, Band, Kind, MAX_ANSWERS, MAX_QUESTIONS, Question,
};

use crate::Problem;
use crate::codes;
use crate::explain::Sentence;
use crate::hash::Hash128;
use crate::json::{self, Decoder, Malformed, Path, Unknown, Writer};

/// Answers of a request, at most.
pub const MAX_REPLIES: usize = MAX_QUESTIONS * MAX_ANSWERS;

/// One answer of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The question's id.
    pub question: String,
    /// The answer's id.
    pub answer: String,
}

/// The answers of a request.
pub type Replies = Vec<Reply>;

/// Reads the list `answers`; `None` also when it has faults, which are noted.
pub(crate) fn read(
    decoder: &mut Decoder<'_>,
    path: &Path<'_>,
) -> Result<Option<Replies>, Malformed> {
    let mut replies = Vec::new();
    let is_list = decoder.array(path, MAX_REPLIES, &mut |decoder, _, path| {
        let fields = ["question", "answer"];
        let mut texts = [None, None];
        let mut present = [false; 2];
        let is_object =
            decoder.object(path, &fields, Unknown::Pass, &mut |decoder, at, path| {
                present[at] = decoder.kind()? != json::Kind::Null;
                texts[at] = decoder.string(path)?.map(|text| text.into_owned());
                Ok(())
            })?;
        for at in 0..2 {
            if is_object && !present[at] {
                decoder.missing(&Path::Field(path, fields[at]));
            }
        }
        if let [Some(question), Some(answer)] = texts {
            replies.push(Reply { question, answer });
        }
        Ok(())
    })?;
    Ok(is_list.then_some(replies))
}

/// The field of a request, in a fixed form.
pub(crate) fn write_request(json: &mut Writer, replies: &Option<Replies>) {
    let Some(replies) = replies else { return };
    json.key("answers");
    json.open(b'[');
    for Reply { question, answer } in replies {
        json.open(b'{');
        json.key("question");
        json.string(question);
        json.key("answer");
        json.string(answer);
        json.close(b'}');
    }
    json.close(b']');
}

/// Adds the answers to the hash that names the exposure.
pub(crate) fn hash(hash: &mut Hash128, replies: &Option<Replies>) {
    let Some(replies) = replies else { return };
    hash.word(replies.len() as u64);
    for Reply { question, answer } in replies {
        hash.text(question);
        hash.text(answer);
    }
}

/// The products that a request's answers lead to, the best first.
pub(crate) fn answered<B: AsRef<[u8]>>(
    ranker: &Ranker<B>,
    replies: &Option<Replies>,
) -> Result<Vec<u32>, Problem> {
    let Some(replies) = replies.as_ref().filter(|replies| !replies.is_empty()) else {
        return Ok(Vec::new());
    };
    let questions = ranker.questions();
    if questions.is_empty() {
        let cause = "the model has no questions";
        return Err(Faults::from(Fault::new(&codes::QUESTIONS_MISSING, "answers", cause)).into());
    }
    let mut faults = Faults::default();
    let mut found: Vec<&Answer> = Vec::with_capacity(replies.len());
    for (at, reply) in replies.iter().enumerate() {
        let mut unknown = |code, field: &str, of: &str, text: &str| {
            let cause = format!("the {of} has no {field} {}", quote(text));
            faults.push(Fault::new(code, format!("answers[{at}].{field}"), cause));
        };
        let Some(question) = questions.iter().find(|q| q.id() == reply.question) else {
            unknown(
                &codes::QUESTION_UNKNOWN,
                "question",
                "model",
                &reply.question,
            );
            continue;
        };
        match question.answers.iter().find(|a| a.name == reply.answer) {
            Some(answer) => found.push(answer),
            None => unknown(&codes::ANSWER_UNKNOWN, "answer", "question", &reply.answer),
        }
    }
    faults.into_result(())?;
    Ok(questions::exemplars(found.into_iter()))
}

/// The body of `GET /v1/questions`.
///
/// # Errors
/// None where there are questions to be had; `answers_off.rs` has one.
pub fn questions<B: AsRef<[u8]>>(ranker: &Ranker<B>) -> Result<Vec<u8>, Problem> {
    let currency = ranker.info().currency;
    let mut json = Writer::with_capacity(2_048);
    let entry = |json: &mut Writer, id: &str, text: &Sentence| {
        json.open(b'{');
        json.key("id");
        json.string(id);
        json.key("en");
        json.string(&text.en);
        json.key("zh");
        json.string(&text.zh);
    };
    json.open(b'{');
    json.key("questions");
    json.open(b'[');
    for question in ranker.questions() {
        entry(&mut json, &question.id(), &asked(&question));
        json.key("answers");
        json.open(b'[');
        for answer in &question.answers {
            entry(&mut json, &answer.name, &offered(answer, currency));
            json.close(b'}');
        }
        json.close(b']');
        json.close(b'}');
    }
    json.close(b']');
    json.close(b'}');
    Ok(json.finish())
}

fn asked(question: &Question) -> Sentence {
    let (en, zh) = match question.kind {
        _ if question.number > 1 => ("And which of these?", "还有下面哪一种？"),
        Kind::Title => ("Which of these are you looking for?", "您在找下面哪一种？"),
        Kind::Category => (
            "Which department would you like to see?",
            "您想看哪一类商品？",
        ),
        Kind::Brand => ("Which of these brands do you like?", "您喜欢下面哪个品牌？"),
        Kind::Price => ("What should one piece cost?", "您想买什么价位的商品？"),
    };
    Sentence {
        en: en.to_owned(),
        zh: zh.to_owned(),
    }
}

/// An answer as it is shown: the catalogue's own words are the same in both
/// languages.
fn offered(answer: &Answer, currency: Currency) -> Sentence {
    let price = |minor: u64| Money::new(minor.cast_signed(), currency).to_string();
    let (en, zh) = match answer.band {
        None => (answer.name.clone(), answer.name.clone()),
        Some(Band { from, to: None }) => {
            let from = price(from);
            (format!("{from} and more"), format!("{from} 及以上"))
        }
        Some(Band {
            from: 0,
            to: Some(to),
        }) => {
            let to = price(to);
            (format!("less than {to}"), format!("低于 {to}"))
        }
        Some(Band { from, to: Some(to) }) => {
            let (from, to) = (price(from), price(to));
            (
                format!("{from} to less than {to}"),
                format!("{from} 起，低于 {to}"),
            )
        }
    };
    Sentence { en, zh }
}
