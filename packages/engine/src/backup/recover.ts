import {
  backupName,
  HoldfastError,
  type Manifest,
  type Sig,
  type Stage,
  type StagedRun,
} from '@holdfast/core';
import type { BackupRequest, BackupTools } from '../api.ts';
import { findChains } from '../catalog/find-chains.ts';
import { readManifest, sha256Of } from '../manifest-file.ts';
import { afterCommit } from './commit.ts';

export interface Recovered {
  /** Of the newest backup that was finished now. */
  readonly manifest: Manifest | undefined;
  readonly notices: readonly string[];
}

/**
 * Takes up what interrupted runs of this task left in staging: a run that was dumped whole is pushed and committed,
 * not dumped again; what a run left half way is removed here, at the destinations and in the source.
 */
export async function recoverRuns(request: BackupRequest, tools: BackupTools, o: Sig): Promise<Recovered> {
  const notices: string[] = [];
  let finished: Manifest | undefined;
  for (const found of await tools.staging.recover(request.task, tools.destinations, o)) {
    const { run } = found;
    const name = backupName(run.chain, run.sequence);
    if (found.kind === 'litter') {
      if (run.scope === 'full') await tools.source.forgetChanges({ ...o, label: run.label });
      await found.collect(o);
      notices.push(`what an interrupted run (${name}) left behind was removed`);
      continue;
    }
    await using stage = found.stage;
    const manifest = readManifest(found.manifest, `${name} in staging`);
    if (!(await stillNext(manifest, found.manifest, tools, o))) {
      // Disposing an uncommitted stage removes what it had stored.
      if (run.scope === 'full') await tools.source.forgetChanges({ ...o, label: run.label });
      notices.push(`an interrupted run (${name}) was dropped: its chain has gone on without it`);
      continue;
    }
    await commitAgain(stage, run, tools, o);
    tools.observer({ kind: 'step', step: 'committed', detail: name });
    const chains = await findChains(firstOf(tools), request.task, o);
    notices.push(
      ...(await afterCommit(manifest, chains, tools, o)),
      `an interrupted run was finished: ${name}`,
    );
    finished = manifest;
  }
  return { manifest: finished, notices };
}

/** What fails for good is not tried a third time: then nothing is kept for it in the source either. */
async function commitAgain(stage: Stage, run: StagedRun, tools: BackupTools, o: Sig): Promise<void> {
  try {
    await stage.commit(o);
  } catch (error) {
    const failure = HoldfastError.from(error);
    const passes = failure.retryable || failure.code === 'cancelled';
    // Only then is it known whether a manifest that was begun is anywhere.
    await stage[Symbol.asyncDispose]();
    if (run.scope === 'full' && !passes && !stage.mayExist)
      await tools.source.forgetChanges({ ...o, label: run.label });
    throw failure;
  }
}

/** Whether a sealed backup is already at the destination, or is the one that follows its chain's newest there. */
async function stillNext(
  manifest: Manifest,
  bytes: Uint8Array,
  tools: BackupTools,
  o: Sig,
): Promise<boolean> {
  if (manifest.scope === 'full') return true;
  const chains = await findChains(firstOf(tools), manifest.task, o);
  const chain = chains.find((one) => one.chain === manifest.chain);
  const own = sha256Of(bytes);
  if (chain?.backups.some(({ sha256 }) => sha256 === own)) return true;
  return chain?.backups.at(-1)?.sha256 === manifest.previous?.sha256;
}

function firstOf(tools: BackupTools): BackupTools['destinations'][number] {
  const [first] = tools.destinations;
  if (!first) throw new HoldfastError('config_invalid', 'a backup needs at least one destination');
  return first;
}
