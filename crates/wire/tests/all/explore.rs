//! Requests for places that explore.

/// A request with every setting.
pub(crate) const EXPLORE: &str = r#"{
  "now": "2011-12-10T10:00:00Z", "shopper": "c17850", "list_id": "home", "limit": 4, "seed": 7,
  "explore": {"policy": "thompson", "places": [2, 4], "share": 0.2, "pool": 3,
    "prior_rate": 0.05, "prior_strength": 40, "alpha": 0.5}
}"#;

#[cfg(not(feature = "explore"))]
mod off {
    use expect_test::expect;

    use super::EXPLORE;
    use crate::rank::{answer, faults};

    #[test]
    fn an_engine_without_it_refuses() {
        expect![[r#"
            explore rerank_unavailable: this engine has no re-ranking
        "#]]
        .assert_eq(&faults(EXPLORE));
        let plain = r#"{"now":"2011-12-10T10:00:00Z"}"#;
        let null = r#"{"now":"2011-12-10T10:00:00Z","explore":null}"#;
        assert_eq!(answer(null), answer(plain));
    }
}

#[cfg(feature = "explore")]
mod on {
    use std::collections::BTreeMap;

    use expect_test::expect;
    use shelfedge_commerce::{EventKind, Exposure, Timestamp};
    use shelfedge_ranking::Workspace;
    use shelfedge_ranking::explore::{Chosen, Learner, Lesson, Shown, WINDOW_MS};
    use shelfedge_wire::explore::{State, Tried, known};
    use shelfedge_wire::{Limits, events, rank};

    use super::EXPLORE;
    use crate::events::CLOUDEVENT;
    use crate::model::{DIGEST, ranker};
    use crate::rank::{answer, check, faults, short};

    fn parse(text: &str) -> rank::Request {
        rank::parse(text.as_bytes(), &Limits::default()).expect("a request")
    }

    fn exposure(request: &rank::Request) -> Exposure {
        let ranker = ranker();
        let ranked = rank::rank(&ranker, request, &mut Workspace::default()).expect("a ranking");
        rank::exposure(&ranker, request, DIGEST, &ranked).expect("an exposure")
    }

    /// What is known after one product was tried so often, and chosen as often.
    fn state(product: &str, times: u64) -> State {
        let mut learner = Learner::default();
        let tried = (product.parse().expect("an id"), Tried::default());
        let now = Timestamp::parse_rfc3339("2011-12-10T09:00:00Z").expect("a time");
        let lesson = Lesson {
            shown: (0..times)
                .map(|id| {
                    let shown = Shown {
                        time: now,
                        viewer: id,
                        tried: vec![tried.clone()],
                    };
                    (id.into(), shown)
                })
                .collect(),
            chosen: (0..times)
                .map(|id| Chosen {
                    exposure: Some(id.into()),
                    viewer: id,
                    time: now,
                    product: tried.0.clone(),
                })
                .collect(),
        };
        assert!(learner.learn(&lesson, now));
        learner.learn(&Lesson::default(), now.plus(WINDOW_MS));
        learner.state().clone()
    }

    #[test]
    fn every_setting() {
        check(
            EXPLORE,
            &expect![[r#"

            {"version":1,"exposure_id":"84ad5ae0c4045b9e43a57393cfacb2fb","model":"sha256:0000000000000000000000000000000000000000000000000000000000000000","list_id":"home","arm":"thompson","candidates":6,"items":[
            {"item_id":"20725","index":0,"score":1.1251312,"propensity":1.0,"sources":["popular"]},
            {"item_id":"84879","index":1,"score":0.9837292,"propensity":0.33335763,"sources":["popular"],"tried":
            {"arm":"thompson","fit":0.6,"price":0.4}},
            {"item_id":"20727","index":2,"score":1.0302589,"propensity":1.0,"sources":["popular"]},
            {"item_id":"71053","index":3,"score":0.017472342,"propensity":0.33328474,"sources":["popular"],"tried":
            {"arm":"thompson","fit":0.2,"price":0.8}}],"unknown":[],"ignored_events":0,"shortfalls":[]}"#]],
        );
    }

    #[test]
    fn the_record_says_what_the_response_says_and_both_what_is_drawn() {
        let base = parse(EXPLORE);
        let mut seen: BTreeMap<(usize, String), (u32, f64)> = BTreeMap::new();
        const LISTS: u32 = 2_000;
        for seed in 0..LISTS {
            let request = rank::Request {
                seed: Some(seed.into()),
                ..base.clone()
            };
            let exposure = exposure(&request);
            assert_eq!(exposure.check(), Ok(()));
            assert_eq!(exposure.arm, "thompson");
            for entry in &exposure.entries {
                let key = (entry.position as usize, entry.product.to_string());
                let (count, propensity) = seen.entry(key).or_default();
                *count += 1;
                *propensity = entry.propensity.into();
            }
            if seed > 50 {
                continue;
            }
            let bytes = rank::respond(&ranker(), &request, DIGEST, &mut Workspace::default());
            let value: serde_json::Value =
                serde_json::from_slice(&bytes.expect("an answer")).expect("JSON");
            assert_eq!(
                (&value["arm"], &value["model"]),
                (&"thompson".into(), &DIGEST.into())
            );
            let items = value["items"].as_array().expect("items");
            assert_eq!(items.len(), exposure.entries.len());
            for (item, entry) in items.iter().zip(&exposure.entries) {
                assert_eq!(item["item_id"], entry.product.as_str());
                assert_eq!(item["index"], entry.position);
                let propensity = item["propensity"].as_f64().expect("a number") as f32;
                assert_eq!(propensity, entry.propensity);
                assert_eq!(
                    item.get("tried").is_some(),
                    [1, 3].contains(&entry.position)
                );
                assert_eq!(item.get("tried").is_some(), entry.propensity < 1.0);
            }
        }
        for ((position, product), (count, propensity)) in seen {
            let share = f64::from(count) / f64::from(LISTS);
            let error = (propensity * (1.0 - propensity) / f64::from(LISTS)).sqrt();
            let off = (share - propensity).abs();
            assert!(
                off <= 4.0 * error,
                "{position} {product}: {share} {propensity}"
            );
        }
    }

    #[test]
    fn what_is_known_decides_and_what_is_old_does_not() {
        // The last of six by score, chosen each of 400 times.
        let known = state("85123A", 400);
        assert_eq!(known.of("85123A").rewarded, 400);
        let text = EXPLORE.replace("\"pool\": 3", "\"pool\": 16");
        // The propensity that it has at the first place, where a seed puts it there.
        let with = |now: &str, state: Option<State>| {
            let mut request = parse(&text.replace("2011-12-10T10:00:00Z", now));
            if let Some(explore) = &mut request.explore {
                explore.state = state;
            }
            let mut firsts = (0..100).map(|seed| {
                request.seed = Some(seed);
                exposure(&request).entries.swap_remove(1)
            });
            let entry = firsts.find(|it| it.product.as_str() == "85123A");
            entry.expect("a seed").propensity
        };
        // Drawn first but for the share that is filled evenly, from four.
        let found = with("2011-12-10T10:00:00Z", Some(known.clone()));
        assert!((found - 0.85).abs() < 1e-6, "{found}");
        // What came last came at 09:00; 90 days later it is forgotten.
        let unknown = with("2012-03-09T09:00:00.001Z", None);
        assert!((unknown - 0.25).abs() < 1e-3, "{unknown}");
        let last = with("2012-03-09T09:00:00Z", Some(known.clone()));
        assert_eq!(last, found);
        let later = with("2012-03-09T09:00:00.001Z", Some(known));
        assert_eq!(later, unknown);
    }

    #[test]
    fn every_fault_at_once() {
        let text = r#"{"explore": {"policy": "greedy", "places": [0, "2", 201], "share": 1.1,
            "pool": 65, "prior_rate": "x", "prior_strength": 0, "alpha": -1, "state": "0g"}}"#;
        expect![[r#"
            explore.policy policy_unknown: it is neither thompson nor linucb
            explore.places[0] place_out_of_range: 0 isn't a whole number from 1 to 200
            explore.places[1] wrong_type: a number was expected and text found
            explore.places[2] place_out_of_range: 201 isn't a whole number from 1 to 200
            explore.share share_out_of_range: 1.1 isn't a number from 0 to 1 with at most four decimals
            explore.pool explore_pool: 65 isn't a whole number from 1 to 64
            explore.prior_rate wrong_type: a number was expected and text found
            explore.prior_strength explore_prior: 0 isn't a whole number from 1 to 4294967295
            explore.alpha share_out_of_range: -1 isn't a number from 0 to 1 with at most four decimals
            explore.state state_malformed: it isn't made of pairs of hexadecimal digits
        "#]].assert_eq(&faults(text));
        let text = r#"{"explore": {"policy": "linucb", "places": [3, 2, 3], "share": 0,
            "prior_rate": 0.001}}"#;
        expect![[r#"
            explore.places[2] place_repeated: 3 was named before
            explore.share explore_share: the share is 0
            explore.prior_rate explore_prior: a rate of 0.001 with the strength of 100 trials
        "#]]
        .assert_eq(&faults(text));
        expect![[r#"
            explore.policy field_missing: the field is missing
        "#]]
        .assert_eq(&faults(r#"{"explore": {"places": []}}"#));
        expect![[r#"
            explore wrong_type: an object was expected and a list found
        "#]]
        .assert_eq(&faults(r#"{"explore": [1, 2, 3, 4, 5]}"#));
        expect![[r#"
            explore.places too_many: there are 5 entries, and at most 4 are read
            explore.state wrong_type: text was expected and a number found
            explore.policy field_missing: the field is missing
        "#]]
        .assert_eq(&faults(
            r#"{"explore": {"policy": null, "places": [1, 2, 3, 4, 5], "state": 7}}"#,
        ));
    }

    #[test]
    fn it_is_written_and_read_back() {
        let mut request = parse(EXPLORE);
        if let Some(explore) = &mut request.explore {
            explore.state = Some(state("71053", 3));
        }
        for request in [request, parse(EXPLORE)] {
            let written = rank::write_request(&request);
            let text = std::str::from_utf8(&written).expect("UTF-8");
            assert_eq!(parse(text), request);
            assert_eq!(answer(text).expect("an answer"), answer_of(&request));
        }
        let least = parse(r#"{"explore":{"policy":"linucb","places":[1]}}"#);
        let written = rank::write_request(&least);
        assert_eq!(parse(std::str::from_utf8(&written).expect("UTF-8")), least);
        expect![[r#"{"limit":12,"explain":false,"context":{"device":"unknown","utc_offset_minutes":0},"events":[],"explore":{"policy":"linucb","places":[1],"share":0.1,"pool":16,"prior_rate":0.01,"prior_strength":100,"alpha":0.3}}"#]].assert_eq(&String::from_utf8_lossy(&written));
    }

    fn answer_of(request: &rank::Request) -> String {
        let bytes = rank::respond(&ranker(), request, DIGEST, &mut Workspace::default());
        String::from_utf8(bytes.expect("an answer")).expect("UTF-8")
    }

    #[test]
    fn each_setting_makes_another_exposure() {
        let id = parse(EXPLORE).exposure_id(DIGEST);
        // Fixed for ever: stored exposures are joined by it.
        expect!["84ad5ae0c4045b9e43a57393cfacb2fb"].assert_eq(&id);
        let spelled = EXPLORE.replace("0.2", "2e-1").replace("0.50", "0.5");
        assert_eq!(parse(&spelled).exposure_id(DIGEST), id);
        for (from, to) in [
            ("thompson", "linucb"),
            ("[2, 4]", "[2]"),
            ("\"share\": 0.2", "\"share\": 0.3"),
            ("\"pool\": 3", "\"pool\": 4"),
            ("\"prior_rate\": 0.05", "\"prior_rate\": 0.06"),
            ("\"prior_strength\": 40", "\"prior_strength\": 41"),
            ("\"alpha\": 0.5", "\"alpha\": 0.6"),
            ("\"seed\": 7", "\"seed\": 8"),
            ("c17850", "c17851"),
        ] {
            assert!(EXPLORE.contains(from), "{from}");
            let other = parse(&EXPLORE.replacen(from, to, 1)).exposure_id(DIGEST);
            assert_ne!(other, id, "{from} -> {to}");
        }
        let mut known = parse(EXPLORE);
        if let Some(explore) = &mut known.explore {
            explore.state = Some(state("71053", 3));
        }
        assert_ne!(known.exposure_id(DIGEST), id);
    }

    #[test]
    fn events_bring_back_what_was_tried() {
        let with = |tried: &str| {
            CLOUDEVENT
                .replace("\"select_item\"", "\"view_item_list\"")
                .replace(
                    "\"item_id\": \"85123A\"",
                    &format!("\"item_id\": \"85123A\", \"tried\": {tried}"),
                )
        };
        let read = |tried: &str| events::parse(with(tried).as_bytes(), None, &Limits::default());
        let received = read(r#"{"arm": "thompson", "fit": 0.75, "price": 0.3333}"#);
        let received = &received.expect("an event")[0];
        assert_eq!(received.event.kind, EventKind::ViewItemList);
        let tried = Tried {
            fit: 7_500,
            price: 3_333,
        };
        assert_eq!(received.tried, [("85123A".parse().expect("an id"), tried)]);
        assert!(read("null").expect("an event")[0].tried.is_empty());
        let found = short(&read(r#"{"fit": 2}"#).expect_err("faults"));
        expect![[r#"
            data.params.items[0].tried.fit share_out_of_range: 2 isn't a number from 0 to 1 with at most four decimals
            data.params.items[0].tried.price field_missing: the field is missing
        "#]].assert_eq(&found);
        expect![[r#"
            data.params.items[0].tried wrong_type: an object was expected and true or false found
        "#]]
        .assert_eq(&short(&read("true").expect_err("faults")));
    }

    #[test]
    fn what_is_known_is_shown_as_a_request_takes_it() {
        let state = state("71053", 3);
        let body = known(&"home".parse().expect("an id"), &state);
        let value: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(value["list_id"], "home");
        let products = serde_json::json!([{"item_id": "71053", "tried": 3, "rewarded": 3}]);
        assert_eq!(value["products"], products);
        let text = format!(
            r#"{{"explore":{{"policy":"thompson","places":[1],"state":{}}}}}"#,
            value["state"]
        );
        let explore = parse(&text).explore.expect("settings");
        assert_eq!(explore.state, Some(state));
    }
}
