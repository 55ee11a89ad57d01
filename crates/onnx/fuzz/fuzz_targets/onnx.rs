//! Any bytes as an ONNX.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| shelfedge_onnx::fuzz::onnx(bytes));
