// Generated from the OpenAPI document by types.mjs. Do not edit.

/** ISO 4217. */
export type Currency = "AED" | "AFN" | "ALL" | "AMD" | "ANG" | "AOA" | "ARS" | "AUD" | "AWG" | "AZN" | "BAM" | "BBD" | "BDT" | "BGN" | "BHD" | "BIF" | "BMD" | "BND" | "BOB" | "BOV" | "BRL" | "BSD" | "BTN" | "BWP" | "BYN" | "BZD" | "CAD" | "CDF" | "CHE" | "CHF" | "CHW" | "CLF" | "CLP" | "CNY" | "COP" | "COU" | "CRC" | "CUC" | "CUP" | "CVE" | "CZK" | "DJF" | "DKK" | "DOP" | "DZD" | "EGP" | "ERN" | "ETB" | "EUR" | "FJD" | "FKP" | "GBP" | "GEL" | "GHS" | "GIP" | "GMD" | "GNF" | "GTQ" | "GYD" | "HKD" | "HNL" | "HRK" | "HTG" | "HUF" | "IDR" | "ILS" | "INR" | "IQD" | "IRR" | "ISK" | "JMD" | "JOD" | "JPY" | "KES" | "KGS" | "KHR" | "KMF" | "KPW" | "KRW" | "KWD" | "KYD" | "KZT" | "LAK" | "LBP" | "LKR" | "LRD" | "LSL" | "LYD" | "MAD" | "MDL" | "MGA" | "MKD" | "MMK" | "MNT" | "MOP" | "MRU" | "MUR" | "MVR" | "MWK" | "MXN" | "MXV" | "MYR" | "MZN" | "NAD" | "NGN" | "NIO" | "NOK" | "NPR" | "NZD" | "OMR" | "PAB" | "PEN" | "PGK" | "PHP" | "PKR" | "PLN" | "PYG" | "QAR" | "RON" | "RSD" | "RUB" | "RWF" | "SAR" | "SBD" | "SCR" | "SDG" | "SEK" | "SGD" | "SHP" | "SLE" | "SLL" | "SOS" | "SRD" | "SSP" | "STN" | "SVC" | "SYP" | "SZL" | "THB" | "TJS" | "TMT" | "TND" | "TOP" | "TRY" | "TTD" | "TWD" | "TZS" | "UAH" | "UGX" | "USD" | "USN" | "UYI" | "UYU" | "UYW" | "UZS" | "VED" | "VES" | "VND" | "VUV" | "WST" | "XAD" | "XAF" | "XCD" | "XCG" | "XOF" | "XPF" | "YER" | "ZAR" | "ZMW" | "ZWG" | "ZWL";

/** GA4 e-commerce events. */
export type EventName = "view_item_list" | "select_item" | "view_item" | "add_to_cart" | "remove_from_cart" | "add_to_wishlist" | "view_cart" | "begin_checkout" | "add_shipping_info" | "add_payment_info" | "purchase" | "refund" | "view_promotion" | "select_promotion" | "search";

export interface EventItem {
  currency?: Currency;
  /** Where it stood in its list, from 0. */
  index?: number | null;
  /** The product. */
  item_id: string;
  /** The list, when the event names none. */
  item_list_id?: string | null;
  /** The price of one, in major units; no more decimals than the currency has. */
  price?: number | null;
  /** How many; 1 when missing. */
  quantity?: number | null;
  /** In view_item_list: what the ranking's item has here, as it came; exploration learns from it. */
  tried?: {
    /** The policy that chose it. */
    arm?: string;
    /** The share of the other candidates that come after it by score. */
    fit: number;
    /** The share of the other candidates that cost less. */
    price: number;
  } | null;
  /** Other fields of GA4 are passed over. */
  [field: string]: unknown;
}

export interface EventParams {
  currency?: Currency;
  /** The exposure_id of the ranking that led to it. */
  exposure_id?: string | null;
  /** The list in which it happened. */
  item_list_id?: string | null;
  items?: EventItem[];
  /** The visit. */
  session_id?: string | null;
  /** The order. */
  transaction_id?: string | null;
  /** Other fields of GA4 are passed over. */
  [field: string]: unknown;
}

export interface WireEvent {
  /** The same id twice is the same event twice. */
  id?: string | null;
  name: EventName;
  params?: EventParams;
  /** RFC 3339. */
  time?: string;
  /** Microseconds since 1970 (GA4); instead of time. */
  timestamp_micros?: number;
}

export interface Answer {
  /** The id of one of its answers. */
  answer: string;
  /** The question's id. */
  question: string;
}

