use std::path::{Path, PathBuf};

use expect_test::expect;

use super::*;
use crate::watch::Silent;

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/online-retail")
}

#[test]
fn the_demo_shop_is_read_as_the_protocol_reads_it() {
    let imported = import(&demo(), None, &mut Silent).expect("the demo shop is readable");
    let report = &imported.report;
    // Facts of the data set, computed independently with pandas when the
    // evaluation protocol was prepared.
    assert_eq!(report.rows, 541_909);
    assert_eq!(report.rows_of(Rule::MissingCustomer), 135_080);
    assert_eq!(report.rows_of(Rule::Cancellation), 8_905);
    assert_eq!(
        report.rows_of(Rule::Quantity) + report.rows_of(Rule::Price),
        40
    );
    assert_eq!(report.rows_of(Rule::NotAProduct), 1_547);
    for rule in [Rule::Unparsable, Rule::OutOfRange, Rule::MixedCurrency] {
        assert_eq!(report.rows_of(rule), 0, "{rule:?}");
    }
    assert_eq!(
        report.rows,
        report.kept + report.refused,
        "every row is counted once"
    );
    // Rows, invoices of the prepared train, valid and test parts together.
    assert_eq!(report.lines, 260_239 + 47_820 + 78_267);
    assert_eq!(report.orders, 13_081 + 1_903 + 3_418);
    let shop = &imported.shop;
    let october = Timestamp::parse_rfc3339("2011-10-01T00:00:00Z")
        .expect("a time")
        .millis();
    let train = shop.before(october);
    assert_eq!(train.len(), 13_081);
    assert_eq!(train.iter().map(|o| o.lines.len()).sum::<usize>(), 260_239);
    let customers: std::collections::BTreeSet<u32> = train.iter().map(|o| o.customer).collect();
    assert_eq!(customers.len(), 3_613);
}

const MAPPING: &str = r#"
format = 1
currency = "GBP"
[columns]
order = "no"
product = "sku"
title = "name"
quantity = "n"
time = "at"
unit_price = "price"
customer = "who"
currency = "cur"
[time]
format = "%d/%m/%Y %H:%M"
utc_offset_minutes = 60
earliest = 2020-01-01T00:00:00Z
before = "2021-01-01T00:00:00Z"
[rules]
cancellation_prefixes = ["C"]
product_code = 'P\d+'
"#;

fn read_csv(text: &str, mapping: &str) -> Result<Imported> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("lines.csv"), text).expect("written");
    std::fs::write(folder.path().join("mapping.toml"), mapping).expect("written");
    import(folder.path(), None, &mut Silent)
}

