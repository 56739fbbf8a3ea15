import { type Destination, HoldfastError, type Sig, type Staging, throwIfAborted } from '@holdfast/core';
import type { CopyReport, CopyRequest, Tools } from '../api.ts';
import { type FoundChain, isWhole, mergeChains } from '../catalog/chain.ts';
import { findChains } from '../catalog/find-chains.ts';
import { bringUpChain, isHeld } from './bring-up.ts';

export interface CopyTools extends Pick<Tools, 'clock'> {
  /** To copy from; one that cannot be reached is passed over while another one can. */
  readonly from: readonly Destination[];
  readonly to: Destination;
  readonly staging: Staging;
}

/**
 * Brings a task's backups to a destination that lacks them, oldest first, without asking the database for anything. It
 * is idempotent: what is there is not sent again, and what broke off is gone on with.
 * @throws HoldfastError what the destination met; then what was brought before is there, and whole
 */
export async function copy(request: CopyRequest, tools: CopyTools, o: Sig): Promise<CopyReport> {
  const { to, staging, clock } = tools;
  const { task } = request;
  const startedMs = clock.elapsed();
  await using _lock = await waitForTurn(task, tools, o);
  const notices = [...(await to.prepare(o))];
  if (to.features.writeOnly) {
    throw new HoldfastError(
      'permission_denied',
      `what ${to.description} lacks cannot be seen: its credentials may only write`,
      {
        hint: 'give Holdfast the right to list and read there, or wait for the next full backup',
      },
    );
  }
  const { chains, sources } = await readAll(task, tools, o, notices);
  const held = await findChains(to, task, o);
  const wanted = request.chains === 'all' ? chains : newerThan(held, chains);
  const backups: string[] = [];
  const problems: string[] = [];
  let bytes = 0;
  for (const chain of wanted) {
    throwIfAborted(o.signal);
    const problem = await bringOne(chain, {
      held: held.find((one) => one.chain === chain.chain),
      sources,
      tools,
      signal: o.signal,
      onBackup: (backup, sent) => {
        backups.push(backup);
        bytes += sent;
      },
    });
    if (problem !== undefined) problems.push(problem);
  }
  await letGoOfStaging(task, to, chains, staging, o);
  return {
    task,
    to: to.description,
    backups,
    bytes,
    backupsThere: wanted.reduce((sum, chain) => sum + chain.backups.length, 0) - backups.length,
    problems,
    notices,
    durationMs: Math.round(clock.elapsed() - startedMs),
  };
}

interface BringOne extends Sig {
  readonly held: FoundChain | undefined;
  readonly sources: readonly Source[];
  readonly tools: CopyTools;
  readonly onBackup: (backup: string, bytes: number) => void;
}

/** What keeps one chain from being copied does not keep the others; what the destination itself meets does. */
async function bringOne(chain: FoundChain, o: BringOne): Promise<string | undefined> {
  const { held, sources, tools, signal, onBackup } = o;
  const from = sources
    .filter(({ chains }) => chains.some((one) => one.chain === chain.chain))
    .map(({ destination }) => destination);
  try {
    const { to, staging } = tools;
    await bringUpChain({ chain, to, index: 0, held, from, staging, signal, onBackup });
  } catch (error) {
    const failure = HoldfastError.from(error);
    if (failure.code !== 'precondition_failed' && failure.code !== 'not_found') throw failure;
    return failure.message;
  }
  const [broken] = chain.problems;
  return broken && `chain ${chain.chain} is not whole where it was copied from: ${broken.detail}`;
}

/** A run that writes there just now has the first turn. */
async function waitForTurn(task: string, { to, staging }: CopyTools, o: Sig): Promise<AsyncDisposable> {
  const lock = await staging.lockDestination(task, to, { ...o, wait: true });
  if (!lock) throw new HoldfastError('internal', 'a lock that was waited for was not given');
  return lock;
}

interface Source {
  readonly destination: Destination;
  readonly chains: readonly FoundChain[];
}

async function readAll(
  task: string,
  { from, to }: CopyTools,
  o: Sig,
  notices: string[],
): Promise<{ chains: readonly FoundChain[]; sources: readonly Source[] }> {
  const sources: Source[] = [];
  const failures: HoldfastError[] = [];
  for (const destination of from) {
    if (destination.description === to.description) continue;
    try {
      sources.push({ destination, chains: await findChains(destination, task, o) });
    } catch (error) {
      throwIfAborted(o.signal);
      const failure = HoldfastError.from(error);
      failures.push(failure);
      notices.push(`${destination.description} cannot be copied from now: ${failure.message}`);
    }
  }
  if (sources.length === 0)
    throw failures[0] ?? new HoldfastError('config_invalid', 'there is no other destination to copy from');
  // Oldest first: who has to wait for the rest can restore the past at least, and incrementals come after their full.
  const chains = mergeChains(sources.map((source) => source.chains)).sort((a, b) =>
    a.chain < b.chain ? -1 : 1,
  );
  if (chains.length === 0) {
    throw new HoldfastError('not_found', `there are no backups of task ${task} to copy`, {
      hint: `looked at ${sources.map(({ destination }) => destination.description).join(', ')}`,
    });
  }
  return { chains, sources };
}

/**
 * What a destination that fell behind lacks: the rest of chains that it has, and all that began after its newest one.
 * Older chains that it does not have it has let go, or never had; those are for whoever asks for all. An empty one gets
 * the newest chain.
 */
function newerThan(held: readonly FoundChain[], chains: readonly FoundChain[]): readonly FoundChain[] {
  if (held.length === 0) return chains.filter(isWhole).slice(-1);
  // By the source's time: that of a node may go back, and chains are named by it.
  const beganMs = ({ backups }: FoundChain): number => backups[0]?.manifest.to.timeMs ?? 0;
  const newestMs = Math.max(...held.map(beganMs));
  const has = new Set(held.map(({ chain }) => chain));
  return chains.filter((chain) => has.has(chain.chain) || beganMs(chain) > newestMs);
}

/** Runs that staging kept for this destination need not be kept for it any more once it holds them. */
async function letGoOfStaging(
  task: string,
  to: Destination,
  chains: readonly FoundChain[],
  staging: Staging,
  o: Sig,
): Promise<void> {
  const now = await findChains(to, task, o);
  await staging.settle(
    task,
    to,
    ({ chain, sequence }) => {
      const wanted = chains
        .find((one) => one.chain === chain)
        ?.backups.find(({ manifest }) => manifest.sequence === sequence);
      const there = now.find((one) => one.chain === chain);
      // What nobody has any more cannot be waited for.
      return wanted === undefined || isHeld(wanted, there);
    },
    o,
  );
}
