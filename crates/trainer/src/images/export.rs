//! The learner's network as ONNX, which is what runs.

use shelfedge_onnx::build::{Attribute, Dim, Graph, Kind, Pool, Var};

use super::learn::{
    CONTRAST, Network, OF_PATCH, PALETTE, PATCH, PLACES, QUADRANT, SHARE, SIDE, STRIDE, TRIANGLE,
};
use crate::error::Result;
use crate::export::internal;

/// The network's input, from 0 to 1, `[N, 3, side, side]`, and its output.
pub(super) const INPUT: &str = "pixels";
pub(super) const OUTPUT: &str = "embedding";

/// Writes the network. What it sees is the difference to white, of which most photos of
/// products have a lot: 0 has no error.
pub(super) fn onnx(network: &Network, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let mut g = Graph::new("photos");
    g.producer("shelfedge-train", env!("CARGO_PKG_VERSION"));
    for (key, value) in metadata {
        g.metadata(key, value);
    }
    let image = [Dim::Rows, Dim::Fixed(3), Dim::Fixed(SIDE), Dim::Fixed(SIDE)];
    let pixels = g.input(INPUT, Kind::F32, &image);
    let white = g.f32("white", &[1, 1, 1, 1], vec![1.0]);
    let ink = g.sub(pixels, white);

    let palette = palette(&mut g, network, ink);
    let triangles = triangles(&mut g, network, ink);
    let triangles = unit(&mut g, triangles, "triangles");
    let mut told = g.concat(&[palette, triangles]);
    if !network.mean.is_empty() {
        let (width, dims) = (network.mean.len(), network.width());
        let mean = g.f32("mean", &[1, width], network.mean.clone());
        let mut turned = vec![0.0; width * dims];
        for (to, row) in network.directions.chunks_exact(width).enumerate() {
            for (from, x) in row.iter().enumerate() {
                turned[from * dims + to] = *x;
            }
        }
        let directions = g.f32("directions", &[width, dims], turned);
        told = g.sub(told, mean);
        told = g.matmul(told, directions);
    }
    let embedding = unit(&mut g, told, "embedding");
    g.output(OUTPUT, embedding);
    g.finish()
        .map_err(|e| internal("photos.onnx", e.to_string()))
}

/// Roots of the colours' shares.
fn palette(g: &mut Graph, network: &Network, ink: Var) -> Var {
    let colours = network.palette();
    // A distance's square, less the pixel's own, which all colours share.
    let from_white: Vec<f32> = network.colours.iter().map(|x| x - 1.0).collect();
    let weights = from_white.iter().map(|x| 2.0 * x / network.spread);
    let bias = from_white
        .chunks_exact(3)
        .map(|c| -c.iter().map(|x| x * x).sum::<f32>() / network.spread);
    let weights = g.f32("colours", &[colours, 3, 1, 1], weights.collect());
    let bias = g.f32("colours.bias", &[colours], bias.collect());
    let all = [
        Dim::Rows,
        Dim::Fixed(colours),
        Dim::Fixed(SIDE),
        Dim::Fixed(SIDE),
    ];
    let near = g.node("Conv", &[ink, weights, bias], kernel(1, 1), Kind::F32, &all);
    let axis = vec![Attribute::int("axis", 1)];
    let shares = g.node("Softmax", &[near], axis, Kind::F32, &all);
    let one = [Dim::Rows, Dim::Fixed(colours), Dim::Fixed(1), Dim::Fixed(1)];
    let mean = g.node("GlobalAveragePool", &[shares], Vec::new(), Kind::F32, &one);
    let mean = g.reshape(mean, &[Dim::Rows, Dim::Fixed(colours)]);
    let least = g.f32("share.least", &[1, 1], vec![SHARE]);
    let mean = g.add(mean, least);
    let dims = g.dims(mean).to_vec();
    let root = g.node("Sqrt", &[mean], Vec::new(), Kind::F32, &dims);
    g.scale(root, PALETTE)
}