#[test]
fn every_rule_counts_its_rows() {
    let imported = read_csv(
        "no,sku,name,n,at,price,who,cur\n\
         1,P1,Cup,2,02/01/2020 10:00,2.50,7,GBP\n\
         1,P1,Cup,3,02/01/2020 10:00,2.505,7,GBP\n\
         1,P1,Cup,x,02/01/2020 10:00,2.50,7,GBP\n\
         2,P2,Jug,1,01/01/2020 09:00,5,8,\n\
         3,P2,Jug,1,01/01/2019 09:00,5,8,GBP\n\
         4,P2,Jug,1,01/02/2020 09:00,5,8,EUR\n\
         5,P2,Jug,1,01/02/2020 09:00,5,,GBP\n\
         C6,P2,Jug,-1,01/02/2020 09:00,5,8,GBP\n\
         7,P2,Jug,0,01/02/2020 09:00,5,8,GBP\n\
         8,P2,Jug,1,01/02/2020 09:00,0.00,8,GBP\n\
         9,POST,Postage,1,01/02/2020 09:00,5,8,GBP\n\
         9,P2,Jug,1\n\
         10,P2,Jug,1,31/02/2020 09:00,nan,8,GBP\n",
        MAPPING,
    )
    .expect("two orders are left");
    let report = &imported.report;
    let counts: Vec<String> = report
        .rules
        .iter()
        .map(|r| {
            format!(
                "{:?} {} {:?}",
                r.rule,
                r.rows,
                r.examples.first().map(|e| (e.row, &e.fields))
            )
        })
        .collect();
    expect![[r#"
        Consent 0 None
        Again 0 None
        Unparsable 3 Some((3, ["n=x"]))
        OutOfRange 1 Some((5, ["at=01/01/2019 09:00"]))
        MixedCurrency 1 Some((6, ["cur=EUR"]))
        MissingCustomer 1 Some((7, ["no=5"]))
        Cancellation 1 Some((8, ["no=C6", "n=-1"]))
        Quantity 1 Some((9, ["n=0"]))
        Price 1 Some((10, ["price=0.00"]))
        NotAProduct 1 Some((11, ["sku=POST", "Postage"]))
        Id 0 None
        Flood 0 None
        Repeated 0 None
        Merged 1 Some((2, ["no=1", "sku=P1", "n=3"]))
        OutOfOrder 1 Some((4, ["at=01/01/2020 09:00"]))
        Rounded 1 Some((2, ["price=2.505"]))
        NotText 0 None"#]]
    .assert_eq(&counts.join("\n"));
    assert_eq!((report.rows, report.kept, report.refused), (13, 3, 10));
    let shop = &imported.shop;
    // 10:00 an hour east of Greenwich is 09:00 UTC; 2 at 2.50 and 3 at 2.51.
    assert_eq!(
        Timestamp(shop.orders[1].time).to_string(),
        "2020-01-02T09:00:00Z"
    );
    assert_eq!(
        shop.orders[1].lines,
        [Line {
            product: 0,
            quantity: 5,
            unit_price: 251
        }]
    );
}

#[test]
fn titles_may_have_a_table_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    let mapping = MAPPING.replace("title = \"name\"\n", "").replace(
        "[time]",
        "[titles]\ntable = \"products.csv\"\nproduct = \"code\"\ntitle = \"what\"\n[time]",
    );
    put("mapping.toml", &mapping);
    put(
        "lines.csv",
        "no,sku,n,at,price,who,cur\n\
         1,P1,2,02/01/2020 10:00,2.50,7,GBP\n\
         1,P2,2,02/01/2020 10:00,2.50,7,GBP\n\
         2,P3,2,02/01/2020 10:00,2.50,7,GBP\n",
    );
    put(
        "products.csv",
        "what,code\nCup,P1\n,P2\nJug,P3\nNever sold,P9\nno code,\ntorn\n",
    );
    let imported = import(folder.path(), None, &mut Silent).expect("readable");
    let titles: Vec<&str> = imported
        .shop
        .products
        .iter()
        .map(|p| p.title.as_str())
        .collect();
    assert_eq!(titles, ["Cup", "", "Jug"]);
    let report = &imported.report;
    assert_eq!(report.files, ["lines.csv"], "the titles are no order lines");
    let found = report.titles.as_ref().expect("told");
    assert_eq!((found.rows, found.unusable, found.products), (6, 3, 2));
    assert!(report.table().contains("titles, products.csv"));

    put(
        "mapping.toml",
        &mapping.replace("title = \"what\"", "title = \"what\"\nnew_products = true"),
    );
    put(
        "products.csv",
        "what,code\nCup,P1\n,P2\nJug,P3\nNever sold,P29\nno product,POST\n",
    );
    let with_new = import(folder.path(), None, &mut Silent).expect("readable");
    let codes: Vec<&str> = with_new
        .shop
        .products
        .iter()
        .map(|p| p.code.as_str())
        .collect();
    assert_eq!(codes, ["P1", "P2", "P29", "P3"]);
    let sold = |shop: &Shop| -> Vec<String> {
        let lines = shop.orders.iter().flat_map(|order| &order.lines);
        lines
            .map(|line| shop.products[line.product as usize].code.clone())
            .collect()
    };
    assert_eq!(sold(&with_new.shop), sold(&imported.shop));
    assert_eq!(with_new.shop.sold(i64::MAX), [true, true, false, true]);
    let found = with_new.report.titles.as_ref().expect("told");
    assert_eq!((found.products, found.new_products), (2, 1));
    put("mapping.toml", &mapping);

    put("products.csv", "what,code\nBecher,P1\n");
    let other = import(folder.path(), None, &mut Silent).expect("readable");
    assert_ne!(other.digest, imported.digest, "titles are data");
    put("products.csv", "what,code\nCup,1\n");
    let error = import(folder.path(), None, &mut Silent).expect_err("other codes");
    assert_eq!(error.faults()[0].code, "titles_unmatched");
    put("products.csv", "title,sku\nCup,P1\n");
    let error = import(folder.path(), None, &mut Silent).expect_err("other columns");
    let codes: Vec<&str> = error.faults().iter().map(|f| f.code).collect();
    assert_eq!(codes, ["column_missing", "column_missing"]);
    put(
        "mapping.toml",
        &mapping
            .replace("title = \"what\"", "colour = 1")
            .replace("[columns]", "[columns]\ntitle = \"name\""),
    );
    let error = import(folder.path(), None, &mut Silent).expect_err("much is wrong");
    let places: Vec<String> = error
        .faults()
        .iter()
        .map(|f| f.path.rsplit(": ").next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(places, ["titles.colour", "titles.title", "titles"]);
}

#[test]
fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = import(&folder.path().join("shop"), None, &mut Silent).expect_err("no shop");
    assert!(error.to_string().contains("shop"), "{error}");
    let error = import(folder.path(), None, &mut Silent).expect_err("no mapping");
    assert_eq!(error.faults()[0].code, "mapping_missing");
    std::fs::write(folder.path().join("mapping.toml"), MAPPING).expect("written");
    let error = import(folder.path(), None, &mut Silent).expect_err("no tables");
    assert_eq!(error.faults()[0].code, "no_tables");
}

#[test]
fn repeated_lines_may_be_refused() {
    let imported = read_csv(
        "no,sku,name,n,at,price,who,cur\n\
         1,P1,Cup,2,02/01/2020 10:00,2.50,7,GBP\n\
         1,P1,Cup,3,02/01/2020 10:00,2.50,7,GBP\n",
        &format!("{MAPPING}repeated_lines = \"refuse\"\n"),
    )
    .expect("one order");
    assert_eq!(imported.report.rows_of(Rule::Repeated), 1);
    assert_eq!((imported.report.kept, imported.report.refused), (1, 1));
    assert_eq!(imported.shop.orders[0].lines[0].quantity, 2);
}

#[test]
fn missing_columns_are_all_named() {
    let error = read_csv("no,product,n,at,price,who,cur\n", MAPPING).expect_err("no sku, no name");
    let codes: Vec<&str> = error.faults().iter().map(|f| f.code).collect();
    assert_eq!(codes, ["column_missing", "column_missing"]);
    assert!(
        error
            .to_string()
            .contains("the columns are no, product, n, at, price, who, cur"),
        "{error}"
    );
}

#[test]
fn every_fault_of_a_mapping_is_reported() {
    let error = Mapping::parse(
        r#"
        format = 2
        currency = "pounds"
        colour = "red"
        csv_delimiter = "tab"
        [columns]
        order = "no"
        product = "no"
        quantity = 3
        price = "p"
        time = "at"
        customer = "who"
        [time]
        format = "%Q"
        utc_offset_minutes = 5000
        earliest = "yesterday"
        [rules]
        cancellation_prefixes = ["C", 4]
        product_code = "("
        upper_case_products = "yes"
        repeated_lines = "maybe"
        "#,
        "mapping.toml",
    )
    .expect_err("much is wrong");
    let places: Vec<String> = error
        .faults()
        .iter()
        .map(|f| format!("{}: {}", f.path, f.cause.lines().next().unwrap_or_default()))
        .collect();
    expect![[r#"
        mapping.toml: colour: unknown key
        mapping.toml: format: missing or not a version that this program reads
        mapping.toml: currency: "pounds" is not an ISO 4217 code
        mapping.toml: csv_delimiter: "tab" is not one ASCII character
        mapping.toml: columns.price: unknown key
        mapping.toml: columns.quantity: is integer, not text
        mapping.toml: columns.unit_price: missing
        mapping.toml: columns: column "no" is named twice
        mapping.toml: time.utc_offset_minutes: 5000 is not an offset
        mapping.toml: time.format: "%Q" is not a time pattern
        mapping.toml: time.earliest: "yesterday" is not a time
        mapping.toml: rules.cancellation_prefixes[1]: is not a non-empty text
        mapping.toml: rules.product_code: not a regular expression: regex parse error:
        mapping.toml: rules.upper_case_products: is string
        mapping.toml: rules.repeated_lines: "maybe" is not a rule"#]]
    .assert_eq(&places.join("\n"));

    let error = Mapping::parse("format = 1\ncurrency = ", "m.toml").expect_err("not TOML");
    assert_eq!(error.faults()[0].code, "mapping_not_toml");
    assert_eq!(error.faults()[0].path, "m.toml: line 2");
}

#[test]
fn a_table_with_nothing_usable_is_an_error_with_the_report() {
    let error = read_csv(
        "no,sku,name,n,at,price,who,cur\n1,P1,Cup,2,02/01/2020 10:00,2.50,,GBP\n",
        MAPPING,
    )
    .expect_err("no customer");
    assert_eq!(error.faults()[0].code, "no_orders");
    assert!(error.to_string().contains("no customer"));
}

#[test]
fn a_truncated_parquet_file_is_an_error() {
    let bytes = std::fs::read(demo().join("online_retail.parquet")).expect("the demo table");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.parquet");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
    let error = import(&path, Some(&demo().join("mapping.toml")), &mut Silent).expect_err("cut");
    assert_eq!(error.faults()[0].code, "table_unreadable");
}

#[test]
fn columns_of_an_unusable_type_are_named() {
    use ::parquet::arrow::ArrowWriter;
    use arrow_array::{BooleanArray, RecordBatch, StringArray};
    use std::sync::Arc;
    let text = |v: &str| Arc::new(StringArray::from(vec![v])) as arrow_array::ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("no", text("1")),
        ("sku", text("P1")),
        ("name", text("Cup")),
        (
            "n",
            Arc::new(BooleanArray::from(vec![true])) as arrow_array::ArrayRef,
        ),
        ("at", text("02/01/2020 10:00")),
        ("price", text("2.50")),
        ("who", text("7")),
        ("cur", text("GBP")),
    ])
    .expect("a batch");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.parquet");
    let mut writer =
        ArrowWriter::try_new(File::create(&path).expect("created"), batch.schema(), None)
            .expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    std::fs::write(folder.path().join("mapping.toml"), MAPPING).expect("written");
    let error = import(&path, None, &mut Silent).expect_err("n is a truth value");
    assert_eq!(error.faults()[0].code, "column_type");
    assert!(error.faults()[0].path.ends_with(": n"));
}

#[test]
fn decimals_become_minor_units() {
    assert_eq!(minor_units("2.55", 2), Some((255, false)));
    assert_eq!(minor_units("-2.5", 2), Some((-250, false)));
    assert_eq!(minor_units("0.001", 2), Some((0, true)));
    assert_eq!(minor_units("0.005", 2), Some((1, true)));
    assert_eq!(minor_units("7", 0), Some((7, false)));
    assert_eq!(minor_units(".5", 2), Some((50, false)));
    assert_eq!(minor_units("1e3", 2), None);
    assert_eq!(minor_units("", 2), None);
    assert_eq!(minor_units("99999999999999999999999", 2), None);
}

#[test]
fn a_mapping_of_events_says_how_long_a_list_counts() {
    let of = |events: &str| {
        Mapping::parse(
            &format!("format = 1\ncurrency = \"EUR\"\n[events]\n{events}"),
            "m",
        )
    };
    let hours = |events| {
        of(events)
            .expect("a mapping")
            .window
            .map(|ms| ms / 3_600_000)
    };
    assert_eq!(hours(""), Some(24));
    assert_eq!(hours("window_hours = 720"), Some(720));
    assert_eq!(hours("[sequences]\nof = \"sessions\""), Some(24));
    for wrong in [
        "window_hours = 0",
        "window_hours = 721",
        "window_hours = \"1\"",
    ] {
        let error = of(wrong).expect_err("no window");
        assert_eq!(error.faults()[0].path, "m: events.window_hours");
    }
    let both = format!("{MAPPING}[sequences]\nof = \"sessions\"");
    let error = Mapping::parse(&both, "m").expect_err("tables have one or the other");
    assert_eq!(error.faults()[0].path, "m: sequences");
    assert!(
        Mapping::parse(MAPPING, "m")
            .expect("a mapping")
            .window
            .is_none()
    );
}

/// The header that [`MAPPING`] names.
const HEADER: &str = "no,sku,name,n,at,price,who,cur\n";

#[test]
fn ids_that_no_request_could_name_are_refused_by_the_import() {
    let long = "x".repeat(65);
    let mapping = MAPPING.replace("product_code = 'P\\d+'\n", "");
    let imported = read_csv(
        &format!(
            "{HEADER}1,P1,Cup,2,02/01/2020 10:00,2.50,7,GBP\n\
             2,{long},Cup,2,02/01/2020 10:00,2.50,7,GBP\n\
             3,P1,Cup,2,02/01/2020 10:00,2.50,{long},GBP\n\
             4,P\u{0}1,Cup,2,02/01/2020 10:00,2.50,7,GBP\n"
        ),
        &mapping,
    )
    .expect("one order is left");
    assert_eq!(imported.report.rows_of(Rule::Id), 3);
    assert_eq!(imported.report.kept, 1);
}

#[test]
fn a_title_that_is_not_utf_8_is_kept_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = HEADER.as_bytes().to_vec();
    text.extend_from_slice(b"1,P1,caf\xe9,2,02/01/2020 10:00,2.50,7,GBP\n");
    std::fs::write(folder.path().join("lines.csv"), text).expect("written");
    std::fs::write(folder.path().join("mapping.toml"), MAPPING).expect("written");
    let report = import(folder.path(), None, &mut Silent)
        .expect("kept")
        .report;
    assert_eq!((report.kept, report.rows_of(Rule::NotText)), (1, 1));
}

