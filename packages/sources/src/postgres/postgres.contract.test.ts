import { randomBytes } from 'node:crypto';
import { SystemClock } from '@holdfast/core';
import { describeSource, runPsql, temporaryDatabase } from '@holdfast/testing';
import { inject } from 'vitest';
import { postgresDriver } from './index.ts';

const o = { signal: new AbortController().signal, clock: new SystemClock() };

/** Values as texts: what the contract compares. */
async function rowsOf(url: string, table: string): Promise<string[]> {
  const columns = await runPsql(
    url,
    `SELECT string_agg(format('%I::text', attname), ', ' ORDER BY attnum) FROM pg_attribute
     WHERE attrelid = '${table}'::regclass AND attnum > 0 AND NOT attisdropped`,
  );
  const rows = await runPsql(url, `SELECT json_build_array(${columns}) FROM ${table}`);
  return rows === '' ? [] : rows.split('\n').map((row) => JSON.stringify(JSON.parse(row)));
}

describeSource('postgres', async () => {
  const server = inject('postgres');
  const database = await temporaryDatabase(server);
  const open = () => postgresDriver.open(database.url, o);
  return {
    source: await open(),
    open,
    execute: async (...statements) => {
      await database.psql(`BEGIN; ${statements.join('; ')}; COMMIT`);
    },
    rows: (table) => rowsOf(database.url, table),
    path: (table) => `/public.${table}`,
    traces: async () => {
      const slots = await database.psql(
        'SELECT slot_name FROM pg_replication_slots WHERE database = current_database() AND NOT temporary ORDER BY 1',
      );
      return slots === '' ? [] : slots.split('\n');
    },
    place: async () => {
      const name = `place_${randomBytes(6).toString('hex')}`;
      const url = database.url.replace(/\/[^/]*$/, `/${name}`);
      const found = async (): Promise<string[]> => {
        const all = await runPsql(
          server,
          `SELECT datname FROM pg_database WHERE datname LIKE '${name}%' ORDER BY 1`,
        );
        return all === '' ? [] : all.split('\n');
      };
      return {
        source: await postgresDriver.open(url, o),
        occupy: async () => {
          if ((await found()).length === 0) await runPsql(server, `CREATE DATABASE ${name}`);
          await runPsql(url, 'CREATE TABLE other (a int); INSERT INTO other VALUES (1)');
        },
        rows: async (table) => {
          if (!(await found()).includes(name)) return undefined;
          const there = await runPsql(url, `SELECT to_regclass('public.${table}')`);
          return there === '' ? undefined : rowsOf(url, table);
        },
        traces: found,
        [Symbol.asyncDispose]: async () => {
          for (const each of await found()) await runPsql(server, `DROP DATABASE "${each}" WITH (FORCE)`);
        },
      };
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
});
