//! What to ask a shopper of whom nothing is known, as an optional section of the
//! compiled model: a few questions, their answers in the catalogue's own words, and
//! the products that each answer leads to.
//!
//! ```text
//! 0   version 1                    u32
//! 4   number of products           u32
//! 8   number of questions          u32
//! 12  for each: kind               u32
//!     number of answers            u32
//!     for each: least price        u64, in minor units; 0 unless it is a price
//!     the price that is too much   u64; 0 unless it is a price
//!     bytes of its name            u32, and these
//!     number of exemplars          u32
//!     for each: product            u32
//!     weight                       f32
//! ```

pub mod fit;

use shelfedge_commerce::sort;
use shelfedge_engine::file::{u32_at, u64_at};

use crate::shopper::SESSION_PRODUCTS;
use crate::tables::TableError;

/// The section of the compiled model.
pub const SECTION: &str = "questions";
/// Questions, at most.
pub const MAX_QUESTIONS: usize = 5;
/// Answers of a question, at most; there are two at least.
pub const MAX_ANSWERS: usize = 6;
/// Products that an answer leads to, at most; there is one at least.
pub const EXEMPLARS: usize = 3;
/// Bytes of an answer's name, at most.
pub const MAX_NAME: usize = 64;

const VERSION: u32 = 1;
/// What prices stay below, in minor units.
const NO_PRICE: u64 = i64::MAX as u64;

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Words of titles.
    Title,
    /// Categories.
    Category,
    /// Brands.
    Brand,
    /// Prices of a piece.
    Price,
}

impl Kind {
    /// All of them, in the file's order.
    pub const ALL: [Self; 4] = [Self::Title, Self::Category, Self::Brand, Self::Price];

    /// Its name, with which the ids of its questions begin.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Category => "category",
            Self::Brand => "brand",
            Self::Price => "price",
        }
    }
}

/// Prices in minor units: from the first on, below the second. The last of a
/// question's has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// The least of them.
    pub from: u64,
    /// The first that is too much.
    pub to: Option<u64>,
}

/// One of a question's answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its id within the question: the words themselves, or the band of prices in
    /// minor units, such as `125-295`.
    pub name: String,
    /// Which prices it stands for; of a question about prices.
    pub band: Option<Band>,
    /// Products that it leads to, with weights in (0, 1], the largest first.
    pub exemplars: Vec<(u32, f32)>,
}

/// A question.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What it is about.
    pub kind: Kind,
    /// Which of its kind it is, from 1.
    pub number: u32,
    /// What can be answered.
    pub answers: Vec<Answer>,
}

impl Question {
    /// Its id, such as `title-1`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.kind.name(), self.number)
    }
}