#[test]
fn a_quote_that_is_never_closed_stops_the_import() {
    let row = "1,P1,Cup,2,02/01/2020 10:00,2.50,7,GBP\n";
    let error = read_csv(
        &format!(
            "{HEADER}{row}1,P1,\"Cup,2,02/01/2020 10:00,2.50,7,GBP\n{}",
            row.repeat(200)
        ),
        MAPPING,
    )
    .expect_err("refused");
    assert_eq!(error.faults()[0].code, "csv_quote_open");
    assert!(error.faults()[0].path.ends_with("line 3"));
    // A line break inside quotes is a field's own affair.
    let ok = read_csv(
        &format!("{HEADER}1,P1,\"Cup\nred\",2,02/01/2020 10:00,2.50,7,GBP\n"),
        MAPPING,
    );
    assert_eq!(ok.expect("read").report.kept, 1);
}

/// A purchase as GA4 exports it to BigQuery, with numbers as it writes them.
fn purchase(order: &str, micros: u64, user: &str, items: &str, more: &str) -> String {
    format!(
        r#"{{"event_name":"purchase","event_timestamp":"{micros}","user_pseudo_id":"{user}","event_params":[{{"key":"currency","value":{{"string_value":"EUR"}}}}],"ecommerce":{{"transaction_id":"{order}"}},"geo":{{"country":"Austria"}},"items":[{items}]{more}}}"#
    )
}

