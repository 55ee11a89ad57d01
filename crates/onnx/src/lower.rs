//! From an ONNX graph to a program, node by node.
//!
//! Every ONNX name stands for a constant, for a list of sizes (what `Shape`
//! gives, in which N may occur) or for a value of the program. A value's ONNX
//! shape is kept beside it: all dimensions but the rows are constant, so the
//! program's `[rows, len, width]` needs only to hold the same elements in the
//! same order, and most reshaping disappears.
//!
//! A value whose ONNX shape begins with N may be shared all the same: `Expand`
//! only changes the shape on paper, because every operation of the engine
//! repeats a shared operand where another is per row. What is the same for all
//! candidates is therefore computed once, however the model was written.

use std::collections::BTreeMap;
use std::rc::Rc;

use shelfedge_engine::program::{Binary, Kind, Op, Port, Rows, TensorId, Unary, ValueId};

use crate::constant::{Constant, Elements};
use crate::draft::{Draft, shape};
use crate::error::{LowerError, fault, printable, refuse};
use crate::graph::{Dim, Element, Graph, Node};
use crate::operators::OPERATORS;
use crate::{Limits, fold};

/// A size in a shape that is computed in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Fixed(i64),
    Rows,
}

/// A value of the program under an ONNX shape.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) value: ValueId,
    pub(crate) dims: Vec<Dim>,
}

/// What an ONNX name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Constant(Constant),
    /// At least one of them is N; else it is a constant.
    Sizes {
        sizes: Vec<Size>,
        scalar: bool,
    },
    View(View),
}

/// The dimensions but the rows.
pub(crate) fn inner(dims: &[Dim]) -> Vec<usize> {
    dims.iter()
        .filter_map(|d| match d {
            Dim::Fixed(size) => Some(*size),
            Dim::Rows => None,
        })
        .collect()
}

pub(crate) fn per_row(dims: &[Dim]) -> bool {
    dims.first() == Some(&Dim::Rows)
}

pub(crate) fn show(dims: &[Dim]) -> String {
    let names: Vec<String> = dims
        .iter()
        .map(|d| match d {
            Dim::Fixed(size) => size.to_string(),
            Dim::Rows => "N".to_owned(),
        })
        .collect();
    format!("[{}]", names.join(", "))
}

/// Numpy's broadcasting of two shapes, with the rows first or nowhere.
pub(crate) fn broadcast(a: &[Dim], b: &[Dim]) -> Result<Vec<Dim>, LowerError> {
    let rank = a.len().max(b.len());
    let at = |dims: &[Dim], i: usize| {
        (i + dims.len())
            .checked_sub(rank)
            .map_or(Dim::Fixed(1), |j| dims[j])
    };
    let mut dims = Vec::with_capacity(rank);
    for i in 0..rank {
        let dim = match (at(a, i), at(b, i)) {
            (x, y) if x == y => x,
            (Dim::Fixed(1), y) => y,
            (x, Dim::Fixed(1)) => x,
            _ => refuse!(
                Shape,
                "the shapes {} and {} don't broadcast",
                show(a),
                show(b)
            ),
        };
        if dim == Dim::Rows && i > 0 {
            refuse!(
                UnsupportedUse,
                "broadcasting {} with {} would move the rows from the first dimension",
                show(a),
                show(b)
            );
        }
        dims.push(dim);
    }
    Ok(dims)
}

pub(crate) struct Lowering<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) limits: Limits,
    pub(crate) draft: Draft,
    items: BTreeMap<&'a str, Item>,
    /// Tables that are in the program already, by their elements.
    tables: Vec<(Rc<Vec<f32>>, u32, TensorId)>,
    /// Elements of the constants that were computed.
    folded: usize,
}

/// The largest value of one row, and the largest shared one.
const MAX_ROW: usize = 1 << 24;

