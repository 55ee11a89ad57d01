use proptest::prelude::*;

use super::*;

fn patterns() -> Vec<Pattern> {
    ["AB-####-??", "AB-####"]
        .map(|p| Pattern::new(p).unwrap())
        .to_vec()
}

fn all(text: &str, country: Option<Country>) -> Vec<String> {
    let orders = patterns();
    let context = Context {
        country,
        orders: &orders,
        ..Context::default()
    };
    let mut buffers = Buffers::default();
    let found = recognise(text, &context, &mut buffers).iter();
    found
        .filter(|it| !matches!(it.value, Value::Quantity(..) | Value::When(_)))
        .map(|entity| {
            let span = &text[entity.start..entity.end];
            match &entity.value {
                Value::Order(number, _) => format!("order {number} <{span}>"),
                Value::Money(money) => {
                    format!("{} {} <{span}>", money.to_decimal(), money.currency.code())
                }
                Value::Email(address) => format!("email {address} <{span}>"),
                Value::Phone(number) => format!("phone {number} <{span}>"),
                Value::Card => format!("card <{span}>"),
                Value::Identity => format!("identity <{span}>"),
                other => format!("{other:?} <{span}>"),
            }
        })
        .collect()
}

#[test]
fn cases() {
    use Country::*;
    for (text, country, expected) in [
        (
            "order ab-1234-xy please",
            None,
            "order AB-1234-XY <ab-1234-xy>",
        ),
        (
            "ＡＢ－１２３４到哪了",
            None,
            "order AB-1234 <ＡＢ－１２３４>",
        ),
        ("A\u{200b}B-1234", None, "order AB-1234 <A\u{200b}B-1234>"),
        ("that is $20", None, "20.00 USD <$20>"),
        ("20 dollars", None, "20.00 USD <20 dollars>"),
        ("£1,299.50!", None, "1299.50 GBP <£1,299.50>"),
        ("12,50 euros", None, "12.50 EUR <12,50 euros>"),
        ("€1.299,50", None, "1299.50 EUR <€1.299,50>"),
        ("£1,299", None, "1299.00 GBP <£1,299>"),
        ("3块钱", None, "3.00 CNY <3块>"),
        ("EUR 5", None, "5.00 EUR <EUR 5>"),
        ("¥99.9", None, "99.90 CNY <¥99.9>"),
        ("２０元以下", None, "20.00 CNY <２０元>"),
        ("20美元", None, "20.00 USD <20美元>"),
        (
            "Write to Ann.Lee+x@Mail.example.co.uk.",
            None,
            "email ann.lee+x@mail.example.co.uk <Ann.Lee+x@Mail.example.co.uk>",
        ),
        ("邮箱是li@qq.com。谢谢", None, "email li@qq.com <li@qq.com>"),
        (
            "电话１３８００１３８０００",
            None,
            "phone +8613800138000 <１３８００１３８０００>",
        ),
        (
            "138-0013-8000",
            None,
            "phone +8613800138000 <138-0013-8000>",
        ),
        (
            "2 pieces, 2 13800138000",
            None,
            "phone +8613800138000 <13800138000>",
        ),
        (
            "call 415-555-2671",
            Some(Us),
            "phone +14155552671 <415-555-2671>",
        ),
        (
            "020 7946 0958",
            Some(Gb),
            "phone +442079460958 <020 7946 0958>",
        ),
        (
            "+44 20 7946 0958",
            None,
            "phone +442079460958 <+44 20 7946 0958>",
        ),
        (
            "card 4111 1111 1111 1111",
            None,
            "card <4111 1111 1111 1111>",
        ),
        (
            "身份证11010519491231002X",
            None,
            "identity <11010519491231002X>",
        ),
    ] {
        assert_eq!(all(text, country), [expected], "{text}");
    }
    for text in [
        "",
        "version 2.10.3",
        "AB-12345",
        "XAB-1234",
        "4111 1111 1111 1112",
        "110105194912310021",
        "a@b",
        "@home",
        "a@.com",
        "12345678901",
        "x13800138000",
        "415-555-2671",
        "20 dollarsign",
        "iphone15",
        "1 元月份",
        "2元素",
        "3块蛋糕",
        "£1,29,9",
        "😀😀",
        "<script>alert(1)</script>",
    ] {
        let found = all(text, None);
        assert!(found.is_empty(), "{text} {found:?}");
    }
}

