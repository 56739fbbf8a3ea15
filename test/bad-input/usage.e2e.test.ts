// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExpectedFailure, expectFailure } from '../harness/failure.ts';
import { holdfast, runHoldfast } from '../harness/run-holdfast.ts';
import { treeOf } from '../harness/tree.ts';

type Case = readonly [args: string, says: ExpectedFailure['says'], hint: ExpectedFailure['hint']];

let folder: TemporaryFolder;

beforeAll(async () => {
  folder = await temporaryFolder();
  using database = new DatabaseSync(folder.join('shop.db'));
  database.exec('CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1)');
  database.close();
  await writeFile(folder.join('empty.secret'), '\n');
  await holdfast(['backup', '--from', 'sqlite:shop.db', '--to', 'file:backups'], {
    cwd: folder.path,
    env: env(),
  });
});

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]();
});

function env(): Record<string, string> {
  return { HOLDFAST_STAGING: folder.join('staging'), EMPTY: '' };
}

/** Runs in the folder of the databases, as a person would; `exit` 2: someone has to change what was typed. */
async function refused([args, says, hint]: Case): Promise<void> {
  const before = await treeOf(folder.path);
  const expected = { code: 'config_invalid', exit: 2, says, hint } as const;
  await expectFailure(args.split(' '), expected, { cwd: folder.path, env: env() });
  expect(await treeOf(folder.path)).toEqual(before);
}

const good = 'backup --from sqlite:shop.db --to file:backups';

describe('commands and options', () => {
  test.each<Case>([
    ['bakcup', [`unknown command 'bakcup'`], 'did you mean backup? See holdfast --help'],
    ['source forgot sqlite:shop.db', [`unknown command 'forgot'`], 'did you mean forget?'],
    ['--versoin', [`unknown option '--versoin'`], 'see holdfast --help'],
    [`${good} --fulll`, [`unknown option '--fulll'`], 'did you mean --full? See holdfast backup --help'],
    ['list --at file:backups --tsak shop', [`unknown option '--tsak'`], 'did you mean --task?'],
    ['backup --to file:backups', ['--from <URL> is missing'], 'see holdfast backup --help'],
    ['backup --from sqlite:shop.db', ['--to <URL> is missing'], 'see holdfast backup --help'],
    ['restore --at file:backups', ['--to <URL> is missing'], 'see holdfast restore --help'],
    ['list', ['--at <URL> is missing'], 'see holdfast list --help'],
    ['doctor', [`missing required argument 'URL'`], 'see holdfast doctor --help'],
    ['source prepare', [`missing required argument 'URL'`], 'see holdfast --help'],
    [`${good} extra`, ['too many arguments', 'extra'], 'see holdfast backup --help'],
    [`${good} --full --incremental`, [`'--full'`, `'--incremental'`], 'see holdfast backup --help'],
    [`${good} --auto --full`, [`'--auto'`, `'--full'`], 'see holdfast backup --help'],
    [
      'show --at file:backups --schema --manifest',
      [`'--schema'`, `'--manifest'`],
      'see holdfast show --help',
    ],
    [`${good} --type snapsho`, ['--type takes logical or snapshot, not snapsho'], 'image'],
    [`${good} --workers 0`, ['--workers takes a whole number from 1 to 64, not 0'], 'threads'],
    [`${good} --workers 65`, ['--workers takes a whole number from 1 to 64, not 65'], 'threads'],
    [`${good} --workers two`, ['--workers takes a whole number from 1 to 64, not two'], 'threads'],
    [`${good} --name Shop`, ['--name takes a name of up to 63 small letters', 'not Shop'], 'folder'],
    [`${good} --name ../etc`, ['--name takes a name', 'not ../etc'], 'folder'],
    [
      'restore --at file:backups --to sqlite:new.db --start-timeout 5',
      ['--start-timeout takes a time with its unit', 'not 5'],
      'wait',
    ],
    ['restore --at file:backups --to sqlite:new.db --start-timeout 25h', ['at most 24h', 'not 25h'], 'wait'],
    [
      'restore --at file:backups --to sqlite:new.db --point yesterday',
      ['--point yesterday is neither a time nor the name of a backup'],
      'see holdfast list',
    ],
    [
      'restore --at file:backups --to sqlite:new.db --point 2026-13-01T00:00:00Z',
      ['is no moment that exists'],
      '2026-11-20T14:00:00Z',
    ],
    [
      'restore --at file:backups --to sqlite:new.db --point 2026-11-20T14:00:00',
      ['--point 2026-11-20T14:00:00 has no time zone'],
      'write 2026-11-20T14:00:00Z',
    ],
    [
      'restore --at file:backups --to sqlite:new.db --point 2026-11-20',
      ['has no time zone'],
      'write 2026-11-20T00:00:00Z',
    ],
    [
      'check orders --at file:backups',
      ['orders is neither a chunk path nor a backup'],
      'chunk paths begin with a slash',
    ],
  ])('holdfast %s', async (...one) => refused(one));

  test('an error in words: the code first, the next step below, and nothing on stdout', async () => {
    const outcome = await runHoldfast(['backup', '--form', 'x'], { cwd: folder.path, env: env() });
    expect(outcome).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr: `holdfast: [config_invalid] unknown option '--form'\nhint: did you mean --from? See holdfast backup --help\n`,
    });
  });
});

