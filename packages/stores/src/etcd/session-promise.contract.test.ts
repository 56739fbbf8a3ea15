import { setTimeout as sleep } from 'node:timers/promises';
import { type ClusterStore, HoldfastError, type Session, SystemClock } from '@holdfast/core';
import { type EtcdCluster, type EtcdMember, startEtcd, TcpProxy } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEtcdStore } from './index.ts';

const { signal } = new AbortController();
const clock = new SystemClock();
/** etcd's leases take two seconds at least. */
const ttlShortMs = 1_500;

let etcd: EtcdCluster;
let member: EtcdMember;
beforeAll(async () => {
  etcd = await startEtcd();
  member = etcd.members[0] as EtcdMember;
});
afterAll(() => etcd[Symbol.asyncDispose]());

/** What happened, in order: all of it happens in this process. */
type Happened = 'owner knows' | 'rival sees' | 'rival has written';

interface Scene extends AsyncDisposable {
  readonly line: TcpProxy;
  readonly session: Session;
  readonly owner: ClusterStore;
  readonly happened: readonly Happened[];
  /** Resolves when the rival has written, or rejects when it cannot. */
  readonly rival: Promise<void>;
}

/** An owner behind a line, with an entry under its session; and a rival who writes there as soon as it is gone. */
async function scene(name: string, ttlMs = ttlShortMs): Promise<Scene> {
  await using opened = new AsyncDisposableStack();
  const line = opened.use(await TcpProxy.open(member.port));
  const prefix = `/${name}/`;
  const owner = opened.use(
    await openEtcdStore({ endpoints: [member.urlAt(line.port)], prefix, clock }, { signal }),
  );
  const store = opened.use(await openEtcdStore({ endpoints: etcd.urls, prefix, clock }, { signal }));
  const session = await owner.openSession({ signal, ttlMs });
  const happened: Happened[] = [];
  session.signal.addEventListener('abort', () => happened.push('owner knows'));
  const since = await owner.transact({ puts: [{ key: 'mine', value: 'owner', session }] }, { signal });
  const over = new AbortController();
  const takeOver = async (): Promise<void> => {
    for await (const change of store.watch('mine', { since, signal: over.signal })) {
      if (!change.deletes.includes('mine')) continue;
      happened.push('rival sees');
      const checks = [{ key: 'mine', revision: 'absent' as const }];
      await store.transact({ checks, puts: [{ key: 'mine', value: 'rival' }] }, { signal });
      happened.push('rival has written');
      return;
    }
  };
  const rival = takeOver();
  rival.catch(() => undefined);
  // The owner says good-bye when it is disposed, over a line that works or is cut.
  opened.defer(async () => {
    over.abort();
    await line.setMode('reset');
  });
  const all = opened.move();
  return { line, session, owner, happened, rival, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

describe('whoever sees the entries of a session gone comes after its signal', () => {
  const silences: Record<string, (line: TcpProxy) => Promise<void>> = {
    'nothing arrives at etcd any more': (line) => line.setMode('stallToServer'),
    'nothing arrives from etcd any more': (line) => line.setMode('stallToClient'),
    'nothing arrives in either direction': (line) => line.setMode('stall'),
    'the line is cut and nobody answers there': async (line) => {
      await line.setMode('refuse');
      line.cut();
    },
    'each byte comes later than the one before, until none comes': async (line) => {
      for (line.delayMs = 50; line.toServer.delayMs < 400; line.delayMs = line.toServer.delayMs + 50) {
        await sleep(100);
      }
      await line.setMode('stallToClient');
    },
  };
  for (const [what, silence] of Object.entries(silences)) {
    test.concurrent(`when ${what}`, async () => {
      await using at = await scene(what);
      // Signs of life of every age have been given by then.
      await sleep(ttlShortMs);
      expect(at.happened).toEqual([]);
      await silence(at.line);
      await at.rival;
      expect(at.happened).toEqual(['owner knows', 'rival sees', 'rival has written']);
      expect(at.session.signal.reason).toMatchObject({ code: 'lease_lost' });
      const late = at.owner.transact(
        { puts: [{ key: 'mine', value: 'late', session: at.session }] },
        { signal },
      );
      await expect(late).rejects.toMatchObject({ code: 'lease_lost' });
    });
  }
});

test('an etcd that stood still for longer than the time to live takes nothing from an owner who does not know', async () => {
  await using at = await scene('stood still');
  member.freeze();
  await sleep(2 * ttlShortMs);
  member.thaw();
  await at.rival;
  expect(at.happened).toEqual(['owner knows', 'rival sees', 'rival has written']);
});

const ttlLongMs = 3_600;

test('a line that is mended in time costs no session', async () => {
  await using at = await scene('mended', ttlLongMs);
  for (let i = 0; i < 2; i += 1) {
    await at.line.setMode(i % 2 === 0 ? 'stallToServer' : 'stallToClient');
    await sleep(ttlLongMs / 3);
    await at.line.setMode('pass');
    await sleep(ttlLongMs / 4);
    expect(at.happened).toEqual([]);
  }
});

test('a session whose lease an administrator has revoked ends, and everything else goes on', async () => {
  await using at = await scene('revoked');
  await etcd.ctl('lease', 'revoke', at.session.id);
  await at.rival;
  if (!at.session.signal.aborted) {
    await new Promise((resolve) => at.session.signal.addEventListener('abort', resolve));
  }
  expect(at.session.signal.reason).toMatchObject({
    code: 'lease_lost',
    message: expect.stringContaining('no longer known to etcd'),
  });
  const late = at.owner.transact(
    { puts: [{ key: 'other', value: 'late', session: at.session }] },
    { signal },
  );
  await expect(late).rejects.toMatchObject({ code: 'lease_lost' });
  await at.session[Symbol.asyncDispose]();
  await using again = await at.owner.openSession({ signal, ttlMs: ttlShortMs });
  await at.owner.transact({ puts: [{ key: 'other', value: 'x', session: again }] }, { signal });
});

test('a session that cannot be opened says why', async () => {
  await using line = await TcpProxy.open(member.port);
  await using store = await openEtcdStore(
    { endpoints: [member.urlAt(line.port)], clock, callMaxMs: 500 },
    { signal },
  );
  await line.setMode('stall');
  const opening = store.openSession({ signal, ttlMs: ttlShortMs }).catch(HoldfastError.from);
  expect(await opening).toMatchObject({ code: 'unavailable' });
  await line.setMode('reset');
});
