//! What the fuzz target runs on the bytes of a compiled model. A test of the
//! `onnx` crate includes this file and runs it on mutated models.

use shelfedge_engine::program::{Kind, Rows};
use shelfedge_engine::{Input, Model, Workspace};

/// The most elements of an input, so that a model with a legal but enormous
/// input doesn't slow the fuzzing down.
const MAX_INPUT: u64 = 1 << 18;

/// Opens any bytes as a compiled model and runs it if it opens. Says whether it
/// ran without an error of the call.
pub(crate) fn compiled(bytes: &[u8]) -> bool {
    let Ok(model) = Model::open(bytes) else {
        return false;
    };
    let mut ran = false;
    let mut alone: Option<Vec<u32>> = None;
    // None, one by itself, a part of a block, and more than the widest block.
    for rows in [0usize, 1, 5, 20] {
        let mut floats = Vec::new();
        let mut integers = Vec::new();
        for port in model.inputs() {
            let rows = if port.shape.rows == Rows::PerRow {
                rows
            } else {
                1
            };
            let size = u64::from(port.shape.len) * u64::from(port.shape.width) * rows as u64;
            if size > MAX_INPUT {
                return ran;
            }
            floats.push(vec![0.25f32; size as usize]);
            integers.push(vec![1i32; size as usize]);
        }
        let inputs: Vec<Input<'_>> = model
            .inputs()
            .zip(floats.iter().zip(&integers))
            .map(|(port, (f, i))| match port.kind {
                Kind::F32 => Input::F32(f),
                Kind::I32 => Input::I32(i),
            })
            .collect();
        let mut workspace = Workspace::default();
        if model.run(&mut workspace, rows, &inputs).is_err() {
            continue;
        }
        ran = true;
        let per_row = model
            .outputs()
            .next()
            .is_some_and(|output| output.kind == Kind::F32 && output.shape.rows == Rows::PerRow);
        if per_row && rows > 0 {
            // Equal rows have equal bits, wherever they stand.
            let found = workspace.output(0);
            for row in found.chunks_exact((found.len() / rows).max(1)) {
                // Which NaN it is says nothing.
                let bits = |x: &f32| if x.is_nan() { u32::MAX } else { x.to_bits() };
                let bits = row.iter().map(bits).collect();
                assert_eq!(alone.get_or_insert_with(|| Vec::clone(&bits)), &bits);
            }
        }
    }
    explained(&model);
    ran
}

/// What a row's numbers contribute, where the model is a sum of trees: it ends, for
/// any trees.
fn explained(model: &Model<&[u8]>) {
    let Some(input) = model.inputs().next() else {
        return;
    };
    let width = u64::from(input.shape.len) * u64::from(input.shape.width);
    if width <= MAX_INPUT {
        let (row, reference) = (vec![0.25; width as usize], vec![-0.25; width as usize]);
        let _ = model.contributions(&row, &reference);
    }
}
