// Checks a page with axe-core, and with the keyboard alone.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Checks that axe-core finds no serious or critical violation. */
export async function assertAccessible(page, where) {
  // Evaluated by the debugger, which the page's Content-Security-Policy does not restrict.
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations", "passes"] }));
  assert.ok(passes.length > 5, `${where}: axe-core checked nothing`);
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const list = grave.map(({ id, help, nodes }) => `${id} (${help}): ${nodes.map(({ html }) => html).join(" | ")}`);
  assert.deepEqual(list, [], where);
}

/** The controls that a page offers to a mouse. */
const CONTROLS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex], [role=button], [onclick]";

/**
 * Presses Tab through the page, and checks that it reaches every visible and enabled control, in the order of the document, with a
 * visible focus. Returns the number of controls.
 */
export async function assertReachableByKeyboard(page) {
  const count = await page.evaluate((selector) => {
    // A modal dialog makes the controls outside it inert.
    const scope = document.querySelector("dialog:modal") ?? document;
    const isVisible = (control) => control.checkVisibility({ visibilityProperty: true });
    const isOffered = (control) => isVisible(control) && !control.disabled && control.tabIndex >= 0;
    // Radio buttons with one name are one stop; the arrow keys choose among them.
    const isFirstRadio = (control) =>
      control.type !== "radio" || control.checked || !document.querySelector(`[name="${control.name}"]:checked`);
    globalThis.controls = [...scope.querySelectorAll(selector)].filter(isOffered).filter(isFirstRadio);
    globalThis.reached = [];
    globalThis.controls.at(-1)?.focus();
    return globalThis.controls.length;
  }, CONTROLS);
  assert.ok(count > 0, "the page has no control");
  for (let pressed = 0; pressed < count + 5; pressed += 1) {
    await page.keyboard.press("Tab");
    await page.evaluate(() => {
      const focused = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(focused);
      const isSeen = outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
      globalThis.reached.push({ focused, isSeen });
    });
  }
  const { missed, unseen, isInOrder } = await page.evaluate(() => {
    const name = (control) => control.outerHTML.slice(0, 120);
    // Tab also stops at the document itself.
    const order = globalThis.reached.map(({ focused }) => globalThis.controls.indexOf(focused)).filter((index) => index >= 0);
    const isInOrder = globalThis.controls.every((_, index) => order[index] === index);
    const found = new Set(globalThis.reached.map(({ focused }) => focused));
    return {
      missed: globalThis.controls.filter((control) => !found.has(control)).map(name),
      unseen: globalThis.reached.filter(({ focused, isSeen }) => !isSeen && focused !== document.body).map(({ focused }) => name(focused)),
      isInOrder,
    };
  });
  assert.deepEqual({ missed, unseen: [...new Set(unseen)], isInOrder }, { missed: [], unseen: [], isInOrder: true });
  return count;
}

/** Focuses the element by pressing Tab, as a person without a mouse does. */
export async function tabTo(page, selector) {
  const element = await page.waitForSelector(selector);
  const limit = await page.evaluate(() => 10 + document.querySelectorAll("*").length);
  for (let pressed = 0; pressed < limit; pressed += 1) {
    if (await element.evaluate((wanted) => document.activeElement === wanted)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`Tab does not reach ${selector}`);
}
