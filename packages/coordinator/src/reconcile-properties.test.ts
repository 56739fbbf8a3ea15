import type { ClusterStore } from '@holdfast/core';
import { MemoryClusterStore, type StoreStep } from '@holdfast/testing';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isSameRun } from './journal-runs.ts';
import {
  broken,
  Cluster,
  due,
  goApart,
  type Life,
  made,
  o,
  signal,
  silence,
} from './journaled-store.fixture.ts';
import { keys } from './keys.ts';
import { Ledger } from './ledger.ts';
import type { Message, RunRecord } from './records.ts';
import { moveTask } from './transitions.ts';

const tasks = ['bar', 'shop'] as const;

type Act = 'take' | 'begin' | 'succeed' | 'fail' | 'skip' | 'pause' | 'resume' | 'trim' | 'deliver';
const acts: readonly Act[] = [
  'take',
  'begin',
  'succeed',
  'fail',
  'skip',
  'pause',
  'resume',
  'trim',
  'deliver',
];
const step = fc.record({
  act: fc.constantFrom(...acts),
  task: fc.constantFrom(...tasks),
  passMs: fc.constantFrom(0, 1, 60_000),
});

/** What the running run of the task is told, if there is one. */
async function act(
  ledger: Ledger,
  store: ClusterStore,
  { act: what, task }: { act: Act; task: string },
): Promise<void> {
  const known = await ledger.task(task, o);
  if (!known) return;
  const { settledMs, running, runsCount } = known.value;
  // Runs of one moment are told apart by it.
  const reason = `the ${runsCount + 1}.`;
  const tell = (): Message[] => [
    {
      id: `${task}-${what}-${running?.run}`,
      event: 'failure',
      task,
      atMs: 0,
      to: 'mail',
      text: 'x',
      node: 'a',
    },
  ];
  const run = running && (await store.get(keys.run(running.run), o).catch(() => undefined));
  const record = run && (JSON.parse(run.value) as RunRecord);
  if (what === 'take' && !running) await ledger.take(known, { ...due, reason, settledMs }, o);
  if (what === 'skip')
    await ledger.skipOccurrence(known, { scope: 'full', reason, settledMs, occurrenceMs: 1 }, o);
  if (what === 'begin' && record?.state === 'waiting') await ledger.begin(record, o);
  if (what === 'succeed' && record)
    await ledger.finish(record, { state: 'succeeded', made: made(`c1/${record.id}`) }, () => [], o);
  if (what === 'fail' && record) await ledger.finish(record, { state: 'failed', error: broken }, tell, o);
  if (what === 'pause') await ledger.pause(task, o);
  if (what === 'resume') await ledger.resume(task, () => settledMs, o);
  if (what === 'trim') await ledger.trimHistory(task, { signal, keep: 3 });
  if (what === 'deliver')
    for (const { value } of (await ledger.messages(o)).slice(0, 1)) await ledger.deleteMessage(value.id, o);
}

/** Until the cluster has everything; after a failure perhaps in another life, perhaps with some more work in between. */
async function reconciled(
  cluster: Cluster,
  first: Life,
  faults: readonly { readonly what: StoreStep; readonly restart: boolean }[],
  between: (life: Life) => Promise<void> = async () => undefined,
): Promise<void> {
  const left = [...faults];
  let life = first;
  for (;;) {
    life.line.reconnect();
    try {
      await life.store.reconcile(o);
      return;
    } catch (caught) {
      expect(caught).toMatchObject({ code: 'unavailable' });
      const fault = left.shift();
      if (fault?.restart) {
        life = cluster.life({ transact: left.map(({ what }) => what) });
        life.line.cutOff();
        await life.store.enter(fault.what === 'lost' ? [] : await life.seen(), silence, o);
      }
      await between(life);
    }
  }
}

const fault = fc.record({
  what: fc.constantFrom<StoreStep>('ok', 'lost', 'unavailable'),
  restart: fc.boolean(),
});

async function opened(
  faults: readonly { readonly what: StoreStep }[],
): Promise<{ cluster: Cluster; life: Life }> {
  const cluster = new Cluster();
  for (const task of tasks) await cluster.declare(task);
  await cluster.declare('other', 'b');
  const life = cluster.life({ transact: faults.map(({ what }) => what) });
  await goApart(life);
  return { cluster, life };
}

