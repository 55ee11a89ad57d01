//! The golden cases in tract: the ONNX that travels with the bundle says what
//! the learner said, and what the compiled model says.

use shelfedge_onnx::reference::{Reference, Tensor};
use shelfedge_ranking::{Input, Ranker, Workspace};
use shelfedge_tests::{BUNDLES, Case, cases, model, skip};

/// How far an f32 score may lie from the learner's own.
const TOLERANCE: f32 = 1e-4;

/// The inputs that are indices into tables.
const INDICES: [&str; 4] = ["product", "title", "wide", "session"];

/// The widths of the ONNX's inputs follow from the lists and the rows: an
/// input is shared by all rows, or has one row a candidate.
fn tensor(case: &Case, name: &str, shared: bool) -> Tensor {
    let list = &case.inputs[name];
    let rows = if shared { 1 } else { case.rows };
    let dims = vec![rows, list.len() / rows];
    if INDICES.contains(&name) {
        Tensor::I64 {
            dims,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the file holds indices, exact in f64"
            )]
            data: list.iter().map(|number| *number as i64).collect(),
        }
    } else {
        Tensor::F32 {
            dims,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the file holds f32 values; the cast gives them back exactly"
            )]
            data: list.iter().map(|number| *number as f32).collect(),
        }
    }
}

fn shared(name: &str) -> bool {
    ["context", "session"].contains(&name)
}

fn compare(case: &Case, who: &str, scores: &[f32]) {
    assert_eq!(scores.len(), case.scores.len(), "{}", case.name);
    for (row, (score, expected)) in scores.iter().zip(&case.scores).enumerate() {
        assert!(
            (score - expected).abs() <= TOLERANCE,
            "{}: row {row} scores {score} in {who}, the learner said {expected}",
            case.name
        );
    }
}

#[test]
fn tract_says_what_the_learner_said() {
    for bundle in BUNDLES {
        let (Some(cases), Some(onnx)) = (cases(bundle), model(bundle, "model.onnx")) else {
            skip(&format!("{bundle} holds no bundle"));
            continue;
        };
        let reference = Reference::load(&onnx).expect("tract loads the ONNX");
        for case in &cases {
            let inputs: Vec<(&str, Tensor)> = reference
                .inputs()
                .iter()
                .map(|name| (name.as_str(), tensor(case, name, shared(name))))
                .collect();
            let outputs = reference
                .run(&inputs)
                .unwrap_or_else(|error| panic!("{}: {error}", case.name));
            let [(name, Tensor::F32 { data, .. })] = outputs.as_slice() else {
                panic!("one f32 output");
            };
            assert_eq!(name, "score");
            compare(case, "tract", data);
        }
    }
}

#[test]
fn the_compiled_model_says_what_the_learner_said() {
    for bundle in BUNDLES {
        let (Some(cases), Some(shelf)) = (cases(bundle), model(bundle, "model.shelf")) else {
            skip(&format!("{bundle} holds no bundle"));
            continue;
        };
        let ranker = Ranker::open(shelf).expect("the model opens");
        let mut workspace = Workspace::default();
        for case in &cases {
            let columns: Vec<(bool, Vec<f32>, Vec<i32>)> = ranker
                .inputs()
                .map(|port| {
                    let list = &case.inputs[port.name];
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "the file holds f32 values and indices, exact in f64"
                    )]
                    let columns = (
                        list.iter().map(|number| *number as f32).collect(),
                        list.iter().map(|number| *number as i32).collect(),
                    );
                    (INDICES.contains(&port.name), columns.0, columns.1)
                })
                .collect();
            let inputs: Vec<Input<'_>> = columns
                .iter()
                .map(|(indices, floats, integers)| {
                    if *indices {
                        Input::I32(integers)
                    } else {
                        Input::F32(floats)
                    }
                })
                .collect();
            let scores = ranker
                .score(case.rows, &inputs, &mut workspace)
                .unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
            compare(case, "the engine", scores);
        }
    }
}
