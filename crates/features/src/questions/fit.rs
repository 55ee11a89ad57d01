//! Which questions split a shop's demand best. Used by the trainer; the runtime
//! never calls it.
//!
//! Every past order is told in two halves. A question's answer is what fits the
//! first half; what it is worth is how much better the second half is predicted
//! from the orders with the same answer than from all orders (nats a product, the
//! order's own lines left out). Answers are added as long as they are worth
//! something, and each next question is worth what it adds to the earlier ones.

use std::collections::{BTreeMap, BTreeSet};

use shelfedge_engine::math::ln;

use super::{Answer, Band, EXEMPLARS, Kind, MAX_ANSWERS, MAX_NAME, MAX_QUESTIONS, Question};
use crate::hash::Hash;
use crate::text;

/// Products that an order needs to be told in two halves.
pub const SHORTEST: usize = 4;
/// The longest order that speaks for a taste: longer ones are stock-ups.
pub const LONGEST: usize = 150;
/// Orders that are looked at, the newest.
const MOST_ORDERS: usize = 10_000;
/// Possible answers of a kind, those in most demand.
const MOST_OPTIONS: usize = 200;
/// Of these, how many are tried again beside a question's first answer.
const SHORT_LIST: usize = 32;
/// Words of a phrase, at most.
const LONGEST_PHRASE: usize = 3;
/// Products that an answer stands for, at least.
const LEAST_PRODUCTS: usize = 5;
/// The share of all demand that an answer stands for.
const SHARE: core::ops::RangeInclusive<f64> = 0.01..=0.6;
/// The share of an answer's demand that another may have too: in the same
/// question, and in another.
const OVERLAP: (f64, f64) = (0.2, 0.5);
/// A phrase with this share of a shorter one's demand stands for that, too.
const SAME: f64 = 0.9;
/// Bands of prices.
const BANDS: usize = 4;
/// What an answer and a question must be worth, in nats.
const LEAST_GAIN: (f64, f64) = (3e-4, 0.01);
/// Which half of an order a product is in.
const SEED: u32 = 0x7175_6573;

/// What a catalogue says of a product; empty where it says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Product<'a> {
    /// Its title.
    pub title: &'a str,
    /// Its category.
    pub category: &'a str,
    /// Its brand.
    pub brand: &'a str,
    /// Its price, in minor units; 0 where it isn't known.
    pub price: u64,
}

/// An order in two halves.
struct Halves {
    told: Vec<u32>,
    next: Vec<u32>,
}

/// A possible answer.
struct Choice {
    kind: Kind,
    name: String,
    band: Option<Band>,
    /// Sorted.
    products: Vec<u32>,
    /// Lines of orders with them.
    demand: f64,
    /// How surprising one of these lines is.
    surprise: f64,
    /// Its products in the first half of each order.
    told: Vec<u8>,
}

impl Choice {
    fn new(kind: Kind, name: String, band: Option<Band>, products: Vec<u32>) -> Self {
        Self {
            kind,
            name,
            band,
            products,
            demand: 0.0,
            surprise: 0.0,
            told: Vec::new(),
        }
    }
}

/// A question that could be asked next.
struct Found {
    gain: f64,
    kind: Kind,
    choices: Vec<usize>,
}

/// A question, and who answers what.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The question.
    pub question: Question,
    /// For each answer, the products it stands for, and how surprising one of them is.
    stands_for: Vec<(Vec<u32>, f64)>,
}

impl Fitted {
    /// The answer (its place) of a shopper who is after these products: the one whose
    /// products among them are the greatest surprise together, the first of equal
    /// ones; none where no answer stands for any.
    #[must_use]
    pub fn answer(&self, wanted: &[u32]) -> Option<usize> {
        most_surprising(self.stands_for.iter().map(|(products, one)| {
            let is_of = |product: &&u32| products.binary_search(product).is_ok();
            wanted.iter().filter(is_of).count() as f64 * one
        }))
    }
}

