//! The engine against plain arithmetic, on every operation and precision.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use proptest::prelude::*;
use shelfedge_engine::math::{f16_to_f32, f32_to_f16};
use shelfedge_engine::program::{
    Aggregate, Axis, Binary, Data, Forest, Kind, Mode, Node, Op, PostTransform, Program, Rows,
    Test, Unary,
};
use shelfedge_engine::{Input, LoadErrorKind, Model, RunError, Workspace};

/// A small generator of fixed width, so that a test is the same everywhere.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }
    fn f32(&mut self) -> f32 {
        (self.next() % 20_001) as f32 / 10_000.0 - 1.0
    }
    fn vec(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.f32()).collect()
    }
    fn below(&mut self, n: u32) -> u32 {
        self.next() % n
    }
}

fn run(program: &Program, rows: usize, inputs: &[Input<'_>]) -> Vec<f32> {
    let model = Model::open(program.compile(&[]).unwrap()).unwrap();
    let mut workspace = Workspace::default();
    model.run(&mut workspace, rows, inputs).unwrap();
    workspace.output(0).to_vec()
}

fn close(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!(
            (g - w).abs() <= 1e-5 * w.abs().max(1.0),
            "element {i}: got {g}, want {w}"
        );
    }
}

fn quantise(data: &[f32], rows: usize, precision: u32) -> (Data, Vec<f32>) {
    let cols = data.len() / rows;
    match precision {
        0 => (Data::F32(data.to_vec()), data.to_vec()),
        1 => {
            let h: Vec<u16> = data.iter().map(|x| f32_to_f16(*x)).collect();
            let back = h.iter().map(|h| f16_to_f32(*h)).collect();
            (Data::F16(h), back)
        }
        _ => {
            let mut q = Vec::new();
            let mut scale = Vec::new();
            let mut back = Vec::new();
            for row in data.chunks(cols) {
                let s = row.iter().fold(0.0f32, |m, x| m.max(x.abs())) / 127.0;
                for x in row {
                    let v = if s == 0.0 { 0 } else { (x / s).round() as i8 };
                    q.push(v);
                    back.push(f32::from(v) * s);
                }
                scale.push(s);
            }
            (Data::I8 { q, scale }, back)
        }
    }
}

#[test]
fn dense_layers_of_every_size_and_precision() {
    let mut rng = Rng(1);
    for (inputs, outputs, len, rows) in [
        (1, 1, 1, 1),
        (3, 5, 1, 7),
        (64, 64, 1, 48),
        (17, 9, 2, 53),
        (40, 4, 1, 200),
        (5, 13, 3, 96),
        (8, 32, 1, 0),
    ] {
        for precision in 0..3 {
            let (weight, w) = quantise(&rng.vec(inputs * outputs), outputs, precision);
            let b = rng.vec(outputs);
            let x = rng.vec(rows * len * inputs);
            let mut p = Program::default();
            let v = p.input("x", Kind::F32, Rows::PerRow, len as u32, inputs as u32);
            let weight = p.tensor(outputs as u32, inputs as u32, weight);
            let bias = Some(p.tensor(1, outputs as u32, Data::F32(b.clone())));
            let y = p
                .push(Op::Dense {
                    x: v,
                    weight,
                    bias,
                    addend: None,
                    activation: Unary::Relu,
                })
                .unwrap();
            p.output("y", y);
            let want: Vec<f32> = x
                .chunks(inputs)
                .flat_map(|x| {
                    (0..outputs)
                        .map(|o| {
                            let sum: f32 = w[o * inputs..(o + 1) * inputs]
                                .iter()
                                .zip(x)
                                .map(|(w, x)| w * x)
                                .sum();
                            (sum + b[o]).max(0.0)
                        })
                        .collect::<Vec<_>>()
                })
                .collect();
            close(&run(&p, rows, &[Input::F32(&x)]), &want);
        }
    }
}

