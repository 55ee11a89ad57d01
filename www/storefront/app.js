// The demo shop: what the shopper does becomes events, every event a new
// ranking in this page, and every ranking is compared with the edge's.
import { picture } from "./art.js";
import { compare } from "./edge.js";
import { Grid, make, sentence, stepper } from "./grid.js";
import { readable } from "./titles.js";
import { day, kilobytes, language, money, moment, month, ms, number, setLanguage, shortMoment, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const grid = new Grid($("grid"));

const LIMIT = 24;
/** The most candidates that one ranking takes. */
const CANDIDATES = 2_000;
/** Where a visit is remembered, and only with the shopper's consent. */
const REMEMBERED = "shelfedge.demo";

const SHELVES = {
  all: undefined,
  christmas: /christmas|xmas|noel|santa|advent|rudolph|reindeer|bauble|wreath/,
  kitchen: /\bcakes?\b|mug|tea ?pot|teatime|plate|bowl|kitchen|baking|apron|\bjars?\b|cutlery|\begg|tray|\bjug|\bcups?\b|spoon/,
  lights: /light|candle|lantern|lamp/,
  bags: /\bbags?\b|handbag|purse|shopper|lunch box|luggage/,
  garden: /garden|plant|bird|\bherb|watering|parasol|flower ?pot/,
  jewellery: /necklace|neckl|bracelet|earring|\bring\b|bangle|brooch|hair/,
  children: /child|\btoy|doll|spaceboy|circus|jigsaw|playing|\bgame|skittle/,
};

const state = {
  shop: undefined,
  products: new Map(),
  shoppers: [],
  shopper: undefined,
  shelf: "all",
  query: "",
  ranking: undefined,
  matched: undefined,
  selected: undefined,
  preview: undefined,
  basket: new Map(),
  check: { state: "wait" },
  tally: { same: 0, all: 0 },
  body: "",
  events: [],
  persisted: false,
  erased: false,
  load_ms: 0,
  problem: undefined,
};

// The data ends in 2011, so the shop's clock starts there and runs at its pace.
let epoch = Date.parse("2011-12-09T12:50:00Z");
let started = performance.now();
const now = () => Math.floor(epoch + performance.now() - started);

const remembered = (() => {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED)) ?? {};
  } catch {
    // No storage here, or not ours: a visit like the first.
    return {};
  }
})();
let keep = remembered.keep === true;

function remember() {
  try {
    if (keep) localStorage.setItem(REMEMBERED, JSON.stringify({ keep, language, shopper: state.shopper?.shopper }));
    else localStorage.removeItem(REMEMBERED);
  } catch {
    // The profile itself reports when it can't be kept.
  }
}

// ---------------------------------------------------------------- the model

let opening = 0;

async function open() {
  const mine = ++opening;
  turn++;
  state.shop?.close();
  Object.assign(state, { shop: undefined, ranking: undefined, selected: undefined, preview: undefined, erased: false, problem: undefined });
  state.basket.clear();
  $("problem").hidden = true;
  grid.wait(LIMIT / 2);
  drawAll();
  try {
    if (typeof WebAssembly !== "object") throw Object.assign(new Error("WebAssembly is not there."), { code: "wasm_unavailable" });
    const start = performance.now();
    const { load } = await import("/package/index.js").catch((error) => {
      throw Object.assign(error, { code: "package_missing" });
    });
    const shop = await load({
      model: "/models/ranking/",
      shopper: state.shopper?.shopper,
      clock: now,
      ...(keep ? { consent: { storage: true } } : {}),
    });
    const load_ms = performance.now() - start;
    if (mine !== opening) return shop.close();
    if (state.products.size === 0) {
      for (const product of await shop.products()) state.products.set(product.item_id, { ...product, name: readable(product.title), words: product.title.toLowerCase() });
    }
    if (state.shopper) await shop.observe(state.shopper.events);
    const { events } = await shop.profile.get();
    if (mine !== opening) return shop.close();
    // A kept profile may hold a visit later than the data; time never runs back.
    epoch = Math.max(Date.parse(shop.model.data_end), ...events.map(({ time }) => Date.parse(time) + 1));
    started = performance.now();
    Object.assign(state, { shop, load_ms });
    await rerank({ animate: false });
  } catch (error) {
    if (mine === opening) fail(error);
  }
}

