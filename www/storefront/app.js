// The demo shop: what the shopper does becomes events, every event a new
// ranking in this page, and every ranking is compared with the edge's.
import { picture } from "./art.js";
import { actions } from "./assistant.js";
import { compare } from "./edge.js";
import { Grid, make, sentence, stepper } from "./grid.js";
import { readable } from "./titles.js";
import { day, kilobytes, language, moment, money, month, ms, number, setLanguage, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const on = (id, type, listener) => $(id).addEventListener(type, listener);

/** Length of the list. */
const LIMIT = 24;
/** The most candidates that one ranking takes. */
const CANDIDATES = 2_000;
/** Reasons that are shown at once. */
const REASONS = 4;
/** The highest order number in the data. */
const LAST_ORDER = 581_587;
/** Where a visit is remembered, only with the shopper's consent. */
const REMEMBERED = "shelfedge.demo";

const SHELVES = {
  all: undefined,
  christmas: /christmas|xmas|noel|santa|advent|rudolph|reindeer|bauble|wreath/,
  kitchen: /\bcakes?\b|mug|tea ?pot|teatime|plate|bowl|kitchen|baking|apron|\bjars?\b|cutlery|\begg|tray|\bjug|\bcups?\b|spoon/,
  lights: /light|candle|lantern|lamp/,
  bags: /\bbags?\b|handbag|purse|shopper|lunch box|luggage/,
  garden: /garden|plant|bird|\bherb|watering|parasol/,
  jewellery: /neckl|bracelet|earring|\bring\b|bangle|brooch|hair/,
  children: /child|\btoy|doll|spaceboy|circus|jigsaw|playing|\bgame|skittle/,
};

const grid = new Grid($("grid"));
const products = new Map();
const basket = new Map();
const tally = { same: 0, all: 0 };
let shoppers = [];
let shopper, shop, load_ms, problem;
let shelf = "all";
let query = "";
/** The chat's element is there. */
let chatting = false;
/** The candidates that the shelf or the search names, and what became of them. */
let matched, ranking;
/** The product that was clicked, and the one that is only looked at. */
let selected, previewed;
/** The last request, and what comparing the two answers gave. */
let body = "";
let check = { state: "wait" };
let profile = { events: [], persisted: false };
let erased = false;
let unfolded = false;

// The data ends in 2011: the shop's clock starts there and runs at its pace.
let epoch = Date.parse("2011-12-09T12:50:00Z");
let started = performance.now();
const now = () => Math.floor(epoch + performance.now() - started);

let remembered = {};
try {
  remembered = JSON.parse(localStorage.getItem(REMEMBERED)) ?? {};
} catch {
  // No storage here, or not ours: a visit like the first.
}
let keep = remembered.keep === true;

function remember() {
  try {
    if (keep) localStorage.setItem(REMEMBERED, JSON.stringify({ keep, language, shopper: shopper?.shopper }));
    else localStorage.removeItem(REMEMBERED);
  } catch {
    // The profile itself reports when it can't be kept.
  }
}

// ------------------------------------------------------------- the model

/** Counts openings and rankings: what belongs to an earlier one is dropped. */
let turn = 0;

async function open(leaving = false) {
  const mine = ++turn;
  const left = shop;
  shop = ranking = selected = previewed = problem = undefined;
  profile = { events: [], persisted: false };
  check = { state: "wait" };
  erased = false;
  basket.clear();
  grid.wait(LIMIT / 2);
  draw();
  // One profile is kept at most, so that ending the keeping leaves none behind.
  if (leaving && keep) await left?.profile.persist(false).catch(() => {});
  left?.close();
  try {
    if (typeof WebAssembly !== "object") throw { code: "wasm_unavailable", message: "" };
    const start = performance.now();
    const { load } = await import("/package/index.js").catch(({ message }) => {
      throw { code: "package_missing", message };
    });
    const opened = await load({ model: "/models/ranking/", shopper: shopper?.shopper, clock: now, ...(keep && { consent: { storage: true } }) });
    load_ms = performance.now() - start;
    if (products.size === 0) {
      for (const product of await opened.products()) {
        products.set(product.item_id, { ...product, name: readable(product.title), words: product.title.toLowerCase() });
      }
    }
    if (shopper) await opened.observe(shopper.events);
    const { events } = await opened.profile.get();
    if (mine !== turn) return opened.close();
    // A kept profile may end later than the data; time never runs back.
    epoch = Math.max(Date.parse(opened.model.data_end), ...events.map(({ time }) => Date.parse(time) + 1));
    started = performance.now();
    shop = opened;
    if (chatting) $("chat").reset();
    await rerank(false);
    drawChat();
  } catch (error) {
    if (mine !== turn) return;
    if (error.code !== "storage_unavailable" || !keep) return fail(error);
    // The device refuses to keep the profile: the visit goes on in memory.
    keep = false;
    remember();
    $("profile-status").textContent = `${error.code}: ${error.message}`;
    await open();
  }
}

function fail(error) {
  problem = error;
  ranking = undefined;
  grid.wait(0);
  draw();
}

const ACTIONS = {
  wasm_unavailable: "do_wasm",
  package_missing: "do_package",
  fetch_failed: "do_fetch",
  worker_failed: "do_fetch",
  model_unusable: "do_model",
};

function drawProblem() {
  $("problem").hidden = !problem;
  if (!problem) return;
  const { code = "internal", message, faults = [] } = problem;
  const retry = make("button", { type: "button", class: "primary" }, t("retry"));
  retry.addEventListener("click", () => open());
  $("problem").replaceChildren(
    make("h2", {}, t("problem")),
    make("p", {}, make("code", {}, code), " ", message),
    make("ul", {}, ...faults.map(({ path, cause, action }) => make("li", {}, [path, cause, action].filter(Boolean).join(": ")))),
    make("p", {}, t(ACTIONS[code] ?? "do_other")),
    retry,
  );
}

// --------------------------------------------------------------- ranking

/** What is ranked; undefined lets the model recall its own candidates. */
function candidates() {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const pattern = SHELVES[shelf];
  if (words.length === 0 && !pattern) return undefined;
  const fits = ({ words: title, item_id }) =>
    words.length ? words.every((word) => title.includes(word) || item_id.toLowerCase() === word) : pattern.test(title);
  return [...products.values()].filter(fits).map(({ item_id }) => item_id);
}

function device() {
  if (matchMedia("(max-width: 640px)").matches) return "mobile";
  return matchMedia("(max-width: 1100px) and (pointer: coarse)").matches ? "tablet" : "desktop";
}

async function rerank(animate = true) {
  if (!shop) return;
  const mine = ++turn;
  const found = candidates();
  if (found?.length === 0) {
    matched = found;
    ranking = undefined;
    grid.wait(0);
    return draw();
  }
  const options = {
    limit: LIMIT,
    explain: true,
    listId: query ? "search" : shelf,
    candidates: found?.slice(0, CANDIDATES),
    // The shop is in Britain, on winter time when its data ends.
    context: { device: device(), utc_offset_minutes: 0 },
    now: new Date(now()).toISOString(),
  };
  try {
    const comparing = $("compare").checked;
    // Asked for in one breath, so that all three see the same profile.
    const [answer, request, view] = await Promise.all([shop.rank(options), comparing ? shop.request(options) : body, shop.profile.get()]);
    if (mine !== turn) return;
    const first = ranking;
    [ranking, body, profile, matched] = [answer, request, view, found];
    check = { state: comparing ? "wait" : "off" };
    const moved = grid.show(ranking.items, products, basket, selected, animate);
    draw();
    if (first) $("live").textContent = moved ? t("updated", products.get(ranking.items[0].item_id).name, moved) : t("unchanged");
    if (!comparing) return;
    const result = await compare(answer.json, request);
    if (result.state !== "down") tally.all++;
    if (result.state === "same") tally.same++;
    if (mine !== turn) return;
    check = result;
    drawProof();
  } catch (error) {
    if (mine === turn) fail(error);
  }
}

/** Tells the profile what happened, and ranks anew. */
async function tell(name, items, more) {
  const [asked, value] = [shop, items.reduce((sum, { price, quantity = 1 }) => sum + pence(price) * quantity, 0) / 100];
  try {
    await asked.observe({ name, ...more, params: { transaction_id: more?.id, currency: "GBP", value, items } });
  } catch (error) {
    if (asked !== shop) return;
    // The visit goes on in memory when the device can't keep the event.
    if (error.code !== "storage_unavailable") return fail(error);
    $("profile-status").textContent = `${error.code}: ${error.message}`;
  }
  if (asked === shop) await rerank();
}

// Sums are made in pence: adding decimals as floats drifts.
const pence = (price) => Math.round(price * 100);
const item = (id, more) => ({ item_id: id, price: products.get(id).price, ...more });

function view(id) {
  selected = id;
  previewed = undefined;
  return tell("view_item", [item(id, { index: ranking.items.findIndex(({ item_id }) => item_id === id) })]);
}

function change(id, by) {
  const quantity = (basket.get(id) ?? 0) + by;
  if (quantity > 0) basket.set(id, quantity);
  else basket.delete(id);
  $("basket-status").textContent = "";
  drawBasket();
  return tell(by > 0 ? "add_to_cart" : "remove_from_cart", [item(id, { quantity: 1 })]);
}

function buy() {
  const { count, total } = sum();
  const items = [...basket].map(([id, quantity], index) => item(id, { quantity, index }));
  basket.clear();
  drawBasket();
  $("basket-status").textContent = t("bought", count, money(total));
  $("basket-close").focus();
  // Order numbers go on where the data's end.
  const numbers = profile.events.map(({ id }) => Number(id)).filter((id) => id < 1e6);
  return tell("purchase", items, { id: String(Math.max(LAST_ORDER, ...numbers) + 1) });
}

function sum() {
  let [count, total] = [0, 0];
  for (const [id, quantity] of basket) {
    count += quantity;
    total += quantity * pence(products.get(id).price);
  }
  return { count, total: total / 100 };
}

// --------------------------------------------------------------- drawing

function draw() {
  drawProblem();
  drawHead();
  drawWhy();
  drawProof();
  drawProfile();
  drawBasket();
}

function drawHead() {
  const title = shelf !== "all" ? `shelf_${shelf}` : shopper || profile.events.length > 0 ? "for_you" : "for_new";
  $("list-title").textContent = query ? t("found", query) : t(title);
  $("list-sub").textContent = ranking
    ? t("ranked", ranking.items.length, ranking.candidates) + (matched?.length > CANDIDATES ? t("capped", CANDIDATES, matched.length) : "")
    : matched?.length === 0 ? t("nothing", query || t(title)) : "";
  for (const button of $("shelves").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", !query && button.dataset.shelf === shelf);
    button.textContent = t(`shelf_${button.dataset.shelf}`);
  }

  let history = t(erased ? "history_erased" : "history_new");
  if (shopper && !erased) {
    const { orders, lines, events } = shopper;
    history = t(orders === 1 ? "history_one" : "history", orders, lines, month(events[0].time), day(events.at(-1).time));
  }
  const known = new Set(shopper?.events.map(({ id }) => id));
  const more = profile.events.filter(({ name, id }) => name === "purchase" && !known.has(id)).length;
  $("history").textContent = history + (more ? t("history_more", more) : "");
  drawClock();
  const model = shop?.model;
  $("model").textContent = model ? t("model", model.products, kilobytes(model.bytes), `${model.digest.slice(0, 19)}…`) : "";
}

function drawClock() {
  $("clock").textContent = t("clock", moment(now()));
}

function drawWhy() {
  const items = ranking?.items ?? [];
  const index = [previewed, selected].map((id) => items.findIndex(({ item_id }) => item_id === id)).find((at) => at >= 0) ?? 0;
  $("why").parentElement.hidden = !items[index];
  if (!items[index]) return;
  const { item_id, score, sources, reasons = [] } = items[index];
  const weighty = [...reasons].sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  const product = products.get(item_id);
  const values = reasons.map(({ contribution }) => contribution);
  const least = Math.min(0, ...values);
  const scale = 100 / (Math.max(0, ...values) - least || 1);
  const bars = weighty.map((reason) => {
    const { contribution } = reason;
    const bar = make("span", { class: contribution < 0 ? "bar less" : "bar" });
    const axis = make("span", { class: "axis" });
    // Through the object model: the page's policy forbids style attributes.
    axis.style.left = `${-least * scale}%`;
    bar.style.left = `${(Math.min(0, contribution) - least) * scale}%`;
    bar.style.width = `${Math.abs(contribution) * scale}%`;
    return make(
      "li",
      {},
      make("span", {}, sentence(reason)),
      make("span", {}, `${contribution < 0 ? "−" : "+"}${number(Math.abs(contribution), 2)}`),
      make("span", { class: "track", "aria-hidden": "true" }, bar, axis),
    );
  });
  $("why").replaceChildren(
    make(
      "div",
      { class: "why-head" },
      make("div", { class: "small-art" }, picture(product)),
      make(
        "div",
        {},
        make("p", { class: "why-title", lang: "en" }, product.name),
        make("p", { class: "muted" }, `${money(product.price)} · ${item_id}`),
        make("p", { class: "muted" }, t("place", index + 1, items.length, number(score, 3))),
      ),
    ),
    make("ul", { class: "sources" }, ...sources.map((source) => make("li", {}, t(`source_${source}`)))),
    bars.length ? make("ul", { class: "bars" }, ...bars.slice(0, REASONS)) : make("p", { class: "muted" }, t("no_reasons")),
    ...(bars.length > REASONS ? [moreReasons(bars.slice(REASONS))] : []),
    make("p", { class: "muted" }, t("why_note")),
  );
}

/** The lesser reasons, folded until someone unfolds them once. */
function moreReasons(bars) {
  const more = make("details", {}, make("summary", {}, t("more_reasons", bars.length)), make("ul", { class: "bars" }, ...bars));
  more.open = unfolded;
  more.addEventListener("toggle", () => (unfolded = more.open));
  return more;
}

function drawProof() {
  const { state, sha, why, models } = check;
  const said = { same: [number(check.bytes ?? 0), sha ? `, sha256 ${sha.slice(0, 12)}…` : ""], differ: [check.ours, check.theirs, check.at], down: [why] };
  const otherModel = models && models[0] !== models[1];
  $("badge").parentElement.hidden = !ranking;
  $("badge").dataset.state = $("glance").dataset.state = state;
  $("badge").textContent = otherModel ? t("badge_model", ...models) : t(`badge_${state}`, ...(said[state] ?? []));
  $("badge").title = sha ? `sha256 ${sha}` : "";
  $("glance").textContent = ranking ? `${ms(ranking.timing.total_ms)} · ${t(`glance_${state}`)}` : "";

  const rows = [];
  if (ranking) rows.push(["time_browser", t("time_rank", ms(ranking.timing.total_ms), ms(ranking.timing.rank_ms))]);
  if (check.timing) {
    const { round_trip, timing } = check;
    rows.push(["time_edge", timing.rank === undefined ? ms(round_trip) : t("time_rank", ms(round_trip), ms(timing.rank))]);
  }
  if (load_ms) rows.push(["time_load", ms(load_ms)]);
  if (tally.all) rows.push(["compared", t("tally", tally.same, tally.all)]);
  $("times").replaceChildren(...rows.map(([name, value]) => make("div", {}, make("dt", {}, t(name)), make("dd", {}, value))));

  const size = new TextEncoder().encode(body).length;
  $("leaves").textContent = !$("compare").checked ? t("leaves_off") : body ? t("leaves_on", kilobytes(size), profile.events.length) : "";
  $("sent-box").hidden = !body;
  if ($("sent-box").open && body) $("sent").textContent = JSON.stringify(JSON.parse(body), null, 1);
}

function drawProfile() {
  const { events, persisted } = profile;
  $("keep").checked = persisted;
  for (const id of ["keep", "export", "erase"]) $(id).disabled = !shop;
  $("profile-note").textContent = t(persisted ? "profile_kept" : "profile_memory", events.length);
  if (!$("profile-box").open) return;
  $("events").replaceChildren(
    ...events.slice(-12).reverse().map(({ name, time, params: { items = [] } = {} }) => {
      const names = items.slice(0, 2).map(({ item_id }) => products.get(item_id)?.name ?? item_id).join(", ");
      return make("li", {}, `${moment(time)}: ${t(`event_${name}`)} `, make("span", { lang: "en" }, names), items.length > 2 ? t("and_more", items.length - 2) : "");
    }),
  );
}

function drawBasket() {
  const { count, total } = sum();
  $("basket-count").textContent = count;
  $("basket-open").setAttribute("aria-label", t("basket_label", count, money(total)));
  $("total").textContent = money(total);
  $("buy").disabled = count === 0;
  const focused = document.activeElement;
  const line = focused?.closest(".line")?.dataset.id;
  $("lines").replaceChildren(
    ...[...basket].map(([id, quantity]) => {
      const product = products.get(id);
      return make(
        "li",
        { class: "line", "data-id": id },
        make("div", { class: "small-art" }, picture(product)),
        make("div", {}, make("p", { lang: "en" }, product.name), make("p", { class: "muted" }, money(product.price))),
        stepper(product, quantity),
        make("strong", {}, money((pence(product.price) * quantity) / 100)),
      );
    }),
    ...(count === 0 ? [make("li", { class: "muted" }, t("basket_empty"))] : []),
  );
  if (line) ($("lines").querySelector(`[data-id="${line}"] [data-act="${focused.dataset.act}"]`) ?? $("basket-close")).focus();
}

function drawPicker() {
  const groups = new Map();
  for (const { shopper: id, country, orders, kind } of shoppers) {
    if (!groups.has(kind)) groups.set(kind, make("optgroup", { label: t(`kind_${kind}`) }));
    groups.get(kind).append(make("option", { value: id }, t("option", id, country, orders)));
  }
  $("shopper").replaceChildren(make("option", { value: "" }, t("newcomer")), ...groups.values());
  $("shopper").value = shopper?.shopper ?? "";
  $("shopper").disabled = false;
}

function speak(code) {
  setLanguage(code);
  for (const button of document.querySelectorAll("[data-lang]")) button.setAttribute("aria-pressed", button.dataset.lang === language);
  drawPicker();
  if (ranking) grid.show(ranking.items, products, basket, selected, true);
  draw();
  drawChat();
}

// ------------------------------------------------------------- the chat

/** What the shopper ordered, by the profile in this page. */
async function orders() {
  const { events } = await shop.profile.get();
  return events
    .filter(({ name, id }) => name === "purchase" && /^\d{6}$/.test(id))
    .map(({ id, time, params: { items = [] } = {} }) => ({
      id,
      time,
      total: items.reduce((sum, { price = 0, quantity = 1 }) => sum + pence(price) * quantity, 0) / 100,
      items: items.map(({ item_id }) => products.get(item_id)?.name ?? item_id),
    }));
}

async function connect() {
  if (!shop) throw new Error(t("problem"));
  const assistant = await shop.assistant({ model: "/models/chat/" });
  return assistant.chat({ clock: () => new Date(now()), actions: actions({ now, orders }) });
}

async function openChat() {
  try {
    await import("/package/chat.js");
  } catch {
    // The shop works without it.
    return;
  }
  chatting = true;
  $("chat").connect = connect;
  drawChat();
}

function drawChat() {
  $("chat").hidden = !chatting || !shop;
  if (!chatting) return;
  const first = products.get(ranking?.items[0]?.item_id)?.name;
  $("chat").lang = document.documentElement.lang;
  $("chat").words = { title: t("chat_title"), open: t("chat_title") };
  $("chat").suggestions = [t("chat_ask_order"), ...(first ? [t("chat_ask_price", first)] : []), t("chat_ask_person")];
}

// ------------------------------------------------------------- the visit

const ACTS = { view, add: (id) => change(id, 1), more: (id) => change(id, 1), fewer: (id) => change(id, -1) };

function onAct({ target }) {
  const button = target.closest("[data-act]");
  if (button && shop) ACTS[button.dataset.act](button.closest("[data-id]").dataset.id);
}
on("grid", "click", onAct);
on("lines", "click", onAct);

function preview(id) {
  if (id === previewed) return;
  previewed = id;
  drawWhy();
}
const tileOf = ({ target }) => target.closest(".tile")?.dataset.id;
// Tiles slide under a resting pointer; only one that moves asks why.
let rest = {};
on("grid", "pointermove", (event) => {
  const { clientX: x, clientY: y } = event;
  if (event.pointerType !== "mouse" || (x === rest.x && y === rest.y)) return;
  rest = { x, y };
  preview(tileOf(event));
});
on("grid", "pointerleave", () => preview(undefined));
on("grid", "focusin", (event) => event.target.matches(":focus-visible") && preview(tileOf(event)));
on("grid", "focusout", () => preview(undefined));

$("shelves").append(...Object.keys(SHELVES).map((name) => make("li", {}, make("button", { type: "button", "data-shelf": name }))));
on("shelves", "click", ({ target }) => {
  if (!target.dataset.shelf) return;
  shelf = target.dataset.shelf;
  query = $("query").value = "";
  rerank(false);
});

let typing;
function search() {
  clearTimeout(typing);
  const text = $("query").value.trim();
  // One letter matches nearly everything and means nothing yet.
  const asked = text.length > 1 ? text : "";
  if (asked === query) return;
  query = asked;
  // The field stays in sight while the list scrolls; its answer must be seen.
  if ($("products").getBoundingClientRect().top < 0) $("products").scrollIntoView();
  rerank(false);
}
on("query", "input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, 180);
});
on("search", "submit", (event) => {
  event.preventDefault();
  search();
});

