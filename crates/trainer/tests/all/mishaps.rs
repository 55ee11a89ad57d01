//! What happens by mistake: marks that editors leave, files that aren't ours, parts
//! that are damaged, names that are taken. Nothing is lost by it, and nothing is
//! passed over without a word.

use std::fs::{self, File};
use std::path::Path;

use shelfedge_trainer::error::Error;
use shelfedge_trainer::generate::{Size, generate};
use shelfedge_trainer::import::{
    Asked, ImpressionReport, Rule, STORE, Update, check, import, impressions, outside, report,
    sequences, update,
};
use shelfedge_trainer::watch::Silent;
use shelfedge_trainer::{attention, bundle, evaluate};

const TABLE: &str = r#"format = 1
currency = "EUR"
[columns]
order = "no"
product = "sku"
quantity = "n"
time = "at"
unit_price = "price"
customer = "who"
"#;
const TITLED: &str = "[titles]\ntable = \"titles.csv\"\nproduct = \"sku\"\ntitle = \"title\"\n";
const EVENTS: &str = "format = 1\ncurrency = \"EUR\"\n[events]\n";

fn put(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
}

/// Order lines of customers c1 and c2.
fn lines(folder: &Path, mapping: &str) {
    put(folder, "mapping.toml", mapping);
    let rows = "no,sku,n,at,price,who\n\
                1,P1,1,2026-03-01T10:00:00Z,2.5,c1\n\
                2,P2,1,2026-03-02T10:00:00Z,3,c2\n";
    put(folder, "lines.csv", rows);
}

fn keep(shop: &Path, store: &Path, erase: Option<&Path>) -> Result<Update, Error> {
    update(shop, None, store, erase, &mut Silent)
}

fn codes<T>(outcome: Result<T, Error>) -> Vec<&'static str> {
    match outcome {
        Ok(_) => Vec::new(),
        Err(error) => {
            let codes: Vec<_> = error.faults().iter().map(|fault| fault.code).collect();
            assert!(!codes.is_empty(), "{error}");
            codes
        }
    }
}

/// The parts of a store, by name.
fn parts(store: &Path) -> Vec<String> {
    let names = fs::read_dir(store).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut parts: Vec<String> = names.filter(|name| name.ends_with(".part")).collect();
    parts.sort();
    parts
}

#[test]
fn a_list_of_who_is_erased_may_begin_with_a_mark_and_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, store) = (folder.path().join("shop"), folder.path().join("store"));
    lines(&shop, TABLE);
    assert_eq!(keep(&shop, &store, None).unwrap().asked, None);
    let gone = folder.path().join("gone.txt");
    fs::write(&gone, "\u{feff}c1\r\n\r\nid\r\nc1\r\n").unwrap();
    let found = keep(&store, &store, Some(&gone)).unwrap();
    let asked = |ids, before, unmet| Some(Asked { ids, before, unmet });
    assert_eq!((found.erased, found.asked), (1, asked(2, 0, 1)));
    let text = found.text();
    assert!(
        text.contains("erase 2 customers: 0 were erased before, 1 stand in no row"),
        "{text}"
    );
    let left = import(&store, None, &mut Silent).unwrap().shop.customers;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, "c2");
    let again = keep(&store, &store, Some(&gone)).unwrap();
    assert_eq!(again.asked, asked(2, 2, 0));
    // Who stands only in what is read now is met, too.
    fs::write(&gone, "c3\n").unwrap();
    let rows = "no,sku,n,at,price,who\n3,P1,1,2026-03-03T10:00:00Z,2.5,c3\n";
    put(&shop, "more.csv", rows);
    let new = keep(&shop, &store, Some(&gone)).unwrap();
    assert_eq!((new.erased, new.asked), (2, asked(1, 0, 0)));
}

