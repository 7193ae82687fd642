// Requests to the control paths, which can be sent or copied as a curl command.

import { element, fill, foreign, newId } from "./dom.js";
import { parse, print } from "./json.js";

/** The limit of a request to a control path, in milliseconds. */
const LIMIT = 30_000;

/** Sends a request to a control path. Returns the JSON of the answer, or throws its error. */
export async function send(httpMethod, path, body, signal) {
  const limit = AbortSignal.timeout(LIMIT);
  const answer = await fetch(path, {
    method: httpMethod,
    body: body === undefined ? undefined : print(body),
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
  });
  const json = parse(await answer.text());
  if (!answer.ok) throw new Error(json.error);
  return json;
}

/** Quotes a text for a POSIX shell. */
export function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Returns the curl command of a request to a control path. */
function curl(httpMethod, path, body) {
  const words = ["curl", "-X", httpMethod, quoted(new URL(path, location.href).href)];
  if (body !== undefined) words.push("--data-raw", quoted(print(body)));
  return words.join(" ");
}

/**
 * Creates a button that copies the command that `command` returns. The command is also shown, since a browser may forbid copying.
 * An error of `command` is passed to `failed`.
 */
export function copyButton(command, failed, label = "Copy as curl") {
  const shown = element("div", { class: "command" });
  const state = element("p", { role: "status", class: "result" });
  const copy = async () => {
    let text;
    try {
      text = command();
    } catch (error) {
      failed(error);
      return;
    }
    const code = foreign(text, "pre", { tabindex: 0, "aria-label": "Command" });
    fill(shown, code);
    try {
      await navigator.clipboard.writeText(text);
      state.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(code);
      state.textContent = "The browser does not allow copying; the command is selected.";
    }
  };
  const button = element("button", { type: "button", class: "secondary", onclick: copy }, label);
  return { button, below: [state, shown] };
}

/**
 * Creates a form that sends a request to a control path. `value` returns the body, or throws an error whose `input` is the invalid
 * control; it is left out for a request without a body. `done` returns the text to show for an answer.
 */
export function action({ label, isSecondary = false, httpMethod, path, fields = [], value = () => undefined, done }) {
  const errorId = newId();
  const error = element("p", { id: errorId, role: "alert", class: "error" });
  const result = element("p", { role: "status", class: "result" });
  const clear = () => {
    fill(error);
    fill(result);
    form.querySelectorAll("[aria-invalid]").forEach((input) => input.removeAttribute("aria-invalid"));
  };
  const failed = (problem) => {
    fill(error, foreign(problem.message));
    if (problem.input) {
      problem.input.setAttribute("aria-invalid", true);
      problem.input.focus();
    }
  };
  const copy = copyButton(() => {
    clear();
    return curl(httpMethod, path, value());
  }, failed);
  const submit = async (event) => {
    event.preventDefault();
    clear();
    try {
      const answer = await send(httpMethod, path, value());
      fill(result, done(answer));
      form.dispatchEvent(new CustomEvent("acted", { bubbles: true }));
    } catch (problem) {
      failed(problem);
    }
  };
  const form = element(
    "form",
    // The browser's own messages would hide which values the mock accepts.
    { novalidate: true, autocomplete: "off", onsubmit: submit },
    ...fields,
    element("div", { class: "buttons" }, element("button", { class: isSecondary ? "secondary" : null }, label), copy.button),
    error,
    result,
    ...copy.below,
  );
  return form;
}
