import { execFile, spawn } from 'node:child_process';
import { access, constants, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { HoldfastError } from '@holdfast/core';
import { fromAbort, fromProgram } from '../session/errors.ts';
import { passwordFor } from '../session/pgpass.ts';
import type { Session } from '../session/session.ts';

const run = promisify(execFile);

/** Where Debian's and PostgreSQL's own packages put the programs of each version. */
const versionedFolders = '/usr/lib/postgresql';
const standardErrorMax = 64 * 1024;
const outputBytesMax = 1024 * 1024 * 1024;

/** A client program of a version that can talk to the server. */
export interface ClientProgram {
  readonly path: string;
  readonly major: number;
}

/**
 * The oldest program that is not older than the server: what it prints is readable by servers from then on.
 * HOLDFAST_PG_BIN names a folder to look into first, and only.
 * @throws HoldfastError unsupported, with the package to install
 */
export async function findProgram(
  name: 'pg_dump' | 'pg_basebackup' | 'pg_verifybackup',
  serverVersion: number,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<ClientProgram> {
  const wanted = Math.floor(serverVersion / 10_000);
  const chosen = environment.HOLDFAST_PG_BIN;
  const candidates = chosen ? [join(chosen, name)] : await candidatePaths(name, environment);
  const found: ClientProgram[] = [];
  for (const path of candidates) {
    const major = await majorOf(path);
    if (major !== undefined) found.push({ path, major });
  }
  const fit = found.filter((each) => each.major >= wanted).sort((a, b) => a.major - b.major)[0];
  if (fit) return fit;
  const have = found.map((each) => `${each.path} (${each.major})`).join(', ') || 'none';
  throw new HoldfastError(
    'unsupported',
    `the server is PostgreSQL ${wanted}, and needs a ${name} of version ${wanted} or later; found: ${have}`,
    {
      hint: `install it (apt-get install postgresql-client-${wanted}), or set HOLDFAST_PG_BIN to the folder that holds it`,
    },
  );
}

async function candidatePaths(name: string, environment: NodeJS.ProcessEnv): Promise<string[]> {
  const versions = await readdir(versionedFolders).catch(() => []);
  const versioned = versions.map((version) => join(versionedFolders, version, 'bin', name));
  const onPath = (environment.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...versioned, ...onPath.map((folder) => join(folder, name))];
}

/** `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` -> 15 */
async function majorOf(path: string): Promise<number | undefined> {
  try {
    await access(path, constants.X_OK);
    const { stdout } = await run(path, ['--version']);
    const major = /\(PostgreSQL\) (\d+)/.exec(stdout)?.[1];
    return major === undefined ? undefined : Number(major);
  } catch {
    return undefined;
  }
}

/** How libpq's programs are told where to go: the environment, since arguments are there for all to see in `ps`. */
export async function programEnvironment(session: Session): Promise<NodeJS.ProcessEnv> {
  const { target, database, wire } = session;
  const password = await passwordFor({ ...target, database }, wire.host);
  const { tls } = target;
  return {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '/',
    LC_ALL: 'C.UTF-8',
    PGHOST: wire.host.host,
    PGPORT: String(wire.host.port),
    // The server of the session, and no other that the name may lead to.
    ...(wire.address === undefined ? {} : { PGHOSTADDR: wire.address }),
    PGUSER: target.user,
    PGDATABASE: database,
    PGAPPNAME: target.applicationName,
    PGSSLMODE: tls.mode,
    PGCONNECT_TIMEOUT: String(Math.ceil(target.connectTimeoutMs / 1000)),
    ...(password ? { PGPASSWORD: password.reveal() } : {}),
    ...(tls.rootCertificate ? { PGSSLROOTCERT: tls.rootCertificate } : {}),
    ...(tls.certificate ? { PGSSLCERT: tls.certificate } : {}),
    ...(tls.key ? { PGSSLKEY: tls.key } : {}),
  };
}

export interface DumpSchema {
  readonly snapshot: string;
  readonly section: 'pre-data' | 'post-data';
  readonly lockTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** What `pg_dump --schema-only` prints of one section, under a snapshot. @throws HoldfastError with pg_dump's words */
export async function dumpSchema(session: Session, o: DumpSchema): Promise<string> {
  const program = await findProgram('pg_dump', session.version);
  const env = await programEnvironment(session);
  const child = spawn(
    program.path,
    [
      '--schema-only',
      `--section=${o.section}`,
      `--snapshot=${o.snapshot}`,
      `--lock-wait-timeout=${o.lockTimeoutMs}`,
      '--encoding=UTF8',
      '--no-password',
    ],
    { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const stop = (): void => void child.kill('SIGKILL');
  o.signal.addEventListener('abort', stop, { once: true });
  if (o.signal.aborted) stop();
  try {
    const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
    const [exit, output, errors] = await Promise.all([
      ended,
      collect(child.stdout, outputBytesMax, stop),
      collect(child.stderr, standardErrorMax),
    ]);
    if (o.signal.aborted) throw fromAbort(o.signal);
    // The exit code alone decides: what is printed before a failure is a schema cut short.
    if (exit.code !== 0) throw fromProgram('pg_dump', { ...exit, where: session.where }, errors.text);
    // A dump that ends without its last line is one that was cut.
    if (output.cut || !output.text.includes('\n-- PostgreSQL database dump complete\n')) {
      throw new HoldfastError('source_failed', 'pg_dump ended well, but its output is not complete', {
        hint: `is ${program.path} PostgreSQL's own?`,
      });
    }
    return output.text;
  } finally {
    o.signal.removeEventListener('abort', stop);
    stop();
  }
}

/** Reads to the end, keeps at most so many bytes. */
async function collect(
  stream: AsyncIterable<Buffer>,
  bytesMax: number,
  overflow: () => void = () => {},
): Promise<{ readonly text: string; readonly cut: boolean }> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stream) {
    bytes += part.length;
    if (bytes <= bytesMax) parts.push(part);
    else overflow();
  }
  return { text: Buffer.concat(parts).toString('utf8'), cut: bytes > bytesMax };
}
