//! The JSON form of the spec, as it travels in the ONNX file.

use serde::{Deserialize, Serialize};

use crate::spec::{Cross, Domain, Numeric, Source, Spec};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    context: Vec<Number>,
    candidate: Vec<Number>,
    wide: Wide,
    title: Title,
    session_products: u32,
    product_slots: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Number {
    name: String,
    domain: String,
    meaning: String,
    mean: f32,
    scale: f32,
    limit: f32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wide {
    buckets: u32,
    crosses: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Title {
    tokens: u32,
    buckets: u32,
}

/// Why a spec's JSON was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError(String);

impl core::fmt::Display for SpecError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the feature spec can't be read: {}", self.0)
    }
}

impl core::error::Error for SpecError {}

fn domain(source: Source) -> &'static str {
    match source.domain() {
        Domain::Shopper => "shopper",
        Domain::Context => "context",
        Domain::Product => "product",
        Domain::Crossing => "crossing",
    }
}

impl Spec {
    /// The spec as JSON; the same spec gives the same bytes.
    #[must_use]
    pub fn to_json(&self) -> String {
        let numbers = |list: &[Numeric]| {
            list.iter()
                .map(|n| Number {
                    name: n.source.name().to_owned(),
                    domain: domain(n.source).to_owned(),
                    meaning: n.source.description().to_owned(),
                    mean: n.mean,
                    scale: n.scale,
                    limit: n.limit,
                })
                .collect()
        };
        let document = Document {
            version: 1,
            context: numbers(&self.context),
            candidate: numbers(&self.candidate),
            wide: Wide {
                buckets: self.wide_buckets,
                crosses: self.wide.iter().map(|c| c.name().to_owned()).collect(),
            },
            title: Title {
                tokens: self.title_tokens,
                buckets: self.title_buckets,
            },
            session_products: self.session_products,
            product_slots: self.product_slots,
        };
        // Plain structs of numbers and strings always serialise.
        serde_json::to_string_pretty(&document).unwrap_or_default()
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// Malformed JSON, unknown fields, an unknown feature or version.
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        let document: Document =
            serde_json::from_str(text).map_err(|e| SpecError(e.to_string()))?;
        if document.version != 1 {
            return Err(SpecError(format!(
                "version {} is not known",
                document.version
            )));
        }
        let numbers = |list: Vec<Number>| {
            list.into_iter()
                .map(|n| {
                    let source = Source::from_name(&n.name)
                        .ok_or_else(|| SpecError(format!("there is no feature {:?}", n.name)))?;
                    Ok(Numeric {
                        source,
                        mean: n.mean,
                        scale: n.scale,
                        limit: n.limit,
                    })
                })
                .collect::<Result<Vec<_>, SpecError>>()
        };
        let wide = document
            .wide
            .crosses
            .iter()
            .map(|name| {
                Cross::from_name(name)
                    .ok_or_else(|| SpecError(format!("there is no crossing {name:?}")))
            })
            .collect::<Result<_, _>>()?;
        let spec = Self {
            context: numbers(document.context)?,
            candidate: numbers(document.candidate)?,
            wide,
            wide_buckets: document.wide.buckets,
            title_tokens: document.title.tokens,
            title_buckets: document.title.buckets,
            session_products: document.session_products,
            product_slots: document.product_slots,
        };
        // The flat form holds the limits; what it refuses is no spec.
        Spec::read(&spec.write()).map_err(|e| SpecError(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_round_trips() {
        let mut spec = Spec::unfitted(100);
        spec.context[0].mean = 0.1;
        for n in spec.context.iter_mut().chain(&mut spec.candidate) {
            n.limit = 5.0;
        }
        assert_eq!(Spec::from_json(&spec.to_json()), Ok(spec));
        assert!(Spec::from_json("{}").is_err());
    }
}
