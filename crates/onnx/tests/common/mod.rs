//! What the tests share: a seeded source of numbers, and one way to compare the
//! engine with tract.
#![allow(
    dead_code,
    reason = "every test binary uses its own part of this module"
)]

use shelfedge_engine::program::{Kind, Program, Rows};
use shelfedge_engine::{Input, Model, Workspace};
use shelfedge_onnx::reference::{Reference, Tensor};
use shelfedge_onnx::{Options, lower};

/// SplitMix64: the same numbers on every platform.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 up to, but not including, `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Both ends included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// -1 to 1, in steps that f32 holds exactly.
    pub(crate) fn float(&mut self) -> f32 {
        (self.below(1 << 20) as f32 / (1 << 19) as f32) - 1.0
    }

    pub(crate) fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }

    pub(crate) fn ids(&mut self, count: usize, end: usize) -> Vec<i64> {
        (0..count).map(|_| self.below(end) as i64).collect()
    }
}

pub(crate) fn f32s(dims: &[usize], data: Vec<f32>) -> Tensor {
    Tensor::F32 {
        dims: dims.to_vec(),
        data,
    }
}

pub(crate) fn i64s(dims: &[usize], data: Vec<i64>) -> Tensor {
    Tensor::I64 {
        dims: dims.to_vec(),
        data,
    }
}

/// The outputs of a compiled program, integers as floats, by name.
pub(crate) fn engine(
    program: &Program,
    rows: usize,
    inputs: &[(&str, Tensor)],
) -> Vec<(String, Vec<f32>)> {
    let bytes = program.compile(&[]).expect("the program compiles");
    let model = Model::open(bytes).expect("the compiled model opens");
    let integers: Vec<Vec<i32>> = inputs
        .iter()
        .map(|(_, t)| match t {
            Tensor::I64 { data, .. } => data.iter().map(|v| *v as i32).collect(),
            Tensor::F32 { .. } => Vec::new(),
        })
        .collect();
    let ordered: Vec<Input<'_>> = model
        .inputs()
        .map(|port| {
            let at = inputs
                .iter()
                .position(|(name, _)| *name == port.name)
                .expect("an input for every port");
            match &inputs[at].1 {
                Tensor::F32 { data, .. } => Input::F32(data),
                Tensor::I64 { .. } => Input::I32(&integers[at]),
            }
        })
        .collect();
    let mut workspace = Workspace::default();
    model
        .run(&mut workspace, rows, &ordered)
        .expect("the compiled model runs");
    model
        .outputs()
        .enumerate()
        .map(|(n, port)| {
            let data = match port.kind {
                Kind::F32 => workspace.output(n).to_vec(),
                Kind::I32 => workspace.labels(n).iter().map(|v| *v as f32).collect(),
            };
            (port.name.to_owned(), data)
        })
        .collect()
}

pub(crate) fn elements(tensor: &Tensor) -> Vec<f32> {
    match tensor {
        Tensor::F32 { data, .. } => data.clone(),
        Tensor::I64 { data, .. } => data.iter().map(|v| *v as f32).collect(),
    }
}

/// The worst difference, absolute below 1 and relative above.
pub(crate) fn worst(expected: &[f32], found: &[f32]) -> f32 {
    assert_eq!(expected.len(), found.len(), "numbers of elements");
    expected
        .iter()
        .zip(found)
        .map(|(e, f)| {
            if e.is_nan() && f.is_nan() {
                0.0
            } else {
                (e - f).abs() / e.abs().max(1.0)
            }
        })
        .map(|d| if d.is_nan() { f32::INFINITY } else { d })
        .fold(0.0, f32::max)
}

/// Lowers, runs both, and compares; the program is returned for what else a
/// test wants to know.
pub(crate) fn agree(onnx: &[u8], rows: usize, inputs: &[(&str, Tensor)]) -> Program {
    let program = match lower(onnx, &Options::default()) {
        Ok(program) => program,
        Err(error) => panic!("{error}"),
    };
    let expected = match Reference::load(onnx).and_then(|r| r.run(inputs)) {
        Ok(expected) => expected,
        Err(error) => panic!("{error}"),
    };
    let found = engine(&program, rows, inputs);
    assert_eq!(expected.len(), found.len());
    for ((name, tensor), (port, data)) in expected.iter().zip(&found) {
        assert_eq!(name, port);
        let difference = worst(&elements(tensor), data);
        assert!(
            difference <= 1e-4,
            "{name} differs by {difference}\ntract  {tensor:?}\nengine {data:?}\n{}",
            show(&program)
        );
    }
    program
}

/// A program as text, one step a line.
pub(crate) fn show(program: &Program) -> String {
    let mut text = String::new();
    for port in &program.inputs {
        text.push_str(&format!(
            "{} = input {}\n",
            value(program, port.value.0),
            port.name
        ));
    }
    for step in &program.steps {
        text.push_str(&format!(
            "{} = {:?}\n",
            value(program, step.result.0),
            step.op
        ));
    }
    for port in &program.outputs {
        text.push_str(&format!("output {} = %{}\n", port.name, port.value.0));
    }
    text
}

fn value(program: &Program, id: u32) -> String {
    let s = program.values[id as usize].shape;
    let rows = if s.rows == Rows::PerRow { "N" } else { "1" };
    format!("%{id} [{rows}, {}, {}]", s.len, s.width)
}
