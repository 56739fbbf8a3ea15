// Runs one holdfast command with the CPU profiler in all its processes and threads, and prints where each of them
// spent its time.
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runCommand } from './harness/command.ts';
import { emptyFolder } from './harness/folders.ts';
import { launcher } from './harness/holdfast.ts';

const usage = `node bench/profile.ts [options] -- backup --full --from URL --to URL …

  --top N        how many functions of each thread (default: 25)
  --out DIR      where the .cpuprofile files go, for a browser's tools (default: ${join(tmpdir(), 'holdfast-profile')})
  --interval US  microseconds between two samples (default: 500)
`;

/** The part of a .cpuprofile that is used here. */
interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly startTime: number;
  readonly endTime: number;
  /** Ids of the nodes that ran, and microseconds since the sample before. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

interface ThreadProfile {
  readonly file: string;
  readonly label: string;
  readonly wallMs: number;
  readonly busyMs: number;
  /** Milliseconds by function, the longest first. */
  readonly self: readonly (readonly [name: string, ms: number])[];
}

/** Modules that only one kind of thread loads; the first that occurs names it. */
const telling: readonly (readonly [pattern: RegExp, label: string])[] = [
  [/\/engine\/src\/pool\/worker\.ts$/, 'worker'],
  [/\/service\/src\/run-child\.ts$/, "the run's process"],
  [/\/cli\/(src\/start\.ts|bin\/holdfast\.mjs)$/, 'the command'],
];

/** Threads that did next to nothing are only named. */
const busyMsLeast = 20;

function summarise(file: string, profile: Profile): ThreadProfile {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const self = new Map<string, number>();
  let idleMs = 0;
  for (const [at, id] of profile.samples.entries()) {
    const node = nodes.get(id);
    if (node === undefined) continue;
    // The time after a sample is spent in what it saw; the last one has no end.
    const ms = (profile.timeDeltas[at + 1] ?? 0) / 1000;
    if (node.callFrame.functionName === '(idle)') idleMs += ms;
    else self.set(nameOf(node), (self.get(nameOf(node)) ?? 0) + ms);
  }
  const wallMs = (profile.endTime - profile.startTime) / 1000;
  return {
    file,
    label: labelOf(profile),
    wallMs,
    busyMs: Math.max(0, wallMs - idleMs),
    self: [...self].sort(([, a], [, b]) => b - a),
  };
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const place = url
    .replace(/^file:\/\//, '')
    .replace(/^.*\/packages\//, '')
    .replace(/^.*\/node_modules\//, '')
    .replace(/^wasm:\/\/wasm\/.*$/, 'wasm');
  const name = functionName === '' ? '(anonymous)' : functionName;
  return place === '' ? name : `${name}  ${place}${place === 'wasm' ? '' : `:${lineNumber + 1}`}`;
}

function labelOf({ nodes }: Profile): string {
  const urls = [...new Set(nodes.map(({ callFrame }) => callFrame.url))];
  const label = telling.find(([pattern]) => urls.some((url) => pattern.test(url)))?.[1] ?? 'unknown';
  const roles = urls.map((url) => /([a-z-]+-role)\.ts$/.exec(url)?.[1]).filter((role) => role !== undefined);
  return label === 'worker' && roles.length > 0 ? `worker, ${roles.join(', ')}` : label;
}

function describe(thread: ThreadProfile, top: number): string {
  const { file, label, wallMs, busyMs, self } = thread;
  const head = `${label}: busy ${busyMs.toFixed(0)} of ${wallMs.toFixed(0)} ms  (${file})`;
  if (busyMs < busyMsLeast) return `${head}\n`;
  const rows = self.slice(0, top).map(([name, ms]) => {
    const share = ((ms / busyMs) * 100).toFixed(1);
    return `${ms.toFixed(0).padStart(8)} ms ${share.padStart(5)} %  ${name}`;
  });
  return `${head}\n${rows.join('\n')}\n`;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      top: { type: 'string', default: '25' },
      out: { type: 'string', default: join(tmpdir(), 'holdfast-profile') },
      interval: { type: 'string', default: '500' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help || positionals.length === 0) {
    process.stdout.write(usage);
    return values.help ? 0 : 2;
  }
  const out = await emptyFolder(values.out);
  const options = ['--cpu-prof', `--cpu-prof-dir=${out}`, `--cpu-prof-interval=${Number(values.interval)}`];
  const start = performance.now();
  const answer = await runCommand(process.execPath, [launcher, ...positionals], {
    // By the environment, which the run's own process inherits; its worker threads are profiled with it.
    env: { NODE_OPTIONS: options.join(' ') },
  });
  process.stdout.write(`${answer}${((performance.now() - start) / 1000).toFixed(2)} s with the profiler\n\n`);
  const files = (await readdir(out)).filter((name) => name.endsWith('.cpuprofile')).sort();
  const threads = await Promise.all(
    files.map(async (name) =>
      summarise(name, JSON.parse(await readFile(join(out, name), 'utf8')) as Profile),
    ),
  );
  threads.sort((a, b) => b.busyMs - a.busyMs);
  for (const thread of threads) process.stdout.write(`${describe(thread, Number(values.top))}\n`);
  return 0;
}

process.exitCode = await main();
