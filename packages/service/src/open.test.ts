import { SystemClock } from '@holdfast/core';
import { temporaryFolder } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { openDestinations, rememberDestinations } from './open.ts';

const { signal } = new AbortController();
const tools = { signal, clock: new SystemClock(), observer: () => {} };

class FakeMemory {
  readonly known = new Map<string, string>();
  get = async (description: string): Promise<string | undefined> => this.known.get(description);
  remember = async (description: string, id: string): Promise<void> => void this.known.set(description, id);
}

describe('destinations opened for writing', () => {
  it('are each another place, however they are spelt', async () => {
    await using folder = await temporaryFolder();
    await using stack = new AsyncDisposableStack();
    const urls = [`file:${folder.path}/a`, `file:${folder.path}/x/../a`];
    await expect(openDestinations(urls, { ...tools, stack, memory: new FakeMemory() })).rejects.toMatchObject(
      {
        code: 'config_invalid',
        reason: expect.stringContaining('named twice'),
      },
    );
  });

  it('have to be what they were the last time', async () => {
    await using folder = await temporaryFolder();
    await using stack = new AsyncDisposableStack();
    const memory = new FakeMemory();
    const urls = [`file:${folder.join('a')}`];
    const first = await openDestinations(urls, { ...tools, stack, memory });
    await first[0]?.prepare({ signal });
    expect(await rememberDestinations(first, memory)).toEqual([]);
    expect([...memory.known.keys()]).toEqual(urls);
    memory.known.set(urls[0] ?? '', 'another one');
    const second = await openDestinations(urls, { ...tools, stack, memory });
    await expect(second[0]?.prepare({ signal })).rejects.toMatchObject({ code: 'precondition_failed' });
  });

  it('that cannot be remembered do not fail a backup that exists', async () => {
    await using folder = await temporaryFolder();
    await using stack = new AsyncDisposableStack();
    const memory = new FakeMemory();
    const opened = await openDestinations([`file:${folder.path}`], { ...tools, stack, memory });
    await opened[0]?.prepare({ signal });
    memory.remember = () => Promise.reject(new Error('disk full'));
    expect(await rememberDestinations(opened, memory)).toEqual([expect.stringContaining('disk full')]);
  });
});