#[test]
fn a_shared_part_as_addend_equals_the_concatenation() {
    let mut rng = Rng(2);
    let (c, f, outputs, rows) = (11usize, 7usize, 10usize, 61usize);
    let w = rng.vec(outputs * (c + f));
    let (context, candidate) = (rng.vec(c), rng.vec(rows * f));
    let mut plain = Program::default();
    let a = plain.input("context", Kind::F32, Rows::Shared, 1, c as u32);
    let b = plain.input("candidate", Kind::F32, Rows::PerRow, 1, f as u32);
    let x = plain
        .push(Op::Concat {
            parts: vec![a, b],
            axis: Axis::Width,
        })
        .unwrap();
    let weight = plain.tensor(outputs as u32, (c + f) as u32, Data::F32(w.clone()));
    let y = plain
        .push(Op::Dense {
            x,
            weight,
            bias: None,
            addend: None,
            activation: Unary::Tanh,
        })
        .unwrap();
    plain.output("y", y);

    let part = |from: usize, n: usize| -> Vec<f32> {
        w.chunks(c + f)
            .flat_map(|row| row[from..from + n].to_vec())
            .collect()
    };
    let mut hoisted = Program::default();
    let a = hoisted.input("context", Kind::F32, Rows::Shared, 1, c as u32);
    let b = hoisted.input("candidate", Kind::F32, Rows::PerRow, 1, f as u32);
    let wa = hoisted.tensor(outputs as u32, c as u32, Data::F32(part(0, c)));
    let wb = hoisted.tensor(outputs as u32, f as u32, Data::F32(part(c, f)));
    let once = hoisted
        .push(Op::Dense {
            x: a,
            weight: wa,
            bias: None,
            addend: None,
            activation: Unary::Identity,
        })
        .unwrap();
    let y = hoisted
        .push(Op::Dense {
            x: b,
            weight: wb,
            bias: None,
            addend: Some(once),
            activation: Unary::Tanh,
        })
        .unwrap();
    hoisted.output("y", y);
    let inputs = [Input::F32(&context), Input::F32(&candidate)];
    close(&run(&hoisted, rows, &inputs), &run(&plain, rows, &inputs));
}

#[test]
fn bags_skip_padding_and_take_weights() {
    let mut rng = Rng(3);
    let (entries, cols, len, rows) = (9usize, 5usize, 4usize, 50usize);
    let table = rng.vec(entries * cols);
    let ids: Vec<i32> = (0..rows * len)
        .map(|_| rng.below(entries as u32) as i32)
        .collect();
    let weights = rng.vec(rows * len);
    for mode in [Mode::Sum, Mode::Mean, Mode::Max] {
        for weighted in [false, true] {
            if weighted && mode == Mode::Max {
                continue;
            }
            let mut p = Program::default();
            let i = p.input("ids", Kind::I32, Rows::PerRow, len as u32, 1);
            let w = p.input("weights", Kind::F32, Rows::PerRow, len as u32, 1);
            let t = p.tensor(entries as u32, cols as u32, Data::F32(table.clone()));
            let y = p
                .push(Op::Bag {
                    table: t,
                    ids: i,
                    weights: weighted.then_some(w),
                    mode,
                    padding: Some(0),
                })
                .unwrap();
            p.output("y", y);
            let want: Vec<f32> = (0..rows)
                .flat_map(|r| {
                    let mut sum = vec![0.0f32; cols];
                    let mut max = vec![f32::NEG_INFINITY; cols];
                    let mut n = 0.0;
                    for l in 0..len {
                        let id = ids[r * len + l] as usize;
                        if id == 0 {
                            continue;
                        }
                        n += 1.0;
                        for c in 0..cols {
                            let x = table[id * cols + c];
                            sum[c] += x * if weighted { weights[r * len + l] } else { 1.0 };
                            max[c] = max[c].max(x);
                        }
                    }
                    match mode {
                        Mode::Sum => sum,
                        Mode::Mean => sum
                            .iter()
                            .map(|s| if n > 0.0 { s / n } else { 0.0 })
                            .collect(),
                        Mode::Max => max.iter().map(|m| if n > 0.0 { *m } else { 0.0 }).collect(),
                    }
                })
                .collect();
            close(
                &run(&p, rows, &[Input::I32(&ids), Input::F32(&weights)]),
                &want,
            );
        }
    }
}