#[test]
fn a_sign_is_the_shops_currency_where_it_shares_it() {
    let amount = |text: &str, currency: &str| {
        let context = Context {
            currency: Currency::all().find(|known| known.code() == currency),
            ..Context::default()
        };
        let mut buffers = Buffers::default();
        match recognise(text, &context, &mut buffers) {
            [
                Entity {
                    value: Value::Money(money),
                    ..
                },
            ] => money.currency.code(),
            other => panic!("{text} {other:?}"),
        }
    };
    assert_eq!(amount("$5", "CAD"), "CAD");
    assert_eq!(amount("5 dollars", "AUD"), "AUD");
    assert_eq!(amount("$5", "GBP"), "USD");
    assert_eq!(amount("¥500", "JPY"), "JPY");
    assert_eq!(amount("¥500", "USD"), "CNY");
    assert_eq!(amount("£5", "USD"), "GBP");
}

#[test]
fn masking_errs_on_the_safe_side() {
    let orders = patterns();
    let context = Context {
        orders: &orders,
        ..Context::default()
    };
    for (text, masked) in [
        ("call 13800138000 or a@b.com", "call [phone] or [email]"),
        ("AB-1234 for £20", "[order] for £20"),
        ("4111 1111 1111 1112 is mine", "[digits] is mine"),
        ("(ref12345678x)", "([digits])"),
        ("13800138000AB-1234", "[digits]-1234"),
        ("02/11/1987 was 5 days off", "[digits] was 5 days off"),
        ("size 42, 2 pieces, 19.99", "size 42, 2 pieces, 19.99"),
        ("卡号６２２２０２１２３４５６７８９", "卡号[digits]"),
        ("(415) 555-2671", "([digits]"),
        ("123 - 456 - 789", "[digits]"),
        ("[phone] <b>", "[phone] <b>"),
        (
            "I live at 12 High Street, Leeds, LS1 4DY.",
            "I live at [address].",
        ),
        (
            "寄到杭州市西湖区文三路100号3栋201室，谢谢",
            "寄到[address]，谢谢",
        ),
        ("12 High Street 13800138000", "[address] [phone]"),
        ("tomorrow at 5pm, 2 pairs", "tomorrow at 5pm, 2 pairs"),
    ] {
        assert_eq!(mask(text, &context), masked, "{text}");
    }
}

#[test]
fn a_hundred_kilobytes_of_the_worst_are_read() {
    let orders = patterns();
    let context = Context {
        country: Some(Country::Us),
        orders: &orders,
        clock: Some(Clock::from(0)),
        ..Context::default()
    };
    for piece in [
        "1 ", "@", "a@", ".", "1-", "AB-", "$1,", "元", "😀", "1(", "a.a@", "三", "市", "路1",
        "1 High ", "the ", "a1", "上", "next ", "1月", "A, ", "1 a, ", "flat 1 ", "十百", "1/",
    ] {
        let text = piece.repeat(100_000 / piece.len());
        let mut buffers = Buffers::default();
        let found = recognise(&text, &context, &mut buffers).len();
        assert!(found <= text.len());
        let masked = mask(&text, &context);
        assert_eq!(mask(&masked, &context), masked, "{piece}");
    }
}

#[test]
fn patterns_say_all_that_is_wrong() {
    assert_eq!(Pattern::new(""), Err(vec![PatternError::Length(0)]));
    assert_eq!(
        Pattern::new("A*#"),
        Err(vec![
            PatternError::Character(1, '*'),
            PatternError::TooLoose
        ])
    );
}

