// Calls the seven URLs with Node's fetch and https: client.mjs URL CA_FILE STATUS_OF_A_WRONG_KEY.
//
// fetch trusts the authority because NODE_EXTRA_CA_CERTS names it. Prints one body per line, for the caller
// to compare. Fails if a check fails.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import https from "node:https";

const [url, caFile, wrongKey] = process.argv.slice(2);

async function call(path, key, form = {}) {
  const answer = await fetch(`${url}/tgscan/v1/${path}`, {
    method: "POST",
    headers: { "Api-Key": key },
    body: new URLSearchParams(form),
  });
  return { status: answer.status, body: await answer.text() };
}

async function control(method, path, body) {
  const answer = await fetch(`${url}/_mock/${path}`, { method, body: body && JSON.stringify(body) });
  return answer.json();
}

for (const [key, test] of [["mock-live-key", ""], ["mock-test-key", "test/"]]) {
  for (const [path, query] of [
    ["search", "some_username"],
    ["chat/similar", "some_username1,some_username2"],
    ["user/check", "136817688"],
  ]) {
    console.log((await call(test + path, key, { query })).body);
  }
}
console.log((await call("balance", "mock-live-key")).body);

// Errors are envelopes too.
const refused = await call("search", "wrong-key", { query: "alice" });
assert.equal(refused.status, Number(wrongKey));
assert.equal(JSON.parse(refused.body).status, "error");

// A fault from the control paths: charged, then the connection is reset.
const before = (await control("GET", "state")).credits;
await control("POST", "faults", [{ kind: "reset", charged: true }]);
await assert.rejects(call("search", "mock-live-key", { query: "alice" }), TypeError);
assert.equal((await control("GET", "state")).credits, before - 1);
assert.equal((await control("GET", "requests")).at(-1).form, "query=alice");

// The seed, costs, keys and latency can be changed, until a reset restores the state at the start.
const document = await control("GET", "control.json");
assert.ok(document.paths["/_mock/state"].put && document.paths["/_mock/expectations"].post);
const change = { seed: 8, credits: 50, latency_ms: 1, live_keys: ["new-key"], costs: { search: { usual: 7 } } };
assert.equal((await control("PUT", "state", change)).seed, 8);
assert.equal(JSON.parse((await call("search", "new-key", { query: "alice" })).body).result.meta.op_cost, 7);
const last = (await control("GET", "requests")).at(-1);
assert.ok(last.charged === 7 && last.received_ms > 1_700_000_000_000 && !("api-key" in last.headers));
assert.match((await control("PUT", "state", { sede: 8 })).error, /unknown field `sede`/);
const started = await control("POST", "reset");
assert.deepEqual([started.seed, started.credits, started.latency_ms], [7, 1000, 0]);

// Given answers, an error with a given message, and missing calls.
const pinned = { user: { id: 7 }, meta: { num_groups: 0, known_num_groups: 0, op_cost: 4 } };
await control("POST", "expectations", [
  { method: "search", query: "alice", times: 2, answer: pinned, name: "two searches for Alice" },
  { method: "balance", fault: { kind: "error_envelope", status: 200, message: "not today" } },
]);
for (let i = 0; i < 2; i++) {
  assert.equal(JSON.parse((await call("search", "mock-live-key", { query: "alice" })).body).result.user.id, 7);
}
assert.equal((await control("GET", "expectations")).satisfied, false);
assert.match((await call("balance", "mock-live-key")).body, /not today/);
assert.deepEqual(await control("GET", "expectations"), { satisfied: true, report: null });
await control("DELETE", "expectations");

// One fault for several requests.
await control("POST", "faults", [{ kind: "error_envelope", status: 200, times: 2 }]);
assert.equal(JSON.parse((await call("search", "mock-live-key", { query: "alice" })).body).status, "error");
assert.deepEqual(await control("DELETE", "faults"), { faults_left: 0 });

// The live host name, resolved to the mock: the certificate is checked for that name, with and without the authority.
function pointed(host, ca) {
  const { hostname, port } = new URL(url);
  const lookup = (_name, options, found) =>
    options.all ? found(null, [{ address: hostname, family: 4 }]) : found(null, hostname, 4);
  return new Promise((resolve, reject) => {
    const options = { host, port, ca, lookup, path: "/tgscan/v1/balance", method: "POST" };
    const request = https.request({ ...options, headers: { "Api-Key": "mock-live-key" } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    request.on("error", reject);
    request.end();
  });
}

assert.equal(await pointed("api.tgdev.io", readFileSync(caFile)), 200);
await assert.rejects(pointed("other.tgdev.io", readFileSync(caFile)), { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
await assert.rejects(pointed("api.tgdev.io", []), /certificate|self-signed/);
