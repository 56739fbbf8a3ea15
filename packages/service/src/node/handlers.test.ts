import { contract } from '@holdfast/client';
import { HoldfastError } from '@holdfast/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type NodeUnderTest, openNode, signal } from './bench.fixture.ts';

const base = `sources:
  shop: { type: sqlite, path: /db/shop }
destinations:
  near: { type: folder, path: /backups }
`;
const shop = `${base}tasks:
  shop: { source: shop, full: "0 2 * * *", incremental: "0 * * * *", destinations: [near] }
`;

let node: NodeUnderTest;

beforeEach(async () => {
  node = await openNode();
  void node.start();
  await node.bench.pass(0);
});

afterEach(() => node[Symbol.asyncDispose]());

function files(text: string): { name: string; text: string }[] {
  return [{ name: 'objects.yaml', text }];
}

async function apply(text: string, o: { readonly prune?: boolean; readonly revision?: number } = {}) {
  const answer = await node.handlers.applyObjects({ files: files(text), prune: false, ...o, signal });
  await node.bench.pass(0);
  return answer;
}

async function errorOf(promise: Promise<unknown>): Promise<HoldfastError> {
  return promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (caught: unknown) => HoldfastError.from(caught),
  );
}

/** A run by hand that ends as the test says. */
async function runOnce(task = 'shop', scope?: 'full' | 'incremental'): Promise<string> {
  const { run } = await node.handlers.runTask({ task, ...(scope && { scope }), signal });
  await node.bench.pass(0);
  node.works.last.succeed();
  await node.bench.pass(0);
  return run.id;
}

