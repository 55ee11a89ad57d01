//! The tables of a shop: products with their statistics, item-to-item
//! neighbours, and the popular list. Flat and little-endian; read in place from
//! sections of the compiled model.

use shelfedge_commerce::{Currency, Timestamp};
use shelfedge_engine::file::{u32_at, u64_at};

/// Sections of the compiled model that hold the tables.
pub const SECTIONS: [&str; 5] = ["meta", "spec", "products", "similar", "popular"];

/// What is wrong with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableError {
    /// Which section.
    pub section: &'static str,
    /// Whether it is missing, rather than malformed.
    pub missing: bool,
}

impl core::fmt::Display for TableError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the section ")?;
        f.write_str(self.section)?;
        f.write_str(if self.missing {
            " is missing"
        } else {
            " contradicts itself"
        })
    }
}

impl core::error::Error for TableError {}

/// A column of u32.
#[derive(Clone, Copy, Debug)]
struct Column<'a>(&'a [u8]);

impl Column<'_> {
    #[inline]
    fn get(&self, i: usize) -> u32 {
        u32_at(self.0, i * 4).unwrap_or(0)
    }
}

/// Columns of the product table after its strings, in the file's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Price,
    Slot,
    Buyers14,
    Buyers30,
    Buyers90,
    Buyers,
    FirstDay,
    LastDay,
    Repeat,
}

const FIELDS: usize = 9;
/// Bit of the header's flags: one more column holds the prices' high halves. A
/// table has it only where a price needs it.
const WIDE_PRICES: u32 = 1;
/// Bit of the header's flags: nothing is known of the products but their ids, so
/// there are neither titles nor columns.
const BARE: u32 = 2;

/// One product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductRef<'a> {
    /// The shop's id.
    pub id: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its price in minor units of the shop's currency.
    pub price_minor: i64,
}

/// The statistics of one product at the tables' date.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Index of its embedding; 0 when it has none of its own.
    pub slot: u32,
    /// Price in minor units.
    pub price: u64,
    /// Distinct buyers in the last 14, 30 and 90 days, and ever.
    pub buyers: [u32; 4],
    /// Days since the epoch of its first sale.
    pub first_day: u32,
    /// Days since the epoch of its last sale.
    pub last_day: u32,
    /// Share of its buyers who bought it more than once, in thousandths.
    pub repeat: u32,
}

/// A shop's tables.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a> {
    count: usize,
    id_ends: Column<'a>,
    title_ends: Column<'a>,
    ids: &'a [u8],
    titles: &'a [u8],
    columns: Column<'a>,
    high_prices: Option<Column<'a>>,
    neighbours: usize,
    wide: bool,
    similar_index: &'a [u8],
    similar_weight: &'a [u8],
    similar_scale: f32,
    popular: Column<'a>,
    popular_count: usize,
    meta: Meta,
}

/// What the tables say of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// SHA-256 of the feature spec's JSON.
    pub spec: [u8; 32],
    /// SHA-256 of the ONNX file.
    pub onnx: [u8; 32],
    /// SHA-256 of the training data.
    pub data: [u8; 32],
    /// The moment at which the tables were fitted: no event after it is in
    /// them.
    pub as_of: Timestamp,
    /// The currency of all prices.
    pub currency: Currency,
}

impl Meta {
    /// The section `meta`.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&1u32.to_le_bytes());
        let mut code = [0u8; 4];
        code[..3].copy_from_slice(&self.currency.code().as_bytes()[..3]);
        out.extend_from_slice(&code);
        out.extend_from_slice(&self.as_of.0.to_le_bytes());
        for digest in [&self.spec, &self.onnx, &self.data] {
            out.extend_from_slice(digest);
        }
        out
    }

    /// Reads the section `meta`.
    ///
    /// # Errors
    /// Another version or length, or an unknown currency.
    pub fn read(bytes: &[u8]) -> Result<Self, TableError> {
        let bad = TableError {
            section: "meta",
            missing: false,
        };
        if bytes.len() != 112 || u32_at(bytes, 0) != Some(1) {
            return Err(bad);
        }
        let code = core::str::from_utf8(&bytes[4..7]).map_err(|_| bad)?;
        let currency = Currency::parse(code).map_err(|_| bad)?;
        let as_of = Timestamp(u64_at(bytes, 8).ok_or(bad)?.cast_signed());
        let digest = |at: usize| -> Result<[u8; 32], TableError> {
            bytes[at..at + 32].try_into().map_err(|_| bad)
        };
        Ok(Self {
            spec: digest(16)?,
            onnx: digest(48)?,
            data: digest(80)?,
            as_of,
            currency,
        })
    }
}

impl<'a> Tables<'a> {
    /// Opens the tables. `section` finds a section by its name. Only sizes are
    /// checked, in constant time: a string or index that points outside its
    /// table reads as empty.
    ///
    /// # Errors
    /// A missing section, or one whose size contradicts its header.
    pub fn open(section: impl Fn(&str) -> Option<&'a [u8]>) -> Result<Self, TableError> {
        let find = |name: &'static str| {
            section(name).ok_or(TableError {
                section: name,
                missing: true,
            })
        };
        let meta = Meta::read(find("meta")?)?;

