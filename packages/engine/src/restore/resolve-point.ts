import { backupName, HoldfastError } from '@holdfast/core';
import type { RestoreRequest } from '../api.ts';
import { type ChainProblem, type FoundBackup, type FoundChain, missingObjects } from '../catalog/chain.ts';

/** Where a restore ends: at the end of the last of these backups, or at a moment inside it. */
export interface Point {
  readonly chain: FoundChain;
  readonly backups: readonly FoundBackup[];
  /** Source's clock. Set: only the transactions of the last backup that were committed by then. */
  readonly insideMs: number | undefined;
}

/**
 * Which backups give the point that was asked for. Never another one instead: a name that is not there, or a moment
 * that no chain covers, is refused. Pure.
 * @throws HoldfastError not_found, out_of_range, corrupt
 */
export function resolvePoint(chains: readonly FoundChain[], point: RestoreRequest['point']): Point {
  const found =
    point === undefined
      ? newest(chains)
      : 'backup' in point
        ? named(chains, point.backup)
        : moment(chains, point.timeMs);
  assertWhole(found, chains);
  return found;
}

function newest(chains: readonly FoundChain[]): Point {
  const ends = chains.flatMap((chain) => chain.backups.map((_, index) => endOf(chain, index)));
  const latest = ends.sort((a, b) => lastMs(a) - lastMs(b)).at(-1);
  if (latest) {
    refuseDamaged(chains, latest);
    return latest;
  }
  const [problem] = chains.flatMap(({ problems }) => problems);
  if (problem) throw cannotRestore(problem);
  throw new HoldfastError('not_found', 'there is no backup that restores', {
    hint: '`holdfast check` says what is wrong',
  });
}

/** What follows the newest that restores may hold later rows: an older state is not given in its place unasked. */
function refuseDamaged(chains: readonly FoundChain[], latest: Point): void {
  const later = chains.filter(({ chain }) => chain >= latest.chain.chain);
  const [problem] = later.flatMap(({ problems }) => problems);
  if (problem)
    throw cannotRestore(problem, `the newest that restores is ${nameOf(latest)} (--point ${nameOf(latest)})`);
}

function cannotRestore(problem: ChainProblem, hint?: string): HoldfastError {
  const newer = problem.kind === 'unsupported';
  return new HoldfastError(
    newer ? 'unsupported' : 'corrupt',
    `backup ${problem.backup} cannot be restored: ${problem.detail}`,
    {
      hint:
        hint ??
        (newer
          ? 'use the version of Holdfast that wrote it, or a newer one'
          : '`holdfast check` lists everything that is wrong; another destination may have it whole'),
    },
  );
}

function named(chains: readonly FoundChain[], name: string): Point {
  for (const chain of chains) {
    if (name === chain.chain && chain.backups.length > 0) {
      const end = endOf(chain, chain.backups.length - 1);
      refuseDamaged([chain], end);
      return end;
    }
    const index = chain.backups.findIndex(
      ({ manifest }) => backupName(chain.chain, manifest.sequence) === name,
    );
    if (index >= 0) return endOf(chain, index);
    const problem = chain.problems.find(
      ({ backup }) => backup === name || (name === chain.chain && chain.backups.length === 0),
    );
    if (problem) throw cannotRestore(problem);
  }
  throw new HoldfastError('not_found', `there is no backup ${name}`, {
    hint: 'name one as `holdfast list` prints it: chain/sequence',
  });
}

function moment(chains: readonly FoundChain[], timeMs: number): Point {
  const usable = chains.filter(({ backups }) => backups.length > 0);
  const covering = usable
    .filter((chain) => firstMs(chain) <= timeMs && lastMs(wholeOf(chain)) >= timeMs)
    .sort((a, b) => firstMs(a) - firstMs(b))
    .at(-1);
  if (!covering) throw damagedThere(chains, timeMs) ?? uncovered(usable, timeMs);
  const index = covering.backups.findIndex(({ manifest }) => manifest.to.timeMs >= timeMs);
  const backups = covering.backups.slice(0, index + 1);
  const exactEnd = backups.at(-1)?.manifest.to.timeMs === timeMs;
  return { chain: covering, backups, insideMs: exactEnd ? undefined : timeMs };
}

