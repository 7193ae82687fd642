// Starts the programs of this workspace that serve or write pages. `cargo xtask ci --only pages` builds them first.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The folder of this workspace. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

/** Returns the path of a program of this workspace. */
export function program(name) {
  const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
  const path = join(target, "debug", name);
  if (!existsSync(path)) throw new Error(`${path} is missing: run \`cargo xtask ci --only pages\``);
  return path;
}

/** Starts `tgscan-mock serve` on a free port. Returns `{url, stop}`. */
export async function startMock(...flags) {
  const server = spawn(program("tgscan-mock"), ["serve", "--address", "127.0.0.1:0", "--quiet", ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = async () => {
    const ended = once(server, "exit");
    if (server.exitCode === null && server.kill()) await ended;
  };
  for await (const line of createInterface({ input: server.stdout })) {
    const [, url] = line.match(/^listening on (\S+)/) ?? [];
    if (url) return { url, stop };
  }
  throw new Error("tgscan-mock serve ended before it listened");
}
