//! The network as ONNX, and as a compiled program.

use shelfedge_features::visits::WIDTH;
use shelfedge_onnx::build::{Activation, Dim, Graph, Kind};

use super::net::Weights;
use crate::error::Result;
use crate::export::internal;

/// Writes the ONNX file: a state in each row, to the value of each action, in a unit in
/// which what a list of the log earned is about 1 (half precision ends at 65,504).
pub(super) fn onnx(weights: &Weights, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let mut g = Graph::new("policy");
    g.producer("shelfedge-train", env!("CARGO_PKG_VERSION"));
    for (key, value) in metadata {
        g.metadata(key, value);
    }
    let mut x = g.input("state", Kind::F32, &[Dim::Rows, Dim::Fixed(WIDTH)]);
    let mut inputs = WIDTH;
    for (number, layer) in weights.layers.iter().enumerate() {
        let outputs = layer.bias.len();
        let matrix = layer.matrix.clone();
        let w = g.f32(&format!("w{}", number + 1), &[inputs, outputs], matrix);
        let b = g.f32(&format!("b{}", number + 1), &[outputs], layer.bias.clone());
        let activation = match number + 1 == weights.layers.len() {
            true => Activation::None,
            false => Activation::Relu,
        };
        x = g.dense(x, w, Some(b), activation);
        inputs = outputs;
    }
    g.output("value", x);
    g.finish().map_err(|e| internal("onnx", e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::compile;
    use crate::rng::Rng;
    use shelfedge_engine::{Input, Model, Workspace};
    use shelfedge_onnx::reference::{Reference, Tensor};

    #[test]
    fn learner_reference_and_engine_agree() {
        let mut rng = Rng::new(6, 2);
        let mut weights = Weights::new(24, 7);
        weights.numbers_mut().for_each(|w| *w += 0.2 * rng.normal());
        let weights = weights.shipped();
        assert_eq!(weights.clone().shipped(), weights, "rounded once");
        let file = onnx(&weights, &[("shelfedge.task", "policy".to_owned())]).expect("onnx");
        let shelf = compile(&file, &[]).expect("a compiled model");
        let states: Vec<[f32; WIDTH]> = (0..50)
            .map(|_| std::array::from_fn(|_| rng.unit()))
            .collect();
        let flat: Vec<f32> = states.iter().flatten().copied().collect();
        let model = Model::open(&shelf[..]).expect("a model");
        let mut workspace = Workspace::default();
        model
            .run(&mut workspace, states.len(), &[Input::F32(&flat)])
            .expect("the engine runs");
        let reference = Reference::load(&file).expect("a reference");
        let input = Tensor::F32 {
            dims: vec![states.len(), WIDTH],
            data: flat.clone(),
        };
        let outputs = reference.run(&[("state", input)]).expect("it runs");
        let Tensor::F32 { data, .. } = &outputs[0].1 else {
            panic!("values are floats");
        };
        let learner: Vec<f32> = states.iter().flat_map(|s| weights.values(s)).collect();
        assert!(learner.iter().any(|v| v.abs() > 0.1));
        let engine = workspace.output(0);
        assert_eq!((engine.len(), data.len()), (learner.len(), learner.len()));
        for ((a, b), c) in learner.iter().zip(data).zip(engine) {
            assert!((a - b).abs() < 1e-4 && (a - c).abs() < 1e-4, "{a} {b} {c}");
        }
    }
}