/** Unknown fields are passed over. */
export interface RankRequest {
  /** What the shopper answered to /v1/questions, any number of answers to each. It stands for what a new shopper might have looked at before; it counts until they order something. The engine in the npm package's default build refuses it. */
  answers?: Answer[] | null;
  /** What to rank; the service finds candidates when missing. */
  candidates?: string[] | null;
  context?: {
    device?: "desktop" | "mobile" | "tablet" | "unknown" | null;
    /** The shopper's clock ahead of UTC. */
    utc_offset_minutes?: number | null;
  } | null;
  /** What keeps the list from showing the same over and over. The engine in the npm package's default build refuses it. */
  diversity?: {
    /** They are never exceeded: where they block all that is left, the list ends. */
    caps?: {
      /** At most so many with the same brand; those without one are free. */
      brand?: number | null;
      /** At most so many with the same category; those without one are free. */
      category?: number | null;
      /** At most so many with the same seller; those without one are free. */
      seller?: number | null;
    } | null;
    /** The share of products from outside the head in every prefix of the list, rounded down. The head is the most bought products with 80 % of the buyers of the model's last 30 days. At most four decimals. */
    long_tail?: number | null;
    /** Maximal marginal relevance: 0 orders by score alone, 1 by unlikeness alone. At most four decimals. */
    trade_off?: number | null;
  } | null;
  /** What the shopper did, in any order. */
  events?: WireEvent[] | null;
  /** What must not be in the list, such as products that are sold out. Ids that the model doesn't know exclude nothing. */
  exclude?: string[] | null;
  /** Whether to give reasons. */
  explain?: boolean | null;
  /** Places that try out candidates of which little is known, and that the list would not show otherwise. The whole request decides what is drawn. The engine in the npm package's default build refuses it. */
  explore?: {
    /** How many standard deviations the bounds of linucb lie above what is expected; 0.3 when missing. At most four decimals. */
    alpha?: number | null;
    /** Which places explore: 1 to 4, each once. A place that is sold doesn't, nor one beyond the list's end. */
    places: number[];
    /** thompson draws a rate from what is believed of each product; linucb takes the largest upper bounds of a linear model of how well products fit and how dear they are. */
    policy: "thompson" | "linucb";
    /** How many products are drawn from, at most; 16 when missing. */
    pool?: number | null;
    /** The share of trials that are rewarded of a product that was never tried, such as the shop's clicks over impressions; 0.01 when missing. At most four decimals. */
    prior_rate?: number | null;
    /** How many trials that is worth; 100 when missing. It makes at least half a reward. */
    prior_strength?: number | null;
    /** The share of lists whose places are filled evenly, above 0; 0.1 when missing. At most four decimals. */
    share?: number | null;
    /** What is known, in hexadecimal digits, as GET /v1/explore/{list} shows it. When missing, an edge component takes what it learnt from events; elsewhere all is unknown. After 90 days without a lesson it counts as unknown. */
    state?: string | null;
  } | null;
  /** Length of the list, at most; 12 when missing. */
  limit?: number | null;
  /** Where the list will be shown. */
  list_id?: string | null;
  /** Whether to leave out what the shopper bought before. */
  new_only?: boolean | null;
  /** The time to rank at; the service's clock when missing. The same request with the same now has the same answer, byte for byte. */
  now?: string | null;
  /** Asks the model's policy how this list is made, by what the shopper was shown before: with the request's own rules alone (exploit), with places that explore, or diversified. Not together with explore. The engine in the npm package's default build refuses it. */
  policy?: {
    /** What keeps the list from showing the same over and over. The engine in the npm package's default build refuses it. */
    diversify: {
      /** They are never exceeded: where they block all that is left, the list ends. */
      caps?: {
        /** At most so many with the same brand; those without one are free. */
        brand?: number | null;
        /** At most so many with the same category; those without one are free. */
        category?: number | null;
        /** At most so many with the same seller; those without one are free. */
        seller?: number | null;
      } | null;
      /** The share of products from outside the head in every prefix of the list, rounded down. The head is the most bought products with 80 % of the buyers of the model's last 30 days. At most four decimals. */
      long_tail?: number | null;
      /** Maximal marginal relevance: 0 orders by score alone, 1 by unlikeness alone. At most four decimals. */
      trade_off?: number | null;
    };
    /** Places that try out candidates of which little is known, and that the list would not show otherwise. The whole request decides what is drawn. The engine in the npm package's default build refuses it. */
    explore: {
      /** How many standard deviations the bounds of linucb lie above what is expected; 0.3 when missing. At most four decimals. */
      alpha?: number | null;
      /** Which places explore: 1 to 4, each once. A place that is sold doesn't, nor one beyond the list's end. */
      places: number[];
      /** thompson draws a rate from what is believed of each product; linucb takes the largest upper bounds of a linear model of how well products fit and how dear they are. */
      policy: "thompson" | "linucb";
      /** How many products are drawn from, at most; 16 when missing. */
      pool?: number | null;
      /** The share of trials that are rewarded of a product that was never tried, such as the shop's clicks over impressions; 0.01 when missing. At most four decimals. */
      prior_rate?: number | null;
      /** How many trials that is worth; 100 when missing. It makes at least half a reward. */
      prior_strength?: number | null;
      /** The share of lists whose places are filled evenly, above 0; 0.1 when missing. At most four decimals. */
      share?: number | null;
      /** What is known, in hexadecimal digits, as GET /v1/explore/{list} shows it. When missing, an edge component takes what it learnt from events; elsewhere all is unknown. After 90 days without a lesson it counts as unknown. */
      state?: string | null;
    };
    /** The lists that the shopper was shown before, in any order: what the log of the policy has of them. Of two at one moment the first counts, and none at now or later. */
    visits?: ({
      /** How the list was made, as the answer told it; exploit for lists without a policy. */
      action: "exploit" | "explore" | "diversify";
      /** RFC 3339. */
      at: string;
      /** Its places. */
      items: ({
        /** Whether the shopper opened it from the list. */
        clicked?: boolean | null;
        /** Its category, or what the log that taught the policy called a group; its own when missing. */
        group?: string | null;
        /** The product. */
        item_id: string;
        /** Whether the shopper ordered it from the list. */
        ordered?: boolean | null;
      })[];
    })[] | null;
  } | null;
  /** What decides where chance does. */
  seed?: number | null;
  /** The visit. */
  session_id?: string | null;
  /** Who asks; with stored profiles, whose events are added. */
  shopper?: string | null;
  /** Places that are sold, by a second-price auction weighted by quality, to products among the candidates. Whoever may send this field decides what is sold: let the shop's server add it. */
  sponsored?: {
    /** Each product once. */
    bids?: ({
      /** The most that is paid. */
      bid: number;
      /** What is left to spend; without it there is no limit. */
      budget_left?: number | null;
      /** How often the shopper saw it sponsored; 0 when missing. */
      impressions_of_shopper?: number | null;
      /** The product. */
      item_id: string;
    })[] | null;
    currency: Currency;
    /** A product that the shopper saw sponsored so often isn't sponsored again. */
    frequency_cap?: number | null;
    /** With what probability, over seeds, a bid takes part; 1 when missing. Less than 1 needs seed. At most four decimals. */
    pacing?: number | null;
    /** Which places may be sponsored, each once. */
    places: number[];
    /** The least price; 0 when missing. Amounts are in major units, with no more decimals than the currency has. */
    reserve?: number | null;
  } | null;
}

