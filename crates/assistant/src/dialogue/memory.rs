//! What was shown and named in a dialogue, and which of it "the second one" or "the same
//! address" means: attention over entries by kind, recency and words, as a memory network
//! reads (Weston, Chopra and Bordes 2015; Sukhbaatar et al. 2015), with weights that are
//! set by hand.

use shelfedge_engine::math::exp;
use shelfedge_features::text::Text;

use super::state::clip;

/// Entries that are kept.
pub(super) const MOST: usize = 24;
/// Longest value and label, in bytes.
pub(super) const LONGEST: usize = 120;
/// Attention below which a reference stays unresolved.
const LEAST: f32 = 0.4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: String,
    pub(super) value: String,
    pub(super) label: String,
    /// The turn in which it was shown or named.
    pub(super) turn: u32,
    /// Its place in a list that was shown, from 1; 0 where the customer named it.
    pub(super) place: u8,
}

/// Which entry is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// The nth of the list shown last; 255 is its last.
    Nth(u8),
    /// The same as before.
    Same,
}

const ORDINALS: &[(&[&str], u8)] = &[
    (&["first", "第一", "头一个"], 1),
    (&["second", "第二"], 2),
    (&["third", "第三"], 3),
    (&["fourth", "第四"], 4),
    (&["fifth", "第五"], 5),
    (&["last one", "the last", "最后"], 255),
];

const SAME: &[&str] = &[
    "same",
    "again",
    "that one",
    "this one",
    "同一个",
    "同样的",
    "一样的",
    "相同的",
    "还是那个",
    "刚才那个",
    "这个",
    "那个",
];

/// Whether a phrase stands in a text, token by token.
pub(super) fn says(text: &Text, phrase: &str) -> bool {
    let phrase = Text::new(phrase);
    let wanted: Vec<&str> = phrase.tokens().iter().map(|t| phrase.normal(t)).collect();
    !wanted.is_empty()
        && text.tokens().windows(wanted.len()).any(|window| {
            let mut pairs = window.iter().zip(&wanted);
            pairs.all(|(token, word)| text.normal(token) == *word)
        })
}

/// Words that ask for something to be told, without a question mark too.
const ASKING: [&str; 22] = [
    "how much",
    "how many",
    "how long",
    "how big",
    "what",
    "which",
    "when",
    "price",
    "cost",
    "costs",
    "in stock",
    "多少",
    "几",
    "什么",
    "哪",
    "怎么",
    "吗",
    "是否",
    "有没有",
    "价格",
    "价钱",
    "有货",
];
/// Words that ask where a text begins with them.
const BEGINS: [&str; 14] = [
    "is", "are", "does", "do", "did", "can", "could", "will", "would", "has", "have", "should",
    "how", "why",
];

/// Whether a text asks something.
pub(super) fn asks(text: &Text, original: &str) -> bool {
    let first = text.tokens().first().map(|token| text.normal(token));
    original.contains(['?', '？'])
        || first.is_some_and(|first| BEGINS.contains(&first))
        || ASKING.iter().any(|word| says(text, word))
}

/// The reference that a text makes.
pub(super) fn reference(text: &Text) -> Option<Reference> {
    for (words, place) in ORDINALS {
        if words.iter().any(|word| says(text, word)) {
            return Some(Reference::Nth(*place));
        }
    }
    // 第2个, or "number 2", "no. 2", "#2".
    let normal: Vec<&str> = text.tokens().iter().map(|t| text.normal(t)).collect();
    for pair in normal.windows(2) {
        if matches!(pair[0], "第" | "number" | "#")
            && let Ok(place @ 1..=20) = pair[1].parse()
        {
            return Some(Reference::Nth(place));
        }
    }
    let same = SAME.iter().any(|word| says(text, word));
    same.then_some(Reference::Same)
}

/// Words that describe nothing, and those that tell how an order stands.
const LITTLE: &str = "a an the i i'm i've it it's its me my mine you your yours we us our is are was \
    were be been am do does did have has had in on of by for to from at and or but with any some \
    one ones how much many what which who when where why can could would should will like want \
    need make made get got please hello hi hey so very just this that these those there here not \
    no yes yet already sent send way delivered arrive arrived arrives shipped cancelled order \
    orders item items more about something thing things help service shop customer";
const LITTLE_SIGNS: &str = "我你您他她它的了是在有要想请这那个们吗吧呢啊把被给到和跟与就也都还没不已未发货送达取消订单件等好您好帮下";

/// Whether a word is in many texts and tells nothing by itself.
pub(super) fn says_little(word: &str) -> bool {
    match word.is_ascii() {
        true => LITTLE.split_ascii_whitespace().any(|it| it == word),
        false => LITTLE_SIGNS.contains(word),
    }
}

/// Of the list that was shown last, the one entry that a text describes by words which
/// stand with no other: "the one with the kettle".
pub(super) fn described<'m>(memory: &'m [Entry], text: &Text, kind: &str) -> Option<&'m Entry> {
    let shown = || memory.iter().filter(|it| it.kind == kind && it.place > 0);
    let newest = shown().map(|it| it.turn).max()?;
    let shown: Vec<(&Entry, Text)> = shown()
        .filter(|it| it.turn == newest)
        .map(|it| (it, Text::new(&it.label)))
        .collect();
    let one = |word: &str| word.strip_suffix('s').unwrap_or(word).to_owned();
    let words = |of: &Text| -> Vec<String> {
        let words = of.tokens().iter().map(|token| of.normal(token));
        let telling = |word: &&str| match word.is_ascii() {
            true => word.len() >= 3 && word.bytes().all(|b| b.is_ascii_alphabetic()),
            false => word.chars().all(char::is_alphabetic),
        };
        let telling = words.filter(telling).filter(|word| !says_little(word));
        telling.map(one).collect()
    };
    let said = words(text);
    let labels: Vec<Vec<String>> = shown.iter().map(|(_, label)| words(label)).collect();
    let mut scores = vec![0_u32; shown.len()];
    for (i, label) in labels.iter().enumerate() {
        let mut counted: Vec<&String> = Vec::new();
        for word in label {
            let elsewhere = labels
                .iter()
                .enumerate()
                .any(|(j, it)| j != i && it.contains(word));
            if said.contains(word) && !elsewhere && !counted.contains(&word) {
                counted.push(word);
                // A Chinese word has two signs and more.
                scores[i] += if word.is_ascii() { 2 } else { 1 };
            }
        }
    }
    let found = scores.iter().filter(|score| **score >= 2).count();
    let best = scores.iter().position(|score| *score >= 2)?;
    (found == 1).then(|| shown[best].0)
}

