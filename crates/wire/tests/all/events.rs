//! CloudEvents and the stored form of events.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use shelfedge_commerce::{Currency, Event, EventItem, EventKind, Money, Timestamp, time};
use shelfedge_wire::{Limits, Problem, events};

use crate::rank::short;

pub(crate) const CLOUDEVENT: &str = r#"{
  "specversion": "1.0", "id": "7f1c", "source": "/web", "type": "shelfedge.event.v1",
  "time": "2011-12-10T10:00:00.5Z", "subject": "c17850", "datacontenttype": "application/json",
  "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "data": {"name": "select_item", "params": {"item_list_id": "home", "exposure_id": "ab12",
           "session_id": "s1", "currency": "GBP",
           "items": [{"item_id": "85123A", "index": 2, "price": 2.55}]}}
}"#;

fn show(text: &str, content_type: Option<&str>) -> String {
    match events::parse(text.as_bytes(), content_type, &Limits::default()) {
        Ok(received) => received.iter().map(|it| format!("{it:?}\n")).collect(),
        Err(faults) => {
            let problem = Problem::from(faults);
            format!("{}\n{}", problem.status, short(&problem.faults))
        }
    }
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&show(text, None));
}

#[test]
fn one_event() {
    check(
        CLOUDEVENT,
        &expect![[r#"
            Received { source: "/web", shopper: Some(ShopperId("c17850")), session: Some(SessionId("s1")), exposure: Some(ExposureId("ab12")), tried: [], event: Event { id: Some(EventId("7f1c")), time: Timestamp(1323511200500), kind: SelectItem, transaction: None, currency: Some(GBP), list: Some(ListId("home")), items: [EventItem { product: ProductId("85123A"), quantity: 1, price: Some(Money { minor: 255, currency: GBP }), index: Some(2) }] } }
        "#]],
    );
}

#[test]
fn a_batch() {
    let batch = format!("[{CLOUDEVENT},{}]", CLOUDEVENT.replace("7f1c", "7f1d"));
    assert_eq!(show(&batch, None).lines().count(), 2);
    assert_eq!(show(&batch, None), show(&batch, Some("application/json")));
    let media = "Application/CloudEvents-Batch+JSON; charset=\"UTF-8\"";
    assert_eq!(show(&batch, None), show(&batch, Some(media)));
    assert_eq!(show("[]", None), "");
}

#[test]
fn the_content_type_decides() {
    let single = Some("application/cloudevents+json");
    let batch = Some("application/cloudevents-batch+json");
    assert_eq!(show(CLOUDEVENT, single), show(CLOUDEVENT, None));
    let mut all = show("[]", single) + &show(CLOUDEVENT, batch);
    for media in [
        "text/plain",
        "application/json; charset=latin1",
        "",
        "application/jsonp",
    ] {
        all += &show(CLOUDEVENT, Some(media));
    }
    expect![[r#"
        422
        - wrong_type: an object was expected and a list found
        422
        - wrong_type: a list was expected and an object found
        415
        - media_type: "text/plain" isn't read here
        415
        - media_type: "application/json; charset=latin1" isn't read here
        415
        - media_type: "" isn't read here
        415
        - media_type: "application/jsonp" isn't read here
    "#]]
    .assert_eq(&all);
}

#[test]
fn every_fault_at_once() {
    let text = r#"[
      {"specversion": "0.3", "id": "", "source": "", "type": "other", "subject": "", "time": "now",
       "datacontenttype": "text/xml", "data": {"name": "nothing", "params": {"items": [{}]}}},
      {},
      [],
      {"specversion": "1.0", "id": "a", "source": "/web", "type": "shelfedge.event.v1", "data_base64": "e30="},
      {"specversion": "1.0", "id": "b", "source": "/web", "type": "shelfedge.event.v1", "data": {"name": "search"}},
      {"specversion": "1.0", "id": "c", "source": "/web", "type": "shelfedge.event.v1", "time": "2011-12-10T10:00:00Z",
       "data": {"name": "search", "id": "d", "time": "2011-12-10T10:00:01Z"}},
      {"specversion": 1.0, "id": 5, "source": null, "type": "shelfedge.event.v1", "time": "2011-12-10T10:00:00Z",
       "data": {"name": "purchase", "params": {"currency": "GBP", "items": [
          {"item_id": "a", "price": 2.55}, {"item_id": "b", "price": 2.55, "currency": "EUR"}]}}},
      {"specversion": "1.0", "id": "e", "source": "/web", "type": "shelfedge.event.v1", "time": "2011-12-10T10:00:00Z",
       "data": "search"}
    ]"#;
    check(
        text,
        &expect![[r#"
            422
            [0].id id_empty: the id is empty
            [0].source text_empty: the source is empty
            [0].subject id_empty: the id is empty
            [0].time time_malformed: "now" is not an RFC 3339 time
            [0].datacontenttype cloudevent_data: the data is "text/xml" instead of JSON
            [0].data.name event_name_unknown: "nothing" is not an e-commerce event of GA4
            [0].data.params.items[0].item_id field_missing: the field is missing
            [0].specversion cloudevent_version: the version isn't 1.0
            [0].type cloudevent_type: "other" isn't received here
            [1].specversion field_missing: the field is missing
            [1].id field_missing: the field is missing
            [1].source field_missing: the field is missing
            [1].type field_missing: the field is missing
            [1].data field_missing: the field is missing
            [2] wrong_type: an object was expected and a list found
            [3].data cloudevent_data: the data is in data_base64
            [4].time field_missing: the field is missing
            [5].data.id fields_contradict: the event and its envelope differ
            [5].data.time fields_contradict: the event and its envelope differ
            [6].specversion wrong_type: text was expected and a number found
            [6].id wrong_type: text was expected and a number found
            [6].data.params.items[1].currency currency_mixed: the event is in GBP and the item in EUR
            [6].source field_missing: the field is missing
            [7].data wrong_type: an object was expected and text found
        "#]],
    );
}

#[test]
fn the_time_of_the_event_may_stand_in_either_place() {
    let envelope = r#"{"specversion":"1.0","id":"a","source":"/web","type":"shelfedge.event.v1","time":"2011-12-10T10:00:00Z","data":{"name":"search"}}"#;
    let data = r#"{"specversion":"1.0","id":"a","source":"/web","type":"shelfedge.event.v1","data":{"name":"search","timestamp_micros":1323511200000000}}"#;
    assert_eq!(show(envelope, None), show(data, None));
    assert!(!show(data, None).contains("fault"));
}

#[test]
fn a_batch_is_capped() {
    let limits = Limits {
        batch: 2,
        ..Limits::default()
    };
    let batch = format!("[{CLOUDEVENT},{CLOUDEVENT},{CLOUDEVENT}]");
    let faults = events::parse(batch.as_bytes(), None, &limits).expect_err("too many");
    assert_eq!(
        short(&faults),
        "- too_many: there are 3 entries, and at most 2 are read\n"
    );
}

#[test]
fn amounts_are_taken_from_the_text() {
    let minor = |currency: &str, price: &str| {
        let text = format!(
            r#"[{{"name":"purchase","time":"2011-12-10T10:00:00Z","params":{{"items":[{{"price":{price},"item_id":"a"}}],"currency":"{currency}"}}}}]"#
        );
        match events::decode(text.as_bytes(), &Limits::default()) {
            Ok(events) => Ok(events[0].items[0].price.map(|price| price.minor)),
            Err(faults) => Err(faults.iter().map(|fault| fault.code).collect::<Vec<_>>()),
        }
    };
    assert_eq!(minor("GBP", "2.55"), Ok(Some(255)));
    assert_eq!(minor("GBP", "null"), Ok(None));
    // As a double this is 2.55; as text it isn't a price.
    assert_eq!(
        minor("GBP", "2.5500000000000000001"),
        Err(vec!["money_surplus_digits"])
    );
    assert_eq!(minor("GBP", "2.555"), Err(vec!["money_surplus_digits"]));
    assert_eq!(minor("JPY", "255"), Ok(Some(255)));
    assert_eq!(minor("JPY", "2.55"), Err(vec!["money_surplus_digits"]));
    assert_eq!(minor("KWD", "2.555"), Ok(Some(2_555)));
    // Beyond the exact range of doubles.
    assert_eq!(
        minor("GBP", "90071992547409.93"),
        Ok(Some(9_007_199_254_740_993))
    );
    assert_eq!(minor("GBP", "Infinity"), Err(vec!["money_not_finite"]));
    assert_eq!(minor("GBP", "1e400"), Err(vec!["money_out_of_range"]));
    assert_eq!(minor("GBP", "-1"), Err(vec!["money_negative"]));
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    let id = "[ -~茶é]{1,20}";
    let item = (
        id,
        1..=u32::MAX,
        prop::option::of(0..i64::MAX),
        prop::option::of(any::<u32>()),
    );
    let currency = prop::sample::select(vec![
        Currency::GBP,
        Currency::JPY,
        Currency::parse("KWD").expect("KWD"),
    ]);
    (
        prop::option::of(id),
        // 1900 to 2300.
        -2_208_988_800_000..10_413_792_000_000i64,
        prop::sample::select(EventKind::ALL),
        prop::option::of(id),
        currency,
        prop::option::of(id),
        prop::collection::vec(item, 1..4),
    )
        .prop_map(
            |(id, time, kind, transaction, currency, list, items)| Event {
                id: id.map(|id| id.parse().expect("an id")),
                time: Timestamp(time - time % time::SECOND * (time % 2)),
                kind,
                transaction,
                currency: Some(currency),
                list: list.map(|list| list.parse().expect("an id")),
                items: items
                    .into_iter()
                    .map(|(product, quantity, price, index)| EventItem {
                        product: product.parse().expect("an id"),
                        quantity,
                        price: price.map(|minor| Money::new(minor, currency)),
                        index,
                    })
                    .collect(),
            },
        )
}

proptest! {
    #[test]
    fn stored_events_come_back_equal(list in prop::collection::vec(event(), 0..6)) {
        let bytes = events::encode(&list);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
        prop_assert_eq!(events::decode(&bytes, &Limits::default()), Ok(list));
    }
}