const ACTIONS = {
  wasm_unavailable: "do_wasm", package_missing: "do_package", fetch_failed: "do_fetch", worker_failed: "do_fetch",
  model_unusable: "do_model", part_swapped: "do_model",
};

function fail(error) {
  state.problem = error;
  grid.clear();
  drawProblem();
}

function drawProblem() {
  const error = state.problem;
  $("problem").hidden = !error;
  if (!error) return;
  const retry = make("button", { type: "button", class: "primary" }, t("retry"));
  retry.addEventListener("click", () => open());
  $("problem").replaceChildren(
    make("h2", {}, t("problem")),
    make("p", {}, make("code", {}, error.code ?? "internal"), " ", error.message),
    ...(error.faults?.length ? [make("ul", {}, ...error.faults.map(({ path, cause, action }) => make("li", {}, [path, cause, action].filter(Boolean).join(": "))))] : []),
    make("p", {}, t(ACTIONS[error.code] ?? "do_other")),
    retry,
  );
}

// ---------------------------------------------------------------- ranking

let turn = 0;

/** What is ranked: undefined lets the model recall its own candidates. */
function candidates() {
  const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
  const shelf = SHELVES[state.shelf];
  if (words.length === 0 && !shelf) return undefined;
  return [...state.products.values()]
    .filter((product) => (words.length ? words.every((word) => product.words.includes(word) || product.item_id.toLowerCase() === word) : shelf.test(product.words)))
    .map(({ item_id }) => item_id);
}

function device() {
  if (matchMedia("(max-width: 640px)").matches) return "mobile";
  return matchMedia("(max-width: 1100px) and (pointer: coarse)").matches ? "tablet" : "desktop";
}

async function rerank({ animate = true } = {}) {
  const mine = ++turn;
  const { shop } = state;
  if (!shop) return;
  const matched = candidates();
  if (matched?.length === 0) {
    Object.assign(state, { ranking: undefined, matched });
    grid.clear();
    return drawAll();
  }
  const options = {
    limit: LIMIT,
    explain: true,
    listId: state.query ? "search" : state.shelf === "all" ? "home" : state.shelf,
    candidates: matched?.slice(0, CANDIDATES),
    // The shop is in Britain, on winter time at the end of its data.
    context: { device: device(), utc_offset_minutes: 0 },
    now: new Date(now()).toISOString(),
  };
  try {
    const comparing = $("compare").checked;
    // Asked for in one breath, so that both see the same profile.
    const [ranking, body, profile] = await Promise.all([shop.rank(options), comparing ? shop.request(options) : "", shop.profile.get()]);
    if (mine !== turn) return;
    const first = state.ranking?.items[0]?.item_id;
    Object.assign(state, { ranking, matched, events: profile.events, persisted: profile.persisted, problem: undefined });
    if (comparing) state.body = body;
    state.check = { state: comparing ? "wait" : "off" };
    const moved = grid.show(ranking.items, state.products, { basket: state.basket, selected: state.selected, compareWithBefore: animate });
    drawAll();
    const title = state.products.get(ranking.items[0]?.item_id)?.name;
    if (first && title) $("live").textContent = moved ? t("updated", title, moved) : t("unchanged", title);
    if (!comparing) return;
    const check = await compare(ranking.json, body);
    if (check.state !== "down") state.tally.all++;
    if (check.state === "same") state.tally.same++;
    if (mine !== turn) return;
    state.check = check;
    drawProof();
  } catch (error) {
    if (mine === turn) fail(error);
  }
}

/** Tells the profile, and ranks anew. */
async function act(event) {
  const { shop } = state;
  try {
    await shop.observe(event);
  } catch (error) {
    if (shop !== state.shop) return;
    // The visit goes on in memory when the device can't keep the event.
    if (error.code !== "storage_unavailable") return fail(error);
    $("profile-status").textContent = `${error.code}: ${error.message}`;
  }
  if (shop === state.shop) await rerank();
}

