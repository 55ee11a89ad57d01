// <shelfedge-chat> in Chromium, under a strict content security policy, with the bundled
// assistant.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, openPage } from "../lib/chromium.mjs";
import { root } from "../lib/paths.mjs";
import { freshProject } from "../lib/project.mjs";
import { serve } from "../lib/serve.mjs";

const page_of = (lang, inside) =>
  Buffer.from(`<!doctype html><html lang="${lang}"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>A shop</title>${inside}<script type="module" src="/page.mjs"></script></html>`);

let project, server, browser;
before(async () => {
  project = freshProject();
  server = await serve({
    "/": page_of("en", `<p>A page.</p><shelfedge-chat></shelfedge-chat>`),
    "/zh": page_of("zh-Hans", `<shelfedge-chat></shelfedge-chat>`),
    "/inline": page_of("en", `<shelfedge-chat inline></shelfedge-chat>`),
    "/page.mjs": Buffer.from(`
      const chat = document.querySelector("shelfedge-chat");
      globalThis.told = [];
      for (const name of ["turn", "person", "error"]) document.addEventListener("shelfedge-" + name, ({ detail }) => told.push({ name, detail }));
      globalThis.fails = 0;
      const actions = {
        recent_orders: () => ({ outcome: "found", items: [{ kind: "order_number", value: "123456", label: "123456: a lamp" }] }),
        order_status: ({ order }) => ({ outcome: "shipped", facts: { carrier: "DHL", arrives_on: "Friday" } }),
        find_person: () => ({ outcome: "open" }),
      };
      // Before the element is defined: both must reach it.
      chat.suggestions = ["Where is my order?"];
      chat.connect = async () => {
        if (globalThis.fails-- > 0) throw new TypeError("the network is away");
        const { loadAssistant } = await import("/shelfedge/assistant.js");
        const assistant = await loadAssistant({ model: "/models/chat/" });
        return (globalThis.made = assistant.chat({ actions }));
      };
      await import("/shelfedge/chat.js");
      globalThis.page = true;`),
    "/shelfedge/": join(project.installed, "dist"),
    "/models/chat/": join(root, "models/chat"),
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.close();
  project?.remove();
});

async function visit(path, body) {
  const { page, context, complaints } = await openPage(browser, server.address + path);
  try {
    await page.waitForFunction(() => globalThis.page);
    const chat = page.locator("shelfedge-chat");
    const write = async (text) => {
      await chat.getByRole("textbox").fill(text);
      await chat.getByRole("textbox").press("Enter");
    };
    const lines = async () => (await chat.locator(".log li").allInnerTexts()).map((line) => line.replace(":\n", ": "));
    await body({ page, chat, write, lines });
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

test("a keyboard opens it, asks, takes an offered answer and closes it; nothing is fetched before", () =>
  visit("/", async ({ page, chat, write, lines }) => {
    assert.ok(!server.requests.some((path) => /models|assistant/.test(path)), "nothing is loaded before it is opened");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await chat.getByRole("dialog", { name: "Chat with us" }).waitFor();
    await chat.getByText("Hello! How can I help you today?").waitFor();
    assert.ok(await chat.getByRole("textbox", { name: "Your message" }).evaluate((input) => input.getRootNode().activeElement === input));
    await chat.getByRole("button", { name: "Where is my order?" }).click();
    await chat.getByText("1. 123456: a lamp").waitFor();
    await chat.getByRole("button", { name: "123456", exact: false }).first().click();
    await chat.getByText("is on its way with DHL and should arrive on Friday").waitFor();
    assert.match((await lines()).join("\n"), /You: Where is my order\?/);
    assert.ok(await page.evaluate(() => globalThis.told.filter(({ name }) => name === "turn").length === 2));
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, "chat-en.png") });
    await write("Thanks!");
    await chat.getByText("You're welcome!").waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await chat.getByRole("dialog").count(), 0);
    assert.ok(await page.evaluate(() => document.activeElement.localName === "shelfedge-chat"), "focus is back on the button");
    await page.keyboard.press("Enter");
    await chat.getByText("You're welcome!").waitFor();
  }));

