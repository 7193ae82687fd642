// The mock's inspector while requests arrive.

import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";

import { launch, withPage } from "../lib/browser.mjs";
import { ask, load } from "../lib/mock.mjs";
import { takePriority } from "../lib/priority.mjs";
import { startMock } from "../lib/programs.mjs";

let browser;
let mock;

before(async () => {
  takePriority();
  browser = await launch();
});
after(() => browser?.close());
beforeEach(async () => {
  mock = await startMock("--credits", "1000000");
});
afterEach(() => mock.stop());

const inspector = () => `${mock.url}/_mock/`;

/** Records, for each request, the milliseconds from its arrival at the mock to the frame that shows its row. */
async function recordDelays(page) {
  await page.evaluate(() => {
    globalThis.delays = new Map();
    const rows = document.getElementById("rows");
    new MutationObserver((mutations) => {
      const nodes = mutations.flatMap(({ addedNodes }) => [...addedNodes]).filter((node) => node instanceof Element);
      const added = nodes.flatMap((node) => (node.matches(".row") ? [node] : [...node.querySelectorAll(".row")]));
      requestAnimationFrame(() => {
        const shown = performance.timeOrigin + performance.now();
        for (const { dataset } of added) {
          const number = Number(dataset.number);
          if (!globalThis.delays.has(number)) globalThis.delays.set(number, shown);
        }
      });
    }).observe(rows, { childList: true, subtree: true });
  });
}

test("shows each of 1,000 requests within 200 ms of its arrival", async () => {
  await withPage(browser, inspector(), {}, async (page) => {
    await page.waitForSelector("#connection.connected");
    await recordDelays(page);
    await load(mock, { total: 1000, perSecond: 250 });
    await page.waitForFunction(() => globalThis.delays.size === 1000);
    const { requests } = await (await fetch(`${mock.url}/_mock/changes`)).json();
    const shown = new Map(await page.evaluate(() => [...globalThis.delays]));
    const delays = requests.map((request) => shown.get(request.number) - request.received_ms).sort((a, b) => a - b);
    console.log(`delays of ${delays.length} requests: median ${delays[500].toFixed(0)} ms, largest ${delays.at(-1).toFixed(0)} ms`);
    assert.equal(delays.length, 1000);
    assert.ok(delays.at(-1) <= 200, `the largest delay is ${delays.at(-1)} ms`);
    assert.equal(await page.$$eval("#rows .row", (rows) => rows.length), 1000);
  });
});

test("stays responsive at 500 requests per second, and keeps as many rows as the mock", async () => {
  await withPage(browser, inspector(), {}, async (page) => {
    await page.waitForSelector("#connection.connected");
    // The time from each key and click to the frame after it, and the time between frames.
    await page.evaluate(() => {
      globalThis.reactions = [];
      globalThis.frames = [];
      for (const type of ["keydown", "click"]) {
        document.addEventListener(type, (event) => {
          requestAnimationFrame(() => globalThis.reactions.push(performance.now() - event.timeStamp));
        });
      }
      let last = performance.now();
      const frame = (now) => {
        globalThis.frames.push(now - last);
        last = now;
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    });
    const loading = load(mock, { total: 2500, perSecond: 500 });
    await page.waitForFunction(() => document.querySelectorAll("#rows .row").length > 300);
    await page.click("#filter");
    await page.keyboard.type("some_user_1");
    await page.waitForFunction(() => document.querySelectorAll("#rows .row[hidden]").length > 0);
    await page.click("#pause");
    await page.waitForFunction(() => /\(\d/.test(document.getElementById("pause").textContent));
    await page.click("#pause");
    const rate = await loading;
    await page.waitForFunction(() => document.querySelector("#rows .row").dataset.number === "2500");
    const { reactions, frames } = await page.evaluate(() => ({ reactions: globalThis.reactions, frames: globalThis.frames }));
    const worst = (list) => Math.max(...list).toFixed(0);
    console.log(`${rate.toFixed(0)} requests per second; slowest reaction ${worst(reactions)} ms, longest frame ${worst(frames)} ms`);
    assert.ok(rate > 400, `the load was ${rate} requests per second`);
    assert.ok(reactions.length >= 13 && Math.max(...reactions) < 200, `reactions: ${reactions}`);
    assert.equal(await page.$$eval("#rows .row", (rows) => rows.length), 1000);
    assert.match(await page.$eval("#count", (count) => count.textContent), /of 2,500 shown, 1,500 no longer kept/);
    // The rows are those of the mock, newest first.
    const shown = await page.$$eval("#rows .row", (rows) => rows.map((row) => Number(row.dataset.number)));
    assert.deepEqual(shown, Array.from({ length: 1000 }, (_, index) => 2500 - index));
  });
});

test("shows an answer in flight, and then how long it took", async () => {
  await withPage(browser, inspector(), {}, async (page) => {
    await page.waitForSelector("#connection.connected");
    await fetch(`${mock.url}/_mock/faults`, { method: "POST", body: JSON.stringify([{ kind: "stall" }]) });
    const giveUp = new AbortController();
    const given = fetch(`${mock.url}/tgscan/v1/search`, {
      method: "POST",
      headers: { "api-key": "mock-live-key" },
      body: new URLSearchParams({ query: "alice" }),
      signal: giveUp.signal,
    });
    await page.waitForFunction(() => document.querySelector("#rows .took")?.textContent === "in flight");
    giveUp.abort();
    await assert.rejects(given);
    await page.waitForFunction(() => / m?s$/.test(document.querySelector("#rows .took").textContent));
    await ask(mock, "alice");
  });
});