export interface Reason {
  code: "bought_before" | "session" | "history" | "popularity" | "price" | "age" | "product";
  /** What the score loses without this group of features; negative when they lower it. */
  contribution: number;
  /** The sentence in English. */
  en: string;
  /** The sentence in Chinese. */
  zh: string;
}

export interface RankedItem {
  /** Its place. */
  index: number;
  /** The product. */
  item_id: string;
  /** With what probability it stands at this place. */
  propensity: number;
  /** The largest contribution first; when explain was asked. */
  reasons?: Reason[];
  /** Only the order has a meaning. */
  score: number;
  sources: ("bought_again" | "similar" | "popular" | "given")[];
  /** The product has its place by bidding. Show the label. */
  sponsored?: {
    /** The bid's rank by bid times quality among those that took part. */
    bid_rank: number;
    currency: Currency;
    label: {
      en: string;
      zh: string;
    };
    /** The smallest amount that keeps the place: the runner-up's bid (or what is left of its budget) times its quality, divided by quality and rounded up to the minor unit, one more where a tie would lose, and the reserve at least. */
    price: number;
    /** How well the product fits, with four decimals: 2 / (1 + exp(4 - 4 r)), where r is its score scaled to 0..1 over the candidates. */
    quality: number;
    /** The next bid for the same place. */
    runner_up: {
      /** The product. */
      item_id: string;
      /** How well the product fits, with four decimals: 2 / (1 + exp(4 - 4 r)), where r is its score scaled to 0..1 over the candidates. */
      quality: number;
    } | null;
  };
  /** Chance put it there. Send it with the item of view_item_list, as params.items[].tried. */
  tried?: {
    /** The policy that chose it. */
    arm: string;
    /** The share of the other candidates that come after it by score. */
    fit: number;
    /** The share of the other candidates that cost less. */
    price: number;
  };
}

