//! Files from strangers: an error that says what is wrong, never a panic, and
//! never much memory.
#![expect(
    unsafe_code,
    reason = "an allocator that counts, to see how much memory a hostile file gets"
)]

mod common;
#[path = "common/random.rs"]
mod random;
#[path = "../../engine/fuzz/src/body.rs"]
mod shelf;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::Rng;
use prost::Message;
use shelfedge_onnx::build::{Activation, Dim, Graph, Kind};
use shelfedge_onnx::{Limits, LowerError, Options, Precision, check, fuzz, lower};
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};

struct Counting;

thread_local! {
    /// What this thread has, and the most it had. Tests run in threads of their
    /// own, so each sees its own memory only.
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call is passed to the system's allocator as it is; the counters
// don't touch the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has no counters any more, and needs none.
        let _ = NOW.try_with(|now| {
            now.set(now.get() + layout.size() as isize);
            let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now.get())));
        });
        // SAFETY: the caller's promise is the system's condition.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = NOW.try_with(|now| now.set(now.get() - layout.size() as isize));
        // SAFETY: the pointer came from the system's allocator above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The memory that `f` takes at most.
fn peak(f: impl FnOnce()) -> usize {
    let before = NOW.get();
    PEAK.set(before);
    f();
    usize::try_from(PEAK.get() - before).unwrap_or(0)
}

/// A sound model to start from.
fn sound() -> pb::ModelProto {
    let mut g = Graph::new("sound");
    let x = g.input("x", Kind::F32, &[Dim::Rows, Dim::Fixed(4)]);
    let w = g.f32("w", &[4, 3], (0..12).map(|v| v as f32).collect());
    let y = g.dense(x, w, None, Activation::Relu);
    let y = g.softmax(y);
    g.output("y", y);
    pb::ModelProto::decode(g.finish().expect("the graph is sound").as_slice()).expect("it decodes")
}

fn graph(model: &mut pb::ModelProto) -> &mut pb::GraphProto {
    model.graph.as_mut().expect("the model has a graph")
}

/// What becomes of the sound model after a change.
fn changed(change: impl FnOnce(&mut pb::ModelProto)) -> LowerError {
    let mut model = sound();
    change(&mut model);
    lower(&model.encode_to_vec(), &Options::default()).expect_err("the change makes it unsound")
}

fn refused(code: &str, words: &[&str], change: impl FnOnce(&mut pb::ModelProto)) {
    let error = changed(change);
    assert_eq!(error.code(), code, "{error}");
    for word in words {
        assert!(
            error.to_string().contains(word),
            "`{word}` is missing: {error}"
        );
    }
    assert!(!error.action().is_empty());
}

#[test]
fn the_sound_model_is_sound() {
    lower(&sound().encode_to_vec(), &Options::default()).expect("nothing is wrong with it");
}

#[test]
fn an_unknown_operator_is_named() {
    refused(
        "onnx_unsupported_operator",
        &["MatMul_0", "Conv3000", "serve"],
        |m| {
            graph(m).node[0].op_type = "Conv3000".to_owned();
        },
    );
    refused("onnx_unsupported_operator", &["com.example.MatMul"], |m| {
        graph(m).node[0].domain = "com.example".to_owned();
    });
}

#[test]
fn a_cycle_is_named_by_its_nodes() {
    refused("onnx_cycle", &["MatMul_0", "Relu_1"], |m| {
        let nodes = &mut graph(m).node;
        let late = nodes[1].output[0].clone();
        nodes[0].input[0] = late;
    });
    // A node that needs itself.
    refused("onnx_cycle", &["Relu_1"], |m| {
        let node = &mut graph(m).node[1];
        node.input[0] = node.output[0].clone();
    });
}

#[test]
fn nodes_in_any_order_are_sorted() {
    let mut model = sound();
    graph(&mut model).node.reverse();
    lower(&model.encode_to_vec(), &Options::default()).expect("the order doesn't matter");
}

