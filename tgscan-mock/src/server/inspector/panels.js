// The account, the script, the expectations, and the forms that change them.

import { action } from "./actions.js";
import { element, fill, foreign, number, terms } from "./dom.js";
import { print } from "./json.js";
import { faultText } from "./requests.js";

const byId = (id) => document.getElementById(id);

/** The fields of the form for expectations, which an answer can fill. */
let expectation;

/** Adds the forms, with the fields of the control paths' document. */
export function addForms(forms) {
  const fault = forms.choice("Step", "too_many_requests");
  expectation = forms.object("Expectation");
  const settings = forms.object("Change");
  const left = ({ faults_left: faults }) => `${plural(faults, "step")} left.`;
  const verdict = ({ satisfied }) => (satisfied ? "All expectations are met." : "Added. Not all expectations are met yet.");
  fill(
    byId("fault-form"),
    action({
      label: "Add to the script",
      httpMethod: "POST",
      path: "faults",
      fields: fault.elements,
      value: () => [fault.value()],
      done: left,
    }),
    action({ label: "Remove all steps", isSecondary: true, httpMethod: "DELETE", path: "faults", done: left }),
  );
  const hint = `With expectations, all other requests are refused, unless the setting answers_unexpected is on. Give an answer to pin it.`;
  fill(
    byId("expectation-form"),
    element("p", { class: "hint" }, hint),
    action({
      label: "Expect",
      httpMethod: "POST",
      path: "expectations",
      fields: expectation.elements,
      value: () => [expectation.value()],
      done: verdict,
    }),
    action({
      label: "Remove all expectations",
      isSecondary: true,
      httpMethod: "DELETE",
      path: "expectations",
      done: () => "No expectations are left.",
    }),
  );
  fill(
    byId("settings-form"),
    action({
      label: "Change settings",
      httpMethod: "PUT",
      path: "state",
      fields: settings.elements,
      value: settings.value,
      done: () => "Changed.",
    }),
  );
  fill(
    byId("reset-form"),
    element("p", {}, "Restores settings, account and script as at the start, and removes requests and expectations."),
    action({ label: "Reset the mock", httpMethod: "POST", path: "reset", done: () => "Reset." }),
  );
}

/** Fills the form for expectations with an answer, opens its panel, and focuses it. */
export function pin(values) {
  expectation.set(values);
  const panel = byId("expectation-form").closest("details");
  panel.open = true;
  panel.scrollIntoView({ block: "start" });
  byId("expectation-form").querySelector("select, input").focus();
}

/** The JSON of each part that is shown, to leave an unchanged part alone. */
const shown = new Map();

function ifChanged(name, value, show) {
  const json = print(value);
  if (shown.get(name) === json) return;
  shown.set(name, json);
  show();
}

/** Shows the account, the script and the expectations. */
export function update({ state, script, expectations, num_expectations: numExpectations, unexpected, more_unexpected: more }) {
  ifChanged("account", state, () => showAccount(state));
  ifChanged("script", [script, state.faults_left], () => showScript(script, state.faults_left));
  const verdicts = { expectations, numExpectations, unexpected, more };
  ifChanged("expectations", verdicts, () => showExpectations(verdicts));
}

function showAccount(state) {
  const pairs = [
    ["Balance", number(state.credits)],
    ["Spent", `${number(state.spent)} in ${plural(state.charged_calls, "call")}`],
    ["Keys", `${state.num_live_keys} live, ${state.num_test_keys} test, ${state.num_revoked_keys} revoked`],
    ["Seed", String(state.seed)],
    ["Latency", `${number(state.latency_ms)} ms`],
    ["Repeated queries", `${state.repeat} answer`],
  ];
  for (const [method, cost] of Object.entries(state.costs)) {
    const usual = cost.usual === undefined ? "1 + 1 per 50 groups" : number(cost.usual);
    const special = Object.keys(cost.queries ?? {}).length;
    pairs.push([foreign(`Cost of ${method}`), `${usual}${special > 0 ? `; ${plural(special, "query", "queries")} differ` : ""}`]);
  }
  if (state.answers_unexpected) pairs.push(["Unexpected requests", "answered"]);
  fill(byId("account"), ...terms(pairs));
}

function showScript(script, left) {
  byId("script-count").textContent = left > 0 ? `${plural(left, "step")} left` : "";
  const steps = script.map((step) => {
    const scope = step.method === null ? "any method" : step.method;
    return element("li", {}, foreign(faultText(step)), element("span", { class: "quiet" }, " for ", foreign(scope)));
  });
  if (left > script.length) steps.push(element("li", { class: "quiet" }, `and ${number(left - script.length)} more`));
  fill(byId("script"), ...steps);
}

function showExpectations({ expectations, numExpectations, unexpected, more }) {
  const met = expectations.filter((each) => each.is_met).length;
  const count = numExpectations > 0 ? `${number(met)} of ${number(numExpectations)} met` : "";
  byId("expectations-count").textContent = unexpected.length > 0 ? `${count}, unexpected requests` : count;
  const items = expectations.map(({ call, expected, calls, refused, is_met: isMet }) => {
    const verdict = element("b", { class: isMet ? "met" : "unmet" }, isMet ? "✓ met" : "✗ not met");
    const counts = `, called ${plural(calls, "time")}${refused > 0 ? `, ${number(refused)} refused` : ""}`;
    return element("li", {}, verdict, " ", foreign(call), element("span", { class: "quiet" }, " expected ", foreign(expected), counts));
  });
  if (numExpectations > expectations.length) {
    items.push(element("li", { class: "quiet" }, `and ${number(numExpectations - expectations.length)} more`));
  }
  fill(byId("expectations"), ...items);
  const others = unexpected.map((text) => element("li", {}, element("b", { class: "unmet" }, "✗"), " ", foreign(text)));
  if (more > 0) others.push(element("li", { class: "quiet" }, `and ${plural(more, "more unexpected request")}`));
  fill(byId("unexpected"), ...others);
}

function plural(count, noun, nouns = `${noun}s`) {
  return `${number(count)} ${BigInt(count) === 1n ? noun : nouns}`;
}