/// The products that answers lead to together, the largest weight first, at most
/// as many as a session holds.
#[must_use]
pub fn exemplars<'a>(answers: impl Iterator<Item = &'a Answer>) -> Vec<u32> {
    let mut all: Vec<(u32, f32)> = answers.flat_map(|a| a.exemplars.iter().copied()).collect();
    sort::by(&mut all, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut products = Vec::with_capacity(SESSION_PRODUCTS);
    for (product, _) in all {
        if products.len() < SESSION_PRODUCTS && !products.contains(&product) {
            products.push(product);
        }
    }
    products
}

/// Reads the section of a model with so many products, and checks all of it.
///
/// # Errors
/// Another version or number of products, a size that contradicts the bytes,
/// questions, answers or exemplars that are too few or too many, a name that is
/// empty, too long, no text or there twice, a weight that isn't one, or a product
/// that isn't there.
pub fn read(bytes: &[u8], products: usize) -> Result<Vec<Question>, TableError> {
    let questions = Reader { bytes, at: 0 }.questions(products);
    questions.ok_or(TableError {
        section: SECTION,
        missing: false,
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let part = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(part)
    }

    fn word(&mut self) -> Option<u32> {
        u32_at(self.take(4)?, 0)
    }

    fn wide(&mut self) -> Option<u64> {
        u64_at(self.take(8)?, 0)
    }

    fn count(&mut self, least: usize, most: usize) -> Option<usize> {
        let count = self.word()? as usize;
        (least..=most).contains(&count).then_some(count)
    }

    fn questions(mut self, products: usize) -> Option<Vec<Question>> {
        if self.word()? != VERSION || self.word()? as usize != products {
            return None;
        }
        let count = self.count(1, MAX_QUESTIONS)?;
        let mut questions: Vec<Question> = Vec::with_capacity(count);
        for _ in 0..count {
            let kind = *Kind::ALL.get(self.word()? as usize)?;
            let mut answers: Vec<Answer> = Vec::with_capacity(MAX_ANSWERS);
            for _ in 0..self.count(2, MAX_ANSWERS)? {
                let answer = self.answer(kind, products)?;
                if answers.iter().any(|other| other.name == answer.name) {
                    return None;
                }
                answers.push(answer);
            }
            questions.push(Question {
                kind,
                number: 1 + questions.iter().filter(|q| q.kind == kind).count() as u32,
                answers,
            });
        }
        (self.at == self.bytes.len()).then_some(questions)
    }

    fn answer(&mut self, kind: Kind, products: usize) -> Option<Answer> {
        let (from, to) = (self.wide()?, self.wide()?);
        let band = match kind {
            Kind::Price if from < to && to <= NO_PRICE => Some(Band {
                from,
                to: (to < NO_PRICE).then_some(to),
            }),
            Kind::Price => return None,
            _ if (from, to) != (0, 0) => return None,
            _ => None,
        };
        let size = self.count(1, MAX_NAME)?;
        let name = core::str::from_utf8(self.take(size)?).ok()?;
        if name.chars().any(char::is_control) {
            return None;
        }
        let count = self.count(1, EXEMPLARS)?;
        let mut exemplars: Vec<(u32, f32)> = Vec::with_capacity(count);
        let mut heaviest = 1.0;
        for _ in 0..count {
            let (product, weight) = (self.word()?, f32::from_bits(self.word()?));
            let is_new = exemplars.iter().all(|(other, _)| *other != product);
            if product as usize >= products || !is_new || !(weight > 0.0 && weight <= heaviest) {
                return None;
            }
            heaviest = weight;
            exemplars.push((product, weight));
        }
        Some(Answer {
            name: name.to_owned(),
            band,
            exemplars,
        })
    }
}

/// Writes the section, for the trainer.
#[must_use]
pub fn write(questions: &[Question], products: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let word =
        |out: &mut Vec<u8>, n: usize| out.extend((n.min(u32::MAX as usize) as u32).to_le_bytes());
    word(&mut out, VERSION as usize);
    word(&mut out, products);
    word(&mut out, questions.len());
    for question in questions {
        word(&mut out, question.kind as usize);
        word(&mut out, question.answers.len());
        for answer in &question.answers {
            let band = answer.band.map(|b| (b.from, b.to.unwrap_or(NO_PRICE)));
            let (from, to) = band.unwrap_or_default();
            out.extend(from.to_le_bytes());
            out.extend(to.to_le_bytes());
            word(&mut out, answer.name.len());
            out.extend(answer.name.bytes());
            word(&mut out, answer.exemplars.len());
            for (product, weight) in &answer.exemplars {
                out.extend(product.to_le_bytes());
                out.extend(weight.to_bits().to_le_bytes());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: &str, band: Option<Band>, exemplars: &[(u32, f32)]) -> Answer {
        Answer {
            name: name.to_owned(),
            band,
            exemplars: exemplars.to_vec(),
        }
    }

    fn questions() -> Vec<Question> {
        let band = |from, to| Some(Band { from, to });
        let words = |number| Question {
            kind: Kind::Title,
            number,
            answers: vec![
                answer("lunch bag", None, &[(3, 1.0), (0, 0.5)]),
                answer("茶杯", None, &[(1, 1.0)]),
            ],
        };
        let prices = Question {
            kind: Kind::Price,
            number: 1,
            answers: vec![
                answer("0-125", band(0, Some(125)), &[(2, 1.0)]),
                answer("125-", band(125, None), &[(3, 0.75)]),
            ],
        };
        vec![words(1), prices, words(2)]
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = write(&questions(), 4);
        let read_back = read(&bytes, 4).expect("questions");
        assert_eq!(read_back, questions());
        let ids: Vec<String> = read_back.iter().map(Question::id).collect();
        assert_eq!(ids, ["title-1", "price-1", "title-2"]);
        // The largest product is 3.
        for products in [0, 3, 5] {
            assert!(read(&bytes, products).is_err());
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refused = |change: &dyn Fn(&mut Vec<Question>)| {
            let mut changed = questions();
            change(&mut changed);
            assert!(read(&write(&changed, 4), 4).is_err(), "{changed:?}");
        };
        refused(&Vec::clear);
        refused(&|q| q.resize(MAX_QUESTIONS + 1, q[0].clone()));
        refused(&|q| q[0].answers.truncate(1));
        refused(&|q| {
            let more = (0..).map(|i| answer(&i.to_string(), None, &[(1, 1.0)]));
            q[0].answers = more.take(MAX_ANSWERS + 1).collect();
        });
        refused(&|q| q[0].answers[1].name = "lunch bag".to_owned());
        refused(&|q| q[0].answers[1].name.clear());
        refused(&|q| q[0].answers[1].name = "a\nb".to_owned());
        refused(&|q| q[0].answers[1].name = "a".repeat(MAX_NAME + 1));
        refused(&|q| q[0].answers[1].exemplars.clear());
        refused(&|q| q[0].answers[0].exemplars[1].0 = 3);
        refused(&|q| q[0].answers[0].exemplars[1].0 = 4);
        for weight in [0.0, -0.5, f32::NAN, f32::INFINITY, 1.5] {
            refused(&|q| q[0].answers[0].exemplars[1].1 = weight);
            refused(&|q| q[0].answers[0].exemplars[0].1 = weight);
        }
        refused(&|q| q[1].answers[0].band = None);
        refused(&|q| q[0].answers[0].band = Some(Band { from: 1, to: None }));
        refused(&|q| {
            q[1].answers[0].band = Some(Band {
                from: 125,
                to: Some(125),
            });
        });
    }

    #[test]
    fn exemplars_of_several_answers_take_turns_by_weight() {
        let all = questions();
        let of =
            |picks: &[(usize, usize)]| exemplars(picks.iter().map(|(q, a)| &all[*q].answers[*a]));
        assert!(of(&[]).is_empty());
        assert_eq!(of(&[(0, 0)]), [3, 0]);
        // Product 3 is there once, by its largest weight; equal weights by product.
        assert_eq!(of(&[(1, 1), (0, 0), (0, 1)]), [1, 3, 0]);
        assert_eq!(of(&[(0, 1), (0, 0), (1, 1), (0, 0)]), [1, 3, 0]);
        let many: Vec<Answer> = (0..9u32)
            .map(|i| {
                answer(
                    "x",
                    None,
                    &[(3 * i, 1.0), (3 * i + 1, 0.9), (3 * i + 2, 0.1)],
                )
            })
            .collect();
        let found = exemplars(many.iter());
        assert_eq!(found.len(), SESSION_PRODUCTS);
        assert_eq!(found[..10], [0, 3, 6, 9, 12, 15, 18, 21, 24, 1]);
    }
}
