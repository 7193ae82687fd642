// The table of requests, newest first.

import { duration, element, foreign, number, timeOfDay } from "./dom.js";

const rows = document.getElementById("rows");
const filter = document.getElementById("filter");
const outcome = document.getElementById("outcome");
const pause = document.getElementById("pause");

/** The number of rows in a group. */
const GROUP = 50;

/** The shown requests and their rows by number, oldest first. */
const shown = new Map();
/** The requests that arrived or ended while the table was paused. */
const held = new Map();
let numShown = 0;
let received = 0;
let oldest = 0;
let isPaused = false;
/** The number of the request whose button Tab reaches. */
let current = null;
let open = () => {};

/** Sets the function that opens a request by its number. */
export function whenOpened(listener) {
  open = listener;
}

/** Shows new and changed requests, or keeps them until the table continues. */
export function update(changes) {
  oldest = changes.oldest;
  received = changes.oldest + changes.state.requests - 1;
  for (const request of changes.requests) held.set(request.number, request);
  removeBefore(held, oldest);
  if (!isPaused) showHeld();
  showCount();
}

/** Forgets all requests: the mock was restarted, and counts from 1 again. */
export function clear() {
  shown.clear();
  held.clear();
  rows.replaceChildren();
  [numShown, oldest, current] = [0, 0, null];
}

function showHeld() {
  for (const { row, isShown } of removeBefore(shown, oldest)) {
    numShown -= isShown ? 1 : 0;
    const group = row.parentElement;
    row.remove();
    if (group.childElementCount === 0) group.remove();
  }
  for (const request of held.values()) {
    const known = shown.get(request.number);
    const row = rowOf(request);
    if (known) known.row.replaceWith(row);
    else add(row);
    const entry = { request, row, isShown: known?.isShown ?? false };
    shown.set(request.number, entry);
    applyFilter(entry);
  }
  held.clear();
  document.getElementById("none").hidden = shown.size > 0;
  if (!shown.get(current)?.isShown) focusable(firstShown());
}

/** Adds a row as the newest. Rows are in groups, since a browser skips the layout of a group that is out of view. */
function add(row) {
  const newest = rows.firstElementChild;
  if (newest && newest.childElementCount < GROUP) newest.prepend(row);
  else rows.prepend(element("div", { role: "rowgroup", class: "group" }, row));
}

/** Removes the entries of requests that the mock no longer keeps. Returns them. */
function removeBefore(entries, number) {
  const removed = [];
  for (const [kept, entry] of entries) {
    if (kept >= number) break;
    entries.delete(kept);
    removed.push(entry);
  }
  return removed;
}

function showCount() {
  const parts = [`${number(numShown)} of ${number(received)} shown`];
  if (oldest > 1) parts.push(`${number(oldest - 1)} no longer kept`);
  document.getElementById("count").textContent = parts.join(", ");
  pause.textContent = isPaused && held.size > 0 ? `Pause (${number(held.size)} new)` : "Pause";
}

/** Returns the query of a form, as a person typed it. */
function queryOf(form) {
  const value = form.match(/(?:^|&)query=([^&]*)/)?.[1];
  if (value === undefined) return form;
  try {
    return decodeURIComponent(value.replaceAll("+", " "));
  } catch {
    // A shortened form can end within an escape.
    return value;
  }
}

/** Returns the query of a request, or its whole body if the mock could not read it. */
export function sentQuery({ form, body }) {
  return body ?? queryOf(form);
}