#[test]
fn an_export_of_ga4_is_orders() {
    let folder = tempfile::tempdir().expect("a folder");
    let cup = r#"{"item_id":"P1","item_name":"A cup","price":2.95,"quantity":"3","coupon":"(not set)","item_category":"Kitchen","item_brand":"Acme"}"#;
    let plate = r#"{"item_id":"P2","item_name":"A plate","price":10}"#;
    let both = format!("{cup},{plate}");
    let day = 1_600_000_000_000_000;
    let refused = r#","privacy_info":{"analytics_storage":"No"}"#;
    let write = |name: &str, lines: &[String]| {
        std::fs::write(folder.path().join(name), lines.join("\n")).expect("written");
    };
    let first = purchase("T1", day, "u.1", &both, "");
    write(
        "20200913.jsonl",
        &[
            first.clone(),
            purchase("T2", day + 5_000_000, "u.2", cup, refused),
            purchase("T3", day + 6_000_000, "u.2", cup, r#","user_id":"anna""#),
            r#"{"event_name":"view_item","event_timestamp":"1","items":[{"item_id":"P9"}]}"#.into(),
        ],
    );
    // The same export again, and the thank-you page that was loaded again.
    write(
        "20200914.jsonl",
        &[first, purchase("T3", day + 9_000_000, "u.2", cup, "")],
    );
    std::fs::write(
        folder.path().join("mapping.toml"),
        "format = 1\ncurrency = \"EUR\"\n[events]\n",
    )
    .expect("written");
    let imported = import(folder.path(), None, &mut Silent).expect("orders");
    let report = &imported.report;
    assert_eq!((report.rows, report.kept, report.refused), (7, 3, 4));
    assert_eq!(report.rows_of(Rule::Consent), 1);
    assert_eq!(report.rows_of(Rule::Again), 3);
    let shop = &imported.shop;
    let titles: Vec<&str> = shop.products.iter().map(|p| p.title.as_str()).collect();
    assert_eq!(titles, ["A cup", "A plate"]);
    assert_eq!(shop.products[0].attributes, ["Kitchen", "Acme", ""]);
    assert_eq!(shop.products[1].attributes, ["", "", ""]);
    let customers: Vec<&str> = shop.customers.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(customers, ["anna", "u.1"]);
    assert_eq!(shop.orders[0].id, "T1");
    assert_eq!(shop.orders[0].time, (day / 1_000) as i64);
    let line = |product, quantity, unit_price| Line {
        product,
        quantity,
        unit_price,
    };
    assert_eq!(shop.orders[0].lines, [line(0, 3, 295), line(1, 1, 1_000)]);
}

#[test]
fn our_own_stream_of_events_is_orders() {
    let folder = tempfile::tempdir().expect("a folder");
    let event = |id: &str, kind: &str, params: &str| {
        format!(
            r#"{{"specversion":"1.0","type":"shelfedge.event.v1","source":"/web","id":"{id}","subject":"anna","time":"2026-03-01T10:00:00Z","data":{{"name":"{kind}","params":{{{params}}}}}}}"#
        )
    };
    let bought = r#""transaction_id":"T1","currency":"EUR","items":[{"item_id":"P1","quantity":2,"price":2.95}]"#;
    let lines = [
        event("a", "view_item", r#""items":[{"item_id":"P1"}]"#),
        event("b", "purchase", bought),
        event("b", "purchase", bought),
        event(
            "c",
            "purchase",
            r#""items":[{"item_id":"P1","quantity":0}]"#,
        ),
        "{".to_owned(),
    ];
    std::fs::write(folder.path().join("events.jsonl"), lines.join("\n")).expect("written");
    std::fs::write(
        folder.path().join("mapping.toml"),
        "format = 1\ncurrency = \"EUR\"\n[events]\n",
    )
    .expect("written");
    let imported = import(folder.path(), None, &mut Silent).expect("orders");
    let report = &imported.report;
    assert_eq!((report.kept, report.refused), (1, 3));
    assert_eq!(report.rows_of(Rule::Unparsable), 2);
    assert_eq!(report.rows_of(Rule::Again), 1);
    assert_eq!(imported.shop.orders[0].lines[0].unit_price, 295);
}

/// Writes a file of a folder.
fn put(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("written");
}

/// All files of a store but its lock, by name.
fn bytes(store: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(store).expect("a store");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into()
    };
    files
        .map(|path| (name(&path), std::fs::read(&path).expect("readable")))
        .filter(|(name, _): &(String, _)| name != ".lock")
        .collect()
}

/// What two imports have in common, if they are of the same rows.
fn same(one: &Imported, other: &Imported) {
    let counts = |report: &Report| {
        let counts = report.rules.iter().map(|rule| (rule.rule, rule.rows));
        (counts.collect::<Vec<_>>(), report.rows, report.kept)
    };
    assert_eq!(counts(&one.report), counts(&other.report));
    assert_eq!(one.shop.products, other.shop.products);
    assert_eq!(one.shop.customers, other.shop.customers);
    assert!(one.shop.orders == other.shop.orders);
}

#[test]
fn increments_of_a_real_shop_are_one_import_of_it() {
    use ::parquet::arrow::ArrowWriter;
    use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let shop = at("shop");
    std::fs::create_dir(&shop).expect("a folder");
    for name in ["mapping.toml", "ATTRIBUTION.md"] {
        std::fs::copy(demo().join(name), shop.join(name)).expect("copied");
    }
    // A third of the rows in each of three tables.
    let file = File::open(demo().join("online_retail.parquet")).expect("the demo table");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
    let reader = reader.with_batch_size(180_637).build().expect("a reader");
    let mut parts = Vec::new();
    for (batch, name) in reader.zip(["1.parquet", "2.parquet", "3.parquet"]) {
        let batch = batch.expect("rows");
        let mut part = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut part, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("written");
        writer.close().expect("closed");
        parts.push((name, part));
    }
    assert_eq!(parts.len(), 3);

    // The middle, then the end, then the beginning.
    for (number, part) in [1, 2, 0].into_iter().enumerate() {
        let (name, bytes) = &parts[part];
        std::fs::write(shop.join(name), bytes).expect("written");
        let added = update(&shop, None, &at("grown"), None, &mut Silent).expect("an increment");
        assert_eq!(added.read, [*name]);
        assert_eq!(added.known.len(), number);
        assert_eq!(added.rows, [180_637, 361_272, 541_909][number]);
    }
    update(&shop, None, &at("whole"), None, &mut Silent).expect("an import");
    assert!(bytes(&at("grown")) == bytes(&at("whole")));

    let raw = import(&shop, None, &mut Silent).expect("the shop");
    let kept = import(&at("grown"), None, &mut Silent).expect("the store");
    same(&raw, &kept);
    assert_eq!(kept.report.lines, 260_239 + 47_820 + 78_267);
    assert_eq!(kept.attribution, raw.attribution);
    assert!(kept.attribution.is_some());
}

/// Two days of events: `T1` and its page loaded again on the second, one order
/// without consent, two of anna's, and what was looked at.
fn two_days(folder: &Path) {
    let cup = r#"{"item_id":"P1","item_name":"A cup","price":2.95,"quantity":"3"}"#;
    let jug = r#"{"item_id":"P2","item_name":"A jug","price":10}"#;
    let refused = r#","privacy_info":{"analytics_storage":"No"}"#;
    let look = r#"{"event_name":"view_item","event_timestamp":"1600000000000000","user_pseudo_id":"u.1","event_params":[{"key":"ga_session_id","value":{"int_value":"7"}}],"items":[{"item_id":"P9"}]}"#;
    let day = 1_600_000_000_000_000;
    let first = [
        purchase("T1", day, "u.1", cup, ""),
        purchase("T2", day + 1, "u.2", cup, refused),
        look.to_owned(),
        look.to_owned(),
        purchase("T3", day + 2_000_000, "u.3", jug, r#","user_id":"anna""#),
    ];
    let second = [
        purchase("T1", day + 9_000_000, "u.1", jug, ""),
        "no event".to_owned(),
        purchase("T4", day + 90_000_000, "u.4", jug, ""),
        purchase("T5", day + 91_000_000, "u.3", cup, r#","user_id":"anna""#),
    ];
    put(folder, "1.jsonl", &first.join("\n"));
    put(folder, "2.jsonl", &second.join("\n"));
    let mapping = "format = 1\ncurrency = \"EUR\"\n[events]\n[sequences]\nof = \"sessions\"\n";
    put(folder, "mapping.toml", mapping);
}

#[test]
fn increments_of_events_are_one_import_in_any_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let (shop, late) = (at("shop"), at("late"));
    std::fs::create_dir(&shop).expect("a folder");
    std::fs::create_dir(&late).expect("a folder");
    two_days(&shop);
    std::fs::rename(shop.join("1.jsonl"), late.join("1.jsonl")).expect("moved");
    std::fs::copy(shop.join("mapping.toml"), late.join("mapping.toml")).expect("copied");
    // The second day is read first, and gone when the first one comes.
    update(&shop, None, &at("grown"), None, &mut Silent).expect("an increment");
    let added = update(&late, None, &at("grown"), None, &mut Silent).expect("an increment");
    assert_eq!(
        (added.read.as_slice(), added.rows),
        (&["1.jsonl".to_owned()][..], 9)
    );

    std::fs::rename(late.join("1.jsonl"), shop.join("1.jsonl")).expect("moved");
    update(&shop, None, &at("whole"), None, &mut Silent).expect("an import");
    let before = bytes(&at("whole"));
    assert!(bytes(&at("grown")) == before);
    let raw = import(&shop, None, &mut Silent).expect("the shop");
    let kept = import(&at("grown"), None, &mut Silent).expect("the store");
    same(&raw, &kept);
    // The first day's, of cups.
    assert_eq!(kept.shop.orders[0].lines[0].product, 0);
    assert_eq!(kept.report.rows_of(Rule::Again), 1);
    assert_eq!(kept.report.rows_of(Rule::Consent), 1);
    assert_eq!(kept.report.rows_of(Rule::Unparsable), 1);
    let examples = &kept.report.rules[Rule::Again as usize].examples;
    assert_eq!((examples[0].file.as_str(), examples[0].row), ("2.jsonl", 1));
    let looks = |shop: &Path| sequences::import(shop, None, &mut Silent).expect("looks").1;
    let (one, other) = (looks(&shop), looks(&at("grown")));
    assert_eq!(one.report, other.report);
    assert_eq!(
        (one.ids.as_slice(), one.ids == other.ids),
        (&["u.1.7".to_owned()][..], true)
    );

    // The same files add nothing, nor does a copy, whichever was read first.
    let again = update(&shop, None, &at("whole"), None, &mut Silent).expect("nothing new");
    assert_eq!((again.read.len(), again.known.len(), again.rows), (0, 2, 9));
    assert!(bytes(&at("whole")) == before);
    std::fs::copy(shop.join("2.jsonl"), shop.join("0.jsonl")).expect("copied");
    update(&shop, None, &at("whole"), None, &mut Silent).expect("a copy");
    update(&shop, None, &at("copies"), None, &mut Silent).expect("a copy");
    assert!(bytes(&at("whole")) == bytes(&at("copies")));
    let copied = import(&at("copies"), None, &mut Silent).expect("the store");
    assert_eq!(copied.report.rows, kept.report.rows);

    // A file that changed is named, and nothing of the import is kept.
    let before = bytes(&at("whole"));
    put(&shop, "1.jsonl", "{}");
    put(&shop, "3.jsonl", "{}");
    let error = update(&shop, None, &at("whole"), None, &mut Silent).expect_err("changed");
    assert_eq!(error.faults()[0].code, "file_changed");
    assert!(error.faults()[0].path.ends_with("1.jsonl"));
    assert!(bytes(&at("whole")) == before);
}

/// Every text in these columns of a store's events.
fn texts_of(store: &Path, columns: [&str; 3]) -> BTreeSet<String> {
    struct All(BTreeSet<String>);
    impl Rows<3> for All {
        fn row(&mut self, cells: [Cell<'_>; 3]) {
            self.0.extend(cells.map(|cell| cell.text().into_owned()));
        }
        fn broken(&mut self, _: String) {}
    }
    let mut all = All(BTreeSet::new());
    for (name, _) in bytes(store)
        .iter()
        .filter(|(name, _)| name.ends_with(".part"))
    {
        parquet::read(&store.join(name), columns.map(Some), &mut all, &mut Silent).expect("a part");
    }
    all.0
}

#[test]
fn who_was_erased_or_did_not_consent_is_not_in_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let shop = at("shop");
    std::fs::create_dir(&shop).expect("a folder");
    two_days(&shop);
    let second = std::fs::read_to_string(shop.join("2.jsonl")).expect("the second day");
    std::fs::remove_file(shop.join("2.jsonl")).expect("removed");
    update(&shop, None, &at("store"), None, &mut Silent).expect("an increment");
    let who = ["customer", "viewer", "order"];
    let texts = texts_of(&at("store"), who);
    assert!(texts.contains("anna") && texts.contains("T3"));
    assert!(
        !texts.contains("u.2") && !texts.contains("T2"),
        "without consent"
    );

    // Erased, and still so when more comes of her and the list forgets her.
    put(folder.path(), "gone.txt", "anna\n\n");
    let gone = at("gone.txt");
    let erased = update(&shop, None, &at("store"), Some(&gone), &mut Silent).expect("erased");
    assert_eq!((erased.read.len(), erased.erased, erased.rows), (0, 1, 4));
    assert!(!texts_of(&at("store"), who).contains("anna"));
    put(&shop, "2.jsonl", &second);
    let more = update(&shop, None, &at("store"), None, &mut Silent).expect("an increment");
    assert_eq!((more.read.len(), more.erased), (1, 2));
    let texts = texts_of(&at("store"), who);
    assert!(texts.contains("T4"));
    for of_her in ["anna", "u.3", "T3", "T5"] {
        assert!(!texts.contains(of_her), "{of_her}");
    }
    let json = std::fs::read_to_string(at("store").join(STORE)).expect("readable");
    assert!(!json.contains("anna"));
    let kept = import(&at("store"), None, &mut Silent).expect("the store");
    let customers: Vec<&str> = kept.shop.customers.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(customers, ["u.1", "u.4"]);
    // When she was erased leaves no trace.
    update(&shop, None, &at("whole"), Some(&gone), &mut Silent).expect("an import");
    assert!(bytes(&at("whole")) == bytes(&at("store")));
    // A store alone will do, when the files are gone.
    update(&shop, None, &at("late"), None, &mut Silent).expect("an import");
    update(&at("late"), None, &at("late"), Some(&gone), &mut Silent).expect("erased");
    assert!(bytes(&at("late")) == bytes(&at("store")));
    // Her device is hers, too.
    put(folder.path(), "gone.txt", "u.3");
    update(&shop, None, &at("device"), Some(&gone), &mut Silent).expect("an import");
    assert!(!texts_of(&at("device"), who).contains("anna"));
}

/// Stops after so many steps.
struct Stops(u64);

impl Watch for Stops {
    fn step(&mut self, _: &'static str, _: u64, _: u64, _: &str) {
        self.0 = self.0.saturating_sub(1);
    }

    fn cancelled(&self) -> bool {
        self.0 == 0
    }
}

#[test]
fn an_import_that_is_stopped_leaves_the_store_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let shop = at("shop");
    std::fs::create_dir(&shop).expect("a folder");
    put(&shop, "mapping.toml", MAPPING);
    let table = |order: usize| {
        let row = |n| format!("{order}{n},P{n},Cup,2,02/01/2020 10:00,2.50,7,GBP\n");
        format!("{HEADER}{}", (0..10_000).map(row).collect::<String>())
    };
    put(&shop, "1.csv", &table(1));
    update(&shop, None, &at("store"), None, &mut Silent).expect("an import");
    let before = bytes(&at("store"));
    put(&shop, "2.csv", &table(2));
    put(&shop, "3.csv", &table(3));
    // The two tables take three steps each.
    for steps in 0..6 {
        let outcome = update(&shop, None, &at("store"), None, &mut Stops(steps));
        assert!(matches!(outcome, Err(Error::Cancelled)), "{steps}");
        let left = bytes(&at("store"));
        assert!(
            before
                .iter()
                .all(|(name, bytes)| left.get(name) == Some(bytes))
        );
        assert_eq!(
            import(&at("store"), None, &mut Silent)
                .expect("it")
                .report
                .rows,
            10_000
        );
    }
    // What a process that was killed leaves is nobody's.
    put(&at("store"), ".partial", "half");
    put(&at("store"), ".import.json.partial", "half");
    put(
        &at("store"),
        "0123456789abcdef0123456789abcdef.part",
        "half",
    );
    update(&shop, None, &at("store"), None, &mut Silent).expect("an increment");
    update(&shop, None, &at("whole"), None, &mut Silent).expect("an import");
    assert!(bytes(&at("store")) == bytes(&at("whole")));
}

#[test]
fn a_store_of_tables_has_what_the_rules_see() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let shop = at("shop");
    std::fs::create_dir(&shop).expect("a folder");
    put(&shop, "mapping.toml", MAPPING);
    put(
        &shop,
        "lines.csv",
        &format!(
            "{HEADER}1,P1,Cup,2,02/01/2020 10:00,2.505,7,GBP\n\
             1,P1,Cup,3,02/01/2020 10:00,2.50,7,GBP\n\
             1,P1,Cup,x,02/01/2020 10:00,2.50,7,GBP\n\
             1,P1,Cup,1,31/02/2020 10:00,2.50,7,GBP\n\
             2,P2,Jug,1,01/01/2020 09:00,5,8,\n\
             3,P2,Jug,1,01/01/2019 09:00,5,8,GBP\n\
             4,P2,Jug,1,01/02/2020 09:00,5,8,EUR\n\
             5,P2,Jug,1,01/02/2020 09:00,5,,GBP\n\
             C6,P2,Jug,-1,01/02/2020 09:00,5,8,GBP\n\
             8,P2,Jug,1,01/02/2020 09:00,0.00,8,GBP\n\
             9,POST,Postage,1,01/02/2020 09:00,5,8,GBP\n\
             9,P2\n"
        ),
    );
    update(&shop, None, &at("store"), None, &mut Silent).expect("an import");
    let raw = import(&shop, None, &mut Silent).expect("the shop");
    same(
        &raw,
        &import(&at("store"), None, &mut Silent).expect("the store"),
    );

    let code = |error: Error| error.faults()[0].code;
    let fails = |shop: &Path, into: &Path| update(shop, None, into, None, &mut Silent);
    assert_eq!(
        code(fails(&at("store"), &at("x")).expect_err("a store")),
        "shop_is_a_store"
    );
    assert_eq!(
        code(fails(&shop, &shop).expect_err("no store")),
        "into_not_a_store"
    );
    let lock = File::create(at("store").join(".lock")).expect("a lock");
    lock.lock().expect("locked");
    assert_eq!(
        code(fails(&shop, &at("store")).expect_err("busy")),
        "store_busy"
    );
    drop(lock);
    put(
        &shop,
        "mapping.toml",
        &MAPPING.replace("before", "# before"),
    );
    assert_eq!(
        code(fails(&shop, &at("store")).expect_err("other")),
        "store_mapping_changed"
    );
    let before = bytes(&at("store"));
    let (part, _) = before
        .iter()
        .find(|(name, _)| name.ends_with(".part"))
        .expect("a part");
    put(&at("store"), part, "PAR1");
    let damaged = import(&at("store"), None, &mut Silent).expect_err("not as written");
    assert_eq!(code(damaged), "store_damaged");
    put(&at("store"), STORE, "{}");
    let damaged = import(&at("store"), None, &mut Silent).expect_err("not as written");
    assert_eq!(code(damaged), "store_damaged");
}

