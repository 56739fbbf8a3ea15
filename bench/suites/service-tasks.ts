import { chmod, copyFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchNode, until } from '../harness/bench-node.ts';
import { MemoryWatch } from '../harness/memory.ts';
import { processCpu, threadCpu } from '../harness/process-cpu.ts';
import { Figures, type SuiteReport } from '../harness/report.ts';
import { type Measurement, measure, type Subject } from '../harness/rounds.ts';
import type { SuiteOptions } from '../harness/suite.ts';
import { makeTinyTasks, type TinyTasks } from './service-objects.ts';

const sizes = {
  small: { tasks: 100, settleSeconds: 5, idleSeconds: 10 },
  full: { tasks: 1000, settleSeconds: 30, idleSeconds: 60 },
} as const;

const idleCpuMaxPercent = 1;
const adoptMsMax = 300_000;
/** How often each question is asked for its time. */
const asked = 20;

const { signal } = new AbortController();

interface Stage {
  readonly name: string;
  readonly tasks: number;
  readonly start: () => Promise<BenchNode>;
}

/** What a node with many tasks needs while nothing is due, beside one without any. */
export async function manyTasks(options: SuiteOptions): Promise<SuiteReport> {
  const { workspace, scale, rounds, log } = options;
  const { tasks, settleSeconds, idleSeconds } = sizes[scale];
  // A copy of its own: a page of the executable that other processes use as well would count for less than it is.
  const node = workspace.path('node');
  await copyFile(process.execPath, node);
  await chmod(node, 0o755);
  const start = (folder: string) => BenchNode.start({ workspace, folder: workspace.path(folder), node });
  const empty: Stage = { name: 'no task', tasks: 0, start: () => start('node-empty') };
  const many: Stage = { name: `${tasks} tasks`, tasks, start: () => start('node-many') };
  const tiny = await makeTinyTasks(workspace, { name: 'tiny', count: tasks });
  const declared = await declareAll(many, tiny);
  log(`${tasks} tasks declared in ${declared.seconds[0]?.toFixed(1)} s`);
  const starts = await measure([empty, many].map(started), {
    rounds,
    log,
    settle: () => workspace.settle(),
  });
  const remarks: string[] = [];
  const others: Measurement[] = [];
  for (const stage of [empty, many]) {
    log(`idle, ${stage.name}: ${settleSeconds + idleSeconds} s`);
    await using running = await stage.start();
    await sleep(settleSeconds * 1000);
    const idle = await beIdle(running.pid, idleSeconds);
    others.push({ name: `idle, ${stage.name}`, seconds: [], notes: idle.notes });
    remarks.push(`idle, ${stage.name}: ${idle.threads}`);
    others.push(...(await answers(running, stage)));
  }
  const measurements = [...starts, declared, ...others];
  const idle = `idle, ${many.name}`;
  const cpu = new Figures(measurements).note(idle, 'CPU %');
  return {
    suite: 'service, many tasks',
    on: `${tasks} tasks, each on a tiny SQLite file of its own; idle for ${idleSeconds} s`,
    measurements,
    goals: [{ what: `${idle}, of a core`, value: cpu, limit: idleCpuMaxPercent, unit: '%' }],
    remarks,
  };
}

/** Schedules as people write them, spread over the day and the week, of which none is due within some hours. */
function farSchedules(n: number): string {
  const now = new Date();
  const hour = (now.getUTCHours() + 5 + (n % 14)) % 24;
  const day = (now.getUTCDay() + 2 + (n % 4)) % 7;
  return `full: "${n % 60} ${hour} * * ${day}", incremental: "${(n + 30) % 60} ${hour} * * *"`;
}

/** The first start: all are declared, and each gets its record. */
async function declareAll(stage: Stage, tiny: TinyTasks): Promise<Measurement> {
  await using node = await stage.start();
  const begin = performance.now();
  await node.apply(tiny.declare(farSchedules));
  const appliedMs = performance.now() - begin;
  await until('every task has its record', adoptMsMax, () => hasAll(node, stage.tasks), 250);
  const seconds = (performance.now() - begin) / 1000;
  // The last one's record is completed by a second write.
  await sleep(1_000);
  return {
    name: `apply ${stage.name}, until adopted`,
    seconds: [seconds],
    notes: { 'CPU s': [processCpu(node.pid).ownSeconds], 'answer ms': [appliedMs] },
  };
}

async function hasAll(node: BenchNode, tasks: number): Promise<boolean> {
  return (await node.client.getStatus({ signal })).tasks.total === tasks;
}

function started(stage: Stage): Subject {
  return {
    name: `start until ready, ${stage.name}`,
    run: async () => {
      const node = await stage.start();
      return { node, cpu: processCpu(node.pid).ownSeconds };
    },
    after: async (result) => {
      const { node, cpu } = result as { node: BenchNode; cpu: number };
      await using _ = node;
      if (!(await hasAll(node, stage.tasks)))
        throw new Error(`the node is ready and has not all ${stage.tasks} tasks`);
      return { 'CPU s': cpu };
    },
  };
}

/** Memory first, for looking at it takes time on the node's processor; then its processor time, unseen. */
async function beIdle(
  pid: number,
  seconds: number,
): Promise<{ readonly notes: Measurement['notes']; readonly threads: string }> {
  const watch = new MemoryWatch();
  watch.start(pid);
  await sleep(500);
  watch.stop();
  const { bytes } = await watch.peak();
  const threadsBefore = threadCpu(pid);
  const before = processCpu(pid).ownSeconds;
  const begin = performance.now();
  await sleep(seconds * 1000);
  const cpu = processCpu(pid).ownSeconds - before;
  const wall = (performance.now() - begin) / 1000;
  const threads = [...threadCpu(pid)]
    .map(([id, { name, seconds: now }]) => ({ name, cpu: now - (threadsBefore.get(id)?.seconds ?? 0) }))
    .filter((each) => each.cpu / wall > 0.000_05)
    .sort((a, b) => b.cpu - a.cpu)
    .map((each) => `${each.name} ${((each.cpu / wall) * 100).toFixed(2)} %`);
  return {
    notes: { 'PSS MB': [bytes / 1e6], 'CPU %': [(cpu / wall) * 100] },
    threads: `by thread ${threads.join(', ')}`,
  };
}

/** How long the answers take that look at every task. */
async function answers({ client }: BenchNode, { name }: Stage): Promise<Measurement[]> {
  const questions = {
    'GET /v1/status': () => client.getStatus({ signal }),
    'GET /v1/tasks': () => client.listTasks({ signal }),
    'GET /metrics': () => client.getMetrics({ signal }),
  };
  const made: Measurement[] = [];
  for (const [question, ask] of Object.entries(questions)) {
    const seconds: number[] = [];
    for (let n = 0; n < asked; n++) {
      const begin = performance.now();
      await ask();
      seconds.push((performance.now() - begin) / 1000);
    }
    made.push({ name: `${question}, ${name}`, seconds, notes: {} });
  }
  return made;
}