describe('plan and apply', () => {
  it('say what changes; a plan changes nothing, an apply does, once', async () => {
    const planned = await node.handlers.planObjects({ files: files(shop), prune: false, signal });
    expect(planned.changes.map(({ action, kind, name }) => `${action} ${kind} ${name}`)).toEqual([
      'add source shop',
      'add destination near',
      'add task shop',
    ]);
    expect((await node.handlers.getObjects({ signal })).revision).toBe(0);
    const applied = await apply(shop);
    expect(applied).toMatchObject({ applied: true, changes: planned.changes });
    const again = await apply(shop);
    expect(again).toMatchObject({ applied: false, changes: [], revision: applied.revision });
  });

  it('warn of tasks that no node may run as things are', async () => {
    const task = (nodes: string): string =>
      `{ source: shop, destinations: [near], full: "0 * * * *", nodes: ${nodes} }`;
    const text = `${shop}
  pinned: ${task('{ prefer: node-x, pin: true }')}
  tagged: ${task('{ tags: [ssd] }')}
  preferred: ${task('{ prefer: node-x }')}`;
    const { warnings } = await node.handlers.planObjects({ files: files(text), prune: false, signal });
    expect(warnings).toEqual([
      {
        where: 'tasks.pinned.nodes',
        text: 'nobody runs the task: the task is pinned to node node-x, which is not alive',
      },
      { where: 'tasks.tagged.nodes', text: 'nobody runs the task: node node-a lacks the tag ssd' },
    ]);
  });

  it('refuse what was planned on other objects than there are now', async () => {
    const planned = await node.handlers.planObjects({ files: files(shop), prune: false, signal });
    await apply(base);
    const refused = await errorOf(apply(shop, { revision: planned.revision }));
    expect(refused.code).toBe('conflict');
    expect(Object.keys((await node.handlers.getObjects({ signal })).objects.tasks)).toEqual([]);
  });

  it('let one of two win that apply at once', async () => {
    const { revision } = await node.handlers.getObjects({ signal });
    const both = await Promise.allSettled([apply(shop, { revision }), apply(base, { revision })]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [lost] = both.flatMap((one) => (one.status === 'rejected' ? [HoldfastError.from(one.reason)] : []));
    expect(lost?.code).toBe('conflict');
  });

  it('change nothing when one line of all is bad, and say which', async () => {
    const bad = shop.replace('0 2 * * *', '0 25 * * *');
    const refused = await errorOf(apply(bad));
    expect(refused.code).toBe('config_invalid');
    expect(refused.message).toContain('objects.yaml:6:');
    expect((await node.handlers.getObjects({ signal })).revision).toBe(0);
  });

  it('remove only what a prune may remove', async () => {
    await apply(shop);
    expect((await apply(base)).changes).toEqual([]);
    const { changes } = await apply(base, { prune: true });
    expect(changes.map(({ action, name }) => `${action} ${name}`)).toEqual(['remove shop']);
    expect(await node.handlers.listTasks({ signal })).toEqual([]);
  });

  it('give back what was applied: an export planned again changes nothing', async () => {
    await apply(shop);
    const { yaml } = await node.handlers.getObjects({ signal });
    const { changes } = await node.handlers.planObjects({ files: files(yaml), prune: true, signal });
    expect(changes).toEqual([]);
  });

  it('refuse to test a notification that is not declared', async () => {
    const refused = await errorOf(node.handlers.testNotification({ notification: 'nobody', signal }));
    expect(refused).toMatchObject({ code: 'not_found', hint: 'declared are: none' });
  });
});

describe('a run by hand', () => {
  it('begins at once, a full as long as there is none', async () => {
    await apply(shop);
    const { run, already } = await node.handlers.runTask({ task: 'shop', signal });
    expect(already).toBe(false);
    expect(run).toMatchObject({ trigger: 'manual', scopeAsked: 'full' });
    expect(run.reason).toContain('there is no good full backup yet');
    await node.bench.pass(0);
    expect(node.works.last.run.request).toMatchObject({ task: 'shop', scope: 'full' });
  });

  it('is an incremental by itself once there is a full, and a full when that is asked for', async () => {
    await apply(shop);
    await runOnce();
    await runOnce();
    expect(node.works.last.run.request.scope).toBe('auto');
    await runOnce('shop', 'full');
    expect(node.works.last.run.request.scope).toBe('full');
  });

  it('during a run is that run', async () => {
    await apply(shop);
    const first = await node.handlers.runTask({ task: 'shop', signal });
    const second = await node.handlers.runTask({ task: 'shop', scope: 'full', signal });
    expect(second).toMatchObject({ already: true, run: { id: first.run.id } });
    await node.bench.pass(0);
    expect(node.works.begun).toHaveLength(1);
  });

  it.for([
    ['a disabled task', 'disabled: true, ', undefined, 'precondition_failed'],
    ['a task without incrementals', 'XX', 'incremental', 'precondition_failed'],
  ] as const)('of %s is refused', async ([, more, scope, code]) => {
    const text =
      more === 'XX'
        ? shop.replace('incremental: "0 * * * *", ', '')
        : shop.replace('source:', `${more}source:`);
    await apply(text);
    const refused = await errorOf(node.handlers.runTask({ task: 'shop', ...(scope && { scope }), signal }));
    expect(refused.code).toBe(code);
    expect(refused.hint).toContain('holdfast apply');
    expect(await node.bench.runs('shop')).toEqual([]);
  });

  it('of a task that is not there is refused', async () => {
    expect((await errorOf(node.handlers.runTask({ task: 'nothing', signal }))).code).toBe('not_found');
  });

  it('is begun although the answer of the store was lost', async () => {
    await apply(shop);
    let lost = false;
    node.bench.fault.step = (verb, what) => {
      if (verb !== 'transact' || lost || !what.includes('runs/')) return 'ok';
      lost = true;
      return 'lost';
    };
    const { run, already } = await node.handlers.runTask({ task: 'shop', signal });
    expect(already).toBe(false);
    await node.bench.pass(61_000);
    expect(node.works.begun).toHaveLength(1);
    expect(await node.handlers.getRun({ run: run.id, signal })).toMatchObject({ state: 'running' });
  });
});

describe('pause, resume and delay', () => {
  it('hold a task back, and drop what it missed', async () => {
    await apply(shop);
    await runOnce();
    expect(await node.handlers.pauseTask({ task: 'shop', signal })).toMatchObject({ state: 'paused' });
    await node.bench.pass(5 * 3_600_000);
    expect(node.works.begun).toHaveLength(1);
    const resumed = await node.handlers.resumeTask({ task: 'shop', signal });
    expect(resumed).toMatchObject({ state: 'enabled', freshness: { state: 'fresh' } });
    expect(resumed.next).toMatchObject({ at: '2026-11-20T20:00:00.000Z' });
    await node.bench.pass(60_000);
    expect(node.works.begun).toHaveLength(1);
  });

  it('end the running run, which begins anew after the delay', async () => {
    await apply(shop);
    const { run } = await node.handlers.runTask({ task: 'shop', signal });
    await node.bench.pass(0);
    const delayed = node.handlers.delayTask({ task: 'shop', for: '90m', signal });
    await node.bench.pass(0);
    expect(await delayed).toMatchObject({
      state: 'delayed',
      delayedUntil: '2026-11-20T15:30:00.000Z',
      next: { at: '2026-11-20T15:30:00.000Z', scope: 'full' },
    });
    expect(await node.handlers.getRun({ run: run.id, signal })).toMatchObject({ state: 'cancelled' });
    await node.bench.pass(5_399_000);
    expect(node.works.begun).toHaveLength(1);
    await node.bench.pass(1_000);
    expect(node.works.begun).toHaveLength(2);
  });

  it('refuse times that are none', async () => {
    await apply(shop);
    for (const time of ['0s', '-1h', '400d', 'soon'])
      expect((await errorOf(node.handlers.delayTask({ task: 'shop', for: time, signal }))).code).toBe(
        'config_invalid',
      );
  });

  it('are told to a task that is there', async () => {
    const o = { task: 'nothing', signal };
    for (const asked of [
      node.handlers.pauseTask(o),
      node.handlers.resumeTask(o),
      node.handlers.delayTask({ ...o, for: '1h' }),
      node.handlers.getTask({ ...o, next: 1 }),
    ])
      expect((await errorOf(asked)).code).toBe('not_found');
  });
});

describe('history', () => {
  const three = `${base}tasks:
  a: { source: shop, full: "0 * * * *", destinations: [near] }
  b: { source: shop, full: "0 * * * *", destinations: [near] }
  c: { source: shop, full: "0 * * * *", destinations: [near] }
`;

  async function pages(limit: number, over: { task?: string; state?: 'failed' | 'succeeded' } = {}) {
    const found: string[][] = [];
    for (let before: string | undefined; ; before = found.at(-1)?.at(-1)) {
      const o = { limit, ...over, ...(before !== undefined && { before }), signal };
      const { runs, more } = await node.handlers.listRuns(o);
      found.push(runs.map(({ id }) => id));
      if (!more || found.length > 20) return found;
    }
  }

  it('has each run on one page, also where several began at one moment', async () => {
    node.works.quick = true;
    await apply(three);
    await node.bench.pass(3 * 3_600_000 + 60_000);
    const all = (await pages(100)).flat();
    expect(all).toHaveLength(9);
    for (const limit of [1, 2, 4]) {
      const found = await pages(limit);
      expect(found.flat()).toEqual(all);
      expect(found[0]).toHaveLength(limit);
    }
  });

  it('is filtered by task and by state', async () => {
    await apply(shop);
    const good = await runOnce();
    const { run } = await node.handlers.runTask({ task: 'shop', signal });
    await node.bench.pass(0);
    node.works.last.fail(new HoldfastError('exhausted', 'full'));
    await node.bench.pass(0);
    expect((await pages(5, { state: 'failed' })).flat()).toEqual([run.id]);
    expect((await pages(5, { state: 'succeeded', task: 'shop' })).flat()).toEqual([good]);
    expect((await pages(5, { task: 'shop' })).flat()).toEqual([run.id, good]);
  });

  it('has no run that is none', async () => {
    for (const run of ['shop', 'shop-20261120T140000000Z', '../objects'])
      expect((await errorOf(node.handlers.getRun({ run, signal }))).code).toBe('not_found');
  });
});

describe('a run', () => {
  it('is cancelled on request, and that is told when it has ended', async () => {
    await apply(shop);
    const { run } = await node.handlers.runTask({ task: 'shop', signal });
    await node.bench.pass(0);
    expect(await node.handlers.cancelRun({ run: run.id, signal })).toMatchObject({ state: 'cancelled' });
    expect(await node.handlers.cancelRun({ run: run.id, signal })).toMatchObject({ state: 'cancelled' });
  });

  it('shows its tables while it works, page by page, and afterwards says where to look', async () => {
    await apply(shop);
    const { run } = await node.handlers.runTask({ task: 'shop', signal });
    await node.bench.pass(0);
    const { observer } = node.works.last.o;
    const tables = ['a', 'b', 'c'].map((name) => ({
      table: `/public/${name}`,
      chunks: 1,
      estimatedBytes: 100,
    }));
    observer({ kind: 'plan', tablesTotal: 3, chunksTotal: 3, tables });
    const o = { run: run.id, signal };
    const first = await node.handlers.listRunTables({ ...o, offset: 0, limit: 2 });
    const second = await node.handlers.listRunTables({ ...o, offset: 2, limit: 2 });
    expect([first.total, second.total]).toEqual([3, 3]);
    const listed = [...first.tables, ...second.tables].map(({ table }) => table);
    expect(listed).toEqual(['/public/a', '/public/b', '/public/c']);
    node.works.last.succeed();
    await node.bench.pass(0);
    const refused = await errorOf(node.handlers.listRunTables({ ...o, offset: 0, limit: 2 }));
    expect(refused).toMatchObject({ code: 'precondition_failed' });
    expect(refused.hint).toContain('holdfast list');
  });

  it('has its log, line by line', async () => {
    await apply(shop);
    const run = await runOnce();
    const lines: string[] = [];
    for await (const line of await node.handlers.getRunLog({ run, signal })) {
      expect(line).toMatchObject({ run, task: 'shop' });
      lines.push(line.text);
    }
    expect(lines[0]).toContain('the run starts');
    expect(lines.at(-1)).toBe('the run is done: succeeded');
  });

  it('is told to whoever listens: taken, begun, ended; and its task each time', async () => {
    await apply(shop);
    const heard: string[] = [];
    const stop = node.handlers.subscribe((event) => {
      if (event.kind === 'run') heard.push(event.run.state);
      if (event.kind === 'task')
        heard.push(`task ${event.task.running?.state ?? event.task.lastAttempt?.state}`);
    });
    await runOnce();
    stop();
    await runOnce();
    expect(heard.filter((one) => !one.startsWith('task'))).toEqual(['waiting', 'running', 'succeeded']);
    expect(heard).toContain('task waiting');
    expect(heard).toContain('task succeeded');
  });
});

describe('the node', () => {
  it('says how it is: tasks by freshness, what runs, and no problems', async () => {
    await apply(shop);
    await node.handlers.runTask({ task: 'shop', signal });
    await node.bench.pass(0);
    const status = await node.handlers.getStatus({ signal });
    expect(status).toMatchObject({
      node: 'node-a',
      startedAt: '2026-11-20T14:00:00.000Z',
      limits: { runs: 2, perSource: 1 },
      tasks: { total: 1, byFreshness: { 'waiting-first': 1 } },
      runs: { running: 1 },
      problems: [],
    });
    expect(status.active.map(({ task }) => task)).toEqual(['shop']);
    expect(() => contract.getStatus.response.parse(status)).not.toThrow();
    expect(await node.handlers.getReadiness({ signal })).toEqual({ ready: true, reasons: [] });
  });

  it('is not ready while its store does not answer, and says why', async () => {
    await apply(shop);
    node.bench.fault.step = () => 'unavailable';
    await node.bench.pass(130_000);
    const { ready, reasons } = await node.handlers.getReadiness({ signal });
    expect(ready).toBe(false);
    expect(reasons.join()).toMatch(/does not work: \[unavailable\]/);
    node.bench.fault.step = () => 'ok';
    await node.bench.pass(130_000);
    expect(await node.handlers.getReadiness({ signal })).toMatchObject({ ready: true });
  });

  it('tells its metrics in the format of Prometheus', async () => {
    await apply(shop);
    await runOnce();
    const text = await node.handlers.getMetrics({ signal });
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) .+|[a-z_:][a-z0-9_:]*(\{.*\})? (-?[0-9.e+-]+|NaN|[+-]Inf)|)$/i);
    expect(text).toMatch(/^holdfast_runs_total\{task="shop",scope="full",state="succeeded"\} 1$/m);
  });

  it('answers with what the contract says', async () => {
    await apply(shop);
    await runOnce();
    const tasks = await node.handlers.listTasks({ signal });
    expect(() => contract.listTasks.response.parse(tasks)).not.toThrow();
    const detail = await node.handlers.getTask({ task: 'shop', next: 5, signal });
    expect(() => contract.getTask.response.parse(detail)).not.toThrow();
    expect(detail.nextRuns).toHaveLength(5);
    expect(detail.recentRuns).toHaveLength(1);
    expect(Object.keys(await node.handlers.getObjectsSchema({ signal })).length).toBeGreaterThan(0);
  });
});
