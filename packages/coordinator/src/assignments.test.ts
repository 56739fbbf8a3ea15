import { FakeClock, MemoryClusterStore } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { Assignments } from './assignments.ts';
import type { Known } from './entries.ts';
import { keys } from './keys.ts';
import { Ledger } from './ledger.ts';
import type { RunRecord, TaskRecord } from './records.ts';
import { newTask } from './transitions.ts';

const o = { signal: new AbortController().signal };
const conflict = { code: 'conflict' };

/** Decisions of node `a`, on a store where nodes come and go as the test says. */
class Bench {
  readonly clock = new FakeClock();
  readonly store = new MemoryClusterStore({ clock: this.clock });
  readonly ledger = new Ledger(this);
  revision: number | undefined;
  readonly a = new Assignments({ ...this, node: 'a', revision: () => this.revision });

  async come(...nodes: string[]): Promise<void> {
    for (const node of nodes) {
      const revision = await this.store.transact({ puts: [{ key: keys.node(node), value: '{}' }] }, o);
      if (node === 'a') this.revision = revision;
    }
  }

  async go(node: string): Promise<void> {
    await this.store.transact({ deletes: [keys.node(node)] }, o);
  }

  /** A task of node `b`, by default, as it is known. */
  async task(over: Partial<TaskRecord> = {}): Promise<Known<TaskRecord>> {
    const value = { ...newTask('shop', 'b', this.clock.now()), ...over };
    const put = { key: keys.task('shop'), value: JSON.stringify(value) };
    return { value, revision: await this.store.transact({ puts: [put] }, o) };
  }

  async running(node: string): Promise<{ known: Known<TaskRecord>; run: RunRecord }> {
    const start = { scope: 'full', node, trigger: 'manual', reason: 'asked for' } as const;
    return this.ledger.take(await this.task(), start, o);
  }

  async kinds(): Promise<readonly string[]> {
    return (await this.ledger.decisions('shop', { ...o, last: 100 })).map(({ kind }) => kind);
  }
}

