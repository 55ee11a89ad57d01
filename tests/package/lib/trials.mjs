// Bad input at the package's boundary, the same list on every platform. Each
// trial must be refused with its code, saying where and what to do; a trial
// without a code must pass.

const item = (more) => ({ items: [{ item_id: "85123A", ...more }] });

/**
 * Name, what it does, expected code, and what its message or faults must mention.
 * `shop` is open and its own; `parts` are the bundle's bytes.
 */
export const trials = [
  {
    name: "a bundle with a swapped part",
    code: "model_unusable",
    mentions: "model.shelf",
    run: ({ load, options, parts }) => {
      const shelf = parts.shelf.slice();
      shelf[shelf.length >> 1] ^= 1;
      return load({ ...options, model: { manifest: parts.manifest, shelf } });
    },
  },
  {
    name: "a truncated model",
    code: "model_unusable",
    mentions: "model.shelf",
    run: ({ load, options, parts }) => load({ ...options, model: { manifest: parts.manifest, shelf: parts.shelf.slice(0, parts.shelf.length >> 1) } }),
  },
  {
    name: "a manifest that is no JSON",
    code: "model_unusable",
    mentions: "manifest",
    run: ({ load, options, parts }) => load({ ...options, model: { manifest: new TextEncoder().encode("<html>"), shelf: parts.shelf } }),
  },
  {
    name: "a price that is no number",
    code: "invalid_argument",
    mentions: "[0].params.items[0].price",
    run: ({ shop }) => shop.observe({ name: "view_item", params: { currency: "GBP", ...item({ price: NaN }) } }),
  },
  {
    name: "two infinite prices, both reported",
    code: "invalid_argument",
    mentions: "[1].params.items[0].price",
    faults: 2,
    run: ({ shop }) =>
      shop.observe([
        { name: "view_item", params: { currency: "GBP", ...item({ price: Infinity }) } },
        { name: "view_item", params: { currency: "GBP", ...item({ price: -Infinity }) } },
      ]),
  },
  {
    name: "a price with a fraction of a penny",
    code: "invalid_request",
    mentions: "price",
    run: ({ shop }) => shop.observe({ name: "view_item", params: { currency: "GBP", ...item({ price: 2.555 }) } }),
  },
  {
    name: "mixed currencies in one event",
    code: "invalid_request",
    mentions: "currency_mixed",
    run: ({ shop }) => shop.observe({ name: "view_item", params: { currency: "GBP", ...item({ price: 2.55, currency: "EUR" }) } }),
  },
  {
    name: "every fault of malformed events at once",
    code: "invalid_request",
    faults: 3,
    mentions: "[2]",
    run: ({ shop }) =>
      shop.observe([
        { name: "no_such_event", params: item() },
        { name: "view_item", time: "yesterday", params: item() },
        { name: "view_item", params: { items: [{ item_id: "" }] } },
      ]),
  },
  { name: "an event that is none", code: "invalid_request", run: ({ shop }) => shop.observe(null) },
  { name: "an event with no fields", code: "invalid_request", run: ({ shop }) => shop.observe({}) },
  {
    name: "a value within itself",
    code: "invalid_argument",
    run: ({ shop }) => {
      const params = item();
      params.params = params;
      return shop.observe({ name: "view_item", params });
    },
  },
  { name: "a big integer", code: "invalid_argument", mentions: "limit", run: ({ shop, now }) => shop.rank({ now, limit: 10n }) },
  {
    name: "an unknown product is named, and the rest is ranked",
    run: async ({ shop, now }) => {
      const { items, unknown } = await shop.rank({ now, candidates: ["85123A", "NO-SUCH-PRODUCT"] });
      return { items: items.length, unknown };
    },
    passes: { items: 1, unknown: ["NO-SUCH-PRODUCT"] },
  },
  {
    name: "10,000 candidates",
    code: "invalid_argument",
    mentions: "candidates",
    run: ({ shop, now }) => shop.rank({ now, candidates: Array.from({ length: 10_000 }, (_, n) => `P${n}`) }),
  },
  {
    name: "10,000 candidates by index",
    code: "invalid_argument",
    mentions: "candidates",
    run: ({ shop, now }) => shop.rankBulk({ now, candidates: new Uint32Array(10_000) }),
  },
  {
    name: "an index outside the products",
    code: "invalid_request",
    mentions: "candidates[1]",
    run: ({ shop, now }) => shop.rankBulk({ now, candidates: Uint32Array.of(0, 4_000_000_000) }),
  },
  { name: "no candidates", run: async ({ shop, now }) => (await shop.rank({ now, candidates: [] })).items.length, passes: 0 },
  { name: "a limit of 1,000", code: "invalid_request", mentions: "limit", run: ({ shop, now }) => shop.rank({ now, limit: 1000 }) },
  { name: "a time that is none", code: "invalid_request", mentions: "now", run: ({ shop }) => shop.rank({ now: "soon" }) },
  { name: "a body of 5 MB", code: "invalid_argument", mentions: "body", run: ({ shop }) => shop.answer(`{"now":"${"0".repeat(5_000_000)}"}`) },
  {
    name: "bodies of as many bytes as the wire allows, of one and of three bytes a character",
    run: async ({ shop, now }) => {
      const body = `{"now":"${now}","limit":3,"note":""}`;
      const room = 2 * 1024 * 1024 - body.length;
      const padded = (text) => body.replace('""', `"${text}"`);
      const most = [padded("x".repeat(room)), padded("茶".repeat(Math.floor(room / 3)) + "x".repeat(room % 3))];
      const answers = [];
      for (const body of most) answers.push((await shop.answer(body)).items.length, await shop.answer(`${body} `).catch(({ code }) => code));
      return answers;
    },
    passes: [3, "invalid_argument", 3, "invalid_argument"],
  },
  {
    name: "as many candidates as the wire allows",
    run: async ({ shop, now }) => {
      const most = Array.from({ length: 2000 }, (_, n) => `P${n}`);
      const { products } = await shop.rankBulk({ now, limit: 5, candidates: Uint32Array.from(most, (_, n) => n) });
      return [products.length, (await shop.rank({ now, candidates: most })).unknown.length];
    },
    passes: [5, 2000],
  },
  { name: "2,001 candidates", code: "invalid_argument", mentions: "candidates", run: ({ shop, now }) => shop.rank({ now, candidates: Array.from({ length: 2001 }, (_, n) => `P${n}`) }) },
  { name: "2,001 candidates by index", code: "invalid_argument", mentions: "candidates", run: ({ shop, now }) => shop.rank({ now, candidates: new Uint32Array(2001) }) },
  { name: "candidates that are no list", code: "invalid_argument", mentions: "candidates", run: ({ shop, now }) => shop.rank({ now, candidates: "85123A" }) },
  { name: "candidates that were moved away", code: "invalid_argument", mentions: "candidates", run: ({ shop, now }) => shop.rank({ now, candidates: moved(Uint32Array.of(1, 2)) }) },
  { name: "no candidates by index", run: async ({ shop, now }) => (await shop.rank({ now, candidates: new Uint32Array() })).items.length, passes: 0 },
  { name: "options of 5 MB", code: "invalid_argument", mentions: "options", run: ({ shop, now }) => shop.rank({ now, listId: "x".repeat(5_000_000) }) },
  { name: "events of 5 MB", code: "invalid_argument", mentions: "events", run: ({ shop }) => shop.observe({ name: "search", params: { search_term: "x".repeat(5_000_000) } }) },
  {
    name: "typed arrays where objects belong",
    run: async ({ shop, now }) => {
      const refused = (call) => call.then(() => "passed", ({ code, faults }) => `${code} ${faults[0]?.path}`);
      const numbers = new Float32Array(4);
      return [
        await refused(shop.observe(numbers)),
        await refused(shop.observe({ name: "view_item", params: { items: numbers } })),
        await refused(shop.rank({ now, seed: numbers })),
      ];
    },
    passes: ["invalid_argument [0]", "invalid_argument [0].params.items", "invalid_argument seed"],
  },
  { name: "6,000 events at once", code: "invalid_request", mentions: "too_many", run: ({ shop }) => shop.observe(Array.from({ length: 6000 }, () => ({ name: "search" }))) },
  {
    name: "a profile that overflows keeps the newest",
    run: async ({ shop }) => {
      const event = (n) => ({ name: "search", id: `e${n}`, time: new Date(1e12 + n) });
      for (let batch = 0; batch < 6; batch++) await shop.observe(Array.from({ length: 1000 }, (_, n) => event(1000 * batch + n)));
      const { events } = await shop.profile.get();
      return [events.length, events[0].id, events.at(-1).id, await shop.observe(event(0))];
    },
    passes: [5000, "e1000", "e5999", 0],
  },
  { name: "a body that is no JSON", code: "malformed_json", run: ({ shop }) => shop.answer("{") },
  { name: "half a surrogate pair in an id", code: "malformed_json", run: ({ shop, now }) => shop.rank({ now, candidates: ["\ud800"] }) },
  { name: "raw inputs that are missing", code: "invalid_argument", mentions: "inputs.context", run: ({ shop }) => shop.score({ rows: 1, inputs: {} }) },
  {
    name: "a raw input that no port takes",
    code: "invalid_argument",
    mentions: "inputs.colour",
    faults: 1,
    run: async ({ shop }) => shop.score({ rows: 1, inputs: { ...(await zeros(shop, 1)), colour: new Float32Array(1) } }),
  },
  {
    name: "a raw input of the wrong length",
    code: "invalid_argument",
    mentions: "inputs.candidate",
    run: async ({ shop }) => shop.score({ rows: 2, inputs: await zeros(shop, 1) }),
  },
  {
    name: "a raw input of the wrong kind",
    code: "invalid_argument",
    mentions: "inputs.context",
    faults: 1,
    run: async ({ shop }) => shop.score({ rows: 1, inputs: { ...(await zeros(shop, 1)), context: new Int32Array(4) } }),
  },
  {
    name: "a raw input that was moved away",
    code: "invalid_argument",
    mentions: "inputs.context",
    faults: 1,
    run: async ({ shop }) => {
      const inputs = await zeros(shop, 1);
      moved(inputs.context);
      return shop.score({ rows: 1, inputs });
    },
  },
  {
    name: "raw inputs moved to be scored, and scored again",
    run: async ({ shop }) => {
      const inputs = await zeros(shop, 1);
      const { length } = await shop.score({ rows: 1, inputs, transfer: true });
      const again = await shop.score({ rows: 1, inputs }).then(({ length }) => length, ({ code }) => code);
      // On the caller's own thread there is nowhere to move them to.
      const gone = inputs.context.length === 0;
      return [length, gone ? again === "invalid_argument" : again === 1];
    },
    passes: [1, true],
  },
  {
    name: "an outsized raw input, and the shop goes on",
    run: async ({ shop, load, options, now }) => {
      // Sparse in memory until it is copied.
      const code = await shop.score({ rows: 1, inputs: { ...(await zeros(shop, 1)), context: new Float32Array(6e8) } }).catch(({ code }) => code);
      const other = await load(options);
      const counts = [(await shop.rank({ now, limit: 3 })).items.length, (await other.rank({ now, limit: 3 })).items.length];
      other.close();
      return [code, ...counts];
    },
    passes: ["invalid_argument", 3, 3],
  },
  {
    name: "an index outside an embedding table",
    code: "invalid_request",
    run: async ({ shop }) => shop.score({ rows: 1, inputs: { ...(await zeros(shop, 1)), product: Int32Array.of(2_000_000_000) } }),
  },
  { name: "rows that are no number", code: "invalid_argument", mentions: "rows", run: async ({ shop }) => shop.score({ rows: NaN, inputs: await zeros(shop, 1) }) },
  { name: "more rows than the engine takes", code: "invalid_argument", mentions: "rows", run: ({ shop }) => shop.score({ rows: 2 ** 20 + 1, inputs: {} }) },
  {
    name: "two loads at once, each with its own profile",
    run: async ({ load, options, now }) => {
      const [a, b] = await Promise.all([load(options), load(options)]);
      await a.observe({ name: "view_item", params: item() });
      const counts = [(await a.profile.get()).events.length, (await b.profile.get()).events.length];
      const [first, second] = await Promise.all([a.rank({ now, limit: 3 }), b.rank({ now, limit: 3 })]);
      a.close();
      const third = await b.rank({ now, limit: 3 });
      b.close();
      return { counts, items: [first, second, third].map(({ items }) => items.length) };
    },
    passes: { counts: [1, 0], items: [3, 3, 3] },
  },
  {
    name: "a hundred calls at once come back in their own order",
    run: async ({ shop, now }) => {
      const limits = Array.from({ length: 100 }, (_, n) => 1 + (n % 5));
      const rankings = await Promise.all(limits.map((limit) => shop.rank({ now, limit })));
      return rankings.every(({ items }, n) => items.length === limits[n]);
    },
    passes: true,
  },
  {
    name: "use after close",
    code: "closed",
    run: ({ shop, now }) => {
      shop.close();
      shop.close();
      return shop.rank({ now });
    },
  },
  { name: "no model", code: "invalid_argument", mentions: "model", run: ({ load }) => load({}) },
];

