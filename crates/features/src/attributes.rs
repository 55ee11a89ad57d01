//! What products have in common: their category, brand and seller, as an
//! optional section of the compiled model. Flat and little-endian; read in place.
//!
//! ```text
//! 0   version 1               u32
//! 4   number of products      u32
//! 8   category, brand, seller: number of names u32, bytes of names u32
//! 32  for each with names, in this order:
//!     ends of the names       u32 each
//!     a product's name        u16 each, the largest is none; u32 where there
//!                             are more than 65,535 names
//!     the names, sorted by their bytes, each once
//! ```

use std::collections::BTreeMap;

use shelfedge_engine::file::u32_at;

use crate::tables::TableError;

/// The section of the compiled model.
pub const SECTION: &str = "attributes";

const VERSION: u32 = 1;
const HEADER: usize = 32;

/// Something that products share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// The category (GA4 `item_category` to `item_category5`): which level is
    /// the choice of whoever writes the section.
    Category,
    /// The brand (GA4 `item_brand`).
    Brand,
    /// Who sells it, on a marketplace.
    Seller,
}

impl Attribute {
    /// All of them, in the file's order.
    pub const ALL: [Self; 3] = [Self::Category, Self::Brand, Self::Seller];

    /// Its name in requests and responses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Category => "category",
            Self::Brand => "brand",
            Self::Seller => "seller",
        }
    }
}

/// The names of one attribute, and which of them each product has.
#[derive(Clone, Copy, Debug)]
struct Column<'a> {
    ends: &'a [u8],
    values: &'a [u8],
    wide: bool,
    names: &'a [u8],
}

impl<'a> Column<'a> {
    fn count(&self) -> usize {
        self.ends.len() / 4
    }

    fn name(&self, value: usize) -> Option<&'a str> {
        let start = match value.checked_sub(1) {
            Some(before) => u32_at(self.ends, before.checked_mul(4)?)?,
            None => 0,
        };
        let end = u32_at(self.ends, value.checked_mul(4)?)?;
        let bytes = self.names.get(start as usize..end as usize)?;
        core::str::from_utf8(bytes).ok()
    }

    /// What stands in the file; the largest number is none.
    fn cell(&self, product: usize) -> Option<u32> {
        if self.wide {
            return u32_at(self.values, product.checked_mul(4)?);
        }
        let at = product.checked_mul(2)?;
        let cell = self.values.get(at..at.checked_add(2)?)?;
        Some(match u16::from_le_bytes(cell.try_into().ok()?) {
            u16::MAX => u32::MAX,
            value => value.into(),
        })
    }

    fn of(&self, product: usize) -> Option<u32> {
        self.cell(product)
            .filter(|value| (*value as usize) < self.count())
    }
}

/// The products' attributes.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    columns: [Option<Column<'a>>; 3],
}