impl<'a> Lowering<'a> {
    /// Translates the whole graph.
    pub(crate) fn run(graph: &'a Graph, limits: Limits) -> Result<Draft, LowerError> {
        let mut this = Self {
            graph,
            limits,
            draft: Draft::default(),
            items: BTreeMap::new(),
            tables: Vec::new(),
            folded: 0,
        };
        for (name, constant) in &graph.constants {
            this.items.insert(name, Item::Constant(constant.clone()));
        }
        for input in &graph.inputs {
            let (kind, (len, width)) = match input.element {
                Element::F32 => (Kind::F32, this.natural(&input.dims)?),
                // Integers are mostly indices, which the engine takes one a
                // position.
                Element::Integer => {
                    let (len, width) = this.natural(&input.dims)?;
                    (Kind::I32, (len * width, 1))
                }
            };
            let rows = if per_row(&input.dims) {
                Rows::PerRow
            } else {
                Rows::Shared
            };
            let value = this.draft.value(shape(rows, len, width), kind);
            this.draft.program.inputs.push(Port {
                name: input.name.clone(),
                value,
            });
            this.items.insert(
                &input.name,
                Item::View(View {
                    value,
                    dims: input.dims.clone(),
                }),
            );
        }
        for node in &graph.nodes {
            this.node(node)
                .map_err(|e| e.at(&node.name, &node.operator))?;
        }
        for name in &graph.outputs {
            let at = |e: LowerError| e.at(name, "output");
            let mut view = this.item(name).and_then(|i| this.view(&i)).map_err(at)?;
            if per_row(&view.dims) && this.draft.shape(view.value).rows == Rows::Shared {
                let (s, kind) = (this.draft.shape(view.value), this.draft.kind(view.value));
                view.value = this.draft.push(
                    Op::Expand { x: view.value },
                    shape(Rows::PerRow, s.len, s.width),
                    kind,
                );
            }
            this.draft.program.outputs.push(Port {
                name: name.clone(),
                value: view.value,
            });
        }
        Ok(this.draft)
    }

    fn node(&mut self, node: &'a Node) -> Result<(), LowerError> {
        let Some(operator) = OPERATORS.iter().find(|o| o.name == node.operator) else {
            refuse!(
                UnsupportedOperator,
                "the operator {} has no place in a compiled model",
                printable(&node.operator)
            );
        };
        for attribute in node.attributes.keys() {
            if !operator.attributes.contains(&attribute.as_str()) {
                refuse!(
                    UnsupportedUse,
                    "the attribute `{}` isn't supported",
                    printable(attribute)
                );
            }
        }
        let (least, most) = operator.inputs;
        if node.inputs.len() < least || node.inputs.len() > most {
            refuse!(
                Malformed,
                "the operator takes {least} to {} inputs, the node has {}",
                if most == usize::MAX {
                    "any number of".to_owned()
                } else {
                    most.to_string()
                },
                node.inputs.len()
            );
        }
        if let Some(missing) = (0..least).find(|i| !node.has(*i)) {
            refuse!(
                Malformed,
                "input {missing} is left out, but the operator needs it"
            );
        }
        let items = match fold::node(self, node)? {
            Some(items) => items,
            None => (operator.lower)(self, node)?,
        };
        for (name, item) in node.outputs.iter().zip(items) {
            if let Item::Constant(constant) = &item
                && constant.len() == 0
            {
                refuse!(
                    UnsupportedUse,
                    "`{}` is empty: empty tensors have no place in a model",
                    printable(name)
                );
            }
            if let Item::Constant(constant) = &item {
                self.folded = self.folded.saturating_add(constant.len());
            }
            if !name.is_empty() {
                self.items.insert(name, item);
            }
        }
        // A short file could ask for the same large constant many times.
        if self.folded.saturating_add(self.draft.elements) > self.limits.elements.saturating_mul(3)
        {
            refuse!(
                TooLarge,
                "the constants that the graph computes are larger than its limit"
            );
        }
        Ok(())
    }

    /// Whether a name is read by a node or given out.
    pub(crate) fn is_used(&self, name: &str) -> bool {
        self.graph.outputs.iter().any(|o| o == name)
            || self
                .graph
                .nodes
                .iter()
                .any(|n| n.inputs.iter().any(|i| i == name))
    }

    /// A table's tensor; the same table is stored once, however often it is
    /// used.
    pub(crate) fn table(&mut self, table: &Constant, cols: u32) -> Result<TensorId, LowerError> {
        let Elements::F32(data) = &table.elements else {
            refuse!(UnsupportedUse, "a table of integers can't be looked up in")
        };
        if let Some((_, _, id)) = self
            .tables
            .iter()
            .find(|(d, c, _)| Rc::ptr_eq(d, data) && *c == cols)
        {
            return Ok(*id);
        }
        let rows = (data.len() / cols.max(1) as usize) as u32;
        let id = self
            .draft
            .tensor(rows, cols, data.as_ref().clone(), table.name.as_deref());
        self.tables.push((Rc::clone(data), cols, id));
        Ok(id)
    }

    fn item(&self, name: &str) -> Result<Item, LowerError> {
        match self.items.get(name) {
            Some(item) => Ok(item.clone()),
            // The graph is sorted and complete, so its node has been lowered.
            None => refuse!(
                UnsupportedUse,
                "`{}` is an additional output of its node; only the first is supported",
                printable(name)
            ),
        }
    }

