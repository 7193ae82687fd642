// The inspector: follows the mock's changes, and shows them.

import { send } from "./actions.js";
import * as detail from "./detail.js";
import * as panels from "./panels.js";
import * as requests from "./requests.js";
import { formsOf } from "./schema_form.js";

/** The shortest time between two reads of changes in milliseconds, so that a busy mock does not keep the browser busy. */
const PAUSE = 50;
/** The pause after a read that failed. */
const RETRY = 1000;

let cursor = "";
/** Ends the current wait for changes. */
let again = new AbortController();

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function showConnection(text, isConnected) {
  const connection = document.getElementById("connection");
  connection.className = isConnected ? "connected" : "disconnected";
  // Screen readers announce each change.
  if (connection.textContent !== text) connection.textContent = text;
}

async function follow() {
  for (;;) {
    const start = performance.now();
    again = new AbortController();
    const { signal } = again;
    let changes;
    try {
      changes = await send("GET", `changes?after=${encodeURIComponent(cursor)}`, undefined, signal);
    } catch {
      // After an action of this page.
      if (signal.aborted) continue;
      showConnection("No connection to the mock; trying again", false);
      await sleep(RETRY);
      continue;
    }
    // The part before the first dot names the server's start.
    if (changes.cursor.split(".")[0] !== cursor.split(".")[0]) requests.clear();
    cursor = changes.cursor;
    requests.update(changes);
    panels.update(changes);
    detail.update(changes.requests);
    showConnection("Connected", true);
    await sleep(Math.max(0, PAUSE - (performance.now() - start)));
  }
}

async function addForms() {
  for (;;) {
    try {
      panels.addForms(formsOf(await send("GET", "control.json")));
      return;
    } catch {
      await sleep(RETRY);
    }
  }
}

document.getElementById("base").textContent = location.origin;
document.addEventListener("acted", () => again.abort());
requests.whenOpened(detail.open);
detail.whenPinned(panels.pin);
follow();
addForms();
