// Calls every URL of the gateway with fetch, and with axios if it is installed, and prints the bodies.

import { createRequire } from "node:module";

const [url, live, test] = process.argv.slice(2);
const calls = [
  ["/tgscan/v1/search", "query=some_username"],
  ["/tgscan/v1/chat/similar", "query=some_username1,some_username2"],
  ["/tgscan/v1/user/check", "query=136817688"],
  ["/tgscan/v1/balance", ""],
];
const libraries = {
  // A text, which fetch labels `text/plain;charset=UTF-8`.
  fetch: async (url, key, form) =>
    (await fetch(url, { method: "POST", headers: { "Api-Key": key }, body: form })).text(),
  parameters: async (url, key, form) =>
    (await fetch(url, { method: "POST", headers: { "Api-Key": key }, body: new URLSearchParams(form) })).text(),
};
try {
  const axios = createRequire(import.meta.url)("axios");
  libraries.axios = async (url, key, form) =>
    (await axios.post(url, form, { headers: { "Api-Key": key }, responseType: "text", transformResponse: (body) => body })).data;
} catch {}

for (const [name, call] of Object.entries(libraries)) {
  for (const [path, form] of calls) {
    console.log(name, path, await call(url + path, live, form));
    if (!path.includes("balance")) {
      const twin = path.replace("/v1/", "/v1/test/");
      console.log(name, twin, JSON.parse(await call(url + twin, test, form)).status);
    }
  }
}
