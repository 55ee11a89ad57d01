//! One normaliser and tokeniser for what customers write, in English and Chinese, with
//! every token's place in the original text.
//!
//! What is folded, because people mean the same by it: width (`ＡＢＣ１２` and `ABC12`),
//! case, accents of Latin letters, typographic quotes and dashes, letters that are drawn
//! out (`sooooo` to `soo`). What is dropped: what can't be seen, and what turns the
//! direction of writing. Traditional and simplified characters stay apart.

/// Bytes of a text that are read; what comes later is as if it weren't there.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Tokens of a text that are read.
pub const MAX_TOKENS: usize = 4096;
/// Letters of one kind in a row that are kept.
const MOST_IN_A_ROW: u8 = 2;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Letters of a script that puts blanks between words, with inner apostrophes.
    Word,
    /// A Chinese, Japanese or Korean character.
    Han,
    /// Digits, with separators between them: `1,299.50`.
    Number,
    /// Letters and digits in one, or joined by `-`, `_`, `#` or `/`: `AB-1234`, `iphone15`.
    Code,
    /// An emoji; several of the same in a row are one.
    Emoji,
    /// Punctuation and signs; several of the same in a row are one.
    Mark,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its first byte in the original text.
    pub start: u32,
    /// The byte after its last in the original text.
    pub end: u32,
    from: u32,
    to: u32,
}

/// A text as tokens. Its buffers are used again by the next one.
#[derive(Clone, Debug, Default)]
pub struct Text {
    normal: String,
    tokens: Vec<Token>,
    cut: bool,
}

impl Text {
    /// Reads a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut read = Self::default();
        read.read(text);
        read
    }

    /// Reads another text.
    pub fn read(&mut self, text: &str) {
        self.normal.clear();
        self.tokens.clear();
        let mut end = text.len().min(MAX_TEXT_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.cut = end < text.len();
        let mut reader = Reader {
            text: self,
            open: None,
            last: None,
            in_a_row: 0,
        };
        let mut chars = text[..end].char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let after = at + c.len_utf8();
            let next = chars.peek().map(|(_, c)| fold(*c));
            if !reader.take(c, next, at as u32, after as u32) {
                reader.text.cut = true;
                break;
            }
        }
        reader.close();
    }

    /// The tokens, in order.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// A token as it was normalised.
    #[must_use]
    pub fn normal(&self, token: &Token) -> &str {
        self.normal
            .get(token.from as usize..token.to as usize)
            .unwrap_or("")
    }

    /// Whether the text was longer than what is read.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }
}

struct Reader<'a> {
    text: &'a mut Text,
    /// The token that is being read.
    open: Option<Token>,
    last: Option<char>,
    in_a_row: u8,
}

impl Reader<'_> {
    /// Whether there was room for it. `next` is the character after it, folded.
    fn take(&mut self, c: char, next: Option<char>, start: u32, end: u32) -> bool {
        if is_unseen(c) {
            return true;
        }
        let c = fold(c);
        let kind = kind_of(c);
        match (self.open.map(|token| token.kind), kind) {
            (_, None) => {
                self.close();
                true
            }
            (Some(open), Some(Kind::Mark)) if next.is_some_and(|next| joins(open, c, next)) => {
                // An apostrophe stays what it is in; a separator makes no code of a number.
                if !(open == Kind::Number && matches!(c, '.' | ',')) && c != '\'' {
                    self.turn_into(Kind::Code);
                }
                self.push(c, end);
                true
            }
            (Some(open), Some(new)) if open == new && open != Kind::Han => {
                if matches!(open, Kind::Emoji | Kind::Mark) && self.last != Some(c) {
                    return self.begin(new, c, start, end);
                }
                self.push(c, end);
                true
            }
            (Some(Kind::Code), Some(Kind::Word | Kind::Number)) => {
                self.push(c, end);
                true
            }
            (Some(Kind::Word), Some(Kind::Number)) | (Some(Kind::Number), Some(Kind::Word)) => {
                self.turn_into(Kind::Code);
                self.push(c, end);
                true
            }
            (_, Some(new)) => self.begin(new, c, start, end),
        }
    }

    fn begin(&mut self, kind: Kind, c: char, start: u32, end: u32) -> bool {
        self.close();
        if self.text.tokens.len() >= MAX_TOKENS {
            return false;
        }
        let from = self.text.normal.len() as u32;
        self.open = Some(Token {
            kind,
            start,
            end,
            from,
            to: from,
        });
        self.push(c, end);
        true
    }

    fn turn_into(&mut self, kind: Kind) {
        if let Some(open) = &mut self.open {
            open.kind = kind;
        }
    }

    fn push(&mut self, c: char, end: u32) {
        let Some(open) = &mut self.open else {
            return;
        };
        open.end = end;
        self.in_a_row = match self.last == Some(c) {
            true => self.in_a_row.saturating_add(1),
            false => 1,
        };
        self.last = Some(c);
        let most = match open.kind {
            Kind::Word => MOST_IN_A_ROW,
            Kind::Emoji | Kind::Mark => 1,
            Kind::Han | Kind::Number | Kind::Code => u8::MAX,
        };
        if self.in_a_row <= most {
            match base(c) {
                Some(base) => self.text.normal.push_str(base),
                None => self.text.normal.extend(c.to_lowercase()),
            }
        }
    }

    fn close(&mut self) {
        if let Some(mut token) = self.open.take() {
            token.to = self.text.normal.len() as u32;
            if token.to > token.from {
                self.text.tokens.push(token);
            }
        }
        self.last = None;
        self.in_a_row = 0;
    }
}

