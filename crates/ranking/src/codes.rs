//! The codes of settings of a re-ranking or of exploration that can't be used, and
//! of stored states. `wire` publishes them with its own, in every build.

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
    CAP_OUT_OF_RANGE = "cap_out_of_range", "A cap isn't a whole number from 1 up to its limit.", "Allow at least 1 and, of a list, at most 200; or leave the cap out.";
    SHARE_OUT_OF_RANGE = "share_out_of_range", "A share isn't a number from 0 to 1 with at most four decimals.", "Send a share such as 0.25.";
    ATTRIBUTE_UNKNOWN = "attribute_unknown", "A rule looks at what the model knows of no product.", "Leave the rule out, or use a bundle that knows this of its products.";
    PLACE_OUT_OF_RANGE = "place_out_of_range", "A place isn't the place of a list.", "Count places from 1 to 200.";
    PLACE_REPEATED = "place_repeated", "A place is named twice.", "Name each place once.";
    SEED_MISSING = "seed_missing", "Pacing lets chance decide, and there is no seed.", "Set seed to a number of the visit or the impression, or leave pacing out.";
    SPONSORED_TOO_MANY = "sponsored_too_many", "There are more bids or sponsored places than the limit.", "Send the highest bids, at most 100, for at most 24 places.";
    EXPLORE_PLACES = "explore_places", "The places that explore can't be used.", "Name 1 to 4 places of the list, each once.";
    EXPLORE_SHARE = "explore_share", "A share of exploration is 0.", "Give a share above 0, at most 1; 0.1 is usual.";
    EXPLORE_PRIOR = "explore_prior", "A prior belief is out of its range.", "Give a rate between 0 and 1 and a strength that make at least half a reward and half a non-reward, and at most 100,000 of both.";
    EXPLORE_LINEAR = "explore_linear", "A linear model's shape is out of its range.", "Use 1 to 8 numbers and a ridge from 0.001 to 1,000.";
    EXPLORE_CONTEXT = "explore_context", "A context can't be used.", "Give each product as many numbers as the model has, each from -1 to 1; and an alpha from 0 to 100.";
    EXPLORE_POOL = "explore_pool", "A pool has no members, or more than are drawn from.", "Draw from 1 to 64 products; 16 is usual.";
    STATE_MALFORMED = "state_malformed", "A stored state of exploration isn't one.", "Pass on what this program wrote, whole; or begin anew.";
    STATE_TOO_LARGE = "state_too_large", "A stored state of exploration is longer than the limit.", "Keep fewer products: those that aren't sold any more can go.";
}
