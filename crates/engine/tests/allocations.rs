//! After the first call of a size, a call allocates nothing.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(
    unsafe_code,
    reason = "counting allocations takes an allocator, whose trait is unsafe"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use shelfedge_engine::program::{Axis, Binary, Data, Kind, Mode, Op, Program, Rows, Unary};
use shelfedge_engine::{Input, Model, Workspace};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_call_allocates_nothing() {
    let mut p = Program::default();
    let c = p.input("context", Kind::F32, Rows::Shared, 1, 4);
    let x = p.input("candidate", Kind::F32, Rows::PerRow, 1, 5);
    let ids = p.input("ids", Kind::I32, Rows::PerRow, 3, 1);
    let table = p.tensor(
        10,
        6,
        Data::I8 {
            q: vec![3; 60],
            scale: vec![0.1; 10],
        },
    );
    let e = p.push(Op::Gather { table, ids }).unwrap();
    let b = p
        .push(Op::Bag {
            table,
            ids,
            weights: None,
            mode: Mode::Mean,
            padding: None,
        })
        .unwrap();
    let a = p
        .push(Op::Attention {
            query: b,
            keys: e,
            values: e,
            mask: None,
            scale: 0.4,
        })
        .unwrap();
    let m = p
        .push(Op::Binary {
            a,
            b,
            f: Binary::Mul,
        })
        .unwrap();
    let all = p
        .push(Op::Concat {
            parts: vec![c, x, m],
            axis: Axis::Width,
        })
        .unwrap();
    let weight = p.tensor(9, 15, Data::F16(vec![0x3c00; 135]));
    let bias = Some(p.tensor(1, 9, Data::F32(vec![0.5; 9])));
    let h = p
        .push(Op::Dense {
            x: all,
            weight,
            bias,
            addend: None,
            activation: Unary::Tanh,
        })
        .unwrap();
    let s = p
        .push(Op::Softmax {
            x: h,
            axis: Axis::Width,
        })
        .unwrap();
    p.output("y", s);
    let model = Model::open(p.compile(&[]).unwrap()).unwrap();
    let mut workspace = Workspace::default();
    let (context, candidate, ids) = (vec![0.5; 4], vec![0.25; 500], vec![4; 300]);
    let inputs = [
        Input::F32(&context),
        Input::F32(&candidate),
        Input::I32(&ids),
    ];
    model.run(&mut workspace, 100, &inputs).unwrap();
    let before = COUNT.load(Ordering::Relaxed);
    for _ in 0..10 {
        model.run(&mut workspace, 100, &inputs).unwrap();
    }
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0);
}
