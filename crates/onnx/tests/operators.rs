//! Every supported operator in a graph of its own: the engine gives what tract
//! gives, and the table of operators holds what is tested here.

mod common;

use std::collections::BTreeSet;

use common::{Rng, agree, f32s, i64s, show};
use shelfedge_engine::program::{Aggregate, Forest, Node, Op, PostTransform, Rows, Test};
use shelfedge_onnx::build::{Activation, Attribute, Dim, Graph, Kind, Pool, Var};
use shelfedge_onnx::reference::Tensor;
use shelfedge_onnx::{check, supported_operators};

const ROWS: usize = 5;
const N: Dim = Dim::Rows;

const fn d(size: usize) -> Dim {
    Dim::Fixed(size)
}

/// The inputs that the graphs choose from.
struct Inputs {
    /// `[N, 4]`
    x: Var,
    /// `[N, 4]`, positive.
    p: Var,
    /// `[1, 4]`
    s: Var,
    /// `[N, 3, 4]`
    t: Var,
    /// `[N, 3]`, below 6.
    ids: Var,
}

type Case = (&'static str, fn(&mut Graph, &Inputs) -> Vec<Var>);

fn plain(g: &mut Graph, op: &str, x: Var, attributes: Vec<Attribute>) -> Vec<Var> {
    let dims = g.dims(x).to_vec();
    vec![g.node(op, &[x], attributes, Kind::F32, &dims)]
}

fn list(g: &mut Graph, name: &str, values: &[i64]) -> Var {
    g.i64(name, &[values.len()], values.to_vec())
}

fn weights(g: &mut Graph, name: &str, dims: &[usize]) -> Var {
    let data = Rng(name.len() as u64 + 3).floats(dims.iter().product());
    g.f32(name, dims, data)
}

fn stump(test: Test) -> Forest {
    Forest {
        features: 4,
        targets: 2,
        base: vec![0.25, -0.5],
        aggregate: Aggregate::Sum,
        post: PostTransform::None,
        trees: vec![vec![
            Node::Branch {
                feature: 1,
                test,
                threshold: 0.0,
                if_true: 1,
                if_false: 2,
                missing_is_true: true,
            },
            Node::Leaf { first: 0, count: 2 },
            Node::Leaf { first: 2, count: 2 },
        ]],
        leaf_weights: vec![(0, 1.0), (1, 2.0), (0, -3.0), (1, 4.0)],
    }
}

const CASES: &[Case] = &[
    ("Abs", |g, i| plain(g, "Abs", i.x, vec![])),
    ("Add", |g, i| vec![g.add(i.x, i.s), g.add(i.s, i.x)]),
    ("ArgMax", |g, i| {
        let axis = || vec![Attribute::int("axis", -1), Attribute::int("keepdims", 0)];
        vec![
            g.node("ArgMax", &[i.x], axis(), Kind::I64, &[N]),
            g.node(
                "ArgMax",
                &[i.t],
                vec![Attribute::int("axis", 2)],
                Kind::I64,
                &[N, d(3), d(1)],
            ),
        ]
    }),
    ("BatchNormalization", |g, i| {
        let (a, b, c) = (
            weights(g, "a", &[4]),
            weights(g, "bb", &[4]),
            weights(g, "ccc", &[4]),
        );
        let var = g.f32("var", &[4], vec![0.5, 1.0, 2.0, 0.1]);
        let w = weights(g, "w", &[4, 4]);
        let y = g.dense(i.x, w, Some(a), Activation::None);
        vec![
            g.node(
                "BatchNormalization",
                &[i.x, a, b, c, var],
                vec![],
                Kind::F32,
                &[N, d(4)],
            ),
            g.node(
                "BatchNormalization",
                &[y, a, b, c, var],
                vec![],
                Kind::F32,
                &[N, d(4)],
            ),
        ]
    }),
    ("Cast", |g, i| {
        let big = g.scale(i.x, 100.0);
        let whole = g.node(
            "Cast",
            &[big],
            vec![Attribute::int("to", 7)],
            Kind::I64,
            &[N, d(4)],
        );
        let back = g.node(
            "Cast",
            &[whole],
            vec![Attribute::int("to", 1)],
            Kind::F32,
            &[N, d(4)],
        );
        vec![
            back,
            g.node(
                "Cast",
                &[i.ids],
                vec![Attribute::int("to", 1)],
                Kind::F32,
                &[N, d(3)],
            ),
        ]
    }),
    ("Clip", |g, i| {
        let low = g.f32("low", &[], vec![-0.25]);
        let high = g.f32("high", &[], vec![0.5]);
        vec![
            g.node("Clip", &[i.x, low, high], vec![], Kind::F32, &[N, d(4)]),
            g.node("Clip", &[i.x, low], vec![], Kind::F32, &[N, d(4)]),
        ]
    }),
    ("Concat", |g, i| {
        let s = g.expand(i.s, i.x);
        let rows = g.node(
            "Concat",
            &[i.t, i.t],
            vec![Attribute::int("axis", 1)],
            Kind::F32,
            &[N, d(6), d(4)],
        );
        vec![g.concat(&[i.x, s, i.p]), rows]
    }),
    ("Constant", |g, i| {
        let c = g.node(
            "Constant",
            &[],
            vec![Attribute::floats("value_floats", vec![1.0, 2.0, 3.0, 4.0])],
            Kind::F32,
            &[d(4)],
        );
        vec![g.mul(i.x, c)]
    }),
    ("ConstantOfShape", |g, i| {
        let shape = g.node("Shape", &[i.x], vec![], Kind::I64, &[d(2)]);
        let zeros = g.node("ConstantOfShape", &[shape], vec![], Kind::F32, &[N, d(4)]);
        vec![g.add(i.s, zeros)]
    }),
    ("DequantizeLinear", |g, i| {
        let w = g.int8(
            "w",
            [4, 2],
            vec![127, -127, 3, 4, 5, -6, 0, 1],
            vec![0.1, 0.2, 0.3, 0.4],
        );
        vec![g.dense(i.x, w, None, Activation::None)]
    }),
    ("Div", |g, i| vec![g.div(i.x, i.p)]),
    ("Dropout", |g, i| plain(g, "Dropout", i.x, vec![])),
    ("Erf", |g, i| plain(g, "Erf", i.x, vec![])),
    ("Exp", |g, i| plain(g, "Exp", i.x, vec![])),
    ("Expand", |g, i| {
        let three = g.slice(i.t, 1, 0, 1);
        let target = list(g, "target", &[1, 3, 4]);
        vec![
            g.node(
                "Expand",
                &[three, target],
                vec![],
                Kind::F32,
                &[N, d(3), d(4)],
            ),
            g.expand(i.s, i.x),
        ]
    }),
    ("Flatten", |g, i| {
        vec![g.node("Flatten", &[i.t], vec![], Kind::F32, &[N, d(12)])]
    }),
    ("Gather", |g, i| {
        let table = weights(g, "table", &[6, 5]);
        let at = list(g, "at", &[2, 0, 1, 1]);
        let one = g.i64("one", &[], vec![-1]);
        vec![
            g.gather(table, i.ids),
            g.bag(table, i.ids, Pool::Max),
            g.node(
                "Gather",
                &[i.x, at],
                vec![Attribute::int("axis", 1)],
                Kind::F32,
                &[N, d(4)],
            ),
            g.node(
                "Gather",
                &[i.t, one],
                vec![Attribute::int("axis", 1)],
                Kind::F32,
                &[N, d(4)],
            ),
        ]
    }),
    ("Gemm", |g, i| {
        let (w, b) = (weights(g, "w", &[3, 4]), weights(g, "b", &[3]));
        let attributes = vec![
            Attribute::int("transB", 1),
            Attribute::float("alpha", 0.5),
            Attribute::float("beta", 2.0),
        ];
        vec![
            g.node("Gemm", &[i.x, w, b], attributes, Kind::F32, &[N, d(3)]),
            g.dense_transposed(i.x, w, None, Activation::Tanh),
        ]
    }),
    ("Identity", |g, i| plain(g, "Identity", i.x, vec![])),
    ("LayerNormalization", |g, i| {
        let (a, b) = (weights(g, "a", &[4]), weights(g, "bb", &[4]));
        vec![g.layer_norm(i.x, a, b, 1e-3), g.layer_norm(i.t, a, b, 1e-3)]
    }),
    ("LeakyRelu", |g, i| {
        plain(g, "LeakyRelu", i.x, vec![Attribute::float("alpha", 0.3)])
    }),
    ("Log", |g, i| plain(g, "Log", i.p, vec![])),
    ("MatMul", |g, i| {
        let w = weights(g, "w", &[4, 2]);
        let flipped = g.transpose(i.t);
        vec![
            g.dense(i.x, w, None, Activation::None),
            g.dense(i.t, w, None, Activation::Relu),
            g.matmul(i.t, flipped),
            g.attention(i.t, i.t, i.t, None, 0.5),
        ]
    }),
    ("Max", |g, i| {
        vec![g.node("Max", &[i.x, i.s, i.p], vec![], Kind::F32, &[N, d(4)])]
    }),
    ("Min", |g, i| vec![g.min(i.x, i.s)]),
    ("Mul", |g, i| vec![g.mul(i.x, i.s), g.mul(i.t, i.s)]),
    ("Neg", |g, i| plain(g, "Neg", i.x, vec![])),
    ("Pow", |g, i| {
        let (two, half) = (g.f32("two", &[], vec![2.0]), g.f32("half", &[], vec![1.5]));
        vec![
            g.node("Pow", &[i.x, two], vec![], Kind::F32, &[N, d(4)]),
            g.node("Pow", &[i.p, half], vec![], Kind::F32, &[N, d(4)]),
        ]
    }),
    ("Reciprocal", |g, i| plain(g, "Reciprocal", i.p, vec![])),
    ("ReduceL2", |g, i| {
        let attributes = vec![
            Attribute::ints("axes", vec![1]),
            Attribute::int("keepdims", 0),
        ];
        vec![g.node("ReduceL2", &[i.t], attributes, Kind::F32, &[N, d(4)])]
    }),
    ("ReduceMax", |g, i| {
        vec![
            g.reduce(i.t, 1, Pool::Max, false),
            g.reduce(i.t, 2, Pool::Max, true),
        ]
    }),
    ("ReduceMean", |g, i| {
        let both = vec![
            Attribute::ints("axes", vec![1, 2]),
            Attribute::int("keepdims", 0),
        ];
        vec![
            g.reduce(i.t, 1, Pool::Mean, false),
            g.node("ReduceMean", &[i.t], both, Kind::F32, &[N]),
        ]
    }),
    ("ReduceMin", |g, i| {
        let attributes = vec![
            Attribute::ints("axes", vec![-1]),
            Attribute::int("keepdims", 1),
        ];
        vec![g.node("ReduceMin", &[i.x], attributes, Kind::F32, &[N, d(1)])]
    }),
    ("ReduceSum", |g, i| {
        vec![
            g.reduce(i.t, 2, Pool::Sum, false),
            g.reduce(i.x, 1, Pool::Sum, true),
        ]
    }),
    ("ReduceSumSquare", |g, i| {
        let attributes = vec![
            Attribute::ints("axes", vec![1]),
            Attribute::int("keepdims", 1),
        ];
        vec![g.node(
            "ReduceSumSquare",
            &[i.t],
            attributes,
            Kind::F32,
            &[N, d(1), d(4)],
        )]
    }),
    ("Relu", |g, i| plain(g, "Relu", i.x, vec![])),
    ("Reshape", |g, i| {
        let free = list(g, "free", &[-1, 12]);
        vec![
            g.reshape(i.t, &[N, d(2), d(6)]),
            g.node("Reshape", &[i.t, free], vec![], Kind::F32, &[N, d(12)]),
        ]
    }),
    ("Shape", |g, i| {
        // The number of rows as exporters fetch it: shape, gather, unsqueeze, concatenate.
        let shape = g.node("Shape", &[i.x], vec![], Kind::I64, &[d(2)]);
        let zero = g.i64("zero", &[], vec![0]);
        let axes = list(g, "axes", &[0]);
        let count = g.node("Gather", &[shape, zero], vec![], Kind::I64, &[]);
        let count = g.node("Unsqueeze", &[count, axes], vec![], Kind::I64, &[d(1)]);
        let four = list(g, "four", &[4]);
        let target = g.node(
            "Concat",
            &[count, four],
            vec![Attribute::int("axis", 0)],
            Kind::I64,
            &[d(2)],
        );
        vec![g.node("Expand", &[i.s, target], vec![], Kind::F32, &[N, d(4)])]
    }),
    ("Sigmoid", |g, i| plain(g, "Sigmoid", i.x, vec![])),
    ("Slice", |g, i| {
        let (start, end) = (list(g, "start", &[-3]), list(g, "end", &[i64::MAX]));
        let axis = list(g, "axis", &[1]);
        vec![
            g.slice(i.x, 1, 1, 2),
            g.slice(i.t, 1, 1, 2),
            g.slice(i.t, 2, 0, 3),
            g.node(
                "Slice",
                &[i.x, start, end, axis],
                vec![],
                Kind::F32,
                &[N, d(3)],
            ),
        ]
    }),
    ("Softmax", |g, i| {
        let mut all = vec![g.softmax(i.x), g.softmax(i.t)];
        all.extend(plain(g, "Softmax", i.t, vec![Attribute::int("axis", 1)]));
        all
    }),
    ("Split", |g, i| {
        let mut all = g.split(i.x, 1, &[1, 3]);
        all.extend(g.split(i.t, -2, &[2, 1]));
        all
    }),
    ("Sqrt", |g, i| plain(g, "Sqrt", i.p, vec![])),
    ("Squeeze", |g, i| {
        let one = g.slice(i.t, 1, 1, 1);
        let axes = list(g, "axes", &[1]);
        vec![g.node("Squeeze", &[one, axes], vec![], Kind::F32, &[N, d(4)])]
    }),
    ("Sub", |g, i| vec![g.sub(i.x, i.s), g.sub(i.s, i.x)]),
    ("Sum", |g, i| {
        vec![g.node("Sum", &[i.x, i.s, i.x], vec![], Kind::F32, &[N, d(4)])]
    }),
    ("Tanh", |g, i| plain(g, "Tanh", i.x, vec![])),
    ("Transpose", |g, i| {
        let long = g.reshape(i.t, &[N, d(3), d(2), d(2)]);
        let attributes = vec![Attribute::ints("perm", vec![0, 2, 1, 3])];
        let back = vec![Attribute::ints("perm", vec![0, 3, 1, 2])];
        vec![
            g.transpose(i.t),
            g.node(
                "Transpose",
                &[long],
                attributes,
                Kind::F32,
                &[N, d(2), d(3), d(2)],
            ),
            g.node(
                "Transpose",
                &[long],
                back,
                Kind::F32,
                &[N, d(2), d(3), d(2)],
            ),
            g.transpose(long),
        ]
    }),
    ("TreeEnsembleClassifier", |g, i| {
        let mut forest = stump(Test::Lt);
        forest.targets = 3;
        forest.base.push(0.0);
        forest.leaf_weights = vec![(0, 1.0), (2, 2.0), (0, -3.0), (1, 4.0)];
        let (label, scores) = g.classify(i.x, &forest, &[4, 9, 2]);
        vec![label, scores]
    }),
    ("TreeEnsembleRegressor", |g, i| {
        [
            Test::Leq,
            Test::Lt,
            Test::Gte,
            Test::Gt,
            Test::Eq,
            Test::Neq,
        ]
        .map(|test| g.trees(i.x, &stump(test)))
        .to_vec()
    }),
    ("Unsqueeze", |g, i| {
        let axes = list(g, "axes", &[1, -1]);
        vec![g.node(
            "Unsqueeze",
            &[i.x, axes],
            vec![],
            Kind::F32,
            &[N, d(1), d(4), d(1)],
        )]
    }),
];

/// Operators that operator set 17 doesn't have, so the builder can't write them.
const ELSEWHERE: &[&str] = &["Gelu"];

fn build(case: &Case) -> Vec<u8> {
    let mut g = Graph::new(case.0);
    let inputs = Inputs {
        x: g.input("x", Kind::F32, &[N, d(4)]),
        p: g.input("p", Kind::F32, &[N, d(4)]),
        s: g.input("s", Kind::F32, &[d(1), d(4)]),
        t: g.input("t", Kind::F32, &[N, d(3), d(4)]),
        ids: g.input("ids", Kind::I64, &[N, d(3)]),
    };
    for (n, value) in (case.1)(&mut g, &inputs).into_iter().enumerate() {
        g.output(&format!("y{n}"), value);
    }
    match g.finish() {
        Ok(onnx) => onnx,
        Err(error) => panic!("{}: {error}", case.0),
    }
}

fn inputs() -> Vec<(&'static str, Tensor)> {
    let mut rng = Rng(5);
    vec![
        ("x", f32s(&[ROWS, 4], rng.floats(ROWS * 4))),
        (
            "p",
            f32s(
                &[ROWS, 4],
                rng.floats(ROWS * 4).iter().map(|v| v.abs() + 0.1).collect(),
            ),
        ),
        ("s", f32s(&[1, 4], rng.floats(4))),
        ("t", f32s(&[ROWS, 3, 4], rng.floats(ROWS * 12))),
        ("ids", i64s(&[ROWS, 3], rng.ids(ROWS * 3, 6))),
    ]
}

#[test]
fn each_operator_gives_what_tract_gives() {
    for case in CASES {
        let onnx = build(case);
        let result = std::panic::catch_unwind(|| agree(&onnx, ROWS, &inputs()));
        if let Err(panic) = result {
            let text = panic
                .downcast_ref::<String>()
                .map_or("a panic", String::as_str);
            panic!("{}: {text}", case.0);
        }
    }
}

#[test]
fn each_supported_operator_is_tested() {
    let mut tested = BTreeSet::new();
    for case in CASES {
        let summary = check(&build(case)).expect("the graph is sound");
        assert!(
            summary.operators.contains_key(case.0),
            "the case {} lacks its operator",
            case.0
        );
        tested.extend(summary.operators.into_keys());
    }
    tested.extend(ELSEWHERE.iter().map(|s| (*s).to_owned()));
    for line in supported_operators().lines() {
        let name = line.split_whitespace().next().expect("a name");
        assert!(tested.contains(name), "{name} is supported but not tested");
    }
}

#[test]
fn the_readme_lists_what_is_supported() {
    let readme = include_str!("../README.md");
    assert!(
        readme.contains(&supported_operators()),
        "the README's table of operators must be:\n{}",
        supported_operators()
    );
}

fn program(
    build: impl FnOnce(&mut Graph, &Inputs) -> Vec<Var>,
) -> shelfedge_engine::program::Program {
    let mut g = Graph::new("pass");
    let of = Inputs {
        x: g.input("x", Kind::F32, &[N, d(4)]),
        p: g.input("p", Kind::F32, &[N, d(4)]),
        s: g.input("s", Kind::F32, &[d(1), d(4)]),
        t: g.input("t", Kind::F32, &[N, d(3), d(4)]),
        ids: g.input("ids", Kind::I64, &[N, d(3)]),
    };
    for (n, value) in build(&mut g, &of).into_iter().enumerate() {
        g.output(&format!("y{n}"), value);
    }
    agree(&g.finish().expect("the graph is sound"), ROWS, &inputs())
}

fn ops(program: &shelfedge_engine::program::Program) -> Vec<String> {
    program
        .steps
        .iter()
        .map(|s| {
            format!("{:?}", s.op)
                .split([' ', '{'])
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

#[test]
fn bias_activation_and_batch_normalisation_join_the_layer() {
    let program = program(|g, i| {
        let (w, b) = (weights(g, "w", &[4, 3]), weights(g, "b", &[3]));
        let (a, c, m) = (
            weights(g, "a", &[3]),
            weights(g, "cc", &[3]),
            weights(g, "mmm", &[3]),
        );
        let var = g.f32("var", &[3], vec![0.5, 1.0, 2.0]);
        let y = g.dense(i.x, w, Some(b), Activation::None);
        let y = g.node(
            "BatchNormalization",
            &[y, a, c, m, var],
            vec![],
            Kind::F32,
            &[N, d(3)],
        );
        vec![g.activate(y, Activation::Relu)]
    });
    assert_eq!(ops(&program), ["Dense"], "{}", show(&program));
}

#[test]
fn a_residual_connection_becomes_an_addend() {
    let program = program(|g, i| {
        let w = weights(g, "w", &[4, 4]);
        let y = g.dense(i.x, w, None, Activation::None);
        let y = g.add(i.x, y);
        vec![g.activate(y, Activation::Relu)]
    });
    assert_eq!(ops(&program), ["Dense"], "{}", show(&program));
}

#[test]
fn attention_is_one_operation_with_its_mask_or_without() {
    for masked in [false, true] {
        let program = program(|g, i| {
            let mask = masked.then(|| g.mask(i.ids));
            let query = g.reshape(i.x, &[N, d(1), d(4)]);
            vec![g.attention(query, i.t, i.t, mask, 0.5)]
        });
        let found = ops(&program);
        assert_eq!(
            found.iter().filter(|o| *o == "Attention").count(),
            1,
            "{}",
            show(&program)
        );
        assert!(
            !found.iter().any(|o| o == "Softmax" || o == "MatMul"),
            "{}",
            show(&program)
        );
    }
}

#[test]
fn a_mean_over_the_indices_that_count_is_one_bag() {
    let program = program(|g, i| {
        let table = weights(g, "table", &[6, 5]);
        vec![g.bag_padded(table, i.ids, Pool::Mean)]
    });
    assert_eq!(ops(&program), ["Bag"], "{}", show(&program));
}

#[test]
fn weighted_bags_keep_their_weights() {
    let program = program(|g, i| {
        let table = weights(g, "table", &[6, 5]);
        let w = g.slice(i.t, 2, 1, 1);
        let rows = g.gather(table, i.ids);
        let rows = g.mul(rows, w);
        vec![g.reduce(rows, 1, Pool::Sum, false)]
    });
    assert_eq!(ops(&program), ["Slice", "Bag"], "{}", show(&program));
}

#[test]
fn what_is_the_same_for_every_row_is_computed_once() {
    let program = program(|g, i| {
        let s = g.expand(i.s, i.x);
        let s = g.activate(s, Activation::Tanh);
        let x = g.concat(&[s, i.x, s]);
        let (w, b) = (weights(g, "w", &[12, 3]), weights(g, "b", &[3]));
        vec![g.dense(x, w, Some(b), Activation::Relu)]
    });
    let per_row: Vec<&Op> = program
        .steps
        .iter()
        .filter(|s| program.values[s.result.0 as usize].shape.rows == Rows::PerRow)
        .map(|s| &s.op)
        .collect();
    assert!(
        matches!(
            per_row.as_slice(),
            [Op::Dense {
                addend: Some(_),
                ..
            }]
        ),
        "{}",
        show(&program)
    );
}

#[test]
fn gelu_of_a_newer_operator_set() {
    use prost::Message;
    let mut g = Graph::new("gelu");
    let x = g.input("x", Kind::F32, &[N, d(4)]);
    let y = g.node("Gelu", &[x], vec![], Kind::F32, &[N, d(4)]);
    g.output("y", y);
    let mut model = tract_onnx::pb::ModelProto::decode(g.finish().expect("sound").as_slice())
        .expect("it decodes");
    model.opset_import[0].version = 20;
    let only_x = vec![inputs().remove(0)];
    agree(&model.encode_to_vec(), ROWS, &only_x);
}

#[test]
fn a_wrong_graph_reports_every_fault_at_once() {
    let mut g = Graph::new("wrong");
    let x = g.input("x", Kind::F32, &[N, d(4)]);
    let w = g.f32("w", &[3, 2], vec![0.0; 5]);
    let y = g.dense(x, w, None, Activation::None);
    let z = g.concat(&[y, x]);
    g.metadata("a", "1");
    g.metadata("a", "2");
    let r = g.reduce(z, 0, Pool::Sum, true);
    g.output("x", r);
    let error = g.finish().expect_err("five things are wrong");
    assert_eq!(error.faults.len(), 5, "{error}");
}

#[test]
fn trees_come_back_as_they_were_whatever_the_order_of_their_nodes() {
    use prost::Message;
    let forest = stump(Test::Leq);
    let mut g = Graph::new("trees");
    let x = g.input("x", Kind::F32, &[N, d(4)]);
    let y = g.trees(x, &forest);
    g.output("y", y);
    let onnx = g.finish().expect("sound");
    let lowered = shelfedge_onnx::lower(&onnx, &Default::default()).expect("it lowers");
    assert_eq!(lowered.forests, std::slice::from_ref(&forest));

    // The same tree, with its nodes listed backwards and numbered anew.
    let mut model = tract_onnx::pb::ModelProto::decode(onnx.as_slice()).expect("it decodes");
    let node = &mut model.graph.as_mut().expect("a graph").node[0];
    for attribute in &mut node.attribute {
        let renumber = attribute.name.ends_with("nodeids") && attribute.name != "nodes_treeids";
        if attribute.name.starts_with("nodes_") {
            attribute.ints.reverse();
            attribute.floats.reverse();
            attribute.strings.reverse();
        }
        if renumber {
            attribute.ints.iter_mut().for_each(|id| *id = 100 - *id);
        }
    }
    let lowered =
        shelfedge_onnx::lower(&model.encode_to_vec(), &Default::default()).expect("it lowers");
    assert_eq!(lowered.forests, [forest]);

    // A node that is its own descendant.
    let node = &mut model.graph.as_mut().expect("a graph").node[0];
    let branch = 100;
    for attribute in &mut node.attribute {
        if attribute.name == "nodes_truenodeids" {
            attribute
                .ints
                .iter_mut()
                .for_each(|id| *id = if *id == 99 { branch } else { *id });
        }
    }
    let error =
        shelfedge_onnx::lower(&model.encode_to_vec(), &Default::default()).expect_err("a cycle");
    assert_eq!(error.code(), "onnx_cycle", "{error}");
    assert_eq!(error.operator(), Some("TreeEnsembleRegressor"));
}
