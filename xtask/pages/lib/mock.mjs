// Clients of the mock: its API, its control paths, and many requests in a short time.

import { once } from "node:events";
import { Agent, request } from "node:http";

/** Sends a request to the API. Returns its status, head and body. */
export async function ask(mock, query, { path = "search", key = "mock-live-key", form = new URLSearchParams({ query }), headers = {} } = {}) {
  const answer = await fetch(`${mock.url}/tgscan/v1/${path}`, { method: "POST", headers: { "api-key": key, ...headers }, body: form });
  return { status: answer.status, headers: answer.headers, body: await answer.text() };
}

/** Sends a request to a control path. Returns the JSON of the answer. */
export async function control(mock, httpMethod, path, body) {
  const answer = await fetch(`${mock.url}/_mock/${path}`, { method: httpMethod, body: body && JSON.stringify(body) });
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.error);
  return json;
}

/**
 * Sends searches at a steady rate until there are `total`. Returns how many answers came per second.
 */
export async function load(mock, { total, perSecond }) {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const { hostname, port } = new URL(mock.url);
  const headers = { "api-key": "mock-live-key", "content-type": "application/x-www-form-urlencoded" };
  const send = async (number) => {
    const sent = request({ agent, hostname, port, path: "/tgscan/v1/search", method: "POST", headers });
    sent.end(`query=some_user_${number}`);
    const [answer] = await once(sent, "response");
    answer.resume();
    await once(answer, "end");
  };
  const start = performance.now();
  const answers = [];
  while (answers.length < total) {
    const due = Math.min(total, Math.ceil(((performance.now() - start) / 1000) * perSecond));
    while (answers.length < due) answers.push(send(answers.length));
    // A rate needs pauses; no condition would end them.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await Promise.all(answers);
  agent.destroy();
  return total / ((performance.now() - start) / 1000);
}