/// Adds an entry; what was known of the same value is moved to now.
pub(super) fn note(memory: &mut Vec<Entry>, entry: Entry) {
    let entry = Entry {
        value: clip(&entry.value, LONGEST),
        label: clip(&entry.label, LONGEST),
        ..entry
    };
    memory.retain(|old| {
        (old.kind != entry.kind || old.value != entry.value) || (old.place > 0 && entry.place == 0)
    });
    if memory.len() >= MOST {
        memory.remove(0);
    }
    memory.push(entry);
}

/// The entry that is meant, of these kinds (the first is wanted most), with the attention
/// that it gets.
pub(super) fn recall<'m>(
    memory: &'m [Entry],
    text: &Text,
    reference: Reference,
    kinds: &[&str],
    turn: u32,
) -> Option<(&'m Entry, f32)> {
    let mut found: Vec<&Entry> = (memory.iter())
        .filter(|entry| kinds.contains(&entry.kind.as_str()))
        .collect();
    if let Reference::Nth(place) = reference {
        let newest = found.iter().filter(|e| e.place > 0).map(|e| e.turn).max()?;
        found.retain(|entry| entry.place > 0 && entry.turn == newest);
        let last = found.iter().map(|entry| entry.place).max()?;
        let place = if place == 255 { last } else { place };
        found.retain(|entry| entry.place == place);
    }
    let words = |entry: &Entry| {
        let label = Text::new(&entry.label);
        let of = label.tokens().iter();
        let shared = of
            .filter(|token| {
                let word = label.normal(token);
                text.tokens().iter().any(|t| text.normal(t) == word)
            })
            .count();
        shared.min(4) as f32
    };
    let score = |entry: &Entry| {
        let first = kinds.first() == Some(&entry.kind.as_str());
        let age = turn.saturating_sub(entry.turn).min(20) as f32;
        2.0 * f32::from(u8::from(first)) + 1.5 * words(entry) - 0.5 * age
    };
    let scores: Vec<f32> = found.iter().map(|entry| score(entry)).collect();
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let sum: f32 = scores.iter().map(|s| exp(s - largest)).sum();
    // Of equals the newest.
    let best = (0..found.len()).rev().max_by(|a, b| {
        let order = scores[*a].total_cmp(&scores[*b]);
        order.then(a.cmp(b))
    })?;
    let attention = exp(scores[best] - largest) / sum;
    (attention >= LEAST).then_some((found[best], attention))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, value: &str, label: &str, turn: u32, place: u8) -> Entry {
        Entry {
            kind: kind.to_owned(),
            value: value.to_owned(),
            label: label.to_owned(),
            turn,
            place,
        }
    }

    fn shown() -> Vec<Entry> {
        let mut memory = Vec::new();
        let address = entry("address", "1 High Street", "1 High Street", 1, 0);
        for entry in [
            address,
            entry("order_number", "10001", "10001, red kettle", 2, 1),
            entry("order_number", "10002", "10002, blue lamp", 2, 2),
            entry("order_number", "10003", "10003, oak table", 2, 3),
            entry("order_number", "90001", "90001, 蓝色台灯", 3, 1),
            entry("order_number", "90002", "90002, 水壶", 3, 2),
        ] {
            note(&mut memory, entry);
        }
        memory
    }

    #[test]
    fn references_are_read_in_both_languages() {
        for (text, wanted) in [
            ("the second one please", Some(Reference::Nth(2))),
            ("第二个", Some(Reference::Nth(2))),
            ("第3个吧", Some(Reference::Nth(3))),
            ("number 2", Some(Reference::Nth(2))),
            ("最后一个", Some(Reference::Nth(255))),
            ("to the same address", Some(Reference::Same)),
            ("同一个地址", Some(Reference::Same)),
            ("my kettle is broken", None),
            ("", None),
        ] {
            assert_eq!(reference(&Text::new(text)), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_meant_is_found_by_place_kind_and_words() {
        let memory = shown();
        let find = |text: &str, kinds: &[&str]| {
            let text = Text::new(text);
            let reference = reference(&text)?;
            let (entry, attention) = recall(&memory, &text, reference, kinds, 4)?;
            assert!((LEAST..=1.0).contains(&attention));
            Some(entry.value.clone())
        };
        let order = &["order_number"][..];
        assert_eq!(find("the second one", order).as_deref(), Some("90002"));
        assert_eq!(find("最后一个", order).as_deref(), Some("90002"));
        assert_eq!(find("the fifth", order), None);
        let both = &["address", "order_number"][..];
        let address = find("同一个地址", both);
        assert_eq!(address.as_deref(), Some("1 High Street"));
        let lamp = find("the same blue lamp again", order);
        assert_eq!(lamp.as_deref(), Some("10002"));
        assert_eq!(find("the same phone", &["phone"]), None);
    }
}