proptest! {
    #[test]
    fn spans_are_sound_and_masking_twice_is_masking_once(
        text in "([0-9]{1,3}|High|Street|St|Flat 3|, |[ .,号路-]|LS1 4DY|NY 10118|文三|市|杭州|西湖|区|3栋|楼|单元|小区|[0-9]{7}|a@b\\.com|AB-1234|13800138000|改|成|on|May|the 3rd|三|点|半|月|日|后|:30|am|next|week|2026|/|块|万){0,14}|\\PC{0,60}|[0-9@.+ xab$元-]{0,80}|(13800138000|4111 1111 1111 1111|a@b\\.com|AB-1234|[ .@+-]|[0-9]){0,12}"
    ) {
        let orders = patterns();
        for country in [None, Some(Country::Us), Some(Country::Gb), Some(Country::Cn)] {
            let context = Context { country, orders: &orders, clock: Some(Clock::from(1_772_618_400_000)), ..Context::default() };
            let mut buffers = Buffers::default();
            let mut last = 0;
            for entity in recognise(&text, &context, &mut buffers) {
                prop_assert!(entity.start >= last && entity.end > entity.start);
                prop_assert!(text.get(entity.start..entity.end).is_some());
                last = entity.end;
            }
            let masked = mask(&text, &context);
            let left = recognise(&masked, &context, &mut buffers);
            prop_assert!(left.iter().all(|entity| matches!(entity.value, Value::Money(_) | Value::When(_) | Value::Quantity(..))));
            prop_assert_eq!(mask(&masked, &context), masked);
        }
    }
}

fn when(text: &str, now: &str, zone: i32, country: Option<Country>) -> String {
    let clock = Clock {
        now: now.parse().unwrap(),
        zone,
    };
    let context = Context {
        country,
        clock: Some(clock),
        ..Context::default()
    };
    let mut buffers = Buffers::default();
    let found = recognise(text, &context, &mut buffers).iter();
    let each = found.filter_map(|it| match it.value {
        Value::When(when) => Some(when.to_string()),
        _ => None,
    });
    each.collect::<Vec<_>>().join(" ")
}

#[test]
fn days_are_those_of_the_requests_clock_and_zone() {
    use Country::*;
    for (text, now, zone, country, expected) in [
        // 23:30 in London is the next morning in Shanghai, and still afternoon in New York.
        ("today", "2026-03-04T23:30:00Z", 0, None, "2026-03-04"),
        ("今天", "2026-03-04T23:30:00Z", 480, None, "2026-03-05"),
        ("tomorrow", "2026-03-05T01:00:00Z", -300, None, "2026-03-05"),
        (
            "in an hour",
            "2026-03-04T23:30:00Z",
            0,
            None,
            "2026-03-05T00:30",
        ),
        // Leap years and ends of months.
        ("tomorrow", "2028-02-28T12:00:00Z", 0, None, "2028-02-29"),
        ("a month ago", "2026-03-31T12:00:00Z", 0, None, "2026-02-28"),
        ("in a year", "2028-02-29T12:00:00Z", 0, None, "2029-02-28"),
        (
            "last month",
            "2026-01-15T12:00:00Z",
            0,
            None,
            "2025-12-01/2025-12-31",
        ),
        ("29 February", "2026-03-04T12:00:00Z", 0, None, ""),
        ("29 February", "2027-12-04T12:00:00Z", 0, None, "2028-02-29"),
        // The nearest year and month.
        ("28 December", "2026-01-04T12:00:00Z", 0, None, "2025-12-28"),
        ("3 January", "2026-12-20T12:00:00Z", 0, None, "2027-01-03"),
        ("on the 31st", "2026-03-04T12:00:00Z", 0, None, "2026-03-31"),
        ("on the 31th", "2026-03-04T12:00:00Z", 0, None, ""),
        ("1月2号", "2026-12-20T12:00:00Z", 0, None, "2027-01-02"),
        // Weeks begin on Monday.
        ("next Friday", "2026-03-06T12:00:00Z", 0, None, "2026-03-13"),
        ("Friday", "2026-03-06T12:00:00Z", 0, None, "2026-03-06"),
        ("last Friday", "2026-03-06T12:00:00Z", 0, None, "2026-02-27"),
        ("上周五", "2026-03-07T12:00:00Z", 0, None, "2026-02-27"),
        ("last Friday", "2026-03-07T12:00:00Z", 0, None, "2026-03-06"),
        (
            "this week",
            "2026-03-01T12:00:00Z",
            0,
            None,
            "2026-02-23/2026-03-01",
        ),
        // Day and month, by the country.
        (
            "3/4/2026",
            "2026-03-04T12:00:00Z",
            0,
            Some(Gb),
            "2026-04-03",
        ),
        (
            "3/4/2026",
            "2026-03-04T12:00:00Z",
            0,
            Some(Us),
            "2026-03-04",
        ),
        (
            "3/4/2026",
            "2026-03-04T12:00:00Z",
            0,
            Some(Cn),
            "2026-03-04",
        ),
        ("3/4/2026", "2026-03-04T12:00:00Z", 0, None, ""),
        ("13/4/2026", "2026-03-04T12:00:00Z", 0, None, "2026-04-13"),
        (
            "13/4/2026",
            "2026-03-04T12:00:00Z",
            0,
            Some(Us),
            "2026-04-13",
        ),
        ("13/14/2026", "2026-03-04T12:00:00Z", 0, Some(Us), ""),
        // Nothing is too far to be refused.
        ("in 999999999 years", "2026-03-04T12:00:00Z", 0, None, ""),
        ("in 999999999 weeks", "2026-03-04T12:00:00Z", 0, None, ""),
        ("99万天后", "2026-03-04T12:00:00Z", 0, None, "4736-09-13"),
        ("下午25点", "2026-03-04T12:00:00Z", 0, None, ""),
        ("25:30 12:60", "2026-03-04T12:00:00Z", 0, None, ""),
        (
            "05:30, 5:30 and 12:15 am",
            "2026-03-04T12:00:00Z",
            0,
            None,
            "05:30 17:30 00:15",
        ),
        (
            "上午12点半，晚上12点",
            "2026-03-04T12:00:00Z",
            0,
            None,
            "00:30 00:00",
        ),
    ] {
        assert_eq!(when(text, now, zone, country), expected, "{text} at {now}");
    }
    let mut buffers = Buffers::default();
    let found = recognise("tomorrow, 2026-03-05", &Context::default(), &mut buffers);
    assert_eq!(found.len(), 1, "without a clock, tomorrow is no day");
}