        let bad = TableError {
            section: "products",
            missing: false,
        };
        let products = find("products")?;
        let number = |i: usize| u32_at(products, i * 4).map(|n| n as usize).ok_or(bad);
        let (count, id_bytes, title_bytes) = (number(0)?, number(1)?, number(2)?);
        let mut at = 16usize;
        let mut take = |n: Option<usize>| -> Result<&'a [u8], TableError> {
            let end = n.and_then(|n| at.checked_add(n)).ok_or(bad)?;
            let part = products.get(at..end).ok_or(bad)?;
            at = end;
            Ok(part)
        };
        let words = |n: usize| count.checked_mul(n)?.checked_mul(4);
        let flags = u32_at(products, 12).ok_or(bad)?;
        if flags & !(WIDE_PRICES | BARE) != 0 {
            return Err(bad);
        }
        let described = usize::from(flags & BARE == 0);
        let id_ends = Column(take(words(1))?);
        let title_ends = Column(take(words(described))?);
        let columns = Column(take(words(described * FIELDS))?);
        let high_prices = match flags & WIDE_PRICES {
            0 => None,
            _ => Some(Column(take(words(1))?)),
        };
        let ids = take(Some(id_bytes))?;
        let titles = take(Some(title_bytes))?;
        if at != products.len() {
            return Err(bad);
        }

        let bad = TableError {
            section: "similar",
            missing: false,
        };
        let similar = find("similar")?;
        let neighbours = u32_at(similar, 0).ok_or(bad)? as usize;
        let similar_scale = f32::from_bits(u32_at(similar, 4).ok_or(bad)?);
        let wide = count > usize::from(u16::MAX);
        let cells = count.checked_mul(neighbours).ok_or(bad)?;
        let index_size = cells.checked_mul(if wide { 4 } else { 2 }).ok_or(bad)?;
        if similar.len()
            != index_size
                .checked_add(cells)
                .and_then(|n| n.checked_add(16))
                .ok_or(bad)?
            || !similar_scale.is_finite()
        {
            return Err(bad);
        }
        let (similar_index, similar_weight) = similar[16..].split_at(index_size);

        let popular = find("popular")?;
        if popular.len() % 4 != 0 {
            return Err(TableError {
                section: "popular",
                missing: false,
            });
        }
        Ok(Self {
            count,
            id_ends,
            title_ends,
            ids,
            titles,
            columns,
            high_prices,
            neighbours,
            wide,
            similar_index,
            similar_weight,
            similar_scale,
            popular: Column(popular),
            popular_count: popular.len() / 4,
            meta,
        })
    }

    /// What the tables say of themselves.
    #[must_use]
    pub fn meta(&self) -> Meta {
        self.meta
    }

    /// Number of products.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no product.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn string(ends: Column<'a>, bytes: &'a [u8], i: usize) -> &'a [u8] {
        let start = if i == 0 { 0 } else { ends.get(i - 1) as usize };
        bytes.get(start..ends.get(i) as usize).unwrap_or(&[])
    }

    /// A product by its index; `None` outside the table.
    #[must_use]
    pub fn product(&self, index: u32) -> Option<ProductRef<'a>> {
        let i = index as usize;
        if i >= self.count {
            return None;
        }
        let text = |bytes| core::str::from_utf8(bytes).unwrap_or("");
        Some(ProductRef {
            id: text(Self::string(self.id_ends, self.ids, i)),
            title: text(Self::string(self.title_ends, self.titles, i)),
            price_minor: self.price(i).cast_signed(),
        })
    }

    /// The index of a product.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<u32> {
        let (mut low, mut high) = (0usize, self.count);
        while low < high {
            let middle = low.midpoint(high);
            match Self::string(self.id_ends, self.ids, middle).cmp(id.as_bytes()) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
                core::cmp::Ordering::Equal => return u32::try_from(middle).ok(),
            }
        }
        None
    }

    /// In minor units, below 2^63.
    fn price(&self, i: usize) -> u64 {
        let high = self
            .high_prices
            .map_or(0, |column| column.get(i) & 0x7fff_ffff);
        u64::from(high) << 32 | u64::from(self.field(Field::Price, i))
    }

    fn field(&self, field: Field, i: usize) -> u32 {
        self.columns.get(field as usize * self.count + i)
    }

    /// The statistics of a product; zeros outside the table.
    #[must_use]
    pub fn stats(&self, index: u32) -> Stats {
        let i = index as usize;
        let f = |field| {
            if i < self.count {
                self.field(field, i)
            } else {
                0
            }
        };
        Stats {
            slot: f(Field::Slot),
            price: if i < self.count { self.price(i) } else { 0 },
            buyers: [
                f(Field::Buyers14),
                f(Field::Buyers30),
                f(Field::Buyers90),
                f(Field::Buyers),
            ],
            first_day: f(Field::FirstDay),
            last_day: f(Field::LastDay),
            repeat: f(Field::Repeat),
        }
    }

    /// The neighbours of a product, strongest first, with their similarity in
    /// 0..=1.
    pub fn similar(&self, index: u32) -> impl Iterator<Item = (u32, f32)> + use<'a> {
        let i = index as usize;
        let (first, n) = if i < self.count {
            (i * self.neighbours, self.neighbours)
        } else {
            (0, 0)
        };
        let this = *self;
        (first..first + n).filter_map(move |cell| {
            let weight = *this.similar_weight.get(cell)?;
            let other = if this.wide {
                u32_at(this.similar_index, cell * 4)?
            } else {
                let b = this.similar_index.get(cell * 2..cell * 2 + 2)?;
                u32::from(u16::from_le_bytes([b[0], b[1]]))
            };
            ((other as usize) < this.count && weight > 0)
                .then_some((other, f32::from(weight) * this.similar_scale))
        })
    }

    /// The popular list, best first.
    pub fn popular(&self) -> impl Iterator<Item = u32> + use<'a> {
        let this = *self;
        (0..self.popular_count)
            .map(move |i| this.popular.get(i))
            .filter(move |i| (*i as usize) < this.count)
    }
}

