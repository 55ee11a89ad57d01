//! The codes of settings of a re-ranking that can't be used. `wire` publishes
//! them with its own, in every build.

use shelfedge_commerce::codes::Code;

macro_rules! codes {
    ($($name:ident = $id:literal, $meaning:literal, $action:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $name: Code = Code { id: $id, action: $action };
        )*
        /// The whole table: each code with what is wrong in general.
        pub static ALL: &[(&Code, &str)] = &[$((&$name, $meaning)),*];
    };
}

codes! {
    CAP_OUT_OF_RANGE = "cap_out_of_range", "A cap isn't a whole number of 1 or more.", "Allow at least 1, or leave the cap out.";
    SHARE_OUT_OF_RANGE = "share_out_of_range", "A share isn't a number from 0 to 1 with at most four decimals.", "Send a share such as 0.25.";
    ATTRIBUTE_UNKNOWN = "attribute_unknown", "A cap is on an attribute that the model knows of no product.", "Leave the cap out, or use a bundle whose products have the attribute.";
    PLACE_OUT_OF_RANGE = "place_out_of_range", "A sponsored place isn't the place of a list.", "Count places from 1 to 200.";
    PLACE_REPEATED = "place_repeated", "A sponsored place is named twice.", "Name each place once.";
    SEED_MISSING = "seed_missing", "Pacing lets chance decide, and there is no seed.", "Set seed to a number of the visit or the impression, or leave pacing out.";
    SPONSORED_TOO_MANY = "sponsored_too_many", "There are more bids or sponsored places than the limit.", "Send the highest bids, at most 100, for at most 24 places.";
}
