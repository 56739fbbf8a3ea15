#!/usr/bin/env node
// Starts the `holdfast` command. It is the only file of it that has to run on whatever Node a machine happens to
// have: with an older one it looks for the Node that came with Holdfast and starts over with that.
import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const majorLeast = 26;
const self = fileURLToPath(import.meta.url);

/** The nearest `node_modules/.bin/node` at or above this file, unless it is the one that runs already. */
function findNode() {
  for (let folder = dirname(self); ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', '.bin', 'node');
    if (existsSync(candidate)) {
      const real = realpathSync(candidate);
      return real === realpathSync(process.execPath) ? undefined : real;
    }
    if (folder === dirname(folder)) return undefined;
  }
}

function startOver() {
  const node = findNode();
  if (node === undefined) {
    process.stderr.write(
      `holdfast: [unsupported] Node ${process.versions.node} is too old: ${majorLeast} or newer is needed\n` +
        'hint: install a newer Node, or run npm install where Holdfast is, which brings its own\n',
    );
    process.exitCode = 2;
    return;
  }
  const args = [self, ...process.argv.slice(2)];
  if (process.execve && process.platform !== 'win32') process.execve(node, [node, ...args], process.env);
  const child = spawn(node, args, { stdio: 'inherit' });
  // A terminal tells both processes of Ctrl-C; the other one takes two at once for one.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name));
  child.on('error', (error) => {
    process.stderr.write(`holdfast: [unavailable] ${node} cannot be started: ${error.message}\n`);
    process.exitCode = 3;
  });
  child.on('exit', (code, signal) => {
    if (signal) {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    } else process.exitCode = code ?? 1;
  });
}

/** Compiled code is kept in the user's own cache: a folder in /tmp could be prepared by someone else. */
function cacheFolder() {
  const cache = process.env.XDG_CACHE_HOME;
  return join(cache?.startsWith('/') ? cache : join(homedir(), '.cache'), 'holdfast', 'node');
}

if (Number.parseInt(process.versions.node, 10) < majorLeast) startOver();
else {
  // By the environment as well, for the processes of runs: there it holds from their very first module on.
  process.env.NODE_COMPILE_CACHE ??= cacheFolder();
  module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
  const { start } = await import('../src/start.ts');
  await start(process.argv.slice(2));
}