impl<'a> Attributes<'a> {
    /// Opens the section of a model with so many products. Only sizes are
    /// checked, in constant time: what points outside its table reads as none.
    /// [`Attributes::is_sound`] checks the rest.
    ///
    /// # Errors
    /// Another version or number of products, or a size that contradicts the
    /// header.
    pub fn open(bytes: &'a [u8], products: usize) -> Result<Self, TableError> {
        let bad = TableError {
            section: SECTION,
            missing: false,
        };
        let number = |at| u32_at(bytes, at).map(|n| n as usize).ok_or(bad);
        if number(0)? != VERSION as usize || number(4)? != products {
            return Err(bad);
        }
        let mut at = HEADER;
        let mut take = |n: Option<usize>| -> Result<&'a [u8], TableError> {
            let end = n.and_then(|n| at.checked_add(n)).ok_or(bad)?;
            let part = bytes.get(at..end).ok_or(bad)?;
            at = end;
            Ok(part)
        };
        let mut columns = [None; 3];
        for (i, column) in columns.iter_mut().enumerate() {
            let (count, size) = (number(8 + 8 * i)?, number(12 + 8 * i)?);
            if count == 0 {
                if size != 0 {
                    return Err(bad);
                }
                continue;
            }
            let wide = is_wide(count);
            *column = Some(Column {
                ends: take(count.checked_mul(4))?,
                values: take(products.checked_mul(if wide { 4 } else { 2 }))?,
                wide,
                names: take(Some(size))?,
            });
        }
        if at != bytes.len() {
            return Err(bad);
        }
        Ok(Self { columns })
    }

    /// Whether every product's name is one of the names or none, and the names
    /// are sorted texts, each once. Reads the whole section.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.columns.iter().flatten().all(|column| {
            let count = column.count();
            let mut last = "";
            let sorted = (0..count).all(|value| {
                let name = column.name(value).unwrap_or("");
                let ascends = name > last;
                last = name;
                ascends
            });
            let end = u32_at(column.ends, (count - 1) * 4);
            let known = |value: u32| (value as usize) < count || value == u32::MAX;
            let all_known = match column.wide {
                true => {
                    let (cells, _) = column.values.as_chunks::<4>();
                    cells.iter().all(|cell| known(u32::from_le_bytes(*cell)))
                }
                false => {
                    let (cells, _) = column.values.as_chunks::<2>();
                    cells.iter().all(|cell| match u16::from_le_bytes(*cell) {
                        u16::MAX => true,
                        value => known(value.into()),
                    })
                }
            };
            sorted && end.is_some_and(|end| end as usize == column.names.len()) && all_known
        })
    }

    /// Whether any product has the attribute.
    #[must_use]
    pub fn knows(&self, attribute: Attribute) -> bool {
        self.column(attribute).is_some()
    }

    /// How many different names the attribute has.
    #[must_use]
    pub fn names(&self, attribute: Attribute) -> usize {
        self.column(attribute).map_or(0, Column::count)
    }

    /// One of the names, by its index in `0..names`.
    #[must_use]
    pub fn name(&self, attribute: Attribute, value: u32) -> Option<&'a str> {
        self.column(attribute)?.name(value as usize)
    }

    /// Which of the names a product has.
    #[must_use]
    pub fn of(&self, attribute: Attribute, product: u32) -> Option<u32> {
        self.column(attribute)?.of(product as usize)
    }

    fn column(&self, attribute: Attribute) -> Option<&Column<'a>> {
        self.columns[attribute as usize].as_ref()
    }
}

const fn is_wide(names: usize) -> bool {
    names > u16::MAX as usize
}

/// The attributes of one product as they go into the section; an empty name is
/// none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeRow {
    /// Its category.
    pub category: Option<String>,
    /// Its brand.
    pub brand: Option<String>,
    /// Who sells it.
    pub seller: Option<String>,
}

impl AttributeRow {
    fn name(&self, attribute: Attribute) -> Option<&str> {
        match attribute {
            Attribute::Category => self.category.as_deref(),
            Attribute::Brand => self.brand.as_deref(),
            Attribute::Seller => self.seller.as_deref(),
        }
        .filter(|name| !name.is_empty())
    }
}