#[test]
fn titles_of_a_store_are_the_newest() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let shop = at("shop");
    std::fs::create_dir(&shop).expect("a folder");
    let mapping = MAPPING.replace("title = \"name\"\n", "").replace(
        "[time]",
        "[titles]\ntable = \"products.csv\"\nproduct = \"code\"\ntitle = \"what\"\n[time]",
    );
    put(&shop, "mapping.toml", &mapping);
    put(
        &shop,
        "1.csv",
        &format!("{HEADER}1,P1,-,2,02/01/2020 10:00,2.50,7,GBP\n"),
    );
    assert!(
        update(&shop, None, &at("store"), None, &mut Silent).is_err(),
        "no titles"
    );
    put(&shop, "products.csv", "what,code\nCup,P1\n");
    update(&shop, None, &at("store"), None, &mut Silent).expect("an import");
    let title = |store: &str| {
        let kept = import(&at(store), None, &mut Silent).expect("the store");
        kept.shop.products[0].title.clone()
    };
    assert_eq!(title("store"), "Cup");
    put(&shop, "products.csv", "what,code\nBecher,P1\n");
    update(&shop, None, &at("store"), None, &mut Silent).expect("an import");
    update(&shop, None, &at("whole"), None, &mut Silent).expect("an import");
    assert_eq!(title("store"), "Becher");
    assert!(bytes(&at("store")) == bytes(&at("whole")));
    std::fs::remove_file(shop.join("products.csv")).expect("removed");
    update(&shop, None, &at("store"), None, &mut Silent).expect("the titles stay");
    assert_eq!(title("store"), "Becher");
}

