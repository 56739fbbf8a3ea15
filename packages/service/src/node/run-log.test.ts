import { writeFile } from 'node:fs/promises';
import { FakeClock, temporaryFolder } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { RunLogs } from './run-log.ts';

const run = 'shop-20261120T140000000Z';

it('keeps the lines of a run in their order, for whoever reads them later', async () => {
  await using folder = await temporaryFolder();
  const clock = new FakeClock();
  const told: string[] = [];
  const logs = new RunLogs({ folder: folder.join('logs'), clock, onLine: ({ text }) => told.push(text) });
  {
    await using log = logs.open(run);
    log.write('info', 'it begins');
    await clock.advance(1000);
    for (let at = 0; at < 50; at++) log.write('warn', `line ${at}`);
  }
  const lines = ((await logs.read(run)) ?? '')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toHaveLength(51);
  expect(lines[0]).toMatchObject({ at: '2026-11-20T14:00:00.000Z', level: 'info', text: 'it begins' });
  expect(lines[50]).toMatchObject({ at: '2026-11-20T14:00:01.000Z', level: 'warn', text: 'line 49' });
  expect(told).toHaveLength(51);
  expect(await logs.list('shop')).toEqual([run]);
});

it('goes on with the log of a run that is begun again', async () => {
  await using folder = await temporaryFolder();
  const logs = new RunLogs({ folder: folder.path, clock: new FakeClock() });
  for (const text of ['once', 'twice']) {
    await using log = logs.open(run);
    log.write('info', text);
  }
  expect((await logs.read(run))?.match(/once|twice/g)).toEqual(['once', 'twice']);
});

it('ends a log that grows without end, and says so', async () => {
  await using folder = await temporaryFolder();
  const logs = new RunLogs({ folder: folder.path, clock: new FakeClock() });
  {
    await using log = logs.open(run);
    for (let at = 0; at < 2000; at++) log.write('warn', 'x'.repeat(2000));
  }
  const text = (await logs.read(run)) ?? '';
  expect(text.length).toBeLessThan(1024 * 1024 + 4096);
  expect(text.trimEnd().split('\n').at(-1)).toContain('the log ends here: it is full');
});

it('does no harm where nothing can be written', async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.join('logs'), 'a file where the folder should be');
  const logs = new RunLogs({ folder: folder.join('logs'), clock: new FakeClock() });
  {
    await using log = logs.open(run);
    log.write('info', 'nobody will read this');
  }
  expect(await logs.read(run)).toBeUndefined();
  expect(await logs.list('shop')).toEqual([]);
});

it('removes logs, and reads no file that is not a log of a run', async () => {
  await using folder = await temporaryFolder();
  const logs = new RunLogs({ folder: folder.join('logs'), clock: new FakeClock() });
  {
    await using log = logs.open(run);
    log.write('info', 'text');
  }
  await writeFile(folder.join('secret.log'), 'secret');
  expect(await logs.read('../secret')).toBeUndefined();
  await logs.remove([run, 'shop-20261120T150000000Z']);
  expect(await logs.read(run)).toBeUndefined();
});
