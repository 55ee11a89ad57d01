//! The words of products' names, each with the products, and a search by names that are
//! written wrongly or in part.

use core::ops::Range;
use std::collections::BTreeMap;

use shelfedge_features::text::{Kind, Text};

use super::lists::{Cursor, Rising, count};
use super::{Entity, Graph};

/// Most letters of a word that may be written wrongly.
const MOST_LETTERS: usize = 32;
/// Words of a text that are looked for.
const MOST_WORDS: usize = 24;
/// Products whose names are looked at as a whole, those with the most in common.
const MOST_NAMES: usize = 24;
/// Products of a word beyond which it tells nothing of them.
const MOST_PRODUCTS: u32 = 20_000;

/// A product that a text may name.
#[derive(Clone, Debug, PartialEq)]
pub struct Like {
    /// The product.
    pub entity: Entity,
    /// The words of the text that are taken for its name, in bytes.
    pub span: Range<usize>,
    /// How much the two have in common, 0 to 1: words count by how few products have them, and
    /// less the more letters are wrong.
    pub score: f32,
}

/// A word of a text, as letters.
struct Word {
    letters: Vec<char>,
    mask: u32,
    /// Letters that may be wrong.
    most: usize,
    span: Range<usize>,
}

/// What a word of a text has in common with a product's name.
#[derive(Clone, Copy)]
struct Share {
    product: u32,
    word: usize,
    share: f32,
}

/// Letters of the alphabet that a word has.
fn mask(word: &str) -> u32 {
    let letters = word.bytes().filter(u8::is_ascii_lowercase);
    letters.fold(0, |mask, letter| mask | 1 << (letter - b'a'))
}

impl Word {
    fn new(normal: &str, kind: Kind, span: Range<usize>) -> Self {
        let letters: Vec<char> = normal.chars().collect();
        let most = match (kind, letters.len()) {
            (Kind::Word, 4..=6) => 1,
            (Kind::Word, 7..=MOST_LETTERS) => 2,
            _ => 0,
        };
        Self {
            mask: mask(normal),
            letters,
            most,
            span,
        }
    }

    /// How alike a word with this mask is, 0 to 1; `None` where too many letters are wrong.
    fn likeness(&self, other: &str, mask: u32, letters: &mut Vec<char>) -> Option<f32> {
        if (self.mask ^ mask).count_ones() as usize > 2 * self.most
            || other.len() > 4 * (self.letters.len() + self.most)
            || other.len() + self.most < self.letters.len()
        {
            return None;
        }
        letters.clear();
        letters.extend(other.chars());
        let wrong = match *self.letters == **letters {
            true => 0,
            false => wrong(&self.letters, letters, self.most)?,
        };
        Some(1.0 - wrong as f32 / self.letters.len().max(1) as f32)
    }
}

/// Letters to change, add, leave out or swap with their neighbour to make one word of
/// another: the optimal string alignment distance, where it is no more than `most`.
fn wrong(one: &[char], other: &[char], most: usize) -> Option<usize> {
    if most == 0 || one.len().abs_diff(other.len()) > most || one.len() > MOST_LETTERS {
        return None;
    }
    let mut rows = [[0_usize; MOST_LETTERS + 3]; 3];
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=one.len() {
        let [before, above, now] = &mut rows;
        // `above` is the row of i - 1, `before` that of i - 2; the first is in its place.
        if i == 1 {
            *above = *before;
        }
        now[0] = i;
        let mut least = i;
        for j in 1..=other.len() {
            let same = usize::from(one[i - 1] != other[j - 1]);
            let mut cost = (above[j] + 1).min(now[j - 1] + 1).min(above[j - 1] + same);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                cost = cost.min(before[j - 2] + 1);
            }
            now[j] = cost;
            least = least.min(cost);
        }
        if least > most {
            return None;
        }
        rows.rotate_left(1);
    }
    let found = match one.is_empty() {
        true => other.len(),
        false => rows[1][other.len()],
    };
    (found <= most).then_some(found)
}

/// Words of names with their products, read in place: rising, front-coded, each with its
/// list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Words<'a>(pub(super) &'a [u8]);

impl<'a> Words<'a> {
    /// Reads all words; `None` where one is damaged.
    fn each(self, mut of: impl FnMut(&str, &'a [u8])) -> Option<()> {
        let mut cursor = Cursor::new(self.0);
        let mut word: Vec<u8> = Vec::new();
        while !cursor.is_done() {
            let shared = cursor.u32()? as usize;
            let rest = cursor.sized()?;
            if shared > word.len() {
                return None;
            }
            word.truncate(shared);
            word.extend_from_slice(rest);
            of(core::str::from_utf8(&word).ok()?, cursor.sized()?);
        }
        Some(())
    }

    pub(super) fn is_sound(self, entities: u32) -> bool {
        let (mut last, mut sound) = (String::new(), true);
        let read = self.each(|word, list| {
            sound &=
                last.as_str() < word && count(list) > 0 && Rising::new(list, 0).is_sound(entities);
            word.clone_into(&mut last);
        });
        read.is_some() && sound
    }
}

/// An English word without the `s` of the plural.
fn singular(word: &str) -> &str {
    match word.strip_suffix('s') {
        Some(one) if one.len() >= 3 && one.ends_with(|c: char| c.is_ascii_alphabetic()) => one,
        _ => word,
    }
}

/// How much a word tells, of which so many of the products have it.
fn weight(all: u32, with: u32) -> f32 {
    // A logarithm in whole steps is the same on every machine.
    (1 + (all / with.max(1)).checked_ilog2().unwrap_or(0)) as f32
}

impl<B: AsRef<[u8]>> Graph<B> {
    fn words(&self) -> Words<'_> {
        Words(self.words.as_ref().map_or(&[], |words| self.part(words)))
    }

