// A request with its answer, in a dialog.

import { copyButton, quoted, send } from "./actions.js";
import { dateAndTime, duration, element, fill, foreign, number, terms } from "./dom.js";
import { indented, parse } from "./json.js";
import { faultText, focus, sentQuery } from "./requests.js";

const dialog = document.getElementById("detail");
/** The number of the request that was opened last, until its dialog is closed. */
let opened = null;
/** The number of the request in the dialog. */
let displayed = null;
let pin = () => {};

/** Sets the function that fills the form for expectations. */
export function whenPinned(listener) {
  pin = listener;
}

/** Opens a request. */
export async function open(wanted) {
  opened = wanted;
  await show();
}

/** Shows the open request again if it is among these. */
export function update(requests) {
  if (dialog.open && requests.some((request) => request.number === opened)) show();
}

async function show() {
  const wanted = opened;
  const title = element("h2", { id: "detail-title", tabindex: -1 }, `Request ${number(wanted)}`);
  const close = element("button", { type: "button", class: "secondary", onclick: () => dialog.close() }, "Close");
  const head = element("div", { class: "bar" }, title, close);
  let parts;
  try {
    parts = detail(await send("GET", `request?number=${wanted}`));
  } catch (error) {
    parts = [element("p", { role: "alert", class: "error" }, foreign(error.message))];
  }
  // Another request may have been opened in the meantime.
  if (opened !== wanted) return;
  const isNew = !dialog.open;
  const focused = dialog.contains(document.activeElement) ? document.activeElement.textContent : null;
  displayed = wanted;
  fill(dialog, head, ...parts);
  if (isNew) dialog.showModal();
  const same = [...dialog.querySelectorAll("button, pre")].find((control) => control.textContent === focused);
  (same ?? title).focus();
}

function detail(request) {
  const { answer, fault, refusal } = request;
  const pairs = [
    ["Method", foreign(request.method === null ? "unknown path" : request.method + (request.is_test ? " (test)" : ""))],
    ["Query", foreign(sentQuery(request))],
    ["Received", request.received_ms === null ? "in process" : dateAndTime(request.received_ms)],
    ["Took", request.took_ms === null ? "–" : duration(request.took_ms)],
    ["Key", foreign(request.key ?? "none that is valid")],
    ["Credits", number(request.charged)],
  ];
  if (fault) pairs.push(["Fault", foreign(faultText(fault))]);
  if (refusal !== null) pairs.push(["Refused", foreign(refusal)]);
  const error = element("p", { role: "alert", class: "error" });
  const copy = copyButton(() => curl(request), (problem) => fill(error, problem.message));
  const buttons = element("div", { class: "buttons" }, copy.button);
  const result = request.method === null ? null : resultOf(answer);
  if (result) {
    const values = { method: request.method, query: sentQuery(request), times: 1, answer: result };
    const use = () => {
      dialog.close();
      pin(values);
    };
    buttons.append(element("button", { type: "button", class: "secondary", onclick: use }, "Pin this answer"));
  }
  return [
    element("dl", { class: "terms" }, ...terms(pairs)),
    buttons,
    error,
    ...copy.below,
    element("h3", {}, "Request"),
    text(`${requestLine(request)}\n${headerLines(request.headers)}\n\n${request.body ?? request.form}`, "Request"),
    element("h3", {}, "Answer"),
    ...answerParts(answer),
  ];
}

/** Returns the `result` of a successful answer as JSON, or null. */
function resultOf(answer) {
  if (!answer || answer.kept_bytes < answer.bytes) return null;
  const body = answer.body.match(/^\{"status":"ok","result":([^]*)\}$/);
  if (!body) return null;
  try {
    parse(body[1]);
    return indented(body[1]);
  } catch {
    return null;
  }
}

function requestLine(request) {
  const query = request.url_query === null ? "" : `?${request.url_query}`;
  return `${request.http_method} ${request.path}${query}`;
}

function headerLines(headers) {
  return Object.entries(headers).flatMap(([name, values]) => values.map((value) => `${name}: ${value}`)).join("\n");
}

function answerParts(answer) {
  if (!answer) return [element("p", { class: "quiet" }, "Answers of requests in process are not kept.")];
  const parts = [];
  if (answer.end !== null) {
    const words = { reset: "was reset", close: "was closed", stall: "stayed open without further bytes", trickle: "sent single bytes without an end" };
    const when = answer.status === null ? "without an answer" : `after ${number(answer.cut_at)} bytes of the body`;
    parts.push(element("p", {}, `The connection ${words[answer.end]} ${when}.`));
  }
  if (answer.status === null) return parts;
  if (answer.kept_bytes < answer.bytes) {
    parts.push(element("p", {}, `Only the first ${number(answer.kept_bytes)} of ${number(answer.bytes)} bytes are kept.`));
  }
  parts.push(text(`${answer.status}\n${headerLines(answer.headers)}\n\n${indented(answer.body)}`, "Answer"));
  return parts;
}

function text(content, label) {
  return foreign(content, "pre", { tabindex: 0, role: "region", "aria-label": label, dir: "ltr" });
}

/** Returns the curl command that sends the request again. The mock does not store keys, so the shell must have one. */
function curl(request) {
  const query = request.url_query === null ? "" : `?${request.url_query}`;
  const url = quoted(location.origin + (request.path + query).replace(/[^\x21-\x7e]/gu, encodeURIComponent));
  const words = ["curl", "-X", request.http_method, url, "-H", `"Api-Key: $TGSCAN_API_KEY"`];
  const body = request.body ?? request.form;
  if (body) words.push("--data-raw", quoted(body));
  return words.join(" ");
}

dialog.addEventListener("close", () => {
  // Another request may have been opened since.
  if (dialog.open) return;
  if (opened === displayed) opened = null;
  fill(dialog);
  if (document.activeElement === document.body) focus(displayed);
});
