import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SystemClock } from '@holdfast/core';
import { quoteName, runPsql, temporaryDatabase } from '@holdfast/testing';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { parseTarget } from '../session/url.ts';
import { openLoader } from './loader.ts';
import { copyDatabase, restoreCopy } from './restore.fixture.ts';
import { smallCopy } from './small-copy.fixture.ts';
import { openTarget } from './target.ts';
import { writeMark } from './temporary-name.ts';

const server = inject('postgres');
const name = `stopped_${process.pid}`;
const url = urlOf(name);

function urlOf(database: string): string {
  const made = new URL(server);
  made.pathname = `/${encodeURIComponent(database)}`;
  return made.href;
}

const databases = (): Promise<string> =>
  runPsql(server, `SELECT datname FROM pg_database WHERE datname LIKE '${name}%' ORDER BY 1`);

afterEach(async () => {
  for (const each of (await databases()).split('\n').filter((line) => line !== '')) {
    await runPsql(server, `DROP DATABASE ${quoteName(each)} WITH (FORCE)`);
  }
});

/** Restores in another process, and kills it once it has done a step. */
async function killAfter(
  step: string,
  from: string,
  o: { id?: string; goOnMs?: number } = {},
): Promise<void> {
  const { id = 'r1', goOnMs } = o;
  const script = fileURLToPath(new URL('./restore-child.fixture.ts', import.meta.url));
  const child = spawn(process.execPath, [script, from, url, goOnMs === undefined ? step : 'never', id], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  for await (const line of createInterface(child.stdout)) if (line.startsWith(step)) break;
  if (goOnMs !== undefined) await sleep(goOnMs);
  child.kill('SIGKILL');
  await ended;
}

const twoTables = `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a);
  INSERT INTO a SELECT generate_series(1, 1000); INSERT INTO b SELECT generate_series(1, 500);
  SELECT lo_from_bytea(77, 'x');`;

describe('a restore that was killed', () => {
  it('leaves one marked database and goes on where it was: finished loads are not loaded again', async () => {
    await using source = await temporaryDatabase(server, 'stopped_from');
    await source.psql(twoTables);
    await killAfter('load /public.a', source.url);
    expect(await databases()).toBe(`${name}_holdfast_r1`);
    expect(
      await runPsql(
        server,
        `SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '${name}_holdfast_r1'`,
      ),
    ).toMatch(/^Made by holdfast restore/);
    expect(await restoreCopy(url, await copyDatabase(source.url), { startTimeoutMs: 5_000 })).toBe(1);
    expect(await databases()).toBe(name);
    expect(await runPsql(url, 'SELECT count(*) FROM a JOIN b USING (id)')).toBe('500');
  });

  it('goes on after the end of all loads and statements, too', async () => {
    await using source = await temporaryDatabase(server, 'stopped_from');
    await source.psql(twoTables);
    await killAfter('finish', source.url);
    expect(await restoreCopy(url, await copyDatabase(source.url), { startTimeoutMs: 5_000 })).toBe(2);
    expect(
      await runPsql(
        url,
        "SELECT count(*), (SELECT count(*) FROM pg_constraint WHERE conname ~ '^[ab]_') FROM b",
      ),
    ).toBe('500|3');
  });

  it('is dropped by a restore of something else into the same target', async () => {
    await using source = await temporaryDatabase(server, 'stopped_from');
    await source.psql(twoTables);
    await killAfter('load /public.b', source.url, { id: 'older' });
    expect(await databases()).toBe(`${name}_holdfast_older`);
    await restoreCopy(url, smallCopy(), { startTimeoutMs: 5_000 });
    expect(await databases()).toBe(name);
  });

  it('is dropped even when it was so far that it had a subscription', async () => {
    await using source = await temporaryDatabase(server, 'stopped_from');
    await source.psql(twoTables);
    await killAfter('finish', source.url, { id: 'older' });
    await runPsql(
      urlOf(`${name}_holdfast_older`),
      `CREATE SUBSCRIPTION far CONNECTION 'host=127.0.0.1 port=1 dbname=x' PUBLICATION p WITH (connect = false);
       CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS $$ begin raise 'no'; end $$;
       CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION f()`,
    );
    await restoreCopy(url, smallCopy(), { startTimeoutMs: 5_000 });
    expect(await databases()).toBe(name);
  });

  it('is not taken up when the same id is to make something else', async () => {
    await using source = await temporaryDatabase(server, 'stopped_from');
    await source.psql(twoTables);
    await killAfter('special', source.url);
    expect(await restoreCopy(url, smallCopy(), { startTimeoutMs: 5_000 })).toBe(0);
    expect(
      await runPsql(
        url,
        "SELECT string_agg(relname, ',') FROM pg_class WHERE relkind = 'r' AND relnamespace = 2200",
      ),
    ).toBe('t');
  });

  it('between CREATE DATABASE and its mark is known by its birth mark', async () => {
    await runPsql(
      server,
      `CREATE DATABASE ${quoteName(`${name}_holdfast_r1`)} TEMPLATE template0 CONNECTION LIMIT 1836345971`,
    );
    await restoreCopy(url, smallCopy());
    expect(await databases()).toBe(name);
    expect(await runPsql(server, `SELECT datconnlimit FROM pg_database WHERE datname = '${name}'`)).toBe(
      '-1',
    );
  });

  it('never makes us touch a database that is only called like ours', async () => {
    await runPsql(server, `CREATE DATABASE ${quoteName(`${name}_holdfast_r1`)}`);
    await expect(restoreCopy(url, smallCopy())).rejects.toMatchObject({ code: 'precondition_failed' });
    expect(await databases()).toBe(`${name}_holdfast_r1`);
  });
});

describe('a restore that was killed while it published', () => {
  it('has given the name or has not, and is finished by the next', async () => {
    await using source = await temporaryDatabase(server, 'stopped_from');
    await source.psql(twoTables);
    const copy = await copyDatabase(source.url);
    for (const waitMs of [0, 15, 40]) {
      await runPsql(server, `CREATE DATABASE ${quoteName(name)}`);
      await killAfter('finish', source.url, { goOnMs: waitMs });
      const complete = await runPsql(url, "SELECT count(*) FROM pg_class WHERE relname IN ('a', 'b')");
      const again = restoreCopy(url, copy, { startTimeoutMs: 5_000 });
      // Killed after the commit: it is there whole, and refused as such.
      if (complete === '2') await expect(again).rejects.toThrow('is not empty');
      else await again;
      expect(await runPsql(url, 'SELECT count(*) FROM a JOIN b USING (id)')).toBe('500');
      await runPsql(server, `DROP DATABASE ${quoteName(name)} WITH (FORCE)`);
    }
  });

  it('has put an empty database aside, which the next drops, unless somebody has put something into it', async () => {
    const aside = `${name}_holdfast_aside_r0`;
    const mark = writeMark({ role: 'replaced', target: name, id: 'r0', recipe: '' });
    for (const sql of ['SELECT 1', 'CREATE TABLE mine ()']) {
      await runPsql(
        server,
        `CREATE DATABASE ${quoteName(aside)}; COMMENT ON DATABASE ${quoteName(aside)} IS '${mark}'`,
      );
      await runPsql(urlOf(aside), sql);
      await restoreCopy(url, smallCopy());
      expect(await databases()).toBe(sql === 'SELECT 1' ? name : `${name}\n${aside}`);
      await runPsql(server, `DROP DATABASE ${quoteName(name)} WITH (FORCE)`);
    }
    expect(
      await runPsql(
        server,
        `SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '${aside}'`,
      ),
    ).toBe('');
  });
});

describe('a restore that fails', () => {
  it('in a statement before the rows names its object and leaves nothing', async () => {
    const bad = {
      section: 'pre-data',
      type: 'VIEW',
      name: 'public.v',
      text: 'CREATE VIEW public.v AS SELECT nosuch FROM public.t;',
    } as const;
    await expect(restoreCopy(url, smallCopy([bad]))).rejects.toThrow(
      /VIEW public\.v cannot be restored: .*column "nosuch" does not exist/,
    );
    expect(await databases()).toBe('');
  });

  it('in a statement after the rows names its object and leaves nothing', async () => {
    const bad = {
      section: 'post-data',
      type: 'CONSTRAINT',
      name: 'public.t t_a_key',
      text: 'ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_a_key UNIQUE (nosuch);',
    } as const;
    await runPsql(server, `CREATE DATABASE ${quoteName(name)}`);
    await expect(restoreCopy(url, smallCopy([bad]))).rejects.toThrow(
      /CONSTRAINT public\.t t_a_key cannot be restored: .*"nosuch"/,
    );
    expect(await databases()).toBe(name);
    expect(await runPsql(url, "SELECT count(*) FROM pg_class WHERE relname = 't'")).toBe('0');
  });

  it('in a row leaves nothing', async () => {
    const copy = smallCopy();
    const chunks = copy.chunks.map((chunk) => ({ ...chunk, lines: Buffer.from('["1","a"]\n["x","b"]\n') }));
    await expect(restoreCopy(url, { ...copy, chunks })).rejects.toThrow(
      /loading \/public\.t.*invalid input syntax for type integer: "x"/,
    );
    expect(await databases()).toBe('');
  });

  it('in a property of the database fails before a row is loaded', async () => {
    const bad = { section: 'database', type: 'SETTING', name: 'nosuch_parameter', text: 'x' } as const;
    const steps: string[] = [];
    const restoring = restoreCopy(url, smallCopy([bad]), { after: (step) => void steps.push(step) });
    await expect(restoring).rejects.toThrow(/DATABASE SETTING nosuch_parameter cannot be restored/);
    expect(steps).toEqual(['open']);
    expect(await databases()).toBe('');
  });

  it('by an abort in the middle of a load leaves nothing', async () => {
    const copy = smallCopy();
    const stop = new AbortController();
    const options = {
      from: copy.from,
      id: 'r1',
      noOwner: false,
      startTimeoutMs: 0,
      type: 'logical',
      clock: new SystemClock(),
    } as const;
    {
      await using target = await openTarget(parseTarget(url), { ...options, signal: stop.signal });
      await target.create(copy.schema, { signal: stop.signal });
      await using loader = await openLoader(target.token.data as Parameters<typeof openLoader>[0], {
        signal: stop.signal,
      });
      const header = copy.chunks[0]?.header as NonNullable<(typeof copy.chunks)[0]>['header'];
      const endless = async function* (): AsyncGenerator<Uint8Array> {
        for (let i = 0; ; i++) {
          yield Buffer.from(`["${i}","x"]\n`);
          if (i === 1000) stop.abort();
        }
      };
      const loading = loader.load(header, endless(), { id: 'x', signal: stop.signal });
      await expect(loading).rejects.toMatchObject({ code: 'cancelled' });
    }
    expect(await databases()).toBe('');
  });
});

describe('publishing', () => {
  it('replaces an empty database, which nobody sees anything of until then', async () => {
    await runPsql(server, `CREATE DATABASE ${quoteName(name)}`);
    const seen: string[] = [];
    await restoreCopy(url, smallCopy(), {
      after: async (step) => {
        seen.push(`${step}: ${await runPsql(url, "SELECT count(*) FROM pg_class WHERE relname = 't'")}`);
      },
    });
    expect(seen).toEqual([
      'open: 0',
      'create: 0',
      'load /public.t: 0',
      'special: 0',
      'finish: 0',
      'publish: 1',
    ]);
    expect(await databases()).toBe(name);
  });

  it('is refused when the empty database got something meanwhile, and takes nothing from it', async () => {
    await runPsql(server, `CREATE DATABASE ${quoteName(name)}`);
    const restoring = restoreCopy(url, smallCopy(), {
      after: async (step) => {
        if (step === 'finish') await runPsql(url, 'CREATE TABLE mine ()');
      },
    });
    await expect(restoring).rejects.toThrow('is not empty any more: there is table public.mine');
    expect(await databases()).toBe(name);
    expect(await runPsql(url, 'SELECT count(*) FROM mine')).toBe('0');
  });

  it('is refused when somebody made a database of that name, or uses the empty one, naming the process', async () => {
    const { default: pg } = await import('pg');
    const client = new pg.Client({ connectionString: url, application_name: 'a person' });
    const restoring = restoreCopy(url, smallCopy(), {
      after: async (step) => {
        if (step !== 'finish') return;
        await runPsql(server, `CREATE DATABASE ${quoteName(name)}`);
        await client.connect();
      },
    });
    await expect(restoring).rejects.toThrow(
      /cannot be replaced, because it is in use by process \d+ \(a person of postgres\)/,
    );
    await client.end();
    expect(await databases()).toBe(name);
  });

  it('without owners gives the database to whom the empty one belonged', async () => {
    await runPsql(
      server,
      `CREATE ROLE ${quoteName(`${name}_o`)}; CREATE DATABASE ${quoteName(name)} OWNER ${quoteName(`${name}_o`)}`,
    );
    try {
      const owner = { section: 'database', type: 'OWNER', name: '', text: 'nobody_here' } as const;
      await restoreCopy(url, smallCopy([owner]), { noOwner: true });
      expect(
        await runPsql(server, `SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '${name}'`),
      ).toBe(`${name}_o`);
    } finally {
      await runPsql(server, `DROP DATABASE ${quoteName(name)}; DROP ROLE ${quoteName(`${name}_o`)}`);
    }
  });
});