    /// An input of a node.
    pub(crate) fn input(&self, node: &Node, index: usize) -> Result<Item, LowerError> {
        match node.inputs.get(index) {
            Some(name) if !name.is_empty() => self.item(name),
            _ => refuse!(
                Malformed,
                "input {index} is left out, but the operator needs it"
            ),
        }
    }

    /// An input that must be a value; constants become one.
    pub(crate) fn operand(&mut self, node: &Node, index: usize) -> Result<View, LowerError> {
        let item = self.input(node, index)?;
        self.view(&item)
    }

    /// The same, of floats.
    pub(crate) fn floats(&mut self, node: &Node, index: usize) -> Result<View, LowerError> {
        let view = self.operand(node, index)?;
        if self.draft.kind(view.value) == Kind::F32 {
            Ok(view)
        } else {
            refuse!(
                UnsupportedUse,
                "input {index} holds integers; arithmetic is on floats, so cast them first"
            )
        }
    }

    /// An input that must be a constant; `None` when it is left out.
    pub(crate) fn constant(
        &self,
        node: &Node,
        index: usize,
    ) -> Result<Option<Constant>, LowerError> {
        if !node.has(index) {
            return Ok(None);
        }
        match self.input(node, index)? {
            Item::Constant(constant) => Ok(Some(constant)),
            _ => refuse!(UnsupportedUse, "input {index} must be a constant"),
        }
    }

    /// A value for an item.
    pub(crate) fn view(&mut self, item: &Item) -> Result<View, LowerError> {
        match item {
            Item::View(view) => Ok(view.clone()),
            Item::Sizes { .. } => refuse!(
                UnsupportedUse,
                "the number of rows is used as a number; only shapes may contain it"
            ),
            Item::Constant(constant) => {
                let dims: Vec<Dim> = constant.dims.iter().map(|d| Dim::Fixed(*d)).collect();
                let (len, width) = self.natural(&dims)?;
                let data = match &constant.elements {
                    Elements::F32(data) => data.as_ref().clone(),
                    Elements::I64(_) => {
                        refuse!(UnsupportedUse, "a constant of integers is used as a value")
                    }
                };
                let tensor = self.draft.tensor(len, width, data, None);
                let value = self.draft.push(
                    Op::Constant { tensor },
                    shape(Rows::Shared, len, width),
                    Kind::F32,
                );
                Ok(View { value, dims })
            }
        }
    }

    /// The len and width of a value when nothing else asks for others: the last
    /// dimension is the width.
    pub(crate) fn natural(&self, dims: &[Dim]) -> Result<(u32, u32), LowerError> {
        let inner = inner(dims);
        let width = inner.last().copied().unwrap_or(1);
        let volume = self.volume(&inner)?;
        Ok(((volume / width.max(1)) as u32, width as u32))
    }

    /// The number of elements of a row, checked.
    pub(crate) fn volume(&self, dims: &[usize]) -> Result<usize, LowerError> {
        let volume = dims.iter().fold(1usize, |v, d| v.saturating_mul(*d));
        if volume == 0 {
            refuse!(UnsupportedUse, "a value of shape {dims:?} is empty");
        }
        if volume > MAX_ROW.min(self.limits.elements) {
            refuse!(
                TooLarge,
                "a value of shape {dims:?} is too large to compute with"
            );
        }
        Ok(volume)
    }

    /// The value with another len and width.
    pub(crate) fn shaped(&mut self, view: &View, len: usize, width: usize) -> ValueId {
        let (s, kind) = (self.draft.shape(view.value), self.draft.kind(view.value));
        let (len, width) = (len as u32, width as u32);
        debug_assert_eq!(
            u64::from(len) * u64::from(width),
            u64::from(s.len) * u64::from(s.width)
        );
        if (s.len, s.width) == (len, width) {
            return view.value;
        }
        self.draft.push(
            Op::Reshape {
                x: view.value,
                len,
                width,
            },
            shape(s.rows, len, width),
            kind,
        )
    }

    pub(crate) fn rows(&self, values: &[ValueId]) -> Rows {
        values
            .iter()
            .map(|v| self.draft.shape(*v).rows)
            .max()
            .unwrap_or(Rows::Shared)
    }

    /// A function of every element.
    pub(crate) fn unary(&mut self, x: &View, f: Unary) -> View {
        if f == Unary::Identity {
            return x.clone();
        }
        let value = self.draft.push(
            Op::Unary { x: x.value, f },
            self.draft.shape(x.value),
            Kind::F32,
        );
        View {
            value,
            dims: x.dims.clone(),
        }
    }

    pub(crate) fn scalar(&mut self, value: f32) -> View {
        let tensor = self.draft.tensor(1, 1, vec![value], None);
        let value = self.draft.push(
            Op::Constant { tensor },
            shape(Rows::Shared, 1, 1),
            Kind::F32,
        );
        View {
            value,
            dims: Vec::new(),
        }
    }

