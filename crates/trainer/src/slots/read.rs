//! Texts with slots marked in them, as people write them, and tokens with a tag each, as
//! data sets have them (the form of CoNLL 2003, with BIO or plain tags).

use std::ops::Range;

use shelfedge_commerce::Fault;

use crate::error::fault;

/// Longest name of a slot, in bytes.
const LONGEST_NAME: usize = 64;
/// Faults told in full.
pub(crate) const TOLD: usize = 100;
/// A file is of single characters if so many of a hundred tokens are.
const SINGLE: usize = 95;
/// What has no tag.
const OUTSIDE: &str = "O";

/// A text, and the slots in it in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) text: String,
    pub(crate) marks: Vec<Mark>,
}

/// Bytes of a text that are a slot's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) slot: String,
    pub(crate) bytes: Range<usize>,
}

/// Something wrong in a marked text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The character, from 1.
    pub(crate) at: usize,
    pub(crate) cause: String,
    pub(crate) action: &'static str,
}

/// Whether a slot may be called so.
fn is_name(name: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.len() <= LONGEST_NAME
        && name != OUTSIDE
        && name.starts_with(char::is_alphabetic)
        && name.chars().all(joins)
}

const NAME: &str = "begin it with a letter, and go on with letters, digits, _, - and .";
const MARK: &str = "write [words](slot); \\[ is a bracket that marks nothing";

/// Reads a text in which `[words](slot)` marks a slot; `\[`, `\]` and `\\` are the
/// characters themselves.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn marked(source: &str) -> Result<Marked, Vec<Wrong>> {
    let mut out = Marked::default();
    let mut wrongs = Vec::new();
    let mut wrong = |at: usize, cause: String, action| {
        wrongs.push(Wrong {
            at: at + 1,
            cause,
            action,
        });
    };
    let chars: Vec<char> = source.chars().collect();
    let mut open: Option<(usize, usize)> = None;
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match (c, open) {
            ('\\', _) if matches!(chars.get(at), Some('[' | ']' | '\\')) => {
                out.text.extend(chars.get(at));
                at += 1;
            }
            ('[', None) => open = Some((at - 1, out.text.len())),
            ('[', Some(_)) => wrong(at - 1, "a mark begins within another".to_owned(), MARK),
            (']', Some((from, start))) => {
                open = None;
                let end = (chars.get(at) == Some(&'('))
                    .then(|| (at..chars.len()).find(|at| chars[*at] == ')'))
                    .flatten();
                let Some(end) = end else {
                    wrong(from, "no (slot) follows the marked words".to_owned(), MARK);
                    continue;
                };
                let name: String = chars[at + 1..end].iter().collect();
                let name = name.trim();
                if !is_name(name) {
                    wrong(at, format!("{name:?} is no name of a slot"), NAME);
                }
                let words = &out.text[start..];
                let inner = start + words.len() - words.trim_start().len();
                let outer = start + words.trim_end().len();
                if inner >= outer {
                    wrong(from, "nothing is marked".to_owned(), MARK);
                }
                out.marks.push(Mark {
                    slot: name.to_owned(),
                    bytes: inner..outer.max(inner),
                });
                at = end + 1;
            }
            _ => out.text.push(c),
        }
    }
    if let Some((from, _)) = open {
        wrong(from, "a mark isn't closed".to_owned(), MARK);
    }
    match wrongs.is_empty() {
        true => Ok(out),
        false => Err(wrongs),
    }
}

/// A text of tokens, and the tag of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tagged {
    /// Where it stands, from 1.
    pub(crate) line: usize,
    pub(crate) tokens: Vec<String>,
    pub(crate) tags: Vec<String>,
}

