//! Writes what the fuzzing of both formats begins with: random graphs of the
//! supported operators, and what becomes of them. The arguments are the folders
//! for ONNX and for compiled models.

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/random.rs"]
mod random;

use shelfedge_onnx::{Options, Precision, lower};
use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let folders: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [onnx, compiled] = folders.as_slice() else {
        panic!("give the folder for ONNX and the one for compiled models");
    };
    for folder in [onnx, compiled] {
        fs::create_dir_all(folder).expect("a folder that can be made");
    }
    for seed in 0..48 {
        let bytes = random::case(seed).onnx;
        for (name, dense) in [("f32", Precision::F32), ("i8", Precision::I8)] {
            let options = Options {
                dense,
                tables: dense,
                ..Options::default()
            };
            let program = lower(&bytes, &options).expect("a supported graph");
            let model = program.compile(&[]).expect("a compiled model");
            fs::write(compiled.join(format!("{seed}-{name}.shelf")), model).expect("a file");
        }
        fs::write(onnx.join(format!("{seed}.onnx")), bytes).expect("a file");
    }
}