#[test]
fn addresses_have_parts() {
    for (text, expected) in [
        (
            "Flat 3, 48 Queen's Road, Bristol BS8 1RE",
            "Unit:Flat 3|Number:48|Street:Queen's Road|City:Bristol|Postcode:BS8 1RE",
        ),
        (
            "to 350 Fifth Avenue Apt 4B, New York, NY 10118-0110 please",
            "Number:350|Street:Fifth Avenue|Unit:Apt 4B|City:New York|Region:NY|Postcode:10118-0110",
        ),
        (
            "浙江省杭州市西湖区文三路100号3栋2单元201室",
            "Region:浙江省|City:杭州市|District:西湖区|Street:文三路|Number:100号|Building:3栋|Unit:2单元|Unit:201室",
        ),
        (
            "广西南宁市青秀区民族大道５号",
            "Region:广西|City:南宁市|District:青秀区|Street:民族大道|Number:５号",
        ),
        ("阳光小区3栋501", "Building:阳光小区|Building:3栋|Unit:501"),
        ("邮政编码：310012", "Postcode:310012"),
        // No postcode: Q is no area, C no letter of the last three, 0 no state's.
        (
            "QZ1 4DY or LS1 4CY, 1 Main St, Austin, TX 08701",
            "Number:1|Street:Main St|City:Austin|City:TX",
        ),
        ("邮编910012", ""),
        ("S21 8GB", ""),
    ] {
        let mut buffers = Buffers::default();
        let found = recognise(text, &Context::default(), &mut buffers).iter();
        let parts = found.filter_map(|it| match &it.value {
            Value::Address(parts) => Some(parts),
            _ => None,
        });
        let each = parts
            .flatten()
            .map(|it| format!("{:?}:{}", it.kind, &text[it.start..it.end]));
        assert_eq!(each.collect::<Vec<_>>().join("|"), expected, "{text}");
    }
}

#[test]
fn chinese_numerals_are_numbers() {
    for (text, expected) in [
        ("三", Some(3)),
        ("二十五", Some(25)),
        ("十", Some(10)),
        ("一百零五", Some(105)),
        ("两百五", Some(250)),
        ("一百五十", Some(150)),
        ("三千二百一十", Some(3210)),
        ("两万三千", Some(23_000)),
        ("三万五", Some(35_000)),
        ("3万", Some(30_000)),
        ("1.5万", Some(15_000)),
        ("twenty-five", Some(25)),
        ("one hundred and five", Some(105)),
        ("two thousand", Some(2000)),
        ("百", None),
        ("十百", None),
        ("二五", None),
        ("万", None),
        ("twentyfive", None),
    ] {
        let mut buffers = Buffers::default();
        buffers.read(text);
        let whole = buffers.whole(0).filter(|it| it.0 == buffers.places.len());
        assert_eq!(whole.map(|it| it.1), expected, "{text}");
    }
}