/// The triangles' means, filter by filter, a quadrant each.
fn triangles(g: &mut Graph, network: &Network, ink: Var) -> Var {
    let (kept, filters) = (network.offset.len(), network.filters());
    let places = |channels: usize| [Dim::Rows, channels.into(), PLACES.into(), PLACES.into()];
    let steps = || kernel(PATCH, STRIDE);
    let share = vec![1.0 / OF_PATCH as f32; OF_PATCH];
    let share = g.f32("patch", &[1, 3, PATCH, PATCH], share);
    let mean = g.node("Conv", &[ink, share], steps(), Kind::F32, &places(1));
    let squares = g.mul(ink, ink);
    let squares = g.node("Conv", &[squares, share], steps(), Kind::F32, &places(1));
    let own = g.mul(mean, mean);
    let variance = g.sub(squares, own);
    let nothing = g.f32("nothing", &[1, 1, 1, 1], vec![0.0]);
    let variance = g.max(variance, nothing);
    let least = g.f32("contrast", &[1, 1, 1, 1], vec![CONTRAST]);
    let variance = g.add(variance, least);
    let contrast = g.node("Sqrt", &[variance], Vec::new(), Kind::F32, &places(1));

    let rows = g.f32(
        "whitening",
        &[kept, 3, PATCH, PATCH],
        network.whitening.clone(),
    );
    let offset = g.f32("offset", &[1, kept, 1, 1], network.offset.clone());
    let patches = g.node("Conv", &[ink, rows], steps(), Kind::F32, &places(kept));
    let patches = g.div(patches, contrast);
    let patches = g.sub(patches, offset);

    let twice = network.centres.iter().map(|x| -2.0 * x).collect();
    let squares = network
        .centres
        .chunks_exact(kept)
        .map(|centre| centre.iter().map(|x| x * x).sum::<f32>());
    let twice = g.f32("centres", &[filters, kept, 1, 1], twice);
    let squares = g.f32("centres.squares", &[filters], squares.collect());
    let inputs = [patches, twice, squares];
    let distances = g.node("Conv", &inputs, kernel(1, 1), Kind::F32, &places(filters));
    let own = g.mul(patches, patches);
    let own = g.reduce(own, 1, Pool::Sum, true);
    let distances = g.add(distances, own);
    let distances = g.max(distances, nothing);
    let distances = g.node(
        "Sqrt",
        &[distances],
        Vec::new(),
        Kind::F32,
        &places(filters),
    );
    let mean = g.reduce(distances, 1, Pool::Mean, true);
    let nearer = g.sub(mean, distances);
    let nearer = g.max(nearer, nothing);
    let quadrants = [Dim::Rows, filters.into(), Dim::Fixed(2), Dim::Fixed(2)];
    let steps = kernel(QUADRANT, QUADRANT);
    let pooled = g.node("AveragePool", &[nearer], steps, Kind::F32, &quadrants);
    let pooled = g.reshape(pooled, &[Dim::Rows, Dim::Fixed(4 * filters)]);
    let least = g.f32("triangle.least", &[1, 1], vec![TRIANGLE]);
    let pooled = g.add(pooled, least);
    let dims = g.dims(pooled).to_vec();
    g.node("Sqrt", &[pooled], Vec::new(), Kind::F32, &dims)
}

fn kernel(side: usize, stride: usize) -> Vec<Attribute> {
    vec![
        Attribute::ints("kernel_shape", vec![side as i64; 2]),
        Attribute::ints("strides", vec![stride as i64; 2]),
    ]
}

/// Rows of length 1.
fn unit(g: &mut Graph, rows: Var, name: &str) -> Var {
    let squares = g.mul(rows, rows);
    let square = g.reduce(squares, 1, Pool::Sum, true);
    let dims = g.dims(square).to_vec();
    let length = g.node("Sqrt", &[square], Vec::new(), Kind::F32, &dims);
    let least = g.f32(&format!("{name}.least"), &[1, 1], vec![1e-9]);
    let length = g.max(length, least);
    g.div(rows, length)
}