#[test]
fn a_customer_with_too_many_rows_is_no_shopper() {
    let row = |order: u64, product: &str, who: &str| {
        format!("{order},{product},Cup,1,02/01/2020 10:00,2.50,{who},GBP\n")
    };
    let flood: String = (0..=MOST_ROWS).map(|n| row(n, "P9", "bot")).collect();
    let most: String = (0..MOST_ROWS)
        .map(|n| row(n + 1_000_000, "P2", "busy"))
        .collect();
    let text = format!("{HEADER}{}{flood}{most}", row(7_000_000, "P1", "anna"));
    let imported = read_csv(&text, MAPPING).expect("the others");
    let report = &imported.report;
    assert_eq!(report.rows_of(Rule::Flood), MOST_ROWS + 1);
    assert_eq!(report.rows, report.kept + report.refused);
    assert_eq!(report.orders, MOST_ROWS + 1);
    let shop = &imported.shop;
    let customers: Vec<&str> = shop.customers.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(customers, ["anna", "busy"]);
    let products: Vec<&str> = shop.products.iter().map(|p| p.code.as_str()).collect();
    assert_eq!(products, ["P1", "P2"]);
    let orders = shop.orders.iter().map(|order| &order.lines[0]);
    assert_eq!(orders.filter(|line| line.product == 0).count(), 1);
}

