//! Requests that ask the model's policy how a list is made.

/// A request with every setting.
pub(crate) const POLICY: &str = r#"{
  "now": "2011-12-10T10:00:00Z", "shopper": "c17850", "list_id": "home", "limit": 4, "seed": 7,
  "policy": {
    "explore": {"policy": "thompson", "places": [2, 4], "share": 0.2, "pool": 3},
    "diversify": {"caps": {"category": 1}},
    "visits": [
      {"at": "2011-12-01T09:00:00Z", "action": "explore", "items": [
        {"item_id": "20725", "group": "bags", "clicked": true, "ordered": true},
        {"item_id": "20727", "group": "bags"},
        {"item_id": "84879"}]}]}
}"#;

#[cfg(not(feature = "explore"))]
mod off {
    use expect_test::expect;

    use super::POLICY;
    use crate::rank::{answer, faults};

    #[test]
    fn an_engine_without_it_refuses() {
        expect![[r#"
            policy rerank_unavailable: this engine has no re-ranking
        "#]]
        .assert_eq(&faults(POLICY));
        let plain = r#"{"now":"2011-12-10T10:00:00Z"}"#;
        let null = r#"{"now":"2011-12-10T10:00:00Z","policy":null}"#;
        assert_eq!(answer(null), answer(plain));
    }
}

#[cfg(feature = "explore")]
pub(crate) mod on {
    use std::collections::BTreeSet;

    use expect_test::expect;
    use serde_json::{Value, json};
    use shelfedge_engine::file::{Directory, write};
    use shelfedge_ranking::policy::{Action, JUDGED, Judged, SECTION};
    use shelfedge_ranking::{Ranker, Workspace};
    use shelfedge_wire::{Limits, rank};

    use super::POLICY;
    use crate::model::{DIGEST, bytes, dense, ranker};
    use crate::rank::{answer, faults};

    /// The compiled model with a policy for whole lists: it is judged for two visits, and
    /// explores at the first one, diversifies at the second; with the share 0.3 it draws
    /// evenly. Afterwards every list exploits.
    pub(crate) fn with_policy() -> Ranker<Vec<u8>> {
        let judged = Judged {
            even: 0.3,
            visits: 2,
            days: 30,
            current: Some(Action::Exploit),
        };
        // By the number that says whether it is the first visit.
        let width = shelfedge_features::visits::WIDTH;
        let mut weights = vec![0.0; 3 * width];
        weights[width + 1] = 1.0;
        let policy = dense(
            ("state", "value"),
            weights,
            Some(vec![0.0, 0.0, 0.5]),
            &[(JUDGED, judged.write())],
        );
        let model = bytes();
        let directory = Directory::read(&model).expect("a directory");
        let sections = directory
            .sections()
            .map(|(name, place)| (name, &model[place]));
        let sections: Vec<_> = sections.chain([(SECTION, &policy[..])]).collect();
        let model = write(&sections).expect("a model");
        Ranker::open(model).expect("a ranker")
    }

    fn parse(text: &str) -> rank::Request {
        rank::parse(text.as_bytes(), &Limits::default()).expect("a request")
    }

    fn respond(request: &rank::Request) -> String {
        let bytes = rank::respond(&with_policy(), request, DIGEST, &mut Workspace::default());
        String::from_utf8(bytes.expect("an answer")).expect("UTF-8")
    }

    fn told(request: &rank::Request) -> Value {
        serde_json::from_str(&respond(request)).expect("JSON")
    }

    fn products(answer: &Value) -> Vec<&str> {
        let items = answer["items"].as_array().expect("items");
        items
            .iter()
            .map(|item| item["item_id"].as_str().expect("an id"))
            .collect()
    }

    #[test]
    fn every_setting() {
        expect![[r#"

            {"version":1,"exposure_id":"e136b273b7ae3fdc15ebdda32439f5e5","model":"sha256:0000000000000000000000000000000000000000000000000000000000000000","list_id":"home","arm":"policy_diversify","policy":
            {"action":"diversify","propensity":0.8},"candidates":6,"items":[
            {"item_id":"20725","index":0,"score":1.1251312,"propensity":1.0,"sources":["popular"]},
            {"item_id":"84879","index":1,"score":0.9837292,"propensity":1.0,"sources":["popular"]},
            {"item_id":"22423","index":2,"score":0.7656145,"propensity":1.0,"sources":["popular"]},
            {"item_id":"71053","index":3,"score":0.017472342,"propensity":1.0,"sources":["popular"]}],"unknown":[],"ignored_events":0,"shortfalls":[]}"#]].assert_eq(&respond(&parse(POLICY)).replace("{\"", "\n{\""));
    }

    /// Of many seeds each action's list is what a request for it alone would have had.
    #[test]
    fn a_list_is_made_as_was_chosen() {
        let base = parse(POLICY);
        let plain = rank::Request {
            policy: None,
            ..base.clone()
        };
        let policy = base.policy.clone().expect("settings");
        let diversified = rank::Request {
            diversity: Some(policy.diversify),
            ..plain.clone()
        };
        let (plain, diversified) = (told(&plain), told(&diversified));
        assert_ne!(products(&plain), products(&diversified));
        let mut seen = BTreeSet::new();
        for seed in 0..60 {
            let request = rank::Request {
                seed: Some(seed),
                ..base.clone()
            };
            let answer = told(&request);
            let action = answer["policy"]["action"].as_str().expect("an action");
            // The second visit diversifies, but for the share that is drawn evenly.
            let expected = if action == "diversify" { 0.8 } else { 0.1 };
            let propensity = answer["policy"]["propensity"].as_f64().expect("a number");
            assert!((propensity - expected).abs() < 1e-6, "{answer}");
            assert_eq!(answer["arm"], format!("policy_{action}"));
            let tried: Vec<u64> = answer["items"]
                .as_array()
                .expect("items")
                .iter()
                .filter(|item| item.get("tried").is_some())
                .map(|item| item["index"].as_u64().expect("a place"))
                .collect();
            match action {
                "exploit" => assert_eq!(products(&answer), products(&plain)),
                "diversify" => assert_eq!(products(&answer), products(&diversified)),
                _ => {
                    assert_eq!(tried, [1, 3]);
                    assert_eq!(answer["items"][1]["tried"]["arm"], "thompson");
                }
            }
            assert_eq!(tried.is_empty(), action != "explore");
            seen.insert(action.to_owned());
            let ranker = with_policy();
            let ranked = rank::rank(&ranker, &request, &mut Workspace::default());
            let ranked = ranked.expect("a ranking");
            let exposure = rank::exposure(&ranker, &request, DIGEST, &ranked).expect("one");
            assert_eq!(exposure.check(), Ok(()));
            assert_eq!(exposure.arm, format!("policy_{action}"));
        }
        assert_eq!(seen.len(), 3, "{seen:?}");
    }

    #[test]
    fn own_rules_hold_whatever_is_chosen() {
        let text = POLICY.replace(
            "\"seed\": 7",
            "\"diversity\": {\"caps\": {\"brand\": 1, \"category\": 2}}, \"seed\": 7",
        );
        let request = parse(&text);
        let mut actions = BTreeSet::new();
        for seed in 0..60 {
            let answer = told(&rank::Request {
                seed: Some(seed),
                ..request.clone()
            });
            let listed = products(&answer);
            // Both are of one brand; both bags of one category.
            let retrospot = ["20725", "71053"].iter().filter(|it| listed.contains(it));
            assert!(retrospot.count() <= 1, "{answer}");
            let action = answer["policy"]["action"].as_str().expect("an action");
            if action == "diversify" {
                let bags = ["20725", "20727"].iter().filter(|it| listed.contains(it));
                assert_eq!(bags.count(), 1);
            }
            actions.insert(action.to_owned());
        }
        assert_eq!(actions.len(), 3);
    }

    #[test]
    fn beyond_what_was_judged_runs_what_ran() {
        let mut request = parse(POLICY);
        let policy = request.policy.as_mut().expect("settings");
        let mut second = policy.visits[0].clone();
        second.at = second.at.plus(86_400_000);
        policy.visits.push(second);
        let chosen = json!({"action": "exploit", "propensity": 1.0});
        assert_eq!(told(&request)["policy"], chosen);
        // Forty days after the first visit.
        let late = POLICY.replace("2011-12-10T10", "2012-01-10T10");
        assert_eq!(told(&parse(&late))["policy"], chosen);
        // A visit that is still to come, or happens now, isn't known: nobody was here.
        for at in ["2011-12-10T10:00:00Z", "2011-12-11T10:00:00Z"] {
            let request = parse(&POLICY.replace("2011-12-01T09:00:00Z", at));
            let explored = (0..20).filter(|seed| {
                let request = rank::Request {
                    seed: Some(*seed),
                    ..request.clone()
                };
                told(&request)["policy"]["action"] == "explore"
            });
            assert!(explored.count() > 10);
        }
    }

    #[test]
    fn a_model_without_a_policy_says_so() {
        let problem = answer(POLICY).expect_err("a problem");
        let codes: Vec<_> = problem.faults.iter().map(|fault| fault.code).collect();
        assert_eq!((problem.status, &codes[..]), (422, &["policy_missing"][..]));
        assert!(ranker().list_policy().is_none());
    }

    #[test]
    fn every_fault_at_once() {
        let text = r#"{"explore": {"policy": "linucb", "places": [1]}, "policy": {
            "explore": {"policy": "thompson", "places": [2, 2]},
            "diversify": {"caps": {"brand": 0}, "trade_off": 0.3},
            "visits": [{"at": "yesterday", "action": "show", "items": [
                {"item_id": "", "clicked": 1}, {}, {"item_id": "a", "group": 7}]}, {}]}}"#;
        expect![[r#"
            policy.diversify.caps.brand cap_out_of_range: 0 isn't a whole number from 1 to 200
            policy.visits[0].at time_malformed: "yesterday" is not an RFC 3339 time
            policy.visits[0].action list_action_unknown: "show" is no kind of list
            policy.visits[0].items[0].item_id id_empty: the id is empty
            policy.visits[0].items[0].clicked wrong_type: true or false was expected and a number found
            policy.visits[0].items[1].item_id field_missing: the field is missing
            policy.visits[0].items[2].group wrong_type: text was expected and a number found
            policy.visits[1].at field_missing: the field is missing
            policy.visits[1].action field_missing: the field is missing
            policy.visits[1].items field_missing: the field is missing
        "#]].assert_eq(&faults(text));
        let text = r#"{"explore": {"policy": "linucb", "places": [1]}, "policy": {
            "explore": {"policy": "thompson", "places": [2, 2]}, "diversify": {}}}"#;
        expect![[r#"
            explore fields_contradict: a policy decides whether the list explores
            policy.explore.places[1] place_repeated: 2 was named before
        "#]]
        .assert_eq(&faults(text));
        expect![[r#"
            policy.explore field_missing: the field is missing
            policy.diversify field_missing: the field is missing
        "#]]
        .assert_eq(&faults(r#"{"policy": {"diversify": null}}"#));
        let long = "g".repeat(200);
        let text = POLICY.replace("\"bags\", \"clicked\"", &format!("\"{long}\", \"clicked\""));
        expect![[r#"
            policy.visits[0].items[0].group text_too_long: it has 200 bytes, at most 128 are read
        "#]]
        .assert_eq(&faults(&text));
    }

    #[test]
    fn it_is_written_and_read_back() {
        let least = r#"{"now":"2011-12-10T10:00:00Z","policy":{"diversify":{},
            "explore":{"policy":"linucb","places":[1]}}}"#;
        for text in [POLICY, least] {
            let request = parse(text);
            let written = rank::write_request(&request);
            let again = parse(std::str::from_utf8(&written).expect("UTF-8"));
            assert_eq!(again, request);
            assert_eq!(respond(&again), respond(&request));
        }
    }

    #[test]
    fn each_setting_makes_another_exposure() {
        let id = parse(POLICY).exposure_id(DIGEST);
        // Fixed for ever: stored exposures are joined by it.
        expect!["e136b273b7ae3fdc15ebdda32439f5e5"].assert_eq(&id);
        for (from, to) in [
            ("thompson", "linucb"),
            ("\"category\": 1", "\"category\": 2"),
            ("2011-12-01T09", "2011-12-01T08"),
            ("\"action\": \"explore\"", "\"action\": \"exploit\""),
            ("\"bags\", \"clicked\"", "\"sacks\", \"clicked\""),
            ("\"clicked\": true, ", ""),
            (", \"ordered\": true", ""),
            ("\"84879\"", "\"84880\""),
        ] {
            assert!(POLICY.contains(from), "{from}");
            let other = parse(&POLICY.replacen(from, to, 1)).exposure_id(DIGEST);
            assert_ne!(other, id, "{from} -> {to}");
        }
        // The order of visits and one that is told again are of no weight.
        let mut request = parse(POLICY);
        let policy = request.policy.as_mut().expect("settings");
        let mut other = policy.visits[0].clone();
        other.at = other.at.plus(1);
        policy.visits.push(other);
        let forward = request.exposure_id(DIGEST);
        let policy = request.policy.as_mut().expect("settings");
        policy.visits.reverse();
        policy.visits.push(policy.visits[0].clone());
        assert_eq!(request.exposure_id(DIGEST), forward);
    }
}