describe('URLs of sources', () => {
  test.each<Case>([
    [
      'backup --from nosql://h/shop --to file:backups',
      ['no source has the scheme nosql:', 'postgres:', 'sqlite:'],
      'write it like postgres://',
    ],
    ['backup --from shop --to file:backups', [`the source's URL has no scheme`], 'write it like postgres://'],
    [
      'backup --from file:backups --to sqlite:shop.db',
      ['no source has the scheme file:'],
      'are the two URLs swapped?',
    ],
    ['source prepare file:backups', ['no source has the scheme file:'], 'file: names a destination'],
    ['doctor nosql:x', ['a URL to look at has an unknown scheme'], 'known sources are postgres:'],
    ['backup --from sqlite: --to file:backups', ['names no database'], '--name'],
    ['backup --from sqlite::memory: --to file:backups --name m', ['names no file'], 'sqlite:./shop.db'],
    ['backup --from sqlite://host/shop.db --to file:backups', ['names a host'], 'sqlite:./shop.db'],
    [
      'backup --from sqlite:shop.db?atach=a:b.db --to file:backups',
      ['unknown parameter `atach` in a SQLite URL'],
      'did you mean `attach`?',
    ],
    [
      'backup --from sqlite:shop.db?attach=b.db --to file:backups',
      ['`attach=b.db` is not `name:path`'],
      'attach=archive:./archive.db',
    ],
    [
      'backup --from sqlite:shop.db?busy_timeout=long --to file:backups',
      ['`busy_timeout=long` is not a number of milliseconds'],
      'busy_timeout=60000',
    ],
    ['backup --from sqlite:sh%zzop.db --to file:backups', ['begins no escape'], '%25'],
    [
      'backup --from postgres://u:s3cret@x@h/db --to file:backups',
      ['postgres://[secret]@h/db is not a PostgreSQL URL'],
      '@ is %40',
    ],
    [
      'backup --from postgres://u@h:port/db --to file:backups',
      ['a host that cannot be read: "h:port"'],
      '[::1]:5432',
    ],
    [
      'backup --from postgres://u@h:99999/db --to file:backups',
      ['port of the PostgreSQL URL is "99999", expected a number from 1 to 65535'],
      undefined,
    ],
    [
      'backup --from postgres://u@h/db?sslmod=require --to file:backups',
      ['unknown parameter "sslmod"'],
      'did you mean sslmode?',
    ],
    [
      'backup --from postgres://u@h/db?sslmode=requir --to file:backups',
      ['sslmode of the PostgreSQL URL is "requir", expected one of disable, prefer'],
      'did you mean require?',
    ],
    [
      'backup --from postgres://u@h/db?target_session_attrs=master --to file:backups',
      ['target_session_attrs', 'expected one of any, read-write'],
      undefined,
    ],
    [
      'backup --from postgres://u@h/db?connect_timeout=0 --to file:backups',
      ['connect_timeout', 'expected a number from 1 to 3600'],
      undefined,
    ],
    [
      'backup --from postgres://u:${env:NOT_SET}@h/db --to file:backups',
      ['the environment variable NOT_SET is not set'],
      '${env:NOT_SET}',
    ],
    [
      'backup --from postgres://u:${env:EMPTY}@h/db --to file:backups',
      ['the environment variable EMPTY is empty'],
      '${env:EMPTY}',
    ],
    [
      'backup --from postgres://u:${file:no.secret}@h/db --to file:backups',
      ['the file no.secret cannot be read: ENOENT'],
      '${file:no.secret}',
    ],
    [
      'backup --from postgres://u:${file:empty.secret}@h/db --to file:backups',
      ['the file empty.secret is empty'],
      undefined,
    ],
    [
      'backup --from postgres://u:${vault:x}@h/db --to file:backups',
      ['the placeholder ${vault:x} is not one that can be filled in'],
      '${file:PATH}',
    ],
    ['backup --from postgres://u:${env:X@h/db --to file:backups', ['has no closing brace'], '${env:NAME}'],
  ])('holdfast %s', async (...one) => refused(one));
});

describe('URLs of destinations', () => {
  test.each<Case>([
    [
      'backup --from sqlite:shop.db --to s4://bucket',
      ['no destination has the scheme s4:', 'file:'],
      'write it like file:./backups',
    ],
    [
      'backup --from sqlite:shop.db --to backups',
      [`the destination's URL has no scheme`],
      'write it like file:./backups',
    ],
    ['list --at sqlite:shop.db', ['no destination has the scheme sqlite:'], 'are the two URLs swapped?'],
    ['backup --from sqlite:shop.db --to file:', ['the URL names no folder'], 'write file:./backups'],
    [
      'backup --from sqlite:shop.db --to file://server/backups',
      ['file://server/… names another machine'],
      'mount a network path',
    ],
    ['backup --from sqlite:shop.db --to file:~/backups', [`~ is the shell's`], 'write the whole path'],
    [
      'backup --from sqlite:shop.db --to file:backups?mont=required',
      ['does not know the parameter mont'],
      'did you mean mount?',
    ],
    [
      'backup --from sqlite:shop.db --to file:backups?mount=yes',
      ['mount=yes says nothing; the only value is required'],
      'file:./backups',
    ],
    [
      'backup --from sqlite:shop.db --to file:backups --to file:./x/../backups',
      ['/backups is named twice'],
      'name each destination once',
    ],
    [
      'backup --from sqlite:shop.db --to file:shop.db',
      ['/shop.db is not a folder'],
      'name a folder as the destination',
    ],
    ['list --at file:shop.db', ['/shop.db is not a folder'], 'name a folder as the destination'],
    [
      'restore --at file:backups --to file:other',
      ['no source has the scheme file:'],
      'are the two URLs swapped?',
    ],
  ])('holdfast %s', async (...one) => refused(one));
});
