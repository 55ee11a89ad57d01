//! When two texts are the same text, and what stands for what was masked in one.

use shelfedge_assistant::entities::{Context, mask};
use shelfedge_features::hash::Hash;
use shelfedge_features::text::{Kind, Text};

/// What masking leaves of personal data, and the digits that stand for it; none for an
/// e-mail address.
const MASKS: [(&str, u32); 6] = [
    ("[order]", 6),
    ("[phone]", 11),
    ("[card]", 16),
    ("[identity]", 18),
    ("[digits]", 8),
    ("[email]", 0),
];
const STAND_IN: u32 = 0x7374_616e;

/// The text without case, accents, marks and blanks; of one that is all marks, the marks.
pub(super) fn normal(text: &str, buffer: &mut Text) -> String {
    joined(text, buffer, |kind| kind != Kind::Mark, |_| false)
}

/// The same, with numbers, order numbers and what is masked alike: `#`.
pub(super) fn shape(text: &str, buffer: &mut Text) -> String {
    let mut masked = mask(text, &Context::default());
    for (name, _) in MASKS {
        masked = masked.replace(name, " 0 ");
    }
    let number = |kind| matches!(kind, Kind::Number | Kind::Code);
    joined(&masked, buffer, |kind| kind != Kind::Mark, number)
}

fn joined(
    text: &str,
    buffer: &mut Text,
    wanted: impl Fn(Kind) -> bool,
    number: impl Fn(Kind) -> bool,
) -> String {
    buffer.read(text);
    let tokens = buffer.tokens();
    let any = tokens.iter().any(|token| wanted(token.kind));
    let mut out = String::new();
    for token in tokens.iter().filter(|token| !any || wanted(token.kind)) {
        match number(token.kind) {
            // A number in several pieces is one.
            true if out.ends_with("# ") => continue,
            true => out.push('#'),
            false => out.push_str(buffer.normal(token)),
        }
        out.push(' ');
    }
    out
}

/// The text with made-up numbers and addresses for what is masked, so that it reads as what
/// customers write: `[phone]` isn't the word "phone". Equal texts have equal numbers.
pub(super) fn unmasked(text: &str, buffer: &mut Text) -> String {
    if !text.contains('[') {
        return text.to_owned();
    }
    let seed = Hash::new(STAND_IN).bytes(normal(text, buffer).as_bytes());
    let (mut out, mut rest, mut count) = (String::with_capacity(text.len()), text, 0);
    while let Some(at) = rest.find('[') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = MASKS.iter().find(|(name, _)| rest.starts_with(name));
        let Some((name, digits)) = found else {
            out.push('[');
            rest = &rest[1..];
            continue;
        };
        count += 1;
        let number = seed.number(count).finish();
        match digits {
            0 => out.push_str(&format!("name{}@example.com", number % 100)),
            _ => {
                let least = 10u64.pow(digits - 1);
                out.push_str(&(least + number % (9 * least)).to_string());
            }
        }
        rest = &rest[name.len()..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_whatever_case_marks_and_width() {
        let mut buffer = Text::default();
        let same = [
            "Where is it?",
            "where  is it",
            "ｗｈｅｒｅ is it!!",
            "WHERE, is... it",
        ];
        let of = same.map(|text| normal(text, &mut buffer));
        assert!(of.iter().all(|it| *it == of[0]), "{of:?}");
        for (a, b) in [
            ("where is it", "where was it"),
            ("order 5", "order 6"),
            ("???", "!!!"),
            ("👍", "👎"),
            ("", "?"),
        ] {
            assert_ne!(normal(a, &mut buffer), normal(b, &mut buffer), "{a} {b}");
        }
    }

    #[test]
    fn one_shape_has_every_number_and_every_mask() {
        let mut buffer = Text::default();
        let same = [
            "Where is order [order]?",
            "where is order 48213",
            "where is order AB-1042",
            "where is order 07700 900 123",
            "where is order [phone]",
        ];
        let of = same.map(|text| shape(text, &mut buffer));
        assert!(of.iter().all(|it| *it == of[0]), "{of:?}");
        assert_eq!(
            shape("mail a.b@example.com", &mut buffer),
            shape("mail [email]", &mut buffer)
        );
        assert_ne!(shape("order", &mut buffer), shape("[order]", &mut buffer));
    }

    #[test]
    fn what_is_masked_reads_as_what_it_was() {
        let mut buffer = Text::default();
        let text = "call [phone] about [order], not [order] [x] [[digits]";
        let out = unmasked(text, &mut buffer);
        assert_eq!(out, unmasked(text, &mut buffer));
        buffer.read(&out);
        let numbers: Vec<usize> = (buffer.tokens().iter())
            .filter(|token| token.kind == Kind::Number)
            .map(|token| (token.end - token.start) as usize)
            .collect();
        assert_eq!(numbers, [11, 6, 6, 8], "{out}");
        assert!(out.contains("[x] [") && !out.contains("[order]"), "{out}");
        for (name, _) in MASKS {
            assert!(!unmasked(name, &mut buffer).contains('['));
        }
        assert!(unmasked("[email]", &mut buffer).ends_with("@example.com"));
        assert_eq!(unmasked("no [", &mut buffer), "no [");
    }
}
