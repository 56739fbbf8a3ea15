import {
  type AbsentDestination,
  backupName,
  type DestinationOutcome,
  type Manifest,
  type Sig,
  type SourceIdentity,
  type Stage,
  type StagedRun,
} from '@holdfast/core';
import type { BackupRequest, BackupTools } from '../api.ts';
import type { FoundBackup, FoundChain } from '../catalog/chain.ts';
import { readManifest, sha256Of } from '../manifest-file.ts';
import { afterCommit } from './commit.ts';
import { endForsaken, endKept, isOvertaken, notEnded } from './kept-changes.ts';
import { lagging, type Survey } from './survey.ts';

export interface Recovered {
  /** The newest backup that was finished now. */
  readonly finished: Finished | undefined;
  readonly notices: readonly string[];
}

export interface Finished {
  readonly manifest: Manifest;
  readonly outcomes: readonly DestinationOutcome[];
}

/**
 * Takes up what interrupted runs of this task left in staging: a run that was dumped whole is pushed and committed,
 * not dumped again; what a run left half way is removed here, at the destinations and in the source. So is what the
 * source still keeps for a run of which nothing else is left.
 */
export async function recoverRuns(
  request: BackupRequest,
  tools: BackupTools,
  survey: Survey,
  o: Sig & { readonly source: SourceIdentity },
): Promise<Recovered> {
  const notices: string[] = [];
  let finished: Finished | undefined;
  const absent = (run: StagedRun): readonly AbsentDestination[] => [
    ...survey.absent,
    ...withoutBase(run, survey),
  ];
  for (const found of await tools.staging.recover(request.task, tools.destinations, { ...o, absent })) {
    const { run } = found;
    const name = backupName(run.chain, run.sequence);
    if (found.kind === 'litter') {
      if (run.scope === 'full') await endKept(run, tools, o);
      await found.collect(o);
      notices.push(`what an interrupted run (${name}) left behind was removed`);
      continue;
    }
    // Before the stage is taken: that a destination cannot be asked now is no reason to give the run up.
    const next = stillNext(run, found.manifest, survey);
    await using stage = found.stage;
    const manifest = readManifest(found.manifest, `${name} in staging`);
    if (!next) {
      // Disposing an uncommitted stage removes what it had stored.
      if (run.scope === 'full') await endKept(run, tools, o);
      notices.push(`an interrupted run (${name}) was dropped: its chain has gone on without it`);
      continue;
    }
    await commitAgain(stage, run, tools, o);
    tools.observer({ kind: 'step', step: 'committed', detail: name });
    await survey.refresh(o);
    const { chains } = survey;
    const overtaken = isOvertaken(manifest, chains, request);
    notices.push(
      ...(overtaken ? await letGo(run, tools, o) : await afterCommit(manifest, chains, tools, o)),
      `an interrupted run was finished: ${name}`,
    );
    finished = { manifest, outcomes: stage.outcomes };
  }
  // What litter had made is ended by now, and what was whole is a chain.
  const { identity } = o.source;
  notices.push(...(await endForsaken({ ...request, identity }, survey, tools, o)));
  return { finished, notices };
}

/** Nobody will continue its chain. The backup is stored; the next full tries again what fails here. */
async function letGo(run: StagedRun, tools: BackupTools, o: Sig): Promise<string[]> {
  try {
    await endKept(run, tools, o);
    return [];
  } catch (error) {
    return [notEnded(run.chain, error)];
  }
}

/** What fails for good is not tried a third time: then nothing is kept for it in the source either. */
async function commitAgain(stage: Stage, run: StagedRun, tools: BackupTools, o: Sig): Promise<void> {
  try {
    await stage.commit(o);
  } catch (error) {
    // Only then is it known whether the backup may still come to exist.
    await stage[Symbol.asyncDispose]();
    if (run.scope === 'full' && !stage.survives) await endKept(run, tools, o);
    throw error;
  }
}

/** Where an incremental would stand without the backup that it follows. */
function withoutBase(run: StagedRun, { chains, present }: Survey): AbsentDestination[] {
  if (run.scope === 'full') return [];
  const before = (chain: FoundChain | undefined): FoundBackup | undefined =>
    chain?.backups.filter(({ manifest }) => manifest.sequence < run.sequence).at(-1);
  const base = before(chains.find(({ chain }) => chain === run.chain));
  return present
    .filter(({ destination, chains: held }) => {
      if (destination.features.writeOnly) return false;
      return before(held.find(({ chain }) => chain === run.chain))?.sha256 !== base?.sha256;
    })
    .map(({ destination }) => lagging(destination, run.chain));
}

/** Whether a sealed backup is already at a destination, or is the one that follows its chain's newest there. */
function stillNext(run: StagedRun, bytes: Uint8Array, { chains }: Survey): boolean {
  if (run.scope === 'full') return true;
  // Its seal has its hash: it is what a run of ours wrote.
  const manifest = JSON.parse(Buffer.from(bytes).toString('utf8')) as Manifest;
  const chain = chains.find((one) => one.chain === run.chain);
  const own = sha256Of(bytes);
  if (chain?.backups.some(({ sha256 }) => sha256 === own)) return true;
  return chain?.backups.at(-1)?.sha256 === manifest.previous?.sha256;
}
