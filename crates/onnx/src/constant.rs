//! Constant tensors: what initializers hold, and the arithmetic that is done on
//! them while lowering.

use std::rc::Rc;

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};

use crate::Limits;
use crate::error::{LowerError, fault, printable, refuse};

/// The elements of a constant. Everything that counts, selects or is quantised
/// is held as i64, everything that measures as f32.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Elements {
    F32(Rc<Vec<f32>>),
    I64(Rc<Vec<i64>>),
}

/// A constant of any rank, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Constant {
    pub(crate) dims: Vec<usize>,
    pub(crate) elements: Elements,
    /// The initializer from which it comes, as long as its elements are those.
    pub(crate) name: Option<String>,
}

/// The number of elements, refused when it is beyond the limit. Checked before
/// anything is allocated.
pub(crate) fn volume(dims: &[usize], limits: Limits) -> Result<usize, LowerError> {
    let mut volume = 1usize;
    for dim in dims {
        volume = volume.saturating_mul(*dim);
    }
    // A zero dimension would hide the others' size, and has no use in a model.
    if volume > limits.elements || dims.iter().any(|d| *d > limits.elements) {
        refuse!(
            TooLarge,
            "a tensor of shape {dims:?} has more than {} elements",
            limits.elements
        );
    }
    Ok(volume)
}

impl Constant {
    pub(crate) fn f32(dims: &[usize], data: Vec<f32>) -> Self {
        Self {
            dims: dims.to_vec(),
            elements: Elements::F32(Rc::new(data)),
            name: None,
        }
    }