#[test]
fn target_attention_over_shared_keys() {
    let mut rng = Rng(4);
    let (rows, entries, d) = (49usize, 6usize, 8usize);
    let (q, k) = (rng.vec(rows * d), rng.vec(entries * d));
    let mask = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0];
    let mut p = Program::default();
    let query = p.input("q", Kind::F32, Rows::PerRow, 1, d as u32);
    let keys = p.input("k", Kind::F32, Rows::Shared, entries as u32, d as u32);
    let m = p.input("m", Kind::F32, Rows::Shared, entries as u32, 1);
    let y = p
        .push(Op::Attention {
            query,
            keys,
            values: keys,
            mask: Some(m),
            scale: 0.35,
        })
        .unwrap();
    p.output("y", y);
    let want: Vec<f32> = q
        .chunks(d)
        .flat_map(|q| {
            let s: Vec<f32> = k
                .chunks(d)
                .zip(mask)
                .map(|(k, m)| {
                    let dot: f32 = k.iter().zip(q).map(|(k, q)| k * q).sum();
                    if m == 0.0 { 0.0 } else { (dot * 0.35).exp() }
                })
                .collect();
            let sum: f32 = s.iter().sum();
            (0..d)
                .map(|c| (0..entries).map(|e| s[e] / sum * k[e * d + c]).sum::<f32>())
                .collect::<Vec<_>>()
        })
        .collect();
    close(
        &run(
            &p,
            rows,
            &[Input::F32(&q), Input::F32(&k), Input::F32(&mask)],
        ),
        &want,
    );
    // Nothing to attend to gives zeros.
    let none = run(
        &p,
        rows,
        &[Input::F32(&q), Input::F32(&k), Input::F32(&[0.0; 6])],
    );
    assert!(none.iter().all(|x| *x == 0.0));
}

#[test]
fn normalisation_softmax_and_reductions() {
    let mut rng = Rng(5);
    let (rows, len, width) = (13usize, 3usize, 6usize);
    let x = rng.vec(rows * len * width);
    let (gamma, beta) = (rng.vec(width), rng.vec(width));
    let build = |f: &dyn Fn(&mut Program, shelfedge_engine::program::ValueId) -> Op| {
        let mut p = Program::default();
        let v = p.input("x", Kind::F32, Rows::PerRow, len as u32, width as u32);
        let op = f(&mut p, v);
        let y = p.push(op).unwrap();
        p.output("y", y);
        run(&p, rows, &[Input::F32(&x)])
    };
    let normal = build(&|p, x| Op::LayerNorm {
        x,
        gamma: p.tensor(1, width as u32, Data::F32(gamma.clone())),
        beta: p.tensor(1, width as u32, Data::F32(beta.clone())),
        epsilon: 1e-5,
    });
    let want: Vec<f32> = x
        .chunks(width)
        .flat_map(|x| {
            let mean = x.iter().sum::<f32>() / width as f32;
            let var = x.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / width as f32;
            (0..width)
                .map(|i| (x[i] - mean) / (var + 1e-5).sqrt() * gamma[i] + beta[i])
                .collect::<Vec<_>>()
        })
        .collect();
    close(&normal, &want);
    let soft = build(&|_, x| Op::Softmax { x, axis: Axis::Len });
    for (r, row) in soft.chunks(len * width).enumerate() {
        for w in 0..width {
            let e: Vec<f32> = (0..len)
                .map(|l| x[(r * len + l) * width + w].exp())
                .collect();
            let sum: f32 = e.iter().sum();
            for l in 0..len {
                assert!((row[l * width + w] - e[l] / sum).abs() < 1e-6);
            }
        }
    }
    let sums = build(&|_, x| Op::Reduce {
        x,
        axis: Axis::Width,
        mode: Mode::Sum,
        mask: None,
    });
    close(
        &sums,
        &x.chunks(width).map(|x| x.iter().sum()).collect::<Vec<_>>(),
    );
    let turned = build(&|_, x| Op::Transpose { x });
    assert_eq!(turned[len], x[1]);
}

