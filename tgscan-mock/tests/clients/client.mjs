// Asks the seven URLs with nothing but Node's own fetch and https: client.mjs URL CA_FILE STATUS_OF_A_WRONG_KEY.
//
// fetch trusts the authority because NODE_EXTRA_CA_CERTS names it. Prints one body per line; whoever runs this compares
// them. Ends with an error if anything else is not as it should be.

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

// A fault that was ordered through the control paths: charged, then the line dropped.
const before = (await control("GET", "state")).credits;
await control("POST", "faults", [{ kind: "reset", charged: true }]);
await assert.rejects(call("search", "mock-live-key", { query: "alice" }), TypeError);
assert.equal((await control("GET", "state")).credits, before - 1);
assert.equal((await control("GET", "requests")).at(-1).form, "query=alice");

// The live host name, pointed at the mock: the certificate is checked for that name, with and without the authority.
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
