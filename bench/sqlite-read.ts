/**
 * How fast a logical full of a SQLite database is read, digested and compressed, side by side with what people use:
 * `sqlite3 .dump | zstd` and `VACUUM INTO` followed by zstd; and the ways of reading that were weighed for the driver.
 *
 *     node bench/sqlite-read.ts [megabytes=1000] [rounds=3]
 *
 * Rounds take turns, so that a busy machine is as unfair to one as to the other; the best round counts.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { constants, zstdCompressSync } from 'node:zlib';
import { type ChunkPlan, RowDigest, type SourceWorkerModule, SystemClock } from '@holdfast/core';
import { sqliteDriver } from '@holdfast/sources/sqlite';

const signal = new AbortController().signal;
const workers = 2;

interface Job {
  readonly module: string;
  readonly data: unknown;
  readonly plans: readonly ChunkPlan[];
  /** A counter that the workers share: which chunk is next. */
  readonly next: SharedArrayBuffer;
  readonly out: string;
}

async function work(job: Job): Promise<{ rows: number; rawBytes: number; storedBytes: number }> {
  const { openReader } = (await import(job.module)) as SourceWorkerModule;
  await using reader = await openReader(job.data, { signal });
  const digest = new RowDigest({ capacityBytes: 4 * 1024 * 1024 });
  const next = new Int32Array(job.next);
  const fd = openSync(job.out, 'w');
  let rows = 0;
  let rawBytes = 0;
  let storedBytes = 0;
  const flush = (): void => {
    digest.absorb();
    const options = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
    storedBytes += writeSync(fd, zstdCompressSync(digest.bytes(), options));
    digest.clear();
  };
  for (let index = Atomics.add(next, 0, 1); index < job.plans.length; index = Atomics.add(next, 0, 1)) {
    const plan = job.plans[index] as ChunkPlan;
    for await (const block of reader.read(plan, { signal })) {
      rawBytes += block.length;
      for (let at = 0; at < block.length; ) {
        at += digest.append(block.subarray(at));
        if (digest.freeBytes === 0) flush();
      }
    }
    flush();
    rows += digest.rows;
    digest.reset();
  }
  closeSync(fd);
  return { rows, rawBytes, storedBytes };
}

async function full(path: string, folder: string): Promise<string> {
  await using source = await sqliteDriver.open(`sqlite:${path}`, { signal, clock: new SystemClock() });
  await using view = await source.openFull({ type: 'logical', keepChanges: false, label: 'bench', signal });
  const plans = view.chunks.filter((chunk) => !chunk.local);
  const next = new SharedArrayBuffer(4);
  const results = await Promise.all(
    Array.from({ length: workers }, (_, index) => {
      const job: Job = { ...view.token, plans, next, out: join(folder, `full-${index}.zst`) };
      const worker = new Worker(new URL(import.meta.url), { workerData: job });
      return new Promise<Awaited<ReturnType<typeof work>>>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
    }),
  );
  const sum = (key: 'rows' | 'rawBytes' | 'storedBytes'): number =>
    results.reduce((all, one) => all + one[key], 0);
  return `${sum('rows')} rows, ${plans.length} chunks, ${mb(sum('rawBytes'))} of lines, ${mb(sum('storedBytes'))} stored`;
}

const mb = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