#[test]
fn trees_of_all_comparisons_with_missing_values() {
    for (test, hits) in [
        (Test::Leq, [true, true, false]),
        (Test::Lt, [true, false, false]),
        (Test::Gte, [false, true, true]),
        (Test::Gt, [false, false, true]),
        (Test::Eq, [false, true, false]),
        (Test::Neq, [true, false, true]),
    ] {
        for missing_is_true in [false, true] {
            let mut p = Program::default();
            let x = p.input("x", Kind::F32, Rows::PerRow, 1, 2);
            let forest = p.forest(Forest {
                features: 2,
                targets: 2,
                base: vec![0.5, 0.25],
                aggregate: Aggregate::Sum,
                post: PostTransform::None,
                trees: vec![vec![
                    Node::Branch {
                        feature: 1,
                        test,
                        threshold: 2.0,
                        if_true: 1,
                        if_false: 2,
                        missing_is_true,
                    },
                    Node::Leaf { first: 0, count: 1 },
                    Node::Leaf { first: 1, count: 2 },
                ]],
                leaf_weights: vec![(0, 10.0), (0, 20.0), (1, 30.0)],
            });
            let y = p.push(Op::Trees { x, forest }).unwrap();
            p.output("y", y);
            let got = run(
                &p,
                4,
                &[Input::F32(&[9.0, 1.0, 9.0, 2.0, 9.0, 3.0, 9.0, f32::NAN])],
            );
            for (row, hit) in got.chunks(2).zip(hits.into_iter().chain([missing_is_true])) {
                assert_eq!(row, if hit { [10.5, 0.25] } else { [20.5, 30.25] });
            }
        }
    }
}

/// Nine trees over so many features; strange ones test otherwise than by `<=`, send
/// missing values elsewhere, or have several weights a leaf.
fn forest(rng: &mut Rng, features: u32, leaves: usize, strange: bool) -> Forest {
    let mut forest = Forest {
        features,
        targets: 1,
        base: vec![0.125],
        aggregate: Aggregate::Sum,
        post: PostTransform::None,
        trees: Vec::new(),
        leaf_weights: Vec::new(),
    };
    for tree in 0..9 {
        // Splits one leaf after the other.
        let mut nodes = vec![None];
        while nodes.iter().filter(|node| node.is_none()).count() < leaves {
            let open: Vec<usize> = (0..nodes.len()).filter(|i| nodes[*i].is_none()).collect();
            let at = open[rng.below(open.len() as u32) as usize];
            let child = nodes.len() as u32;
            nodes[at] = Some(Node::Branch {
                feature: rng.below(features),
                test: if strange && tree % 3 == 1 {
                    Test::Gt
                } else {
                    Test::Leq
                },
                threshold: rng.below(5) as f32 - 2.0,
                if_true: child + tree % 2,
                if_false: child + 1 - tree % 2,
                missing_is_true: strange && tree % 3 == 2,
            });
            nodes.extend([None, None]);
        }
        let nodes = nodes.into_iter().map(|node| {
            node.unwrap_or_else(|| {
                let first = forest.leaf_weights.len() as u32;
                let count = if strange && tree == 4 { 2 } else { 1 };
                for weight in rng.vec(count) {
                    forest.leaf_weights.push((0, weight));
                }
                Node::Leaf {
                    first,
                    count: count as u32,
                }
            })
        });
        let nodes = nodes.collect();
        forest.trees.push(nodes);
    }
    forest
}

fn of_trees(forest: Forest) -> Program {
    let mut p = Program::default();
    let x = p.input("x", Kind::F32, Rows::PerRow, 1, forest.features);
    let forest = p.forest(forest);
    let y = p.push(Op::Trees { x, forest }).unwrap();
    p.output("y", y);
    p
}

/// Numbers around the thresholds, some of them none.
fn numbers(rng: &mut Rng, count: usize) -> Vec<f32> {
    (0..count)
        .map(|_| match rng.below(12) {
            0 => f32::NAN,
            1 => f32::INFINITY,
            n => n as f32 / 2.0 - 3.0,
        })
        .collect()
}

/// Rows that go through trees together get what each gets alone.
#[test]
fn trees_give_a_row_the_same_in_any_company() {
    let mut rng = Rng(11);
    for (leaves, strange) in [
        (1, false),
        (2, false),
        (7, false),
        (7, true),
        (64, false),
        (90, false),
    ] {
        let p = of_trees(forest(&mut rng, 5, leaves, strange));
        let rows = 150;
        let mut x = numbers(&mut rng, rows * 5);
        for same in [&[][..], &[3], &[0, 2, 3], &[0, 1, 2, 3, 4]] {
            // Of some numbers all rows have the same.
            for feature in same {
                for row in 1..rows {
                    x[row * 5 + feature] = x[*feature];
                }
            }
            let alone: Vec<f32> = x
                .chunks(5)
                .flat_map(|row| run(&p, 1, &[Input::F32(row)]))
                .collect();
            for count in [1, 15, 16, 17, 18, 35, 64, 65, 150] {
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                let together = run(&p, count, &[Input::F32(&x[..count * 5])]);
                assert_eq!(
                    bits(&together),
                    bits(&alone[..count]),
                    "{leaves} leaves, {count} rows, the same {same:?}"
                );
            }
        }
    }
}

