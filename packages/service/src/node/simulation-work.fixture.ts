/** How a simulation's backups are carried out, and what they meet. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { backup } from '@holdfast/engine';
import {
  FakeClock,
  MemoryDestination,
  type MemoryFault,
  MemorySource,
  type Script,
  type Step,
} from '@holdfast/testing';
import { StagingArea } from '@holdfast/uploader';
import { ShopDatabase } from './simulation-places.fixture.ts';
import { between, pick, quiet, type Random } from './simulation-time.fixture.ts';

/** What is loaded at its first use takes a time that no fake clock knows. */
export async function warmUp(folder: string): Promise<void> {
  const clock = new FakeClock({ jumps: true });
  const source = new MemorySource(new ShopDatabase('warm').database);
  const destinations = [new MemoryDestination(join(folder, 'warm'))];
  const staging = new StagingArea({ directory: join(folder, 'warm'), clock });
  for (const scope of ['full', 'auto'] as const) {
    await clock.advance(1000);
    source.database.transaction((t) => t.insert('/public/notes', [JSON.stringify(scope)]));
    const request = { task: 'warm', scope, type: 'logical', node: 'warm', generation: 1 } as const;
    await backup(
      { ...request, keepChanges: true, newSource: false },
      { clock, observer: () => undefined, workersMax: 1, source, destinations, staging },
      { signal: new AbortController().signal },
    );
  }
  await quiet();
}

/** Folders of runs in a staging root. */
export function runsIn(root: string): string[] {
  if (!existsSync(root)) return [];
  const tasks = readdirSync(root).filter((name) => !name.includes('.'));
  const runsOf = (task: string): string[] =>
    readdirSync(join(root, task)).filter((name) => !name.startsWith('.'));
  return tasks.flatMap((task) => runsOf(task).map((run) => `${task}/${run}`));
}

/** Runs that have a log. */
export function logsIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).map((name) => name.replace(/\.log$/, '')) : [];
}

let proving: Promise<unknown> = Promise.resolve();

/** Runs of one process would share the file by which each proves that staging is writable; real ones have a process each. */
export class OneAtATime extends StagingArea {
  override prepare(o: Parameters<StagingArea['prepare']>[0]): ReturnType<StagingArea['prepare']> {
    return after(() => super.prepare(o));
  }

  override openRun(...of: Parameters<StagingArea['openRun']>): ReturnType<StagingArea['openRun']> {
    return after(() => super.openRun(...of));
  }
}

function after<T>(act: () => Promise<T>): Promise<T> {
  const next = proving.then(act, act);
  proving = next.catch(() => undefined);
  return next;
}

export interface Illness {
  readonly source?: Record<string, MemoryFault>;
  readonly destination?: Script;
  readonly halves?: number;
}

export function illnessOf(random: Random): Illness {
  if (random() < 0.35) {
    const verbs = ['inspect', 'openFull', 'openIncremental', 'changes', 'acknowledge', 'forgetChanges'];
    const faults: readonly MemoryFault[] = ['unavailable', 'source_failed', 'hang'];
    if (random() < 0.6) return { source: { [pick(random, verbs)]: pick(random, faults) } };
    const inChunk: readonly MemoryFault[] = ['short', 'lie', 'mid-row', 'source_failed', 'hang'];
    return { source: { [pick(random, ['/public/orders', '/public/notes'])]: pick(random, inChunk) } };
  }
  const steps: readonly Step[] = ['unavailable', 'exhausted', 'lost', 'hang'];
  if (random() < 0.15) return { halves: between(random, 1, 3) };
  const step = pick(random, steps);
  const before = Array<Step>(between(random, 0, 3)).fill('ok');
  const script = [...before, ...Array<Step>(between(random, 1, 9)).fill(step)];
  const verb = pick(random, [
    'write',
    'write',
    'write',
    'read',
    'stat',
    'list',
    'delete',
    'prepare',
  ] as const);
  return { destination: { [verb]: script } };
}
