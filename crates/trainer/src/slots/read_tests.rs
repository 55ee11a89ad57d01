use super::*;

fn slots(read: &Marked) -> Vec<(&str, &str)> {
    (read.marks.iter())
        .map(|mark| (mark.slot.as_str(), &read.text[mark.bytes.clone()]))
        .collect()
}

#[test]
fn marks_are_read() {
    let read = marked("a [large ](size)[pizza](food) [to go]  \\[x\\] c:\\\\d").unwrap_err();
    assert_eq!((read.len(), read[0].at), (1, 31), "{read:?}");
    let read = marked("a [large ](size)[pizza](food)  \\[x] c:\\d \\\\[两](数量)").expect("marks");
    assert_eq!(read.text, "a large pizza  [x] c:\\d \\两");
    assert_eq!(
        slots(&read),
        [("size", "large"), ("food", "pizza"), ("数量", "两")]
    );
}

#[test]
fn everything_wrong_is_told() {
    let wrong = marked("[a [b](O) [ ](x) [c](2x) [d").unwrap_err();
    let told: Vec<(usize, &str)> = wrong.iter().map(|w| (w.at, w.cause.as_str())).collect();
    assert_eq!(
        told,
        [
            (4, "a mark begins within another"),
            (7, "\"O\" is no name of a slot"),
            (11, "nothing is marked"),
            (21, "\"2x\" is no name of a slot"),
            (26, "a mark isn't closed"),
        ]
    );
}

#[test]
fn tokens_and_tags_are_read() {
    let source = "\u{feff}-DOCSTART- O\r\n\r\nsend O\r\nAda NNP B-name\r\nKing NNP I-name\r\n\r\n\r\n2\tquantity\nbig\tquantity\nbox\tO";
    let read = conll(source, "it").expect("two texts");
    assert_eq!(read.len(), 2);
    assert_eq!((read[0].line, read[1].line), (3, 8));
    let texts: Vec<Marked> = (read.iter())
        .map(|it| joined(&it.tokens, &it.tags, false))
        .collect();
    assert_eq!(slots(&texts[0]), [("name", "Ada King")]);
    assert_eq!(slots(&texts[1]), [("quantity", "2 big")]);
    let tags = ["B-a", "B-a", "I-b", "O"].map(str::to_owned);
    let tokens = ["买", "了", "茶", "叶"].map(str::to_owned);
    assert!(are_single(tokens.iter()));
    let read = joined(&tokens, &tags, true);
    assert_eq!(read.text, "买了茶叶");
    assert_eq!(slots(&read), [("a", "买"), ("a", "了"), ("b", "茶")]);
}

#[test]
fn every_wrong_line_is_told() {
    let faults = conll("a O\nb\nc B-\n\nd 7x", "it.conll").unwrap_err();
    let told: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        told,
        ["it.conll line 2", "it.conll line 3", "it.conll line 5"]
    );
    let many = "b\n".repeat(TOLD + 5);
    let faults = conll(&many, "it.conll").unwrap_err();
    assert_eq!(faults.len(), TOLD + 1);
    assert!(faults[TOLD].cause.starts_with("5 more"));
}

#[test]
fn any_text_is_read_or_refused() {
    let seeds = [
        "a [large ](size)[pizza](food)  \\[x] c:\\d \\\\[两](数量)",
        "-DOCSTART- O\r\n\r\nsend O\r\nAda NNP B-name\r\n\r\n2\tquantity\n👍\tI-like",
    ];
    let mut state = 1_u64;
    let mut below = |n: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % n
    };
    let mut refused = 0;
    for round in 0..20_000 {
        let mut chars: Vec<char> = seeds[round % 2].chars().collect();
        for _ in 0..=below(4) {
            let (at, from) = (below(chars.len()), below(chars.len()));
            match below(4) {
                0 => chars[at] = "[]()\\O-B\n\t 茶".chars().nth(below(12)).unwrap_or('x'),
                1 => chars.insert(at, chars[from]),
                2 => chars.swap(at, from),
                _ => drop(chars.remove(at)),
            }
        }
        let text: String = chars.into_iter().collect();
        any(&text);
        refused += usize::from(marked(&text).is_err());
    }
    assert!((2_000..18_000).contains(&refused), "{refused}");
}