const item = (id, quantity) => ({ item_id: id, price: state.products.get(id).price, ...(quantity ? { quantity } : {}) });

function view(id) {
  state.selected = id;
  state.preview = undefined;
  const index = state.ranking.items.findIndex(({ item_id }) => item_id === id);
  return act({ name: "view_item", params: { currency: "GBP", value: state.products.get(id).price, items: [{ ...item(id), index }] } });
}

function change(id, by) {
  const quantity = Math.max(0, (state.basket.get(id) ?? 0) + by);
  if (quantity > 0) state.basket.set(id, quantity);
  else state.basket.delete(id);
  $("basket-status").textContent = "";
  drawBasket();
  const name = by > 0 ? "add_to_cart" : "remove_from_cart";
  return act({ name, params: { currency: "GBP", value: state.products.get(id).price, items: [item(id, 1)] } });
}

function sum() {
  let count = 0;
  // In pence: adding decimals as floats drifts.
  let pence = 0;
  for (const [id, quantity] of state.basket) {
    count += quantity;
    pence += quantity * Math.round(state.products.get(id).price * 100);
  }
  return { count, total: pence / 100 };
}

async function buy() {
  const { count, total } = sum();
  if (count === 0) return;
  const id = `demo-${now()}`;
  const items = [...state.basket].map(([product, quantity], index) => ({ ...item(product, quantity), index }));
  state.basket.clear();
  drawBasket();
  $("basket-status").textContent = t("bought", count, money(total));
  $("basket-close").focus();
  await act({ name: "purchase", id, params: { transaction_id: id, currency: "GBP", value: total, items } });
}

// ---------------------------------------------------------------- drawing

function drawAll() {
  drawHead();
  drawShelves();
  drawWhy();
  drawProof();
  drawProfile();
  drawBasket();
}

function drawHead() {
  const { shopper, ranking, matched, query, shelf } = state;
  $("list-title").textContent = query ? t("found", query) : shelf !== "all" ? t(`shelf_${shelf}`) : shopper || state.events.length > 0 ? t("for_you") : t("for_new");
  const over = matched?.length > CANDIDATES ? t("capped", CANDIDATES, matched.length) : "";
  $("list-sub").textContent = ranking ? t("ranked", ranking.items.length, ranking.candidates) + over : "";
  $("empty").hidden = matched?.length !== 0;
  $("empty").textContent = t("nothing", query || t(`shelf_${shelf}`));

  let history = t("history_new");
  if (state.erased) history = t("history_erased");
  else if (shopper) {
    const times = shopper.events.map(({ time }) => time).sort();
    history = t("history", shopper.orders, shopper.lines, month(times[0]), day(times.at(-1)));
  }
  const known = new Set(shopper?.events.map(({ id }) => id));
  const more = state.events.filter(({ name, id }) => name === "purchase" && !known.has(id)).length;
  $("history").textContent = history + (more ? t("history_more", more) : "");
  drawClock();

  const model = state.shop?.model;
  $("model").textContent = model ? t("model", model.products, kilobytes(model.bytes), `${model.digest.slice(0, 19)}…`) : "";
}

function drawClock() {
  $("clock").textContent = t("clock", moment(now()));
}

function drawShelves() {
  const active = document.activeElement?.dataset.shelf;
  $("shelves").replaceChildren(
    ...Object.keys(SHELVES).map((shelf) =>
      make("li", {}, make("button", { type: "button", "data-shelf": shelf, "aria-pressed": String(!state.query && shelf === state.shelf) }, t(`shelf_${shelf}`))),
    ),
  );
  if (active) $("shelves").querySelector(`[data-shelf="${active}"]`).focus();
}