/// The place of the largest number above 0, the first of equal ones.
fn most_surprising(surprises: impl Iterator<Item = f64>) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    for (at, surprise) in surprises.enumerate() {
        if surprise > best.map_or(0.0, |(most, _)| most) {
            best = Some((surprise, at));
        }
    }
    best.map(|(_, at)| at)
}

/// The questions that split the orders best, in the order in which they should be
/// asked, at most `most` and at most [`MAX_QUESTIONS`]; none where nothing splits
/// them. Orders are lists of products, oldest first; those of fewer than
/// [`SHORTEST`] or more than [`LONGEST`] distinct products tell nothing.
#[must_use]
pub fn fit(products: &[Product<'_>], orders: &[Vec<u32>], most: usize) -> Vec<Fitted> {
    let orders = halves(orders, products.len());
    let mut fitter = Fitter::new(products, &orders);
    let mut questions: Vec<Fitted> = Vec::new();
    while questions.len() < most.min(MAX_QUESTIONS) {
        let mut best: Option<Found> = None;
        for found in Kind::ALL.into_iter().filter_map(|kind| fitter.best(kind)) {
            if best.as_ref().is_none_or(|best| found.gain > best.gain) {
                best = Some(found);
            }
        }
        let Some(found) = best.filter(|found| found.gain >= LEAST_GAIN.1) else {
            break;
        };
        let of_kind = questions.iter().filter(|q| q.question.kind == found.kind);
        questions.push(Fitted {
            stands_for: fitter.stands_for(&found.choices),
            question: Question {
                kind: found.kind,
                number: 1 + of_kind.count() as u32,
                answers: fitter.ask(found.choices),
            },
        });
    }
    questions
}

/// The newest orders that can be halved. Which half a product is in is chance,
/// and the same for the same order.
fn halves(orders: &[Vec<u32>], products: usize) -> Vec<Halves> {
    let distinct = |order: &Vec<u32>| {
        let mut order: Vec<u32> = order.clone();
        order.retain(|product| (*product as usize) < products);
        order.sort_unstable();
        order.dedup();
        (SHORTEST..=LONGEST).contains(&order.len()).then_some(order)
    };
    let newest = orders.iter().rev().filter_map(distinct).take(MOST_ORDERS);
    let halved = newest.map(|mut order| {
        let hash = order
            .iter()
            .fold(Hash::new(SEED), |hash, p| hash.number(*p));
        order.sort_by_key(|product| hash.number(*product).finish());
        let next = order.split_off(order.len() / 2);
        Halves { told: order, next }
    });
    halved.collect()
}

/// The questions asked so far, and what can be asked.
struct Fitter<'a> {
    orders: &'a [Halves],
    choices: Vec<Choice>,
    used: Vec<usize>,
    /// How probable each product is, whatever was answered.
    usual: Vec<f64>,
    /// Imaginary lines of each answer's orders, spread as all demand is: one a
    /// product sold.
    prior: f64,
    /// For each line of the second halves, how probable the answers so far make it:
    /// the sum over the questions that were answered.
    known: Vec<f64>,
    /// For each order, how many these are.
    answered: Vec<f64>,
    /// What the answers so far are worth.
    worth: f64,
}