/// Writes the section, for the trainer: one row a product, in the order of the
/// product table. Names are kept as they are, so `Acme` and `acme` are two.
#[must_use]
pub fn write(rows: &[AttributeRow]) -> Vec<u8> {
    let word =
        |out: &mut Vec<u8>, n: usize| out.extend((n.min(u32::MAX as usize) as u32).to_le_bytes());
    let (mut header, mut body) = (Vec::new(), Vec::new());
    word(&mut header, VERSION as usize);
    word(&mut header, rows.len());
    for attribute in Attribute::ALL {
        let names = rows.iter().filter_map(|row| row.name(attribute));
        let mut values: BTreeMap<&str, usize> = names.map(|name| (name, 0)).collect();
        let mut end = 0;
        for (value, (name, index)) in values.iter_mut().enumerate() {
            *index = value;
            end += name.len();
            word(&mut body, end);
        }
        word(&mut header, values.len());
        word(&mut header, end);
        if values.is_empty() {
            continue;
        }
        for row in rows {
            let value = row.name(attribute).and_then(|name| values.get(name));
            let value = value.map_or(u32::MAX, |value| *value as u32);
            match is_wide(values.len()) {
                true => body.extend(value.to_le_bytes()),
                false => body.extend((value.min(u16::MAX.into()) as u16).to_le_bytes()),
            }
        }
        for name in values.keys() {
            body.extend_from_slice(name.as_bytes());
        }
    }
    header.append(&mut body);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(category: &str, brand: &str, seller: &str) -> AttributeRow {
        let name = |text: &str| Some(text.to_owned());
        AttributeRow {
            category: name(category),
            brand: name(brand),
            seller: name(seller),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let rows = [
            row("mugs", "Acme", ""),
            row("", "", ""),
            AttributeRow::default(),
            row("茶", "acme", ""),
            row("mugs", "Acme", ""),
        ];
        let bytes = write(&rows);
        let attributes = Attributes::open(&bytes, rows.len()).unwrap();
        assert!(attributes.is_sound());
        assert_eq!(
            Attribute::ALL.map(|a| (attributes.knows(a), attributes.names(a))),
            [(true, 2), (true, 2), (false, 0)]
        );
        for (product, row) in (0..).zip(&rows) {
            for attribute in Attribute::ALL {
                let value = attributes.of(attribute, product);
                let name = value.and_then(|value| attributes.name(attribute, value));
                assert_eq!(name, row.name(attribute));
            }
        }
        assert_eq!(attributes.of(Attribute::Brand, 5), None);
        assert_eq!(attributes.of(Attribute::Brand, u32::MAX), None);
        assert_eq!(attributes.name(Attribute::Brand, u32::MAX), None);
        assert_eq!(attributes.name(Attribute::Seller, 0), None);
    }

    #[test]
    fn nothing_known_of_anything() {
        for products in [0, 3] {
            let bytes = write(&vec![AttributeRow::default(); products]);
            assert_eq!(bytes.len(), HEADER);
            let attributes = Attributes::open(&bytes, products).unwrap();
            assert!(attributes.is_sound());
            assert!(Attribute::ALL.iter().all(|a| !attributes.knows(*a)));
            assert!(Attributes::open(&bytes, products + 1).is_err());
        }
    }

    #[test]
    fn more_names_than_sixteen_bits_count() {
        // The largest number of each width is none, so 65,535 names are narrow.
        for products in [65_535usize, 65_536] {
            let rows: Vec<_> = (0..products)
                .map(|i| row("one", "", &format!("{i:05}")))
                .collect();
            let bytes = write(&rows);
            let attributes = Attributes::open(&bytes, products).unwrap();
            assert!(attributes.is_sound());
            let last = products as u32 - 1;
            assert_eq!(attributes.of(Attribute::Seller, last), Some(last));
            assert_eq!(attributes.of(Attribute::Category, last), Some(0));
        }
    }

    #[test]
    fn names_out_of_order_twice_or_cut_are_not_sound() {
        let bytes = write(&[row("a", "", ""), row("b", "", "")]);
        let changed = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            Attributes::open(&bytes, 2).map(|attributes| attributes.is_sound())
        };
        // Two ends, two values, two names.
        assert_eq!(changed(HEADER + 12, b'c'), Ok(false));
        assert_eq!(changed(HEADER + 12, b'b'), Ok(false));
        assert_eq!(changed(HEADER + 12, 0xff), Ok(false));
        assert_eq!(changed(HEADER, 2), Ok(false));
        assert_eq!(changed(HEADER + 4, 1), Ok(false));
        assert_eq!(changed(HEADER + 8, 2), Ok(false));
        assert_eq!(changed(HEADER + 8, 1), Ok(true));
        assert!(changed(0, 2).is_err());
    }
}
