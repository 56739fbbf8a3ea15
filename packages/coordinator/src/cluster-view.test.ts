import { FakeClock, MemoryClusterStore } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { ClusterView, type ViewChange } from './cluster-view.ts';
import { noObjects } from './entries.ts';
import { Ledger } from './ledger.ts';

const { signal } = new AbortController();
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('shows what is there when it is loaded, and then every change, as one process and as another', async () => {
  const clock = new FakeClock();
  const store = new MemoryClusterStore({ clock });
  const ledger = new Ledger({ store, clock });
  await ledger.adoptTask('early', 'a', { signal });
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
  await ledger.adoptTask('late', 'a', { signal });
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
  await ledger.adoptTask('shop', 'a', { signal });
  const view = new ClusterView(store);
  await view.load({ signal });
  const old = view.task('shop');
  await ledger.pause('shop', { signal });
  const fresh = await ledger.task('shop', { signal });
  if (fresh) view.note(fresh);
  if (old) view.note(old);
  expect(view.task('shop')?.value.pausedSinceMs).toBeDefined();
});
