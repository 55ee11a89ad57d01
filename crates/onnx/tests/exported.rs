//! Binary classifiers as scikit-learn, LightGBM and XGBoost are exported: the
//! engine and the reference give what onnxruntime gave. `exported/generate.py`
//! wrote the files.

mod common;

use std::fs;
use std::path::Path;

use common::{elements, engine, f32s, worst};
use shelfedge_onnx::reference::Reference;
use shelfedge_onnx::{Options, lower};

const FEATURES: usize = 4;

fn numbers(value: &serde_json::Value) -> Vec<f32> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| v.as_f64().expect("a number") as f32)
        .collect()
}

#[test]
fn exported_binary_classifiers_answer_as_onnxruntime_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exported");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .expect("the folder")
        .filter_map(|e| {
            let path = e.expect("an entry").path();
            (path.extension()? == "onnx").then(|| path.file_stem()?.to_str().map(str::to_owned))?
        })
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "lightgbm",
            "sklearn-boosting",
            "sklearn-forest",
            "sklearn-forest-other-labels",
            "sklearn-tree",
            "xgboost"
        ]
    );
    for name in names {
        let onnx = fs::read(folder.join(format!("{name}.onnx"))).expect("the model");
        let case: serde_json::Value = serde_json::from_slice(
            &fs::read(folder.join(format!("{name}.json"))).expect("the case"),
        )
        .expect("JSON");
        let x = numbers(&case["x"]);
        let rows = x.len() / FEATURES;
        let input = case["input"].as_str().expect("a name");
        let inputs = [(input, f32s(&[rows, FEATURES], x))];
        let (label, scores) = (numbers(&case["label"]), numbers(&case["scores"]));
        assert!(
            label.iter().any(|l| *l != label[0]),
            "{name}: both labels occur"
        );

        let program = match lower(&onnx, &Options::default()) {
            Ok(program) => program,
            Err(error) => panic!("{name}: {error}"),
        };
        let found = engine(&program, rows, &inputs);
        let [(_, ours_label), (_, ours)] = found.as_slice() else {
            panic!("{name}: a label and scores, not {} outputs", found.len())
        };
        assert_eq!(ours_label, &label, "{name}");
        let difference = worst(&scores, ours);
        assert!(difference <= 1e-6, "{name}: scores differ by {difference}");

        let reference = match Reference::load(&onnx).and_then(|r| r.run(&inputs)) {
            Ok(outputs) => outputs,
            Err(error) => panic!("{name}: {error}"),
        };
        assert_eq!(elements(&reference[0].1), label, "{name}: reference");
        let difference = worst(&scores, &elements(&reference[1].1));
        assert!(
            difference <= 1e-6,
            "{name}: the reference differs by {difference}"
        );
    }
}
