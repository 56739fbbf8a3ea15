import { readFile, writeFile } from 'node:fs/promises';
import { SystemClock } from '@holdfast/core';
import { temporaryFolder } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { lockState } from './state-lock.ts';

const { signal } = new AbortController();
const o = { signal, clock: new SystemClock() };

it('refuses a second node in one state folder, naming the process that has it', async () => {
  await using folder = await temporaryFolder();
  const state = folder.join('state');
  {
    await using _held = await lockState(state, o);
    const refused = {
      code: 'precondition_failed',
      reason: `the state folder ${state} is in use by process ${process.pid}`,
    };
    await expect(lockState(state, o)).rejects.toMatchObject(refused);
    await expect(lockState(state, o)).rejects.toMatchObject(refused);
    await using _other = await lockState(folder.join('other'), o);
  }
  await using _again = await lockState(state, o);
  expect((await readFile(folder.join('state', 'node.pid'), 'utf8')).trim()).toBe(String(process.pid));
});

it('says what is wrong with a folder that cannot be one', async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.join('file'), '');
  const locking = lockState(folder.join('file', 'state'), o);
  await expect(locking).rejects.toMatchObject({
    code: 'config_invalid',
    hint: expect.stringContaining('state'),
  });
});
