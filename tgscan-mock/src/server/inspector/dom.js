// Builds the document. Texts become text nodes only, never markup.

/** Control and format characters that change the order of a text or are invisible. Joiners stay: emoji and scripts need them. */
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** Creates an element. Properties that start with `on` are listeners; the others are attributes, left out if null or false. */
export function element(name, properties = {}, ...children) {
  const created = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) created.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) created.setAttribute(key, value === true ? "" : value);
  }
  created.append(...children);
  return created;
}

/** The longest text of a client in a list, since the layout of a long text takes seconds. */
const MOST_TEXT = 1000;

/**
 * Creates an element that isolates the direction of a text of a client, and names its hidden characters. Cuts a long text, unless the
 * element is a `pre`.
 */
export function foreign(whole, name = "bdi", properties = {}) {
  const isCut = name !== "pre" && whole.length > MOST_TEXT;
  const text = isCut ? `${whole.slice(0, MOST_TEXT).toWellFormed()}…` : whole;
  const shown = element(name, properties);
  let end = 0;
  for (const { 0: hidden, index } of text.matchAll(HIDDEN)) {
    const code = hidden.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    shown.append(text.slice(end, index), element("span", { class: "hidden-character" }, `U+${code}`));
    end = index + hidden.length;
  }
  shown.append(text.slice(end));
  return shown;
}

/** Creates the nodes of a text of this project, with `code` between backticks. */
export function prose(text) {
  return text.split("`").map((part, index) => (index % 2 === 1 ? element("code", {}, part) : part));
}

/** Replaces the children of an element. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children);
}

/** Creates a list of terms and their values. */
export function terms(pairs) {
  return pairs.map(([term, ...values]) => element("div", {}, element("dt", {}, term), element("dd", {}, ...values)));
}

let lastId = 0;

/** Returns an id for an element that another one refers to. */
export function newId() {
  lastId += 1;
  return `e${lastId}`;
}

const numbers = new Intl.NumberFormat("en");

/** Formats a number with separators. */
export function number(value) {
  return numbers.format(value);
}

/** Formats a duration in milliseconds. */
export function duration(milliseconds) {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(2)} s`;
  return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}

/** Formats a date with the time of the day. */
export function dateAndTime(since1970) {
  const date = new Date(since1970);
  const two = (part) => String(part).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${timeOfDay(since1970)}`;
}

/** Formats a time of the day, with milliseconds. */
export function timeOfDay(since1970) {
  const time = new Date(since1970);
  const two = (part) => String(part).padStart(2, "0");
  const milliseconds = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${milliseconds}`;
}