/** A backup that cannot be read does not say when it was made: it may be the one that held this moment. */
function damagedThere(chains: readonly FoundChain[], timeMs: number): HoldfastError | undefined {
  const before = chains
    .filter((chain) => firstMs(chain) <= timeMs)
    .sort((a, b) => (a.chain < b.chain ? -1 : 1));
  const problem = before.at(-1)?.problems[0];
  return (
    problem &&
    cannotRestore(problem, `it may hold ${new Date(timeMs).toISOString()}, which no other backup covers`)
  );
}

function uncovered(chains: readonly FoundChain[], timeMs: number): HoldfastError {
  const at = (ms: number): string => new Date(ms).toISOString();
  const spans = chains
    .map((chain) => ({ from: firstMs(chain), to: lastMs(wholeOf(chain)), chain }))
    .sort((a, b) => a.from - b.from);
  const [first] = spans;
  const last = spans.reduce(
    (latest, span) => (span.to > latest.to ? span : latest),
    first ?? { from: 0, to: 0, chain: undefined },
  );
  if (!first) return new HoldfastError('not_found', 'there is no backup that restores');
  if (timeMs < first.from)
    return new HoldfastError(
      'out_of_range',
      `${at(timeMs)} lies before the first restore point, ${at(first.from)}`,
      {
        hint: 'choose a later moment; nothing earlier was backed up',
      },
    );
  if (timeMs > last.to)
    return new HoldfastError(
      'out_of_range',
      `${at(timeMs)} lies after the last restore point, ${at(last.to)}`,
      {
        hint: 'leave out --point for the newest state, or make a backup first',
      },
    );
  const before = spans
    .filter((span) => span.to < timeMs)
    .sort((a, b) => a.to - b.to)
    .at(-1);
  const after = spans.find((span) => span.from > timeMs);
  return new HoldfastError(
    'out_of_range',
    `no chain covers ${at(timeMs)}: chain ${before?.chain.chain} ends at ${at(before?.to ?? 0)}, chain ${after?.chain.chain} begins at ${at(after?.from ?? 0)}`,
    { hint: 'name one of the two (--point CHAIN/SEQUENCE)' },
  );
}

/** Everything that the restore would read must be there: found out now, not half way. */
function assertWhole({ chain, backups }: Point, chains: readonly FoundChain[]): void {
  const needed = new Set(backups.map(({ manifest }) => backupName(chain.chain, manifest.sequence)));
  const [missing] = missingObjects(chain).filter(({ backup }) => needed.has(backup));
  if (!missing) return;
  const other = chains
    .flatMap((one) => one.backups.map((_, index) => endOf(one, index)))
    .filter((one) =>
      missingObjects(one.chain).every(
        ({ backup }) =>
          !one.backups.some(({ manifest }) => backupName(one.chain.chain, manifest.sequence) === backup),
      ),
    )
    .sort((a, b) => lastMs(a) - lastMs(b))
    .at(-1);
  throw new HoldfastError('corrupt', `backup ${missing.backup} is not whole: ${missing.detail}`, {
    hint: other
      ? `the newest that restores is ${nameOf(other)} (--point ${nameOf(other)})`
      : 'restore the missing object from another copy',
  });
}

function endOf(chain: FoundChain, index: number): Point {
  return { chain, backups: chain.backups.slice(0, index + 1), insideMs: undefined };
}

function wholeOf(chain: FoundChain): Point {
  return endOf(chain, chain.backups.length - 1);
}

function firstMs(chain: FoundChain): number {
  return chain.backups[0]?.manifest.to.timeMs ?? 0;
}

function lastMs(point: Point): number {
  return point.backups.at(-1)?.manifest.to.timeMs ?? 0;
}

function nameOf(point: Point): string {
  return backupName(point.chain.chain, point.backups.at(-1)?.manifest.sequence ?? 0);
}