#[test]
fn names_are_defined_once() {
    refused("onnx_malformed", &["`nowhere`", "MatMul_0"], |m| {
        graph(m).node[0].input[0] = "nowhere".to_owned()
    });
    refused("onnx_malformed", &["defined twice"], |m| {
        let nodes = &mut graph(m).node;
        nodes[1].output[0] = nodes[0].output[0].clone();
    });
    refused("onnx_malformed", &["`w`"], |m| {
        let twin = graph(m).initializer[0].clone();
        graph(m).initializer.push(twin);
    });
    refused("onnx_malformed", &["two inputs"], |m| {
        let twin = graph(m).input[0].clone();
        graph(m).input.push(twin);
    });
    refused("onnx_malformed", &["output `q`"], |m| {
        graph(m).output[0].name = "q".to_owned()
    });
    refused("onnx_malformed", &["no output"], |m| {
        graph(m).output.clear()
    });
}

#[test]
fn weights_have_the_size_that_they_say() {
    refused("onnx_malformed", &["`w`", "12", "11"], |m| {
        graph(m).initializer[0].raw_data.truncate(44)
    });
    refused("onnx_malformed", &["`w`", "whole number"], |m| {
        graph(m).initializer[0].raw_data.truncate(45)
    });
    refused("onnx_malformed", &["`w`"], |m| {
        graph(m).initializer[0].dims = vec![4, -3]
    });
    refused("onnx_malformed", &["`w`", "element type"], |m| {
        graph(m).initializer[0].data_type = 77
    });
    refused("onnx_unsupported_use", &["STRING"], |m| {
        graph(m).initializer[0].data_type = DataType::String as i32
    });
    refused("onnx_shape", &["5 inputs"], |m| {
        graph(m).initializer[0].dims = vec![5, 3];
        graph(m).initializer[0].raw_data.resize(60, 0);
    });
}

#[test]
fn weights_outside_the_file_are_refused() {
    refused("onnx_external_data", &["`w`", "single file"], |m| {
        graph(m).initializer[0].data_location = Some(DataLocation::External as i32);
    });
    refused("onnx_external_data", &["`w`"], |m| {
        let entry = pb::StringStringEntryProto {
            key: "location".to_owned(),
            value: "/etc/passwd".to_owned(),
        };
        graph(m).initializer[0].external_data.push(entry);
    });
}

#[test]
fn inputs_that_no_compiled_model_can_take_are_refused() {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    fn shape(m: &mut pb::ModelProto) -> &mut Vec<Dimension> {
        let info = graph(m).input[0].r#type.as_mut().expect("it has a type");
        match info.value.as_mut().expect("it has a value") {
            pb::type_proto::Value::TensorType(t) => {
                &mut t.shape.as_mut().expect("it has a shape").dim
            }
        }
    }
    refused("onnx_unsupported_use", &["`x`", "symbolic"], |m| {
        shape(m)[1].value = Some(Value::DimParam("T".to_owned()));
    });
    refused("onnx_malformed", &["`x`", "-4"], |m| {
        shape(m)[1].value = Some(Value::DimValue(-4))
    });
    refused("onnx_unsupported_use", &["`x`", "DOUBLE"], |m| {
        let Some(pb::type_proto::Value::TensorType(t)) = graph(m).input[0]
            .r#type
            .as_mut()
            .and_then(|t| t.value.as_mut())
        else {
            return;
        };
        t.elem_type = DataType::Double as i32;
    });
    refused("onnx_unsupported_use", &["two symbolic"], |m| {
        let mut other = graph(m).input[0].clone();
        other.name = "z".to_owned();
        graph(m).input.push(other);
        let info = graph(m).input[1].r#type.as_mut().expect("it has a type");
        let Some(pb::type_proto::Value::TensorType(t)) = info.value.as_mut() else {
            return;
        };
        t.shape.as_mut().expect("it has a shape").dim[0].value =
            Some(Value::DimParam("M".to_owned()));
    });
}

