//! The engine, tract and onnxruntime on 200 random graphs.

mod common;
#[path = "common/random.rs"]
mod random;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Rng, agree, engine, f32s, i64s, show};
use random::{Case, case};
use shelfedge_onnx::reference::{Reference, Tensor};

const GRAPHS: u64 = 200;

fn named(case: &Case) -> Vec<(&str, Tensor)> {
    case.inputs
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor.clone()))
        .collect()
}

#[test]
fn the_engine_agrees_with_tract_on_random_graphs() {
    let mut steps = 0;
    let mut drawn = std::collections::BTreeSet::new();
    for seed in 0..GRAPHS {
        let case = case(seed);
        drawn.extend(case.operators.iter().copied());
        let result = std::panic::catch_unwind(|| agree(&case.onnx, case.rows, &named(&case)));
        match result {
            Ok(program) => steps += program.steps.len(),
            Err(panic) => {
                let text = panic
                    .downcast_ref::<String>()
                    .map_or("a panic", String::as_str);
                panic!("seed {seed}, {} rows: {text}", case.rows);
            }
        }
    }
    // The generator must not have stopped to generate.
    assert!(steps > 1_000, "{steps} steps in all");
    assert!(drawn.len() >= 20, "{drawn:?}");
}

/// Every row's result is the same whatever else is in the call: rows never mix.
#[test]
fn a_row_alone_gives_the_same_bits_as_among_others() {
    for seed in 0..40 {
        let case = case(seed);
        let program = shelfedge_onnx::lower(&case.onnx, &Default::default()).expect("it lowers");
        let all = engine(&program, case.rows, &named(&case));
        let row = case.rows - 1;
        let alone: Vec<(&str, Tensor)> = case
            .inputs
            .iter()
            .map(|(name, tensor)| {
                let port = program
                    .inputs
                    .iter()
                    .find(|p| p.name == *name)
                    .expect("the input is there");
                let per_row = program.values[port.value.0 as usize].shape.rows
                    == shelfedge_engine::program::Rows::PerRow;
                (
                    name.as_str(),
                    if per_row {
                        slice(tensor, row)
                    } else {
                        tensor.clone()
                    },
                )
            })
            .collect();
        for ((name, whole), (_, single)) in all.iter().zip(engine(&program, 1, &alone)) {
            let width = single.len();
            let expected: Vec<u32> = whole[whole.len() - width..]
                .iter()
                .map(|v| v.to_bits())
                .collect();
            let found: Vec<u32> = single.iter().map(|v| v.to_bits()).collect();
            assert_eq!(
                expected,
                found,
                "seed {seed}, output {name}\n{}",
                show(&program)
            );
        }
    }
}

fn slice(tensor: &Tensor, row: usize) -> Tensor {
    let mut dims = tensor.dims().to_vec();
    let size = dims[1..].iter().product::<usize>();
    dims[0] = 1;
    match tensor {
        Tensor::F32 { data, .. } => f32s(&dims, data[row * size..(row + 1) * size].to_vec()),
        Tensor::I64 { data, .. } => i64s(&dims, data[row * size..(row + 1) * size].to_vec()),
    }
}

