// The checks themselves: each must find the fault that it is for.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, before, test } from "node:test";

import { assertAccessible, assertReachableByKeyboard } from "../lib/accessible.mjs";
import { launch, open } from "../lib/browser.mjs";
import { assertNothingRan } from "../lib/hostile.mjs";

let browser;
let server;
let url;
let served = "";

before(async () => {
  browser = await launch();
  server = createServer((request, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(request.url === "/" ? served : "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${server.address().port}/`;
});

after(async () => {
  await browser?.close();
  server?.close();
});

async function opened(body) {
  served = `<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,"><main><h1>A page</h1>${body}</main></html>`;
  return open(browser, url);
}

test("records console errors, exceptions, dialogs and foreign requests", async () => {
  const { page, faults } = await opened(`<script>
    console.error("one"); setTimeout(() => { throw new Error("two"); });
    alert("three"); fetch("http://127.0.0.1:9/", {mode: "no-cors"}).catch(() => { globalThis.done = true; });
  </script>`);
  await page.waitForFunction(() => globalThis.done);
  for (const wanted of ["console: one", "exception: Error: two", "dialog: three", "foreign request: http://127.0.0.1:9/"]) {
    assert.ok(faults.some((fault) => fault.includes(wanted)), `${wanted}: ${faults}`);
  }
  await page.close();
});

test("finds an inaccessible control", async () => {
  const { page } = await opened("<button></button><p style='color: #aaa; background: #fff'>faint</p>");
  await assert.rejects(assertAccessible(page, "the page"), /button-name.*color-contrast/s);
  await page.close();
});

test("finds a control that Tab does not reach, and a focus that is not visible", async () => {
  const trap = await opened("<button>a</button><button id=t>b</button><script>t.onfocus = () => t.blur()</script>");
  await assert.rejects(assertReachableByKeyboard(trap.page));
  await trap.page.close();
  const unseen = await opened("<button style='outline: none'>a</button>");
  await assert.rejects(assertReachableByKeyboard(unseen.page), /unseen/);
  await unseen.page.close();
  const good = await opened("<button>a</button><a href='#'>b</a>");
  assert.equal(await assertReachableByKeyboard(good.page), 2);
  await good.page.close();
});

test("finds markup that a text made", async () => {
  for (const made of ["<img src=x onerror=hostile()>", "<a href='javascript:hostile()'>a</a>", "<b>large</b>"]) {
    const { page } = await opened(made);
    await assert.rejects(assertNothingRan(page, made), made);
    await page.close();
  }
});