#[test]
fn attributes_that_are_not_understood_are_not_ignored() {
    let attribute = |name: &str| pb::AttributeProto {
        name: name.to_owned(),
        r#type: pb::attribute_proto::AttributeType::Int as i32,
        ..Default::default()
    };
    refused("onnx_unsupported_use", &["`mystery`", "Relu"], |m| {
        graph(m).node[1].attribute.push(attribute("mystery"));
    });
    refused("onnx_malformed", &["`axis`", "twice"], |m| {
        let node = &mut graph(m).node[2];
        let twin = node.attribute[0].clone();
        node.attribute.push(twin);
    });
    refused("onnx_malformed", &["`axis`", "FLOATS"], |m| {
        graph(m).node[2].attribute[0].r#type = pb::attribute_proto::AttributeType::Floats as i32;
    });
}

#[test]
fn mixing_rows_is_refused() {
    refused("onnx_unsupported_use", &["Softmax", "rows"], |m| {
        graph(m).node[2].attribute[0].i = 0
    });
    refused("onnx_unsupported_use", &["Transpose", "rows"], |m| {
        let node = &mut graph(m).node[1];
        node.op_type = "Transpose".to_owned();
        node.attribute.clear();
    });
}

#[test]
fn what_is_not_onnx_is_said_to_be_none() {
    for bytes in [
        &b""[..],
        b"{\"a\": 1}",
        b"\x89PNG\r\n",
        &[0xff; 64],
        b"<!doctype html>",
    ] {
        let error = lower(bytes, &Options::default()).expect_err("it isn't ONNX");
        assert!(
            ["onnx_not_onnx", "onnx_malformed"].contains(&error.code()),
            "{error}"
        );
        check(bytes).expect_err("it isn't ONNX");
    }
    refused("onnx_unsupported_operator", &["operator set 5"], |m| {
        m.opset_import[0].version = 5
    });
    refused("onnx_not_onnx", &["operator set"], |m| {
        m.opset_import.clear()
    });
    refused("onnx_not_onnx", &["no graph"], |m| m.graph = None);
}

#[test]
fn a_name_from_the_file_can_not_flood_or_forge_a_log() {
    let error = changed(|m| graph(m).node[0].op_type = "x\n[ERROR] forged ".repeat(10_000));
    assert!(error.to_string().len() < 600);
    assert!(!error.to_string().contains('\n'));
}

#[test]
fn huge_dimensions_take_no_memory() {
    let expand = |shape: Vec<i64>| {
        let mut model = sound();
        let g = graph(&mut model);
        let raw_data = shape.iter().flat_map(|v| v.to_le_bytes()).collect();
        g.initializer.push(pb::TensorProto {
            dims: vec![shape.len() as i64],
            data_type: DataType::Int64 as i32,
            name: "shape".to_owned(),
            raw_data,
            ..Default::default()
        });
        g.node[1].op_type = "Expand".to_owned();
        g.node[1].input = vec!["w".to_owned(), "shape".to_owned()];
        model.encode_to_vec()
    };
    let dims = |dims: Vec<i64>| {
        let mut model = sound();
        graph(&mut model).initializer[0].dims = dims;
        model.encode_to_vec()
    };
    let hostile = [
        expand(vec![1 << 40, 4, 3]),
        expand(vec![i64::MAX, i64::MAX, 4, 3]),
        expand(vec![1 << 27, 4, 3]),
        dims(vec![1 << 40, 1 << 40]),
        dims(vec![i64::MAX; 8]),
        dims(vec![1; 100]),
        dims(vec![0, 1 << 62]),
    ];
    for bytes in hostile {
        let used = peak(|| {
            let error = lower(&bytes, &Options::default()).expect_err("too large");
            assert!(
                ["onnx_too_large", "onnx_malformed"].contains(&error.code()),
                "{error}"
            );
        });
        assert!(used < 1 << 20, "{used} bytes");
    }
}