/// Whether a mark goes on with what is open, before the next character.
fn joins(open: Kind, c: char, next: char) -> bool {
    let next = kind_of(next);
    let before_digit = next == Some(Kind::Number);
    (before_digit || next == Some(Kind::Word))
        && match open {
            Kind::Word => matches!(c, '\'' | '_') || before_digit && matches!(c, '-' | '/' | '#'),
            Kind::Number => matches!(c, '.' | ',' | '-' | '_' | '/' | ':'),
            Kind::Code => matches!(c, '-' | '_' | '/' | '#'),
            Kind::Han | Kind::Emoji | Kind::Mark => false,
        }
}

/// What a token with this character is; none for what only separates.
fn kind_of(c: char) -> Option<Kind> {
    if super::stands_alone(c) {
        Some(Kind::Han)
    } else if c.is_numeric() {
        Some(Kind::Number)
    } else if c.is_alphabetic() {
        Some(Kind::Word)
    } else if is_emoji(c) {
        Some(Kind::Emoji)
    } else if c.is_whitespace() || c.is_control() {
        None
    } else {
        Some(Kind::Mark)
    }
}

fn is_emoji(c: char) -> bool {
    matches!(u32::from(c),
        0x203c | 0x2049 | 0x2122 | 0x2139 | 0x2194..=0x21aa | 0x231a..=0x23ff | 0x25aa..=0x25fe
        | 0x2600..=0x27bf | 0x2934 | 0x2935 | 0x2b05..=0x2b55 | 0x1_f000..=0x1_faff)
}

/// What nobody sees: marks of direction, joiners, selectors of a form, accents by
/// themselves, tones of skin.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    matches!(u32::from(c),
        0x00ad | 0x0300..=0x036f | 0x061c | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f
        | 0xfe00..=0xfe0f | 0xfeff | 0x1_f3fb..=0x1_f3ff | 0xe_0000..=0xe_0fff)
}

/// One character for those that are written differently in width or by a typographer.
#[must_use]
pub fn fold(c: char) -> char {
    let code = u32::from(c);
    match code {
        0xff01..=0xff5e => char::from_u32(code - 0xff01 + 0x21).unwrap_or(c),
        0x3000 | 0x00a0 | 0x2000..=0x200a | 0x202f | 0x205f => ' ',
        0x2018 | 0x2019 | 0x201b | 0x02bc | 0x0060 | 0x00b4 => '\'',
        0x201c..=0x201f | 0x00ab | 0x00bb => '"',
        0x2010..=0x2015 | 0x2212 => '-',
        0x3002 => '.',
        0x3001 => ',',
        _ => c,
    }
}