/// An event of our own stream, some milliseconds after ten o'clock.
fn event(id: &str, after: i64, who: &str, kind: &str, params: &str) -> String {
    let time = Timestamp(1_772_359_200_000 + after);
    format!(
        r#"{{"specversion":"1.0","type":"shelfedge.event.v1","source":"/web","id":"{id}",{who}"time":"{time}","data":{{"name":"{kind}","params":{{{params}}}}}}}"#
    )
}

const ANNA: &str = r#""subject":"anna","#;

/// Lists with known answers.
fn lists() -> Vec<String> {
    let said = r#""item_list_id":"home","exposure_id":"x1","model":"sha256:aa","arm":"explore""#;
    let shown = r#""items":[{"item_id":"A","index":0,"propensity":0.5},{"item_id":"B","index":1,"propensity":0.25},{"item_id":"C","index":2,"propensity":1}]"#;
    let of = |item: &str| format!(r#""items":[{{"item_id":"{item}"}}]"#);
    let from = |item: &str, list: &str| format!(r#""exposure_id":"{list}",{}"#, of(item));
    let bought = |item: &str| format!(r#""transaction_id":"T-{item}",{}"#, of(item));
    let day = 24 * 3_600_000;
    let lines = [
        event("a", 0, ANNA, "view_item_list", &format!("{said},{shown}")),
        event("b", 2_000, ANNA, "select_item", &from("A", "x1")),
        event("c", 3_000, ANNA, "select_item", &from("A", "x1")),
        event("d", 5_000, ANNA, "add_to_cart", &from("A", "x1")),
        event("e", day, ANNA, "purchase", &bought("A")),
        // A millisecond too late, of somebody else, not shown, never shown, before.
        event("f", day + 1, ANNA, "purchase", &bought("B")),
        event("g", 9_000, r#""subject":"bob","#, "select_item", &of("A")),
        event("h", 9_000, ANNA, "select_item", &from("D", "x1")),
        event("i", 9_000, ANNA, "select_item", &from("A", "x9")),
        event("j", -1, ANNA, "add_to_cart", &from("A", "x1")),
        // Again, of nobody, and shown twice.
        event("b", 2_000, ANNA, "select_item", &from("A", "x1")),
        event("k", 0, "", "select_item", &of("A")),
        event(
            "l",
            0,
            ANNA,
            "view_item_list",
            r#""items":[{"item_id":"A"},{"item_id":"A"}]"#,
        ),
        event("m", 0, ANNA, "view_item", &of("A")),
    ];
    lines.into()
}

/// GA4's: a list of two lists, without propensities, by a device that logs in.
fn ga4_lists() -> Vec<String> {
    let line = |name: &str, after: i64, more: &str, items: &str| {
        let micros = 1_772_359_200_000_000 + after;
        format!(
            r#"{{"event_name":"{name}","event_timestamp":"{micros}","user_pseudo_id":"d.1","event_params":[{{"key":"ga_session_id","value":{{"int_value":"4"}}}}],"items":[{items}]{more}}}"#
        )
    };
    let item = |item: &str, list: &str, at: &str| {
        format!(r#"{{"item_id":"{item}","item_list_id":"{list}","item_list_index":"{at}"}}"#)
    };
    let both = [
        item("A", "new", "1"),
        item("B", "new", "2"),
        item("A", "sale", "1"),
    ]
    .join(",");
    let anna = r#","user_id":"anna""#;
    let refused = r#","privacy_info":{"analytics_storage":"No"}"#;
    vec![
        line("view_item_list", 0, "", &both),
        line("select_item", 1_000_000, "", &item("A", "sale", "1")),
        line("purchase", 7_000_000, anna, r#"{"item_id":"B","price":1}"#),
        line("view_item_list", 0, refused, &both),
        line("page_view", 0, "", ""),
    ]
}

fn events(folder: &Path, lines: &[String]) {
    put(folder, "events.jsonl", &lines.join("\n"));
    put(
        folder,
        "mapping.toml",
        "format = 1\ncurrency = \"EUR\"\n[events]\n",
    );
}

#[test]
fn what_was_shown_is_joined_with_what_came_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    events(folder.path(), &lists());
    let out = folder.path().join("joined/impressions.parquet");
    let found = impressions(folder.path(), None, Some(&out), &mut Silent).expect("a join");
    assert_eq!((found.lists, found.shown, found.with_propensity), (1, 3, 3));
    let done = |kind, all, joined, places| Done {
        kind,
        all,
        joined,
        places,
    };
    let expected = [
        done("click", 5, 2, 1),
        done("add_to_cart", 2, 1, 1),
        done("purchase", 2, 1, 1),
    ];
    assert_eq!(found.done, expected);
    let orphans: Vec<String> = found
        .orphans
        .iter()
        .map(|orphans| format!("{} {}", orphans.outcomes, orphans.reason))
        .collect();
    expect![[r#"
        2 no list had shown the product to this viewer in time
        1 the list it names did not show the product
        1 the list it names was not shown to this viewer
        1 the list it names was shown later"#]]
    .assert_eq(&orphans.join("\n"));
    let refused = found.rules.iter().filter(|rule| rule.rows > 0);
    let refused: Vec<_> = refused
        .map(|r| (r.rule, r.rows, r.examples[0].row))
        .collect();
    let expected = [
        (Rule::Again, 1, 11),
        (Rule::MissingCustomer, 1, 12),
        (Rule::Exposure, 2, 13),
    ];
    assert_eq!(refused, expected);
    assert_eq!(found.rows, 3 + 9 + 1 + 1 + 2);
    assert!(found.table().contains("the list it names was shown later"));

    // As feedback: C had its place for certain, which tells nothing of others.
    let read =
        |reward: &str| feedback::import_impressions(&out, reward, &mut Silent).expect("feedback");
    let clicks = read("click");
    let rows: Vec<_> = clicks
        .decisions
        .iter()
        .map(|d| (d.cluster, d.action, d.position, d.reward, d.propensity))
        .collect();
    assert_eq!(rows, [(0, 0, 0, 1.0, 0.5), (0, 1, 1, 0.0, 0.25)]);
    let rewards = |of: &str| read(of).decisions.iter().map(|d| d.reward).sum::<f64>();
    assert_eq!((rewards("cart"), rewards("purchase")), (1.0, 1.0));
    let log = shelfedge_insight::Log::new(clicks.decisions.clone(), clicks.actions());
    assert_eq!(log.expect("a log").decisions().len(), 2);
    let all = feedback::import_table(&out, &mut Silent).expect("with certain places");
    assert_eq!(all.rows, [0, 1, 2]);

    struct After(Vec<String>);
    impl Rows<5> for After {
        fn row(&mut self, cells: [Cell<'_>; 5]) {
            self.0
                .push(cells.map(|cell| cell.text().into_owned()).join(" "));
        }
        fn broken(&mut self, _: String) {}
    }
    let mut after = After(Vec::new());
    let columns = [
        "product",
        "model",
        "click_after_ms",
        "cart_after_ms",
        "purchase_after_ms",
    ];
    parquet::read(&out, columns.map(Some), &mut after, &mut Silent).expect("a table");
    let expected = [
        "A sha256:aa 2000 5000 86400000",
        "B sha256:aa   ",
        "C sha256:aa   ",
    ];
    assert_eq!(after.0, expected);
}

#[test]
fn an_export_of_ga4_has_lists_too_and_a_store_keeps_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let shop = at("shop");
    std::fs::create_dir(&shop).expect("a folder");
    events(&shop, &ga4_lists());
    let found = impressions(&shop, None, Some(&at("raw.parquet")), &mut Silent).expect("a join");
    assert_eq!((found.lists, found.shown, found.with_propensity), (2, 3, 0));
    // The click names its list; who bought had logged in on the same device.
    let joined: Vec<_> = found
        .done
        .iter()
        .map(|d| (d.kind, d.all, d.joined))
        .collect();
    assert_eq!(
        joined,
        [("click", 1, 1), ("add_to_cart", 0, 0), ("purchase", 1, 1)]
    );
    assert_eq!(found.rules[0].rule, Rule::Consent);
    assert_eq!(found.rules[0].rows, 3);
    let none = feedback::import_impressions(&at("raw.parquet"), "click", &mut Silent);
    assert!(none.expect("no propensities").rows.is_empty());

    update(&shop, None, &at("store"), None, &mut Silent).expect("an import");
    let kept = impressions(&at("store"), None, Some(&at("kept.parquet")), &mut Silent);
    let json = |found: &ImpressionReport| serde_json::to_string(found).expect("JSON");
    assert_eq!(json(&kept.expect("a join")), json(&found));
    let table = |name: &str| std::fs::read(at(name)).expect("a table");
    assert!(table("kept.parquet") == table("raw.parquet"));

    let tables = impressions(&demo(), None, None, &mut Silent).expect_err("no events");
    assert_eq!(tables.faults()[0].code, "no_events");
}

#[test]
fn a_viewer_with_too_many_events_is_left_out_of_the_join() {
    let folder = tempfile::tempdir().expect("a folder");
    let items: Vec<String> = (0..200)
        .map(|n| format!(r#"{{"item_id":"P{n}"}}"#))
        .collect();
    let items = format!(r#""items":[{}]"#, items.join(","));
    let bot = r#""subject":"bot","#;
    let mut lines = lists();
    lines.extend((0..=505).map(|n| event(&format!("l{n}"), n, bot, "view_item_list", &items)));
    events(folder.path(), &lines);
    let found = impressions(folder.path(), None, None, &mut Silent).expect("a join");
    assert_eq!((found.lists, found.shown), (1, 3));
    let flood = found.rules.iter().find(|rule| rule.rule == Rule::Flood);
    assert_eq!(flood.map(|flood| flood.rows), Some(506 * 200));
}

#[test]
fn a_check_says_what_the_data_is_good_for() {
    let found = check(&demo(), None, &mut Silent).expect("the demo shop");
    assert_eq!(found.usable_by, ["ranking", "basket"]);
    assert!(found.findings.is_empty(), "{:?}", found.findings);
    assert!(found.table().ends_with("usable by: ranking, basket"));

    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "mapping.toml", MAPPING);
    let check_of = |rows: &str| {
        put(folder.path(), "lines.csv", &format!("{HEADER}{rows}"));
        check(folder.path(), None, &mut Silent).expect("a check")
    };
    let codes = |found: &Check| {
        let findings = found.findings.iter();
        findings
            .map(|f| (f.code, f.stops.join(" ")))
            .collect::<Vec<_>>()
    };
    let found = check_of(
        "1,P1,Cup,2,02/01/2020 10:00,2.50,7,GBP\n1,P1,Cup,2,02/01/2020 10:00,,7,GBP\n1,P1,Cup,2,02/01/2020 10:00,,7,GBP\n",
    );
    let expected = [
        ("too_little_history", "ranking"),
        ("too_little_history", "basket"),
        ("one_product", "ranking basket"),
        ("equal_prices", ""),
        ("mostly_refused", ""),
    ];
    assert_eq!(
        codes(&found),
        expected.map(|(code, stops)| (code, stops.to_owned()))
    );
    assert!(found.usable_by.is_empty());
    assert!(
        found.table().contains("lines.csv row 2: price="),
        "{}",
        found.table()
    );
    assert!(found.table().ends_with("not usable"));
    let row = |day: u32| {
        let at = format!(
            "{:02}/{:02}/20{:02} 10:00",
            1 + day % 28,
            1 + day / 28 % 12,
            20 + day / 336
        );
        format!(
            "{day},P{},Cup,2,{at},2.5{},c{},GBP\n",
            day % 2,
            day % 3,
            day % 30
        )
    };
    let mut rows: String = (0..200).map(row).collect();
    assert!(
        codes(&check_of(&rows))
            .iter()
            .all(|(code, _)| *code != "dates_ahead")
    );
    rows += &row(3_360);
    let open = MAPPING.replace("before = \"2021-01-01T00:00:00Z\"\n", "");
    put(folder.path(), "mapping.toml", &open);
    let found = check_of(&rows);
    put(folder.path(), "mapping.toml", MAPPING);
    let ahead = found.findings.iter().find(|it| it.code == "dates_ahead");
    let ahead = ahead.unwrap_or_else(|| panic!("{}", found.table()));
    assert_eq!(ahead.stops, ["basket"]);
    assert!(
        ahead.cause.starts_with("1 of 201 orders are dated 3"),
        "{}",
        ahead.cause
    );
    let found = check_of("1,P1,Cup,2,02/01/2020 10:00,2.50,,GBP\n");
    assert_eq!(codes(&found), [("no_orders", "ranking basket".to_owned())]);
    assert_eq!(found.report.rows_of(Rule::MissingCustomer), 1);

    // Looks alone teach what comes next.
    two_days(folder.path());
    std::fs::remove_file(folder.path().join("lines.csv")).expect("removed");
    let found = check(folder.path(), None, &mut Silent).expect("a check");
    assert_eq!(found.usable_by, ["next"]);
    assert!(found.impressions.is_some());
    assert_eq!(found.sequences.as_ref().map(|found| found.kept), Some(1));
}
