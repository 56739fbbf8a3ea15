import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contract } from '@holdfast/client';
import type { Clock } from '@holdfast/core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ExampleNode } from './example-node.fixture.ts';
import { main } from './main.ts';

let node: ExampleNode;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
  node = await ExampleNode.start();
});

afterEach(async () => {
  await node[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Waits between two questions are over at once; deadlines never come. */
const clock: Clock = {
  now: () => Date.UTC(2026, 10, 21, 7),
  elapsed: () => 0,
  sleep: (ms, signal) =>
    ms <= 1_000
      ? Promise.resolve()
      : new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
        ),
};

/** At a moment shortly after those of the examples. */
async function holdfast(args: readonly string[], asking: ExampleNode = node): Promise<Result> {
  let out = '';
  let err = '';
  const { signal } = new AbortController();
  const stream = (write: (text: string) => void) => ({ isTerminal: false, columns: () => 80, write });
  const code = await main(args, {
    terminal: {
      out: stream((text) => {
        out += text;
      }),
      err: stream((text) => {
        err += text;
      }),
      env: { HOLDFAST_SERVER: asking.url },
    },
    clock,
    signal,
    killSignal: signal,
  });
  return { code, out, err };
}

function file(text = 'sources: {}\n'): string {
  const path = join(folder, 'objects.yaml');
  writeFileSync(path, text);
  return path;
}

it('plan prints what would change, warns, and ends with 5', async () => {
  const { code, out, err } = await holdfast(['plan', '-f', file(), '--prune']);
  expect(code).toBe(5);
  expect(out).toBe(
    '~ task orders\n    incremental: "*/30 * * * *" -> "*/15 * * * *"\n0 to add, 1 to change, 0 to remove\n\nto make it so: holdfast apply with the same files (and --revision 12, to be sure that it is this)\n',
  );
  expect(err).toContain('warning: shop.yaml, task orders: no destination is off this machine');
  expect(node.asked).toEqual([
    {
      name: 'planObjects',
      path: '/v1/objects/plan',
      body: { files: [{ name: join(folder, 'objects.yaml'), text: 'sources: {}\n' }], prune: true },
    },
  ]);
});

it('plan ends with 0 when nothing would change', async () => {
  await using same = await ExampleNode.start({ planObjects: [{ revision: 3, changes: [], warnings: [] }] });
  expect(await holdfast(['plan', '-f', file()], same)).toEqual({
    code: 0,
    out: 'nothing to change\n',
    err: '',
  });
});

it('apply sends the revision that it was told, and says what it made', async () => {
  const { code, out } = await holdfast(['apply', '-f', file(), '--revision', '12']);
  expect(code).toBe(0);
  expect(out).toContain('applied, as revision 13');
  expect(node.asked[0]?.body).toMatchObject({ revision: 12, prune: false });
});

it('a file that cannot be read is an error before anything is asked', async () => {
  const { code, err } = await holdfast(['apply', '-f', join(folder, 'nope.yaml')]);
  expect(code).toBe(2);
  expect(err).toContain('nope.yaml cannot be read: ENOENT');
  expect(node.asked).toEqual([]);
});

it('export prints what apply takes', async () => {
  expect((await holdfast(['export'])).out).toBe(contract.getObjects.examples[0].output.yaml);
});

it('run waits for the end and says what was stored', async () => {
  const [started] = contract.runTask.examples;
  const ended = { ...contract.getRun.examples[0].output };
  await using asking = await ExampleNode.start({ getRun: [started.output.run, ended] });
  const { code, out, err } = await holdfast(['run', 'orders', '--full'], asking);
  expect({ code, out }).toEqual({
    code: 0,
    out: 'Incremental backup orders 20261120T140000Z-node-a-g3/0003 stored: 1,204 changes, no rows anew, 232 kB in 40.1 kB, 4.7 s\n',
  });
  expect(err).toContain(`run ${started.output.run.id} has started`);
  expect(asking.asked.map(({ name }) => name)).toEqual(['runTask', 'getRun', 'getRun']);
  expect(asking.asked[0]?.body).toEqual({ scope: 'full' });
});

it("run ends with the code of the run's own error", async () => {
  const [started] = contract.runTask.examples;
  const error = { code: 'corrupt', message: 'far gave back other bytes', hint: 'check that disk' };
  const failed = { ...started.output.run, state: 'failed', error, endedAt: '2026-11-21T07:00:09.000Z' };
  await using asking = await ExampleNode.start({ getRun: [failed] });
  const { code, err } = await holdfast(['run', 'orders'], asking);
  expect(code).toBe(4);
  expect(err).toContain('[corrupt] run orders-20261121T070000007Z failed: far gave back other bytes');
  expect(err).toContain('hint: check that disk');
});

it('run warns of destinations that do not have the backup yet, and ends well', async () => {
  const error = { code: 'unavailable', message: 'far does not answer' };
  const destinations = [
    { name: 'near', state: 'stored' },
    { name: 'far', state: 'behind', error },
  ];
  const ended = { ...contract.getRun.examples[0].output, destinations };
  await using asking = await ExampleNode.start({ getRun: [ended] });
  const { code, out, err } = await holdfast(['run', 'orders'], asking);
  expect(code).toBe(0);
  expect(out).toMatch(/4\.7 s; left far behind\n$/);
  expect(err).toContain('warning: far does not have it yet: far does not answer; it catches up\n');
});

it('history says which destinations were left behind', async () => {
  const [run] = contract.listRuns.examples[0].output.runs;
  const destinations = [{ name: 'far', state: 'behind' }];
  await using asking = await ExampleNode.start({
    listRuns: [{ runs: [{ ...run, destinations }], more: false }],
  });
  expect((await holdfast(['history'], asking)).out).toContain('/0003 (left far behind)\n');
});

it('destinations shows what each lacks, and why', async () => {
  const { code, out } = await holdfast(['destinations']);
  expect(code).toBe(0);
  expect(node.asked[0]?.path).toBe('/v1/destinations?probe=false');
  expect(out).toBe(
    'NAME  TYPE  REACHABLE  USED  FREE  BEHIND                  LAST GOOD\n' +
      'far   sftp  -          -     -     3 backups, 59 min 55 s  17 h ago\n' +
      'far is behind with orders: far.example does not answer\n',
  );
});

it('destinations --probe says what can be reached, and how full it is', async () => {
  const [, probed] = contract.listDestinations.examples;
  const [far] = probed.output;
  const near = {
    ...far,
    name: 'near',
    type: 'folder',
    tasks: [],
    probe: { reachable: true, usedBytes: 14_700_000, freeBytes: 5_000_000_000 },
  };
  await using asking = await ExampleNode.start({ listDestinations: [[far, near]] });
  const { out } = await holdfast(['destinations', '--probe'], asking);
  expect(asking.asked[0]?.path).toBe('/v1/destinations?probe=true');
  expect(out).toMatch(/^far +sftp +no +- +- +3 backups/m);
  expect(out).toMatch(/^near +folder +yes +14\.7 MB +5\.00 GB +no +never$/m);
  expect(out).toContain('far: far.example does not answer\n');
});

it('copy by names waits for its end and says what was brought', async () => {
  const [started] = contract.copyTask.examples;
  const [ended] = contract.listCopies.examples;
  await using asking = await ExampleNode.start({
    listCopies: [{ copies: [started.output.copy] }, ended.output],
  });
  const { code, out, err } = await holdfast(
    ['copy', '--task', 'orders', '--from', 'near', '--to', 'far'],
    asking,
  );
  expect({ code, out }).toEqual({ code: 0, out: 'Copied 1 backup of orders to far: 40.1 kB\n' });
  expect(err).toContain(`copy ${started.output.copy.id} has started`);
  expect(asking.asked[0]?.body).toEqual({ from: 'near', to: 'far', all: false });
});

it('copy ends with the code of its own error, and notices a node that was restarted', async () => {
  const [{ output }] = contract.listCopies.examples;
  const error = { code: 'corrupt', message: 'near gave back other bytes' };
  const failed = { copies: [{ ...output.copies[0], state: 'failed', error }] };
  await using asking = await ExampleNode.start({ listCopies: [failed] });
  const args = ['copy', '--task', 'orders', '--to', 'far', '--all'];
  const { code, err } = await holdfast(args, asking);
  expect(code).toBe(4);
  expect(err).toContain('failed: near gave back other bytes');
  await using restarted = await ExampleNode.start({ listCopies: [{ copies: [] }] });
  expect((await holdfast(args, restarted)).err).toContain('it was restarted');
});

it('run --no-wait answers with the run that has started', async () => {
  const { code, out } = await holdfast(['run', 'orders', '--no-wait']);
  expect({ code, out }).toEqual({ code: 0, out: 'orders-20261121T070000007Z\n' });
  expect(node.asked).toHaveLength(1);
});

it('tasks lists them, with what is wrong', async () => {
  const [task] = contract.listTasks.examples[0].output;
  const overdue = {
    ...task,
    name: 'late',
    freshness: { state: 'overdue', reason: 'none', runningTooLong: false },
  };
  await using asking = await ExampleNode.start({
    listTasks: [[task, { ...overdue, warnings: ['All backup destinations are disabled'] }]],
  });
  const { out } = await holdfast(['tasks'], asking);
  const lines = out.split('\n');
  expect(lines[0]).toMatch(/^TASK +STATE +FRESHNESS +LAST GOOD +NEXT +NODE +NOTE$/);
  expect(lines[1]).toMatch(/^orders +enabled +fresh +30 min ago +incremental 15 min ago +node-a$/);
  expect(lines[2]).toMatch(/^late .*overdue.*All backup destinations are disabled$/);
});

it('tasks TASK shows one, with its next and recent runs', async () => {
  const { out } = await holdfast(['tasks', 'orders']);
  for (const part of ['orders (logical)', 'near, far', 'last good full', 'recent runs', 'node-a: it has had'])
    expect(out).toContain(part);
});

it('tasks TASK says who makes the incrementals, and that a task without a node has nobody', async () => {
  const [{ output }] = contract.getTask.examples;
  expect((await holdfast(['tasks', 'orders'])).out).toContain('by node-a, of 20261120T140000Z-node-a-g3\n');
  const { node: _node, owner, ...rest } = output;
  const nobody = {
    ...rest,
    owner,
    nodeReason: 'no node has the tag db',
    notSuitable: { since: '2026-11-21T06:59:00.000Z', reason: 'node-a is not alive' },
  };
  await using asking = await ExampleNode.start({ getTask: [nobody], listTasks: [[nobody]] });
  const { out } = await holdfast(['tasks', 'orders'], asking);
  expect(out).toContain('nobody: no node has the tag db\n');
  expect(out).toContain('since 2026-11-21T06:59:00.000Z (1 min ago): node-a is not alive\n');
  expect(out).toContain('; nobody is responsible, and makes a full first\n');
  expect((await holdfast(['tasks'], asking)).out).toMatch(/ nobody$/m);
});

it('tasks --why tells what was decided, as sentences, newest last', async () => {
  const { code, out } = await holdfast(['tasks', '--why', 'orders']);
  expect(node.asked[0]?.path).toBe('/v1/tasks/orders/decisions');
  expect({ code, out }).toEqual({
    code: 0,
    out:
      '2026-11-20T14:00:00.000Z  node-b: node-b gets the task (generation 2): the task prefers node-b\n' +
      '2026-11-20T15:10:00.000Z  node-a: node-b cannot run the task (generation 2): node-b is not alive\n' +
      '2026-11-20T15:10:30.000Z  node-a: the task moves to node-a (generation 3): it has had the task since 2026-11-20 and is alive\n',
  });
});

it('tasks --why is about one task', async () => {
  const { code, err } = await holdfast(['tasks', '--why']);
  expect(code).toBe(2);
  expect(err).toContain('hint: holdfast tasks --why TASK');
  expect(node.asked).toEqual([]);
});

it('nodes shows who is alive, what each has and does, and what is wrong', async () => {
  const [a, b] = contract.listNodes.examples[0].output;
  const gone = {
    ...b,
    name: 'node-c',
    alive: false,
    draining: true,
    tasks: 3,
    problem: 'node-c is not alive',
  };
  const away = { ...b, clockOffsetMs: -7_000 };
  await using asking = await ExampleNode.start({ listNodes: [[a, away, gone]] });
  const { code, out } = await holdfast(['nodes'], asking);
  const lines = out.split('\n');
  expect(code).toBe(0);
  expect(lines[0]).toMatch(/^NODE +STATE +TASKS +OWNS +RUNS +STARTED +CLOCK +VERSION +TAGS$/);
  expect(lines[1]).toMatch(/^node-a +alive +1 +1 +1 of 2 +17 h ago +same +0\.1\.0 +db$/);
  expect(lines[2]).toMatch(/^node-b +alive +0 +0 +- +16 h 57 min ago +7\.0 s behind +0\.1\.0$/);
  expect(lines[3]).toMatch(/^node-c +gone, drains +3 /);
  expect(lines[4]).toContain('node-a: orders full: reading 41 %');
  expect(out).toContain('node-b: node-b could not be asked: nothing answers');
  expect(out).toContain('node-c: node-c is not alive\n');
});

it('nodes drain and its undoing ask for it, with options behind the name', async () => {
  const drained = await holdfast(['nodes', 'drain', 'node-a', '--json']);
  expect(JSON.parse(drained.out)).toMatchObject({ name: 'node-a', draining: true });
  const [, taken] = contract.drainNode.examples;
  await using asking = await ExampleNode.start({ drainNode: [taken.output] });
  const undone = await holdfast(['nodes', 'drain', 'node-a', '--undo'], asking);
  expect(undone.out).toBe('node node-a may have tasks again\n');
  expect([node.asked[0], asking.asked[0]]).toEqual([
    { name: 'drainNode', path: '/v1/nodes/node-a/drain', body: { draining: true } },
    { name: 'drainNode', path: '/v1/nodes/node-a/drain', body: { draining: false } },
  ]);
  expect((await holdfast(['nodes', 'drain'])).code).toBe(2);
  expect((await holdfast(['nodes', 'drian', 'node-a'])).code).toBe(2);
});

it('run --node asks for a run by that node', async () => {
  await holdfast(['run', 'orders', '--full', '--node', 'node-b', '--no-wait']);
  expect(node.asked[0]?.body).toEqual({ scope: 'full', node: 'node-b' });
});

it('of several servers, one that lives is asked', async () => {
  const dead = await ExampleNode.start();
  await dead[Symbol.asyncDispose]();
  const { code } = await holdfast(['status', '--server', `${dead.url},${node.url}`]);
  expect({ code, asked: node.asked.length }).toEqual({ code: 0, asked: 1 });
  const none = await holdfast([
    'status',
    '--server',
    `${dead.url},${dead.url.replace('127.0.0.1', 'localhost')}`,
  ]);
  expect(none.code).toBe(3);
  expect(none.err).toContain('[unavailable] none of the 2 servers can be asked: ');
});

it('status shows what runs, how far, how fast and how long still', async () => {
  const { out } = await holdfast(['status']);
  expect(out).toContain(
    'orders full: reading 41 %, 30.0 MB of 72.3 MB, 11.4 MB/s, 3 of 9 tables, 6.4 s left; near uploading 6.10 MB of 14.7 MB',
  );
});

it('history prints a line for each run, and asks for what was asked for', async () => {
  const { out } = await holdfast(['history', 'orders', '--state', 'failed', '--limit', '5']);
  expect(node.asked[0]?.path).toBe('/v1/runs?task=orders&state=failed&limit=5');
  expect(out).toContain('orders-20261121T063000123Z');
});

it('logs takes a task for its newest run', async () => {
  const { code, out } = await holdfast(['logs', 'orders']);
  expect(code).toBe(0);
  expect(out).toMatch(/^2026-11-21T\S+ info +/);
  expect(node.asked.map(({ name }) => name)).toEqual(['getTask', 'listRuns', 'getRunLog']);
});

it.each([
  [['pause', 'orders'], 'pauseTask', 'task orders is paused'],
  [['resume', 'orders'], 'resumeTask', 'task orders is enabled'],
  [['delay', 'orders', '--for', '1h'], 'delayTask', 'task orders is delayed until'],
  [['cancel', 'orders-20261121T070000007Z'], 'cancelRun', 'run orders-'],
  [['notification', 'test', 'on-call'], 'testNotification', 'on-call: the message was taken'],
] as const)('%j asks for %s', async (args, name, says) => {
  const { code, out } = await holdfast(args);
  expect({ code, asked: node.asked.at(-1)?.name }).toEqual({ code: 0, asked: name });
  expect(out).toContain(says);
});

it('an error of the node is printed as its own, with --json as a document', async () => {
  const error = { code: 'conflict', message: 'the declared objects were changed', hint: 'plan again' };
  await using asking = await ExampleNode.start({ applyObjects: [{ error }] });
  const { code, err } = await holdfast(['apply', '-f', file(), '--json'], asking);
  expect({ code, err: JSON.parse(err) }).toEqual({ code: 3, err: { error } });
});
