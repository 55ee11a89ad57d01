//! What the fuzz targets run, as plain functions, so that the tests run the
//! same with a fixed number of mutated files.

use crate::{Limits, Options, Precision, check, lower, metadata};

/// Any bytes: every reader answers with a result, within small limits. What can
/// be lowered can be compiled.
///
/// # Panics
///
/// When a program that was lowered can't be compiled: that is the defect which
/// the fuzzing looks for.
pub fn onnx(bytes: &[u8]) {
    let limits = Limits {
        bytes: 1 << 20,
        memory: 64 << 20,
        nodes: 500,
        elements: 1 << 20,
    };
    for dense in [Precision::F32, Precision::I8] {
        let options = Options {
            dense,
            tables: dense,
            limits,
            ..Options::default()
        };
        if let Ok(program) = lower(bytes, &options) {
            let compiled = program.compile(&[]);
            assert!(
                compiled.is_ok() || holds_unusable_numbers(&program),
                "lowered, but can't be compiled: {:?}",
                compiled.err()
            );
        }
    }
    let _ = check(bytes).map(|summary| summary.operators.len());
    let _ = metadata(bytes).map(|entries| entries.len());
}

/// The compiler refuses weights that aren't numbers, which an ONNX may hold.
fn holds_unusable_numbers(program: &shelfedge_engine::program::Program) -> bool {
    use shelfedge_engine::program::Data;
    program.tensors.iter().any(|t| match &t.data {
        Data::F32(data) => data.iter().any(|v| !v.is_finite()),
        Data::F16(data) => data.iter().any(|h| h & 0x7c00 == 0x7c00),
        Data::I8 { scale, .. } => scale.iter().any(|v| !v.is_finite()),
    })
}
