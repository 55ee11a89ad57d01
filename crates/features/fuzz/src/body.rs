//! What the fuzz targets run: a section of any bytes, and a query of it. A test
//! of the crate includes this file and runs it on mutated sections.

use shelfedge_commerce::time::DAY;
use shelfedge_features::Past;
use shelfedge_features::basket::{self, Basket, Signals};
use shelfedge_features::shopper::SESSION_PRODUCTS;
use shelfedge_features::text::{Buffers, Text, Vocabulary};
use shelfedge_features::trails::{Index, Sums, Trails};
use shelfedge_features::{Attribute, Attributes, questions};

/// Bytes that say what is asked before the log's own.
pub(crate) const HEAD: usize = 9;

/// The number of products, a query of a few of them (and some beyond), and the
/// log's bytes.
fn split(bytes: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let (head, log) = bytes.split_at_checked(HEAD)?;
    Some((usize::from(head[0]), &head[1..], log))
}

/// Any bytes as a log of sequences. Whether they are one.
pub(crate) fn trails(bytes: &[u8]) -> bool {
    let Some((products, query, log)) = split(bytes) else {
        return false;
    };
    let Ok(trails) = Trails::open(log, products) else {
        return false;
    };
    let query: Vec<u32> = query.iter().map(|product| u32::from(*product)).collect();
    let index = Index::new(&trails);
    let [scanned, indexed] = [None, Some(&index)].map(|index| {
        let (mut sums, mut out) = (Sums::default(), Vec::new());
        sums.fill(&trails, index, &query);
        let found = sums.candidates(&trails, &query, &trails.barred(&query));
        sums.encode(&trails, &query, &found, &[], &mut out);
        assert_eq!(out.len(), found.len() * trails.width());
        found
    });
    assert_eq!(scanned, indexed);
    true
}

/// Any bytes as a log of orders. Whether they are one.
pub(crate) fn basket(bytes: &[u8]) -> bool {
    let Some((products, query, log)) = split(bytes) else {
        return false;
    };
    let Ok(log) = Basket::open(log, products) else {
        return false;
    };
    let mut past = Past::default();
    for (age, lines) in [(40, &query[..4]), (3, &query[4..])] {
        let lines = lines.iter().map(|product| (u32::from(*product), 1));
        past.add(age * DAY, lines.collect());
    }
    let index = basket::Index::new(&log);
    let [scanned, indexed] = [None, Some(&index)].map(|index| {
        let (mut signals, mut out) = (Signals::default(), Vec::new());
        signals.fill(&log, index, &past);
        [false, true].map(|new| {
            let found = signals.candidates(&log, index, new);
            signals.encode(&log, &past, new, &found, &mut out);
            assert_eq!(out.len(), found.len() * log.width());
            found
        })
    });
    assert_eq!(scanned, indexed);
    true
}

/// Any bytes as questions: what is read is written as the same bytes. Whether they
/// are any.
pub(crate) fn questions(bytes: &[u8]) -> bool {
    let Some((products, _, section)) = split(bytes) else {
        return false;
    };
    let Ok(questions) = questions::read(section, products) else {
        return false;
    };
    assert_eq!(questions::write(&questions, products), section);
    let answers = questions.iter().flat_map(|question| &question.answers);
    let led_to = questions::exemplars(answers);
    assert!(!led_to.is_empty() && led_to.len() <= SESSION_PRODUCTS);
    assert!(led_to.iter().all(|product| (*product as usize) < products));
    true
}

/// Any bytes as the products' attributes. Whether they are sound.
pub(crate) fn attributes(bytes: &[u8]) -> bool {
    let Some((products, query, section)) = split(bytes) else {
        return false;
    };
    let Ok(attributes) = Attributes::open(section, products) else {
        return false;
    };
    let sound = attributes.is_sound();
    for attribute in Attribute::ALL {
        assert_eq!(attributes.knows(attribute), attributes.names(attribute) > 0);
        for product in query.iter().map(|product| u32::from(*product)) {
            let value = attributes.of(attribute, product);
            assert!(value.is_none_or(|value| (value as usize) < attributes.names(attribute)));
            let name = value.and_then(|value| attributes.name(attribute, value));
            assert!(!sound || name.is_some() == value.is_some());
        }
    }
    sound
}

/// Any bytes as a vocabulary behind its length, and as a text. Whether they are one.
pub(crate) fn text(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_at_checked(2) else {
        return false;
    };
    let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
    let (section, written) = rest.split_at(length.min(rest.len()));
    let written = String::from_utf8_lossy(written);
    let text = Text::new(&written);
    let mut end = 0;
    for token in text.tokens() {
        assert!(token.start >= end && token.end > token.start);
        assert!(
            written
                .get(token.start as usize..token.end as usize)
                .is_some()
        );
        assert!(!text.normal(token).is_empty());
        end = token.end;
    }
    let Ok(vocabulary) = Vocabulary::open(section) else {
        return false;
    };
    let (mut last, mut read) = (0, 0);
    let known = vocabulary.encode(&text, 100, &mut Buffers::default(), |row, weight| {
        assert!(row > last && row as usize <= vocabulary.len());
        assert!(weight.is_finite());
        (last, read) = (row, read + 1);
    });
    assert!(read <= known.known && known.known <= known.all);
    vocabulary.is_sound()
}