/// A Latin letter without its accent.
fn base(c: char) -> Option<&'static str> {
    Some(match c {
        'À'..='Å' | 'à'..='å' | 'Ā'..='ą' => "a",
        'Æ' | 'æ' => "ae",
        'Ç' | 'ç' | 'Ć'..='č' => "c",
        'È'..='Ë' | 'è'..='ë' | 'Ē'..='ě' => "e",
        'Ì'..='Ï' | 'ì'..='ï' | 'Ĩ'..='ı' => "i",
        'Ñ' | 'ñ' | 'Ń'..='ň' => "n",
        'Ò'..='Ö' | 'Ø' | 'ò'..='ö' | 'ø' | 'Ō'..='ő' => "o",
        'Œ' | 'œ' => "oe",
        'Ù'..='Ü' | 'ù'..='ü' | 'Ũ'..='ų' => "u",
        'Ý' | 'ý' | 'ÿ' | 'Ŷ' | 'ŷ' | 'Ÿ' => "y",
        'ß' => "ss",
        'Ď' | 'ď' | 'Đ' | 'đ' | 'Ð' | 'ð' => "d",
        'Ĝ'..='ģ' => "g",
        'Ĺ'..='ł' => "l",
        'Ŕ'..='ř' => "r",
        'Ś'..='š' => "s",
        'Ţ'..='ŧ' => "t",
        'Ź'..='ž' => "z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Vec<(String, Kind)> {
        let read = Text::new(text);
        let tokens = read.tokens().iter();
        tokens
            .map(|token| (read.normal(token).to_owned(), token.kind))
            .collect()
    }

    fn words(text: &str) -> Vec<String> {
        all(text).into_iter().map(|(word, _)| word).collect()
    }

    #[test]
    fn the_same_meaning_is_the_same_tokens() {
        for (a, b) in [
            ("Where is MY order?", "ｗｈｅｒｅ　is my order？"),
            ("I don't know", "i don’t know"),
            ("café", "cafe\u{301}"),
            ("naïve Straße", "naive strasse"),
            ("sooooo slow!!!!", "soo slow!"),
            ("re\u{200b}fund", "refund"),
            ("\u{202e}refund\u{202c}", "refund"),
            ("👍🏽👍🏽 ❤\u{fe0f}", "👍 ❤"),
            ("退款，谢谢！", "退款,谢谢!"),
        ] {
            assert_eq!(words(a), words(b), "{a} {b}");
        }
        assert_ne!(words("訂單"), words("订单"));
    }

    #[test]
    fn tokens_have_a_kind() {
        use Kind::*;
        let of = |text: &str, expected: &[(&str, Kind)]| {
            let expected: Vec<(String, Kind)> = expected
                .iter()
                .map(|(t, k)| ((*t).to_owned(), *k))
                .collect();
            assert_eq!(all(text), expected, "{text}");
        };
        of(
            "order AB-1234.",
            &[("order", Word), ("ab-1234", Code), (".", Mark)],
        );
        of("123-4567890-1234567", &[("123-4567890-1234567", Code)]);
        of(
            "£1,299.50, ok",
            &[("£", Mark), ("1,299.50", Number), (",", Mark), ("ok", Word)],
        );
        of("my iPhone15", &[("my", Word), ("iphone15", Code)]);
        of(
            "红色Mug 12只",
            &[
                ("红", Han),
                ("色", Han),
                ("mug", Word),
                ("12", Number),
                ("只", Han),
            ],
        );
        of("10:30", &[("10:30", Code)]);
        of("well-made", &[("well", Word), ("-", Mark), ("made", Word)]);
        of("a_b", &[("a_b", Code)]);
        of("😡😡😡?!", &[("😡", Emoji), ("?", Mark), ("!", Mark)]);
        of(
            "<b>hi</b>",
            &[
                ("<", Mark),
                ("b", Word),
                (">", Mark),
                ("hi", Word),
                ("<", Mark),
                ("/", Mark),
                ("b", Word),
                (">", Mark),
            ],
        );
        of(" \u{200d}\t\n", &[]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let long = "好".repeat(MAX_TEXT_BYTES);
        let read = Text::new(&long);
        assert!(read.is_cut());
        assert_eq!(read.tokens().len(), MAX_TOKENS);
        let word = Text::new(&"ab".repeat(MAX_TEXT_BYTES));
        assert!(word.is_cut());
        assert_eq!(word.tokens().len(), 1);
        assert!(!Text::new("short").is_cut());
    }

    proptest! {
        #[test]
        fn spans_are_of_the_original_in_order_and_reading_again_changes_nothing(text in "\\PC{0,60}|[a-z0-9'._#👍é好 -]{0,60}") {
            let read = Text::new(&text);
            let mut last = 0;
            for token in read.tokens() {
                prop_assert!(token.start >= last && token.end > token.start);
                prop_assert!(text.get(token.start as usize..token.end as usize).is_some());
                prop_assert!(!read.normal(token).is_empty());
                last = token.end;
            }
            let mut again = Text::new("something else 123");
            again.read(&text);
            prop_assert_eq!(again.tokens(), read.tokens());
        }
    }
}