#[test]
fn erasing_makes_no_damaged_part_valid() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, store) = (folder.path().join("shop"), folder.path().join("store"));
    lines(&shop, TABLE);
    let rows = "no,sku,n,at,price,who\n3,P1,1,2026-03-03T10:00:00Z,2.5,c3\n";
    put(&shop, "more.csv", rows);
    keep(&shop, &store, None).unwrap();
    let [one, other] = parts(&store).try_into().unwrap();
    let first = fs::read(store.join(&one)).unwrap();
    let second = fs::read(store.join(&other)).unwrap();
    // Both are readable, and neither is what was written.
    fs::write(store.join(&one), &second).unwrap();
    fs::write(store.join(&other), &first).unwrap();
    let gone = folder.path().join("gone.txt");
    fs::write(&gone, "c1\n").unwrap();
    let before = fs::read(store.join(STORE)).unwrap();
    let damaged = ["store_damaged"; 2];
    assert_eq!(codes(keep(&store, &store, Some(&gone))), damaged);
    assert_eq!(fs::read(store.join(STORE)).unwrap(), before);
    // A part that is gone is damage, too, and no failure of the disk.
    fs::remove_file(store.join(&one)).unwrap();
    assert_eq!(codes(report(&store, None, &mut Silent)), damaged);
    assert_eq!(codes(keep(&store, &store, Some(&gone))), damaged);
}

#[test]
fn nobody_reads_a_store_while_it_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, store) = (folder.path().join("shop"), folder.path().join("store"));
    lines(&shop, TABLE);
    keep(&shop, &store, None).unwrap();
    let lock = File::open(store.join(".lock")).unwrap();
    lock.try_lock().unwrap();
    assert_eq!(codes(report(&store, None, &mut Silent)), ["store_busy"]);
    lock.unlock().unwrap();
    // Two may read.
    lock.try_lock_shared().unwrap();
    assert_eq!(report(&store, None, &mut Silent).unwrap().rows, 2);
    assert_eq!(codes(keep(&shop, &store, None)), ["store_busy"]);
    lock.unlock().unwrap();
    // A copy without its lock can be read.
    fs::remove_file(store.join(".lock")).unwrap();
    assert_eq!(report(&store, None, &mut Silent).unwrap().rows, 2);
}

#[test]
fn files_that_are_not_ours_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, store) = (folder.path().join("shop"), folder.path().join("store"));
    lines(&shop, TABLE);
    for name in ["movie.mkv.part", "report.partial"] {
        let other = folder.path().join(name.replace('.', "-"));
        put(&other, name, "mine");
        assert_eq!(codes(keep(&shop, &other, None)), ["into_not_a_store"]);
    }
    keep(&shop, &store, None).unwrap();
    let stale = format!("{}.part", "0123456789abcdef".repeat(2));
    let ours = [stale.as_str(), ".partial", ".import.json.partial"];
    let theirs = [
        "movie.mkv.part",
        "report.partial",
        "short.part",
        ".x.partial",
    ];
    for name in ours.iter().chain(&theirs) {
        put(&store, name, "text");
    }
    keep(&shop, &store, None).unwrap();
    assert!(ours.iter().all(|name| !store.join(name).exists()));
    assert!(theirs.iter().all(|name| store.join(name).exists()));
}

#[test]
fn titles_that_match_nothing_leave_the_store_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, store) = (folder.path().join("shop"), folder.path().join("store"));
    lines(&shop, &format!("{TABLE}{TITLED}"));
    put(&shop, "titles.csv", "sku,title\nX1,Cup\n");
    assert_eq!(codes(keep(&shop, &store, None)), ["titles_unmatched"]);
    put(&shop, "titles.csv", "sku,title\nP1,Cup\n");
    keep(&shop, &store, None).unwrap();
    let before = fs::read(store.join(STORE)).unwrap();
    put(&shop, "titles.csv", "sku,title\nX1,Cup\nX2,Jug\n");
    let error = keep(&shop, &store, None).unwrap_err();
    let path = &error.faults()[0].path;
    assert_eq!(*path, shop.join("titles.csv").display().to_string());
    assert_eq!(codes(Err::<(), _>(error)), ["titles_unmatched"]);
    assert_eq!(fs::read(store.join(STORE)).unwrap(), before);
    let kept = import(&store, None, &mut Silent).unwrap().shop;
    assert_eq!(kept.products[0].title, "Cup");
    // Who is erased takes the only product with a title along: the store stays readable.
    let gone = folder.path().join("gone.txt");
    fs::write(&gone, "c1\n").unwrap();
    keep(&store, &store, Some(&gone)).unwrap();
    let left = import(&store, None, &mut Silent).unwrap().shop;
    let titles: Vec<&str> = left.products.iter().map(|p| p.title.as_str()).collect();
    assert_eq!(titles, [""]);
}

