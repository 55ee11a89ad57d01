//! The bundle's manifest: reading, and every way of tampering.

use expect_test::expect;
use shelfedge_commerce::Timestamp;
use shelfedge_wire::manifest::{Digests, Manifest, Part, PartError, sha256};

use crate::model;
use crate::rank::short;

const ONNX: &[u8] = b"not really ONNX";

fn manifest() -> (Manifest, Vec<u8>) {
    let shelf = model::bytes();
    let digests = Digests {
        spec: [1; 32],
        onnx: sha256(ONNX),
        data: [3; 32],
    };
    let parts = [
        ("model.shelf".to_owned(), Part::of(&shelf)),
        ("model.onnx".to_owned(), Part::of(ONNX)),
    ]
    .into_iter()
    .collect();
    let manifest = Manifest {
        task: "ranking".to_owned(),
        producer: "shelfedge-train 0.1.0".to_owned(),
        created: Timestamp::parse_rfc3339("2011-12-09T12:50:00Z").expect("a time"),
        parts,
        digests,
        shelf: digests,
    };
    (manifest, shelf)
}

fn text() -> String {
    String::from_utf8(manifest().0.to_json()).expect("UTF-8")
}

fn faults(text: &str) -> String {
    short(&Manifest::parse(text.as_bytes()).expect_err("faults"))
}

