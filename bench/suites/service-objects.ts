/** What the service's suites declare: tasks with a tiny SQLite database each. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { emptyFolder } from '../harness/folders.ts';
import { holdfast } from '../harness/holdfast.ts';
import type { Workspace } from '../harness/workspace.ts';

/** Tasks share them: names are their folders there. */
const destinations = 4;

/** In each of the databases. */
export const tinyRows = 3;

export interface TinyTasks {
  readonly names: readonly string[];
  /** The database of a task. */
  readonly fileOf: (task: string) => string;
  /** The folder that holds all destinations. */
  readonly destinations: string;
  /** The objects' file; the fields of each task besides source and destinations come from the caller. */
  readonly declare: (schedules: (n: number) => string) => string;
}

/** Makes the databases, ready for incrementals, and says how tasks on them are declared. */
export async function makeTinyTasks(
  workspace: Workspace,
  { name, count }: { readonly name: string; readonly count: number },
): Promise<TinyTasks> {
  const folder = await emptyFolder(workspace.path(name));
  const fileOf = (task: string): string => join(folder, `${task}.db`);
  const names = Array.from({ length: count }, (_, n) => `task-${String(n).padStart(4, '0')}`);
  const [first = ''] = names;
  makeTiny(fileOf(first));
  await holdfast(workspace, ['source', 'prepare', `sqlite:${fileOf(first)}`]);
  for (const name of names.slice(1)) await copyFile(fileOf(first), fileOf(name));
  const places = Array.from({ length: destinations }, (_, n) => n);
  const declare = (schedules: (n: number) => string): string =>
    [
      'sources:',
      ...names.map((name) => `  ${name}: { type: sqlite, path: ${fileOf(name)} }`),
      'destinations:',
      ...places.map((n) => `  place-${n}: { type: folder, path: ${join(folder, `at-${n}`)} }`),
      'tasks:',
      ...names.map(
        (name, n) =>
          `  ${name}: { source: ${name}, destinations: [place-${n % destinations}], ${schedules(n)} }`,
      ),
      '',
    ].join('\n');
  return { names, fileOf, destinations: folder, declare };
}

function makeTiny(file: string): void {
  using database = new DatabaseSync(file);
  database.exec('CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT');
  const insert = database.prepare('INSERT INTO items VALUES (?, ?)');
  for (let id = 1; id <= tinyRows; id++) insert.run(id, `item ${id}`);
}

/** Changes one row of each database. */
export function changeAll({ names, fileOf }: TinyTasks): void {
  for (const name of names) {
    using database = new DatabaseSync(fileOf(name));
    database.exec("UPDATE items SET name = name || ', changed' WHERE id = 2");
  }
}

/** The six-field cron expression of one second of the year, in UTC. */
export function cronOfSecond(atMs: number): string {
  const at = new Date(atMs);
  const day = `${at.getUTCDate()} ${at.getUTCMonth() + 1}`;
  return `${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()} ${day} *`;
}