impl<'a> Fitter<'a> {
    fn new(products: &[Product<'_>], orders: &'a [Halves]) -> Self {
        let mut demand = vec![0.0f64; products.len()];
        for product in orders.iter().flat_map(|o| o.told.iter().chain(&o.next)) {
            demand[*product as usize] += 1.0;
        }
        let total = demand.iter().sum::<f64>() + demand.len() as f64;
        let mut fitter = Self {
            orders,
            choices: choices(products, &demand, orders),
            used: Vec::new(),
            usual: demand.iter().map(|lines| (lines + 1.0) / total).collect(),
            prior: demand.iter().filter(|lines| **lines > 0.0).count() as f64,
            known: vec![0.0; orders.iter().map(|o| o.next.len()).sum()],
            answered: vec![0.0; orders.len()],
            worth: 0.0,
        };
        fitter.worth = fitter.worth(&vec![None; orders.len()], &fitter.known);
        fitter
    }

    /// What each order answers, by its first half.
    fn answers(&self, choices: &[usize]) -> Vec<Option<usize>> {
        let of = |order: usize| {
            let chosen = choices.iter().map(|choice| &self.choices[*choice]);
            most_surprising(chosen.map(|choice| f64::from(choice.told[order]) * choice.surprise))
        };
        (0..self.orders.len()).map(of).collect()
    }

    fn stands_for(&self, choices: &[usize]) -> Vec<(Vec<u32>, f64)> {
        let chosen = choices.iter().map(|choice| &self.choices[*choice]);
        chosen
            .map(|choice| (choice.products.clone(), choice.surprise))
            .collect()
    }

    /// For each line of the second halves, how probable it is in other orders with
    /// the same answer.
    fn probable(&self, answers: &[Option<usize>], choices: usize) -> Vec<f64> {
        let products = self.usual.len();
        let mut lines = vec![0u32; choices * products];
        let mut totals = vec![0usize; choices];
        let answered = || self.orders.iter().zip(answers);
        for (order, answer) in answered() {
            let Some(answer) = answer else { continue };
            totals[*answer] += order.next.len();
            for product in &order.next {
                lines[answer * products + *product as usize] += 1;
            }
        }
        let mut probable = Vec::with_capacity(self.known.len());
        for (order, answer) in answered() {
            probable.extend(order.next.iter().map(|product| {
                let usual = self.usual[*product as usize];
                answer.map_or(usual, |answer| {
                    // Without the order itself.
                    let lines = lines[answer * products + *product as usize] - 1;
                    let total = totals[answer] - order.next.len();
                    (f64::from(lines) + self.prior * usual) / (total as f64 + self.prior)
                })
            }));
        }
        probable
    }

    /// How well the second halves are predicted with one more question: the mean
    /// logarithm of their lines' probabilities.
    fn worth(&self, answers: &[Option<usize>], probable: &[f64]) -> f64 {
        let mut sum = 0.0;
        let mut line = 0;
        for ((order, answer), earlier) in self.orders.iter().zip(answers).zip(&self.answered) {
            let now = f64::from(u8::from(answer.is_some()));
            for product in &order.next {
                let probability = match now + earlier {
                    0.0 => self.usual[*product as usize],
                    questions => (self.known[line] + now * probable[line]) / questions,
                };
                sum += f64::from(ln(probability as f32));
                line += 1;
            }
        }
        sum / line.max(1) as f64
    }

    fn gain(&self, choices: &[usize]) -> f64 {
        let answers = self.answers(choices);
        self.worth(&answers, &self.probable(&answers, choices.len())) - self.worth
    }

    /// The share of the lesser demand of two choices that is for both.
    fn overlap(&self, a: usize, b: usize) -> f64 {
        overlap(&self.choices[a], &self.choices[b], &self.usual)
    }

    /// The best question of a kind.
    fn best(&self, kind: Kind) -> Option<Found> {
        let of_kind = (0..self.choices.len()).filter(|choice| self.choices[*choice].kind == kind);
        let choices = match kind {
            // All of its bands, once.
            Kind::Price => of_kind.filter(|band| !self.used.contains(band)).collect(),
            _ => self.greedy(of_kind.collect()),
        };
        let answers = self.answers(&choices);
        let is_given = |at| answers.contains(&Some(at));
        let is_question = choices.len() > 1 && (0..choices.len()).all(is_given);
        is_question.then(|| Found {
            gain: self.gain(&choices),
            kind,
            choices,
        })
    }

    /// Choices that are worth most together, added one by one.
    fn greedy(&self, mut options: Vec<usize>) -> Vec<usize> {
        let is_apart = |option: usize, others: &[usize], most| {
            let mut overlaps = others.iter().map(|other| self.overlap(option, *other));
            overlaps.all(|overlap| overlap <= most)
        };
        options.retain(|option| is_apart(*option, &self.used, OVERLAP.1));
        let (mut choices, mut gain) = (Vec::new(), 0.0);
        while choices.len() < MAX_ANSWERS {
            let apart = options
                .iter()
                .filter(|option| is_apart(**option, &choices, OVERLAP.0));
            let with = |option| self.gain(&[&choices[..], &[option]].concat());
            let mut tried: Vec<(f64, usize)> = apart.map(|o| (with(*o), *o)).collect();
            tried.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            match tried.first() {
                Some((found, option)) if found - gain >= LEAST_GAIN.0 => {
                    gain = *found;
                    choices.push(*option);
                }
                _ => break,
            }
            if choices.len() == 1 {
                tried.truncate(SHORT_LIST);
                options = tried.into_iter().map(|(_, option)| option).collect();
            }
        }
        choices
    }

    /// Takes a question among those asked.
    fn ask(&mut self, choices: Vec<usize>) -> Vec<Answer> {
        let answers = self.answers(&choices);
        let probable = self.probable(&answers, choices.len());
        self.worth = self.worth(&answers, &probable);
        let mut line = 0;
        for ((order, answer), answered) in self.orders.iter().zip(&answers).zip(&mut self.answered)
        {
            let lines = line..line + order.next.len();
            line = lines.end;
            if answer.is_some() {
                *answered += 1.0;
                for line in lines {
                    self.known[line] += probable[line];
                }
            }
        }
        let written = choices.iter().enumerate().map(|(at, choice)| {
            let with = answers.iter().map(|answer| *answer == Some(at));
            Answer {
                name: self.choices[*choice].name.clone(),
                band: self.choices[*choice].band,
                exemplars: self.exemplars(with),
            }
        });
        let written = written.collect();
        self.used.extend(choices);
        written
    }

    /// The products that speak most for an answer: those that add most to the
    /// difference between its orders and all (their part of the divergence).
    fn exemplars(&self, with: impl Iterator<Item = bool>) -> Vec<(u32, f32)> {
        let mut lines = vec![0.0f64; self.usual.len()];
        for (order, _) in self.orders.iter().zip(with).filter(|(_, with)| *with) {
            for product in order.told.iter().chain(&order.next) {
                lines[*product as usize] += 1.0;
            }
        }
        let total = lines.iter().sum::<f64>() + self.prior;
        let part = |(lines, usual): (&f64, &f64)| {
            let probable = (lines + self.prior * usual) / total;
            probable * f64::from(ln((probable / usual) as f32))
        };
        let parts = lines.iter().zip(&self.usual).map(part).zip(0u32..);
        let mut parts: Vec<(f64, u32)> = parts.filter(|(part, _)| *part > 0.0).collect();
        parts.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        parts.truncate(EXEMPLARS);
        let most = parts.first().map_or(1.0, |(part, _)| *part);
        let weighed = parts.into_iter();
        weighed
            .map(|(part, product)| (product, (part / most) as f32))
            .collect()
    }
}

fn overlap(a: &Choice, b: &Choice, demand: &[f64]) -> f64 {
    let sum = |products: &mut dyn Iterator<Item = &u32>| -> f64 {
        products.map(|product| demand[*product as usize]).sum()
    };
    let both = |product: &&u32| b.products.binary_search(product).is_ok();
    sum(&mut a.products.iter().filter(both))
        / sum(&mut a.products.iter()).min(sum(&mut b.products.iter()))
}

/// All possible answers: words, categories and brands by falling demand, those in
/// equal demand by name; then bands of prices.
fn choices(products: &[Product<'_>], demand: &[f64], orders: &[Halves]) -> Vec<Choice> {
    let named = [
        named(Kind::Title, products, |product| phrases(product.title)),
        named(Kind::Category, products, |product| name(product.category)),
        named(Kind::Brand, products, |product| name(product.brand)),
    ];
    let total: f64 = demand.iter().sum();
    let demanded = |mut choice: Choice| {
        choice.demand = choice.products.iter().map(|p| demand[*p as usize]).sum();
        choice.surprise = f64::from(-ln((choice.demand / total) as f32));
        choice.told = vec![0; orders.len()];
        choice
    };
    let mut choices: Vec<Choice> = Vec::new();
    for named in named {
        let enough = |c: &Choice| c.products.len() >= LEAST_PRODUCTS;
        let mut found: Vec<Choice> = named.into_iter().filter(enough).map(demanded).collect();
        found.retain(|choice| SHARE.contains(&(choice.demand / total)));
        found.sort_by(|a, b| b.demand.total_cmp(&a.demand).then(a.name.cmp(&b.name)));
        found.truncate(MOST_OPTIONS);
        // Of a phrase and its words, what stands for the same is asked only once.
        let is_same = |long: &Choice, short: &Choice| {
            long.kind == Kind::Title
                && long.name != short.name
                && long.name.contains(&short.name)
                && long.demand >= SAME * short.demand
                && overlap(long, short, demand) >= SAME
        };
        let apart: Vec<bool> = found
            .iter()
            .map(|short| !found.iter().any(|long| is_same(long, short)))
            .collect();
        choices.extend(
            found
                .into_iter()
                .zip(apart)
                .filter_map(|(c, apart)| apart.then_some(c)),
        );
    }
    let bands = bands(products, demand).into_iter().map(demanded);
    choices.extend(bands.filter(|band| band.demand > 0.0));
    let mut of_product = vec![Vec::new(); products.len()];
    for (at, choice) in choices.iter().enumerate() {
        for product in &choice.products {
            of_product[*product as usize].push(at);
        }
    }
    for (at, order) in orders.iter().enumerate() {
        for choice in order.told.iter().flat_map(|p| &of_product[*p as usize]) {
            let told = &mut choices[*choice].told[at];
            *told = told.saturating_add(1);
        }
    }
    choices
}

/// Choices by what products are called.
fn named<'p>(
    kind: Kind,
    products: &[Product<'p>],
    names: impl Fn(&Product<'p>) -> BTreeSet<String>,
) -> Vec<Choice> {
    let mut of_name: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (number, product) in (0u32..).zip(products) {
        for name in names(product) {
            of_name.entry(name).or_default().push(number);
        }
    }
    let named = of_name.into_iter();
    named
        .map(|(name, products)| Choice::new(kind, name, None, products))
        .collect()
}

fn name(name: &str) -> BTreeSet<String> {
    let is_name = !name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_control);
    is_name.then(|| name.to_owned()).into_iter().collect()
}

/// The phrases of a title: up to three words one after the other, each of three
/// letters at least; of Chinese, two or three characters.
fn phrases(title: &str) -> BTreeSet<String> {
    let mut tokens: Vec<String> = Vec::new();
    text::tokens(title, |token| tokens.push(token.to_owned()));
    let alone = |token: &String| token.chars().all(text::stands_alone);
    let is_word = |token: &String| {
        alone(token) || (token.chars().count() > 2 && token.contains(char::is_alphabetic))
    };
    let mut phrases = BTreeSet::new();
    for length in 1..=LONGEST_PHRASE {
        for words in tokens
            .windows(length)
            .filter(|words| words.iter().all(is_word))
        {
            let mut phrase = String::new();
            for (word, before) in words
                .iter()
                .zip([None].into_iter().chain(words.iter().map(Some)))
            {
                if before.is_some_and(|before| !(alone(before) && alone(word))) {
                    phrase.push(' ');
                }
                phrase.push_str(word);
            }
            if phrase.chars().count() > 1 && phrase.len() <= MAX_NAME {
                phrases.insert(phrase);
            }
        }
    }
    phrases
}

/// Bands of prices with about the same demand each; one where all are equal.
fn bands(products: &[Product<'_>], demand: &[f64]) -> Vec<Choice> {
    let mut by_price: BTreeMap<u64, f64> = BTreeMap::new();
    for (product, lines) in products.iter().zip(demand).filter(|(p, _)| p.price > 0) {
        *by_price.entry(product.price).or_default() += lines;
    }
    let total: f64 = by_price.values().sum();
    let mut starts = vec![0];
    let (mut below, mut last) = (0.0, 0);
    for (price, lines) in by_price {
        let band = ((below + lines / 2.0) / total * BANDS as f64) as usize;
        if below > 0.0 && band > last {
            starts.push(price);
        }
        last = band;
        below += lines;
    }
    let ends = starts.iter().skip(1).copied().map(Some).chain([None]);
    let band = |(from, to): (&u64, Option<u64>)| {
        let held = |product: &Product<'_>| {
            product.price > 0 && product.price >= *from && to.is_none_or(|to| product.price < to)
        };
        let of_band = (0u32..).zip(products).filter(|(_, product)| held(product));
        let name = format!(
            "{from}-{}",
            to.map_or_else(String::new, |to| to.to_string())
        );
        let band = Some(Band { from: *from, to });
        Choice::new(
            Kind::Price,
            name,
            band,
            of_band.map(|(number, _)| number).collect(),
        )
    };
    starts.iter().zip(ends).map(band).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHAT: [&str; 4] = ["CHAIR", "LAMP", "MUG", "SCARF"];
    const COLOURS: [&str; 5] = ["RED", "BLUE", "GREEN", "WHITE", "BLACK"];

    /// Ten products of each of four kinds, in five colours.
    fn titles() -> Vec<String> {
        let of = |i: usize| format!("{} {} {i}", COLOURS[i % 5], WHAT[i / 10]);
        (0..40).map(of).collect()
    }

    /// Orders of about six products; each draws from so many of the catalogue's, one
    /// group after the other.
    fn orders(products: u64, group: u64) -> Vec<Vec<u32>> {
        let draw = |n: u32, i: u32| Hash::new(1).number(n).number(i).finish();
        let product =
            |n: u32, i| (u64::from(n) % (products / group) * group + draw(n, i) % group) as u32;
        let order = |n| (0..6).map(|i| product(n, i)).collect();
        (0..400).map(order).collect()
    }

    fn asked(products: &[Product<'_>], orders: &[Vec<u32>], most: usize) -> Vec<Question> {
        let fitted = fit(products, orders, most);
        fitted.into_iter().map(|fitted| fitted.question).collect()
    }

    fn names(question: &Question) -> Vec<&str> {
        let mut names: Vec<&str> = question.answers.iter().map(|a| &*a.name).collect();
        names.sort_unstable();
        names
    }

    fn of_titles(titles: &[String]) -> Vec<Product<'_>> {
        let product = |title| Product {
            title,
            ..Product::default()
        };
        titles.iter().map(|title| product(title)).collect()
    }

    #[test]
    fn what_splits_the_orders_is_asked_and_nothing_else() {
        let titles = titles();
        let questions = asked(&of_titles(&titles), &orders(40, 10), MAX_QUESTIONS);
        assert_eq!(questions.len(), 1, "{questions:?}");
        assert_eq!(questions[0].kind, Kind::Title);
        assert_eq!(names(&questions[0]), ["chair", "lamp", "mug", "scarf"]);
        for answer in &questions[0].answers {
            assert_eq!(answer.exemplars.len(), EXEMPLARS);
            assert_eq!(answer.exemplars[0].1, 1.0);
            let of_answer = |(product, _): &(u32, f32)| {
                titles[*product as usize]
                    .to_lowercase()
                    .contains(&answer.name)
            };
            assert!(answer.exemplars.iter().all(of_answer), "{answer:?}");
        }
        let bytes = super::super::write(&questions, 40);
        assert_eq!(super::super::read(&bytes, 40).expect("sound"), questions);
        assert_eq!(asked(&of_titles(&titles), &orders(40, 10), 0), []);
    }

    #[test]
    fn categories_brands_and_prices_are_asked_where_they_split() {
        let of = |kind: Kind| {
            let product = |i: usize| Product {
                title: "THING",
                category: if kind == Kind::Category {
                    WHAT[i / 10]
                } else {
                    "all"
                },
                brand: if kind == Kind::Brand {
                    WHAT[i / 10]
                } else {
                    ""
                },
                price: if kind == Kind::Price {
                    100 << (i / 10)
                } else {
                    250
                },
            };
            let products: Vec<Product<'_>> = (0..40).map(product).collect();
            asked(&products, &orders(40, 10), MAX_QUESTIONS)
        };
        for kind in [Kind::Category, Kind::Brand] {
            let questions = of(kind);
            assert_eq!(questions.len(), 1);
            assert_eq!(
                (questions[0].kind, &names(&questions[0])[..]),
                (kind, &WHAT[..])
            );
        }
        let questions = of(Kind::Price);
        assert_eq!(questions.len(), 1);
        let bands: Vec<(&str, Option<Band>)> = questions[0]
            .answers
            .iter()
            .map(|a| (&*a.name, a.band))
            .collect();
        let band = |from, to| Some(Band { from, to });
        assert_eq!(
            bands,
            [
                ("0-200", band(0, Some(200))),
                ("200-400", band(200, Some(400))),
                ("400-800", band(400, Some(800))),
                ("800-", band(800, None)),
            ]
        );
    }

    #[test]
    fn a_second_question_asks_what_the_first_has_no_room_for() {
        let what = [WHAT, ["BOOK", "KNIFE", "PEN", "TOWEL"]].concat();
        let titles: Vec<String> = (0..80).map(|i| format!("{} {i}", what[i / 10])).collect();
        let questions = asked(&of_titles(&titles), &orders(80, 10), MAX_QUESTIONS);
        let sizes: Vec<usize> = questions.iter().map(|q| q.answers.len()).collect();
        assert_eq!(sizes, [MAX_ANSWERS, 2]);
        let ids: Vec<String> = questions.iter().map(Question::id).collect();
        assert_eq!(ids, ["title-1", "title-2"]);
        let mut all: Vec<&str> = questions.iter().flat_map(names).collect();
        all.sort_unstable();
        assert_eq!(
            all,
            [
                "book", "chair", "knife", "lamp", "mug", "pen", "scarf", "towel"
            ]
        );
        assert_eq!(
            asked(&of_titles(&titles), &orders(80, 10), 1),
            questions[..1]
        );
    }

    #[test]
    fn where_nothing_splits_nothing_is_asked() {
        let titles = titles();
        let products = of_titles(&titles);
        let short: Vec<Vec<u32>> = (0..40).map(|i| vec![i, (i + 1) % 40, i]).collect();
        let any = orders(40, 40);
        let beyond = vec![vec![40, 41, 42, 43, u32::MAX]];
        let stock_up = vec![(0..40).cycle().take(400).collect(); 3];
        for orders in [&[][..], &short, &any, &beyond, &stock_up] {
            assert_eq!(asked(&products, orders, MAX_QUESTIONS), []);
        }
        assert_eq!(asked(&[], &orders(40, 10), MAX_QUESTIONS), []);
    }

    #[test]
    fn phrases_are_words_that_a_shopper_would_say() {
        let of = |title| phrases(title).into_iter().collect::<Vec<_>>();
        assert_eq!(
            of("SET OF 3 HOT WATER BOTTLES, 12\""),
            [
                "bottles",
                "hot",
                "hot water",
                "hot water bottles",
                "set",
                "water",
                "water bottles"
            ]
        );
        assert_eq!(
            of("红茶杯 mug"),
            ["mug", "杯 mug", "红茶", "红茶杯", "茶杯", "茶杯 mug"]
        );
        assert_eq!(of("-- 12 A4"), [] as [&str; 0]);
    }
}
