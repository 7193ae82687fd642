// The mock's inspector: its table, its dialog and its forms.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { launch, open } from "../lib/browser.mjs";
import { controlOf, fillIn, hasText, inspect, inspector, openPanels, ready, rows, sendOfEachKind } from "../lib/inspector.mjs";
import { ask, control } from "../lib/mock.mjs";
import { startMock } from "../lib/programs.mjs";

let browser;
let mock;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());
beforeEach(async () => {
  mock = await startMock("--seed", "7");
});
afterEach(() => mock.stop());

test("shows a request with its query, key, status, credits and fault", async () => {
  await inspect(browser, mock, async (page) => {
    await hasText(page, "#none", `Send one to ${mock.url}`);
    await sendOfEachKind(mock);
    await page.waitForFunction(() => document.querySelectorAll("#rows .row").length === 6);
    const cells = await page.$$eval("#rows .row", (shown) => shown.map((row) => [...row.children].map((cell) => cell.textContent)));
    const expected = [
      ["6", "unknown", "query= /tgscan/v1/nothing?x=1", "live", "404", "0"],
      ["5", "search", "query=not+a+name", "live", "400", "0"],
      ["4", "search", "alice", "none", "401", "0"],
      ["3", "search", "carol", "live", "502", "1"],
      ["2", "search (test)", "some_username", "test", "200", "0"],
      ["1", "search", "alice", "live", "200", "1"],
    ];
    assert.deepEqual(cells.map(([number, , ...rest]) => [number, ...rest.slice(0, 5)]), expected);
    assert.match(cells[3].at(-2), /^fault html_page \(charged, status 502\)$/);
    assert.match(cells[2].at(-2), /^refused unknown API key$/);
    for (const [, time] of cells) assert.match(time, /^\d\d:\d\d:\d\d\.\d{3}$/);
    await hasText(page, "#account", "Balance998");
    await hasText(page, "#account", "Spent2 in 2 calls");
    await hasText(page, "#account", "Keys1 live, 1 test");
  });
});

test("filters by words and by outcome, and holds new requests while it is paused", async () => {
  await inspect(browser, mock, async (page) => {
    await sendOfEachKind(mock);
    await page.waitForFunction(() => document.querySelectorAll("#rows .row").length === 6);
    await page.type("#filter", "SEARCH 200");
    assert.equal((await rows(page)).length, 2);
    await hasText(page, "#count", "2 of 6 shown");
    await page.locator("#filter").fill("");
    for (const [outcome, count] of [["charged", 2], ["fault", 1], ["refused", 3], ["all", 6]]) {
      await page.select("#outcome", outcome);
      assert.equal((await rows(page)).length, count, outcome);
    }
    await page.click("#pause");
    await ask(mock, "some_username");
    await hasText(page, "#pause", "Pause (1 new)");
    assert.equal((await rows(page)).length, 6);
    await page.click("#pause");
    assert.equal((await rows(page)).length, 7);
    await control(mock, "POST", "reset");
    await page.waitForFunction(() => document.querySelectorAll("#rows .row").length === 0);
  });
});

test("sets a fault by the form that the next request meets", async () => {
  await inspect(browser, mock, async (page) => {
    const kind = await controlOf(page, "fault-form", "kind");
    await page.$eval(kind, (select) => {
      select.value = [...select.options].find((option) => option.textContent === "too_many_requests").value;
      select.dispatchEvent(new Event("change"));
    });
    await fillIn(page, "fault-form", "retry_after", "7");
    await fillIn(page, "fault-form", "message", "slow down");
    await page.click("#fault-form button");
    await hasText(page, "#script", "too_many_requests (message slow down, retry_after 7) for any method");
    const answer = await ask(mock, "alice");
    assert.deepEqual([answer.status, answer.headers.get("retry-after")], [429, "7"]);
    assert.match(answer.body, /slow down/);
    await page.waitForFunction(() => document.getElementById("script").childElementCount === 0);
    await hasText(page, "#rows .row", "fault too_many_requests");
  });
});

