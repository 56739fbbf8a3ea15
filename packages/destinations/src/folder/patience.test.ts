import { HoldfastError } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import { expect, test } from 'vitest';
import { Patience } from './patience.ts';

interface Call {
  readonly name: string;
  readonly answer: PromiseWithResolvers<string>;
}

/** A file system whose calls end when the test says so. */
class Disk {
  readonly clock = new FakeClock();
  readonly begun: Call[] = [];
  readonly patience = new Patience({
    root: '/mnt/nas',
    clock: this.clock,
    timeoutMs: 60_000,
    probe: () => this.act('probe'),
  });

  call(name: string, o: { signal?: AbortSignal; late?: (result: string) => void } = {}): Promise<string> {
    const call = this.patience.call(() => this.act(name), { what: name, ...o });
    // Whoever is interested looks at it again.
    call.catch(() => undefined);
    return call;
  }

  act(name: string): Promise<string> {
    const answer = Promise.withResolvers<string>();
    this.begun.push({ name, answer });
    return answer.promise;
  }

  get names(): string[] {
    return this.begun.map(({ name }) => name);
  }

  async answer(name: string): Promise<void> {
    this.begun.find((call) => call.name === name)?.answer.resolve(name);
    await this.clock.advance(0);
  }
}

const hangs = {
  code: 'unavailable',
  reason: 'the file system of /mnt/nas does not answer: a did not end within 60 seconds',
  hint: expect.stringContaining('findmnt -T /mnt/nas'),
};

test('no more than two calls run at a time, the others in the order in which they came', async () => {
  const disk = new Disk();
  const calls = ['a', 'b', 'c', 'd'].map((name) => disk.call(name));
  expect(disk.names).toEqual(['a', 'b']);
  await disk.answer('b');
  expect(disk.names).toEqual(['a', 'b', 'c']);
  await disk.answer('a');
  await disk.answer('c');
  await disk.answer('d');
  expect(await Promise.all(calls)).toEqual(['a', 'b', 'c', 'd']);
});

test('a call that hangs is given up after its time, and with it all that wait', async () => {
  const disk = new Disk();
  const calls = ['a', 'b', 'c', 'd'].map((name) => disk.call(name));
  await disk.clock.advance(59_999);
  expect(disk.patience.hangs).toBe(false);
  await disk.clock.advance(1);
  await expect(calls[0]).rejects.toMatchObject(hangs);
  await expect(calls[2]).rejects.toMatchObject(hangs);
  await expect(calls[3]).rejects.toMatchObject(hangs);
  expect(disk.names).toEqual(['a', 'b']);
});

test('while it hangs, calls are refused at once, and one probe at a time asks whether it answers', async () => {
  const disk = new Disk();
  disk.call('a');
  await disk.clock.advance(60_000);
  for (const name of ['b', 'c', 'd']) await expect(disk.call(name)).rejects.toMatchObject(hangs);
  expect(disk.names).toEqual(['a', 'probe']);
  await disk.clock.advance(3_600_000);
  await expect(disk.call('e')).rejects.toMatchObject(hangs);
  expect(disk.names).toEqual(['a', 'probe']);
  await disk.answer('probe');
  const call = disk.call('f');
  await disk.answer('f');
  expect(await call).toBe('f');
});

test('a probe that fails is an answer: what is wrong is told by the next call', async () => {
  const disk = new Disk();
  disk.call('a');
  await disk.clock.advance(60_000);
  await expect(disk.call('b')).rejects.toMatchObject(hangs);
  disk.begun[1]?.answer.reject(new Error('ESTALE'));
  await disk.clock.advance(0);
  const call = disk.call('c');
  disk.begun[2]?.answer.reject(new Error('ESTALE'));
  await expect(call).rejects.toThrow('ESTALE');
});

test('with two calls that hang nothing more is begun, and the first that ends is the sign', async () => {
  const disk = new Disk();
  const late: string[] = [];
  const calls = ['a', 'b'].map((name) => disk.call(name, { late: (result) => late.push(result) }));
  await disk.clock.advance(60_000);
  for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'unavailable' });
  await expect(disk.call('c')).rejects.toMatchObject({ code: 'unavailable' });
  expect(disk.names).toEqual(['a', 'b']);
  await disk.answer('b');
  expect(late).toEqual(['b']);
  const call = disk.call('d');
  await disk.answer('d');
  expect(await call).toBe('d');
});

test('an abort ends the wait for a call, but the call keeps its place until it ends', async () => {
  const disk = new Disk();
  const reason = new HoldfastError('lease_lost', 'another node is responsible now');
  const controller = new AbortController();
  const { signal } = controller;
  const calls = ['a', 'b', 'c'].map((name) => disk.call(name, { signal }));
  controller.abort(reason);
  for (const call of calls) await expect(call).rejects.toBe(reason);
  await expect(disk.call('d', { signal })).rejects.toBe(reason);
  const next = disk.call('e');
  expect(disk.names).toEqual(['a', 'b']);
  await disk.answer('a');
  await disk.answer('e');
  expect(await next).toBe('e');
  expect(disk.names).toEqual(['a', 'b', 'e']);
});

test('tidying up waits until the file system answers, and holds nobody up', async () => {
  const disk = new Disk();
  disk.call('a');
  await disk.clock.advance(60_000);
  await disk.patience.tidy(() => disk.act('close'), 'close');
  await disk.patience.tidy(() => disk.act('unlink'), 'unlink');
  expect(disk.names).toEqual(['a']);
  await disk.answer('a');
  expect(disk.names).toEqual(['a', 'close']);
  await disk.answer('close');
  expect(disk.names).toEqual(['a', 'close', 'unlink']);
  await disk.answer('unlink');
  expect(disk.patience.hangs).toBe(false);
  const failing = disk.patience.tidy(() => Promise.reject(new Error('EIO')), 'unlink');
  expect(await failing).toBeUndefined();
});