/// By its definition: what a number adds to every set of others, in every order.
fn shapley(players: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
    let values: Vec<f64> = (0..1 << players).map(value).collect();
    let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
    (0..players)
        .map(|player| {
            let bit = 1 << player;
            let without = (0..1usize << players).filter(|set| set & bit == 0);
            without
                .map(|set| {
                    let before = set.count_ones() as usize;
                    let orders = factorial(before) * factorial(players - before - 1);
                    orders / factorial(players) * (values[set | bit] - values[set])
                })
                .sum()
        })
        .collect()
}

#[test]
fn contributions_are_shapley_values() {
    const FEATURES: usize = 7;
    let mut rng = Rng(23);
    for (leaves, strange) in [(1, false), (2, false), (7, false), (7, true), (40, true)] {
        let p = of_trees(forest(&mut rng, FEATURES as u32, leaves, strange));
        let model = Model::open(p.compile(&[]).unwrap()).unwrap();
        for _ in 0..5 {
            let row = numbers(&mut rng, FEATURES);
            let mut reference = numbers(&mut rng, FEATURES);
            reference[2] = row[2];
            let expected = shapley(FEATURES, |set| {
                let mixed: Vec<f32> = (0..FEATURES)
                    .map(|i| {
                        if set >> i & 1 == 1 {
                            row[i]
                        } else {
                            reference[i]
                        }
                    })
                    .collect();
                run(&p, 1, &[Input::F32(&mixed)])[0].into()
            });
            let found = model.contributions(&row, &reference).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                // The engine's own sums are f32.
                assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
            }
            assert!(found[2] == 0.0, "what is the same contributes nothing");
            let score = |row: &[f32]| f64::from(run(&p, 1, &[Input::F32(row)])[0]);
            let sum: f64 = found.iter().sum();
            assert!((sum - (score(&row) - score(&reference))).abs() < 1e-5);
        }
        assert!(
            model
                .contributions(&[0.0; FEATURES - 1], &[0.0; FEATURES])
                .is_none()
        );
    }
    // Another program has none.
    let model = Model::open(wide(&mut rng).compile(&[]).unwrap()).unwrap();
    assert!(model.contributions(&[0.0; 5], &[0.0; 5]).is_none());
}

/// Branches that meet again would be walked again and again.
#[test]
fn contributions_of_trees_that_are_none_end() {
    let branch = |i: u32| Node::Branch {
        feature: i,
        test: Test::Leq,
        threshold: 0.0,
        if_true: i + 1,
        if_false: i + 2,
        missing_is_true: false,
    };
    let mut nodes: Vec<Node> = (0..60).map(branch).collect();
    nodes.extend([Node::Leaf { first: 0, count: 1 }; 2]);
    let p = of_trees(Forest {
        features: 60,
        targets: 1,
        base: Vec::new(),
        aggregate: Aggregate::Sum,
        post: PostTransform::None,
        trees: vec![nodes],
        leaf_weights: vec![(0, 1.0)],
    });
    let model = Model::open(p.compile(&[]).unwrap()).unwrap();
    assert!(model.contributions(&[1.0; 60], &[-1.0; 60]).is_none());
}

