// The kept profile in Chromium, where several tabs, shops and shoppers share one
// device: what is forgotten stays forgotten, and what may be kept is kept.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { launch } from "../lib/chromium.mjs";
import { bundle } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";
import { serve } from "../lib/serve.mjs";

let project, server, browser;

before(async () => {
  project = freshProject();
  server = await serve({
    "/": Buffer.from(`<!doctype html><html lang="en"><meta charset="utf-8"><title>A shop</title><script type="module" src="/page.mjs"></script></html>`),
    "/page.mjs": Buffer.from(`
      import { load } from "/shelfedge/index.js";
      const event = (id) => ({ name: "view_item", id, time: "2011-12-01T10:00:00Z", params: { items: [{ item_id: "85123A" }] } });
      // What this tab knows by name; a test's steps run one after another in several tabs.
      globalThis.tab = {
        shops: {},
        async open(name, options) {
          this.shops[name] = await load({ model: "/models/ranking/", ...options });
        },
        observe: (name, ...ids) => tab.shops[name].observe(ids.map(event)),
        known: async (name) => (await tab.shops[name].profile.get()).events.map(({ id }) => id),
        persisted: async (name) => (await tab.shops[name].profile.get()).persisted,
        event,
        load,
      };`),
    "/shelfedge/": join(project.installed, "dist"),
    "/models/ranking/": bundle,
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.close();
  project?.remove();
});

/** A device with tabs. Nothing may have been complained about once the body is done. */
async function device(body) {
  const context = await browser.newContext();
  const complaints = [];
  const tab = async () => {
    const page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(server.address);
    await page.waitForFunction(() => globalThis.tab !== undefined);
    return page;
  };
  // Looks without taking part: its connection is closed before anything goes on.
  const witness = await tab();
  const stored = () =>
    witness.evaluate(async () => {
      const names = (await indexedDB.databases()).map(({ name }) => name);
      if (!names.includes("shelfedge")) return "no database";
      const database = await new Promise((resolve, reject) => {
        const request = indexedDB.open("shelfedge");
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      const rows = await new Promise((resolve, reject) => {
        const request = database.transaction("events").objectStore("events").getAll();
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      database.close();
      // Rows without an event say that their shopper consented.
      return rows.filter(({ event }) => event).map(({ shopper, id }) => `${shopper}/${id}`).sort();
    });
  try {
    await body({ tab, stored, context });
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

/** Fails instead of waiting for ever. */
function inTime(promise, what) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${what} does not end`)), 10_000)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const open = (page, name, options) => page.evaluate(([name, options]) => globalThis.tab.open(name, options), [name, options]);
const observe = (page, name, ...ids) => page.evaluate(([name, ids]) => globalThis.tab.observe(name, ...ids), [name, ids]);
const known = (page, name) => page.evaluate((name) => globalThis.tab.known(name), name);
const persisted = (page, name) => page.evaluate((name) => globalThis.tab.persisted(name), name);
const erase = (page, name) => page.evaluate((name) => globalThis.tab.shops[name].profile.erase(), name);
const persist = (page, name, keep) => page.evaluate(([name, keep]) => globalThis.tab.shops[name].profile.persist(keep), [name, keep]);

const ANN = { shopper: "ann", consent: { storage: true } };
const BOB = { shopper: "bob", consent: { storage: true } };

for (const worker of [true, false]) {
  const where = worker ? "in a worker" : "on the main thread";

  test(`who forgets and still consents is kept from there on, ${where}`, () =>
    device(async ({ tab, stored }) => {
      const page = await tab();
      await open(page, "ann", { ...ANN, worker });
      await observe(page, "ann", "e1");
      await erase(page, "ann");
      assert.deepEqual(await stored(), []);
      await observe(page, "ann", "e2");
      assert.deepEqual(await stored(), ["ann/e2"]);
      assert.equal(await persisted(page, "ann"), true);
      assert.deepEqual(await known(page, "ann"), ["e2"]);
    }));

  test(`who consented is kept although others on the device are forgotten, ${where}`, () =>
    device(async ({ tab, stored }) => {
      const page = await tab();
      // Consent is there, events are not yet.
      await open(page, "ann", { ...ANN, worker });
      await open(page, "bob", { shopper: "bob", consent: { storage: false }, worker });
      assert.equal(await persisted(page, "ann"), true);
      await observe(page, "ann", "e1");
      assert.deepEqual(await stored(), ["ann/e1"]);
      // The same after the events were erased, and from another tab.
      await erase(page, "ann");
      const other = await tab();
      await open(other, "bob", { ...BOB, worker });
      await persist(other, "bob", false);
      await observe(page, "ann", "e2");
      assert.deepEqual(await stored(), ["ann/e2"]);
      // A visit that doesn't consent erases its own copy and nobody else's.
      await open(other, "carol", { shopper: "carol", worker });
      await observe(other, "carol", "e3");
      await erase(other, "carol");
      assert.deepEqual(await stored(), ["ann/e2"]);
      assert.equal(await persisted(page, "ann"), true);
    }));

  test(`consent withdrawn in one tab is withdrawn in all, ${where}`, () =>
    device(async ({ tab, stored }) => {
      const [first, second, third] = [await tab(), await tab(), await tab()];
      await open(first, "ann", { ...ANN, worker });
      await open(second, "ann", { ...ANN, worker });
      // Somebody else's profile keeps the database from being deleted.
      await open(third, "bob", { ...BOB, worker });
      await observe(third, "bob", "b1");
      await observe(second, "ann", "e1");
      await persist(first, "ann", false);
      assert.deepEqual(await stored(), ["bob/b1"]);
      assert.equal(await persisted(second, "ann"), false);
      await observe(second, "ann", "e2");
      assert.deepEqual(await stored(), ["bob/b1"]);
      // The visit goes on in memory, and bob's profile on the device.
      assert.deepEqual(await known(second, "ann"), ["e1", "e2"]);
      await observe(third, "bob", "b2");
      assert.deepEqual(await stored(), ["bob/b1", "bob/b2"]);
      // Consent given again in that tab counts again.
      await persist(second, "ann", true);
      assert.equal(await persisted(second, "ann"), true);
      await observe(second, "ann", "e3");
      assert.deepEqual(await stored(), ["ann/e1", "ann/e2", "ann/e3", "bob/b1", "bob/b2"]);
      // The first tab has withdrawn, and is not in it again by that.
      await observe(first, "ann", "e4");
      assert.deepEqual(await stored(), ["ann/e1", "ann/e2", "ann/e3", "bob/b1", "bob/b2"]);
    }));

  test(`an open tab lets the database go, ${where}`, () =>
    device(async ({ tab, stored }) => {
      const [first, second] = [await tab(), await tab()];
      await open(first, "ann", { ...ANN, worker });
      await open(second, "ann", { ...ANN, worker });
      await observe(second, "ann", "e1");
      await inTime(persist(first, "ann", false), "persist(false)");
      assert.equal(await stored(), "no database");
      await observe(second, "ann", "e2");
      assert.equal(await persisted(second, "ann"), false);
      assert.equal(await stored(), "no database");
    }));

  test(`a tab whose consent was withdrawn elsewhere can still erase, ${where}`, () =>
    device(async ({ tab, stored }) => {
      const [first, second] = [await tab(), await tab()];
      await open(first, "ann", { ...ANN, worker });
      await open(second, "ann", { shopper: "ann", consent: { storage: false }, worker });
      await persist(second, "ann", true);
      await observe(second, "ann", "e1");
      assert.deepEqual(await stored(), ["ann/e1"]);
      await inTime(erase(first, "ann"), "erase()");
      assert.equal(await stored(), "no database");
      // Nothing is brought back by the other tab.
      await observe(second, "ann", "e2");
      assert.equal(await stored(), "no database");
    }));

  test(`the last word counts, also when nobody waits for the one before, ${where}`, () =>
    device(async ({ tab, stored }) => {
      const page = await tab();
      await open(page, "ann", { shopper: "ann", worker });
      await observe(page, "ann", "e1");
      const say = (...words) =>
        page.evaluate(async (words) => {
          const { profile } = globalThis.tab.shops.ann;
          await Promise.all(words.map((word) => (word === "erase" ? profile.erase() : profile.persist(word))));
        }, words);
      await say(true, false);
      assert.equal(await stored(), "no database");
      assert.equal(await persisted(page, "ann"), false);
      await say(false, true);
      assert.deepEqual(await stored(), ["ann/e1"]);
      assert.equal(await persisted(page, "ann"), true);
      await say(false, true, "erase");
      assert.deepEqual(await stored(), []);
      assert.deepEqual(await known(page, "ann"), []);
    }));

  test(`what was kept doesn't come back to who forgets while it is read, ${where}`, () =>
    device(async ({ tab, stored }) => {
      const page = await tab();
      await open(page, "before", { ...ANN, worker });
      await observe(page, "before", "e1", "e2");
      await open(page, "ann", { shopper: "ann", worker });
      await page.evaluate(async () => {
        const { ann } = globalThis.tab.shops;
        const said = [ann.profile.persist(true), ann.profile.erase(), ann.observe(globalThis.tab.event("e3"))];
        await Promise.all(said);
      });
      assert.deepEqual(await known(page, "ann"), ["e3"]);
      assert.deepEqual(await stored(), ["ann/e3"]);
    }));

  test(`a tab that begins to keep loses nothing of what another one keeps, ${where}`, () =>
    device(async ({ tab, stored }) => {
      const page = await tab();
      await open(page, "first", { ...ANN, worker });
      const ids = await page.evaluate(async (worker) => {
        const { first } = globalThis.tab.shops;
        const ids = [];
        for (let round = 0; round < 20; round++) {
          await globalThis.tab.open("second", { shopper: "ann", worker });
          const { second } = globalThis.tab.shops;
          let running = true;
          const begun = second.profile.persist(true).finally(() => (running = false));
          while (running) {
            const batch = Array.from({ length: 3 }, (_, n) => `e${ids.length + n}`);
            ids.push(...batch);
            await Promise.all(batch.map((id) => first.observe(globalThis.tab.event(id))));
          }
          await begun;
          second.close();
        }
        return ids;
      }, worker);
      assert.deepEqual(await stored(), ids.map((id) => `ann/${id}`).sort());
    }));
}

test("a stranger's connection doesn't hold up the forgetting", () =>
  device(async ({ tab, stored }) => {
    const [page, holder] = [await tab(), await tab()];
    await open(page, "ann", ANN);
    await observe(page, "ann", "e1");
    // A script of the page's own, that opened the database and never lets go.
    await holder.evaluate(
      () =>
        new Promise((resolve) => {
          const request = indexedDB.open("shelfedge");
          request.onsuccess = () => resolve((globalThis.held = request.result));
        }).then(() => undefined),
    );
    await inTime(persist(page, "ann", false), "persist(false)");
    assert.equal(await persisted(page, "ann"), false);
    const rows = await holder.evaluate(
      () =>
        new Promise((resolve) => {
          const request = globalThis.held.transaction("events").objectStore("events").count();
          request.onsuccess = () => resolve(request.result);
        }),
    );
    assert.equal(rows, 0);
    await holder.evaluate(() => globalThis.held.close());
    assert.equal(await stored(), "no database");
    await inTime(persist(page, "ann", true), "persist(true)");
    assert.deepEqual(await stored(), ["ann/e1"]);
  }));

test("a shop that closes while it begins to keep leaves no connection", () =>
  device(async ({ tab }) => {
    const page = await tab();
    const found = await page.evaluate(async () => {
      const codes = [];
      for (let wait = 0; wait < 12; wait++) {
        const shop = await globalThis.tab.load({ model: "/models/ranking/", shopper: "ann", worker: false });
        await shop.observe(globalThis.tab.event("e1"));
        const keeping = shop.profile.persist(true).then(() => "kept", ({ code }) => code);
        for (let turn = 0; turn < wait; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
        shop.close();
        codes.push(await keeping);
        const deleted = await new Promise((resolve) => {
          const request = indexedDB.deleteDatabase("shelfedge");
          request.onsuccess = () => resolve("deleted");
          request.onblocked = () => resolve("blocked");
        });
        codes.push(deleted);
      }
      return codes;
    });
    // Early closings stop it, late ones come after it.
    assert.equal(found[0], "closed");
    for (const [index, code] of found.entries()) {
      if (index % 2 === 1) assert.equal(code, "deleted");
      else assert.ok(["closed", "kept"].includes(code), code);
    }
  }));

test("site data that the browser's own settings erase stays erased, and the visit goes on", () =>
  device(async ({ tab, stored, context }) => {
    const page = await tab();
    await open(page, "ann", ANN);
    await observe(page, "ann", "e1");
    const session = await context.newCDPSession(page);
    await session.send("Storage.clearDataForOrigin", { origin: server.address, storageTypes: "indexeddb" });
    assert.equal(await stored(), "no database");
    assert.equal(await persisted(page, "ann"), false);
    await observe(page, "ann", "e2");
    assert.deepEqual(await known(page, "ann"), ["e1", "e2"]);
    assert.equal(await stored(), "no database");
    // Asked anew, it is kept anew.
    await persist(page, "ann", true);
    assert.deepEqual(await stored(), ["ann/e1", "ann/e2"]);
  }));
