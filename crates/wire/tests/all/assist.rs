//! Turns: the request's clock, and what a text fills into slots.

use shelfedge_assistant::dialogue::{Expects, Outcome};
use shelfedge_assistant::{Assistant, Happened, TurnBuffers};
use shelfedge_wire::assist::parse;
use shelfedge_wire::limits::Limits;

#[test]
fn the_zone_is_that_of_now() {
    for (now, zone) in [
        ("2026-03-04T23:30:00Z", Some(0)),
        ("2026-03-04T23:30:00.250Z", Some(0)),
        ("2026-03-04T23:30:00+08:00", Some(480)),
        ("2026-03-04T23:30:00-03:30", Some(-210)),
        ("2026-03-04T23:30:00+8", None),
    ] {
        let body = format!(r#"{{"text":"hi","now":"{now}"}}"#);
        let request = parse(body.as_bytes(), &Limits::default());
        let found = request.map(|it| it.now.expect("a time").zone).ok();
        assert_eq!(found, zone, "{now}");
    }
}

/// What is expected once the shop allowed a change and the customer wrote this, and the
/// replies.
fn moved(begin: &str, address: &str) -> (Expects, String) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/chat/model.shelf");
    let bytes = std::fs::read(path).expect("the bundled assistant");
    let assistant = Assistant::open(&bytes[..]).expect("an assistant");
    let mut buffers = TurnBuffers::default();
    let mut turn = |state: &[u8], happened: &Happened<'_>| {
        let turn = assistant.turn(state, 1_772_618_400_000, happened, &mut buffers);
        turn.expect("a turn").output
    };
    let called = turn(&[], &Happened::Said(begin));
    let outcome = Outcome {
        call: called.call.expect("a call").id,
        name: "allowed",
        facts: &[("current_address", "1 Old Road")],
        items: &[],
    };
    let asked = turn(&called.state, &Happened::Done(outcome));
    assert!(matches!(asked.expects, Expects::Slot { .. }), "{asked:?}");
    let output = turn(&asked.state, &Happened::Said(address));
    (output.expects, output.replies.join(" "))
}

#[test]
fn an_address_that_is_one_is_taken_alone() {
    for (begin, said, address) in [
        (
            "change the delivery address of order 123456",
            "it is 12 High Street, Leeds, LS1 4DY now",
            "12 High Street, Leeds, LS1 4DY",
        ),
        (
            "修改订单123456的收货地址",
            "寄到浙江省杭州市西湖区文三路100号3栋201室吧",
            "浙江省杭州市西湖区文三路100号3栋201室",
        ),
    ] {
        let (expects, reply) = moved(begin, said);
        assert_eq!(expects, Expects::YesNo);
        assert!(reply.contains(address) && !reply.contains(said), "{reply}");
    }
}
