//! Texts with marks to tokens with tags.

use shelfedge_assistant::OUTSIDE;
use shelfedge_features::hash::Hash;
use shelfedge_features::text::Text;

use crate::import::marked::Example;
use crate::import::turns::Turn;

/// One conversation, or text that belongs to none, in so many is kept aside.
const ASIDE: u64 = 5;
const ASIDE_SEED: u32 = 0x6173_6964;

/// Turns, with what became of their marks.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    pub(super) turns: Vec<Turn>,
    /// Marks whose ends lie within a word, which is taken as a whole.
    pub(super) widened: usize,
    /// Marks without a word, or with one that another mark has.
    pub(super) lost: usize,
}

/// The tokens of a text, as the tagger reads them.
pub(super) fn tokens(text: &Text) -> Vec<String> {
    let tokens = text.tokens().iter();
    tokens.map(|token| text.normal(token).to_owned()).collect()
}

/// Gives each token its tag.
pub(super) fn turns(examples: &[Example]) -> Turns {
    let mut out = Turns::default();
    for (row, example) in (0..).zip(examples) {
        let text = Text::new(&example.text);
        let mut tags = vec![OUTSIDE.to_owned(); text.tokens().len()];
        for mark in &example.marks {
            let inside = |at: &usize| {
                let token = &text.tokens()[*at];
                (token.start as usize) < mark.bytes.end && mark.bytes.start < token.end as usize
            };
            let own: Vec<usize> = (0..tags.len()).filter(inside).collect();
            let (Some(first), Some(last)) = (own.first(), own.last()) else {
                out.lost += 1;
                continue;
            };
            if own.iter().any(|at| tags[*at] != OUTSIDE) {
                out.lost += 1;
                continue;
            }
            let [first, last] = [first, last].map(|at| &text.tokens()[*at]);
            let bytes = first.start as usize..last.end as usize;
            out.widened +=
                usize::from(bytes.start < mark.bytes.start || bytes.end > mark.bytes.end);
            for (place, at) in own.into_iter().enumerate() {
                let prefix = if place == 0 { "B-" } else { "I-" };
                tags[at] = [prefix, &mark.slot].concat();
            }
        }
        let tokens = tokens(&text);
        let cluster = match &example.conversation {
            Some(conversation) => ["conversation ", conversation].concat(),
            // The same text said twice is on one side.
            None => tokens.join(" "),
        };
        out.turns.push(Turn {
            row,
            domain: String::new(),
            cluster,
            tokens,
            tags,
            intent: String::new(),
        });
    }
    out
}

/// Whether a turn is kept aside: it neither teaches nor chooses what is measured on it.
pub(super) fn is_aside(turn: &Turn, seed: u64) -> bool {
    let hash = Hash::new(ASIDE_SEED).bytes(&seed.to_le_bytes());
    hash.bytes(turn.cluster.as_bytes())
        .finish()
        .is_multiple_of(ASIDE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::read;

    fn of(marked: &str) -> Example {
        let read = read::marked(marked).expect("marks");
        Example {
            text: read.text,
            marks: read.marks,
            conversation: None,
        }
    }

    #[test]
    fn each_token_has_its_tag() {
        let read = turns(&[
            of("A [Large Pizza](food), [2](count)!"),
            of("买[iPhone](product)15 [👍🏽](like)"),
            of("[x](a)[y](b)"),
        ]);
        let tags = |at: usize| read.turns[at].tags.join(" ");
        assert_eq!(tags(0), "O B-food I-food O B-count O");
        assert_eq!(tags(1), "O B-product B-like");
        assert_eq!(read.turns[1].tokens[1], "iphone15");
        assert_eq!(tags(2), "B-a");
        assert_eq!((read.widened, read.lost), (2, 1));
    }

    #[test]
    fn what_is_said_twice_is_on_one_side_and_the_seed_says_on_which() {
        let texts: Vec<Example> = (0..400).map(|n| of(&format!("number {n}"))).collect();
        let again: Vec<Example> = (0..400).map(|n| of(&format!("NUMBER  {n}"))).collect();
        let [first, again] = [turns(&texts), turns(&again)].map(|it| it.turns);
        let sides = |turns: &[Turn], seed| -> Vec<bool> {
            turns.iter().map(|turn| is_aside(turn, seed)).collect()
        };
        assert_eq!(sides(&first, 1), sides(&again, 1));
        assert_ne!(sides(&first, 1), sides(&first, 2));
        let aside = sides(&first, 1).into_iter().filter(|it| *it).count();
        assert!((50..120).contains(&aside), "{aside}");
    }
}
