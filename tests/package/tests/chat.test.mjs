// Conversations of the installed package: in Node, and in Chromium under a strict content
// security policy; the shop's actions, and what happens when they fail.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { launch, openPage } from "../lib/chromium.mjs";
import { goldenOf } from "../lib/golden.mjs";
import { root } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";
import { serve } from "../lib/serve.mjs";

const model = join(root, "models/chat");
const { cases } = goldenOf(model);
const NOW = new Date("2026-01-15T09:00:00Z");

let project, server, browser, shelfedge, assistant;
before(async () => {
  project = freshProject();
  shelfedge = await import(pathToFileURL(join(project.installed, "dist/assistant-node.js")));
  assistant = await shelfedge.loadAssistant({ model });
  server = await serve({
    "/": Buffer.from(`<!doctype html><html lang="en"><meta charset="utf-8"><title>A shop</title><script type="module" src="/page.mjs"></script></html>`),
    "/page.mjs": Buffer.from(`
      import { loadAssistant } from "/shelfedge/assistant.js";
      globalThis.page = { loadAssistant };`),
    "/shelfedge/": join(project.installed, "dist"),
    "/models/chat/": model,
  });
  browser = await launch();
});
after(async () => {
  assistant?.close();
  await browser?.close();
  await server?.close();
  project?.remove();
});

/** What a shop would know of its orders. */
const ORDERS = { 123456: { outcome: "shipped", facts: { carrier: "DHL", arrives_on: "Friday" } } };
const actions = {
  recent_orders: () => ({ outcome: "found", items: [{ kind: "order_number", value: "123456", label: "123456: a lamp" }] }),
  order_status: ({ order }) => ORDERS[order] ?? { outcome: "not_found" },
};
const begin = (options) => assistant.chat({ actions, clock: () => NOW, ...options });
const refused = (work) => work.then(() => "accepted", (error) => [error instanceof shelfedge.ShelfedgeError, error.code].join(" "));

/** A turn's state goes into the next of its conversation. */
const requests = cases.map(({ conversation, request }, n) => {
  const before = cases[n - 1];
  return before?.conversation === conversation ? { ...request, state: JSON.parse(before.response).state } : request;
});

test("golden conversations in Node, byte for byte", () => {
  assert.ok(cases.length >= 32, `${cases.length} golden turns`);
  for (const [n, { conversation, response }] of cases.entries()) {
    assert.equal(assistant.turn(requests[n]), response, `turn ${n}, of ${conversation}`);
  }
});

