import { FakeClock, MemoryClusterStore } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { ClusterView, type ViewChange } from './cluster-view.ts';
import { nodeRecord } from './declared.fixture.ts';
import { noObjects } from './entries.ts';
import { keys } from './keys.ts';
import { Ledger } from './ledger.ts';
import type { TaskRecord } from './records.ts';
import { newTask } from './transitions.ts';

const { signal } = new AbortController();
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function write(store: MemoryClusterStore, record: TaskRecord): Promise<number> {
  return store.transact(
    { puts: [{ key: keys.task(record.task), value: JSON.stringify(record) }] },
    { signal },
  );
}

it('shows what is there when it is loaded, and then every change, as one process and as another', async () => {
  const clock = new FakeClock();
  const store = new MemoryClusterStore({ clock });
  const ledger = new Ledger({ store, clock });
  await write(store, newTask('early', 'a', clock.now()));
  const view = new ClusterView(store);
  const since = await view.load({ signal });
  expect([...view.tasks.keys()]).toEqual(['early']);

  const changes: ViewChange[] = [];
  view.onChange((change) => changes.push(change));
  const end = new AbortController();
  const following = view.follow(since, { signal: end.signal });
  const revision = await ledger.replaceObjects({ ...noObjects, sources: { s: { type: 'x' } } }, 0, {
    signal,
  });
  await write(store, newTask('late', 'a', clock.now()));
  await ledger.pause('early', { signal });
  const known = await ledger.task('late', { signal });
  if (known) await ledger.forgetTask(known, { signal });
  await settle();

  expect(view.objects.revision).toBe(revision);
  expect([...view.tasks.keys()]).toEqual(['early']);
  expect(view.task('early')?.value.pausedSinceMs).toBe(clock.now());
  expect(changes.map(({ objects, tasks }) => [objects, ...tasks])).toEqual([
    [true],
    [false, 'late'],
    [false, 'early'],
    [false, 'late'],
  ]);
  end.abort(new Error('over'));
  await expect(following).rejects.toMatchObject({ code: 'cancelled' });
});

it('never goes back to an older record than it has', async () => {
  const clock = new FakeClock();
  const store = new MemoryClusterStore({ clock });
  const ledger = new Ledger({ store, clock });
  await write(store, newTask('shop', 'a', clock.now()));
  const view = new ClusterView(store);
  await view.load({ signal });
  const old = view.task('shop');
  await ledger.pause('shop', { signal });
  const fresh = await ledger.task('shop', { signal });
  if (fresh) view.note(fresh);
  if (old) view.note(old);
  expect(view.task('shop')?.value.pausedSinceMs).toBeDefined();
});

it('knows who is alive, who drains, and which tasks each node has and carries out', async () => {
  const clock = new FakeClock();
  const store = new MemoryClusterStore({ clock });
  const view = new ClusterView(store);
  const since = await view.load({ signal });
  const end = new AbortController();
  const following = view.follow(since, { signal: end.signal }).catch(() => undefined);
  const node = nodeRecord('a');
  const running = { run: 'r', node: 'b', scope: 'full' } as const;
  await store.transact(
    {
      puts: [
        { key: keys.node('a'), value: JSON.stringify(node) },
        { key: keys.drain('a'), value: '0' },
      ],
    },
    { signal },
  );
  await write(store, { ...newTask('shop', 'a', 0), running });
  await settle();
  expect([[...view.nodes.keys()], [...view.drains]]).toEqual([['a'], ['a']]);
  expect([[...view.tasksOf('a')], [...view.runningOn('b')]]).toEqual([['shop'], ['shop']]);
  await write(store, newTask('shop', 'b', 0));
  await store.transact({ deletes: [keys.node('a'), keys.drain('a')] }, { signal });
  await settle();
  expect([[...view.nodes.keys()], [...view.drains]]).toEqual([[], []]);
  expect([[...view.tasksOf('a')], [...view.tasksOf('b')], [...view.runningOn('b')]]).toEqual([
    [],
    ['shop'],
    [],
  ]);
  end.abort();
  await following;
});

it('reads everything anew when its watch has fallen behind', async () => {
  const clock = new FakeClock();
  const store = new MemoryClusterStore({ clock });
  const view = new ClusterView(store);
  const since = await view.load({ signal });
  await write(store, newTask('shop', 'a', 0));
  store.table.forgetChanges();
  const end = new AbortController();
  const following = view.follow(since, { signal: end.signal }).catch(() => undefined);
  await settle();
  await write(store, newTask('late', 'a', 0));
  await settle();
  expect([...view.tasksOf('a')]).toEqual(['shop', 'late']);
  end.abort();
  await following;
});