#[test]
fn written_and_read_back() {
    let (manifest, shelf) = manifest();
    assert_eq!(Manifest::parse(&manifest.to_json()).as_ref(), Ok(&manifest));
    assert_eq!(manifest.check_part("model.shelf", &shelf), Ok(()));
    assert_eq!(manifest.check_part("model.onnx", ONNX), Ok(()));
    let pretty: serde_json::Value = serde_json::from_str(&text()).expect("JSON");
    let pretty = serde_json::to_string_pretty(&pretty).expect("text");
    assert_eq!(Manifest::parse(pretty.as_bytes()).as_ref(), Ok(&manifest));
    // The digest of nothing, from FIPS 180-4's examples.
    expect!["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
        .assert_eq(&shelfedge_wire::manifest::hex(&sha256(b"")));
    assert!(manifest.model_digest().starts_with("sha256:"));
    assert_eq!(manifest.model_digest().len(), 7 + 64);
}

#[test]
fn a_swapped_part_is_named() {
    let (manifest, mut shelf) = manifest();
    let last = shelf.len() - 1;
    shelf[last] ^= 1;
    let error = manifest
        .check_part("model.shelf", &shelf)
        .expect_err("swapped");
    assert!(matches!(&error, PartError::Digest { part, expected, found }
        if part == "model.shelf" && expected != found));
    assert_eq!(error.code(), "part_swapped");
    shelf.pop();
    let error = manifest.check_part("model.shelf", &shelf).expect_err("cut");
    assert!(matches!(error, PartError::Size { .. }));
    let error = manifest
        .check_part("model.onnx", &shelf)
        .expect_err("another part");
    assert_eq!(error.part(), "model.onnx");
    let error = manifest
        .check_part("golden.json", b"")
        .expect_err("not listed");
    expect!["golden.json isn't listed in manifest.json"].assert_eq(&error.to_string());
    expect![[r#"golden.json: golden.json isn't listed in manifest.json [part_missing]. Copy the whole bundle."#]]
        .assert_eq(&error.to_fault().to_string());
}

#[test]
fn a_model_of_other_origin_is_named() {
    let (mut manifest, shelf) = manifest();
    let ranker = shelfedge_ranking::Ranker::open(shelf).expect("a ranker");
    // The test model says that its ONNX has the digest 0202...
    let error = manifest
        .check_shelf(&ranker.info())
        .expect_err("another ONNX");
    assert_eq!(error.part(), "model.shelf: onnx");
    manifest.shelf.onnx = [2; 32];
    assert_eq!(manifest.check_shelf(&ranker.info()), Ok(()));
    manifest.shelf.data = [9; 32];
    let error = manifest
        .check_shelf(&ranker.info())
        .expect_err("other data");
    assert_eq!(error.part(), "model.shelf: data");
}

#[test]
fn every_fault_at_once() {
    let digest = "ab".repeat(32);
    let bad = format!(
        r#"{{"format":2,"task":7,"created":"never","surprise":1,"task":"ranking",
        "parts":{{"../evil":{{"sha256":"{digest}","bytes":1}},"a":{{"sha256":"AB","bytes":-1,"mode":1}},
                  "b":{{}},"b":[],"":{{"sha256":"{digest}","bytes":1}}}},
        "digests":{{"spec":"{digest}","onnx":"{digest}"}},"shelf":null}}"#
    );
    expect![[r#"
        format format_unknown: 2 was found and 1 expected
        task wrong_type: text was expected and a number found
        created time_malformed: "never" is not an RFC 3339 time
        - field_unknown: there is no field "surprise"
        task field_repeated: the field occurs twice
        parts.../evil part_name: the name doesn't name a file in the bundle's folder
        parts.a.sha256 digest_malformed: "AB" isn't 64 hexadecimal digits
        parts.a.bytes out_of_range: -1 isn't a whole number from 0 to 1099511627776
        parts.a field_unknown: there is no field "mode"
        parts.b.sha256 field_missing: the field is missing
        parts.b.bytes field_missing: the field is missing
        parts.b wrong_type: an object was expected and a list found
        parts. part_name: the name doesn't name a file in the bundle's folder
        digests.data field_missing: the field is missing
        producer field_missing: the field is missing
        parts.model.shelf part_missing: the bundle has no compiled model
    "#]]
    .assert_eq(&faults(&bad));
    expect![[r#"
        format field_missing: the field is missing
        task field_missing: the field is missing
        producer field_missing: the field is missing
        created field_missing: the field is missing
        parts field_missing: the field is missing
        digests field_missing: the field is missing
        shelf field_missing: the field is missing
    "#]]
    .assert_eq(&faults("{}"));
    expect![[r#"
        - wrong_type: null stands for the whole input
    "#]]
    .assert_eq(&faults("null"));
    expect![[r#"
        - manifest_too_large: manifest.json has 65537 bytes, and at most 65536 are read
    "#]]
    .assert_eq(&faults(&" ".repeat(65_537)));
}

#[test]
fn digests_that_contradict_each_other() {
    let (mut manifest, _) = manifest();
    // Parts are written sorted by name, whatever the order of insertion.
    assert!(manifest.parts.keys().eq(["model.onnx", "model.shelf"]));
    manifest.shelf.spec = [9; 32];
    manifest.digests.onnx = [8; 32];
    let text = String::from_utf8(manifest.to_json()).expect("UTF-8");
    expect![[r#"
        shelf.spec digests_disagree: digests.spec differs
        shelf.onnx digests_disagree: digests.onnx differs
        digests.onnx digests_disagree: the part model.onnx has another digest
    "#]]
    .assert_eq(&faults(&text));
}

#[test]
fn no_single_changed_byte_goes_unnoticed() {
    // Whatever one byte of the manifest is changed to, the bundle is refused,
    // unless the change touches only its describing fields.
    let (manifest, shelf) = manifest();
    let ranker = shelfedge_ranking::Ranker::open(shelf.clone()).expect("a ranker");
    let mut manifest = manifest;
    manifest.digests.onnx = [2; 32];
    manifest.shelf.onnx = [2; 32];
    manifest.parts = [("model.shelf".to_owned(), Part::of(&shelf))]
        .into_iter()
        .collect();
    let original = manifest.to_json();
    for at in 0..original.len() {
        for byte in *b"0a{}\",: " {
            let mut text = original.clone();
            if text[at] == byte {
                continue;
            }
            text[at] = byte;
            let Ok(changed) = Manifest::parse(&text) else {
                continue;
            };
            let accepted = changed.check_part("model.shelf", &shelf).is_ok()
                && changed.check_shelf(&ranker.info()).is_ok();
            let described = changed.task != manifest.task
                || changed.producer != manifest.producer
                || changed.created != manifest.created;
            assert!(
                !accepted || described || changed == manifest,
                "{}",
                String::from_utf8_lossy(&text)
            );
        }
    }
}