function drawWhy() {
  const items = state.ranking?.items ?? [];
  const place = (id) => items.findIndex(({ item_id }) => item_id === id);
  const index = Math.max(0, [state.preview, state.selected].map(place).find((at) => at >= 0) ?? 0);
  const ranked = items[index];
  if (!ranked) return $("why").replaceChildren();
  const product = state.products.get(ranked.item_id);
  const reasons = ranked.reasons ?? [];
  const most = Math.max(0, ...reasons.map(({ contribution }) => contribution));
  const least = Math.min(0, ...reasons.map(({ contribution }) => contribution));
  const zero = (-least / (most - least || 1)) * 100;
  $("why").replaceChildren(
    make(
      "div",
      { class: "why-head" },
      make("div", { class: "why-art" }, picture(product)),
      make(
        "div",
        {},
        make("p", { class: "why-title", lang: "en" }, product.name),
        make("p", { class: "muted" }, `${money(product.price)} · ${product.item_id}`),
        make("p", { class: "muted" }, `${t("place", index + 1, items.length)} · ${t("score")} ${number(ranked.score, 3)}`),
      ),
    ),
    make("ul", { class: "sources" }, ...ranked.sources.map((source) => make("li", {}, t(`source_${source}`)))),
    reasons.length
      ? make(
          "ul",
          { class: "bars" },
          ...reasons.map((reason) => {
            const { contribution } = reason;
            const bar = make("span", { class: contribution < 0 ? "bar less" : "bar" });
            const width = (Math.abs(contribution) / (most - least || 1)) * 100;
            bar.style.left = `${contribution < 0 ? zero - width : zero}%`;
            bar.style.width = `${width}%`;
            const axis = make("span", { class: "axis" });
            axis.style.left = `${zero}%`;
            return make(
              "li",
              {},
              make("span", { class: "bar-text" }, sentence(reason)),
              make("span", { class: "bar-number" }, `${contribution < 0 ? "−" : "+"}${number(Math.abs(contribution), 2)}`),
              make("span", { class: "track", "aria-hidden": "true" }, bar, axis),
            );
          }),
        )
      : make("p", { class: "muted" }, t("no_reasons")),
    make("p", { class: "muted small" }, t("why_note")),
  );
}

function drawProof() {
  const { check, ranking, tally } = state;
  const badge = $("badge");
  badge.dataset.state = check.state;
  badge.textContent = {
    wait: () => t("badge_wait"),
    off: () => t("badge_off"),
    same: () => t("badge_same", number(check.bytes, 0), check.sha?.slice(0, 12)),
    differ: () => t("badge_differ", number(check.ours, 0), number(check.theirs, 0), number(check.at, 0)),
    down: () => t("badge_down", check.why),
  }[check.state]();
  if (check.sha) badge.title = `sha256 ${check.sha}`;
  else badge.removeAttribute("title");
  $("glance").dataset.state = check.state;
  $("glance").textContent = ranking ? `${ms(ranking.timing.total_ms)} · ${t(`glance_${check.state}`)}` : "";

  const pair = (total, part, name) => `${ms(total)}${part === undefined ? "" : ` (${name} ${ms(part)})`}`;
  const rows = [];
  if (ranking) rows.push([t("time_browser"), pair(ranking.timing.total_ms, ranking.timing.rank_ms, t("time_rank"))]);
  if (check.round_trip) rows.push([t("time_edge"), pair(check.round_trip, check.timing.rank ?? check.timing.total, t("time_edge_rank"))]);
  if (state.load_ms) rows.push([t("time_load"), ms(state.load_ms)]);
  if (tally.all) rows.push([t("compared"), t("tally", tally.same, tally.all)]);
  $("times").replaceChildren(...rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));

  const on = $("compare").checked;
  $("leaves").textContent = on ? t("leaves_on", kilobytes(new TextEncoder().encode(state.body).length), state.events.length) : t("leaves_off");
  $("sent-box").hidden = !state.body;
  if ($("sent-box").open) drawSent();
}

function drawSent() {
  $("sent").textContent = state.body && JSON.stringify(JSON.parse(state.body), null, 1);
}

