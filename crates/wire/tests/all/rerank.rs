//! Requests for diversity and sponsored places.

/// A request with every setting.
pub(crate) const RERANK: &str = r#"{
  "now": "2011-12-10T10:00:00Z", "shopper": "c17850", "limit": 5, "seed": 7,
  "diversity": {"caps": {"category": 1, "brand": 2}, "trade_off": 0.3, "long_tail": 0.2},
  "sponsored": {"currency": "GBP", "places": [2, 4], "reserve": 0.05, "frequency_cap": 5, "pacing": 0.9,
    "bids": [{"item_id": "71053", "bid": 0.60, "budget_left": 12.50, "impressions_of_shopper": 1},
             {"item_id": "22423", "bid": 0.31},
             {"item_id": "84879", "bid": 0.04},
             {"item_id": "XYZ", "bid": 1}]}
}"#;

#[cfg(not(feature = "rerank"))]
mod off {
    use expect_test::expect;

    use super::RERANK;
    use crate::rank::{answer, faults};

    #[test]
    fn an_engine_without_it_refuses() {
        expect![[r#"
            diversity rerank_unavailable: this engine has no re-ranking
            sponsored rerank_unavailable: this engine has no re-ranking
        "#]]
        .assert_eq(&faults(RERANK));
        expect![[r#"
            diversity rerank_unavailable: this engine has no re-ranking
            sponsored rerank_unavailable: this engine has no re-ranking
        "#]]
        .assert_eq(&faults(r#"{"diversity":7,"sponsored":[]}"#));
    }

    #[test]
    fn null_is_nothing() {
        let plain = r#"{"now":"2011-12-10T10:00:00Z"}"#;
        let null = r#"{"now":"2011-12-10T10:00:00Z","diversity":null,"sponsored":null}"#;
        assert_eq!(answer(null), answer(plain));
    }
}

#[cfg(feature = "rerank")]
mod on {
    use expect_test::expect;
    use shelfedge_ranking::{OpenError, Ranker, Workspace};
    use shelfedge_wire::{Limits, rank};

    use super::RERANK;
    use crate::model::{DIGEST, attributes, ranker, with};
    use crate::rank::{REQUEST, answer, check, faults, short};

    fn parse(text: &str) -> rank::Request {
        rank::parse(text.as_bytes(), &Limits::default()).expect("a request")
    }

    #[test]
    fn every_setting() {
        check(
            RERANK,
            &expect![[r#"

            {"version":1,"exposure_id":"3aa02a62c83bbda2d1f637dc4a0c942c","model":"sha256:0000000000000000000000000000000000000000000000000000000000000000","list_id":"default","arm":"default","candidates":6,"items":[
            {"item_id":"20725","index":0,"score":1.1251312,"propensity":1.0,"sources":["popular"]},
            {"item_id":"22423","index":1,"score":0.7656145,"propensity":1.0,"sources":["popular"],"sponsored":
            {"label":
            {"en":"Sponsored","zh":"广告"},"price":0.08,"currency":"GBP","bid_rank":1,"quality":0.485,"runner_up":
            {"item_id":"71053","quality":0.0581}}},
            {"item_id":"84879","index":2,"score":0.9837292,"propensity":1.0,"sources":["popular"]},
            {"item_id":"71053","index":3,"score":0.017472342,"propensity":1.0,"sources":["popular"],"sponsored":
            {"label":
            {"en":"Sponsored","zh":"广告"},"price":0.05,"currency":"GBP","bid_rank":2,"quality":0.0581,"runner_up":null}}],"unknown":[],"ignored_events":0,"shortfalls":[
            {"rule":"category_cap","place":5,"missing":1}],"bids_left_out":[
            {"item_id":"84879","reason":"below_reserve"},
            {"item_id":"XYZ","reason":"unknown"}]}"#]],
        );
    }

    #[test]
    fn diversity_alone_has_no_word_of_bids() {
        let text = r#"{"now":"2011-12-10T10:00:00Z","limit":6,"explain":true,"candidates":["20725","20727","71053"],
            "diversity":{"caps":{"category":1},"long_tail":1}}"#;
        check(
            text,
            &expect![[r#"

            {"version":1,"exposure_id":"173b0fbcc98f1b10320ef51a163f1054","model":"sha256:0000000000000000000000000000000000000000000000000000000000000000","list_id":"default","arm":"default","candidates":3,"items":[
            {"item_id":"71053","index":0,"score":0.017472342,"propensity":1.0,"sources":["given"],"reasons":[
            {"code":"popularity","contribution":0.1732868,"en":"One customer bought this in the last 30 days on record","zh":"有记录的最近 30 天内有 1 位顾客购买"},
            {"code":"price","contribution":-0.15581445,"en":"Its price speaks against it","zh":"价格减分"}]},
            {"item_id":"20725","index":1,"score":1.1251312,"propensity":1.0,"sources":["given"],"reasons":[
            {"code":"popularity","contribution":1.2225872,"en":"132 customers bought this in the last 30 days on record","zh":"有记录的最近 30 天内有 132 位顾客购买"},
            {"code":"price","contribution":-0.09745598,"en":"Its price speaks against it","zh":"价格减分"}]}],"unknown":[],"ignored_events":0,"shortfalls":[
            {"rule":"long_tail","place":2,"missing":1},
            {"rule":"category_cap","place":3,"missing":1}]}"#]],
        );
    }

    #[test]
    fn without_settings_the_list_is_the_models_with_notes() {
        let plain = r#"{"now":"2011-12-10T10:00:00Z"}"#;
        let null = r#"{"now":"2011-12-10T10:00:00Z","diversity":null,"sponsored":null}"#;
        assert_eq!(answer(null), answer(plain));
        let empty = answer(r#"{"now":"2011-12-10T10:00:00Z","diversity":{}}"#).expect("an answer");
        let items = |text: &str| {
            let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
            value["items"].clone()
        };
        assert_eq!(items(&empty), items(&answer(plain).expect("an answer")));
        assert!(empty.ends_with(r#","ignored_events":0,"shortfalls":[]}"#));
    }

    #[test]
    fn every_fault_at_once() {
        let text = r#"{
          "diversity": {"caps": {"category": 0, "brand": 1.5, "seller": "2"}, "trade_off": NaN, "long_tail": 1.01, "colour": 1},
          "sponsored": {"currency": "gbp", "places": [0, 3, "4", 201], "reserve": "0.05", "frequency_cap": 0, "pacing": 0.00001,
            "bids": [{"bid": 1}, {"item_id": ""}, 5, null, {"item_id": "a", "bid": "1", "impressions_of_shopper": -1}]}
        }"#;
        expect![[r#"
            diversity.caps.category cap_out_of_range: 0 isn't a whole number from 1 to 200
            diversity.caps.brand cap_out_of_range: 1.5 isn't a whole number from 1 to 200
            diversity.caps.seller wrong_type: a number was expected and text found
            diversity.trade_off share_out_of_range: NaN isn't a number from 0 to 1 with at most four decimals
            diversity.long_tail share_out_of_range: 1.01 isn't a number from 0 to 1 with at most four decimals
            sponsored.currency currency_unknown: "gbp" is not a currency of ISO 4217
            sponsored.places[0] place_out_of_range: 0 isn't a whole number from 1 to 200
            sponsored.places[2] wrong_type: a number was expected and text found
            sponsored.places[3] place_out_of_range: 201 isn't a whole number from 1 to 200
            sponsored.reserve wrong_type: a number was expected and text found
            sponsored.frequency_cap cap_out_of_range: 0 isn't a whole number from 1 to 4294967295
            sponsored.pacing share_out_of_range: 0.00001 isn't a number from 0 to 1 with at most four decimals
            sponsored.bids[0].item_id field_missing: the field is missing
            sponsored.bids[1].item_id id_empty: the id is empty
            sponsored.bids[1].bid field_missing: the field is missing
            sponsored.bids[2] wrong_type: an object was expected and a number found
            sponsored.bids[3] wrong_type: null stands for an element
            sponsored.bids[4].bid wrong_type: a number was expected and text found
            sponsored.bids[4].impressions_of_shopper out_of_range: -1 isn't a whole number from 0 to 4294967295
        "#]].assert_eq(&faults(text));
        let text = r#"{
          "sponsored": {"bids": [{"item_id": "a", "bid": 0.105}, {"item_id": "b", "bid": -1, "budget_left": Infinity}],
            "currency": "GBP", "reserve": -0.01, "pacing": null}
        }"#;
        expect![[r#"
            sponsored.places field_missing: the field is missing
            sponsored.reserve money_negative: the amount is -0.01 GBP
            sponsored.bids[0].bid money_surplus_digits: 0.105 has more than the 2 decimals of GBP
            sponsored.bids[1].bid money_negative: the amount is -1.00 GBP
            sponsored.bids[1].budget_left money_not_finite: "Infinity" is not a finite amount
        "#]]
        .assert_eq(&faults(text));
        // What only shows when all of it is read.
        let text = r#"{
          "sponsored": {"currency": "GBP", "places": [3, 4, 3], "pacing": 0.5,
            "bids": [{"item_id": "a", "bid": 1}, {"item_id": "b", "bid": 1}, {"item_id": "a", "bid": 2}]}
        }"#;
        expect![[r#"
            sponsored.places[2] place_repeated: 3 was named before
            seed seed_missing: pacing is below 1 and there is no seed
            sponsored.bids[2].item_id duplicate_id: "a" bids twice
        "#]]
        .assert_eq(&faults(text));
        expect![[r#"
            diversity wrong_type: an object was expected and a list found
            sponsored wrong_type: an object was expected and true or false found
        "#]]
        .assert_eq(&faults(r#"{"diversity":[],"sponsored":true}"#));
        expect![[r#"
            sponsored.currency field_missing: the field is missing
            sponsored.places field_missing: the field is missing
        "#]]
        .assert_eq(&faults(r#"{"sponsored":{}}"#));
    }

    #[test]
    fn at_most_a_hundred_bids_for_at_most_24_places() {
        let text = |places: usize, bids: usize| {
            let places: Vec<_> = (1..=places).map(|place| place.to_string()).collect();
            let bids: Vec<_> = (0..bids)
                .map(|bid| format!(r#"{{"item_id":"{bid}","bid":1}}"#))
                .collect();
            format!(
                r#"{{"sponsored":{{"currency":"JPY","places":[{}],"bids":[{}]}}}}"#,
                places.join(","),
                bids.join(",")
            )
        };
        let request = parse(&text(24, 100)).sponsored.expect("sponsored places");
        assert_eq!((request.places.len(), request.bids.len()), (24, 100));
        expect![[r#"
            sponsored.places sponsored_too_many: there are more than 24
            sponsored.bids sponsored_too_many: there are more than 100
        "#]]
        .assert_eq(&faults(&text(25, 101)));
    }

    #[test]
    fn a_cap_on_what_the_model_does_not_know() {
        let text = r#"{"now":"2011-12-10T10:00:00Z","diversity":{"caps":{"seller":2}}}"#;
        let problem = answer(text).expect_err("a problem");
        assert_eq!((problem.status, problem.code), (422, "invalid_request"));
        expect![[r#"
            diversity.caps.seller attribute_unknown: the model knows the seller of no product
        "#]]
        .assert_eq(&short(&problem.faults));
    }

    #[test]
    fn a_model_without_attributes_opens_and_one_with_damaged_ones_does_not() {
        let request = parse(r#"{"now":"2011-12-10T10:00:00Z"}"#);
        let respond = |bytes: Vec<u8>| {
            let ranker = Ranker::open(bytes).expect("a model");
            rank::respond(&ranker, &request, DIGEST, &mut Workspace::default())
        };
        let sound = attributes();
        assert_eq!(
            respond(with(None, None)),
            respond(with(Some(sound.clone()), None))
        );
        let capped = parse(r#"{"now":"2011-12-10T10:00:00Z","diversity":{"caps":{"category":2}}}"#);
        let ranker = Ranker::open(with(None, None)).expect("a model");
        let answer = rank::respond(&ranker, &capped, DIGEST, &mut Workspace::default());
        assert_eq!(answer.expect_err("a problem").code, "invalid_request");
        for end in 0..sound.len() {
            let cut = Ranker::open(with(Some(sound[..end].to_vec()), None));
            assert!(matches!(cut, Err(OpenError::Table(error)) if error.section == "attributes"));
        }
        // A product of a category that there isn't: after three ends of names.
        let mut other = sound;
        other[32 + 3 * 4] = 9;
        let opened = Ranker::open(with(Some(other), None));
        assert!(matches!(opened, Err(OpenError::Table(_))));
    }

    #[test]
    fn it_is_written_and_read_back() {
        let request = parse(RERANK);
        let written = rank::write_request(&request);
        assert_eq!(
            parse(std::str::from_utf8(&written).expect("UTF-8")),
            request
        );
        expect![[r#"{"now":"2011-12-10T10:00:00Z","shopper":"c17850","limit":5,"explain":false,"seed":7,"context":{"device":"unknown","utc_offset_minutes":0},"events":[],"diversity":{"caps":{"category":1,"brand":2},"trade_off":0.3,"long_tail":0.2},"sponsored":{"currency":"GBP","places":[2,4],"reserve":0.05,"frequency_cap":5,"pacing":0.9,"bids":[{"item_id":"71053","bid":0.60,"budget_left":12.50,"impressions_of_shopper":1},{"item_id":"22423","bid":0.31,"impressions_of_shopper":0},{"item_id":"84879","bid":0.04,"impressions_of_shopper":0},{"item_id":"XYZ","bid":1.00,"impressions_of_shopper":0}]}}"#]].assert_eq(&String::from_utf8_lossy(&written));
        let least = r#"{"diversity":{},"sponsored":{"places":[],"currency":"JPY"}}"#;
        let request = parse(least);
        let written = rank::write_request(&request);
        assert_eq!(
            parse(std::str::from_utf8(&written).expect("UTF-8")),
            request
        );
        // Every share comes back as it was.
        for basis_points in 0..=10_000u32 {
            let share = f64::from(basis_points) / 10_000.0;
            let request = parse(&format!(r#"{{"diversity":{{"long_tail":{share}}}}}"#));
            let written = rank::write_request(&request);
            assert_eq!(
                parse(std::str::from_utf8(&written).expect("UTF-8")),
                request
            );
        }
    }

    #[test]
    fn each_setting_makes_another_exposure() {
        let id = parse(RERANK).exposure_id(DIGEST);
        // Fixed for ever: stored exposures are joined by it.
        expect!["3aa02a62c83bbda2d1f637dc4a0c942c"].assert_eq(&id);
        let spelled = RERANK.replace("0.60", "6e-1").replace("12.50", "12.5");
        assert_eq!(parse(&spelled).exposure_id(DIGEST), id);
        for (from, to) in [
            ("\"category\": 1", "\"category\": 2"),
            (", \"brand\": 2", ""),
            ("\"brand\": 2", "\"seller\": 2"),
            ("\"trade_off\": 0.3", "\"trade_off\": 0.2"),
            ("\"long_tail\": 0.2", "\"long_tail\": 0.3"),
            ("GBP", "EUR"),
            ("[2, 4]", "[2, 5]"),
            ("\"reserve\": 0.05", "\"reserve\": 0.06"),
            ("\"frequency_cap\": 5, ", ""),
            ("\"pacing\": 0.9", "\"pacing\": 0.8"),
            ("\"71053\"", "\"71054\""),
            ("0.60", "0.61"),
            ("\"budget_left\": 12.50, ", ""),
            (
                "\"impressions_of_shopper\": 1",
                "\"impressions_of_shopper\": 2",
            ),
        ] {
            assert!(RERANK.contains(from), "{from}");
            let other = parse(&RERANK.replacen(from, to, 1)).exposure_id(DIGEST);
            assert_ne!(other, id, "{from} -> {to}");
        }
        let plain = parse(REQUEST);
        let asked = rank::Request {
            diversity: parse(r#"{"diversity":{}}"#).diversity,
            ..plain.clone()
        };
        assert_ne!(asked.exposure_id(DIGEST), plain.exposure_id(DIGEST));
    }

    #[test]
    fn a_sponsored_product_is_always_labelled() {
        let request = parse(RERANK);
        let mut workspace = Workspace::default();
        let ranked = rank::rank(&ranker(), &request, &mut workspace).expect("a ranking");
        let notes = ranked.notes.as_ref().expect("notes");
        let value: serde_json::Value =
            serde_json::from_str(&answer(RERANK).expect("an answer")).expect("JSON");
        for (index, item) in value["items"].as_array().expect("items").iter().enumerate() {
            let sold = notes.sponsor(index + 1).is_some();
            assert_eq!(item.get("sponsored").is_some(), sold);
            if sold {
                let label = &item["sponsored"]["label"];
                assert_eq!(
                    (label["en"].as_str(), label["zh"].as_str()),
                    (Some("Sponsored"), Some("广告"))
                );
            }
        }
        assert!(!notes.placements.is_empty());
    }
}