/// Reads lines of a token, perhaps other columns, and a tag, with tabs or blanks between
/// them, and an empty line after each text.
///
/// # Errors
/// Every line that is no such one, at most [`TOLD`] of them in full.
pub(crate) fn conll(source: &str, name: &str) -> Result<Vec<Tagged>, Vec<Fault>> {
    let mut texts: Vec<Tagged> = Vec::new();
    let mut open = Tagged::default();
    let (mut faults, mut more) = (Vec::new(), 0_usize);
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    for (line, cells) in (1..).zip(source.lines()) {
        let is_end = cells.trim().is_empty();
        if is_end || cells.starts_with("-DOCSTART-") {
            if !open.tokens.is_empty() {
                texts.push(core::mem::take(&mut open));
            }
            continue;
        }
        let by_tabs = cells.contains('\t');
        let mut cells = cells
            .split(|c: char| {
                if by_tabs {
                    c == '\t'
                } else {
                    c.is_whitespace()
                }
            })
            .map(str::trim)
            .filter(|cell| !cell.is_empty());
        let (token, tag) = (cells.next().unwrap_or(""), cells.next_back());
        let cause = match tag {
            None => Some((
                format!("there is no tag behind {token:?}"),
                "write a token and its tag, O for none, in each line, and an empty line after each text",
            )),
            Some(tag) if tag != OUTSIDE && !is_name(kind(tag)) => Some((
                format!("{tag:?} is no tag"),
                "write O, or the slot's name, or it with B- or I- before it; the name begins with a letter and goes on with letters, digits, _, - and .",
            )),
            Some(_) => None,
        };
        match cause {
            Some((cause, action)) if faults.len() < TOLD => {
                let at = format!("{name} line {line}");
                faults.push(fault("tag_unreadable", at, cause, action));
            }
            Some(_) => more += 1,
            None => {
                if open.tokens.is_empty() {
                    open.line = line;
                }
                open.tokens.push(token.to_owned());
                open.tags.push(tag.unwrap_or(OUTSIDE).to_owned());
            }
        }
    }
    if !open.tokens.is_empty() {
        texts.push(open);
    }
    if more > 0 {
        let cause = format!("{more} more lines are wrong");
        let action = "correct those above, and run the command again";
        faults.push(fault("tag_unreadable", name, cause, action));
    }
    match faults.is_empty() {
        true => Ok(texts),
        false => Err(faults),
    }
}

/// A tag without what says whether it begins.
fn kind(tag: &str) -> &str {
    let prefixes = ["B-", "I-"].into_iter();
    let mut bare = prefixes.filter_map(|prefix| tag.strip_prefix(prefix));
    bare.next().unwrap_or(tag)
}

/// Whether tokens are single characters, which no blanks stand between.
pub(crate) fn are_single<'t>(tokens: impl Iterator<Item = &'t String>) -> bool {
    let (mut single, mut all) = (0_usize, 0_usize);
    for token in tokens {
        all += 1;
        single += usize::from(token.chars().nth(1).is_none());
    }
    100 * single >= SINGLE * all.max(1)
}

/// The text that tokens are of, with blanks between them unless they are `single`
/// characters.
pub(crate) fn joined(tokens: &[String], tags: &[String], single: bool) -> Marked {
    let mut out = Marked::default();
    let mut last: Option<&str> = None;
    for (token, tag) in tokens.iter().zip(tags) {
        if !single && !out.text.is_empty() {
            out.text.push(' ');
        }
        let start = out.text.len();
        out.text.push_str(token);
        let end = out.text.len();
        let slot = Some(kind(tag)).filter(|_| tag != OUTSIDE);
        let goes_on = slot == last && !tag.starts_with("B-");
        last = slot;
        match (slot, out.marks.last_mut()) {
            (Some(_), Some(mark)) if goes_on => mark.bytes.end = end,
            (Some(slot), _) => out.marks.push(Mark {
                slot: slot.to_owned(),
                bytes: start..end,
            }),
            (None, _) => {}
        }
    }
    out
}

/// What the fuzz target runs, and a test on mutated texts: any text, in both forms.
#[allow(dead_code, reason = "the command has no use for it")]
pub(crate) fn any(source: &str) {
    let check = |read: &Marked| {
        let mut last = 0;
        for mark in &read.marks {
            assert!(is_name(&mark.slot), "{mark:?}");
            assert!(last <= mark.bytes.start && mark.bytes.start < mark.bytes.end);
            assert!(read.text.get(mark.bytes.clone()).is_some());
            last = mark.bytes.end;
        }
    };
    match marked(source) {
        Ok(read) => check(&read),
        Err(wrongs) => {
            assert!(!wrongs.is_empty());
            let most = source.chars().count();
            assert!(wrongs.iter().all(|it| (1..=most).contains(&it.at)));
        }
    }
    match conll(source, "it") {
        Ok(texts) => {
            for text in &texts {
                assert_eq!(text.tokens.len(), text.tags.len());
                assert!(!text.tokens.is_empty());
                for single in [false, true] {
                    check(&joined(&text.tokens, &text.tags, single));
                }
            }
        }
        Err(faults) => {
            assert!((1..=TOLD + 1).contains(&faults.len()));
            for fault in &faults {
                let texts = [&fault.path, &fault.cause, &fault.action];
                assert!(texts.iter().all(|text| !text.is_empty()), "{fault:?}");
            }
        }
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