function drawProfile() {
  const { events, persisted } = state;
  $("keep").checked = persisted;
  $("keep").disabled = $("export").disabled = $("erase").disabled = !state.shop;
  $("profile-note").textContent = t("profile_note", events.length, persisted);
  if (!$("profile-box").open) return;
  const latest = [...events].sort((a, b) => (a.time < b.time ? 1 : -1)).slice(0, 12);
  $("events").replaceChildren(
    ...latest.map(({ name, time, params }) => {
      const items = params?.items ?? [];
      const names = items.slice(0, 2).map(({ item_id }) => state.products.get(item_id)?.name ?? item_id).join(", ");
      const more = items.length > 2 ? t("and_more", items.length - 2) : "";
      return make("li", {}, make("span", { class: "muted" }, shortMoment(time)), ` ${t(`event_${name}`)} `, make("span", { lang: "en" }, names), more);
    }),
  );
}

function drawBasket() {
  const { count, total } = sum();
  $("basket-count").textContent = String(count);
  $("basket-open").setAttribute("aria-label", t("basket_label", count, money(total)));
  $("total").textContent = money(total);
  $("buy").disabled = count === 0;
  const focused = document.activeElement?.closest?.(".line") ? document.activeElement : undefined;
  const [line, act] = [focused?.closest(".line").dataset.id, focused?.dataset.act];
  $("lines").replaceChildren(
    ...[...state.basket].map(([id, quantity]) => {
      const product = state.products.get(id);
      return make(
        "li",
        { class: "line", "data-id": id },
        make("div", { class: "line-art" }, picture(product)),
        make("div", {}, make("p", { lang: "en" }, product.name), make("p", { class: "muted" }, money(product.price))),
        stepper(product, quantity),
        make("strong", {}, money(Math.round(product.price * 100) * quantity / 100)),
      );
    }),
    ...(count === 0 ? [make("li", { class: "muted" }, t("basket_empty"))] : []),
  );
  if (line) ($("lines").querySelector(`[data-id="${line}"] [data-act="${act}"]`) ?? $("basket-close")).focus();
}

function drawPicker() {
  const groups = new Map();
  for (const { shopper, country, orders, kind } of state.shoppers) {
    if (!groups.has(kind)) groups.set(kind, []);
    groups.get(kind).push(make("option", { value: shopper }, t("option", shopper, country, orders)));
  }
  $("shopper").replaceChildren(
    make("option", { value: "" }, t("newcomer")),
    ...[...groups].map(([kind, options]) => make("optgroup", { label: t(`kind_${kind}`) }, ...options)),
  );
  $("shopper").value = state.shopper?.shopper ?? "";
  $("shopper").disabled = false;
}

// ---------------------------------------------------------------- the visit

/** What a click on a tile or a basket line means. */
function onAct(event) {
  const button = event.target.closest("[data-act]");
  const id = button?.closest("[data-id]")?.dataset.id;
  if (!id || !state.shop) return;
  return { view: () => view(id), add: () => change(id, 1), more: () => change(id, 1), fewer: () => change(id, -1) }[button.dataset.act]();
}
$("grid").addEventListener("click", onAct);
$("lines").addEventListener("click", onAct);

// Tiles slide under a resting pointer; only a pointer that moves asks "why?".
let rest = { x: -1, y: -1 };
$("grid").addEventListener("pointermove", (event) => {
  if (event.pointerType !== "mouse" || (event.clientX === rest.x && event.clientY === rest.y)) return;
  rest = { x: event.clientX, y: event.clientY };
  preview(event.target.closest(".tile")?.dataset.id);
});
$("grid").addEventListener("click", (event) => (rest = { x: event.clientX, y: event.clientY }), true);
$("grid").addEventListener("pointerleave", () => preview(undefined));
$("grid").addEventListener("focusin", (event) => event.target.matches(":focus-visible") && preview(event.target.closest(".tile")?.dataset.id));
$("grid").addEventListener("focusout", () => preview(undefined));

function preview(id) {
  if (id === state.preview) return;
  state.preview = id;
  drawWhy();
}