test("golden conversations in a page, byte for byte", async () => {
  const { page, context, complaints } = await openPage(browser, server.address);
  try {
    await page.waitForFunction(() => globalThis.page !== undefined);
    const answers = await page.evaluate(
      async (requests) => {
        const assistant = await globalThis.page.loadAssistant({ model: "/models/chat/" });
        const answers = requests.map((request) => assistant.turn(request));
        assistant.close();
        return answers;
      },
      requests,
    );
    for (const [n, { conversation, response }] of cases.entries()) assert.equal(answers[n], response, `turn ${n}, of ${conversation}`);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
});

test("the shop's actions are called, and what they bring is said", async () => {
  const chat = begin();
  const listed = await chat.say("Where is my order?");
  assert.equal(listed.intent.label, "order_status");
  assert.match(listed.replies[0], /123456: a lamp/);
  assert.deepEqual(listed.place, { flow: "order_status", state: "which" });
  const told = await chat.say("the first one");
  assert.deepEqual(told.failed, []);
  assert.match(told.replies.join(" "), /order 123456 is on its way with DHL and should arrive on Friday/);
  assert.equal(chat.transcript.filter(({ who }) => who === "customer").length, 2);
  assert.deepEqual(
    chat.transcript.map(({ text }) => text).filter((text) => told.replies.includes(text)),
    told.replies,
  );
});

test("a Chinese customer is answered in Chinese", async () => {
  const chat = begin();
  const turn = await chat.say("我的订单到哪里了？");
  assert.equal(turn.language, "zh");
  assert.match(turn.replies.join(""), /[\u4e00-\u9fff]/u);
});

test("an action that throws, is missing, comes late or brings nonsense fetches a person; nothing is made up", async () => {
  const bad = {
    throws: () => {
      throw new Error("the shop's database is away");
    },
    rejects: async () => Promise.reject(new TypeError("no")),
    nothing: () => undefined,
    nonsense: () => ({ outcome: 7 }),
    missing: undefined,
  };
  for (const [name, order_status] of Object.entries(bad)) {
    const { recent_orders } = actions;
    const chat = begin({ actions: { recent_orders, ...(order_status && { order_status }) } });
    await chat.say("Where is my order?");
    const turn = await chat.say("123456");
    assert.equal(turn.failed.length, 1, name);
    assert.equal(turn.failed[0].action, "order_status", name);
    assert.ok(turn.person, `${name}: ${JSON.stringify(turn.replies)}`);
    assert.doesNotMatch(turn.replies.join(" "), /DHL|on its way/, name);
  }
});

test("an outcome that the flows don't know, or without its facts, fetches a person", async () => {
  for (const outcome of [{ outcome: "teleported", facts: ORDERS[123456].facts }, { outcome: "shipped", facts: { carrier: "DHL" } }]) {
    const chat = begin({ actions: { ...actions, order_status: () => outcome } });
    await chat.say("Where is my order?");
    const turn = await chat.say("123456");
    assert.ok(turn.person, JSON.stringify(turn));
    assert.doesNotMatch(turn.replies.join(" "), /DHL/);
    // The shop's developer is told what is wrong with it.
    const [{ action, error }] = turn.failed;
    assert.equal(action, "order_status");
    assert.ok(error instanceof shelfedge.ShelfedgeError);
    const [code, path] = outcome.outcome === "shipped" ? ["field_missing", "outcome.facts.arrives_on"] : ["outcome_unknown", "outcome.name"];
    assert.deepEqual(error.faults.map((fault) => [fault.code, fault.path]), [[code, path]]);
  }
});

test("the engine is told the time with the offset of the customer's zone", () => {
  for (const [zone, now] of [["Asia/Kolkata", "2026-01-15T14:30:00.000+05:30"], ["America/St_Johns", "2026-01-15T05:30:00.000-03:30"], ["UTC", "2026-01-15T09:00:00.000+00:00"]]) {
    const source = `
      import { chatAt } from ${JSON.stringify(pathToFileURL(join(project.installed, "dist/assistant-node.js")).href)};
      globalThis.fetch = async (_, { body }) => { console.log(JSON.parse(body).now); return Response.json({ replies: [], state: "" }); };
      await chatAt("https://shop.example/v1/assist", { clock: () => new Date(${NOW.getTime()}) }).say("hello");`;
    const told = execFileSync(process.execPath, ["--input-type=module", "-e", source], { encoding: "utf8", env: { ...process.env, TZ: zone } });
    assert.equal(told.trim(), now, zone);
  }
});

test("an action that hangs is given up after the flows' time and told so", { timeout: 30_000 }, async () => {
  let signal;
  const chat = begin({
    actions: {
      ...actions,
      order_status: (_, call) => {
        signal = call.signal;
        return new Promise(() => {});
      },
    },
  });
  await chat.say("Where is my order?");
  const turn = await chat.say("123456");
  assert.equal(turn.failed[0].error.code, "action_late");
  assert.ok(signal.aborted);
  assert.ok(turn.person);
});

test("a call says what it is: its number, whether it commits, what goes in", async () => {
  const calls = [];
  const seen = (name, outcome) => (inputs, call) => {
    calls.push({ name, inputs, id: call.id, commits: call.commits, action: call.action });
    return outcome;
  };
  const chat = begin({
    actions: {
      ...actions,
      check_cancel: seen("check", { outcome: "allowed", facts: { total: "£20" } }),
      cancel_order: seen("cancel", { outcome: "cancelled", facts: { refund_by: "Monday" } }),
    },
  });
  await chat.say("Please cancel my order 123456");
  assert.deepEqual(calls.map(({ name }) => name), ["check"], "nothing is cancelled before the customer says yes");
  const done = await chat.say("yes");
  assert.deepEqual(calls.map(({ name, commits }) => [name, commits]), [["check", false], ["cancel", true]]);
  assert.deepEqual(calls[1].inputs, { order: "123456" });
  assert.notEqual(calls[0].id, calls[1].id);
  assert.match(done.replies.join(" "), /Monday/);
});

test("a chat goes on from its state, in another process too", async () => {
  const first = begin();
  assert.equal(first.state, "");
  await first.say("Where is my order?");
  const { state, transcript } = first;
  first.close();
  writeFileSync(
    join(project.folder, "resume.mjs"),
    `import { loadAssistant } from "shelfedge/assistant";
     const [, , model, state] = process.argv;
     const assistant = await loadAssistant({ model });
     const chat = assistant.chat({ state, clock: () => new Date(${NOW.getTime() + 60_000}), actions: { order_status: ({ order }) => ({ outcome: "preparing", facts: { ships_on: "Monday " + order } }) } });
     console.log(JSON.stringify(await chat.say("the first one")));`,
  );
  const turn = JSON.parse(execFileSync(process.execPath, ["resume.mjs", model, state], { cwd: project.folder, encoding: "utf8" }));
  assert.match(turn.replies.join(" "), /Monday 123456/);
  const again = begin({ state, transcript });
  assert.deepEqual(again.transcript, transcript);
  assert.match((await again.say("123456")).replies.join(" "), /DHL/);
});

test("turns wait for each other, silence nudges, and a packet masks", async () => {
  const chat = begin();
  const [one, two] = await Promise.all([chat.say("Where is my order?"), chat.say("123456")]);
  assert.match(one.replies[0], /a lamp/);
  assert.match(two.replies.join(" "), /DHL/);
  const nudged = await (async () => {
    const chat = begin();
    await chat.say("Where is my order?");
    return chat.silence();
  })();
  assert.match(nudged.replies.join(" "), /still there/);
  await chat.say("my e-mail is ann@example.com and my card is 4111 1111 1111 1111");
  const packet = JSON.stringify(await chat.handover());
  assert.doesNotMatch(packet, /ann@example|4111/);
  assert.match(packet, /\[email\]/);
});

test("bad options, texts, states and closed chats are ShelfedgeErrors", async () => {
  const attempt = (options) => {
    try {
      assistant.chat(options);
      return "accepted";
    } catch (error) {
      return [error.code, ...error.faults.map(({ path }) => path)].join(" ");
    }
  };
  assert.equal(attempt({ actions: 7, state: 8, transcript: "no", clock: 9 }), "invalid_argument actions state transcript clock");
  assert.equal(attempt({ actions: { order_status: "shipped" } }), "invalid_argument actions");
  assert.equal(attempt(null), "invalid_argument options");
  const chat = begin();
  assert.equal(await refused(chat.say(7)), "true invalid_argument");
  assert.equal(await refused(chat.say("")), "true invalid_request");
  assert.equal(await refused(chat.say("x".repeat(100_001))), "true invalid_request");
  assert.equal(await refused(begin({ state: "forged" }).say("hi")), "true invalid_request");
  assert.equal(await refused(begin({ clock: () => 7 }).say("hi")), "true invalid_argument");
  chat.close();
  chat.close();
  assert.equal(await refused(chat.say("hi")), "true closed");
  const other = await shelfedge.loadAssistant({ model: join(root, "models/intent") });
  assert.match(await refused(other.chat().say("hi")), /^true /);
  other.close();
});

test("closing a chat stops the action that is under way", async () => {
  let stopped;
  const chat = begin({
    actions: {
      recent_orders: (_, { signal }) =>
        new Promise((resolve, reject) => {
          stopped = signal;
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    },
  });
  const turn = refused(chat.say("Where is my order?"));
  while (!stopped) await new Promise((resolve) => setTimeout(resolve, 5));
  chat.close();
  assert.equal(await turn, "true closed");
  assert.ok(stopped.aborted);
});

test("a chat by address: headers, problems, and a place that isn't there", async () => {
  const seen = [];
  let broken = false;
  const edge = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    seen.push(request.headers);
    response.setHeader("content-type", "application/json");
    if (broken) return response.writeHead(503).end("<h1>Away</h1>");
    try {
      response.end(assistant.turn(JSON.parse(Buffer.concat(chunks))));
    } catch ({ code, message, faults }) {
      response.writeHead(400).end(JSON.stringify({ code, detail: message, faults }));
    }
  });
  await new Promise((resolve) => edge.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${edge.address().port}/v1/assist`;
  try {
    const chat = shelfedge.chatAt(address, { actions, headers: { authorization: "Bearer x" }, clock: () => NOW });
    await chat.say("Where is my order?");
    assert.match((await chat.say("the first one")).replies.join(" "), /DHL/);
    assert.equal(seen[0].authorization, "Bearer x");
    const error = await chat.say("").catch((error) => error);
    assert.equal(error.code, "invalid_request");
    assert.equal(error.faults[0].path, "text");
    broken = true;
    assert.equal(await refused(chat.say("hi")), "true fetch_failed");
  } finally {
    edge.closeAllConnections();
    edge.close();
  }
  assert.equal(await refused(shelfedge.chatAt(address).say("hi")), "true fetch_failed");
});
