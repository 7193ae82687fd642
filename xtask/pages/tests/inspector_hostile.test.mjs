// The mock's inspector with texts that attack it.

import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { launch, open } from "../lib/browser.mjs";
import { HOSTILE, LARGE, assertNothingRan, watchForHostile } from "../lib/hostile.mjs";
import { hasText, inspector, openPanels, ready, sendOfEachKind } from "../lib/inspector.mjs";
import { ask, control } from "../lib/mock.mjs";
import { startMock } from "../lib/programs.mjs";

let browser;
let mock;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());
beforeEach(async () => {
  mock = await startMock();
});
afterEach(() => mock.stop());

/** Opens the inspector with `hostile()` defined. */
async function inspectHostile(prepare = async () => {}) {
  const opened = await open(browser, "about:blank");
  await watchForHostile(opened.page);
  await prepare(opened.page);
  await opened.page.goto(inspector(mock));
  await ready(opened.page);
  await openPanels(opened.page);
  // The first URL was not that of the inspector.
  const faults = () => opened.faults.filter((fault) => !fault.startsWith(`foreign request: ${mock.url}/`));
  return { page: opened.page, faults };
}

/** Returns a text as the page shows it: hidden characters by their names. */
function shown(text) {
  const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;
  return text.replace(hidden, (found) => `U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`);
}

/** Sends a request with exactly these bytes in its head, which `fetch` would correct. */
function sendRaw(path, headers, body) {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(mock.url);
    const sent = httpRequest({ hostname, port, path, headers, method: "POST" }, (answer) => answer.resume().on("end", resolve));
    sent.on("error", reject);
    sent.end(body);
  });
}

test("shows hostile texts of clients as text", async () => {
  for (const text of HOSTILE) {
    const encoded = encodeURIComponent(text);
    const latin = Buffer.from(text).toString("latin1").replace(/[\u0000-\u001f\u007f]/g, "");
    await ask(mock, text);
    await sendRaw(`/tgscan/v1/${encoded}?${encoded}`, { "api-key": "mock-live-key", "x-hostile": latin }, text);
  }
  const steps = HOSTILE.map((message) => ({ kind: "error_envelope", status: 500, message }));
  await control(mock, "POST", "faults", steps);
  for (const _ of HOSTILE.slice(1)) await ask(mock, "alice");
  const groups = HOSTILE.map((title, index) => ({ id: index + 1, title, username: "some_group", date_updated: "2025-01-01" }));
  const answer = { user: { id: 7, first_name: HOSTILE[0] }, meta: { num_groups: 1, known_num_groups: 1, op_cost: 1 }, groups };
  await control(mock, "POST", "expectations", [
    ...HOSTILE.map((name) => ({ method: "balance", name })),
    { method: "search", query: "carol", answer },
  ]);
  await ask(mock, "carol");
  const { requests } = await control(mock, "GET", "changes");
  const { page, faults } = await inspectHostile();
  await page.waitForFunction((count) => document.querySelectorAll("#rows .row").length === count, {}, requests.length);
  const list = await page.evaluate(() => document.getElementById("rows").textContent + document.getElementById("panels").textContent);
  for (const text of HOSTILE) assert.ok(list.includes(shown(text)), `${text} is not shown`);
  await assertNothingRan(page, "list");
  for (const { number } of requests) {
    await page.$eval(`#rows .row[data-number="${number}"] button`, (button) => button.click());
    await hasText(page, "dialog h2", `Request ${number}`);
    await page.locator("dialog ::-p-text(Copy as curl)").click();
    await page.waitForSelector("dialog .command pre");
    await assertNothingRan(page, `request ${number}`);
    await page.keyboard.press("Escape");
  }
  await assertNothingRan(page, "after all");
  assert.deepEqual(faults(), []);
  await page.close();
});

/** Replaces each text of a value, and the names of headers, with a text. */
function hostileEverywhere(value, text, name = "") {
  if (typeof value === "string") return text;
  if (Array.isArray(value)) return value.map((item) => hostileEverywhere(item, text));
  if (value === null || typeof value !== "object") return value;
  const entry = ([key, item]) => [name === "headers" ? text : key, hostileEverywhere(item, text, key)];
  return Object.fromEntries(Object.entries(value).map(entry));
}

test("shows hostile texts in every field of the control paths as text, also of 1 MB", async () => {
  await sendOfEachKind(mock);
  await control(mock, "POST", "expectations", [{ method: "search", query: "alice" }]);
  await ask(mock, "carol");
  const steps = [{ kind: "error_envelope", status: 500, message: "a message" }, { kind: "field_missing", field: "/result" }];
  await control(mock, "POST", "faults", steps);
  const changes = await control(mock, "GET", "changes");
  const answered = await control(mock, "GET", "request?number=1");
  const texts = [...HOSTILE, LARGE];
  const each = (values) => texts.flatMap((text) => hostileEverywhere(values, text));
  const requests = texts.flatMap((text) => changes.requests.map((request) => hostileEverywhere(request, text)));
  requests.forEach((request, index) => {
    request.number = index + 1;
  });
  const textOf = (number) => texts[Math.floor((number - 1) / changes.requests.length)];
  const costs = Object.fromEntries(texts.map((text) => [text, { usual: 1, queries: { [text]: 1 } }]));
  const hostile = {
    ...changes,
    cursor: "1.1.1",
    oldest: 1,
    requests,
    state: { ...changes.state, costs, requests: requests.length },
    script: each(changes.script),
    expectations: each(changes.expectations),
    unexpected: texts,
  };
  let isFirst = true;
  const { page, faults } = await inspectHostile(async (opened) => {
    await opened.setRequestInterception(true);
    opened.on("request", (intercepted) => {
      const { pathname, searchParams } = new URL(intercepted.url());
      const respond = (json) => intercepted.respond({ contentType: "application/json", body: JSON.stringify(json) });
      if (pathname === "/_mock/request") respond(hostileEverywhere(answered, textOf(Number(searchParams.get("number")))));
      else if (pathname !== "/_mock/changes") intercepted.continue();
      // Later reads wait for changes until the page is closed.
      else if (isFirst) respond(hostile);
      isFirst &&= pathname !== "/_mock/changes";
    });
  });
  await page.waitForFunction((count) => document.querySelectorAll("#rows .row").length === count, {}, requests.length);
  await assertNothingRan(page, "list");
  for (const part of ["#account", "#rows", "#script", "#expectations", "#unexpected"]) {
    const content = await page.$eval(part, (element) => element.textContent);
    for (const text of texts) {
      // A list shows the start of a long text.
      assert.ok(content.includes(shown(text.slice(0, 900))), `${text.slice(0, 50)} is not shown in ${part}`);
    }
  }
  for (let number = 1; number <= requests.length; number += changes.requests.length) {
    await page.$eval(`#rows .row[data-number="${number}"] button`, (button) => button.click());
    await hasText(page, "dialog h2", `Request ${number}`);
    const content = await page.$eval("dialog", (dialog) => dialog.textContent);
    assert.ok(content.includes(shown(textOf(number))), `the dialog of request ${number}`);
    await assertNothingRan(page, `request ${number}`);
    await page.keyboard.press("Escape");
  }
  assert.deepEqual(faults(), []);
  await page.close();
});