/// A product as it goes into a table.
#[derive(Clone, Debug)]
pub struct ProductRow {
    /// The shop's id; rows are sorted by it.
    pub id: String,
    /// Title.
    pub title: String,
    /// Statistics.
    pub stats: Stats,
    /// Neighbours with their similarity, strongest first.
    pub similar: Vec<(u32, f32)>,
}

/// The sections `products`, `similar` and `popular`.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Section `products`.
    pub products: Vec<u8>,
    /// Section `similar`.
    pub similar: Vec<u8>,
    /// Section `popular`.
    pub popular: Vec<u8>,
}

/// Writes the tables. Rows must be sorted by id, without duplicates;
/// `neighbours` is how many are kept a product.
#[must_use]
pub fn write(rows: &[ProductRow], neighbours: usize, popular: &[u32]) -> Written {
    debug_assert!(rows.is_sorted_by(|a, b| a.id < b.id));
    let mut out = Written::default();
    let word = |out: &mut Vec<u8>, n: usize| {
        out.extend_from_slice(&u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes())
    };
    let ids: usize = rows.iter().map(|r| r.id.len()).sum();
    let titles: usize = rows.iter().map(|r| r.title.len()).sum();
    let wide_prices = rows.iter().any(|r| r.stats.price > u64::from(u32::MAX));
    let bare = rows
        .iter()
        .all(|r| r.title.is_empty() && r.stats == Stats::default());
    let flags = if wide_prices { WIDE_PRICES } else { 0 } | if bare { BARE } else { 0 };
    for n in [rows.len(), ids, titles, flags as usize] {
        word(&mut out.products, n);
    }
    let mut end = 0;
    for row in rows {
        end += row.id.len();
        word(&mut out.products, end);
    }
    end = 0;
    for row in rows.iter().filter(|_| !bare) {
        end += row.title.len();
        word(&mut out.products, end);
    }
    let fields: [fn(&Stats) -> u32; FIELDS] = [
        |s| s.price as u32,
        |s| s.slot,
        |s| s.buyers[0],
        |s| s.buyers[1],
        |s| s.buyers[2],
        |s| s.buyers[3],
        |s| s.first_day,
        |s| s.last_day,
        |s| s.repeat,
    ];
    for field in fields {
        for row in rows.iter().filter(|_| !bare) {
            out.products
                .extend_from_slice(&field(&row.stats).to_le_bytes());
        }
    }
    if wide_prices {
        for row in rows {
            let high = (row.stats.price >> 32) as u32;
            out.products.extend_from_slice(&high.to_le_bytes());
        }
    }
    for row in rows {
        out.products.extend_from_slice(row.id.as_bytes());
    }
    for row in rows {
        out.products.extend_from_slice(row.title.as_bytes());
    }

    let max = rows
        .iter()
        .flat_map(|r| &r.similar)
        .fold(0.0f32, |m, (_, w)| m.max(*w));
    let scale = max / 255.0;
    word(&mut out.similar, neighbours);
    out.similar
        .extend_from_slice(&scale.to_bits().to_le_bytes());
    out.similar.extend_from_slice(&[0; 8]);
    let wide = rows.len() > usize::from(u16::MAX);
    let cell = |row: &ProductRow, i: usize| row.similar.get(i).copied().unwrap_or((0, 0.0));
    for row in rows {
        for i in 0..neighbours {
            let (other, _) = cell(row, i);
            if wide {
                out.similar.extend_from_slice(&other.to_le_bytes());
            } else {
                out.similar.extend_from_slice(&(other as u16).to_le_bytes());
            }
        }
    }
    for row in rows {
        for i in 0..neighbours {
            let (_, weight) = cell(row, i);
            let q = if scale > 0.0 {
                (weight / scale + 0.5).clamp(0.0, 255.0)
            } else {
                0.0
            };
            out.similar.push(q as u8);
        }
    }
    for index in popular {
        out.popular.extend_from_slice(&index.to_le_bytes());
    }
    out
}
