// Exercises a running shop from outside, as `cargo xtask demo --check` does:
//
//   node xtask/check.mjs http://127.0.0.1:3000
//
// Exits with 0, or with 1 and the first thing that is not as it should be.
import assert from "node:assert/strict";
import { load } from "../www/package/dist/node.js";

const shop = new URL(process.argv[2] ?? "http://127.0.0.1:3000");
const at = (path) => new URL(path, shop);

async function get(path, type) {
  const answer = await fetch(at(path));
  assert.equal(answer.status, 200, `GET ${path}`);
  const found = answer.headers.get("content-type") ?? "";
  assert.ok(found.startsWith(type), `GET ${path} is ${found}, expected ${type}`);
  return answer;
}

async function post(path, body, type = "application/json") {
  return fetch(at(path), { method: "POST", headers: { "content-type": type }, body });
}

async function service() {
  assert.equal((await fetch(at("/healthz"))).status, 200, "GET /healthz");
  const openapi = await (await get("/openapi.json", "application/json")).json();
  assert.match(openapi.openapi, /^3\.1/, "OpenAPI 3.1");
  const { models } = await (await get("/v1/models", "application/json")).json();
  assert.ok(models.length > 0, "GET /v1/models lists a model");
}

async function pages() {
  const answer = await get("/", "text/html");
  const policy = answer.headers.get("content-security-policy") ?? "";
  assert.match(policy, /script-src 'self' 'wasm-unsafe-eval'/, "the page has the strict policy");
  const html = await answer.text();
  const found = [...html.matchAll(/\s(?:src|href)="([^"#]+)"/g)].map(([, address]) => address);
  const own = found.filter((address) => !/^(?:[a-z]+:|\/\/)/i.test(address));
  assert.ok(own.some((address) => /\.m?js$/.test(address)), "the page has a script");
  for (const address of new Set(own)) {
    assert.equal((await fetch(at(address))).status, 200, `${address}, which the page names`);
  }
  await get("/package/index.js", "text/javascript");
  await get("/package/shelfedge_bg.wasm", "application/wasm");
  return own.length;
}

// A shopper of the bundle's golden cases: what
// the package says in Node is, byte for byte, what the edge answers.
async function sameBytes() {
  const golden = await (await fetch(at("/models/ranking/golden.json"))).json();
  const { request } = golden.cases.find(({ request }) => request.events?.length > 0);
  const package_ = await load({
    model: at("/models/ranking/"),
    clock: () => Date.parse(request.now),
  });
  try {
    await package_.observe(request.events);
    const options = { limit: 24, explain: true };
    const compare = async (when) => {
      const here = await package_.rank(options);
      assert.ok(here.items.length > 0, `${when}: something is ranked`);
      const answer = await post("/v1/rank", await package_.request(options));
      const there = await answer.text();
      assert.equal(answer.status, 200, `${when}: ${there}`);
      assert.equal(there, here.json, `${when}: package and edge differ`);
      return here.items;
    };
    const before = await compare("before a click");
    const clicked = before.at(-1).item_id;
    await package_.observe({ name: "view_item", params: { items: [{ item_id: clicked }] } });
    const after = await compare("after a click");
    assert.notDeepEqual(after, before, "a click re-ranks");
    return before.length;
  } finally {
    package_.close();
  }
}

// A customer asks where an order is, and the shop says so.
async function conversation() {
  const say = async (request) => {
    const answer = await post("/v1/assist", JSON.stringify(request));
    const told = await answer.text();
    assert.equal(answer.status, 200, `POST /v1/assist: ${told}`);
    return JSON.parse(told);
  };
  const { state, call } = await say({ text: "Where is my order 123456?" });
  assert.equal(call?.action, "order_status", "the assistant asks the shop for the order");
  const facts = { carrier: "the post", arrives_on: "Friday" };
  const { replies } = await say({ state, outcome: { call: call.id, name: "shipped", facts } });
  assert.match(replies.join(" "), /123456.*the post.*Friday/, "the customer is told what the shop said");
}

async function events() {
  const { items } = await (await post("/v1/rank", JSON.stringify({ limit: 1 }))).json();
  const event = {
    specversion: "1.0",
    id: "demo-check",
    source: "/demo-check",
    type: "shelfedge.event.v1",
    time: "2011-12-09T12:00:00Z",
    subject: "demo-check",
    data: { name: "view_item", params: { items: [{ item_id: items[0].item_id }] } },
  };
  const answer = await post("/v1/events", JSON.stringify(event), "application/cloudevents+json");
  assert.ok(answer.ok, `POST /v1/events: ${answer.status} ${await answer.text()}`);
  const bad = await post("/v1/rank", "{");
  assert.equal(bad.status, 400, "malformed JSON is refused");
  assert.equal((await bad.json()).code, "malformed_json");
}

try {
  await service();
  const files = await pages();
  const ranked = await sameBytes();
  await events();
  await conversation();
  console.log(`page with ${files} files, ${ranked} products ranked with the same bytes in Node and at the edge, a conversation`);
  // Kept-alive connections would hold the process for seconds.
  process.exit(0);
} catch (error) {
  console.error(`cause: ${error.message}`);
  process.exit(1);
}
