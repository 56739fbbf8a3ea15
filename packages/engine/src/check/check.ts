import {
  backupName,
  type ChunkEntry,
  type Destination,
  HoldfastError,
  isChainName,
  matchesPath,
  type Sig,
} from '@holdfast/core';
import type { CheckFinding, CheckReport, CheckRequest, Tools } from '../api.ts';
import type { FoundBackup, FoundChain } from '../catalog/chain.ts';
import { findTasks } from '../catalog/find-chains.ts';
import { Pool } from '../pool/pool.ts';
import type { CheckInit, CheckJob, ChunkDamage } from './check-role.ts';
import { sortOutCold } from './sort-out-cold.ts';

/** A job is at most this much of a segment: enough to read in one go, little enough to share among workers. */
const jobBytesMax = 16 * 1024 * 1024;
const inlineBytesMax = 8 * 1024 * 1024;

/**
 * Re-reads backups and lists everything that is wrong, and nothing else: each chunk by its path, manifests and chains
 * by their names. What has to be thawed before it can be read is only looked at, and counted apart. Changes nothing.
 * @throws HoldfastError not_found when nothing matches what was asked for, and whatever the destination meets
 */
export async function check(
  request: CheckRequest,
  tools: Tools & { readonly destination: Destination },
  o: Sig,
): Promise<CheckReport> {
  const startedMs = tools.clock.elapsed();
  const selection = new Selection(request.paths);
  const tasks = await findTasks(tools.destination, { ...o, task: request.task });
  const chains = tasks.flatMap((task) => task.chains).filter((chain) => selection.hasChain(chain.chain));
  const findings: CheckFinding[] = [];
  const jobs: CheckJob[] = [];
  let backups = 0;
  let chunks = 0;
  for (const chain of chains) {
    findings.push(...chainFindings(chain, selection));
    for (const found of chain.backups) {
      const chosen = found.manifest.chunks.filter((chunk) =>
        selection.hasChunk(chain.chain, found.manifest.sequence, chunk.path),
      );
      if (chosen.length === 0 && !selection.hasBackup(chain.chain, found.manifest.sequence)) continue;
      backups++;
      chunks += chosen.length;
      jobs.push(...plan(chain, found, chosen, findings));
    }
  }
  if (backups === 0 && findings.length === 0) throw nothingFound(request);
  const { readable, unread } = await sortOutCold(jobs, chains, tools.destination, o);
  const rows = await reread(readable, tools, findings, o);
  return {
    findings: findings.sort(byPlace),
    backups,
    chunks: chunks - (unread?.chunks ?? 0),
    rows,
    storedBytes: readable.reduce((sum, job) => sum + bytesOf(job), 0),
    ...(unread && { unread }),
    durationMs: Math.round(tools.clock.elapsed() - startedMs),
  };
}

async function reread(
  jobs: readonly CheckJob[],
  tools: Tools & { readonly destination: Destination },
  findings: CheckFinding[],
  o: Sig,
): Promise<number> {
  const totalBytes = jobs.reduce((sum, job) => sum + bytesOf(job), 0);
  let doneBytes = 0;
  let rowsDone = 0;
  await using pool = new Pool<CheckInit, CheckJob, ChunkDamage[], undefined>({
    clock: tools.clock,
    role: new URL('./check-role.ts', import.meta.url).href,
    init: { destination: tools.destination.token },
    workers: totalBytes < inlineBytesMax ? 0 : Math.min(tools.workersMax, jobs.length),
    progress: (bytes, rows) => {
      doneBytes += bytes;
      rowsDone += rows;
      tools.observer({ kind: 'progress', phase: 'checking', doneBytes, totalBytes, rows: rowsDone });
    },
    signal: o.signal,
  });
  await pool.run(jobs, (damages, job) => {
    for (const { path, finding, detail } of damages)
      findings.push({ finding, task: job.task, backup: job.backup, path, object: job.key, detail });
  });
  await pool.end();
  return rowsDone;
}