function fill(path: string, megabytes: number): void {
  const db = new DatabaseSync(path);
  const narrow = Math.round(megabytes * 9000);
  const wide = Math.round(megabytes * 1100);
  db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;
    CREATE TABLE narrow(id INTEGER PRIMARY KEY, account INT, amount REAL, name TEXT, state TEXT);
    CREATE TABLE wide(id INTEGER PRIMARY KEY, name TEXT, body TEXT, data BLOB, at TEXT);
    WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < ${narrow}) INSERT INTO narrow
      SELECT i, abs(random()) % 1000000, (random() % 100000) / 100.0, 'user-' || (random() % 10000), CASE i % 3 WHEN 0 THEN 'pending' END FROM g;
    WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < ${wide}) INSERT INTO wide
      SELECT i, hex(randomblob(10)), substr('lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore', 1 + abs(random()) % 40) || hex(randomblob(60)) || substr('ut enim ad minim veniam quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo', 1 + abs(random()) % 30), randomblob(100), datetime(i * 1000, 'unixepoch') FROM g;
    PRAGMA wal_checkpoint(TRUNCATE)`);
  db.close();
}

/** The ways of reading rows that were weighed, on the narrow table, in one thread. */
function ways(path: string): Record<string, () => string> {
  const step = 8192;
  const db = new DatabaseSync(path, { readOnly: true });
  const { n } = db.prepare('SELECT max(id) AS n FROM narrow').get() as { n: number };
  const count = Math.min(n, 1_000_000);
  const blocks = (expression: string) => (): string => {
    const sql = `SELECT CAST(group_concat(${expression}, char(10)) AS BLOB) AS block FROM narrow WHERE id BETWEEN ? AND ?`;
    const statement = db.prepare(sql);
    let bytes = 0;
    for (let id = 1; id <= count; id += step) {
      bytes += (statement.get(id, Math.min(count, id + step - 1)) as { block: Uint8Array }).block.length;
    }
    return mb(bytes);
  };
  const iterate = (readBigInts: boolean) => (): string => {
    const statement = db.prepare('SELECT * FROM narrow WHERE id <= ?', { returnArrays: true, readBigInts });
    let bytes = 0;
    for (const row of statement.iterate(count) as Iterable<unknown> as Iterable<unknown[]>) {
      bytes += row
        .map((value) => (typeof value === 'string' ? JSON.stringify(value) : String(value)))
        .join(',').length;
    }
    return mb(bytes);
  };
  const exact = ['id', 'account', 'amount', 'name', 'state']
    .map(
      (c) =>
        `CASE typeof(${c}) WHEN 'blob' THEN '{"x":"' || hex(${c}) || '"}' WHEN 'null' THEN 'null' ELSE json_quote(${c}) END`,
    )
    .join(` || ',' || `);
  return {
    [`${count} rows: json_array per row, group_concat per 8192`]: blocks(
      'json_array(id,account,amount,name,state)',
    ),
    [`${count} rows: CASE typeof per value, group_concat per 8192`]: blocks(`'[' || ${exact} || ']'`),
    [`${count} rows: iterate(), arrays, numbers`]: iterate(false),
    [`${count} rows: iterate(), arrays, bigints`]: iterate(true),
  };
}

/** What the last shell command used. */
let childCpuMs = 0;

async function main(): Promise<void> {
  const megabytes = Number(process.argv[2] ?? 1000);
  const rounds = Number(process.argv[3] ?? 3);
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  try {
    const path = join(folder, 'bench.db');
    fill(path, megabytes);
    console.log(`${mb(statSync(path).size)} database, best of ${rounds} rounds, ${workers} workers`);
    const shell = (command: string) => (): string => {
      const timed = `TIMEFORMAT='%U %S'; { time { ${command}; }; } 2>&1`;
      const [user, system] = execFileSync('bash', ['-c', timed], { cwd: folder })
        .toString()
        .trim()
        .split(' ');
      childCpuMs = 1000 * (Number(user) + Number(system));
      const size = statSync(join(folder, 'out.zst')).size;
      for (const name of ['out.zst', 'copy.db'])
        if (existsSync(join(folder, name))) rmSync(join(folder, name));
      return `${mb(size)} stored`;
    };
    const contenders: Record<string, () => string | Promise<string>> = {
      'holdfast, logical full': () => full(path, folder),
      'sqlite3 .dump | zstd -1 -T2': shell('sqlite3 bench.db .dump | zstd -q -1 -T2 -o out.zst'),
      'VACUUM INTO, zstd -1 -T2': shell(
        `sqlite3 bench.db "VACUUM INTO 'copy.db'" && zstd -q -1 -T2 copy.db -o out.zst`,
      ),
      ...ways(path),
    };
    const best = new Map<string, { ms: number; cpuMs: number; said: string }>();
    for (let round = 0; round < rounds; round++) {
      for (const [name, run] of Object.entries(contenders)) {
        const start = performance.now();
        const before = process.cpuUsage();
        childCpuMs = 0;
        const said = await run();
        const ms = performance.now() - start;
        const used = process.cpuUsage(before);
        const cpuMs = (used.user + used.system) / 1000 + childCpuMs;
        if (ms < (best.get(name)?.ms ?? Number.POSITIVE_INFINITY)) best.set(name, { ms, cpuMs, said });
      }
    }
    for (const [name, { ms, cpuMs, said }] of best) {
      const [wall, cpu] = [ms, cpuMs].map((one) => (one / 1000).toFixed(2).padStart(6));
      console.log(`${wall} s wall, ${cpu} s of processor  ${name}: ${said}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (isMainThread) await main();
else parentPort?.postMessage(await work(workerData as Job));