test("has the fields of each kind of fault", async () => {
  const { components } = await control(mock, "GET", "control.json");
  const variants = components.schemas.Step.anyOf.flatMap((variant) => variant.properties.kind.enum.map((kind) => ({ kind, variant })));
  await inspect(browser, mock, async (page) => {
    const kind = await controlOf(page, "fault-form", "kind");
    const options = await page.$$eval(`${kind} option`, (all) => all.map((option) => option.textContent.split(":")[0]));
    assert.deepEqual(options, variants.map((each) => each.kind));
    for (const [index, { variant }] of variants.entries()) {
      await page.select(kind, String(index));
      const fields = Object.entries(variant.properties).filter(([name, { const: only }]) => name !== "kind" && only === undefined);
      const labels = await page.$$eval("#fault-form .variant label", (all) => all.map((label) => label.textContent));
      const expected = fields.map(([name, field]) => (variant.required.includes(name) && !field.enum ? `${name} (required)` : name));
      assert.deepEqual(labels.toSorted(), expected.toSorted());
      for (const [name, field] of fields.filter(([name]) => variant.required.includes(name))) {
        if (field.enum) continue;
        const value = field.type === "string" ? "/result/meta/op_cost" : String(Math.max(field.minimum, 200));
        await fillIn(page, "fault-form", name, value);
      }
      await page.click("#fault-form button");
      await hasText(page, "#fault-form .result", `${index + 1} step`);
    }
    await page.click("#fault-form form:last-of-type button");
    await hasText(page, "#fault-form form:last-of-type .result", "0 steps left.");
  });
});

test("pins the answer of a request, after a change", async () => {
  await inspect(browser, mock, async (page) => {
    await ask(mock, "alice");
    await page.locator("#rows .row").click();
    await page.locator("::-p-text(Pin this answer)").click();
    const answer = await controlOf(page, "expectation-form", "answer");
    const pinned = JSON.parse(await page.$eval(answer, (input) => input.value));
    pinned.user.first_name = "Pinned";
    await page.locator(answer).fill(JSON.stringify(pinned));
    await page.click("#expectation-form button");
    await hasText(page, "#expectations", "✗ not met `search` with `query=alice` expected 1 time, called 0 times");
    assert.match((await ask(mock, "alice")).body, /"first_name":"Pinned"/);
    await hasText(page, "#expectations", "✓ met");
    await ask(mock, "carol");
    await hasText(page, "#unexpected", "query=carol");
    await hasText(page, "#expectations-count", "1 of 1 met, unexpected requests");
  });
});

test("changes settings, with seeds above the exact numbers of JavaScript", async () => {
  await inspect(browser, mock, async (page) => {
    await openPanels(page);
    for (const [label, value] of [["credits", "42"], ["seed", "18446744073709551615"], ["latency_ms", "1"], ["live_keys", "one\ntwo"]]) {
      await fillIn(page, "settings-form", label, value);
    }
    await page.click("#settings-form button");
    await hasText(page, "#account", "Seed18446744073709551615");
    await hasText(page, "#account", "Balance42");
    await hasText(page, "#account", "Keys2 live, 1 test");
    assert.equal((await ask(mock, "alice", { key: "two" })).status, 200);
    await page.click("#reset-form button");
    await hasText(page, "#account", "Balance1,000");
  });
});

test("explains an invalid value at its control, and an error of the mock", async () => {
  await inspect(browser, mock, async (page) => {
    await openPanels(page);
    await fillIn(page, "settings-form", "credits", "many");
    await page.click("#settings-form button");
    await hasText(page, "#settings-form .error", "credits must be a number");
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-invalid")), "true");
    const kind = await controlOf(page, "fault-form", "kind");
    await page.$eval(kind, (select) => {
      select.value = [...select.options].find((option) => option.textContent === "field_missing").value;
      select.dispatchEvent(new Event("change"));
    });
    await page.click("#fault-form button");
    await hasText(page, "#fault-form .error", "field is missing");
    await fillIn(page, "fault-form", "field", "/nothing");
  });
  // The browser reports the status of a refused request to the console.
  const { page, faults } = await open(browser, inspector(mock));
  await ready(page);
  await fillIn(page, "fault-form", "times", "100001");
  await page.click("#fault-form button");
  await hasText(page, "#fault-form .error", "times must be a number from 1 to 100000");
  await openPanels(page);
  await fillIn(page, "settings-form", "live_keys", "same\nsame");
  await page.click("#settings-form button");
  await hasText(page, "#settings-form .error", "is given twice");
  assert.ok(faults.every((fault) => fault.includes("400 (Bad Request)")), faults.join());
  await page.close();
});

