// The whole gate, for people and CI alike: types, lint, boundaries, generated code, our own rules, every test. All
// steps run even when an early one fails. The last line is always `N passed, N failed`, where N counts the tests and
// the other steps.
//
//   exit code 0   all is well
//             1   something failed, or a test did not run
//             3   a Debian package is missing and cannot be installed from here
//             130, 143   interrupted
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ensureDebianPackages } from './gate/debian-packages.ts';
import { endLeftovers, runMark } from './gate/leftovers.ts';
import { type RunCommandOptions, runCommand } from './gate/run-command.ts';
import { countTests, readReport } from './gate/test-report.ts';

const root = join(import.meta.dirname, '..');

const checks: readonly (readonly [name: string, command: readonly string[]])[] = [
  ['types', ['tsc', '--noEmit']],
  ['lint', ['biome', 'ci', '--colors=off', '.']],
  ['boundaries', ['turbo', 'boundaries', '--no-color']],
  ['wasm', ['node', 'scripts/build-wasm.ts', '--check']],
  ['rules', ['node', 'scripts/rules.ts']],
];

const missingPackagesExitCode = 3;

/** HOLDFAST_GATE_MINUTES limits the run as a whole; 60 by default. */
function limitMinutes(): number {
  const { HOLDFAST_GATE_MINUTES: given = '60' } = process.env;
  const minutes = Number(given);
  if (!(minutes > 0 && minutes <= 24 * 60)) {
    throw new Error(`HOLDFAST_GATE_MINUTES is ${given}, not a number of minutes`);
  }
  return minutes;
}

class Tally {
  passed = 0;
  failed = 0;

  add(name: string, isGood: boolean, startedAt: number, remark = ''): void {
    if (isGood) this.passed += 1;
    else this.failed += 1;
    this.say(name, isGood, startedAt, remark);
  }

  say(name: string, isGood: boolean, startedAt: number, remark = ''): void {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    console.log(`${isGood ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)${remark === '' ? '' : `: ${remark}`}`);
  }
}

async function runTests(tally: Tally, options: RunCommandOptions, reportFile: string): Promise<void> {
  const startedAt = performance.now();
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
  const exitCode = await runCommand(['node', 'node_modules/vitest/vitest.mjs', 'run', ...reporters], options);
  const counts = countTests(await readReport(reportFile), exitCode);
  for (const remark of counts.remarks) console.log(remark);
  tally.passed += counts.passed;
  tally.failed += counts.failed;
  tally.say('tests', counts.failed === 0, startedAt, `${counts.passed} passed, ${counts.failed} failed`);
}

async function runSteps(tally: Tally, options: RunCommandOptions, folder: string): Promise<number> {
  const missing = await ensureDebianPackages(options);
  if (missing !== undefined) {
    console.log(
      `The tests need Debian packages that are not installed. Run this, then try again:\n  ${missing}`,
    );
    tally.failed += 1;
    return missingPackagesExitCode;
  }
  for (const [name, command] of checks) {
    const startedAt = performance.now();
    const exitCode = await runCommand(command, options);
    tally.add(name, exitCode === 0, startedAt, exitCode === 0 ? '' : `exit code ${exitCode}`);
  }
  await runTests(tally, options, join(folder, 'vitest.json'));
  return 0;
}

function stepEnvironment(run: string, temporary: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PATH: [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
    TMPDIR: temporary,
    [runMark]: run,
    CI: '1',
    TURBO_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
    // vitest colours everything as soon as it sees CI, and a log file with it.
    ...(process.stdout.isTTY === true ? {} : { NO_COLOR: '1', FORCE_COLOR: undefined }),
  };
}

async function main(): Promise<number> {
  const stop = new AbortController();
  let interruptedBy = 0;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      interruptedBy = 128 + constants.signals[name];
      stop.abort();
    });
  }
  const minutes = limitMinutes();
  const timer = setTimeout(() => {
    console.log(`FAIL the gate took longer than ${minutes} minutes (HOLDFAST_GATE_MINUTES)`);
    stop.abort();
  }, minutes * 60_000);

  // One folder for all temporary files of the steps, so that whatever they leave goes with it. Open to all: servers
  // that refuse to run as root work in it as a user of their own.
  const temporary = await mkdtemp(join(tmpdir(), 'holdfast-gate-'));
  await chmod(temporary, 0o1777);
  const run = randomUUID();
  const options = { folder: root, env: stepEnvironment(run, temporary), signal: stop.signal };
  const tally = new Tally();
  let exitCode: number;
  try {
    exitCode = await runSteps(tally, options, temporary);
  } finally {
    clearTimeout(timer);
    for (const { pid, command } of await endLeftovers(run)) {
      console.log(`FAIL left running, killed now: ${pid} ${command.slice(0, 200)}`);
      tally.failed += 1;
    }
    await rm(temporary, { recursive: true, force: true, maxRetries: 5 });
  }
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  if (interruptedBy !== 0) return interruptedBy;
  return exitCode === 0 && tally.failed > 0 ? 1 : exitCode;
}

if (import.meta.main) process.exitCode = await main();
