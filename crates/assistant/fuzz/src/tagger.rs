//! What the fuzz target runs: a compiled tagger of any bytes, and texts for it. A test of
//! the crate includes this file and runs it on mutated files.

use shelfedge_assistant::{TagBuffers, Tagger};

const TEXTS: [&str; 5] = [
    "",
    "two large green tea please, and 3 small black coffee",
    "ＡＢＣ１２ naïve\u{200b} — 👍🏽👍🏽 soooo",
    "买两杯大杯绿茶，送到杭州",
    "tea tea tea tea tea tea tea tea tea tea tea tea tea tea tea tea tea tea tea tea",
];

/// Any bytes as a compiled tagger. Whether they are one.
pub(crate) fn tagger(bytes: &[u8]) -> bool {
    let Ok(tagger) = Tagger::open(bytes) else {
        return false;
    };
    let kinds: Vec<&str> = tagger.kinds().collect();
    let mut buffers = TagBuffers::default();
    for text in TEXTS {
        let mut last = 0;
        for span in tagger.spans(TEXTS[1], text, &mut buffers) {
            assert!(kinds.contains(&span.tag) || span.tag.is_empty());
            assert!(last <= span.bytes.start && span.bytes.start < span.bytes.end);
            assert!(text.get(span.bytes.clone()).is_some());
            assert!((0.0..=1.0).contains(&span.confidence));
            last = span.bytes.end;
        }
        let words: Vec<&str> = text.split(' ').collect();
        let mut tagged = 0;
        tagger.tag(&[], &words, &mut buffers, |_| tagged += 1);
        assert_eq!(tagged, words.len());
    }
    true
}