export interface RankResponse {
  /** What decides where chance does: default, the policy of exploration, or policy_exploit, policy_explore and policy_diversify. */
  arm: string;
  /** The bids without a place, in the request's order; when sponsored was asked. */
  bids_left_out?: ({
    /** The product. */
    item_id: string;
    reason: "unknown" | "not_a_candidate" | "frequency_cap" | "below_reserve" | "budget" | "paced" | "capped" | "outbid" | "no_place";
  })[];
  /** How many products were scored. */
  candidates: number;
  /** Send it with the events that follow, as params.exposure_id. */
  exposure_id: string;
  /** Items that the model doesn't know, and events later than now. */
  ignored_events: number;
  items: RankedItem[];
  /** Where the list will be shown. */
  list_id: string;
  model: string;
  /** How the model's policy chose that the list be made; when policy was asked. Keep both with what was shown: the log that judges the next policy needs them. */
  policy?: {
    action: "exploit" | "explore" | "diversify";
    /** With what probability it chose the action. Propensities of items are given the action. */
    propensity: number;
  };
  /** The rules that the list misses; when diversity, sponsored, explore or policy was asked. */
  shortfalls?: ({
    /** How many products of the long tail the worst prefix lacks, or how many places a cap left empty. */
    missing: number;
    /** The first place that shows it, from 1. */
    place: number;
    rule: "long_tail" | "category_cap" | "brand_cap" | "seller_cap";
  })[];
  /** Candidates that the model doesn't know. */
  unknown: string[];
  version: 1;
}

export interface IntentResponse {
  /** All different ones of the text. */
  grams: number;
  /** Different sequences of words and letters of the text that the model knows. */
  grams_known: number;
  /** What the text is about; null where it is out of scope. */
  label: string | null;
  /** The most probable labels first, in scope or not. */
  labels: ({
    label: string;
    /** Of all labels together 1. */
    probability: number;
  })[];
  /** The digest of the model. */
  model: string;
  version: 1;
}

export interface AssistTurn {
  /** What the shop is to do; its outcome is the next request. */
  call: {
    action: string;
    /** Whether it changes something; the customer has said yes to its required inputs. */
    commits: boolean;
    /** Its number in this conversation. */
    id: number;
    inputs: { [name: string]: string };
  } | null;
  /** Whether the customer said goodbye. */
  ended: boolean;
  expects: {
    entity?: string;
    kind: "anything" | "slot" | "yes_no" | "outcome" | "person";
    slot?: string;
  };
  /** What the text is most probably about; null where it is out of scope, or nothing was said. */
  intent: {
    label: string;
    /** Of all labels together 1. */
    probability: number;
  } | null;
  language: "en" | "zh";
  /** The digest of the assistant. */
  model: string;
  /** Milliseconds of silence after which silence should be sent. */
  nudge_ms: number | null;
  /** Why a person should take over. */
  person: string | null;
  /** Where the conversation waits; null between flows. */
  place: {
    flow: string;
    state: string;
  } | null;
  /** Short answers to offer. */
  quick: string[];
  /** What is said, in order: plain text, in which markup means nothing. */
  replies: string[];
  /** How satisfied the customer seems: an estimate by fixed weights. */
  satisfaction: number;
  /** How the text sounds; null without a model for that. */
  sentiment: {
    /** How sure it is. */
    confidence: number;
    /** From very bad to very good. */
    level: number;
  } | null;
  /** What the next request must bring: signed, not secret. */
  state: string;
  version: 1;
}

export interface AssistPacket {
  /** What became of telling who answers, where the variable handover_url is set. */
  delivery?: {
    /** Of a failure: what to do. */
    action?: string;
    /** Attempts of this request. */
    attempts: number;
    /** Of a failure: what it was this time. */
    cause?: string;
    /** Of a failure. */
    code?: "handover_denied" | "handover_refused" | "handover_unreachable";
    /** The event's id (webhook-id): one for a conversation. */
    id: string;
    status: "delivered" | "already_delivered" | "not_needed" | "failed";
  };
  /** The digest of the assistant. */
  model: string;
  packet: {
    /** What the shop's actions returned. */
    facts: ({
      name: string;
      value: string;
    })[];
    /** Flows under way, the newest last. */
    flows: ({
      flow: string;
      state: string;
    })[];
    language: "en" | "zh";
    /** Why a person is needed; empty where nobody asked for one. */
    reason: string;
    /** How satisfied the customer seems. */
    satisfaction: number;
    /** What is known. */
    slots: ({
      /** How sure the value is. */
      belief: number;
      confirmed: boolean;
      flow: string;
      slot: string;
      value: string;
    })[];
    /** Replies to begin with, in the customer's language. */
    suggested: string[];
    /** A few sentences in English. */
    summary: string;
    /** The newest lines, masked. */
    transcript: ({
      text: string;
      who: string;
    })[];
  };
  version: 1;
}

