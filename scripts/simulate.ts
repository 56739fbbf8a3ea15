// The simulation of a cluster (packages/coordinator/src/simulation) with many more seeds than the tests have time for.
//
//   npm run simulate -- --seeds 100000 [--from 1] [--workers N]
//
// The seeds are spread over the cores. Prints how far it is, each seed that broke a promise with its story, and in the
// end how much happened; the exit code is 1 when a promise was broken.
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { live } from '../packages/coordinator/src/simulation/live.fixture.ts';

interface Batch {
  readonly from: number;
  readonly to: number;
}

type Told =
  | { readonly figures: Readonly<Record<string, number>>; readonly longestMs: number }
  | { readonly seed: number; readonly failure: string };

/** More than these tell nothing new. */
const failuresMax = 20;
const saySeeds = 1000;
/** A thread lives through so many and is replaced: what each life leaves in its memory adds up. */
const batchSeeds = 500;

async function liveBatch({ from, to }: Batch, tell: (told: Told) => void): Promise<void> {
  for (let seed = from; seed <= to; seed += 1) {
    try {
      tell(await live(seed));
    } catch (caught) {
      tell({ seed, failure: caught instanceof Error ? caught.message : String(caught) });
    }
  }
}

function readOptions(): Batch & { readonly workers: number } {
  const { values } = parseArgs({
    options: { seeds: { type: 'string' }, from: { type: 'string' }, workers: { type: 'string' } },
  });
  const whole = (name: keyof typeof values, otherwise: number): number => {
    const value = Number(values[name] ?? otherwise);
    if (!Number.isSafeInteger(value) || value < 1)
      throw new Error(`--${name} has to be a whole number above 0`);
    return value;
  };
  const from = whole('from', 1);
  const workers = whole('workers', availableParallelism());
  return { from, to: from + whole('seeds', 10_000) - 1, workers };
}

async function main(): Promise<void> {
  const { from, to, workers } = readOptions();
  const total = to - from + 1;
  const sum: Record<string, number> = {};
  const failed: number[] = [];
  let done = 0;
  let longestMs = 0;
  const take = (told: Told, stop: () => void): void => {
    done += 1;
    if ('failure' in told) {
      failed.push(told.seed);
      process.stdout.write(`\n${told.failure}\n\n`);
      if (failed.length >= failuresMax) stop();
    } else {
      longestMs = Math.max(longestMs, told.longestMs);
      for (const [name, value] of Object.entries(told.figures)) sum[name] = (sum[name] ?? 0) + value;
    }
    if (done % saySeeds === 0) process.stdout.write(`${done} of ${total} seeds, ${failed.length} broken\n`);
  };
  const team = new Set<Worker>();
  let isStopped = false;
  const stop = (): void => {
    isStopped = true;
    for (const worker of team) void worker.terminate();
  };
  const liveIn = (batch: Batch): Promise<void> => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: batch });
    team.add(worker);
    worker.on('message', (told: Told) => take(told, stop));
    return new Promise<void>((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', () => {
        team.delete(worker);
        resolve();
      });
    });
  };
  let next = from;
  const lane = async (): Promise<void> => {
    while (next <= to && !isStopped) {
      const batch = { from: next, to: Math.min(next + batchSeeds - 1, to) };
      next = batch.to + 1;
      await liveIn(batch);
    }
  };
  await Promise.all(Array.from({ length: workers }, lane));
  process.stdout.write(`${done} of ${total} seeds, ${failed.length} broken: ${failed.join(' ') || 'none'}\n`);
  process.stdout.write(`${JSON.stringify({ ...sum, longestWithoutNodeMs: Math.round(longestMs) })}\n`);
  if (failed.length > 0) process.exitCode = 1;
}

if (isMainThread) await main();
else await liveBatch(workerData as Batch, (told) => parentPort?.postMessage(told));
