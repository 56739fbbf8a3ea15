import { readdir } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { type Clock, type RunEvent, SystemClock } from '@holdfast/core';
import { type BackupReport, type BackupRun, perform } from '@holdfast/service';
import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FivePlaces, openFivePlaces, type PlaceName, placeNames } from '../harness/five-places.ts';
import { sqliteContents } from '../harness/sqlite-contents.ts';

const { signal } = new AbortController();
const task = 'shop';

let folder: TemporaryFolder;
let places: FivePlaces;

beforeAll(async () => {
  folder = await temporaryFolder('five');
  places = await openFivePlaces(folder);
});

afterAll(async () => {
  await places?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** The machine's time, so many milliseconds later. */
class LaterClock implements Clock {
  readonly #system = new SystemClock();
  laterMs = 0;

  now(): number {
    return this.#system.now() + this.laterMs;
  }

  elapsed(): number {
    return this.#system.elapsed() + this.laterMs;
  }

  sleep(ms: number, until: AbortSignal): Promise<void> {
    return this.#system.sleep(ms, until);
  }
}

const clock = new LaterClock();

/** What the database held at each backup, to be compared with what is restored. */
const copies: { readonly backup: string; readonly file: string }[] = [];

function change(database: DatabaseSync, megabytes: number): void {
  const add = database.prepare('INSERT INTO sales (item) VALUES (randomblob(1000000))');
  for (let n = 0; n < megabytes; n += 1) add.run();
  database.exec('UPDATE sales SET note = note + 1 WHERE id % 3 = 0; DELETE FROM sales WHERE id % 7 = 5');
}

async function backUp(
  database: DatabaseSync,
  scope: 'full' | 'incremental',
  observer: (event: RunEvent) => void = () => undefined,
): Promise<BackupReport> {
  const run: BackupRun = {
    kind: 'backup',
    from: `sqlite:${folder.join('shop.db')}`,
    to: placeNames.map((name) => places.urls[name]),
    require: 3,
    late: 'leave',
    staging: folder.join('staging'),
    request: {
      task,
      scope,
      type: 'logical',
      keepChanges: true,
      node: 'node-a',
      generation: 1,
      newSource: false,
    },
  };
  const file = folder.join(`copy-${copies.length}.db`);
  database.exec(`VACUUM INTO '${file}'`);
  const report = await perform(run, { signal, clock, observer });
  copies.push({ backup: report.backup, file });
  return report;
}

const heldBy = ({ destinations }: BackupReport): PlaceName[] =>
  placeNames.filter((_, at) => destinations[at]?.stored);
const staged = async (): Promise<string[]> =>
  (await readdir(folder.join('staging', task))).filter((name) => !name.startsWith('.'));

test('two of five destinations die in mid-upload: backups are made in time, and an hour later both catch up in order, without the database', async () => {
  using database = new DatabaseSync(folder.join('shop.db'));
  database.exec(
    'PRAGMA journal_mode = WAL; CREATE TABLE sales (id INTEGER PRIMARY KEY, item BLOB NOT NULL, note INTEGER NOT NULL DEFAULT 0)',
  );
  change(database, 40);
  const dying = ['s3', 'sftp'] as const;
  const killed = new Set<string>();
  const kill = (event: RunEvent): void => {
    if (event.kind !== 'upload') return;
    const name = dying.find((one) => placeNames.indexOf(one) === event.index);
    if (name === undefined || event.doneBytes < 8_000_000 || killed.has(name)) return;
    killed.add(name);
    void places.proxies[name].setMode('refuse');
    places.proxies[name].cut();
  };
  const full = await backUp(database, 'full', kill);
  expect([...killed].sort()).toEqual(['s3', 'sftp']);
  expect(heldBy(full)).toEqual(['folder', 'azure', 'ftps']);
  for (const name of dying)
    expect(full.destinations[placeNames.indexOf(name)]).toMatchObject({ stored: false, behind: true });

  const later: BackupReport[] = [];
  for (const megabytes of [2, 3]) {
    change(database, megabytes);
    later.push(await backUp(database, 'incremental'));
  }
  expect(later.map(heldBy)).toEqual([
    ['folder', 'azure', 'ftps'],
    ['folder', 'azure', 'ftps'],
  ]);
  expect(await staged()).toHaveLength(3);

  clock.laterMs += 3_600_000;
  // Nothing of the source can be asked: its file is not there any more.
  database.close();
  for (const name of dying) {
    await places.proxies[name].setMode('pass');
    const stored: string[] = [];
    const report = await perform(
      {
        kind: 'copy',
        from: placeNames.filter((one) => one !== name).map((one) => places.urls[one]),
        to: places.urls[name],
        staging: folder.join('staging'),
        request: { task, chains: 'lacking' },
      },
      {
        signal,
        clock,
        observer: (event) => {
          if (event.kind === 'step' && event.step === 'manifest-confirmed') stored.push(event.detail ?? '');
        },
      },
    );
    expect(report.problems).toEqual([]);
    // In the order of the chain, even where one of them came through unnoticed before the line was cut.
    expect(copies.map(({ backup }) => backup)).toEqual(expect.arrayContaining([...report.backups]));
    expect([...report.backups]).toEqual([...report.backups].sort());
    expect(stored).toEqual([...stored].sort());
    expect(report.backups.length).toBeGreaterThan(0);
  }
  // Kept for nobody any more.
  expect(await staged()).toEqual([]);
});

test.each(placeNames)('%s alone restores every point, equal row by row', async (name) => {
  expect(copies).toHaveLength(3);
  for (const { backup, file } of copies) {
    const target = folder.join(`restored-${name}-${backup.replace('/', '-')}.db`);
    await perform(
      {
        kind: 'restore',
        at: places.urls[name],
        to: `sqlite:${target}`,
        planOnly: false,
        staging: folder.join('staging'),
        request: { task, point: { backup }, noOwner: false, verify: true, startTimeoutMs: 1000 },
      },
      { signal, clock, observer: () => undefined },
    );
    expect(sqliteContents(target)).toEqual(sqliteContents(file));
  }
});