export interface AssistAnswer {
  /** Null where what the shop knows says nothing. */
  answer: string | null;
  /** What the answer says. */
  facts: ({
    object: string;
    relation: string;
    subject: string;
  })[];
  /** The digest of the assistant. */
  model: string;
  /** Products that were looked for, with what makes each of them one. */
  products: ({
    item_id: string;
    label: string;
    name: string;
  })[];
  version: 1;
}

export interface Models {
  models: ({
    bytes: number;
    currency?: Currency;
    data_end?: string;
    digest: string;
    products?: number;
    /** ranking, which has all of the fields, or assistant. */
    task: string;
  })[];
}

export interface Questions {
  /** In the order in which to ask them. A shopper may leave any of them open. Words of the catalogue stand as they are, in both languages. */
  questions: ({
    answers: ({
      /** The text in English. */
      en: string;
      /** Stays the same as long as the answer means the same. */
      id: string;
      /** The text in Chinese. */
      zh: string;
    })[];
    /** The text in English. */
    en: string;
    /** Goes into answers of /v1/rank. */
    id: string;
    /** The text in Chinese. */
    zh: string;
  })[];
}

export interface WireFault {
  action: string;
  cause: string;
  code: "answer_unknown" | "answers_unavailable" | "attribute_unknown" | "body_too_large" | "cap_out_of_range" | "catalogue_empty" | "categories_too_many" | "cloudevent_data" | "cloudevent_type" | "cloudevent_version" | "currency_missing" | "currency_mixed" | "currency_unknown" | "device_unknown" | "digest_malformed" | "digests_disagree" | "duplicate_id" | "event_items_missing" | "event_name_unknown" | "explore_context" | "explore_linear" | "explore_places" | "explore_pool" | "explore_prior" | "explore_share" | "field_missing" | "field_repeated" | "field_unknown" | "fields_contradict" | "format_unknown" | "handover_denied" | "handover_refused" | "handover_unreachable" | "id_control_character" | "id_empty" | "id_too_long" | "kind_unknown" | "list_action_unknown" | "malformed_json" | "manifest_too_large" | "media_type" | "money_malformed" | "money_negative" | "money_not_finite" | "money_out_of_range" | "money_surplus_digits" | "now_missing" | "order_empty" | "out_of_range" | "outcome_unknown" | "part_missing" | "part_name" | "part_swapped" | "path_malformed" | "place_out_of_range" | "place_repeated" | "policy_missing" | "policy_unknown" | "position_repeated" | "propensity_out_of_range" | "quantity_out_of_range" | "question_unknown" | "questions_missing" | "rerank_unavailable" | "seed_missing" | "share_out_of_range" | "shares_invalid" | "sponsored_too_many" | "state_expired" | "state_invalid" | "state_malformed" | "state_replayed" | "state_too_large" | "text_empty" | "text_too_long" | "time_malformed" | "time_out_of_range" | "too_deep" | "too_many" | "version_unknown" | "who_unknown" | "wrong_type";
  /** Where, such as events[3].params.items[0].price; empty for the whole. */
  path: string;
}

/** RFC 9457. */
export interface Problem {
  action: string;
  code: "malformed_json" | "too_deep" | "body_incomplete" | "unauthorized" | "origin_not_allowed" | "profiles_off" | "not_found" | "profile_not_found" | "method_not_allowed" | "body_too_large" | "unsupported_media_type" | "invalid_request" | "internal" | "misconfigured" | "component_failed" | "out_of_memory" | "model_unusable" | "profile_unreadable" | "deadline_exceeded" | "write_budget_exceeded" | "store_unavailable" | "host_deadline_exceeded";
  detail: string;
  /** All that is wrong with the input. */
  faults?: WireFault[];
  /** How many more there are than the list holds. */
  more_faults?: number;
  /** How far a batch of events came before the store failed; each of its shoppers is in one of the lists. */
  progress?: {
    /** Of whose new events none is stored. */
    not_stored: string[];
    /** Whose events are stored, by this request or before. */
    stored: string[];
    /** Whose write failed: their events are stored or not, and never some of them. */
    unsure: string[];
  };
  status: number;
  title: string;
  type: string;
}