$("shelves").addEventListener("click", (event) => {
  const shelf = event.target.closest("[data-shelf]")?.dataset.shelf;
  if (!shelf) return;
  Object.assign(state, { shelf, query: "" });
  $("query").value = "";
  void rerank({ animate: false });
});

let typing;
function onQuery() {
  clearTimeout(typing);
  const query = $("query").value.trim();
  // One letter matches nearly everything and means nothing yet.
  const asked = query.length > 1 ? query : "";
  if (asked === state.query) return;
  state.query = asked;
  void rerank({ animate: false });
}
$("query").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(onQuery, 180);
});
$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  onQuery();
});

$("shopper").addEventListener("change", () => {
  state.shopper = state.shoppers.find(({ shopper }) => shopper === $("shopper").value);
  remember();
  void open();
});

for (const button of document.querySelectorAll("[data-lang]")) button.addEventListener("click", () => speak(button.dataset.lang));

function speak(code) {
  setLanguage(code);
  for (const button of document.querySelectorAll("[data-lang]")) button.setAttribute("aria-pressed", String(button.dataset.lang === language));
  if (state.shoppers) drawPicker();
  if (state.ranking) grid.show(state.ranking.items, state.products, { basket: state.basket, selected: state.selected, compareWithBefore: true });
  drawAll();
  drawProblem();
  remember();
}

$("compare").addEventListener("change", () => {
  if ($("compare").checked) return void rerank();
  state.check = { state: "off" };
  drawProof();
});
$("sent-box").addEventListener("toggle", drawSent);
$("profile-box").addEventListener("toggle", drawProfile);

$("keep").addEventListener("change", async () => {
  keep = $("keep").checked;
  try {
    await state.shop.profile.persist(keep);
    $("profile-status").textContent = t(keep ? "kept" : "not_kept");
  } catch (error) {
    keep = false;
    $("profile-status").textContent = `${error.code}: ${error.message}`;
  }
  remember();
  await rerank();
});

$("export").addEventListener("click", async () => {
  const address = URL.createObjectURL(new Blob([await state.shop.profile.export()], { type: "application/json" }));
  make("a", { href: address, download: "shelfedge-profile.json" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  $("profile-status").textContent = t("exported");
});

$("erase").addEventListener("click", async () => {
  // Forgetting ends the keeping too, or the next click would be kept again.
  keep = false;
  try {
    await state.shop.profile.erase();
    await state.shop.profile.persist(false);
    $("profile-status").textContent = t("erased");
  } catch (error) {
    $("profile-status").textContent = `${error.code}: ${error.message}`;
  }
  remember();
  state.erased = true;
  await rerank();
});

$("basket-open").addEventListener("click", () => $("basket").showModal());
$("basket-close").addEventListener("click", () => $("basket").close());
$("basket").addEventListener("click", (event) => event.target === $("basket") && $("basket").close());
$("basket").addEventListener("close", () => ($("basket-status").textContent = ""));
$("buy").addEventListener("click", buy);

$("panel-bar").addEventListener("click", () => {
  const open = $("panel").classList.toggle("open");
  $("panel-bar").setAttribute("aria-expanded", String(open));
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && $("panel").classList.contains("open") && !$("basket").open) {
    $("panel-bar").click();
    $("panel-bar").focus();
  }
});

setInterval(drawClock, 15_000);

async function start() {
  const asked = new URLSearchParams(location.search);
  const preferred = asked.get("lang") ?? remembered.language ?? navigator.language;
  setLanguage(preferred.startsWith("zh") ? "zh" : "en");
  try {
    const response = await fetch("/shoppers.json");
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    state.shoppers = (await response.json()).shoppers;
  } catch (error) {
    console.warn("shoppers.json:", error.message);
    $("profile-status").textContent = t("shoppers_failed");
  }
  const wanted = asked.get("shopper") ?? (keep ? remembered.shopper ?? "" : state.shoppers[0]?.shopper);
  state.shopper = state.shoppers.find(({ shopper }) => shopper === wanted);
  speak(language);
  await open();
}
void start();
