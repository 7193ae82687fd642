// The mock's inspector with the keyboard alone, and for assistive programs.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { assertAccessible, assertReachableByKeyboard, tabTo } from "../lib/accessible.mjs";
import { launch } from "../lib/browser.mjs";
import { controlOf, hasText, inspect, inspector, openPanels, ready, sendOfEachKind } from "../lib/inspector.mjs";
import { ask, control } from "../lib/mock.mjs";
import { startMock } from "../lib/programs.mjs";
import { screenshots } from "../lib/screenshots.mjs";

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

test("can be used with the keyboard alone", async () => {
  await ask(mock, "alice");
  await ask(mock, "carol");
  for (const width of [1280, 400]) {
    await inspect(
        browser,
        mock,
      async (page) => {
        await page.waitForSelector("#rows .row");
        await assertReachableByKeyboard(page);
        await openPanels(page);
        assert.ok((await assertReachableByKeyboard(page)) > 30);
        // From the newest request to the one below it, into its dialog and back.
        await tabTo(page, "#rows .row button");
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("Enter");
        await page.waitForSelector("dialog[open]");
        assert.equal(await page.$eval("dialog h2", (title) => title.textContent), "Request 1");
        await assertReachableByKeyboard(page);
        await page.keyboard.press("Escape");
        await page.waitForSelector("dialog:not([open])");
        assert.equal(await page.evaluate(() => document.activeElement.textContent), "1");
        await page.keyboard.press("Home");
        assert.equal(await page.evaluate(() => document.activeElement.textContent), "2");
      },
      { width },
    );
  }
  await inspect(browser, mock, async (page) => {
    await tabTo(page, await controlOf(page, "fault-form", "kind"));
    await page.keyboard.type("redirect");
    await tabTo(page, await controlOf(page, "fault-form", "charged"));
    await page.keyboard.press("Space");
    await page.keyboard.press("Enter");
    await hasText(page, "#script", "redirect (charged, status 301)");
  });
});

test("has no serious accessibility violation in light and dark", async () => {
  await sendOfEachKind(mock);
  await control(mock, "POST", "expectations", [{ method: "search", query: "alice" }, { method: "balance", times: 0 }]);
  await ask(mock, "carol");
  await control(mock, "POST", "faults", [{ kind: "stall", times: 2 }]);
  for (const dark of [false, true]) {
    for (const width of [1280, 400]) {
      const where = `${width} pixels, ${dark ? "dark" : "light"}`;
      await inspect(
        browser,
        mock,
        async (page) => {
          await page.waitForSelector("#rows .row");
          await assertAccessible(page, where);
          await openPanels(page);
          await page.click("#fault-form button");
          await hasText(page, "#fault-form .result", "left");
          await assertAccessible(page, `${where}, open panels`);
          await page.locator("#rows .row button").click();
          await page.waitForSelector("dialog[open]");
          await assertAccessible(page, `${where}, dialog`);
        },
        { dark, width },
      );
    }
  }
  const prepare = async (page) => {
    await ready(page);
    await page.waitForSelector("#rows .row");
  };
  await screenshots(browser, inspector(mock), "inspector", prepare);
  await screenshots(browser, inspector(mock), "inspector-open", async (page) => {
    await prepare(page);
    await openPanels(page);
  });
  await screenshots(browser, inspector(mock), "inspector-request", async (page) => {
    await prepare(page);
    await page.locator("#rows .row:last-child button").click();
    await page.waitForSelector("dialog[open]");
  });
});