/** Jobs for the chunks whose bytes can be there; findings for those whose bytes cannot. */
function plan(
  chain: FoundChain,
  { manifest, key }: FoundBackup,
  chosen: readonly ChunkEntry[],
  findings: CheckFinding[],
): CheckJob[] {
  const { task } = chain;
  const backup = backupName(chain.chain, manifest.sequence);
  const folder = key.slice(0, key.lastIndexOf('/'));
  const jobs: CheckJob[] = [];
  for (const [index, segment] of manifest.segments.entries()) {
    const object = `${folder}/${segment.name}`;
    const bytes = chain.objects.get(segment.name);
    const inside = chosen.filter((chunk) => chunk.segment === index);
    const report = (finding: CheckFinding['finding'], detail: string, path?: string): void => {
      findings.push({ finding, task, backup, ...(path !== undefined && { path }), object, detail });
    };
    const readable: ChunkEntry[] = [];
    for (const chunk of inside) {
      if (bytes === undefined) report('missing', `segment ${segment.name} is not there`, chunk.path);
      else if (bytes === 0) report('empty', `segment ${segment.name} is empty`, chunk.path);
      else if (chunk.offset + chunk.bytes > bytes)
        report(
          'wrong size',
          `segment ${segment.name} has ${bytes} bytes instead of ${segment.bytes}`,
          chunk.path,
        );
      else readable.push(chunk);
    }
    if (inside.length > 0 && bytes !== undefined && bytes > segment.bytes)
      report('wrong size', `segment ${segment.name} has ${bytes} bytes instead of ${segment.bytes}`);
    jobs.push(...split(readable).map((chunks) => ({ key: object, backup, task, chunks })));
  }
  return jobs;
}

/** Stretches of neighbouring chunks. */
function split(chunks: readonly ChunkEntry[]): ChunkEntry[][] {
  const stretches: ChunkEntry[][] = [];
  let bytes = 0;
  for (const chunk of chunks) {
    const last = stretches.at(-1);
    const before = last?.at(-1);
    if (
      last &&
      before &&
      before.offset + before.bytes === chunk.offset &&
      bytes + chunk.bytes <= jobBytesMax
    ) {
      last.push(chunk);
      bytes += chunk.bytes;
    } else {
      stretches.push([chunk]);
      bytes = chunk.bytes;
    }
  }
  return stretches;
}

function chainFindings(chain: FoundChain, selection: Selection): CheckFinding[] {
  return chain.problems
    .filter(({ backup }) => selection.hasBackup(chain.chain, Number(backup.split('/')[1])))
    .map(({ kind, key, backup, detail }) => ({
      finding: kind === 'unsupported' ? 'altered manifest' : kind,
      task: chain.task,
      backup,
      object: key,
      detail,
    }));
}

/** What of all the backups was asked for: backups, chains, chunk paths with wildcards; nothing said: everything. */
class Selection {
  readonly #backups: ReadonlySet<string>;
  readonly #patterns: readonly string[];

  constructor(paths: readonly string[]) {
    this.#patterns = paths.filter((path) => path.startsWith('/'));
    this.#backups = new Set(paths.filter((path) => !path.startsWith('/')));
    for (const name of this.#backups) {
      const [chain = '', sequence, ...rest] = name.split('/');
      if (!isChainName(chain) || rest.length > 0 || (sequence !== undefined && !/^\d+$/.test(sequence)))
        throw new HoldfastError('config_invalid', `${name} is neither a chunk path nor a backup`, {
          hint: 'chunk paths begin with a slash (/public.orders, with % and ? as wildcards); `holdfast list` names backups',
        });
    }
  }

  hasChain(chain: string): boolean {
    return this.#backups.size === 0 || [...this.#backups].some((name) => name.split('/')[0] === chain);
  }

  hasBackup(chain: string, sequence: number): boolean {
    if (this.#patterns.length > 0 && this.#backups.size === 0) return false;
    return this.#namesBackup(chain, sequence);
  }

  hasChunk(chain: string, sequence: number, path: string): boolean {
    if (!this.#namesBackup(chain, sequence)) return false;
    return this.#patterns.length === 0 || this.#patterns.some((pattern) => matchesPath(path, pattern));
  }

  #namesBackup(chain: string, sequence: number): boolean {
    if (this.#backups.size === 0 || this.#backups.has(chain)) return true;
    return this.#backups.has(backupName(chain, sequence));
  }
}

function nothingFound(request: CheckRequest): HoldfastError {
  const what =
    request.paths.length > 0
      ? `nothing there matches ${request.paths.join(', ')}`
      : 'there is no backup there';
  return new HoldfastError('not_found', request.task ? `task ${request.task}: ${what}` : what, {
    hint: '`holdfast list --at …` shows what is there',
  });
}

function bytesOf(job: CheckJob): number {
  return job.chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
}

function byPlace(a: CheckFinding, b: CheckFinding): number {
  return `${a.task}/${a.backup}${a.path ?? ''}` < `${b.task}/${b.backup}${b.path ?? ''}` ? -1 : 1;
}