    pub(crate) fn i64(dims: &[usize], data: Vec<i64>) -> Self {
        Self {
            dims: dims.to_vec(),
            elements: Elements::I64(Rc::new(data)),
            name: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.elements {
            Elements::F32(data) => data.len(),
            Elements::I64(data) => data.len(),
        }
    }

    pub(crate) fn floats(&self) -> Result<&[f32], LowerError> {
        match &self.elements {
            Elements::F32(data) => Ok(data),
            Elements::I64(_) => refuse!(
                UnsupportedUse,
                "a constant operand must hold floats, this one holds integers"
            ),
        }
    }

    pub(crate) fn integers(&self) -> Result<&[i64], LowerError> {
        match &self.elements {
            Elements::I64(data) => Ok(data),
            Elements::F32(_) => refuse!(
                Malformed,
                "a constant operand must hold integers, this one holds floats"
            ),
        }
    }

    /// The only element of a scalar or of a tensor of one element.
    pub(crate) fn scalar(&self) -> Result<f32, LowerError> {
        match (&self.elements, self.len()) {
            (Elements::F32(data), 1) => Ok(data[0]),
            (Elements::I64(data), 1) => Ok(data[0] as f32),
            _ => refuse!(
                UnsupportedUse,
                "an operand must be a scalar constant, this one has shape {:?}",
                self.dims
            ),
        }
    }

    /// The same elements under another shape; the caller has checked the volume.
    pub(crate) fn with_dims(mut self, dims: Vec<usize>) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), self.len());
        self.dims = dims;
        self
    }

    /// Copies the elements at the given flat positions.
    pub(crate) fn pick(&self, dims: Vec<usize>, at: impl Iterator<Item = usize>) -> Self {
        let elements = match &self.elements {
            Elements::F32(data) => Elements::F32(Rc::new(at.map(|i| data[i]).collect())),
            Elements::I64(data) => Elements::I64(Rc::new(at.map(|i| data[i]).collect())),
        };
        Self {
            dims,
            elements,
            name: None,
        }
    }

    pub(crate) fn parse(proto: &pb::TensorProto, limits: Limits) -> Result<Self, LowerError> {
        let name = printable(&proto.name);
        if proto.data_location == Some(DataLocation::External as i32)
            || !proto.external_data.is_empty()
        {
            refuse!(
                ExternalData,
                "tensor `{name}` keeps its data in another file"
            );
        }
        if proto.segment.is_some() {
            refuse!(UnsupportedUse, "tensor `{name}` is split in segments");
        }
        let dims = proto
            .dims
            .iter()
            .map(|d| {
                usize::try_from(*d)
                    .map_err(|_| fault!(Malformed, "tensor `{name}` has the dimension {d}"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if dims.len() > MAX_RANK {
            refuse!(
                TooLarge,
                "tensor `{name}` has {} dimensions, the limit is {MAX_RANK}",
                dims.len()
            );
        }
        let volume = volume(&dims, limits)?;
        let kind = DataType::try_from(proto.data_type).map_err(|_| {
            fault!(
                Malformed,
                "tensor `{name}` has the unknown element type {}",
                proto.data_type
            )
        })?;
        let elements = elements(proto, kind, &name)?;
        let found = match &elements {
            Elements::F32(data) => data.len(),
            Elements::I64(data) => data.len(),
        };
        if found != volume {
            refuse!(
                Malformed,
                "tensor `{name}` of shape {dims:?} needs {volume} elements and has {found}"
            );
        }
        Ok(Self {
            dims,
            elements,
            name: Some(proto.name.clone()),
        })
    }
}

/// Beyond this a tensor isn't something that a compiled model can hold anyway.
pub(crate) const MAX_RANK: usize = 8;

fn elements(proto: &pb::TensorProto, kind: DataType, name: &str) -> Result<Elements, LowerError> {
    let raw = proto.raw_data.as_slice();
    let in_raw = !raw.is_empty();
    fn whole<const W: usize, T>(
        raw: &[u8],
        name: &str,
        read: impl Fn([u8; W]) -> T,
    ) -> Result<Vec<T>, LowerError> {
        let (chunks, rest) = raw.as_chunks::<W>();
        if !rest.is_empty() {
            refuse!(
                Malformed,
                "the raw data of tensor `{name}` isn't a whole number of elements"
            );
        }
        Ok(chunks.iter().map(|c| read(*c)).collect())
    }
    let f32s = |data: Vec<f32>| Ok(Elements::F32(Rc::new(data)));
    let i64s = |data: Vec<i64>| Ok(Elements::I64(Rc::new(data)));
    let small = || proto.int32_data.iter().map(|v| i64::from(*v)).collect();
    match kind {
        DataType::Float if in_raw => f32s(whole(raw, name, f32::from_le_bytes)?),
        DataType::Float => f32s(proto.float_data.clone()),
        DataType::Double if in_raw => f32s(whole(raw, name, |b| f64::from_le_bytes(b) as f32)?),
        DataType::Double => f32s(proto.double_data.iter().map(|v| *v as f32).collect()),
        DataType::Float16 if in_raw => f32s(whole(raw, name, |b| {
            shelfedge_engine::math::f16_to_f32(u16::from_le_bytes(b))
        })?),
        DataType::Float16 => f32s(
            proto
                .int32_data
                .iter()
                .map(|v| shelfedge_engine::math::f16_to_f32(*v as u16))
                .collect(),
        ),
        DataType::Int64 if in_raw => i64s(whole(raw, name, i64::from_le_bytes)?),
        DataType::Int64 => i64s(proto.int64_data.clone()),
        DataType::Int32 if in_raw => i64s(whole(raw, name, |b| i64::from(i32::from_le_bytes(b)))?),
        DataType::Uint32 if in_raw => i64s(whole(raw, name, |b| i64::from(u32::from_le_bytes(b)))?),
        DataType::Int16 if in_raw => i64s(whole(raw, name, |b| i64::from(i16::from_le_bytes(b)))?),
        DataType::Uint16 if in_raw => i64s(whole(raw, name, |b| i64::from(u16::from_le_bytes(b)))?),
        DataType::Int8 if in_raw => i64s(whole(raw, name, |b| i64::from(i8::from_le_bytes(b)))?),
        DataType::Uint8 | DataType::Bool if in_raw => {
            i64s(raw.iter().map(|b| i64::from(*b)).collect())
        }
        DataType::Int32
        | DataType::Int16
        | DataType::Uint16
        | DataType::Int8
        | DataType::Uint8
        | DataType::Bool => i64s(small()),
        other => refuse!(
            UnsupportedUse,
            "tensor `{name}` holds elements of type {}",
            other.as_str_name()
        ),
    }
}