/** Returns the arguments of `curl` in a command, as a shell passes them. */
function argumentsOf(command) {
  const shell = spawnSync("sh", ["-c", `curl() { printf '%s\\n--\\n' "$@"; }; TGSCAN_API_KEY=a-key; ${command}`], { encoding: "utf8" });
  assert.equal(shell.stderr, "");
  return shell.stdout.split("\n--\n").slice(0, -1);
}

test("copies each action and each request as curl", async () => {
  await browser.defaultBrowserContext().overridePermissions(mock.url, ["clipboard-read", "clipboard-sanitized-write"]);
  await inspect(browser, mock, async (page) => {
    await openPanels(page);
    await fillIn(page, "fault-form", "message", "it's $HOME `id` \u202e 👋");
    const copied = async (button) => {
      await page.evaluate(() => navigator.clipboard.writeText(""));
      await button.click();
      await page.waitForFunction(async () => (await navigator.clipboard.readText()) !== "");
      return argumentsOf(await page.evaluate(() => navigator.clipboard.readText()));
    };
    const buttons = await page.$$("#panels ::-p-text(Copy as curl)");
    const commands = [];
    for (const button of buttons) commands.push(await copied(button));
    const url = (path) => `${mock.url}/_mock/${path}`;
    assert.deepEqual(commands.map(([, httpMethod, address]) => [httpMethod, address]), [
      ["POST", url("faults")],
      ["DELETE", url("faults")],
      ["POST", url("expectations")],
      ["DELETE", url("expectations")],
      ["PUT", url("state")],
      ["POST", url("reset")],
    ]);
    const [, , , flag, body] = commands[0];
    assert.equal(flag, "--data-raw");
    assert.ok(!body.includes("\u202e"), "a character that hides others is escaped");
    assert.deepEqual(JSON.parse(body), [{ kind: "too_many_requests", message: "it's $HOME `id` \u202e 👋" }]);

    await ask(mock, "alice");
    await page.locator("#rows .row").click();
    const dialog = await page.waitForSelector("dialog ::-p-text(Copy as curl)");
    const sent = await copied(dialog);
    assert.deepEqual(sent, ["-X", "POST", `${mock.url}/tgscan/v1/search`, "-H", "Api-Key: a-key", "--data-raw", "query=alice"]);
  });
});

test("shows the head and the body of a request and of its answer", async () => {
  await inspect(browser, mock, async (page) => {
    const { body } = await ask(mock, "alice", { headers: { "x-trace": "a-trace" } });
    await page.locator("#rows .row").click();
    await page.waitForSelector("dialog[open]");
    const [request, answer] = await page.$$eval("dialog pre", (parts) => parts.map((part) => part.textContent));
    assert.match(request, /^POST \/tgscan\/v1\/search\n[^]*\nx-trace: a-trace\n[^]*\n\nquery=alice$/);
    assert.ok(!request.includes("mock-live-key"));
    const [head, ...rest] = answer.split("\n\n");
    assert.equal(head, "200\ncontent-type: application/json");
    assert.deepEqual(JSON.parse(rest.join("\n\n")), JSON.parse(body));
    await page.locator("dialog ::-p-text(Close)").click();

    await control(mock, "POST", "faults", [{ kind: "cut_body", at: 20 }]);
    await assert.rejects(ask(mock, "alice"));
    await page.locator('#rows .row[data-number="2"]').click();
    await hasText(page, "dialog", "The connection was closed after 20 bytes of the body.");
  });
});

test("says that the mock is gone, and shows a restarted one", async () => {
  // Without the check for faults: the browser reports each failed read to the console.
  const { page } = await open(browser, inspector(mock));
  await ready(page);
  await ask(mock, "alice");
  await ask(mock, "carol");
  await page.waitForFunction(() => document.querySelectorAll("#rows .row").length === 2);
  await page.setOfflineMode(true);
  await page.waitForSelector("#connection.disconnected");
  // Another mock answers from now on, and counts its requests from 1 again.
  const other = await startMock();
  try {
    await ask(other, "some_username");
    await page.setRequestInterception(true);
    page.on("request", async (request) => {
      try {
        const answer = await fetch(request.url().replace(mock.url, other.url));
        await request.respond({ contentType: "application/json", body: await answer.text() });
      } catch {
        // The test ended while the page waited for changes.
      }
    });
    await page.setOfflineMode(false);
    await page.waitForSelector("#connection.connected");
    await page.waitForFunction(() => document.querySelectorAll("#rows .row").length === 1);
    assert.match((await rows(page))[0], /some_username/);
  } finally {
    await page.close();
    await other.stop();
  }
});
