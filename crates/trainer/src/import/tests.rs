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
