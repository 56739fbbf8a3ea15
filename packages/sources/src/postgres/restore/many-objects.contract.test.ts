import type { SchemaStatement } from '@holdfast/core';
import { quoteName, runPsql, startPostgres } from '@holdfast/testing';
import { describe, expect, inject, it } from 'vitest';
import { restoreCopy } from './restore.fixture.ts';
import { smallCopy } from './small-copy.fixture.ts';

const name = `many_${process.pid}`;

function urlOf(server: string): string {
  const made = new URL(server);
  made.pathname = `/${name}`;
  return made.href;
}

describe('many objects', () => {
  it('fit through a lock table that has no room for many of them in one transaction', async () => {
    const count = 600;
    // Ten thousand tables meet the same limit of a server with usual settings, but cost a test two minutes.
    const settings = { max_locks_per_transaction: 10, max_connections: 15, max_wal_senders: 2 };
    await using server = await startPostgres({ settings });
    const all = `DO $$ BEGIN FOR i IN 1..${count} LOOP EXECUTE format('CREATE TABLE t%s (a text)', i); END LOOP; END $$`;
    await expect(runPsql(server.url(), all)).rejects.toThrow('max_locks_per_transaction');
    const tables = Array.from({ length: count }, (_, i): SchemaStatement[] => [
      {
        section: 'pre-data',
        type: 'TABLE',
        name: `public.t${i}`,
        text: `SET default_tablespace = '';\nSET default_table_access_method = heap;\nCREATE TABLE public.t${i} (\n    id integer NOT NULL,\n    a text\n);`,
      },
      {
        section: 'post-data',
        type: 'CONSTRAINT',
        name: `public.t${i} t${i}_pkey`,
        text: `SET default_tablespace = '';\nALTER TABLE ONLY public.t${i}\n    ADD CONSTRAINT t${i}_pkey PRIMARY KEY (id);`,
      },
    ]).flat();
    await restoreCopy(urlOf(server.url()), smallCopy(tables));
    const keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND connamespace = 2200";
    expect(await runPsql(urlOf(server.url()), keys)).toBe(String(count + 1));
  });

  it('foreign keys that lock each other’s tables get through, whoever loses a deadlock', async () => {
    const server = inject('postgres');
    const foreign = (from: string, to: string, i: number): SchemaStatement => ({
      section: 'post-data',
      type: 'FK CONSTRAINT',
      name: `public.${from} f${i}`,
      text: `ALTER TABLE ${from.startsWith('p') ? '' : 'ONLY '}public.${from}\n    ADD CONSTRAINT f${i} FOREIGN KEY (id) REFERENCES public.${to}(id);`,
    });
    const statement = (section: 'pre-data' | 'post-data', type: string, text: string): SchemaStatement => ({
      section,
      type,
      name: 'public.x',
      text,
    });
    const names = ['p', 'l1', 'l2', 'q'];
    const more = [
      statement('pre-data', 'TABLE', 'CREATE TABLE public.p (id integer NOT NULL) PARTITION BY RANGE (id);'),
      statement(
        'pre-data',
        'TABLE',
        'CREATE TABLE public.l1 PARTITION OF public.p FOR VALUES FROM (0) TO (10);',
      ),
      statement(
        'pre-data',
        'TABLE',
        'CREATE TABLE public.l2 PARTITION OF public.p FOR VALUES FROM (10) TO (20);',
      ),
      statement('pre-data', 'TABLE', 'CREATE TABLE public.q (id integer NOT NULL);'),
      statement(
        'post-data',
        'CONSTRAINT',
        'ALTER TABLE public.p\n    ADD CONSTRAINT p_key PRIMARY KEY (id);',
      ),
      statement(
        'post-data',
        'CONSTRAINT',
        'ALTER TABLE ONLY public.q\n    ADD CONSTRAINT q_key PRIMARY KEY (id);',
      ),
      ...names.flatMap((from, i) =>
        names
          .filter((to) => to !== from && !`${from}${to}`.match(/^(pl|lp|pp)/))
          .map((to, j) => foreign(from, to, 10 * i + j)),
      ),
    ];
    try {
      await restoreCopy(urlOf(server), smallCopy(more));
      expect(await runPsql(urlOf(server), "SELECT count(*) > 8 FROM pg_constraint WHERE contype = 'f'")).toBe(
        't',
      );
    } finally {
      await runPsql(server, `DROP DATABASE IF EXISTS ${quoteName(name)}`);
    }
  });
});