/// The same graphs, and ensembles of every kind, in onnxruntime.
#[test]
fn onnxruntime_agrees_with_tract() {
    let Some(python) = python() else { return };
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("agreement");
    let _ = fs::remove_dir_all(&folder);
    for seed in 0..GRAPHS {
        let case = case(seed);
        let outputs = Reference::load(&case.onnx)
            .and_then(|r| r.run(&named(&case)))
            .expect("tract runs it");
        write(
            &folder.join(format!("case-{seed:03}")),
            &case.onnx,
            &case.inputs,
            &outputs,
        );
    }
    for (name, onnx, inputs) in ensembles() {
        let borrowed: Vec<(&str, Tensor)> = inputs
            .iter()
            .map(|(n, t)| (n.as_str(), t.clone()))
            .collect();
        let rows = inputs[0].1.dims()[0];
        agree(&onnx, rows, &borrowed);
        let outputs = Reference::load(&onnx)
            .and_then(|r| r.run(&borrowed))
            .expect("tract runs it");
        write(
            &folder.join(format!("trees-{name}")),
            &onnx,
            &inputs,
            &outputs,
        );
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ort_agreement.py");
    let output = Command::new(python)
        .arg(script)
        .arg(&folder)
        .output()
        .expect("Python starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    say(&text);
}

/// The Python that has onnxruntime. Without one the test says so and passes,
/// unless one was asked for by name.
fn python() -> Option<PathBuf> {
    let asked = std::env::var_os("SHELFEDGE_PYTHON").map(PathBuf::from);
    let python = asked.clone().unwrap_or_else(|| PathBuf::from("python3"));
    let works = Command::new(&python)
        .args(["-c", "import numpy, onnxruntime"])
        .output()
        .is_ok_and(|output| output.status.success());
    if works {
        return Some(python);
    }
    assert!(
        asked.is_none(),
        "{} has no onnxruntime: pip install -r crates/onnx/tests/requirements.txt",
        python.display()
    );
    say(
        "SKIPPED: no Python with numpy and onnxruntime; install crates/onnx/tests/requirements.txt and set SHELFEDGE_PYTHON",
    );
    None
}

#[expect(clippy::print_stdout, reason = "a test says what it skips")]
fn say(text: &str) {
    println!("{text}");
}

fn write(folder: &Path, onnx: &[u8], inputs: &[(String, Tensor)], outputs: &[(String, Tensor)]) {
    fs::create_dir_all(folder).expect("the folder can be made");
    fs::write(folder.join("model.onnx"), onnx).expect("the file can be written");
    let entry = |kind: &str, index: usize, (name, tensor): &(String, Tensor)| {
        let (element, bytes): (&str, Vec<u8>) = match tensor {
            Tensor::F32 { data, .. } => {
                ("<f4", data.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
            Tensor::I64 { data, .. } => {
                ("<i8", data.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
        };
        let file = format!("{kind}{index}.bin");
        fs::write(folder.join(&file), bytes).expect("the file can be written");
        serde_json::json!({"name": name, "file": file, "type": element, "shape": tensor.dims()})
    };
    let inputs: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(i, t)| entry("input", i, t))
        .collect();
    let outputs: Vec<_> = outputs
        .iter()
        .enumerate()
        .map(|(i, t)| entry("output", i, t))
        .collect();
    let case = serde_json::json!({"inputs": inputs, "outputs": outputs});
    fs::write(folder.join("case.json"), case.to_string()).expect("the file can be written");
}

type Ensemble = (String, Vec<u8>, Vec<(String, Tensor)>);

/// Regressors and classifiers with every comparison, aggregate function and
/// post transform, with base values and without, over features of which some
/// are missing.
fn ensembles() -> Vec<Ensemble> {
    use shelfedge_engine::program::{Aggregate, PostTransform};
    use shelfedge_onnx::build::{Dim, Graph, Kind};

    const FEATURES: usize = 5;
    let mut all = Vec::new();
    let mut rng = Rng(99);
    let posts = [
        PostTransform::None,
        PostTransform::Softmax,
        PostTransform::Logistic,
        PostTransform::SoftmaxZero,
        PostTransform::Probit,
    ];
    let mut add =
        |name: String,
         rng: &mut Rng,
         grow: &mut dyn FnMut(&mut Rng, &mut Graph, shelfedge_onnx::build::Var)| {
            let mut g = Graph::new("trees");
            let x = g.input("x", Kind::F32, &[Dim::Rows, Dim::Fixed(FEATURES)]);
            grow(rng, &mut g, x);
            let mut data = rng.floats(40 * FEATURES);
            for v in &mut data {
                match rng.below(4) {
                    0 => *v = f32::NAN,
                    1 => *v = rng.below(5) as f32 / 4.0,
                    _ => {}
                }
            }
            let onnx = g.finish().expect("the graph is sound");
            all.push((
                name,
                onnx,
                vec![("x".to_owned(), f32s(&[40, FEATURES], data))],
            ));
        };
    for aggregate in [
        Aggregate::Sum,
        Aggregate::Average,
        Aggregate::Min,
        Aggregate::Max,
    ] {
        for targets in [1, 3] {
            for based in [false, true] {
                for post in posts {
                    if post == PostTransform::Probit && (aggregate != Aggregate::Average || based) {
                        continue;
                    }
                    // Implementations differ, so these are refused.
                    if targets == 1 && !matches!(post, PostTransform::None | PostTransform::Probit)
                    {
                        continue;
                    }
                    let name = format!("{aggregate:?}-{targets}-{based}-{post:?}");
                    add(name, &mut rng, &mut |rng, g, x| {
                        let mut forest = random::forest(rng, FEATURES, targets);
                        forest.base = if based {
                            rng.floats(targets)
                        } else {
                            Vec::new()
                        };
                        (forest.aggregate, forest.post) = (aggregate, post);
                        if post == PostTransform::Probit {
                            // The inverse of a distribution function wants 0
                            // to 1, and in f32 it is noisy about one half.
                            forest
                                .leaf_weights
                                .iter_mut()
                                .for_each(|w| w.1 = w.1 * 0.15 + 0.75);
                        }
                        let y = g.trees(x, &forest);
                        g.output("y", y);
                    });
                }
            }
        }
    }
    for classes in [2, 4] {
        for based in [false, true] {
            for post in [
                PostTransform::None,
                PostTransform::Softmax,
                PostTransform::Logistic,
                PostTransform::SoftmaxZero,
            ] {
                if classes == 2 && based {
                    continue;
                }
                add(
                    format!("class-{classes}-{based}-{post:?}"),
                    &mut rng,
                    &mut |rng, g, x| {
                        let mut forest = random::forest(rng, FEATURES, classes);
                        forest.base = if based {
                            rng.floats(classes)
                        } else {
                            Vec::new()
                        };
                        (forest.aggregate, forest.post) = (Aggregate::Sum, post);
                        let labels: Vec<i64> = (0..classes as i64).map(|l| l * 3 + 1).collect();
                        let (label, scores) = g.classify(x, &forest, &labels);
                        // onnxruntime's labels of two weighed classes are its own.
                        if classes > 2 {
                            g.output("label", label);
                        }
                        g.output("scores", scores);
                    },
                );
            }
        }
    }
    // Two classes of which only one is weighed: probabilities or margins.
    for positive in [false, true] {
        for weighed in [0, 1] {
            for based in [false, true] {
                if weighed == 1 && based {
                    continue;
                }
                for post in [PostTransform::None, PostTransform::Logistic] {
                    add(
                        format!("binary-{positive}-{weighed}-{based}-{post:?}"),
                        &mut rng,
                        &mut |rng, g, x| {
                            let mut forest = random::forest(rng, FEATURES, 1);
                            forest.base = if based { vec![rng.float()] } else { Vec::new() };
                            (forest.aggregate, forest.post) = (Aggregate::Sum, post);
                            for w in &mut forest.leaf_weights {
                                *w = (weighed, if positive { w.1.abs() } else { w.1 });
                            }
                            let (label, scores) = g.classify(x, &forest, &[10, 20]);
                            g.output("label", label);
                            g.output("scores", scores);
                        },
                    );
                }
            }
        }
    }
    all
}
