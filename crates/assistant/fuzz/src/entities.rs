//! What the fuzz target runs: any bytes as a text that names things. Tests of the crate
//! run it on mutated texts.

use shelfedge_assistant::entities::{
    Buffers, Clock, Context, Country, Pattern, Value, mask, recognise,
};
use shelfedge_commerce::Timestamp;

/// Any bytes, with what isn't UTF-8 replaced. How much is named in them.
pub(crate) fn entities(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes);
    let orders = [Pattern::new("SE-#####").expect("a pattern")];
    let skus = [Pattern::new("KT-###-??").expect("a pattern")];
    let mut buffers = Buffers::default();
    let mut count = 0;
    for country in [
        None,
        Some(Country::Cn),
        Some(Country::Gb),
        Some(Country::Us),
    ] {
        let context = Context {
            country,
            orders: &orders,
            skus: &skus,
            clock: Some(Clock {
                now: Timestamp(1_772_618_400_000),
                zone: 480,
            }),
            currency: None,
        };
        let mut last = 0;
        for entity in recognise(&text, &context, &mut buffers) {
            assert!(
                entity.start >= last && entity.end > entity.start,
                "{text:?}"
            );
            assert!(text.get(entity.start..entity.end).is_some(), "{text:?}");
            if let Value::Address(parts) = &entity.value {
                let mut last = entity.start;
                for part in parts {
                    assert!(part.start >= last && part.end > part.start, "{text:?}");
                    assert!(text.get(part.start..part.end).is_some(), "{text:?}");
                    last = part.end;
                }
                assert_eq!(last, entity.end, "{text:?}");
            }
            last = entity.end;
            count += 1;
        }
        let masked = mask(&text, &context);
        assert_eq!(mask(&masked, &context), masked, "{text:?}");
        for entity in recognise(&masked, &context, &mut buffers) {
            let personal = matches!(
                entity.value,
                Value::Address(_)
                    | Value::Card
                    | Value::Email(_)
                    | Value::Identity
                    | Value::Order(..)
                    | Value::Phone(_)
            );
            assert!(!personal, "{text:?} {masked:?}");
        }
    }
    count
}
