//! Questions, and requests with answers to them.

/// A request with answers, one of them twice.
pub(crate) const ANSWERS: &str = r#"{
  "now": "2011-12-10T10:00:00Z", "limit": 3, "explain": true,
  "answers": [{"question": "title-1", "answer": "lantern"},
              {"question": "price-1", "answer": "1000-"},
              {"question": "title-1", "answer": "lantern"}]
}"#;

#[cfg(not(feature = "answers"))]
mod off {
    use expect_test::expect;
    use shelfedge_wire::answers;

    use super::ANSWERS;
    use crate::model::ranker;
    use crate::rank::{answer, faults, short};

    #[test]
    fn an_engine_without_them_refuses() {
        let refused = expect![[r#"
            answers answers_unavailable: this engine asks no questions
        "#]];
        refused.assert_eq(&faults(ANSWERS));
        refused.assert_eq(&faults(r#"{"answers":7}"#));
        let problem = answers::questions(&ranker()).expect_err("a problem");
        expect![[r#"
            - answers_unavailable: this engine asks no questions
        "#]]
        .assert_eq(&short(&problem.faults));
    }

    #[test]
    fn null_is_nothing() {
        let plain = r#"{"now":"2011-12-10T10:00:00Z"}"#;
        let null = r#"{"now":"2011-12-10T10:00:00Z","answers":null}"#;
        assert_eq!(answer(null), answer(plain));
    }
}

#[cfg(feature = "answers")]
mod on {
    use expect_test::expect;
    use shelfedge_ranking::{OpenError, Ranker, Workspace};
    use shelfedge_wire::answers::{self, MAX_REPLIES};
    use shelfedge_wire::{Limits, rank};

    use super::ANSWERS;
    use crate::model::{DIGEST, questions, ranker, with};
    use crate::rank::{answer, check, faults, short};

    #[test]
    fn what_is_asked() {
        let text = answers::questions(&ranker()).expect("questions");
        let text = String::from_utf8(text).expect("UTF-8");
        expect![[r#"

            {"questions":[
            {"id":"title-1","en":"Which of these are you looking for?","zh":"您在找下面哪一种？","answers":[
            {"id":"lunch bag","en":"lunch bag","zh":"lunch bag"},
            {"id":"lantern","en":"lantern","zh":"lantern"}]},
            {"id":"price-1","en":"What should one piece cost?","zh":"您想买什么价位的商品？","answers":[
            {"id":"0-200","en":"less than 2.00 GBP","zh":"低于 2.00 GBP"},
            {"id":"200-1000","en":"2.00 GBP to less than 10.00 GBP","zh":"2.00 GBP 起，低于 10.00 GBP"},
            {"id":"1000-","en":"10.00 GBP and more","zh":"10.00 GBP 及以上"}]}]}"#]].assert_eq(&text.replace("{\"", "\n{\""));
        let none = Ranker::open(with(None, None)).expect("a model");
        assert_eq!(
            answers::questions(&none).expect("an answer"),
            br#"{"questions":[]}"#
        );
    }

    #[test]
    fn answers_lead_to_products() {
        check(
            ANSWERS,
            &expect![[r#"

            {"version":1,"exposure_id":"24d42a49ced97b1cdd909623161bc28d","model":"sha256:0000000000000000000000000000000000000000000000000000000000000000","list_id":"default","arm":"default","candidates":6,"items":[
            {"item_id":"84879","index":0,"score":1.9837292,"propensity":1.0,"sources":["similar","popular"],"reasons":[
            {"code":"popularity","contribution":1.0826833,"en":"75 customers bought this in the last 30 days on record","zh":"有记录的最近 30 天内有 75 位顾客购买"},
            {"code":"session","contribution":1.0,"en":"Fits your answers","zh":"符合您的回答"},
            {"code":"price","contribution":-0.09895408,"en":"Its price speaks against it","zh":"价格减分"}]},
            {"item_id":"20725","index":1,"score":1.1251312,"propensity":1.0,"sources":["popular"],"reasons":[
            {"code":"popularity","contribution":1.2225872,"en":"132 customers bought this in the last 30 days on record","zh":"有记录的最近 30 天内有 132 位顾客购买"},
            {"code":"price","contribution":-0.09745598,"en":"Its price speaks against it","zh":"价格减分"}]},
            {"item_id":"20727","index":2,"score":1.0302589,"propensity":1.0,"sources":["popular"],"reasons":[
            {"code":"popularity","contribution":1.1277149,"en":"90 customers bought this in the last 30 days on record","zh":"有记录的最近 30 天内有 90 位顾客购买"},
            {"code":"price","contribution":-0.09745598,"en":"Its price speaks against it","zh":"价格减分"}]}],"unknown":[],"ignored_events":0}"#]],
        );
    }

    #[test]
    fn without_answers_nothing_changes() {
        let plain = answer(r#"{"now":"2011-12-10T10:00:00Z"}"#);
        let null = answer(r#"{"now":"2011-12-10T10:00:00Z","answers":null}"#);
        assert_eq!(null, plain);
        // An empty list says that nothing was answered; only the exposure differs.
        let items = |text: &str| {
            let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
            value["items"].clone()
        };
        let none = answer(r#"{"now":"2011-12-10T10:00:00Z","answers":[]}"#).expect("an answer");
        assert_eq!(items(&none), items(&plain.expect("an answer")));
        // Nor where the model has no questions, or the shopper has ordered.
        let request = r#"{"now":"2011-12-10T10:00:00Z","answers":[]}"#;
        let request = rank::parse(request.as_bytes(), &Limits::default()).expect("a request");
        let bare = Ranker::open(with(None, None)).expect("a model");
        rank::respond(&bare, &request, DIGEST, &mut Workspace::default()).expect("an answer");
        let ordered = |answers: &str| {
            let text = format!(
                r#"{{"now":"2011-12-10T10:00:00Z","events":[{{"name":"purchase","time":"2011-12-01T10:00:00Z",
                "params":{{"items":[{{"item_id":"20725"}}]}}}}]{answers}}}"#
            );
            items(&answer(&text).expect("an answer"))
        };
        let answers = r#","answers":[{"question":"title-1","answer":"lantern"}]"#;
        assert_eq!(ordered(answers), ordered(""));
    }

    #[test]
    fn every_fault_at_once() {
        let text = r#"{"answers": [{"question": "title-1"}, {"answer": null, "question": 7}, "title-1", null]}"#;
        expect![[r#"
            answers[0].answer field_missing: the field is missing
            answers[1].question wrong_type: text was expected and a number found
            answers[1].answer field_missing: the field is missing
            answers[2] wrong_type: an object was expected and text found
            answers[3] wrong_type: null stands for an element
        "#]]
        .assert_eq(&faults(text));
        expect![[r#"
            answers wrong_type: a list was expected and an object found
        "#]]
        .assert_eq(&faults(r#"{"answers":{"title-1":"lantern"}}"#));
        let reply = r#"{"question":"title-1","answer":"lantern"}"#;
        let many = vec![reply; MAX_REPLIES + 1].join(",");
        expect![[r#"
            answers too_many: there are 31 entries, and at most 30 are read
        "#]]
        .assert_eq(&faults(&format!(r#"{{"answers":[{many}]}}"#)));

        // What only the model knows.
        let text = r#"{"now":"2011-12-10T10:00:00Z","answers":[
            {"question":"title-1","answer":"Lantern"}, {"question":"title-2","answer":"lantern"},
            {"question":"price-1","answer":"200-1000"}, {"question":"","answer":""}]}"#;
        let problem = answer(text).expect_err("a problem");
        expect![[r#"
            answers[0].answer answer_unknown: the question has no answer "Lantern"
            answers[1].question question_unknown: the model has no question "title-2"
            answers[3].question question_unknown: the model has no question ""
        "#]]
        .assert_eq(&short(&problem.faults));
        let request = rank::parse(ANSWERS.as_bytes(), &Limits::default()).expect("a request");
        let bare = Ranker::open(with(None, None)).expect("a model");
        let problem = rank::respond(&bare, &request, DIGEST, &mut Workspace::default());
        expect![[r#"
            answers questions_missing: the model has no questions
        "#]]
        .assert_eq(&short(&problem.expect_err("a problem").faults));
    }

    #[test]
    fn a_model_with_broken_questions_is_refused() {
        let mut section = questions();
        section.push(0);
        let error = Ranker::open(with(None, Some(section))).expect_err("refused");
        assert!(matches!(error, OpenError::Table(table) if table.section == "questions"));
    }
}
