// Priority for tests that measure time.

import { spawnSync } from "node:child_process";

/**
 * Gives this process and the programs that it starts priority over others, so that a busy machine does not change the results. Prints
 * a line if the system does not allow it; on an idle machine it is not needed.
 */
export function takePriority() {
  // Nice values count only within a session, and each browser has a new session.
  const { error, status, stderr } = spawnSync("chrt", ["--all-tasks", "--rr", "--pid", "1", String(process.pid)], { encoding: "utf8" });
  if (status !== 0) console.log(`measured without priority: ${error ?? stderr.trim()}`);
}
