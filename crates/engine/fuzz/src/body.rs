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
    for rows in [0usize, 1, 5] {
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
        ran |= model.run(&mut workspace, rows, &inputs).is_ok();
    }
    ran
}
