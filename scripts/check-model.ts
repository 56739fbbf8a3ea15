// Checks the model of who runs a task (packages/coordinator/model) with `spin` and `gcc`: that its promises hold in
// every order of events within the bounds, and that each broken rule is found, under the name of what it breaks.
//
//   node scripts/check-model.ts                      the model as it is, then each broken rule
//   node scripts/check-model.ts FAULTS=3             other bounds, the model as it is
//   node scripts/check-model.ts BREAK_BASE           one broken rule, with the counterexample step by step
//
//   exit code 0   all is as expected
//             1   a promise does not hold, a broken rule is not found, or the search did not end within its memory
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const model = join(import.meta.dirname, '..', 'packages', 'coordinator', 'model', 'responsibility.pml');

const memoryMaxMiB = 1024;
/** Of 200 bytes or so each; a shorter table only makes the search slower. */
const tableBits = 22;
const depthMax = 100_000;
const outputBytesMax = 64 * 1024 * 1024;

/** What is searched whole: more faults with two nodes, and three nodes. */
export const searches: readonly (readonly string[])[] = [
  ['NODES=2', 'FAULTS=2'],
  ['NODES=3', 'FAULTS=1'],
];

/** Each rule that the model can be told to break, and the promise that then does not hold. */
export const brokenRules = {
  BREAK_TAKE_CAS: 'no_run_displaces_another',
  'BREAK_TAKE_CAS HANDS=0': 'no_occurrence_twice',
  BREAK_GENERATION_CHECK: 'no_commit_under_an_old_generation',
  BREAK_RUN_CHECK: 'no_commit_of_an_ended_run',
  BREAK_NEW_GENERATION: 'generations_only_grow',
  BREAK_OWNERSHIP: 'one_writer_per_chain',
  BREAK_OWNER_CLEARED: 'the_owner_is_responsible',
  BREAK_GRANT: 'the_owner_is_responsible',
  BREAK_ENDED_AFTER_COMMIT: 'the_source_keeps_what_the_owner_needs',
  BREAK_BASE: 'each_backup_follows_the_one_before',
  BREAK_JOURNAL_CURSOR: 'no_occurrence_twice',
  BREAK_CLAIM_OBSERVED: 'only_a_lost_node_loses_its_task',
  BREAK_INTERRUPT_OBSERVED: 'only_lost_runs_are_interrupted',
  BREAK_MOVE_ENDS_RUN: 'no_run_stays_for_ever',
  BREAK_LOST_BY_HAND: 'no_run_stays_for_ever',
} as const;

export interface Checked {
  readonly states: number;
  /** Everything within the bounds was looked at. */
  readonly isComplete: boolean;
  /** The promise that does not hold; undefined: all do. */
  readonly broken: string | undefined;
  /** How it comes to that, step by step. */
  readonly counterexample: string | undefined;
}

export interface CheckOptions {
  /** `NAME` or `NAME=number`, as the model's `#define`s. */
  readonly defines?: readonly string[];
  readonly withCounterexample?: boolean;
  /** A search that soon finds something is over before a good compiler is done. */
  readonly isShort?: boolean;
  readonly signal?: AbortSignal;
}

/** Searches the model once, in a folder of its own that is removed. */
export async function checkModel(o: CheckOptions = {}): Promise<Checked> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-model-'));
  try {
    const run = async (file: string, args: readonly string[]): Promise<string> => {
      const { signal } = o;
      const options = { cwd: folder, maxBuffer: outputBytesMax, ...(signal && { signal }) };
      return (await promisify(execFile)(file, args, options)).stdout;
    };
    // A copy: beside the model is where the counterexample is written.
    await copyFile(model, join(folder, 'model.pml'));
    const defines = (o.defines ?? []).map((one) => `-D${one}`);
    await run('spin', ['-a', ...defines, 'model.pml']);
    // -w: what spin generates is not ours to mend. SAFETY: the promises are assertions, and need no search for cycles.
    await run('gcc', [
      '-w',
      o.isShort ? '-O0' : '-O2',
      '-DSAFETY',
      `-DMEMLIM=${memoryMaxMiB}`,

      '-o',
      'pan',
      'pan.c',
    ]);
    const found = readResult(await run(join(folder, 'pan'), [`-m${depthMax}`, `-w${tableBits}`]));
    if (found.broken === undefined || !o.withCounterexample) return found;
    return { ...found, counterexample: await run('spin', ['-t', '-p', '-g', ...defines, 'model.pml']) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws Error when that is not the output of a search */
function readResult(output: string): Checked {
  const states = /^\s*([\d.e+]+) states, stored/m.exec(output)?.[1];
  const errors = /errors: (\d+)/.exec(output)?.[1];
  if (states === undefined || errors === undefined) throw new Error(`no result of a search:\n${output}`);
  const failure = /^pan:\d+: (.*)/m.exec(output)?.[1];
  const promise = failure && (/\|\|(\w+)\)/.exec(failure)?.[1] ?? failure);
  return {
    states: Number(states),
    isComplete: !/Search not completed|max search depth too small/.test(output),
    broken: errors === '0' ? undefined : (promise ?? 'unknown'),
    counterexample: undefined,
  };
}

async function checkAsItIs(defines: readonly string[]): Promise<boolean> {
  const { states, broken, isComplete, counterexample } = await checkModel({
    defines,
    withCounterexample: true,
  });
  if (counterexample !== undefined) console.log(counterexample);
  const isGood = broken === undefined && isComplete;
  const result = broken ?? (isComplete ? 'all promises hold' : `not searched whole in ${memoryMaxMiB} MiB`);
  console.log(`${isGood ? 'ok  ' : 'FAIL'} ${['model', ...defines].join(' ')}: ${result} (${states} states)`);
  return isGood;
}

async function checkBroken(rule: string, expected: string): Promise<boolean> {
  const { states, broken } = await checkModel({ defines: rule.split(' '), isShort: true });
  const isGood = broken === expected;
  const result = broken === undefined ? 'nothing was found' : `breaks ${broken}`;
  console.log(
    `${isGood ? 'ok  ' : 'FAIL'} ${rule}: ${result}${isGood ? '' : `, expected ${expected}`} (${states} states)`,
  );
  return isGood;
}

async function main(defines: readonly string[]): Promise<number> {
  if (defines.length > 0) return (await checkAsItIs(defines)) ? 0 : 1;
  const results: boolean[] = [];
  for (const bounds of searches) results.push(await checkAsItIs(bounds));
  for (const [rule, expected] of Object.entries(brokenRules)) results.push(await checkBroken(rule, expected));
  return results.every(Boolean) ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
