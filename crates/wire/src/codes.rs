//! Every code with which a request, an event or a file is refused: this crate's
//! and those of `commerce` and `ranking`. One table, published in OpenAPI.

use shelfedge_commerce::codes::{self as commerce, Code};
use shelfedge_ranking::codes as ranking;

macro_rules! codes {
    ($($name:ident = $id:literal, $meaning:literal, $action:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $name: Code = Code { id: $id, action: $action };
        )*
        static OWN: &[(&Code, &str)] = &[$((&$name, $meaning)),*];
    };
}

codes! {
    MALFORMED_JSON = "malformed_json", "The text isn't JSON in UTF-8.", "Build the text with a JSON library and send it as UTF-8.";
    TOO_DEEP = "too_deep", "Lists and objects are nested too deeply.", "Flatten the value.";
    BODY_TOO_LARGE = "body_too_large", "The body is larger than the limit.", "Send fewer events or candidates in one request.";
    MEDIA_TYPE = "media_type", "A body has a media type that isn't read here.", "Set Content-Type to application/cloudevents+json, application/cloudevents-batch+json or application/json.";
    WRONG_TYPE = "wrong_type", "A value has another type than its field.", "Send the type that the description of the field names.";
    FIELD_MISSING = "field_missing", "A required field is missing or null.", "Add the field.";
    FIELD_REPEATED = "field_repeated", "A field occurs twice in one object.", "Send each field once.";
    FIELD_UNKNOWN = "field_unknown", "A field isn't known here.", "Remove it, or correct its spelling.";
    FIELDS_CONTRADICT = "fields_contradict", "Two fields say different things about the same.", "Send one of them, or make them agree.";
    TOO_MANY = "too_many", "A list has more entries than the limit.", "Split the list over several requests, or send the most recent entries.";
    TEXT_TOO_LONG = "text_too_long", "A text is longer than its field may be.", "Shorten the text to what the description of the field allows.";
    PATH_MALFORMED = "path_malformed", "A part of the path isn't percent-encoded UTF-8.", "Encode the id as encodeURIComponent does: every byte outside A-Z, a-z, 0-9, -, _, . and ~ as % and two hexadecimal digits.";
    OUT_OF_RANGE = "out_of_range", "A number isn't whole or lies outside its bounds.", "Send a whole number within the bounds.";
    DEVICE_UNKNOWN = "device_unknown", "A device isn't one of those known.", "Send desktop, mobile or tablet, or leave the field out.";
    POLICY_UNKNOWN = "policy_unknown", "A policy of exploration isn't one of those known.", "Send thompson or linucb.";
    POLICY_MISSING = "policy_missing", "A request asks a policy for whole lists, and the model carries none.", "Leave the field out, or use a bundle that shelfedge-train attach-policy made.";
    LIST_ACTION_UNKNOWN = "list_action_unknown", "How a list was made isn't one of the ways known.", "Send exploit, explore or diversify, as the ranking's answer told it.";
    RERANK_UNAVAILABLE = "rerank_unavailable", "A request asks for re-ranking or exploration, which this engine was built without.", "Import from shelfedge/full, or ask the edge component.";
    ANSWERS_UNAVAILABLE = "answers_unavailable", "A request has answers or asks for questions, which this engine was built without.", "Import from shelfedge/full, or ask the edge component.";
    QUESTIONS_MISSING = "questions_missing", "A request has answers, and the model has no questions.", "Ask only what GET /v1/questions lists, or use a bundle that was trained with questions.";
    QUESTION_UNKNOWN = "question_unknown", "An answer is to a question that the model doesn't have.", "Ask what GET /v1/questions lists, and again after the model has changed.";
    ANSWER_UNKNOWN = "answer_unknown", "A question doesn't have the answer.", "Send the id of one of the question's answers, as GET /v1/questions lists them.";
    NOW_MISSING = "now_missing", "The ranking has no time to rank at.", "Set now to the current time.";
    CLOUDEVENT_VERSION = "cloudevent_version", "An event isn't a CloudEvent of version 1.0.", "Set specversion to 1.0.";
    CLOUDEVENT_TYPE = "cloudevent_type", "A CloudEvent has a type that isn't received here.", "Set type to shelfedge.event.v1.";
    CLOUDEVENT_DATA = "cloudevent_data", "A CloudEvent's data isn't a JSON object.", "Send the event as an object in data, not as data_base64.";
    STATE_INVALID = "state_invalid", "A conversation's state isn't one that was given out here.", "Send the state of the last answer as it came, or none to begin anew.";
    STATE_EXPIRED = "state_expired", "A conversation's state was given out too long ago.", "Begin a new conversation, without a state.";
    STATE_REPLAYED = "state_replayed", "A conversation has gone on since this state was given out.", "Send the state of the last answer, each once.";
    WHO_UNKNOWN = "who_unknown", "A line of a transcript isn't by one of those who speak.", "Send customer or assistant.";
    OUTCOME_UNKNOWN = "outcome_unknown", "An action has no outcome of that name.", "Send one of the outcomes that the flows give the action, or failed.";
    KIND_UNKNOWN = "kind_unknown", "What an outcome lists isn't of a kind that is known.", "Send one of the kinds of entities that flows know, such as order_number or product.";
    HANDOVER_DENIED = "handover_denied", "The host doesn't let the component call where a conversation is handed over.", "Allow the origin of handover_url: with Spin, by the variable handover_origin.";
    HANDOVER_REFUSED = "handover_refused", "Who receives hand-overs refused one.", "Check the address and the secret or token, and what the receiver logs; until then, offer the customer another way.";
    HANDOVER_UNREACHABLE = "handover_unreachable", "Who receives hand-overs can't be reached, or doesn't answer now.", "Ask again later, with again: true; meanwhile offer the customer another way.";
    FORMAT_UNKNOWN = "format_unknown", "A file has a format or version that this program doesn't know.", "Use a program and a file of the same version.";
    DIGEST_MALFORMED = "digest_malformed", "A digest isn't 64 lower-case hexadecimal digits.", "Write the bundle again with the trainer.";
    DIGESTS_DISAGREE = "digests_disagree", "Two digests of the same thing in one manifest differ.", "Take all parts of the bundle from one run of the trainer.";
    MANIFEST_TOO_LARGE = "manifest_too_large", "A manifest is longer than the limit.", "Take manifest.json from a run of the trainer; it has about a thousand bytes.";
    PART_NAME = "part_name", "A part's name isn't the name of a file in the bundle's folder.", "Name parts by plain file names.";
    PART_MISSING = "part_missing", "A part of the bundle isn't in its manifest, or isn't there.", "Copy the whole bundle.";
    PART_SWAPPED = "part_swapped", "A part of the bundle isn't the one its manifest names.", "Take all parts of the bundle from one run of the trainer.";
}

/// The whole table, sorted by code: each with what is wrong in general.
pub fn all() -> Vec<(&'static Code, &'static str)> {
    let tables = OWN.iter().chain(ranking::ALL).chain(commerce::ALL);
    let mut all: Vec<_> = tables.copied().collect();
    all.sort_by_key(|(code, _)| code.id);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_across_the_tables() {
        let all = all();
        assert!(all.windows(2).all(|pair| pair[0].0.id < pair[1].0.id));
        let known = OWN.len() + ranking::ALL.len() + commerce::ALL.len();
        assert_eq!(all.len(), known);
    }
}