#[test]
fn what_is_made_up_takes_the_place_of_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    lines(&at("shop"), &format!("{TABLE}{TITLED}"));
    put(&at("shop"), "titles.csv", "sku,title\nP1,Cup\nP2,Jug\n");
    let like = import(&at("shop"), None, &mut Silent).unwrap().shop;
    let size = Size {
        customers: 20,
        products: 2,
        seed: 1,
    };
    let make = |name: &str| generate(&like, size, &at(name), &mut Silent);
    put(&at("big.partial"), "thesis.txt", "years");
    assert_eq!(codes(make("big")), ["partial_not_ours"]);
    assert!(at("big.partial/thesis.txt").exists());
    // What a run left that was stopped is removed; a slash at the end is no name.
    fs::remove_file(at("big.partial/thesis.txt")).unwrap();
    put(&at("big.partial"), "orders.parquet", "half");
    make("big/").unwrap();
    assert!(!at("big.partial").exists());
    assert!(import(&at("big"), None, &mut Silent).is_ok());
    // A shop without titles makes one without.
    lines(&at("untitled"), TABLE);
    let like = import(&at("untitled"), None, &mut Silent).unwrap().shop;
    generate(&like, size, &at("plain"), &mut Silent).unwrap();
    assert!(!at("plain/titles.parquet").exists());
    assert!(import(&at("plain"), None, &mut Silent).is_ok());
    let root = generate(&like, size, Path::new(".."), &mut Silent);
    assert_eq!(codes(root), ["out_exists"]);
}

/// An event of our own stream, of anna, so many milliseconds after the first.
fn event(id: &str, source: &str, after: u32, name: &str, params: &str) -> String {
    let time = format!("2026-03-01T10:00:{:02}Z", after);
    format!(
        r#"{{"specversion":"1.0","type":"shelfedge.event.v1","source":"{source}","id":"{id}","subject":"anna","time":"{time}","data":{{"name":"{name}","params":{{{params}}}}}}}"#
    )
}