/// A program with most operations, for the tests on whole files.
fn wide(rng: &mut Rng) -> Program {
    let mut p = Program::default();
    let context = p.input("context", Kind::F32, Rows::Shared, 1, 6);
    let candidate = p.input("candidate", Kind::F32, Rows::PerRow, 1, 5);
    let product = p.input("product", Kind::I32, Rows::PerRow, 1, 1);
    let session = p.input("session", Kind::I32, Rows::Shared, 4, 1);
    let (table, _) = quantise(&rng.vec(20 * 8), 20, 2);
    let table = p.tensor(20, 8, table);
    let e = p
        .push(Op::Gather {
            table,
            ids: product,
        })
        .unwrap();
    let s = p
        .push(Op::Bag {
            table,
            ids: session,
            weights: None,
            mode: Mode::Mean,
            padding: Some(0),
        })
        .unwrap();
    let keys = p
        .push(Op::Gather {
            table,
            ids: session,
        })
        .unwrap();
    let a = p
        .push(Op::Attention {
            query: e,
            keys,
            values: keys,
            mask: None,
            scale: 0.3,
        })
        .unwrap();
    let m = p
        .push(Op::Binary {
            a: e,
            b: s,
            f: Binary::Mul,
        })
        .unwrap();
    let x = p
        .push(Op::Concat {
            parts: vec![context, candidate, e, s, a, m],
            axis: Axis::Width,
        })
        .unwrap();
    let (w, _) = quantise(&rng.vec(24 * 43), 24, 1);
    let weight = p.tensor(24, 43, w);
    let bias = Some(p.tensor(1, 24, Data::F32(rng.vec(24))));
    let h = p
        .push(Op::Dense {
            x,
            weight,
            bias,
            addend: None,
            activation: Unary::Relu,
        })
        .unwrap();
    let weight = p.tensor(3, 24, Data::F32(rng.vec(72)));
    let y = p
        .push(Op::Dense {
            x: h,
            weight,
            bias: None,
            addend: None,
            activation: Unary::Sigmoid,
        })
        .unwrap();
    let best = p.push(Op::ArgMax { x: y }).unwrap();
    let forest = p.forest(Forest {
        features: 5,
        targets: 1,
        base: vec![],
        aggregate: Aggregate::Average,
        post: PostTransform::Logistic,
        trees: (0..5)
            .map(|i| {
                vec![
                    Node::Branch {
                        feature: i,
                        test: Test::Leq,
                        threshold: 0.1,
                        if_true: 1,
                        if_false: 2,
                        missing_is_true: true,
                    },
                    Node::Leaf { first: i, count: 1 },
                    Node::Leaf {
                        first: i + 1,
                        count: 1,
                    },
                ]
            })
            .collect(),
        leaf_weights: (0..6).map(|i| (0, i as f32)).collect(),
    });
    let t = p
        .push(Op::Trees {
            x: candidate,
            forest,
        })
        .unwrap();
    p.output("y", y);
    p.output("best", best);
    p.output("trees", t);
    p
}

struct Case {
    context: Vec<f32>,
    candidate: Vec<f32>,
    product: Vec<i32>,
    session: Vec<i32>,
}

impl Case {
    fn new(rng: &mut Rng, rows: usize) -> Self {
        Self {
            context: rng.vec(6),
            candidate: rng.vec(rows * 5),
            product: (0..rows).map(|_| rng.below(20) as i32).collect(),
            session: (0..4).map(|_| rng.below(20) as i32).collect(),
        }
    }
    fn inputs(&self) -> [Input<'_>; 4] {
        [
            Input::F32(&self.context),
            Input::F32(&self.candidate),
            Input::I32(&self.product),
            Input::I32(&self.session),
        ]
    }
}

#[test]
fn a_rows_bits_do_not_depend_on_its_neighbours() {
    let mut rng = Rng(6);
    let model = Model::open(wide(&mut rng).compile(&[]).unwrap()).unwrap();
    let case = Case::new(&mut rng, 600);
    let mut workspace = Workspace::default();
    model.run(&mut workspace, 600, &case.inputs()).unwrap();
    let (all, labels, trees) = (
        workspace.output(0).to_vec(),
        workspace.labels(1).to_vec(),
        workspace.output(2).to_vec(),
    );
    for r in 0..600 {
        let one = Case {
            context: case.context.clone(),
            candidate: case.candidate[r * 5..r * 5 + 5].to_vec(),
            product: vec![case.product[r]],
            session: case.session.clone(),
        };
        model.run(&mut workspace, 1, &one.inputs()).unwrap();
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(workspace.output(0)), bits(&all[r * 3..r * 3 + 3]));
        assert_eq!(workspace.labels(1), &labels[r..=r]);
        assert_eq!(bits(workspace.output(2)), bits(&trees[r..=r]));
    }
}

