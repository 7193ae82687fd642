// The mock's inspector, for its tests.

import assert from "node:assert/strict";

import { withPage } from "./browser.mjs";
import { ask, control } from "./mock.mjs";

/** Returns the address of the inspector. */
export const inspector = (mock) => `${mock.url}/_mock/`;

/** Opens the inspector and waits until it is ready. Then checks that the page had no fault. */
export function inspect(browser, mock, test, options = {}) {
  return withPage(browser, inspector(mock), options, async (page, faults) => {
    await ready(page);
    await test(page, faults);
  });
}

/** Waits until the inspector is connected and has its forms. */
export async function ready(page) {
  await page.waitForSelector("#connection.connected");
  await page.waitForSelector("#settings-form form");
}

/** Opens each panel. */
export async function openPanels(page) {
  await page.$$eval("#panels details", (panels) => panels.forEach((panel) => panel.setAttribute("open", "")));
}

/** Waits until an element contains this text. */
export const hasText = (page, selector, wanted) =>
  page.waitForFunction((selector, wanted) => document.querySelector(selector)?.textContent.includes(wanted), {}, selector, wanted);

/** Returns the texts of the rows that the filter shows. */
export const rows = (page) => page.$$eval("#rows .row:not([hidden])", (shown) => shown.map((row) => row.textContent));

/** Returns the selector of the control with this label in a form. */
export async function controlOf(page, form, label) {
  const id = await page.$$eval(
    `#${form} label`,
    (labels, label) => labels.find((each) => each.textContent.replace(" (required)", "") === label)?.htmlFor,
    label,
  );
  assert.ok(id, `${form} has no ${label}`);
  return `#${id}`;
}

/** Fills in the control with this label in a form. */
export async function fillIn(page, form, label, value) {
  await page.locator(await controlOf(page, form, label)).fill(value);
}

/** Requests of each kind: answered, with a fault, refused, of a test method, and of an unknown path. */
export async function sendOfEachKind(mock) {
  await ask(mock, "alice");
  await ask(mock, "some_username", { path: "test/search", key: "mock-test-key" });
  await control(mock, "POST", "faults", [{ kind: "html_page", status: 502, charged: true }]);
  await ask(mock, "carol");
  await ask(mock, "alice", { key: "wrong" });
  await ask(mock, "not a name");
  await ask(mock, "", { path: "nothing?x=1" });
}