    pub(super) fn words_are_sound(&self) -> bool {
        self.words().is_sound(self.head.entities)
    }

    /// The word of products' names that a word of a text is, in the singular; `None` where no
    /// name has it.
    #[must_use]
    pub fn word_of_names(&self, word: &str) -> Option<String> {
        let wanted = singular(word);
        let mut found = false;
        let _ = self
            .words()
            .each(|known, _| found |= singular(known) == wanted);
        found.then(|| wanted.to_owned())
    }

    /// For each of these words the products that have it in their names in any number, rising.
    pub(super) fn products_named(&self, named: &[String]) -> Vec<Vec<u32>> {
        let mut products = vec![Vec::new(); named.len()];
        if named.is_empty() {
            return products;
        }
        let _ = self.words().each(|known, list| {
            for (products, word) in products.iter_mut().zip(named) {
                if singular(known) == singular(word) {
                    products.extend(Rising::new(list, 0));
                }
            }
        });
        for products in &mut products {
            products.sort_unstable();
            products.dedup();
        }
        products
    }

    /// Products whose names a text may mean, though it writes them wrongly or in part: the
    /// likeliest first, by their words and by the runs of three letters that they share with it. Words that name nothing in any shop are passed over.
    #[must_use]
    pub fn like(&self, text: &str, most: usize) -> Vec<Like> {
        let read = Text::new(text);
        let tokens = read.tokens().iter().filter(|it| it.kind != Kind::Mark);
        let words: Vec<Word> = tokens
            .filter(|it| !super::read::names_nothing(read.normal(it)))
            .take(MOST_WORDS)
            .map(|it| {
                let span = it.start as usize..it.end as usize;
                Word::new(read.normal(it), it.kind, span)
            })
            .collect();
        let Some(products) = self.products_of() else {
            return Vec::new();
        };
        let all = products.end - products.start;
        // For each word of the text, the words of names that it may be.
        let mut found: Vec<(usize, f32, &[u8])> = Vec::new();
        let mut letters = Vec::new();
        let _ = self.words().each(|word, list| {
            let mask = mask(word);
            for (i, it) in words.iter().enumerate() {
                if let Some(likeness) = it.likeness(word, mask, &mut letters)
                    && count(list) <= MOST_PRODUCTS
                {
                    found.push((i, likeness, list));
                }
            }
        });
        // Of each product, what each word of the text adds: the most.
        let mut shares: Vec<Share> = Vec::new();
        for (word, likeness, list) in found {
            let share = likeness * weight(all, count(list));
            shares.extend(Rising::new(list, 0).map(|product| Share {
                product,
                word,
                share,
            }));
        }
        shares.sort_by(|a, b| {
            let order = (a.product, a.word).cmp(&(b.product, b.word));
            order.then(b.share.total_cmp(&a.share))
        });
        shares.dedup_by_key(|it| (it.product, it.word));
        let mut sums: Vec<(f32, &[Share])> = shares
            .chunk_by(|a, b| a.product == b.product)
            .map(|of| (of.iter().map(|it| it.share).sum(), of))
            .collect();
        sums.sort_by(|a, b| b.0.total_cmp(&a.0));
        sums.truncate(MOST_NAMES);
        let with = self.with(sums.iter().map(|(_, of)| of[0].product));
        // Runs of letters tell between names whose words fit equally well.
        let (mut wanted, mut runs) = (Vec::new(), Vec::new());
        trigrams(&mut wanted, text);
        let mut likes: Vec<(f32, Like)> = (sums.into_iter())
            .filter_map(|(sum, of)| {
                let like = self.liken(sum, of, &words, all, &with)?;
                trigrams(&mut runs, self.given_name(like.entity)?);
                let common = runs.iter().filter(|it| wanted.binary_search(it).is_ok());
                let dice = 2 * common.count();
                let dice = dice as f32 / (runs.len() + wanted.len()).max(1) as f32;
                Some((like.score + dice, like))
            })
            .collect();
        likes.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.entity.cmp(&b.1.entity)));
        likes.truncate(most);
        likes.into_iter().map(|(_, like)| like).collect()
    }

    /// What a text and a product's name have in common, of all that either says.
    fn liken(
        &self,
        sum: f32,
        of: &[Share],
        words: &[Word],
        all: u32,
        with: &BTreeMap<String, u32>,
    ) -> Option<Like> {
        let (first, last) = (of.first()?, of.last()?);
        let span = words.get(first.word)?.span.start..words.get(last.word)?.span.end;
        // A word in between that isn't the name's tells as much as it could.
        let strange = (last.word - first.word + 1 - of.len()) as f32 * weight(all, 1);
        let name = self.given_name(Entity(first.product))?;
        let mut whole = 0.0;
        each_word(&mut Text::default(), name, |word| {
            whole += weight(all, with.get(word).copied().unwrap_or(1));
        });
        let score = 2.0 * sum / (sum + strange + whole.max(sum));
        Some(Like {
            entity: Entity(first.product),
            span,
            score: score.clamp(0.0, 1.0),
        })
    }

    /// How many products have each of the words of some products' names.
    fn with(&self, products: impl Iterator<Item = u32>) -> BTreeMap<String, u32> {
        let mut with = BTreeMap::new();
        let mut text = Text::default();
        for product in products {
            let name = self.given_name(Entity(product)).unwrap_or_default();
            each_word(&mut text, name, |word| {
                with.insert(word.to_owned(), 1);
            });
        }
        let _ = self.words().each(|word, list| {
            if let Some(with) = with.get_mut(word) {
                *with = count(list);
            }
        });
        with
    }
}

