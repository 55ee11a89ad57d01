//! Triples as text: a fact a line, its parts apart by tabs (shown as blanks here).
//!
//! ```text
//! # A comment. Relations are declared anywhere, with their kind and, for customers, labels
//! # in English and Chinese.
//! @relation    brand    entity    brand    品牌
//! @relation    price    money    price    价格
//! Product:B00B4O7GIA    brand    Brand:Acme
//! Product:B00B4O7GIA    price    19.99 GBP
//! ```

use shelfedge_commerce::fault::quote;
use shelfedge_commerce::{Faults, Invalid};

use super::super::ValueKind;
use super::{Draft, LINE, RELATION_UNKNOWN, VALUE, invalid};

const DECLARE: &str = "@relation";

/// Reads files, each with its name and its text.
///
/// # Errors
/// Every line that can't be read, such as `shop.tsv line 7`; the draft then has the
/// others.
pub fn read(draft: &mut Draft, files: &[(&str, &str)]) -> Result<(), Faults> {
    let mut faults = Faults::default();
    for declares in [true, false] {
        for (name, text) in files {
            for (line, number) in text.lines().zip(1_u64..) {
                let line = line.strip_suffix('\r').unwrap_or(line);
                let is_declaration = line.starts_with(DECLARE);
                if line.trim().is_empty() || line.starts_with('#') || is_declaration != declares {
                    continue;
                }
                let result = match is_declaration {
                    true => declare(draft, line),
                    false => fact(draft, line),
                };
                faults.take(result, || format!("{name} line {number}"));
            }
        }
    }
    faults.into_result(())
}

fn declare(draft: &mut Draft, line: &str) -> Result<(), Invalid> {
    let parts: Vec<&str> = line.split('\t').collect();
    let (name, kind, labels) = match *parts.as_slice() {
        [DECLARE, name, kind] => (name, kind, [name, name]),
        [DECLARE, name, kind, en, zh] => (name, kind, [en, zh]),
        _ => {
            let cause = "a declaration is @relation, name and kind, then nothing or two labels";
            return Err(invalid(&LINE, cause));
        }
    };
    let found = ValueKind::ALL.into_iter().find(|it| it.name() == kind);
    let kind = found.ok_or_else(|| {
        let kinds = ValueKind::ALL.map(ValueKind::name).join(", ");
        invalid(&VALUE, format!("{} is none of {kinds}", quote(kind)))
    })?;
    draft.relation(name, kind, labels).map(|_| ())
}

fn fact(draft: &mut Draft, line: &str) -> Result<(), Invalid> {
    let mut parts = line.splitn(3, '\t');
    let (Some(subject), Some(relation), Some(object)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(invalid(
            &LINE,
            format!("{} has fewer than two tabs", quote(line)),
        ));
    };
    let link = draft.link(relation);
    let link = link.ok_or_else(|| {
        invalid(
            &RELATION_UNKNOWN,
            format!("{} isn't declared", quote(relation)),
        )
    })?;
    let Some((kind, key)) = subject.split_once(':') else {
        return Err(invalid(
            &LINE,
            format!("the subject {} isn't Type:key", quote(subject)),
        ));
    };
    let subject = draft.entity(kind, key)?;
    draft.add_text(subject, link, object)
}
