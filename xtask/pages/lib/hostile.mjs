// Texts that attack a page, and the check that the page shows them as text.

import assert from "node:assert/strict";

/** Each runs `hostile()` if it is taken for markup or for code. */
export const HOSTILE = [
  "<script>hostile()</script>",
  "</script><script>hostile()</script>",
  '" onmouseover="hostile()" autofocus onfocus="hostile()" x="',
  "' onmouseover='hostile()' x='",
  "<img src=x onerror=hostile()>",
  "javascript:hostile()",
  "javascript:hostile()//https://t.me/",
  "</svg><svg onload=hostile()>",
  "</title><svg/onload=hostile()>",
  "</style><script>hostile()</script>",
  "</textarea><script>hostile()</script>",
  "]]><script>hostile()</script>",
  "{{hostile()}}${hostile()}",
  "&lt;script&gt;hostile()&lt;/script&gt;",
  "<!--<script>hostile()",
  // Bidirectional overrides, an isolate that is not closed, and right-to-left text.
  "\u202egnp.exe\u202d",
  "\u2067شبكة <b>\u2066",
  "👩‍👩‍👧‍👦🏳️‍🌈 \u0000\u0007\u200b",
  "=cmd|' /C calc'!A0",
];

/** A title of one megabyte. */
export const LARGE = "<b>large</b> ".repeat(1024 * 1024 / 13);

/** Defines `hostile()` before the page's own scripts run, and counts its calls. */
export async function watchForHostile(page) {
  await page.evaluateOnNewDocument(() => {
    globalThis.attacks = 0;
    globalThis.hostile = () => {
      globalThis.attacks += 1;
    };
  });
}

/**
 * Checks that no attack ran, and that the document has no element, attribute or link that a text could have made. Call it after the
 * page showed the texts.
 */
export async function assertNothingRan(page, where) {
  const found = await page.evaluate(() => {
    const every = [...document.querySelectorAll("*")];
    const handlers = every.filter((element) => element.getAttributeNames().some((name) => name.startsWith("on")));
    const links = every.filter((element) =>
      ["href", "src", "action", "formaction", "xlink:href"].some((name) => /^\s*javascript:/i.test(element.getAttribute(name) ?? "")),
    );
    const made = [...document.querySelectorAll("img[src=x], b, svg[onload], script:not([data-own])")].filter(
      (element) => /hostile|large/.test(element.outerHTML),
    );
    const show = (elements) => elements.map((element) => element.outerHTML.slice(0, 200));
    return { attacks: globalThis.attacks ?? 0, handlers: show(handlers), links: show(links), made: show(made) };
  });
  assert.deepEqual(found, { attacks: 0, handlers: [], links: [], made: [] }, where);
}
