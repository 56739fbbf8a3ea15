/**
 * Makes the sample of the current format that later builds have to restore: a chain of SQLite, one that begins with a
 * snapshot, and one of PostgreSQL, each a full backup and two incrementals. `format.e2e.test.ts` knows what is in
 * them.
 *
 *     node test/format/make-sample.ts [FOLDER]        test/format/v1 by default; it must not be there yet
 */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { formatVersion } from '@holdfast/core';
import { startPostgres, temporaryFolder } from '@holdfast/testing';
import { nextMillisecond } from '../harness/next-millisecond.ts';
import { holdfast } from '../harness/run-holdfast.ts';
import { postgresSteps, sqliteSteps } from './sample-steps.ts';

/** Makes all of it in `folder`: `sqlite` (tasks `sample` and `sample-image`) and `postgres` (task `sample`). */
export async function makeSample(folder: string): Promise<void> {
  await using work = await temporaryFolder('sample');
  const staging = work.join('staging');
  const store = (from: string, to: string, ...options: string[]): Promise<unknown> =>
    holdfast([
      'backup',
      '--from',
      from,
      '--to',
      `file:${join(folder, to)}`,
      '--staging',
      staging,
      ...options,
    ]);

  for (const [task, type] of [
    ['sample', 'logical'],
    ['sample-image', 'snapshot'],
  ] as const) {
    const file = work.join(`${task}.db`);
    for (const [index, transactions] of sqliteSteps.entries()) {
      for (const sql of transactions) {
        using database = new DatabaseSync(file);
        database.exec(sql);
        await nextMillisecond();
      }
      if (index === 0) await holdfast(['source', 'prepare', `sqlite:${file}`]);
      await store(`sqlite:${file}`, 'sqlite', '--name', task, '--type', type);
    }
  }

  await using server = await startPostgres();
  await server.createDatabase('sample');
  for (const transactions of postgresSteps) {
    for (const sql of transactions) {
      await server.psql('sample', sql);
      await nextMillisecond();
    }
    await store(server.url('sample'), 'postgres');
  }
}

if (import.meta.main) {
  const folder = process.argv[2] ?? join(import.meta.dirname, `v${formatVersion}`);
  if (existsSync(folder)) throw new Error(`${folder} is there already: a frozen sample is never made anew`);
  await makeSample(folder);
  console.log(`made ${relative(process.cwd(), folder)}`);
}