/** An array whose content is somewhere else now, as after a transfer to a worker. */
function moved(array) {
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

/** All raw inputs, filled with zeros. */
async function zeros(shop, rows) {
  const ports = await shop.inputs();
  return Object.fromEntries(
    ports.map(({ name, kind, rows: each, len, width }) => [
      name,
      new (kind === "i32" ? Int32Array : Float32Array)((each === "shared" ? 1 : rows) * len * width),
    ]),
  );
}

/** Runs all trials; returns what came of each, ready to leave a page as JSON. */
export async function runTrials({ load, ShelfedgeError }, options, now) {
  const read = async (name) =>
    typeof options.parts === "object"
      ? options.parts[name]
      : new Uint8Array(await (await fetch(`${options.model}${name === "shelf" ? "model.shelf" : "manifest.json"}`)).arrayBuffer());
  const parts = { manifest: await read("manifest"), shelf: await read("shelf") };
  const { parts: _, ...loading } = options;
  const found = [];
  for (const { name, run } of trials) {
    const shop = await load(loading);
    try {
      found.push({ name, value: await run({ load, options: loading, parts, shop, now }) ?? null });
    } catch (error) {
      found.push({
        name,
        error: { ours: error instanceof ShelfedgeError, code: error.code, message: String(error.message), faults: error.faults ?? [] },
      });
    } finally {
      shop.close();
    }
  }
  return found;
}
