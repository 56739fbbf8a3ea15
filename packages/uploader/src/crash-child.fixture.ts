/**
 * A process that is killed, or that holds a lock, for tests of what others find then.
 *
 *   node crash-child.fixture.ts backup STAGING POINT NUMBER PLACE…   makes a backup, and kills itself (signal 9) when
 *                                                                    it comes to POINT for the NUMBERth time
 *   node crash-child.fixture.ts lock STAGING TASK PLACE…             prints `locked` or the error; holds until killed
 */
import type { RunEvent } from '@holdfast/core';
import { HoldfastError, SystemClock } from '@holdfast/core';
import { SqliteDestination } from '@holdfast/testing';
import { fillAndSeal, runOf, signal } from './staging.fixture.ts';
import { StagingArea } from './staging-area.ts';

const [mode, directory = '', ...rest] = process.argv.slice(2);

if (mode === 'backup') await backup(rest[0] ?? '', Number(rest[1]), rest.slice(2));
else await holdLock(rest[0] ?? '', rest.slice(1));

async function backup(point: string, number: number, paths: readonly string[]): Promise<void> {
  let seen = 0;
  const pass = (name: string): void => {
    if (name !== point) return;
    seen += 1;
    if (seen === number) process.kill(process.pid, 'SIGKILL');
  };
  const observer = (event: RunEvent): void => {
    if (event.kind === 'step') pass(event.step);
  };
  const area = new StagingArea({ directory, clock: new SystemClock(), observer, pushesMax: 1 });
  const places = paths.map((path) => new SqliteDestination(path));
  await using _lock = await area.lock('shop', places);
  {
    await using stage = await area.openRun(runOf(), places, { signal });
    pass('opened');
    const { task, label, chain } = runOf();
    await area.rememberKept({ task, label, chain, identity: 'memory:1' }, places, { signal });
    pass('remembered');
    await fillAndSeal(stage);
    pass('sealed');
    await stage.commit({ signal });
    pass('committed');
  }
  pass('disposed');
}

async function holdLock(task: string, paths: readonly string[]): Promise<void> {
  const area = new StagingArea({ directory, clock: new SystemClock() });
  try {
    await using _lock = await area.lock(
      task,
      paths.map((path) => new SqliteDestination(path)),
    );
    console.log('locked');
    // Until the pipe ends, or this process does.
    for await (const _ of process.stdin);
  } catch (error) {
    console.log(HoldfastError.from(error).message);
  }
}
