import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client, type RunView } from '@holdfast/client';
import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../harness/processes.ts';
import { holdfast } from '../harness/run-holdfast.ts';

const root = join(import.meta.dirname, '..', '..');
const { signal } = new AbortController();

let folder: TemporaryFolder;

beforeEach(async () => {
  folder = await temporaryFolder();
});

afterEach(async () => {
  await folder?.[Symbol.asyncDispose]();
});

interface Sample {
  readonly process: ChildProcess;
  readonly client: Client;
  readonly text: () => string;
}

/** What `npm start` runs, on a sample in a folder of its own. */
async function startSample(): Promise<Sample> {
  const child = spawn(process.execPath, ['scripts/sample.ts', folder.path], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
  }
  const url = (): string | undefined => /listens on (http:\S+)/.exec(text)?.[1];
  await until('the node listens', () => {
    if (child.exitCode !== null) throw new Error(text);
    return url() !== undefined;
  });
  return { process: child, client: new Client({ url: url() ?? '' }), text: () => text };
}

async function goodRuns({ client }: Sample): Promise<RunView[]> {
  const { runs } = await client.listRuns({ task: 'shop', state: 'succeeded', signal });
  return [...runs].reverse();
}

const waitsMax = 6;

/** The schedule has minutes, which is longer than `until` waits. */
async function untilBackups(sample: Sample, count: number): Promise<RunView[]> {
  for (let waits = 1; ; waits++) {
    try {
      await until(`${count} backups`, async () => (await goodRuns(sample)).length >= count);
      return await goodRuns(sample);
    } catch (error) {
      if (waits === waitsMax) throw new Error(sample.text(), { cause: error });
    }
  }
}

test('npm start backs up a shop at once and then each minute, and goes on after it was killed', async () => {
  const first = await startSample();
  let before = 0;
  try {
    const [full, incremental] = await untilBackups(first, 2);
    expect(full).toMatchObject({ scopeMade: 'full', state: 'succeeded' });
    expect(full?.rows).toBeGreaterThan(20_000);
    expect(incremental).toMatchObject({ scopeMade: 'incremental', state: 'succeeded' });
    // The minute may have turned before the shop sold anything.
    const next = incremental?.changes === 0 ? (await untilBackups(first, 3))[2] : incremental;
    expect(next?.changes).toBeGreaterThan(0);
    before = (await goodRuns(first)).length;
  } finally {
    first.process.kill('SIGKILL');
    await once(first.process, 'close');
  }

  const second = await startSample();
  try {
    const runs = await untilBackups(second, before + 1);
    // Unless the hour has turned in between, the chain is still the same one.
    const chains = new Set(
      runs.filter(({ scopeMade }) => scopeMade === 'incremental').map(({ backup }) => backup?.split('/')[0]),
    );
    const fulls = runs.filter(({ scopeMade }) => scopeMade === 'full');
    expect(chains.size).toBeLessThanOrEqual(fulls.length);
    second.process.kill('SIGTERM');
    const [code] = await once(second.process, 'close');
    expect(code).toBe(0);
  } finally {
    second.process.kill('SIGKILL');
  }
  const at = `file:${folder.join('backups')}`;
  expect((await holdfast<{ findings: unknown[] }>(['check', '--at', at])).findings).toEqual([]);
  await holdfast(['restore', '--at', at, '--to', `sqlite:${folder.join('restored.db')}`, '--verify']);
});
