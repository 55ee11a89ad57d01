//! Every code with which this crate refuses a value: stable, in one table.
//! `wire` adds the codes of requests and publishes the whole list.

/// A kind of fault: what it is called and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// The stable name, `lower_snake_case`.
    pub id: &'static str,
    /// What to do about it.
    pub action: &'static str,
}

macro_rules! codes {
    ($($name:ident = $id:literal, $meaning:literal, $action:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $name: Code = Code { id: $id, action: $action };
        )*
        /// The whole table, in the order of this file: each code with what is
        /// wrong in general. The meanings stand apart from the codes, because
        /// documents need them and programs that ship to shoppers don't.
        pub static ALL: &[(&Code, &str)] = &[$((&$name, $meaning)),*];
    };
}

codes! {
    ID_EMPTY = "id_empty", "An id is empty.", "Give an id of 1 to 64 bytes.";
    ID_TOO_LONG = "id_too_long", "An id has more than 64 bytes.", "Shorten the id to 64 bytes of UTF-8 or fewer.";
    ID_CONTROL_CHARACTER = "id_control_character", "An id contains a control character.", "Remove line breaks, tabs and other control characters from the id.";
    TIME_MALFORMED = "time_malformed", "A time isn't RFC 3339.", "Write the time as in 2011-12-09T12:50:00Z, with an offset.";
    TIME_OUT_OF_RANGE = "time_out_of_range", "A part of a time doesn't exist, such as 30 February, or it is beyond the years 0000 to 9999.", "Correct the date, the time of day or the offset.";
    CURRENCY_UNKNOWN = "currency_unknown", "A currency isn't an ISO 4217 code with minor units.", "Use the three capital letters of ISO 4217, such as GBP.";
    CURRENCY_MISSING = "currency_missing", "A price has no currency.", "Set params.currency on every event with prices.";
    CURRENCY_MIXED = "currency_mixed", "One event, order or catalogue has prices in more than one currency.", "Send one event for each currency, or convert the prices first.";
    MONEY_MALFORMED = "money_malformed", "An amount isn't a decimal number.", "Send the amount as a plain JSON number such as 2.55.";
    MONEY_NOT_FINITE = "money_not_finite", "An amount is NaN or infinite.", "Find the division or conversion that made it; send a finite number or leave the field out.";
    MONEY_SURPLUS_DIGITS = "money_surplus_digits", "An amount has more decimals than its currency.", "Round to the currency's minor unit where the price is made.";
    MONEY_OUT_OF_RANGE = "money_out_of_range", "An amount doesn't fit 64 bits of minor units.", "Check the amount; the largest is about 9e18 minor units.";
    MONEY_NEGATIVE = "money_negative", "A price is negative.", "Send prices as zero or more; a refund is an event of its own.";
    EVENT_NAME_UNKNOWN = "event_name_unknown", "An event's name isn't a GA4 e-commerce name.", "Use one of the names in the list of event names.";
    EVENT_ITEMS_MISSING = "event_items_missing", "An event that is about products has no items.", "Send at least one item with an item_id.";
    QUANTITY_OUT_OF_RANGE = "quantity_out_of_range", "A quantity isn't a whole number from 1 to 4,294,967,295.", "Send whole quantities of 1 or more; use remove_from_cart or refund for less.";
    TEXT_EMPTY = "text_empty", "A required text is empty.", "Fill the field.";
    DUPLICATE_ID = "duplicate_id", "Two entries have the same id.", "Keep one of them.";
    CATEGORIES_TOO_MANY = "categories_too_many", "A product has more than five categories.", "Keep the five levels that GA4 has.";
    CATALOGUE_EMPTY = "catalogue_empty", "The catalogue has no product.", "Add at least one product.";
    ORDER_EMPTY = "order_empty", "An order has no line.", "Leave the order out, or add its lines.";
    PROPENSITY_OUT_OF_RANGE = "propensity_out_of_range", "A propensity isn't above 0 and at most 1.", "Record the probability with which the entry was shown at its position.";
    POSITION_REPEATED = "position_repeated", "Two entries of one exposure have the same position or product.", "Record each product and each position once.";
    VERSION_UNKNOWN = "version_unknown", "A record has a version that this program doesn't know.", "Upgrade the reader, or convert the records.";
    SHARES_INVALID = "shares_invalid", "The shares of an experiment's arms don't add up to 10,000.", "Give each arm a share in basis points; together they make 10,000.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let ids: BTreeSet<_> = ALL.iter().map(|(code, _)| code.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for (code, meaning) in ALL {
            assert!(
                code.id
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{}",
                code.id
            );
            assert!(meaning.ends_with('.') && code.action.ends_with('.'));
        }
    }
}
