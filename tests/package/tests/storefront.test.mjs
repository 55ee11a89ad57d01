// The demo shop as a visitor meets it: `shelfedge serve` with the real model,
// the real edge component and the built package, driven in Chromium.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { launch } from "../lib/chromium.mjs";
import { root } from "../lib/paths.mjs";

const binary = process.env.SHELFEDGE_BIN;
const skip = binary ? false : "SHELFEDGE_BIN is not set: build the host (cargo build -p shelfedge-host) and name its binary there.";
const www = join(root, "www/storefront");

let state, host, address, browser;

before(async () => {
  if (skip) return;
  state = mkdtempSync(join(tmpdir(), "shelfedge-storefront-"));
  host = spawn(
    binary,
    [
      "serve", "--addr", "127.0.0.1:0", "--state", state, "--www", www,
      "--component", process.env.SHELFEDGE_EDGE_WASM ?? join(root, "target/edge.wasm"),
      "--package", join(root, "www/package/dist"), "--models", join(root, "models"),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = new Promise((_, reject) => {
    host.once("error", reject);
    host.once("exit", (code) => reject(new Error(`shelfedge serve ended with ${code} before it was ready`)));
  });
  ended.catch(() => {});
  const ready = new Promise((resolve) => {
    createInterface({ input: host.stdout }).on("line", (line) => {
      const found = /http:\/\/[\w.:[\]]+/.exec(line);
      if (found) resolve(found[0]);
    });
  });
  address = await Promise.race([ready, ended]);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  host?.kill("SIGTERM");
  if (state) rmSync(state, { recursive: true, force: true });
});

/** Runs in every page before its own scripts: what the policy refused, and what moved. */
function watch() {
  globalThis.refused = [];
  globalThis.animated = 0;
  document.addEventListener("securitypolicyviolation", (event) => globalThis.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
  const animate = Element.prototype.animate;
  Element.prototype.animate = function (...args) {
    globalThis.animated++;
    return animate.apply(this, args);
  };
}

/**
 * A visit in a context of its own. Fails on errors in the console and on
 * whatever the content security policy refused, unless `noisy` expects some.
 */
async function visit(body, { noisy = false, prepare, path = "/?lang=en", ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  try {
    const page = await context.newPage();
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.addInitScript(watch);
    await prepare?.(page);
    await page.goto(address + path);
    await body(page, context);
    assert.deepEqual(await page.evaluate(() => globalThis.refused), []);
    if (!noisy) assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

const shop = (name, body, options) => test(name, { skip }, () => visit(body, options));

/** Ids of the products in their order. */
const order = (page) => page.locator(".tile[data-id]").evaluateAll((tiles) => tiles.map((tile) => tile.dataset.id));

/** Waits until the answers have been compared, and gives the badge. */
async function badge(page, is = "same") {
  // Attached, not visible: on a phone it waits in the closed sheet.
  await page.locator(`#badge[data-state="${is}"]`).waitFor({ state: "attached" }).catch(async () => {
    const said = await page.locator("#badge, #problem").allTextContents();
    throw new Error(`the answers were not found to be "${is}"; the page says: ${said.join(" ")}`);
  });
  return page.locator("#badge").evaluate(({ textContent, title }) => ({ text: textContent, title }));
}

/** Does something that ranks anew, and waits until the list has followed. */
async function reranks(page, work, is = "same") {
  await badge(page, is);
  await page.evaluate(() => {
    document.getElementById("live").textContent = "";
  });
  await work();
  await page.waitForFunction(() => document.getElementById("live").textContent !== "");
  return badge(page, is);
}

/** Picks a shopper and waits until their list is there. */
async function pick(page, value) {
  await page.locator("#shopper").selectOption(value);
  await page.locator('#grid[aria-busy="false"]').waitFor();
  return badge(page);
}

const profile = async (page) => {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#export").click()]);
  return JSON.parse(readFileSync(await download.path(), "utf8"));
};

shop("a shopper is picked, a click changes the order, and both places give the same bytes", async (page) => {
  await badge(page);
  const customers = await page.locator("#shopper optgroup option").evaluateAll((options) => options.map(({ value }) => value));
  assert.ok(customers.length >= 10, `${customers.length} customers`);
  const first = await order(page);
  assert.equal(first.length, 24);

  await pick(page, customers[1]);
  assert.match(await page.locator("#history").textContent(), /^\d+ orders? (since|of)/);
  const theirs = await order(page);
  assert.notDeepEqual(theirs, first);

  const sent = [];
  page.on("request", (request) => request.url().endsWith("/v1/rank") && sent.push(request.postData()));
  const clicked = theirs[5];
  const { text, title } = await reranks(page, () => page.locator(`[data-id="${clicked}"] .tile-view`).click());
  assert.notDeepEqual(await order(page), theirs);
  assert.equal(sent.length, 1);
  assert.match(text, /identical bytes \([\d,]+ bytes, sha256 [0-9a-f]{12}…\)/);
  assert.match(await page.locator("#times").textContent(), /1 of 1|2 of 2|3 of 3/);

  // The badge is not believed: the same request is asked again, from here.
  const response = await fetch(`${address}/v1/rank`, { method: "POST", headers: { "content-type": "application/json" }, body: sent[0] });
  const bytes = Buffer.from(await response.arrayBuffer());
  assert.equal(response.status, 200);
  assert.equal(title, `sha256 ${createHash("sha256").update(bytes).digest("hex")}`);
  assert.ok(text.includes(`(${bytes.length.toLocaleString("en")} bytes`), text);
  assert.deepEqual(JSON.parse(bytes).items.map(({ item_id }) => item_id), await order(page));

  // And the panel says why, with the reasons of that very answer.
  const item = JSON.parse(bytes).items.find(({ item_id }) => item_id === clicked);
  if (item) assert.equal(await page.locator("#why .bars li").count(), item.reasons.length);
  assert.match(await page.locator("#why").textContent(), /Place \d+ of 24/);
});

shop("a new shopper's list follows the clicks, and moves", async (page) => {
  await badge(page);
  await pick(page, "");
  assert.equal(await page.locator("h1").textContent(), "Popular now");
  const fresh = await order(page);
  const animated = await page.evaluate(() => globalThis.animated);
  await reranks(page, () => page.locator(`[data-id="${fresh[7]}"] .tile-view`).click());
  assert.notDeepEqual(await order(page), fresh);
  assert.match(await page.locator("#live").textContent(), /^List updated: .+ is now first; \d+ products? moved\.$/);
  assert.ok((await page.evaluate(() => globalThis.animated)) > animated);
});

shop("nothing moves for who asked for calm", async (page) => {
  await reranks(page, () => page.locator(".tile-view").nth(5).click());
  assert.equal(await page.evaluate(() => globalThis.animated), 0);
}, { reducedMotion: "reduce" });

shop("the keyboard alone does it all", async (page) => {
  await badge(page);
  const focused = () => page.evaluate(() => {
    const { id, className, dataset } = document.activeElement;
    return { id, className, act: dataset.act, product: document.activeElement.closest("[data-id]")?.dataset.id };
  });
  await page.keyboard.press("Tab");
  assert.equal((await focused()).className, "skip");
  await page.keyboard.press("Enter");
  assert.equal((await focused()).id, "products");
  for (let i = 0; (await focused()).act !== "view"; i++) {
    assert.ok(i < 15, "no product within 15 steps of the skip link");
    await page.keyboard.press("Tab");
  }
  // Looking is enough to be told why.
  const { product } = await focused();
  assert.ok((await page.locator("#why").textContent()).includes(product));
  await reranks(page, () => page.keyboard.press("Enter"));
  assert.deepEqual({ ...(await focused()), className: "" }, { id: "", className: "", act: "view", product });
  await page.keyboard.press("Tab");
  assert.equal((await focused()).act, "add");
  await reranks(page, () => page.keyboard.press("Enter"));
  const after = await focused();
  assert.equal(after.product, product);
  assert.match(after.act, /more|fewer/);
  assert.equal(await page.locator("#basket-count").textContent(), "1");

  await page.locator("#basket-open").focus();
  await page.keyboard.press("Enter");
  assert.ok(await page.locator("#basket").evaluate((dialog) => dialog.open));
  await page.keyboard.press("Escape");
  assert.equal((await focused()).id, "basket-open");
});

shop("the basket adds up, and a purchase joins the profile", async (page) => {
  await badge(page);
  const [one, two] = await order(page);
  await reranks(page, () => page.locator(`#grid [data-id="${one}"] .add`).click());
  await reranks(page, () => page.locator(`#grid [data-id="${one}"] [data-act="more"]`).click());
  await reranks(page, () => page.locator(`#grid [data-id="${two}"] .add`).click());
  await page.locator("#basket-open").click();
  const shown = await page.locator("#lines strong").evaluateAll((sums) => sums.map(({ textContent }) => textContent));
  const pence = (text) => Math.round(Number(text.replace(/[£,]/g, "")) * 100);
  assert.equal(shown.length, 2);
  assert.equal(pence(await page.locator("#total").textContent()), pence(shown[0]) + pence(shown[1]));
  await reranks(page, () => page.locator("#buy").click());
  assert.match(await page.locator("#basket-status").textContent(), /^Ordered: 3 items, £/);
  await page.locator("#basket-close").click();
  const { format, events } = await profile(page);
  assert.equal(format, "shelfedge.profile.v1");
  const [purchase] = events.filter(({ name, id }) => name === "purchase" && Number(id) > 581_587);
  assert.deepEqual(purchase.params.items.map(({ item_id, quantity }) => [item_id, quantity]), [[one, 2], [two, 1]]);
  assert.deepEqual(events.filter(({ name }) => name === "add_to_cart").length, 3);
  assert.match(await page.locator("#history").textContent(), /1 more in this visit/);
});

shop("nothing leaves the page when comparing is off, and nothing is kept unasked", async (page) => {
  await badge(page);
  await page.locator("#compare").uncheck();
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  const { text } = await reranks(page, () => page.locator(".tile-view").nth(6).click(), "off");
  assert.match(text, /nothing leaves this page/);
  assert.deepEqual(requests, []);
  assert.deepEqual(await page.evaluate(async () => [(await indexedDB.databases()).length, localStorage.length, document.cookie]), [0, 0, ""]);
});

shop("kept with consent, found again, erased for good", async (page) => {
  const viewed = async () => (await profile(page)).events.filter(({ name }) => name === "view_item").length;
  await reranks(page, () => page.locator("#keep").check());
  await reranks(page, () => page.locator(".tile-view").nth(3).click());
  assert.equal(await viewed(), 1);
  await page.reload();
  await badge(page);
  assert.ok(await page.locator("#keep").isChecked());
  assert.equal(await viewed(), 1);
  // The clock goes on where the kept visit ended, or its events would lie ahead.
  await reranks(page, () => page.locator(".tile-view").nth(3).click());
  assert.equal(await viewed(), 2);

  // Somebody else on the same device: the first one's copy does not stay behind.
  const other = await page.locator("#shopper optgroup option").nth(4).getAttribute("value");
  await pick(page, other);
  const kept = () => page.evaluate(() => new Promise((resolve) => {
    indexedDB.open("shelfedge").onsuccess = ({ target: { result: database } }) => {
      database.transaction("events").objectStore("events").getAll().onsuccess = ({ target }) => {
        database.close();
        resolve([...new Set(target.result.map(({ shopper }) => shopper))]);
      };
    };
  }));
  assert.deepEqual(await kept(), [other]);

  await reranks(page, () => page.locator("#erase").click());
  assert.match(await page.locator("#profile-status").textContent(), /^Erased/);
  assert.deepEqual((await profile(page)).events, []);
  assert.equal(await page.locator("#keep").isChecked(), false);
  await reranks(page, () => page.locator(".tile-view").nth(1).click());
  assert.deepEqual(await page.evaluate(async () => [(await indexedDB.databases()).length, localStorage.length]), [0, 0]);
});

shop("Chinese, all of it", async (page) => {
  await badge(page);
  assert.equal(await page.evaluate(() => document.documentElement.lang), "zh-Hans");
  assert.match(await page.locator("#badge").textContent(), /逐字节相同/);
  assert.match(await page.locator("#why .bars li").first().textContent(), /\p{Script=Han}/u);
  const untranslated = await page.locator("[data-t]").evaluateAll((nodes) => nodes.map(({ textContent }) => textContent).filter((text) => !/\p{Script=Han}/u.test(text)));
  assert.deepEqual(untranslated, []);
  await page.locator('[data-lang="en"]').click();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "en");
  assert.equal(await page.locator("h1").textContent(), "Picked for you");
}, { path: "/?lang=zh" });

const refuse = `indexedDB.open = () => {
  const request = { error: new DOMException("refused", "UnknownError") };
  setTimeout(() => request.onerror());
  return request;
};`;

shop("a device that refuses to keep the profile costs only the keeping", async (page) => {
  await badge(page);
  await reranks(page, () => page.locator("#keep").click());
  assert.match(await page.locator("#profile-status").textContent(), /^storage_unavailable/);
  assert.equal(await page.locator("#keep").isChecked(), false);
  await page.evaluate(() => localStorage.setItem("shelfedge.demo", '{"keep":true}'));
  await page.reload();
  await badge(page);
  assert.equal(await page.locator("#keep").isChecked(), false);
  assert.equal(await page.evaluate(() => localStorage.length), 0);
}, {
  // The engine's side, with its storage, lives in the worker.
  prepare: (page) => page.route("**/package/worker.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${refuse}\n${await response.text()}` });
  }),
});

shop("search and shelves rank what they name", async (page) => {
  await badge(page);
  await page.locator("#query").fill("lunch bag");
  await page.waitForFunction(() => document.querySelector("h1").textContent.includes("lunch bag"));
  await badge(page);
  const titles = await page.locator(".tile-view").evaluateAll((views) => views.map(({ textContent }) => textContent.toLowerCase()));
  assert.ok(titles.length > 3 && titles.every((title) => title.includes("lunch") && title.includes("bag")), titles.join(", "));
  await page.locator("#query").fill("zzzz");
  await page.waitForFunction(() => document.querySelectorAll(".tile").length === 0);
  await page.locator('[data-shelf="christmas"]').click();
  await page.locator(".tile[data-id]").first().waitFor();
  await badge(page);
});

shop("an edge that is down, refuses or lies is said to", async (page) => {
  await badge(page);
  const click = () => page.evaluate(() => document.querySelectorAll(".tile-view")[4].click());
  const answers = async (handler, is) => {
    await page.route("**/v1/rank", handler);
    await click();
    const said = await badge(page, is);
    await page.unroute("**/v1/rank");
    // Back to what is true, so that the next state is seen to come.
    await click();
    await badge(page);
    return said.text;
  };
  assert.match(await answers((route) => route.abort(), "down"), /did not answer \(Failed to fetch\)/);
  assert.match(
    await answers((route) => route.fulfill({ status: 503, contentType: "application/problem+json", body: '{"code":"deadline_exceeded"}' }), "down"),
    /HTTP 503 deadline_exceeded/,
  );
  const tampered = await answers(async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replace('"index":0', '"index":1') });
  }, "differ");
  assert.match(tampered, /differ: ([\d,]+) and \1 bytes, first at byte \d+/);
  const older = await answers(async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replace(/"model":"sha256:\w{12}/, '"model":"sha256:0123456789ab') });
  }, "differ");
  assert.match(older, /the edge 0123456789ab…/);
}, { noisy: true });

shop("a model that can't be had says so, and trying again helps", async (page) => {
  await page.locator("#problem").waitFor();
  assert.match(await page.locator("#problem").textContent(), /fetch_failed.*model\.shelf.*404/s);
  await page.unroute("**/model.shelf");
  await page.locator("#problem button").click();
  await badge(page);
  assert.equal(await page.locator("#problem").isVisible(), false);
}, { noisy: true, prepare: (page) => page.route("**/model.shelf", (route) => route.fulfill({ status: 404, body: "gone" })) });

shop("a browser without WebAssembly is told", async (page) => {
  await page.locator("#problem").waitFor();
  assert.match(await page.locator("#problem").textContent(), /wasm_unavailable/);
}, { prepare: (page) => page.addInitScript(() => delete globalThis.WebAssembly) });

shop("a phone: nothing is wider than it, and the panel is a sheet", async (page) => {
  await badge(page);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  assert.equal(await page.locator("#panel-body").isVisible(), false);
  await page.locator("#panel-bar").click();
  assert.equal(await page.locator("#panel-bar").getAttribute("aria-expanded"), "true");
  assert.ok(await page.locator("#why").isVisible());
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#panel-body").isVisible(), false);
}, { viewport: { width: 360, height: 740 }, hasTouch: true });

shop("forced colours: what is pressed and what is looked at are seen to be", async (page) => {
  await badge(page);
  await reranks(page, () => page.locator(".tile-view").nth(2).click());
  const looks = (selector) => page.locator(selector).evaluateAll((nodes) => nodes.map((node) => {
    const { backgroundColor, color } = getComputedStyle(node);
    return { pressed: node.getAttribute("aria-pressed") === "true", look: `${color} on ${backgroundColor}`, readable: color !== backgroundColor };
  }));
  for (const group of [".shelves button", ".languages button"]) {
    const buttons = await looks(group);
    assert.equal(buttons.filter(({ pressed }) => pressed).length, 1, group);
    assert.ok(buttons.every(({ readable }) => readable), group);
    const { look } = buttons.find(({ pressed }) => pressed);
    assert.ok(buttons.every((button) => button.pressed || button.look !== look), `${group}: ${JSON.stringify(buttons)}`);
  }
  const outlines = await page.locator(".tile article").evaluateAll((tiles) => tiles.map((tile) => [tile.querySelector("[aria-current]") !== null, getComputedStyle(tile).outlineStyle !== "none"]));
  assert.ok(outlines.some(([current]) => current));
  for (const [current, outlined] of outlines) assert.equal(outlined, current);
}, { forcedColors: "active" });

for (const [width, height] of [[640, 450], [720, 450], [844, 390], [1280, 450]]) {
  shop(`${width} x ${height}, a laptop at 200 % or a phone on its side: the first screen shows products`, async (page) => {
    await badge(page);
    const first = await page.locator(".tile[data-id]").first().evaluate((tile) => {
      const bar = document.getElementById("panel-bar").getBoundingClientRect();
      const { top, bottom, left, right } = tile.querySelector(".tile-view").getBoundingClientRect();
      return { top, bottom, left, right, foot: bar.height > 0 ? bar.top : innerHeight, wide: document.documentElement.scrollWidth };
    });
    // Its whole title, above the panel's bar.
    assert.ok(first.top > 0 && first.bottom <= first.foot && first.left >= 0 && first.right <= width, JSON.stringify(first));
    assert.equal(first.wide, width);
  }, { viewport: { width, height } });
}

test("the shop itself stays small", () => {
  const files = readdirSync(www).filter((name) => /\.(html|css|js|svg)$/.test(name));
  const bytes = files.reduce((sum, name) => sum + statSync(join(www, name)).size, 0);
  assert.ok(files.length >= 6 && bytes < 93_000, `${files.length} files, ${bytes} bytes`);
});

shop("the assistant knows the shopper's orders and the catalogue's prices, and sends nothing", async (page) => {
  await pick(page, "c14092");
  const chat = page.locator("shelfedge-chat");
  const fetched = [];
  page.on("request", (request) => fetched.push(new URL(request.url()).pathname));
  await chat.getByRole("button", { name: "Ask the assistant" }).click();
  const price = await page.locator(".tile .price").first().textContent();
  await chat.getByRole("group", { name: "Suggested answers" }).getByRole("button", { name: /^How much does the/ }).click();
  await chat.getByText(`costs ${price.slice(1)} GBP`).waitFor();
  fetched.length = 0;
  const say = async (text) => {
    await chat.getByRole("textbox").fill(text);
    await chat.getByRole("textbox").press("Enter");
  };
  await say("Where is my order?");
  await chat.getByText(/1\. 580221, 2 December 2011/).waitFor();
  await say("the second one");
  await chat.getByText("Order 580214 was delivered on 5 December 2011").waitFor();
  await say("Please cancel order 580221");
  await chat.getByText("so it can't be cancelled any more").waitFor();
  await say("I want to talk to a person, my mail is ann@example.com");
  await page.locator("#handover[open]").waitFor();
  const packet = await page.locator("#packet").textContent();
  assert.match(JSON.parse(packet).reason, /asked/);
  assert.doesNotMatch(packet, /ann@example/);
  assert.deepEqual(fetched, [], "nothing that is written leaves the page");
});
