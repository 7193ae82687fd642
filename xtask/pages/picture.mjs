// Writes the picture of the mock's inspector for its README: `npm run picture --prefix xtask/pages`.

import { join } from "node:path";

import { launch, open } from "./lib/browser.mjs";
import { inspector, ready } from "./lib/inspector.mjs";
import { ask, control } from "./lib/mock.mjs";
import { root, startMock } from "./lib/programs.mjs";

const mock = await startMock("--seed", "7");
const browser = await launch();
try {
  await ask(mock, "", { path: "balance", form: new URLSearchParams() });
  await ask(mock, "some_username");
  await ask(mock, "136817688", { path: "user/check" });
  await ask(mock, "some_username", { path: "test/search", key: "mock-test-key" });
  await ask(mock, "alice", { key: "an-old-key" });
  const faults = [{ kind: "too_many_requests", retry_after: 2 }, { kind: "gateway_json", status: 503, charged: true }];
  await control(mock, "POST", "faults", faults);
  await ask(mock, "alice");
  await ask(mock, "alice");
  await ask(mock, "alice");
  await ask(mock, "some_group,another_group", { path: "chat/similar" });
  await control(mock, "POST", "faults", [{ kind: "reset", charged: true, method: "search" }, { kind: "slow_body" }]);
  const { page } = await open(browser, inspector(mock), { width: 1320, height: 600 });
  await ready(page);
  await page.waitForSelector("#rows .row");
  await page.screenshot({ path: join(root, "tgscan-mock/inspector.png") });
  await control(mock, "DELETE", "faults");
} finally {
  await browser.close();
  await mock.stop();
}