on("shopper", "change", () => {
  shopper = shoppers.find((one) => one.shopper === $("shopper").value);
  remember();
  open(true);
});
for (const button of document.querySelectorAll("[data-lang]")) {
  button.addEventListener("click", () => {
    speak(button.dataset.lang);
    remember();
  });
}

on("compare", "change", () => {
  if ($("compare").checked) return rerank();
  check = { state: "off" };
  drawProof();
});
on("sent-box", "toggle", drawProof);
on("profile-box", "toggle", drawProfile);

/** Does something with the profile, says how it went, and ranks anew. */
async function withProfile(done, work) {
  let said = t(done);
  try {
    await work();
  } catch ({ code, message }) {
    keep = false;
    said = `${code}: ${message}`;
  }
  $("profile-status").textContent = said;
  remember();
  await rerank();
}
on("keep", "change", () => {
  keep = $("keep").checked;
  withProfile(keep ? "kept" : "not_kept", () => shop.profile.persist(keep));
});
on("erase", "click", () => {
  // Forgetting ends the keeping too, or the next click would be kept again.
  keep = false;
  erased = true;
  withProfile("erased", async () => {
    await shop.profile.erase();
    await shop.profile.persist(false);
  });
});
on("export", "click", async () => {
  const address = URL.createObjectURL(new Blob([await shop.profile.export()], { type: "application/json" }));
  make("a", { href: address, download: "shelfedge-profile.json" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  $("profile-status").textContent = t("exported");
});

on("basket-open", "click", () => $("basket").showModal());
on("basket-close", "click", () => $("basket").close());
on("basket", "click", ({ target }) => target === $("basket") && target.close());
on("basket", "close", () => ($("basket-status").textContent = ""));
on("buy", "click", buy);

on("chat", "shelfedge-person", async ({ detail }) => {
  $("packet").textContent = JSON.stringify(await detail.packet(), null, 1);
  $("handover").showModal();
});
on("handover-close", "click", () => $("handover").close());

on("panel-bar", "click", () => $("panel-bar").setAttribute("aria-expanded", $("panel").classList.toggle("open")));
on("panel", "keydown", ({ key }) => {
  if (key !== "Escape" || !$("panel").classList.contains("open")) return;
  $("panel-bar").click();
  $("panel-bar").focus();
});

setInterval(drawClock, 15_000);

const asked = new URLSearchParams(location.search);
setLanguage((asked.get("lang") ?? remembered.language ?? navigator.language).slice(0, 2));
try {
  const response = await fetch("/shoppers.json");
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  ({ shoppers } = await response.json());
} catch {
  $("profile-status").textContent = t("shoppers_failed");
}
const wanted = asked.get("shopper") ?? (keep ? remembered.shopper : shoppers[0]?.shopper);
shopper = shoppers.find((one) => one.shopper === wanted);
speak(language);
await open();
await openChat();
