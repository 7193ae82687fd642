// Starts Chromium and opens pages whose faults are recorded.

import assert from "node:assert/strict";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

import puppeteer from "puppeteer-core";

/** The limit of each wait, in milliseconds. Long enough for a busy machine. */
export const LIMIT = 30_000;

/** Returns the path of Chromium: `CHROMIUM`, or the first in `PATH`. */
function executable() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, "chromium");
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next folder may have it.
    }
  }
  throw new Error("these tests need Chromium: run .ci/install, or set CHROMIUM to its path");
}

/** Starts Chromium without a window. Close it after the tests. */
export function launch() {
  return puppeteer.launch({
    executablePath: executable(),
    // Chromium has no sandbox for root, as which CI runs. The pages are those of this project.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"],
    protocolTimeout: 4 * LIMIT,
  });
}

/**
 * Opens a page at a URL, and records its faults: console errors and warnings, exceptions, dialogs, failed requests and requests to
 * another origin. A page of a file may only request that file.
 *
 * Returns `{page, faults}`; `faults` is an array of texts that the caller compares with `[]`.
 */
export async function open(browser, url, { width = 1280, height = 900, dark = false, print = false } = {}) {
  const page = await browser.newPage();
  page.setDefaultTimeout(LIMIT);
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
  if (print) await page.emulateMediaType("print");
  const faults = [];
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`exception: ${error}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    if (!isOwn(new URL(request.url()), new URL(url))) faults.push(`foreign request: ${request.url()}`);
  });
  await page.goto(url, { waitUntil: "load" });
  return { page, faults };
}

function isOwn(requested, own) {
  return own.protocol === "file:" ? requested.pathname === own.pathname : requested.origin === own.origin;
}

/** Calls `test` with a page at a URL, and then checks that no fault was recorded. */
export async function withPage(browser, url, options, test) {
  const { page, faults } = await open(browser, url, options);
  try {
    await test(page, faults);
    assert.deepEqual(faults, []);
  } finally {
    await page.close();
  }
}