/// The runs of three letters of a text's words, each once, rising: a word begins with two
/// spaces and ends with one.
fn trigrams(runs: &mut Vec<[char; 3]>, text: &str) {
    runs.clear();
    each_word(&mut Text::default(), text, |word| {
        let mut run = [' '; 3];
        for letter in word.chars().chain([' ']) {
            run = [run[1], run[2], letter];
            runs.push(run);
        }
    });
    runs.sort_unstable();
    runs.dedup();
}

/// The words of a name that tell something of it.
fn each_word(text: &mut Text, name: &str, mut of: impl FnMut(&str)) {
    text.read(name);
    for token in text.tokens().iter().filter(|it| it.kind != Kind::Mark) {
        let normal = text.normal(token);
        if !super::read::names_nothing(normal) {
            of(normal);
        }
    }
}

#[cfg(feature = "compile")]
pub(super) mod write {
    use std::collections::BTreeMap;

    use super::super::lists::write;
    use super::{Text, each_word};

    /// Writes the words of names, in rising order of their products.
    pub(in super::super) fn words<'a>(names: impl Iterator<Item = (u32, &'a str)>) -> Vec<u8> {
        let mut words: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut text = Text::default();
        for (product, name) in names {
            each_word(&mut text, name, |word| {
                let products = words.entry(word.to_owned()).or_default();
                if products.last() != Some(&product) {
                    products.push(product);
                }
            });
        }
        let (mut out, mut list) = (Vec::new(), Vec::new());
        let mut last = String::new();
        for (word, products) in &words {
            let pairs = last.bytes().zip(word.bytes());
            let shared = pairs.take_while(|(a, b)| a == b).count();
            write::u64(&mut out, shared as u64);
            write::sized(&mut out, &word.as_bytes()[shared..]);
            list.clear();
            write::rising(&mut list, 0, products.iter().copied());
            write::sized(&mut out, &list);
            last.clone_from(word);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{Word, wrong};
    use shelfedge_features::text::Kind;

    #[test]
    fn letters_that_are_wrong() {
        let letters = |text: &str| text.chars().collect::<Vec<char>>();
        for (one, other, found) in [
            ("kettle", "kettle", Some(0)),
            ("ketle", "kettle", Some(1)),
            ("kettel", "kettle", Some(1)),
            ("katlle", "kettle", Some(2)),
            ("inflatble", "inflatable", Some(1)),
            ("grovy", "groovy", Some(1)),
            ("abc", "cba", Some(2)),
            ("", "ab", Some(2)),
            ("lamp", "globe", None),
        ] {
            assert_eq!(
                wrong(&letters(one), &letters(other), 2),
                found,
                "{one} {other}"
            );
            assert_eq!(
                wrong(&letters(other), &letters(one), 2),
                found,
                "{other} {one}"
            );
        }
        assert_eq!(wrong(&letters("katlle"), &letters("kettle"), 1), None);
    }

    #[test]
    fn short_words_and_numbers_are_right_or_not_there() {
        let mut letters = Vec::new();
        let mut alike = |word: &str, kind, other: &str| {
            Word::new(word, kind, 0..1).likeness(other, super::mask(other), &mut letters)
        };
        assert_eq!(alike("mug", Kind::Word, "mug"), Some(1.0));
        assert_eq!(alike("mug", Kind::Word, "rug"), None);
        assert_eq!(alike("12345", Kind::Code, "12346"), None);
        let alike = alike("grovy", Kind::Word, "groovy");
        assert!(
            alike.is_some_and(|it| (0.7..0.9).contains(&it)),
            "{alike:?}"
        );
    }
}