test("what is written stays text: HTML, scripts, directions", () =>
  visit("/inline", async ({ page, chat, write, lines }) => {
    await write(`<img src=x onerror="globalThis.hacked = 1"><script>globalThis.hacked = 1</script>`);
    await write("مرحبا <b>hello</b> \u202Egnirts");
    await page.waitForFunction(() => globalThis.told.length >= 2);
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
    assert.equal(await chat.locator(".log img, .log b, .log script").count(), 0);
    assert.match((await lines()).join("\n"), /<img src=x onerror/);
    assert.equal(await chat.getByRole("dialog").count(), 0, "inline, it is no dialog");
    assert.equal(await chat.getByRole("button", { name: "Close the chat" }).count(), 0);
  }));

test("the page's language is the element's; the customer's is the answers'", () =>
  visit("/zh", async ({ page, chat, write }) => {
    await chat.getByRole("button", { name: "在线客服" }).click();
    await chat.getByText("您好！请问有什么可以帮您？").waitFor();
    await write("我要查一下我的订单");
    await page.waitForFunction(() => globalThis.told.length > 0);
    const reply = chat.locator(".log .assistant").last();
    assert.match(await reply.innerText(), /[\u4e00-\u9fff]/u);
    assert.equal(await reply.getAttribute("lang"), "zh");
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, "chat-zh.png") });
    await page.evaluate(() => (document.querySelector("shelfedge-chat").lang = "en"));
    await chat.getByRole("button", { name: "Send" }).waitFor();
    await page.evaluate(() => (document.querySelector("shelfedge-chat").words = { send: "Go" }));
    await chat.getByRole("button", { name: "Go" }).waitFor();
  }));

test("what fails is told, nothing is lost, and it can be tried again", () =>
  visit("/", async ({ page, chat, write, lines }) => {
    await page.evaluate(() => (globalThis.fails = 2));
    await chat.getByRole("button", { name: "Chat with us" }).click();
    await chat.getByRole("alert").getByText("That didn't work").waitFor();
    await write("Where is my order?");
    await page.waitForFunction(() => globalThis.told.filter(({ name }) => name === "error").length === 2);
    await write("123456");
    await chat.getByText("is on its way with DHL").waitFor();
    assert.equal(await chat.getByRole("alert").count(), 0);
    const said = (await lines()).filter((line) => line.includes("You:"));
    assert.deepEqual(said.map((line) => line.replace("You: ", "").trim()), ["Where is my order?", "123456"]);
    await page.evaluate(() => globalThis.made.close());
    await write("hello?");
    await chat.getByRole("button", { name: "Try again" }).waitFor();
    await page.evaluate(() => document.querySelector("shelfedge-chat").reset());
    await chat.getByText("Hello! How can I help you today?").waitFor();
    assert.equal((await lines()).length, 1);
    await write("hi");
    await page.waitForFunction(() => globalThis.told.at(-1).name === "turn");
  }));

test("who takes over is told, with a packet", () =>
  visit("/inline", async ({ page, write }) => {
    await write("I want to talk to a person, my mail is ann@example.com");
    await page.waitForFunction(() => globalThis.told.some(({ name }) => name === "person"));
    const packet = await page.evaluate(async () => {
      const { detail } = globalThis.told.find(({ name }) => name === "person");
      return { person: detail.person, packet: await detail.packet() };
    });
    assert.equal(packet.person, "asked");
    assert.doesNotMatch(JSON.stringify(packet), /ann@example/);
  }));

test("it fits a small screen, and follows the shop's colours", () =>
  visit("/", async ({ page, chat, write }) => {
    await page.setViewportSize({ width: 360, height: 640 });
    await page.evaluate(() => document.querySelector("shelfedge-chat").style.setProperty("--shelfedge-accent", "rgb(160, 20, 60)"));
    await chat.getByRole("button", { name: "Chat with us" }).click();
    await write("a".repeat(600));
    await page.waitForFunction(() => globalThis.told.length > 0);
    const panel = await chat.locator(".panel").boundingBox();
    assert.ok(panel.x >= 0 && panel.width <= 360 && panel.height <= 640, JSON.stringify(panel));
    assert.ok(await chat.locator(".log").evaluate((log) => log.scrollWidth <= log.clientWidth), "a long word is wrapped");
    assert.equal(await chat.locator(".head").evaluate((head) => getComputedStyle(head).backgroundColor), "rgb(160, 20, 60)");
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, "chat-small.png") });
  }));