/// An event of GA4's export, of one device.
fn ga4(name: &str, after: u32, exposure: &str, items: &[(&str, &str)]) -> String {
    let micros = 1_772_359_200_000_000 + u64::from(after) * 1_000_000;
    let item = |(item, list): &(&str, &str)| match *list {
        "" => format!(r#"{{"item_id":"{item}"}}"#),
        list => format!(r#"{{"item_id":"{item}","item_list_id":"{list}"}}"#),
    };
    let items: Vec<String> = items.iter().map(item).collect();
    let items = items.join(",");
    format!(
        r#"{{"event_name":"{name}","event_timestamp":"{micros}","user_pseudo_id":"d.1","event_params":[{{"key":"exposure_id","value":{{"string_value":"{exposure}"}}}}],"items":[{items}]}}"#
    )
}

fn joined(folder: &Path, mapping: &str, lines: &[String]) -> ImpressionReport {
    put(folder, "mapping.toml", mapping);
    put(folder, "events.jsonl", &lines.join("\n"));
    impressions(folder, None, None, &mut Silent).unwrap()
}

fn clicks(report: &ImpressionReport) -> (u64, u64) {
    let done = &report.done[0];
    (done.all, done.joined)
}

#[test]
fn an_event_that_shows_two_lists_loses_no_click() {
    let folder = tempfile::tempdir().unwrap();
    let orders = [
        ["l1", "l1", "l2", "l2"],
        // However its products are mixed, there are two lists.
        ["l1", "l2", "l1", "l2"],
        ["l2", "l1", "l1", "l2"],
    ];
    for lists in orders {
        let shown: Vec<_> = ["A", "B", "C", "D"].into_iter().zip(lists).collect();
        let of = |product| shown.iter().find(|it| it.0 == product).unwrap().1;
        let events = [
            ga4("view_item_list", 0, "x1", &shown),
            ga4("select_item", 1, "x1", &[("A", of("A"))]),
            ga4("select_item", 2, "x1", &[("C", of("C"))]),
            // Without a word of its list.
            ga4("select_item", 3, "x1", &[("D", "")]),
            // That was not shown.
            ga4("select_item", 4, "x1", &[("E", "")]),
            // Told again a moment later.
            ga4("view_item_list", 5, "x1", &shown),
        ];
        let found = joined(folder.path(), EVENTS, &events);
        assert_eq!(
            (found.lists, found.shown, found.repeated),
            (2, 4, 2),
            "{lists:?}"
        );
        assert_eq!(clicks(&found), (4, 3), "{lists:?}");
        assert_eq!(found.orphans.len(), 1);
    }
}

#[test]
fn the_rules_of_a_mapping_hold_for_what_was_shown_and_for_sequences() {
    let folder = tempfile::tempdir().unwrap();
    let mapping = format!(
        "{EVENTS}[time]\nearliest = 2026-03-01T10:00:01Z\nbefore = 2026-03-01T10:00:09Z\n\
         [rules]\nproduct_code = 'P\\d+A?'\nupper_case_products = true\n\
         [sequences]\nof = \"shoppers\"\n"
    );
    let of = |item: &str| format!(r#""items":[{{"item_id":"{item}"}}]"#);
    let event = |at: u32, name, item| event(&at.to_string(), "/web", at, name, &of(item));
    let mut events = vec![
        event(0, "view_item_list", "P1a"),
        event(1, "view_item_list", "P1a"),
        event(2, "select_item", "p1A"),
        event(3, "select_item", "POST"),
        event(9, "select_item", "P1A"),
    ];
    let found = joined(folder.path(), &mapping, &events);
    let rows = |rule| found.rules.iter().find(|it| it.rule == rule).unwrap().rows;
    assert_eq!((rows(Rule::OutOfRange), rows(Rule::NotAProduct)), (2, 1));
    assert_eq!((found.lists, found.shown), (1, 1));
    assert_eq!(clicks(&found), (1, 1));

    for (at, item) in [(0, "P1A"), (4, "p1a"), (5, "P1A"), (6, "P2"), (7, "POST")] {
        let id = format!("view{at}");
        events.push(self::event(&id, "/web", at, "view_item", &of(item)));
    }
    put(folder.path(), "events.jsonl", &events.join("\n"));
    let (_, log) = sequences::import(folder.path(), None, &mut Silent).unwrap();
    assert_eq!(log.products, ["P1A", "P2"]);
    let report = &log.report;
    assert_eq!(
        (report.kept, report.out_of_range, report.without_product),
        (3, 1, 1)
    );
}

#[test]
fn no_event_passes_for_an_order_and_a_mark_costs_none() {
    let folder = tempfile::tempdir().unwrap();
    let bought = |order: &str| {
        let item = r#""currency":"EUR","items":[{"item_id":"P1","price":2}]"#;
        format!(r#""transaction_id":"{order}",{item}"#)
    };
    let events = [
        event(
            "1001",
            "order",
            1,
            "select_item",
            r#""items":[{"item_id":"P1"}]"#,
        ),
        event("a", "/web", 2, "purchase", &bought("1001")),
    ];
    let found = joined(folder.path(), EVENTS, &events);
    // Neither counts as having come before.
    assert_eq!(found.rules.iter().map(|it| it.rows).sum::<u64>(), 0);
    put(
        folder.path(),
        "events.jsonl",
        &format!("\u{feff}{}", events[1]),
    );
    let kept = report(folder.path(), None, &mut Silent).unwrap();
    assert_eq!((kept.rows, kept.kept), (1, 1));
}

#[test]
fn no_output_is_written_among_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    put(&at("shop"), "mapping.toml", EVENTS);
    let shown = r#""items":[{"item_id":"P1"}]"#;
    let one = event("a", "/web", 1, "view_item_list", shown);
    put(&at("shop"), "events.jsonl", &one);
    let write = |out: &str| impressions(&at("shop"), None, Some(&at(out)), &mut Silent);
    for inside in [
        "shop/impressions.parquet",
        "shop/../shop/x.parquet",
        "shop/new/../x.parquet",
        "shop",
    ] {
        assert_eq!(codes(write(inside)), ["out_in_shop"], "{inside}");
    }
    assert!(outside(&at("shop"), &at("elsewhere/new/../x.parquet")).is_ok());
    // A folder of that name: the failure leaves nothing behind.
    fs::create_dir_all(at("shown.parquet/x")).unwrap();
    assert!(write("shown.parquet").is_err());
    assert!(!at(".shown.parquet.partial").exists());
    assert!(write("out/shown.parquet").is_ok());
    let names = fs::read_dir(at("shop")).unwrap();
    assert_eq!(names.count(), 2);
}

#[test]
fn outputs_are_tried_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(evaluate::check_out(&at("new/report")).is_ok());
    assert!(!at("new").exists());
    put(&at("bundle"), bundle::MANIFEST, "{}");
    assert_eq!(
        codes(evaluate::check_out(&at("bundle"))),
        ["out_is_a_bundle"]
    );
    let network = |out: &str| {
        let settings = attention::Settings::default();
        attention::run(&at("nowhere"), None, &at(out), &settings, &mut Silent)
    };
    assert_eq!(codes(network("bundle")), ["out_is_a_bundle"]);
    fs::create_dir(at("taken.parquet")).unwrap();
    let taken = bundle::check_writable(&at("taken.parquet"));
    assert_eq!(codes(taken), ["out_is_a_folder"]);
    fs::write(at("file"), "").unwrap();
    assert!(evaluate::check_out(&at("file/report")).is_err());
    assert!(bundle::check_writable(&at("new/predictions.parquet")).is_ok());
}

#[test]
fn a_table_of_titles_holds_no_sequences() {
    let folder = tempfile::tempdir().unwrap();
    let mapping = "format = 1\ncurrency = \"EUR\"\n[events]\n[sequences]\nof = \"shoppers\"\n";
    put(folder.path(), "mapping.toml", &format!("{mapping}{TITLED}"));
    put(folder.path(), "titles.csv", "sku,title\nP1,Cup\nP2,Jug\n");
    let looks = (1..4).map(|n| {
        let item = format!(r#""items":[{{"item_id":"P{}"}}]"#, 1 + n % 2);
        event(&n.to_string(), "/web", n, "view_item", &item)
    });
    put(
        folder.path(),
        "events.jsonl",
        &looks.collect::<Vec<_>>().join("\n"),
    );
    let (_, log) = sequences::import(folder.path(), None, &mut Silent).unwrap();
    assert_eq!(log.products, ["P1", "P2"]);
}

#[test]
fn a_check_of_tables_alone_finds_that_there_are_no_events() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "mapping.toml", EVENTS);
    let head =
        "order,product,title,quantity,time,unit_price,customer,country,currency,category,brand\n";
    let row = "1,P1,Cup,1,2026-03-01T10:00:00Z,2.5,c1,,EUR,,\n";
    put(folder.path(), "lines.csv", &format!("{head}{row}"));
    let found = check(folder.path(), None, &mut Silent).unwrap();
    let no_events = found.findings.iter().find(|it| it.code == "no_events");
    assert!(no_events.is_some_and(|it| it.stops.is_empty()));
    assert!(found.impressions.is_none());
}
