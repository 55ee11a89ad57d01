//! What the fuzz targets run, as plain functions, so that the tests run the
//! same with a fixed number of mutated files.

use crate::{Limits, Options, Precision, check, lower, metadata};

/// Any bytes: every reader answers with a result, within small limits. What can
/// be lowered can be compiled and opened.
///
/// # Panics
///
/// When a program that was lowered can't be compiled or opened: that is the
/// defect which the fuzzing looks for.
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
                compiled.is_ok(),
                "lowered, but can't be compiled: {:?}",
                compiled.err()
            );
            let opened = compiled.ok().map(shelfedge_engine::Model::open);
            assert!(
                matches!(opened, Some(Ok(_))),
                "compiled, but can't be opened"
            );
        }
    }
    let _ = check(bytes).map(|summary| summary.operators.len());
    let _ = metadata(bytes).map(|entries| entries.len());
}