    /// A function of two values, broadcast as numpy does.
    pub(crate) fn binary(&mut self, f: Binary, a: &View, b: &View) -> Result<View, LowerError> {
        let dims = broadcast(&a.dims, &b.dims)?;
        let result = inner(&dims);
        self.volume(&result)?;
        let (va, vb, (len, width)) = self.aligned(a, b, &dims)?;
        let rows = self.rows(&[va, vb]);
        let value = self.draft.push(
            Op::Binary { a: va, b: vb, f },
            shape(rows, len, width),
            Kind::F32,
        );
        Ok(View { value, dims })
    }

    /// Brings two operands into shapes that the engine broadcasts as ONNX does:
    /// neighbouring dimensions that broadcast alike are merged, and two groups
    /// must be left at most.
    fn aligned(
        &mut self,
        a: &View,
        b: &View,
        dims: &[Dim],
    ) -> Result<(ValueId, ValueId, (u32, u32)), LowerError> {
        let rank = dims.len();
        let at = |v: &View, i: usize| match (i + v.dims.len()).checked_sub(rank).map(|j| v.dims[j])
        {
            Some(Dim::Fixed(size)) => size,
            _ => 1,
        };
        // (size in a, size in b) of each group.
        let mut groups: Vec<(usize, usize)> = Vec::new();
        for i in usize::from(per_row(dims))..rank {
            let pair = (at(a, i), at(b, i));
            if pair == (1, 1) {
                continue;
            }
            let class = |(x, y): (usize, usize)| (x == y, x == 1, y == 1);
            match groups.last_mut() {
                Some(last) if class(*last) == class(pair) => {
                    *last = (last.0 * pair.0, last.1 * pair.1)
                }
                _ => groups.push(pair),
            }
        }
        let (sa, sb) = (self.draft.shape(a.value), self.draft.shape(b.value));
        Ok(match groups.as_slice() {
            [] => (self.shaped(a, 1, 1), self.shaped(b, 1, 1), (1, 1)),
            // One of them is a single number a row: the other stays as it is.
            [(_, 1)] => (a.value, self.shaped(b, 1, 1), (sa.len, sa.width)),
            [(1, _)] => (self.shaped(a, 1, 1), b.value, (sb.len, sb.width)),
            [_] => (
                a.value,
                self.shaped(b, sa.len as usize, sa.width as usize),
                (sa.len, sa.width),
            ),
            [(a0, b0), (a1, b1)] => {
                let size = (a0.max(b0), a1.max(b1));
                (
                    self.shaped(a, *a0, *a1),
                    self.shaped(b, *b0, *b1),
                    (*size.0 as u32, *size.1 as u32),
                )
            }
            _ => refuse!(
                UnsupportedUse,
                "broadcasting {} with {} needs more than two axes besides the rows",
                show(&a.dims),
                show(&b.dims)
            ),
        })
    }

    /// Repeats along dimensions of size 1, but for the rows, which every
    /// operation repeats by itself.
    pub(crate) fn spread(&mut self, x: &View, dims: Vec<Dim>) -> Result<View, LowerError> {
        let fixed = inner(&dims);
        if self.volume(&fixed)? == self.volume(&inner(&x.dims))? {
            return Ok(View {
                value: x.value,
                dims,
            });
        }
        if self.draft.kind(x.value) != Kind::F32 {
            refuse!(
                UnsupportedUse,
                "integers can't be repeated along another axis than the rows"
            );
        }
        // Times 1 is exact.
        let ones = View {
            dims: fixed.iter().map(|d| Dim::Fixed(*d)).collect(),
            value: {
                let (len, width) = self.natural(&dims)?;
                let data = vec![1.0; len as usize * width as usize];
                let tensor = self.draft.tensor(len, width, data, None);
                self.draft.push(
                    Op::Constant { tensor },
                    shape(Rows::Shared, len, width),
                    Kind::F32,
                )
            },
        };
        let view = self.binary(Binary::Mul, x, &ones)?;
        Ok(View {
            value: view.value,
            dims,
        })
    }
}

/// An axis counted from the front.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, LowerError> {
    let signed = rank as i64;
    if axis < -signed || axis >= signed {
        refuse!(
            Shape,
            "axis {axis} lies outside a value of {rank} dimensions"
        );
    }
    Ok(axis.rem_euclid(signed) as usize)
}

/// A size that must be positive and known.
pub(crate) fn positive(size: i64) -> Result<usize, LowerError> {
    usize::try_from(size)
        .ok()
        .filter(|s| *s > 0)
        .ok_or_else(|| fault!(Shape, "a dimension of {size} has no elements"))
}