function rowOf(request) {
  const { method, path, url_query: urlQuery, key, status, charged, fault, refusal } = request;
  const button = element("button", { type: "button", tabindex: request.number === current ? 0 : -1 }, number(request.number));
  button.setAttribute("aria-label", `Request ${request.number}`);
  button.setAttribute("aria-haspopup", "dialog");
  const cell = (name, ...children) => element("div", { role: "cell", class: name }, ...children);
  // An unknown path is all that the request asked for.
  const what = method === null ? "unknown" : method + (request.is_test ? " (test)" : "");
  const address = (method === null ? path : "") + (urlQuery === null ? "" : `?${urlQuery}`);
  const query = `${sentQuery(request)} ${address}`.trim();
  const note = fault ? [element("b", { class: "fault" }, "fault"), " ", foreign(faultText(fault))] : [];
  if (refusal !== null) note.push(element("b", { class: "refused" }, "refused"), " ", foreign(refusal));
  const isInFlight = request.took_ms === null && request.received_ms !== null;
  const row = element(
    "div",
    { role: "row", class: "row", "data-number": request.number },
    element("div", { role: "rowheader", class: "number" }, button),
    cell("time", request.received_ms === null ? "in process" : timeOfDay(request.received_ms)),
    cell("method", foreign(what)),
    cell("query", foreign(query, "div", { dir: "auto" })),
    cell("key", foreign(key ?? "none")),
    cell("status", status === null ? "–" : String(status)),
    cell("credits", number(charged)),
    cell("note", element("div", {}, ...note)),
    cell("took", isInFlight ? "in flight" : request.took_ms === null ? "–" : duration(request.took_ms)),
  );
  if (status >= 400 || fault) row.classList.add("failed");
  return row;
}

/** Describes a fault as its JSON without the names of usual fields. */
export function faultText({ kind, charged, ...fields }) {
  const details = Object.entries(fields).filter(([name, value]) => name !== "method" && value !== null);
  const texts = details.map(([name, value]) => `${name} ${value}`);
  if (charged) texts.unshift("charged");
  return texts.length > 0 ? `${kind} (${texts.join(", ")})` : kind;
}

function isWanted({ request }) {
  const { charged, fault, refusal } = request;
  const isOfOutcome = { all: true, charged: charged > 0, fault: fault !== null, refused: refusal !== null }[outcome.value];
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  if (!isOfOutcome || words.length === 0) return isOfOutcome;
  const texts = [request.number, request.method ?? request.path, sentQuery(request), request.url_query, request.key ?? "none"];
  texts.push(request.status ?? "", fault ? faultText(fault) : "", refusal);
  const text = texts.join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function applyFilter(entry) {
  const wanted = isWanted(entry);
  numShown += Number(wanted) - Number(entry.isShown);
  entry.isShown = wanted;
  entry.row.hidden = !wanted;
}

function filterAll() {
  shown.forEach(applyFilter);
  if (!shown.get(current)?.isShown) focusable(firstShown());
  showCount();
}

function firstShown() {
  return rows.querySelector(".row:not([hidden])");
}

/** Makes Tab reach the button of this row, and no other of the table. */
function focusable(row) {
  shown.get(current)?.row.querySelector("button").setAttribute("tabindex", -1);
  current = row ? Number(row.dataset.number) : null;
  const button = row?.querySelector("button");
  button?.setAttribute("tabindex", 0);
  return button;
}

function allShown() {
  return [...rows.querySelectorAll(".row:not([hidden])")];
}

rows.addEventListener("keydown", (event) => {
  const row = event.target.closest(".row");
  const target = {
    ArrowDown: () => allShown()[allShown().indexOf(row) + 1],
    ArrowUp: () => allShown()[allShown().indexOf(row) - 1],
    Home: firstShown,
    End: () => allShown().at(-1),
  }[event.key]?.();
  if (!target) return;
  event.preventDefault();
  focusable(target)?.focus();
});

rows.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  // A person who selects a text of a row does not want to open its request.
  if (!row || (!event.target.closest("button") && String(getSelection()))) return;
  focusable(row);
  open(Number(row.dataset.number));
});

/** Focuses the button of a request, if it is still shown. */
export function focus(wanted) {
  const row = shown.get(wanted)?.isShown ? shown.get(wanted).row : firstShown();
  focusable(row)?.focus();
}

pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.setAttribute("aria-pressed", isPaused);
  if (!isPaused) showHeld();
  showCount();
});
filter.addEventListener("input", filterAll);
outcome.addEventListener("change", filterAll);