/// Two bytes a message in the file are hundreds in memory.
#[test]
fn a_bomb_of_tiny_messages_is_refused_before_it_is_decoded() {
    let field = |number: u64, body: &[u8]| {
        let mut out = Vec::new();
        let mut varint = |mut v: u64| {
            while v >= 0x80 {
                out.push((v as u8 & 0x7f) | 0x80);
                v >>= 7;
            }
            out.push(v as u8);
        };
        varint(number << 3 | 2);
        varint(body.len() as u64);
        out.extend_from_slice(body);
        out
    };
    let limits = Limits {
        bytes: 8 << 20,
        memory: 32 << 20,
        ..Limits::default()
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    let attributes = field(5, &[]).repeat(2 << 20);
    let strings = field(1, &[]).repeat(2 << 20);
    let dims = field(1, &[]).repeat(1 << 20);
    let bombs = [
        field(7, &field(1, &[]).repeat(2 << 20)),
        field(7, &field(1, &attributes)),
        field(7, &field(1, &strings)),
        field(7, &field(11, &field(2, &field(1, &field(2, &dims))))),
        field(7, &field(5, &field(7, &vec![1; 4 << 20]))),
        field(14, &[]).repeat(2 << 20),
    ];
    for bomb in bombs {
        let used = peak(|| {
            let error = lower(&bomb, &options).expect_err("a bomb");
            assert_eq!(error.code(), "onnx_too_large", "{error}");
        });
        assert!(used < 1 << 20, "{used} bytes");
    }
    // Nesting overflows no stack.
    let mut deep = Vec::new();
    for _ in 0..2_000 {
        deep = field(1, &field(5, &field(6, &deep)));
    }
    lower(&field(7, &deep), &options).expect_err("too deep");
}

/// What to mutate: random graphs, which hold every kind of part.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = (0..24).map(|seed| random::case(seed).onnx).collect();
    seeds.push(sound().encode_to_vec());
    seeds
}

/// One to eight changes of a file.
fn mutated(rng: &mut Rng, seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.between(1, 8) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.below(bytes.len());
        match rng.below(7) {
            0 | 1 => bytes[at] ^= 1 << rng.below(8),
            2 => bytes[at] = rng.next() as u8,
            3 => bytes.truncate(at),
            4 => {
                let end = (at + rng.between(1, 40)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let end = (at + rng.between(1, 40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = rng.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => {
                let extreme = [0x00, 0x7f, 0x80, 0xff][rng.below(4)];
                let end = (at + rng.between(1, 8)).min(bytes.len());
                bytes[at..end].fill(extreme);
            }
        }
    }
    bytes
}

#[test]
fn every_beginning_of_a_file_is_an_error_or_a_model() {
    for seed in seeds().iter().take(6) {
        for end in (0..seed.len()).step_by(1 + seed.len() / 400) {
            fuzz::onnx(&seed[..end]);
        }
    }
}

#[test]
fn thousands_of_changed_onnx_files() {
    let seeds = seeds();
    let mut rng = Rng(2026);
    let mut largest = 0;
    for i in 0..6_000 {
        let bytes = mutated(&mut rng, &seeds[i % seeds.len()]);
        largest = largest.max(peak(|| fuzz::onnx(&bytes)));
    }
    assert!(
        largest < 64 << 20,
        "a changed file of a few kilobytes took {largest} bytes"
    );
}

#[test]
fn thousands_of_changed_compiled_files() {
    let compiled: Vec<Vec<u8>> = (0..24)
        .filter_map(|seed| {
            let precision = [Precision::F32, Precision::F16, Precision::I8][seed as usize % 3];
            let options = Options {
                dense: precision,
                tables: precision,
                ..Options::default()
            };
            let program = lower(&random::case(seed).onnx, &options).ok()?;
            program.compile(&[("extra", vec![1, 2, 3])]).ok()
        })
        .collect();
    assert!(compiled.len() > 20);
    let mut rng = Rng(2027);
    let mut largest = 0;
    let mut ran = 0;
    for i in 0..10_000 {
        let bytes = mutated(&mut rng, &compiled[i % compiled.len()]);
        largest = largest.max(peak(|| ran += usize::from(shelf::compiled(&bytes))));
    }
    // Changes to weights leave a model that runs.
    assert!(ran > 100, "{ran}");
    assert!(
        largest < 256 << 20,
        "a changed file of a few kilobytes took {largest} bytes"
    );
}
