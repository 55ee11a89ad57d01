// The installed package in Chromium, from a bare <script type="module"> under a
// strict content security policy: in a worker and on the page's own thread.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { launch, openPage } from "../lib/chromium.mjs";
import { checkReplay, checkSame, golden, goldenOf } from "../lib/golden.mjs";
import { limited } from "../lib/limited.mjs";
import { bundle, here, logged } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";
import { serve } from "../lib/serve.mjs";
import { checkTrials } from "../lib/trials-check.mjs";

let project, server, browser;

before(async () => {
  project = freshProject();
  server = await serve({
    "/": Buffer.from(`<!doctype html><html lang="en"><meta charset="utf-8"><title>A shop</title><script type="module" src="/page.mjs"></script></html>`),
    "/page.mjs": Buffer.from(`
      import { load, ShelfedgeError } from "/shelfedge/index.js";
      import { load as loadFull } from "/shelfedge/full.js";
      import { replay } from "/lib/replay.mjs";
      import { runTrials } from "/lib/trials.mjs";
      globalThis.page = { load, loadFull, ShelfedgeError, replay, runTrials };`),
    "/lib/": join(here, "lib"),
    "/shelfedge/": join(project.installed, "dist"),
    "/models/ranking/": bundle,
    ...Object.fromEntries(logged.map((folder) => [`/models/${basename(folder)}/`, folder])),
    "/broken/model.shelf": Buffer.from("no model"),
    "/limited.wasm": Buffer.from(limited(readFileSync(join(project.installed, "dist/shelfedge_bg.wasm")), 40)),
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.close();
  project?.remove();
});

/** A page with the package loaded, and nothing complained about once the body is done. */
async function visit(body) {
  const { page, context, complaints } = await openPage(browser, server.address);
  try {
    await page.waitForFunction(() => globalThis.page !== undefined);
    await body(page, context);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

const outcomes = {};

for (const worker of [undefined, false]) {
  test(`golden cases, ${worker === undefined ? "in a worker by default" : "on the main thread"}`, () =>
    visit(async (page) => {
      const options = { model: "/models/ranking/", ...(worker === undefined ? {} : { worker }) };
      const replaying = page.evaluate(
        ([options, golden]) => globalThis.page.replay(globalThis.page.load, options, golden),
        [options, { cases: golden.cases }],
      );
      const started = worker === undefined ? await page.waitForEvent("worker") : undefined;
      outcomes[String(worker)] = await replaying;
      if (started) assert.match(started.url(), /\/shelfedge\/worker\.js$/);
      else assert.equal(page.workers().length, 0);
      checkReplay(outcomes[String(worker)]);
    }));

  test(`bad input, ${worker === undefined ? "in a worker" : "on the main thread"}`, () =>
    visit(async (page) => {
      const options = { model: "/models/ranking/", ...(worker === undefined ? {} : { worker }) };
      const now = JSON.stringify(golden.cases[0].request.now);
      const found = await page.evaluate(
        ([options, now]) => globalThis.page.runTrials(globalThis.page, options, JSON.parse(now)),
        [options, now],
      );
      checkTrials(found);
    }));
}

for (const folder of logged) {
  test(`golden cases of a model with a log: ${basename(folder)}`, () =>
    visit(async (page) => {
      const golden = goldenOf(folder);
      const replay = (worker) =>
        page.evaluate(
          ([options, golden]) => globalThis.page.replay(globalThis.page.loadFull, options, golden),
          [{ model: `/models/${basename(folder)}/`, worker }, { cases: golden.cases }],
        );
      const inWorker = await replay(true);
      checkReplay(inWorker, golden);
      checkSame(await replay(false), inWorker, "the worker");
    }));
}

test("both engines at once on the main thread, each with its models", () =>
  visit(async (page) => {
    const lists = await page.evaluate(async () => {
      const { load, loadFull } = globalThis.page;
      const now = "2011-12-10T10:00:00Z";
      const shops = await Promise.all([load({ model: "/models/ranking/", worker: false }), loadFull({ model: "/models/basket/", worker: false })]);
      return Promise.all(shops.map(async (shop) => (await shop.rank({ now, limit: 5 })).items.length));
    });
    assert.deepEqual(lists, [5, 5]);
  }));

test("the worker's bits are the main thread's", () => checkSame(outcomes.undefined, outcomes.false, "the main thread"));

test("a closed worker is gone, and an abort stops a load", () =>
  visit(async (page) => {
    const codes = await page.evaluate(async () => {
      const { load } = globalThis.page;
      const codes = [];
      const shop = await load({ model: "/models/ranking/" });
      const pending = shop.rank({ limit: 3 }).catch(({ code }) => codes.push(code));
      shop.close();
      await pending;
      await shop.profile.get().catch(({ code }) => codes.push(code));
      const stop = new AbortController();
      const loading = load({ model: "/models/ranking/", signal: stop.signal }).catch(({ code }) => codes.push(code));
      stop.abort();
      await loading;
      const later = new AbortController();
      const open = await load({ model: "/models/ranking/", signal: later.signal });
      later.abort();
      await open.rank().catch(({ code }) => codes.push(code));
      return codes;
    });
    assert.deepEqual(codes, ["closed", "closed", "aborted", "closed"]);
    // The browser tells of a worker's end a little later.
    for (let wait = 0; page.workers().length > 0 && wait < 50; wait++) await page.waitForTimeout(100);
    assert.equal(page.workers().length, 0);
  }));

test("an engine that fails in a worker ends it, and says so to every call", () =>
  visit(async (page) => {
    const found = await page.evaluate(async () => {
      const { load } = globalThis.page;
      const shop = await load({ model: "/models/ranking/", wasm: "/limited.wasm" });
      const told = ({ name, code, message }) => ({ name, code, message });
      const answers = await Promise.all([shop.answer(" ".repeat(2_000_000)).catch(told), shop.inputs().catch(told)]);
      answers.push(await shop.rank({ limit: 3 }).catch(told));
      const next = await load({ model: "/models/ranking/" });
      answers.push((await next.rank({ limit: 3 })).items.length);
      next.close();
      return answers;
    });
    assert.deepEqual(found.map((answer) => answer.code ?? answer), ["internal", "closed", "closed", 3]);
    for (const { name, message } of found.slice(0, 3)) {
      assert.equal(name, "ShelfedgeError");
      assert.match(message, /RuntimeError: unreachable.+Call load\(\) for another one/);
    }
    for (let wait = 0; page.workers().length > 0 && wait < 50; wait++) await page.waitForTimeout(100);
    assert.equal(page.workers().length, 0);
  }));

test("what can't be fetched, compiled or started says so", async () => {
  const { page, context } = await openPage(browser, server.address);
  await page.waitForFunction(() => globalThis.page !== undefined);
  const found = await page.evaluate(async () => {
    const { load } = globalThis.page;
    const attempt = (options) => load(options).then(() => "loaded", ({ name, code, message }) => ({ name, code, message }));
    return {
      model: await attempt({ model: "/nowhere/" }),
      shelf: await attempt({ model: "/broken/" }),
      wasm: await attempt({ model: "/models/ranking/", wasm: "/shelfedge/index.js" }),
      none: await attempt({}),
    };
  });
  await context.close();
  for (const { name } of Object.values(found)) assert.equal(name, "ShelfedgeError");
  assert.equal(found.model.code, "fetch_failed");
  assert.match(found.model.message, /nowhere\/(manifest\.json|model\.shelf) came with status 404/);
  assert.equal(found.shelf.code, "fetch_failed");
  assert.equal(found.wasm.code, "wasm_unavailable");
  assert.equal(found.none.code, "invalid_argument");
});

test("a policy without 'wasm-unsafe-eval' is an error that names it", async () => {
  const strict = await serve(
    {
      "/": Buffer.from(`<!doctype html><meta charset="utf-8"><title>x</title><script type="module" src="/page.mjs"></script>`),
      "/page.mjs": Buffer.from(`import { load } from "/shelfedge/index.js"; load({ model: "/models/ranking/", worker: false }).catch((error) => (globalThis.error = { code: error.code, message: error.message }));`),
      "/shelfedge/": join(project.installed, "dist"),
      "/models/ranking/": bundle,
    },
    { "content-security-policy": "default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'self'" },
  );
  const { page, context } = await openPage(browser, strict.address);
  await page.waitForFunction(() => globalThis.error !== undefined);
  const { code, message } = await page.evaluate(() => globalThis.error);
  await context.close();
  await strict.close();
  assert.equal(code, "wasm_unavailable");
  assert.match(message, /'wasm-unsafe-eval'/);
});

test("a worker that may not start is an error that names the way out", async () => {
  const without = await serve({
    "/": Buffer.from(`<!doctype html><meta charset="utf-8"><title>x</title><script type="module" src="/page.mjs"></script>`),
    "/page.mjs": Buffer.from(`import { load } from "/shelfedge/index.js"; load({ model: "/models/ranking/" }).catch((error) => (globalThis.error = { code: error.code, message: error.message }));`),
    "/shelfedge/": join(project.installed, "dist"),
    "/shelfedge/worker.js": Buffer.from("syntax error here"),
    "/models/ranking/": bundle,
  });
  const { page, context } = await openPage(browser, without.address);
  await page.waitForFunction(() => globalThis.error !== undefined);
  const { code, message } = await page.evaluate(() => globalThis.error);
  await context.close();
  await without.close();
  assert.equal(code, "worker_failed");
  assert.match(message, /worker: false/);
});

test("where storage is blocked the profile stays in memory, and says so", () =>
  visit(async (page) => {
    const found = await page.evaluate(async () => {
      // Before the engine's side is loaded: as in a page whose origin is opaque.
      IDBFactory.prototype.open = () => {
        throw new DOMException("Access is denied for this document.", "SecurityError");
      };
      const shop = await globalThis.page.load({ model: "/models/ranking/", worker: false });
      const refused = await shop.profile.persist(true).catch(({ name, code, message }) => ({ name, code, message }));
      await shop.observe({ name: "search" });
      const { events, persisted } = await shop.profile.get();
      shop.close();
      return { refused, events: events.length, persisted };
    });
    assert.equal(found.refused.name, "ShelfedgeError");
    assert.equal(found.refused.code, "storage_unavailable");
    assert.match(found.refused.message, /Access is denied/);
    assert.deepEqual([found.events, found.persisted], [1, false]);
  }));

test("the profile: memory by default, kept with consent, merged, exported, erased", () =>
  visit(async (page, context) => {
    /** Names of databases, and the events in ours. */
    const stored = () =>
      page.evaluate(async () => {
        const names = (await indexedDB.databases()).map(({ name }) => name);
        if (!names.includes("shelfedge")) return { names, ids: [] };
        const database = await new Promise((resolve, reject) => {
          const request = indexedDB.open("shelfedge");
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error);
        });
        const rows = await new Promise((resolve) => {
          const request = database.transaction("events").objectStore("events").getAll();
          request.onsuccess = () => resolve(request.result);
        });
        database.close();
        // Rows without an event say that their shopper consented.
        const events = rows.filter(({ event }) => event);
        return { names, ids: events.map(({ shopper, id }) => `${shopper}/${id}`).sort() };
      });
    const event = (id) => ({ name: "view_item", id, time: "2011-12-01T10:00:00Z", params: { items: [{ item_id: "85123A" }] } });

    // Without consent nothing is written, not even an empty database.
    await page.evaluate(async (event) => {
      globalThis.first = await globalThis.page.load({ model: "/models/ranking/", shopper: "ann" });
      await globalThis.first.observe(event);
    }, event("e1"));
    assert.deepEqual(await stored(), { names: [], ids: [] });

    // Consent given later keeps what the visit has seen so far, and what follows.
    await page.evaluate(async ([second, again]) => {
      await globalThis.first.profile.persist(true);
      await globalThis.first.observe([second, again]);
    }, [event("e2"), event("e1")]);
    assert.deepEqual((await stored()).ids, ["ann/e1", "ann/e2"]);

    // Another tab adds to the same profile; neither loses the other's events.
    const other = await context.newPage();
    await other.goto(server.address);
    await other.waitForFunction(() => globalThis.page !== undefined);
    await other.evaluate(async (event) => {
      globalThis.shops = [
        await globalThis.page.load({ model: "/models/ranking/", shopper: "ann", consent: { storage: true }, worker: false }),
        await globalThis.page.load({ model: "/models/ranking/", shopper: "bob", consent: { storage: true } }),
      ];
      for (const shop of globalThis.shops) await shop.observe(event);
    }, event("e3"));
    assert.deepEqual((await stored()).ids, ["ann/e1", "ann/e2", "ann/e3", "bob/e3"]);

    // The next visit finds it again; the shopper sees the same as they export.
    const { view, exported } = await page.evaluate(async () => {
      globalThis.first.close();
      globalThis.next = await globalThis.page.load({ model: "/models/ranking/", shopper: "ann", consent: { storage: true } });
      return { view: await globalThis.next.profile.get(), exported: await globalThis.next.profile.export() };
    });
    assert.equal(view.persisted, true);
    assert.deepEqual(view.events.map(({ id }) => id), ["e1", "e2", "e3"]);
    assert.deepEqual(JSON.parse(exported), { format: "shelfedge.profile.v1", ...view });

    // What another version, or a hand, left there costs nothing else.
    const read = await page.evaluate(async () => {
      const database = await new Promise((resolve) => {
        const request = indexedDB.open("shelfedge");
        request.onsuccess = () => resolve(request.result);
      });
      const store = database.transaction("events", "readwrite").objectStore("events");
      store.put({ shopper: "ann", id: "e0", event: { id: "e0", name: "stared_at_item" } });
      await new Promise((resolve) => (store.transaction.oncomplete = resolve));
      database.close();
      const again = await globalThis.page.load({ model: "/models/ranking/", shopper: "ann", consent: { storage: true } });
      const { events } = await again.profile.get();
      again.close();
      return events.map(({ id }) => id);
    });
    assert.deepEqual(read, ["e1", "e2", "e3"]);
    assert.deepEqual((await stored()).ids, ["ann/e1", "ann/e2", "ann/e3", "bob/e3"]);

    // Erasing forgets here and on the device, this shopper's only.
    const left = await page.evaluate(async () => {
      await globalThis.next.profile.erase();
      return (await globalThis.next.profile.get()).events;
    });
    assert.deepEqual(left, []);
    assert.deepEqual((await stored()).ids, ["bob/e3"]);

    // Consent outlives what was erased, also where nobody else's profile is kept.
    await page.evaluate(async (event) => {
      const stranger = await globalThis.page.load({ model: "/models/ranking/", shopper: "bob", consent: { storage: true } });
      await stranger.profile.erase();
      await stranger.observe(event);
      stranger.close();
    }, event("e3"));
    assert.deepEqual((await stored()).ids, ["bob/e3"]);

    // Withdrawing consent erases the copy and the visit goes on.
    const view2 = await page.evaluate(async (event) => {
      await globalThis.next.observe(event);
      await globalThis.next.profile.persist(false);
      return globalThis.next.profile.get();
    }, event("e4"));
    assert.equal(view2.persisted, false);
    assert.deepEqual(view2.events.map(({ id }) => id), ["e4"]);
    assert.deepEqual((await stored()).ids, ["bob/e3"]);

    // Consent refused at load erases what an earlier visit left, database and all.
    await page.evaluate(async () => {
      await globalThis.page.load({ model: "/models/ranking/", shopper: "bob", consent: { storage: false } });
    });
    assert.deepEqual(await stored(), { names: [], ids: [] });
    // The other tab notices that its copy is gone, and doesn't bring it back.
    const rest = await other.evaluate(async (event) => {
      await globalThis.shops[1].observe(event);
      return (await globalThis.shops[1].profile.get()).persisted;
    }, event("e5"));
    assert.equal(rest, false);
    await other.close();
    assert.deepEqual(await stored(), { names: [], ids: [] });
  }));
