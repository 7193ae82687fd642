// Takes pictures of a page for a person to look at.

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { open } from "./browser.mjs";

/**
 * Writes pictures at 1280 and 400 pixels, in light and dark, into the folder `TGSCAN_SCREENSHOTS`. Does nothing without this
 * variable. `prepare` brings the page into the state to show.
 */
export async function screenshots(browser, url, name, prepare = async () => {}) {
  const folder = process.env.TGSCAN_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  for (const width of [1280, 400]) {
    for (const dark of [false, true]) {
      const { page } = await open(browser, url, { width, dark });
      await prepare(page);
      const path = join(folder, `${name}-${width}-${dark ? "dark" : "light"}.png`);
      await page.screenshot({ path, fullPage: true });
      await page.close();
    }
  }
}
