import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { newestPostgres, startPostgres } from '@holdfast/testing';
import { BenchServer, countRows, type DataFacts, type DataKind } from './harness/bench-server.ts';
import { runCommand } from './harness/command.ts';
import { Workspace } from './harness/workspace.ts';
import {
  copyText,
  countsOf,
  devices,
  documentColumns,
  documents,
  measurementColumns,
  measurements,
} from './rows.ts';

/** Raise it when the data changes: what was kept is made anew. */
const dataVersion = 1;

export const scales = { small: 0.05, full: 1 } as const;
export type Scale = keyof typeof scales;

/**
 * A server of some size that does not wait for the disk, which would measure the disk; the same for every tool. Nothing
 * vacuums at moments of its own choice.
 */
const settings = {
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  maintenance_work_mem: '256MB',
  wal_level: 'logical',
  fsync: 'off',
  autovacuum: 'off',
} as const;

const readyMsMax = 300_000;

export interface DataOptions {
  readonly kind: DataKind;
  readonly scale: Scale;
  /** So many times the data of the scale. */
  readonly times?: number;
  readonly log: (line: string) => void;
}

/** Starts a server on the data; makes the data first when the workspace does not hold it yet. */
export async function openPostgres(workspace: Workspace, options: DataOptions): Promise<BenchServer> {
  const { kind, scale, times = 1, log } = options;
  const { major } = await newestPostgres();
  const name = `postgres-${major}-${kind}-${scale}${times === 1 ? '' : `-x${times}`}`;
  const dataFolder = workspace.kept(name);
  const factsFile = workspace.kept(`${name}.json`);
  const known = JSON.parse(await readFile(factsFile, 'utf8').catch(() => '{}')) as Partial<DataFacts>;
  if (known.version !== dataVersion) {
    await rm(factsFile, { force: true });
    await rm(dataFolder, { recursive: true, force: true });
    log(`making ${name} …`);
    const facts = await make(dataFolder, kind, scales[scale] * times);
    await writeFile(factsFile, JSON.stringify(facts));
  }
  const facts = JSON.parse(await readFile(factsFile, 'utf8')) as DataFacts;
  const server = new BenchServer(await startPostgres({ dataFolder, settings, readyMsMax }), facts, kind);
  await server.clean();
  return server;
}

/** Starts a server on a data folder that a base backup was unpacked into, and fails unless it holds the data. */
export async function checkDataFolder(dataFolder: string, like: BenchServer): Promise<void> {
  await using server = new BenchServer(
    await startPostgres({ dataFolder, settings, readyMsMax }),
    like.facts,
    like.database,
  );
  await server.checkCounts(like.database);
}

async function make(dataFolder: string, kind: DataKind, factor: number): Promise<DataFacts> {
  await using made = await startPostgres({ settings, readyMsMax });
  const server = new BenchServer(made, { version: dataVersion, tables: {}, textBytes: 0 }, kind);
  await made.createDatabase(kind);
  const counts = countsOf(factor);
  const scale = kind === 'pgbench' ? counts.pgbenchScale * 2 : counts.pgbenchScale;
  await server.tool('pgbench', ['-i', '-q', '-s', String(scale), kind]);
  if (kind === 'mixed') await fillMixed(server, factor);
  await server.sql(kind, 'VACUUM (FREEZE, ANALYZE)');
  const list = `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1`;
  const tables = (await server.sql(kind, list)).split('\n');
  const facts = {
    version: dataVersion,
    tables: await countRows(server, kind, tables),
    textBytes: await textBytes(server, kind, tables),
  };
  await server.checkpoint();
  await made.stop('fast');
  await rename(made.dataFolder, dataFolder);
  return facts;
}

const tablesSql = `
  CREATE TABLE devices (id int PRIMARY KEY, name text NOT NULL, serial uuid NOT NULL);
  CREATE TABLE documents (id bigint, author int NOT NULL, title text NOT NULL, body text NOT NULL, doc jsonb NOT NULL,
    rating real, created_at timestamptz NOT NULL);
  CREATE TABLE measurements (id bigint, device int NOT NULL, digest text NOT NULL, amount numeric(18, 6) NOT NULL,
    level double precision NOT NULL, at timestamptz NOT NULL, payload jsonb NOT NULL, note varchar(400));
`;

const constraintsSql = `
  ALTER TABLE documents ADD PRIMARY KEY (id);
  CREATE INDEX ON documents (author);
  CREATE INDEX ON documents (created_at);
  ALTER TABLE measurements ADD PRIMARY KEY (id);
  CREATE INDEX ON measurements (device, at);
  CREATE INDEX ON measurements (digest);
  ALTER TABLE measurements ADD FOREIGN KEY (device) REFERENCES devices;
`;

async function fillMixed(server: BenchServer, factor: number): Promise<void> {
  const counts = countsOf(factor);
  await server.sql('mixed', tablesSql);
  const copy = (table: string, columns: readonly string[], rows: Parameters<typeof copyText>[0]) =>
    server.tool(
      'psql',
      ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'mixed', '-c', `COPY ${table} (${columns}) FROM STDIN`],
      copyText(rows),
    );
  await copy('devices', ['id', 'name', 'serial'], devices(counts.devices));
  await copy('documents', documentColumns, documents(counts.documents));
  await copy('measurements', measurementColumns, measurements(counts.measurements, counts.devices));
  await server.sql('mixed', constraintsSql);
}

async function textBytes(server: BenchServer, database: string, tables: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const table of tables) {
    const args = ['-X', '-q', '-d', server.url(database), '-c', `COPY ${table} TO STDOUT`];
    await runCommand(server.program('psql'), args, {
      output: (piece) => {
        bytes += piece.length;
      },
    });
  }
  return bytes;
}

/** Serves the data until Ctrl-C, for trying and profiling single commands by hand. */
async function serve(): Promise<void> {
  const { values } = parseArgs({
    options: {
      work: { type: 'string', default: join(tmpdir(), 'holdfast-bench') },
      scale: { type: 'string', default: 'small' },
      kind: { type: 'string', default: 'mixed' },
    },
  });
  const scale = values.scale === 'full' ? 'full' : 'small';
  const kind = values.kind === 'pgbench' ? 'pgbench' : 'mixed';
  await using workspace = await Workspace.open(values.work);
  await using server = await openPostgres(workspace, { kind, scale, log: console.log });
  console.log(`${server.description}\n${server.url(kind)}\nCtrl-C ends it`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

if (import.meta.main) await serve();