describe('a task', () => {
  it('without a record gets one, of the node that decides, by one of many that try', async () => {
    const bench = new Bench();
    await bench.come('a');
    const tries = await Promise.allSettled(
      [1, 2, 3].map(() => bench.a.adopt('shop', { reason: 'new', schedule: 's' }, o)),
    );
    expect(tries.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
    const record = (await bench.ledger.task('shop', o))?.value;
    expect(record).toMatchObject({ node: 'a', generation: 1, schedule: 's', nodeReason: 'new' });
    expect(await bench.kinds()).toEqual(['assigned']);
  });

  it('that nobody may have gets a record without a node', async () => {
    const bench = new Bench();
    await bench.come('a');
    const { value } = await bench.a.adopt('shop', { reason: 'no node has the tag', nobody: true }, o);
    expect(value.node).toBe('');
  });

  it('moves under the next generation, and the incrementals are nobody’s', async () => {
    const bench = new Bench();
    await bench.come('a');
    const owner = { node: 'b', generation: 1, chain: 'c' };
    const known = await bench.task({ owner, newest: owner, notSuitable: { sinceMs: 0, reason: 'silent' } });
    const { value } = await bench.a.take(known, 'b is gone', o);
    expect(value).toMatchObject({ node: 'a', generation: 2, nodeReason: 'b is gone', newest: owner });
    expect([value.owner, value.notSuitable]).toEqual([undefined, undefined]);
    expect(await bench.kinds()).toEqual(['moved']);
  });

  it('that comes back to who made its newest chain goes on with that chain', async () => {
    const bench = new Bench();
    await bench.come('a');
    const newest = { node: 'a', generation: 1, chain: 'c' };
    const { value } = await bench.a.take(await bench.task({ newest }), 'again', o);
    expect(value).toMatchObject({ generation: 2, owner: newest });
  });

  it('is released under the next generation', async () => {
    const bench = new Bench();
    await bench.come('a');
    const { value } = await bench.a.release(await bench.task(), 'every node drains', o);
    expect(value).toMatchObject({ node: '', generation: 2 });
    expect(await bench.kinds()).toEqual(['released']);
  });

  it('is marked and cleared, and both are remembered', async () => {
    const bench = new Bench();
    await bench.come('a');
    const marked = await bench.a.mark(await bench.task(), 'silent', o);
    expect(marked.value.notSuitable).toEqual({ sinceMs: bench.clock.now(), reason: 'silent' });
    await bench.clock.advance(1);
    const cleared = await bench.a.clear(marked, 'back', o);
    expect(cleared.value).toMatchObject({ node: 'b', generation: 1 });
    expect(cleared.value.notSuitable).toBeUndefined();
    expect(await bench.kinds()).toEqual(['not-suitable', 'suitable-again']);
  });
});

describe('a decision holds only', () => {
  it('for the record that it was made on', async () => {
    const bench = new Bench();
    await bench.come('a');
    const known = await bench.task();
    await bench.ledger.pause('shop', o);
    for (const act of ['mark', 'clear', 'take', 'release'] as const)
      await expect(bench.a[act](known, 'why', o)).rejects.toMatchObject(conflict);
  });

  it('while the node that decides is alive for the store, too', async () => {
    const bench = new Bench();
    const known = await bench.task();
    await expect(bench.a.take(known, 'why', o)).rejects.toMatchObject({ code: 'lease_lost' });
    await bench.come('a');
    await bench.go('a');
    await expect(bench.a.take(known, 'why', o)).rejects.toMatchObject(conflict);
    await bench.come('a');
    await bench.a.take(known, 'why', o);
  });

  it('while a node that was taken for dead still is', async () => {
    const bench = new Bench();
    await bench.come('a', 'b');
    await expect(bench.a.mark(await bench.task(), 'silent', o)).rejects.toMatchObject(conflict);
    const marked = await bench.task({ notSuitable: { sinceMs: 0, reason: 'silent' } });
    await expect(bench.a.take(marked, 'b is gone', o)).rejects.toMatchObject(conflict);
    await bench.go('b');
    await bench.a.take(marked, 'b is gone', o);
  });
});

describe('a run that was lost', () => {
  it('is interrupted with the move, and the next full ends what it kept in the source', async () => {
    const bench = new Bench();
    await bench.come('a');
    const { known, run } = await bench.running('b');
    const { value } = await bench.a.take(known, 'b is gone', o);
    expect(value).toMatchObject({ node: 'a', generation: 2, forsaken: [run.id] });
    expect(value.running).toBeUndefined();
    expect(await bench.ledger.run(run.id, o)).toMatchObject({ state: 'interrupted' });
    const outcome = { state: 'failed', error: { code: 'internal', message: 'late' } } as const;
    await expect(bench.ledger.finish(run, outcome, () => [], o)).rejects.toMatchObject({
      code: 'lease_lost',
    });
  });

  it('is not waited for where nobody knows of it, or where it has ended: its node was apart, and went before it had told all', async () => {
    for (const told of ['nothing', 'its end'] as const) {
      const bench = new Bench();
      await bench.come('a');
      const { known, run } = await bench.running('b');
      const key = keys.run(run.id);
      const over = JSON.stringify({ ...run, state: 'succeeded', endedAtMs: 1 });
      const change = told === 'nothing' ? { deletes: [key] } : { puts: [{ key, value: over }] };
      await bench.store.transact(change, o);
      const { value } = await bench.a.take(known, 'b is gone', o);
      expect(value).toMatchObject({ node: 'a', generation: 2, forsaken: [run.id] });
      expect(value.running).toBeUndefined();
      expect((await bench.store.get(key, o))?.value).toBe(told === 'nothing' ? undefined : over);
    }
  });

  it('is not lost while its node is alive: neither a move nor an interruption ends it', async () => {
    const bench = new Bench();
    await bench.come('a', 'c');
    const { known, run } = await bench.running('c');
    await expect(bench.a.take(known, 'b is gone', o)).rejects.toMatchObject(conflict);
    await expect(bench.a.release(known, 'nobody may', o)).rejects.toMatchObject(conflict);
    await expect(bench.a.interrupt(known, o)).rejects.toMatchObject(conflict);
    await bench.go('c');
    const { value } = await bench.a.interrupt(known, o);
    expect(value).toMatchObject({ node: 'b', generation: 1 });
    expect(value.running).toBeUndefined();
    expect(await bench.ledger.run(run.id, o)).toMatchObject({ state: 'interrupted' });
  });
});

it('of the decisions of a task the newest fifty are kept', async () => {
  const bench = new Bench();
  await bench.come('a');
  let known = await bench.task();
  for (let n = 0; n < 30; n += 1) {
    await bench.clock.advance(1000);
    known = await bench.a.mark(known, `silent ${n}`, o);
    await bench.clock.advance(1000);
    known = await bench.a.clear(known, `back ${n}`, o);
  }
  const kept = await bench.ledger.decisions('shop', { ...o, last: 100 });
  expect(kept).toHaveLength(50);
  expect([kept[0]?.reason, kept.at(-1)?.reason]).toEqual(['silent 5', 'back 29']);
});