it('what was done apart is as if it had been done in the cluster, when nobody else wrote', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.array(fault, { maxLength: 6 }),
      fc.array(step, { maxLength: 10 }),
      async (steps, faults, late) => {
        const { cluster, life } = await opened(faults);
        const plain = new Cluster();
        for (const task of tasks) await plain.declare(task);
        await plain.declare('other', 'b');
        const store = new MemoryClusterStore({ clock: cluster.clock, table: plain.table });
        const ledger = new Ledger({ store, clock: cluster.clock });
        const both = async (now: Life, one: (typeof steps)[number]): Promise<void> => {
          await cluster.clock.advance(one.passMs);
          await act(now.ledger, now.store, one);
          await act(ledger, store, one);
        };
        for (const one of steps) await both(life, one);
        const left = late.filter(({ act: what }) => what !== 'trim' && what !== 'deliver');
        await reconciled(cluster, life, faults, async (now) => {
          for (const one of left.splice(0, 3)) await both(now, one);
        });
        const all = Object.entries(await cluster.everything());
        const ours = Object.fromEntries(all.filter(([key]) => !key.startsWith(keys.decisions)));
        expect(ours).toEqual(await plain.everything());
      },
    ),
    { numRuns: 150 },
  );
});

const meddling = fc.record({
  what: fc.constantFrom('pause', 'resume', 'by-hand', 'move', 'move-back', 'run'),
  task: fc.constantFrom(...tasks),
});

/** Another node, which reaches the store: what it writes of tasks that are its own is remembered. */
async function meddle(cluster: Cluster, { what, task }: { what: string; task: string }): Promise<void> {
  const { ledgerB } = cluster;
  const record = await cluster.record(task);
  const move = (node: string): Promise<void> =>
    cluster.write(cluster.b, moveTask(record, node, { reason: 'as scripted' }));
  if (what === 'pause') await ledgerB.pause(task, o);
  if (what === 'resume') await ledgerB.resume(task, () => record.settledMs, o);
  if (what === 'by-hand') await ledgerB.startByHand(task, () => ({ ...due, trigger: 'manual' }), o);
  if (what === 'move' && record.node === 'a') await move('b');
  if (what === 'move-back' && record.node === 'b') await move('a');
  const known = await ledgerB.task(task, o);
  if (what === 'run' && known?.value.node === 'b' && !known.value.running) await ledgerB.take(known, due, o);
}

it('whatever others did: no record of another generation is decided on, no run is lost, doubled or put in place of another', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(step, meddling), { maxLength: 40 }),
      fc.array(fault, { maxLength: 6 }),
      async (steps, faults) => {
        const { cluster, life } = await opened(faults);
        const work = steps.filter((one) => !('act' in one) || one.act !== 'trim');
        for (const one of work) {
          if ('act' in one) {
            await cluster.clock.advance(one.passMs);
            await act(life.ledger, life.store, one);
          } else await meddle(cluster, one);
        }
        const before = await cluster.b.list(keys.tasks, o);
        const theirs = Object.fromEntries(
          await Promise.all(tasks.map(async (task) => [task, await cluster.runs(task)] as const)),
        );
        const own = Object.fromEntries(
          await Promise.all(
            tasks.map(
              async (task) =>
                [task, (await life.ledger.history(task, { signal, last: 99 })).toReversed()] as const,
            ),
          ),
        );
        await reconciled(cluster, life, faults);
        for (const task of tasks) {
          const record = await cluster.record(task);
          const runs = await cluster.runs(task);
          const found = before.entries.find(({ key }) => key === keys.task(task));
          // But for the runs that it was told of: their owner ends what they keep.
          const { forsaken: _told, ...kept } = record;
          if (record.generation > 1) expect(kept).toEqual(JSON.parse(found?.value ?? ''));
          else expect(record.runsCount).toBe(runs.length);
          const all = [...(theirs[task] ?? []), ...(own[task] ?? [])];
          expect(runs).toHaveLength(all.length);
          for (const run of all) expect(runs.filter((one) => isSameRun(one, run))).toHaveLength(1);
          for (const run of theirs[task] ?? []) if (record.generation > 1) expect(runs).toContainEqual(run);
          // What is said to run does.
          if (record.running) {
            const running = runs.find(({ id }) => id === record.running?.run);
            expect(['waiting', 'running']).toContain(running?.state);
          }
          const open = runs.filter(({ endedAtMs }) => endedAtMs === undefined).map(({ id }) => id);
          if (record.generation === 1) expect(open).toEqual(record.running ? [record.running.run] : []);
        }
      },
    ),
    { numRuns: 300 },
  );
});
