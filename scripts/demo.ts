/**
 * `npm run demo`: Holdfast's main job once, before one's eyes, on a sample of its own: a small shop in SQLite, a full
 * backup, some sales, an incremental, a check, the shop as it was at a moment between two sales, and a comparison.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeShop, openShop, sell } from './sample-shop.ts';

const root = join(import.meta.dirname, '..');
const sample = join(root, '.holdfast', 'demo');
const shop = join(sample, 'shop.db');
const restored = join(sample, 'shop-before-the-mistake.db');
const backups = join(sample, 'backups');
const staging = join(sample, 'staging');

function say(text: string): void {
  console.log(`\n${text}`);
}

/** Runs a command as a user would, and shows it. */
function holdfast(...args: string[]): void {
  const shown = args.map((arg) => arg.replaceAll(`${root}/`, './'));
  console.log(`$ npx holdfast ${shown.join(' ')}`);
  const launcher = join(root, 'node_modules', '.bin', 'holdfast');
  const { status } = spawnSync(launcher, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, HOLDFAST_STAGING: staging },
  });
  if (status !== 0) throw new Error(`the command ended with exit code ${status}`);
}

/** Everything in the shop, as one text. */
function contents(file: string): string {
  using database = new DatabaseSync(file, { readOnly: true });
  const rows = ['products', 'sales', 'revenue'].map((name) =>
    database.prepare(`SELECT * FROM ${name} ORDER BY 1`).all(),
  );
  return JSON.stringify(rows);
}

function count(file: string): string {
  using database = new DatabaseSync(file, { readOnly: true });
  const { n, units } = database.prepare('SELECT count(*) AS n, sum(quantity) AS units FROM sales').get() as {
    n: number;
    units: number;
  };
  return `${n} sales of ${units} pieces`;
}

rmSync(sample, { recursive: true, force: true });
mkdirSync(sample, { recursive: true });

say('A small shop, in a SQLite file.');
makeShop(shop);
console.log(`${relative(root, shop)}: ${count(shop)}`);

say('Let it keep its changes, so that incrementals can follow, and moments inside them.');
holdfast('source', 'prepare', `sqlite:${shop}`);

say('A full backup.');
holdfast('backup', '--from', `sqlite:${shop}`, '--to', `file:${backups}`);

say('The shop sells; then somebody makes a mistake.');
let before: string;
let moment: string;
{
  using database = openShop(shop);
  sell(database, 300);
  await sleep(60);
  before = contents(shop);
  moment = new Date().toISOString();
  console.log(`${moment}: ${count(shop)}`);
  await sleep(60);
  database.exec('DELETE FROM sales WHERE id % 2 = 0');
  sell(database, 50);
}
console.log(`${new Date().toISOString()}: ${count(shop)}`);

say('An incremental: only what changed.');
holdfast('backup', '--from', `sqlite:${shop}`, '--to', `file:${backups}`);

say('What is there, and whether every byte of it is still what was written.');
holdfast('list', '--at', `file:${backups}`);
holdfast('check', '--at', `file:${backups}`);

say('The shop as it was before the mistake, into a new file.');
holdfast('restore', '--at', `file:${backups}`, '--to', `sqlite:${restored}`, '--point', moment, '--verify');

say('Compared, row by row.');
if (contents(restored) !== before) throw new Error('the restored shop differs from the shop at that moment');
console.log(`${relative(root, restored)}: ${count(restored)}: every row is as it was at ${moment}.`);

say('Next: npx holdfast --help, and README.md. The sample is in .holdfast/demo; each run makes it anew.');
