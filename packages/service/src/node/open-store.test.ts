import { HoldfastError } from '@holdfast/core';
import { FakeClock, freePort, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoreConfig } from '../config/node-config.ts';
import { configOf } from './bench.fixture.ts';
import { nodeLogger } from './logger.ts';
import { openStore } from './open-store.ts';

let folder: TemporaryFolder;
let clock: FakeClock;
let lines: Record<string, unknown>[];

beforeEach(async () => {
  folder = await temporaryFolder('holdfast-open-store');
  clock = new FakeClock();
  lines = [];
});

afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

type Etcd = Extract<StoreConfig, { type: 'etcd' }>;

/** Of an etcd that nobody runs. */
async function closed(over: Partial<Etcd> = {}): Promise<Etcd> {
  const endpoints = [`http://127.0.0.1:${await freePort()}`];
  return {
    type: 'etcd',
    endpoints,
    prefix: '/holdfast/',
    user: undefined,
    password: undefined,
    tls: undefined,
    ...over,
  };
}

function open(
  store: StoreConfig,
  storeWaitMs = 0,
  signal = new AbortController().signal,
): ReturnType<typeof openStore> {
  const config = configOf({ name: 'node-a', state: folder.path, staging: folder.path });
  const write = (line: string): unknown => lines.push(JSON.parse(line));
  const logger = nodeLogger({ level: 'info', format: 'json', node: 'node-a', write });
  return openStore({ config: { ...config, store, storeWaitMs }, clock, logger, signal });
}

async function errorOf(opening: Promise<unknown>): Promise<HoldfastError> {
  return opening.then(
    () => {
      throw new Error('it was opened');
    },
    (error: unknown) => HoldfastError.from(error),
  );
}

/** Until it has asked so often, and waits to ask again. */
async function asked(times: number): Promise<void> {
  while (clock.slept.filter((ms) => ms === 2000).length < times)
    await new Promise((resolve) => setImmediate(resolve));
}

describe('a store on this machine', () => {
  it('is a file', async () => {
    await using store = await open({ type: 'embedded', path: folder.join('store.db') });
    const o = { signal: new AbortController().signal };
    await store.transact({ puts: [{ key: 'a', value: 'b' }] }, o);
    expect((await store.get('a', o))?.value).toBe('b');
  });
});

describe('a store that does not answer', () => {
  it('keeps a node from starting at once, which says how to wait for it', async () => {
    const error = await errorOf(open(await closed()));
    expect(error).toMatchObject({ code: 'unavailable', hint: expect.stringContaining('store.wait') });
    expect(error.reason).toContain('127.0.0.1');
    expect(clock.slept).not.toContain(2000);
    expect(lines).toEqual([]);
  });

  it('is waited for as long as the node was told to, which is logged once', async () => {
    const opening = errorOf(open(await closed(), 5_000));
    for (const times of [1, 2, 3]) {
      await asked(times);
      await clock.advance(2_000);
    }
    const error = await opening;
    expect(error.code).toBe('unavailable');
    // It was told to wait, and did.
    expect(error.hint ?? '').not.toContain('store.wait');
    expect(lines).toMatchObject([{ level: 'warn', msg: expect.stringContaining('waiting for the store: ') }]);
  });

  it('is not waited for by a node that is told to stop', async () => {
    const stop = new AbortController();
    const opening = errorOf(open(await closed(), 3_600_000, stop.signal));
    await asked(1);
    stop.abort(new HoldfastError('cancelled', 'the node stops'));
    expect((await opening).code).toBe('cancelled');
  });
});

describe('what is wrong with the configuration of a store', () => {
  it.each(['ca', 'cert', 'key'] as const)('is an error at once: no file for %s', async (field) => {
    const path = folder.join('none.pem');
    const store = await closed({ tls: { [field]: path } });
    expect(await errorOf(open(store, 3_600_000))).toMatchObject({
      code: 'config_invalid',
      reason: `store.tls.${field}: ${path} cannot be read: ENOENT`,
      hint: expect.stringContaining('PEM'),
    });
  });

  it('is an error at once: a password whose variable nobody has set, and never its value', async () => {
    const store = await closed({ user: 'holdfast', password: `\${file:${folder.join('none')}}` });
    const error = await errorOf(open(store, 3_600_000));
    expect(error.retryable).toBe(false);
    expect(error.reason).toContain(folder.join('none'));
  });
});
