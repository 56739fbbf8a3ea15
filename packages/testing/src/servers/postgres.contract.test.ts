import { readdir, stat } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { describe, expect, inject, it } from 'vitest';
import { runPsql } from './run-psql.ts';
import { startPostgres } from './start-postgres.ts';
import { startStandby } from './start-standby.ts';
import { temporaryDatabase } from './temporary-database.ts';
import { temporaryFolder } from './temporary-folder.ts';

describe('a private PostgreSQL', () => {
  it('answers queries over TCP and the unix socket, with the settings it was given', async () => {
    await using server = await startPostgres({ settings: { work_mem: '7MB' } });
    const database = await server.createDatabase();
    expect(await server.psql(database, 'SELECT current_database(), 1; SHOW work_mem')).toBe(
      `${database}|1\n7MB`,
    );
    expect(await server.psql(database, 'SHOW wal_level; SHOW max_replication_slots')).toBe('logical\n20');
    const bySocket = `host=${server.socketFolder} port=${server.port} user=postgres dbname=${database}`;
    expect(await runPsql(bySocket, 'SELECT inet_client_addr() IS NULL')).toBe('t');
    await expect(server.psql(database, 'SELECT 1/0')).rejects.toThrow('division by zero');
  });

  it('keeps what was committed through kill -9 and a start on the same folder', async () => {
    await using server = await startPostgres();
    await server.psql('postgres', 'CREATE TABLE kept AS SELECT 42 AS n');
    const before = server.pid;
    await server.stop('kill');
    expect(server.isRunning).toBe(false);
    await server.start();
    expect(server.pid).not.toBe(before);
    expect(await server.psql('postgres', 'SELECT n FROM kept')).toBe('42');
    await server.stop('fast');
    await server.start();
    expect(await server.log()).toContain('was not properly shut down');
  });

  it('asks a user for the password once one is required', async () => {
    await using server = await startPostgres();
    await server.requirePassword('backup', "it's \\ a secret", 'REPLICATION');
    expect(await runPsql(server.url('postgres', 'backup'), 'SELECT current_user')).toBe('backup');
    const without = `postgres://backup@127.0.0.1:${server.port}/postgres`;
    await expect(runPsql(without, 'SELECT 1')).rejects.toThrow('no password supplied');
    const wrong = `postgres://backup:guess@127.0.0.1:${server.port}/postgres`;
    await expect(runPsql(wrong, 'SELECT 1')).rejects.toThrow('password authentication failed');
    expect(await server.psql('postgres', 'SELECT current_user')).toBe('postgres');
  });

  it('has a standby that follows it and can be promoted', async () => {
    await using primary = await startPostgres();
    await primary.psql('postgres', 'CREATE TABLE t (n int); INSERT INTO t VALUES (1)');
    await using standby = await startStandby(primary, { slot: 'standby' });
    await primary.psql('postgres', 'INSERT INTO t VALUES (2)');
    await standby.catchUp(primary);
    expect(await standby.psql('postgres', 'SELECT n FROM t ORDER BY n')).toBe('1\n2');
    await expect(standby.psql('postgres', 'INSERT INTO t VALUES (3)')).rejects.toThrow('read-only');
    await primary.stop('kill');
    await standby.promote();
    await standby.psql('postgres', 'INSERT INTO t VALUES (3)');
    const timeline = await standby.psql('postgres', 'SELECT timeline_id FROM pg_control_checkpoint()');
    expect([await standby.psql('postgres', 'SELECT max(n) FROM t'), timeline]).toEqual(['3', '2']);
  });

  it('starts on a data folder that another server has left', async () => {
    await using first = await startPostgres();
    await first.psql('postgres', 'CREATE TABLE t AS SELECT 1 AS n');
    await first.stop();
    await using second = await startPostgres({ dataFolder: first.dataFolder, settings: { work_mem: '9MB' } });
    expect(await second.psql('postgres', 'SELECT n FROM t; SHOW work_mem')).toBe('1\n9MB');
    await second.remove();
    expect((await stat(first.dataFolder)).isDirectory()).toBe(true);
  });

  it('is gone with its folder and port when it is disposed', async () => {
    let port = 0;
    let folder = '';
    {
      await using server = await startPostgres();
      ({ port, socketFolder: folder } = server);
    }
    await expect(readdir(folder)).rejects.toThrow('ENOENT');
    const refused = new Promise((resolve) => createConnection(port, '127.0.0.1').once('error', resolve));
    expect(await refused).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('says what the server said when it does not start', async () => {
    await expect(startPostgres({ settings: { wal_level: 'nonsense' } })).rejects.toThrow(
      'invalid value for parameter "wal_level"',
    );
  });
});

describe('the shared server of a test run', () => {
  it('gives each test a database, and takes it back with its slots', async () => {
    const database = await temporaryDatabase(inject('postgres'));
    expect(await database.psql('SELECT current_database()')).toBe(database.name);
    await database.psql(`SELECT pg_create_logical_replication_slot('s_${database.name}', 'pgoutput')`);
    await database[Symbol.asyncDispose]();
    const left = `SELECT count(*) FROM pg_database WHERE datname = '${database.name}';
      SELECT count(*) FROM pg_replication_slots WHERE database = '${database.name}'`;
    expect(await runPsql(inject('postgres'), left)).toBe('0\n0');
  });
});

describe('a temporary folder', () => {
  it('is removed with its content', async () => {
    let path = '';
    {
      await using folder = await temporaryFolder();
      path = folder.path;
      expect(await readdir(path)).toEqual([]);
    }
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });
});
