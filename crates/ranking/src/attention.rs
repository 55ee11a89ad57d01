//! What may follow a sequence, by a network that attends to its newest products:
//! a compiled model of its own, in a section of the model that ranks.

use shelfedge_engine::program::{Kind, Rows};
use shelfedge_engine::{Input, Model, PortInfo, RunError, Workspace};
use shelfedge_features::TableError;

/// The section of the compiled model.
pub const SECTION: &str = "attention";

/// Products of a sequence that a network looks at, at most.
pub const MAX_PLACES: usize = 255;

/// Opens the network of a model that must have one.
pub(crate) fn open<'a>(
    section: impl Fn(&str) -> Option<&'a [u8]>,
) -> Result<Attention<'a>, TableError> {
    let missing = TableError {
        section: SECTION,
        missing: true,
    };
    Attention::open(section(SECTION).ok_or(missing)?)
}

/// A network, read in place.
#[derive(Clone, Debug)]
pub struct Attention<'a> {
    model: Model<&'a [u8]>,
    places: usize,
}

/// Buffers that are kept between calls.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    engine: Workspace,
    asked: bool,
    items: Vec<i32>,
    products: Vec<i32>,
}

impl<'a> Attention<'a> {
    /// Opens the section: checks its offsets and its ports, copies nothing.
    ///
    /// # Errors
    /// No compiled model, or one with other ports.
    pub fn open(bytes: &'a [u8]) -> Result<Self, TableError> {
        let bad = TableError {
            section: SECTION,
            missing: false,
        };
        let model = Model::open(bytes).map_err(|_| bad)?;
        let is = |port: Option<PortInfo<'_>>, name: &str, kind, rows, elements: usize| {
            port.is_some_and(|port| {
                let size = port.shape.len as usize * port.shape.width as usize;
                (port.name, port.kind, port.shape.rows, size) == (name, kind, rows, elements)
            })
        };
        let mut inputs = model.inputs();
        let (items, product, more) = (inputs.next(), inputs.next(), inputs.next());
        let places = items.map_or(0, |port| {
            port.shape.len as usize * port.shape.width as usize
        });
        let mut outputs = model.outputs();
        let is_right = (1..=MAX_PLACES).contains(&places)
            && is(items, "items", Kind::I32, Rows::Shared, places)
            && is(product, "product", Kind::I32, Rows::PerRow, 1)
            && is(outputs.next(), "score", Kind::F32, Rows::PerRow, 1)
            && more.is_none()
            && outputs.next().is_none();
        drop((inputs, outputs));
        match is_right {
            true => Ok(Self { model, places }),
            false => Err(bad),
        }
    }

    /// Scores products after a query, which is oldest first: [`Buffers::scores`].
    ///
    /// # Errors
    /// A product that the network doesn't know.
    pub fn score(
        &self,
        query: &[u32],
        products: impl Iterator<Item = u32>,
        buffers: &mut Buffers,
    ) -> Result<(), RunError> {
        buffers.asked = !query.is_empty();
        if !buffers.asked {
            return Ok(());
        }
        // Row 0 is no product.
        let row = |product: u32| product.wrapping_add(1).cast_signed();
        let newest = &query[query.len().saturating_sub(self.places)..];
        let items = &mut buffers.items;
        items.clear();
        items.resize(self.places - newest.len(), 0);
        items.extend(newest.iter().map(|product| row(*product)));
        buffers.products.clear();
        buffers.products.extend(products.map(row));
        let inputs = [Input::I32(&buffers.items), Input::I32(&buffers.products)];
        let rows = buffers.products.len();
        self.model.run(&mut buffers.engine, rows, &inputs)
    }
}

impl Buffers {
    /// The scores of the last products, in their order; none after an empty query.
    #[must_use]
    pub fn scores(&self) -> &[f32] {
        match self.asked {
            true => self.engine.output(0),
            false => &[],
        }
    }
}