#[test]
fn bad_calls_are_errors() {
    let mut rng = Rng(7);
    let model = Model::open(wide(&mut rng).compile(&[]).unwrap()).unwrap();
    let mut workspace = Workspace::default();
    let mut case = Case::new(&mut rng, 3);
    assert_eq!(
        model.run(&mut workspace, 3, &case.inputs()[..2]),
        Err(RunError::InputCount {
            expected: 4,
            found: 2
        })
    );
    assert_eq!(
        model.run(&mut workspace, 4, &case.inputs()),
        Err(RunError::InputLength {
            input: 1,
            expected: 20,
            found: 15
        })
    );
    case.product[1] = 20;
    assert!(matches!(
        model.run(&mut workspace, 3, &case.inputs()),
        Err(RunError::Index {
            index: 20,
            entries: 20,
            ..
        })
    ));
    case.product[1] = -1;
    assert!(matches!(
        model.run(&mut workspace, 3, &case.inputs()),
        Err(RunError::Index { index: -1, .. })
    ));
    // The workspace still serves the next call.
    case.product[1] = 1;
    assert!(model.run(&mut workspace, 3, &case.inputs()).is_ok());
    assert!(
        model
            .run(
                &mut workspace,
                0,
                &[
                    Input::F32(&case.context),
                    Input::F32(&[]),
                    Input::I32(&[]),
                    Input::I32(&case.session)
                ]
            )
            .is_ok()
    );
    assert!(workspace.output(0).is_empty());
}

#[test]
fn numbers_that_are_not_finite_pass_through_without_a_panic() {
    let mut rng = Rng(8);
    let model = Model::open(wide(&mut rng).compile(&[]).unwrap()).unwrap();
    let mut case = Case::new(&mut rng, 5);
    case.candidate[0] = f32::NAN;
    case.candidate[6] = f32::INFINITY;
    let mut workspace = Workspace::default();
    model.run(&mut workspace, 5, &case.inputs()).unwrap();
    assert!(
        workspace.output(0)[6..].iter().all(|x| x.is_finite()),
        "other rows are untouched"
    );
}

#[test]
fn truncations_are_refused_and_flips_never_panic() {
    let mut rng = Rng(9);
    let file = wide(&mut rng).compile(&[("extra", vec![1, 2, 3])]).unwrap();
    let model = Model::open(file.as_slice()).unwrap();
    assert_eq!(model.section("extra"), Some([1, 2, 3].as_slice()));
    for n in 0..file.len() {
        let error = Model::open(&file[..n]).unwrap_err();
        assert!(
            matches!(
                error.kind,
                LoadErrorKind::NotACompiledModel | LoadErrorKind::Truncated
            ),
            "{n}: {error}"
        );
    }
    let case = Case::new(&mut rng, 5);
    let mut workspace = Workspace::default();
    for byte in 0..file.len() {
        let mut bad = file.clone();
        bad[byte] ^= 1 << rng.below(8);
        if let Ok(model) = Model::open(bad) {
            let _ = model.run(&mut workspace, 5, &case.inputs());
        }
    }
}

#[test]
fn one_workspace_serves_models_in_turn() {
    let mut rng = Rng(10);
    let (a, b) = (wide(&mut rng), wide(&mut rng));
    let (a, b) = (
        Model::open(a.compile(&[]).unwrap()).unwrap(),
        Model::open(b.compile(&[]).unwrap()).unwrap(),
    );
    let case = Case::new(&mut rng, 60);
    let mut shared = Workspace::default();
    for model in [&a, &b, &a] {
        let mut own = Workspace::default();
        model.run(&mut own, 60, &case.inputs()).unwrap();
        model.run(&mut shared, 60, &case.inputs()).unwrap();
        assert_eq!(own.output(0), shared.output(0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn elementwise_broadcasts(rows in 1usize..60, len in 1u32..4, width in 1u32..5, seed in 0u64..1000) {
        let mut rng = Rng(seed);
        let a = rng.vec(rows * (len * width) as usize);
        let b = rng.vec(width as usize);
        let c = rng.vec(rows * len as usize);
        let mut p = Program::default();
        let x = p.input("a", Kind::F32, Rows::PerRow, len, width);
        let y = p.input("b", Kind::F32, Rows::Shared, 1, width);
        let z = p.input("c", Kind::F32, Rows::PerRow, len, 1);
        let s = p.push(Op::Binary { a: y, b: x, f: Binary::Sub }).unwrap();
        let t = p.push(Op::Binary { a: s, b: z, f: Binary::Max }).unwrap();
        p.output("y", t);
        let got = run(&p, rows, &[Input::F32(&a), Input::F32(&b), Input::F32(&c)]);
        for (i, g) in got.iter().enumerate() {
            let want = (b[i % width as usize] - a[i]).max(c[i / width as usize]);
            prop_assert_eq!(*g, want);
        }
    }
}
