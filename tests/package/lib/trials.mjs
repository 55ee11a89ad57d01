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
    // A web server's page, say, where the manifest should be.
    name: "a manifest of the wrong size",
    run: async ({ load, options, parts }) => {
      const padded = (size) => {
        const manifest = new Uint8Array(size).fill(32);
        manifest.set(parts.manifest);
        return { ...options, model: { manifest, shelf: parts.shelf } };
      };
      const open = await load(padded(65_536));
      open.close();
      return load(padded(65_537)).catch(({ code, faults }) => [code, ...faults.map(({ path, action }) => `${path}: ${action}`)]);
    },
    passes: ["invalid_argument", "model.manifest: Give a file of a bundle, of at most 65536 bytes."],
  },
  {
    name: "a model that fits nowhere, and other shops go on",
    run: async ({ load, options, parts, shop, now }) => [
      await where(load({ ...options, model: { manifest: parts.manifest, shelf: new Uint8Array(2 ** 30 + 1) } })),
      (await shop.rank({ now, limit: 3 })).items.length,
    ],
    passes: ["invalid_argument model.shelf", 3],
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
      const numbers = new Float32Array(4);
      return [
        await where(shop.observe(numbers)),
        await where(shop.observe({ name: "view_item", params: { items: numbers } })),
        await where(shop.rank({ now, seed: numbers })),
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
  {
    name: "options that are none",
    run: async ({ load, shop }) => [
      await where(load()),
      await where(load(null)),
      await where(load("/models/ranking/")),
      await where(shop.rank(null)),
      await where(shop.rank("soon")),
      await where(shop.rankBulk(7)),
      await where(shop.request(new Float32Array(4))),
      await where(shop.score()),
      await where(shop.score(null)),
    ],
    passes: Array(9).fill("invalid_argument options"),
  },
  {
    name: "every option of load() that is none, at once",
    run: ({ load, options }) => where(load({ ...options, worker: "no", consent: true, clock: 5, signal: 5 })),
    passes: "invalid_argument worker consent clock signal",
  },
  {
    name: "options of load() that are null are left out",
    run: async ({ load, options, now }) => {
      const open = await load({ ...options, wasm: null, consent: null, shopper: null, clock: null, signal: null });
      const { items } = await open.rank({ now, limit: 3, candidates: null, context: null });
      const { shopper } = await open.profile.get();
      open.close();
      return [items.length, shopper];
    },
    passes: [3, null],
  },
  {
    name: "a clock that throws, or tells no time",
    run: async ({ load, options }) => {
      const found = [];
      for (const clock of [() => { throw new Error("no battery"); }, () => NaN, () => "soon", () => 5n]) {
        const open = await load({ ...options, clock });
        found.push(await where(open.rank()), await where(open.observe({ name: "search" })));
        open.close();
      }
      return found;
    },
    passes: Array(8).fill("invalid_argument clock"),
  },
  {
    name: "a model whose parts are none",
    run: async ({ load, options, parts }) => {
      const used = new Response(parts.shelf);
      await used.arrayBuffer();
      return [
        await where(load({ ...options, model: 5 })),
        await where(load({ ...options, model: {} })),
        await where(load({ ...options, model: { manifest: parts.manifest } })),
        await where(load({ ...options, model: { manifest: parts.manifest, shelf: used } })),
        await where(load({ ...options, model: { manifest: parts.manifest, shelf: moved(parts.shelf.slice()) } })),
        await where(load({ ...options, model: { manifest: parts.manifest, shelf: moved(parts.shelf.slice()).buffer } })),
        await where(load({ ...options, wasm: 5 })),
        await where(load({ ...options, wasm: moved(new Uint8Array(8)) })),
      ];
    },
    passes: ["invalid_argument model", "invalid_argument model.manifest", ...Array(4).fill("invalid_argument model.shelf"), ...Array(2).fill("invalid_argument wasm")],
  },
  {
    name: "addresses that name nothing",
    run: async ({ load, options, parts }) => [
      await where(load({ ...options, model: "" })),
      await where(load({ ...options, model: " \n" })),
      await where(load({ ...options, model: { manifest: "", shelf: parts.shelf } })),
      await where(load({ ...options, wasm: "" })),
    ],
    passes: ["invalid_argument model", "invalid_argument model", "invalid_argument model.manifest", "invalid_argument wasm"],
  },
  {
    // Each is refused at load, or each is ranked for: never the one without the other.
    name: "a shopper is refused at load, by the wire's rule",
    run: async ({ load, options, shop, now }) => {
      const found = [];
      for (const shopper of ["x".repeat(64), "茶".repeat(21), "\u{1f381}".repeat(16), " ", "", "x".repeat(65), "茶".repeat(22), "\u{1f381}".repeat(17), "a\nb", "a\u0085b", "\ud800", "a\udc00b"]) {
        const wire = await where(shop.answer(JSON.stringify({ now, shopper, limit: 1 })));
        const open = load({ ...options, shopper });
        const here = await where(open);
        if (here === "passed") {
          found.push(`${here} ${await where((await open).rank({ now, limit: 1 }))} ${wire}`);
          (await open).close();
        } else found.push(`${here}, ${wire}`);
      }
      return found;
    },
    passes: [
      ...Array(4).fill("passed passed passed"),
      ...Array(6).fill("invalid_argument shopper, invalid_request shopper"),
      ...Array(2).fill("invalid_argument shopper, malformed_json "),
    ],
  },
  {
    name: "a shopper that is no text",
    run: async ({ load, options }) => [await where(load({ ...options, shopper: 5 })), await where(load({ ...options, shopper: {} }))],
    passes: ["invalid_argument shopper", "invalid_argument shopper"],
  },
  {
    name: "consent is yes or no, and nothing is kept for less",
    run: async ({ load, options, shop }) => {
      const found = [];
      for (const word of ["no", "", 0, 1, null, {}]) {
        found.push(await where(shop.profile.persist(word)));
        found.push(await where(load({ ...options, consent: { storage: word } })));
      }
      return [new Set(found).size, found[0], found[1], await where(shop.profile.persist()), (await shop.profile.get()).persisted];
    },
    passes: [2, "invalid_argument keep", "invalid_argument consent.storage", "invalid_argument keep", false],
  },
  {
    name: "arguments that are none, or throw when they are read",
    run: async ({ shop, now }) => {
      const trap = { get limit() { throw new Error("gone"); } };
      return [
        await where(shop.answer()),
        await where(shop.answer({ now })),
        await where(shop.score({ rows: 1 })),
        await where(shop.score({ rows: 1, inputs: "all" })),
        await where(shop.rank({ now, context: "mobile" })),
        await where(shop.rank(trap)),
        await where(shop.rank({ now, listId: new (class { toJSON() { throw new Error("gone"); } })() })),
        await where(shop.observe({ name: "search", params: { get items() { throw new Error("gone"); } } })),
        await where(shop.rank({ now: 5n })),
        await where(shop.rank({ now: Symbol("soon") })),
      ];
    },
    passes: [
      ...Array(2).fill("invalid_argument body"), ...Array(2).fill("invalid_argument inputs"), "invalid_argument context",
      ...Array(2).fill("invalid_argument options"), "invalid_argument events", ...Array(2).fill("invalid_request now"),
    ],
  },
];

/** What a call was refused with: its code, and the paths of its faults. */
function where(call) {
  return call.then(
    () => "passed",
    (error) => [error.name === "ShelfedgeError" ? error.code : String(error), ...(error.faults ?? []).map(({ path }) => path)].join(" "),
  );
}

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
