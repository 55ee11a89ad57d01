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

/** Unknown fields are passed over. */
export interface RankRequest {
  /** What to rank; the service finds candidates when missing. */
  candidates?: string[] | null;
  context?: {
    device?: "desktop" | "mobile" | "tablet" | "unknown" | null;
    /** The shopper's clock ahead of UTC. */
    utc_offset_minutes?: number | null;
  } | null;
  /** What the shopper did, in any order. */
  events?: WireEvent[] | null;
  /** Whether to give reasons. */
  explain?: boolean | null;
  /** Length of the list, at most; 12 when missing. */
  limit?: number | null;
  /** Where the list will be shown. */
  list_id?: string | null;
  /** Whether to leave out what the shopper bought before. */
  new_only?: boolean | null;
  /** The time to rank at; the service's clock when missing. The same request with the same now has the same answer, byte for byte. */
  now?: string | null;
  /** What decides where chance does. */
  seed?: number | null;
  /** The visit. */
  session_id?: string | null;
  /** Who asks; with stored profiles, whose events are added. */
  shopper?: string | null;
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
}

export interface RankResponse {
  /** The experiment's arm. */
  arm: string;
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
  /** Candidates that the model doesn't know. */
  unknown: string[];
  version: 1;
}

export interface Models {
  models: ({
    bytes: number;
    currency: Currency;
    data_end: string;
    digest: string;
    products: number;
    task: string;
  })[];
}

export interface WireFault {
  action: string;
  cause: string;
  code: "body_too_large" | "catalogue_empty" | "categories_too_many" | "cloudevent_data" | "cloudevent_type" | "cloudevent_version" | "currency_missing" | "currency_mixed" | "currency_unknown" | "device_unknown" | "digest_malformed" | "digests_disagree" | "duplicate_id" | "event_items_missing" | "event_name_unknown" | "field_missing" | "field_repeated" | "field_unknown" | "fields_contradict" | "format_unknown" | "id_control_character" | "id_empty" | "id_too_long" | "malformed_json" | "manifest_too_large" | "media_type" | "money_malformed" | "money_negative" | "money_not_finite" | "money_out_of_range" | "money_surplus_digits" | "now_missing" | "order_empty" | "out_of_range" | "part_missing" | "part_name" | "part_swapped" | "path_malformed" | "position_repeated" | "propensity_out_of_range" | "quantity_out_of_range" | "shares_invalid" | "text_empty" | "text_too_long" | "time_malformed" | "time_out_of_range" | "too_deep" | "too_many" | "version_unknown" | "wrong_type";
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
