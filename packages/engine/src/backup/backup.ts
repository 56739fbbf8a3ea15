import { createHash } from 'node:crypto';
import {
  backupName,
  chainName,
  type DestinationOutcome,
  HoldfastError,
  type Manifest,
  type Sig,
  type SourceIdentity,
} from '@holdfast/core';
import type { BackupReport, BackupRequest, BackupTools } from '../api.ts';
import type { FoundChain } from '../catalog/chain.ts';
import { decideScope, type FullAnswer } from './decide-scope.ts';
import { makeFull } from './full.ts';
import { makeIncremental } from './incremental.ts';
import { recoverRuns } from './recover.ts';
import { Survey } from './survey.ts';

/** What one attempt at a backup works with. */
export interface Run {
  readonly request: BackupRequest;
  readonly tools: BackupTools;
  readonly startedAtMs: number;
  /** As it was found before anything was made. */
  readonly source: SourceIdentity;
  /** Which destinations take part, and what they hold. */
  readonly survey: Survey;
  /** Newest first. */
  readonly chains: readonly FoundChain[];
  readonly notices: string[];
}

/** What an attempt made, or found unchanged. */
export interface Made {
  readonly manifest: Manifest;
  readonly reason: string;
  readonly stored: boolean;
  /** Where it went. */
  readonly outcomes: readonly DestinationOutcome[];
}

/**
 * Makes one backup of a source: takes up what an interrupted run left, decides what to make, makes it, and commits it.
 * @throws HoldfastError whatever a stage met; then nothing is stored that was not before
 */
export async function backup(request: BackupRequest, tools: BackupTools, o: Sig): Promise<BackupReport> {
  const { source, destinations, staging, observer, clock } = tools;
  const startedMs = clock.elapsed();
  const notices: string[] = [];
  const info = await source.inspect(o);
  const [unmet] = info.unmetForFull;
  if (unmet)
    throw new HoldfastError(unmet.code ?? 'precondition_failed', unmet.message, { hint: unmet.hint });
  await using survey = await Survey.prepare(tools, { ...o, task: request.task, neverOn: info.folders });
  notices.push(...survey.notices, ...(await staging.prepare({ ...o, neverOn: info.folders })));
  await using _lock = await staging.lock(request.task, destinations);
  await survey.look();
  await rememberLost(request, info, tools, o);
  const recovered = await recoverRuns(request, tools, survey, { ...o, source: info });
  notices.push(...recovered.notices);
  observer({ kind: 'step', step: 'source-checked' });
  const run: Run = {
    request,
    tools,
    startedAtMs: clock.now(),
    source: info,
    survey,
    chains: survey.chains,
    notices,
  };
  const { finished } = recovered;
  if (finished && request.scope === 'full' && countsAsFull(finished.manifest, request))
    return report(
      run,
      { ...finished, reason: 'an interrupted run was finished', stored: true },
      startedMs,
      'resumed',
    );
  const answer = decideScope({
    ...request,
    keepChanges: request.keepChanges,
    source: info,
    unmet: info.unmetForIncremental,
    chains: run.chains,
  });
  const made =
    answer.scope === 'full' ? await full(run, answer, undefined, o) : await continueChain(run, answer, o);
  observer({ kind: 'step', step: 'cleaned-up' });
  return report(run, made, startedMs, made.stored ? 'stored' : 'unchanged');
}

/**
 * Of runs that were lost with their nodes: as if they were ours, for then what they keep is ended as ours is, and is not
 * forgotten before that. What staging knows already was a run of this very node, which may still be finished from here.
 */
async function rememberLost(
  { task, forsaken = [] }: BackupRequest,
  { identity }: SourceIdentity,
  { staging, destinations }: BackupTools,
  o: Sig,
): Promise<void> {
  if (forsaken.length === 0) return;
  const known = new Set((await staging.listKept(task, destinations, o)).map(({ label }) => label));
  for (const run of forsaken) {
    const label = labelOf(task, run);
    if (known.has(label)) continue;
    await staging.rememberKept({ task, label, chain: `of run ${run}`, identity }, destinations, o);
  }
}

/** A full that waited for its destination since before this one was due is no substitute for it. */
function countsAsFull(finished: Manifest, { resumedSinceMs }: BackupRequest): boolean {
  return (
    finished.scope === 'full' && (resumedSinceMs === undefined || finished.startedAtMs >= resumedSinceMs)
  );
}

async function full(run: Run, answer: FullAnswer, gap: Manifest['gap'], o: Sig): Promise<Made> {
  run.notices.push(...answer.notices);
  const chain = freeChainName(run);
  return makeFull(
    run,
    {
      chain,
      label: labelOf(run.request.task, run.request.run ?? chain),
      keepChanges: answer.keepChanges,
      reason: answer.reason,
      gap,
    },
    o,
  );
}

/** Tries the chains that might be continued; what the source says it has lost becomes a full and a recorded gap. */
async function continueChain(
  run: Run,
  answer: Extract<ReturnType<typeof decideScope>, { scope: 'incremental' }>,
  o: Sig,
): Promise<Made> {
  let lost: { readonly error: HoldfastError; readonly chain: FoundChain } | undefined;
  for (const chain of answer.candidates) {
    try {
      return await makeIncremental(run, { chain, label: labelOf(run.request.task, chain.chain) }, o);
    } catch (error) {
      const failure = HoldfastError.from(error);
      if (failure.code !== 'precondition_failed' || !failure.reason.startsWith('continuity lost'))
        throw failure;
      lost ??= { error: failure, chain };
    }
  }
  if (!answer.orFull) throw lost?.error ?? new HoldfastError('internal', 'no chain was tried');
  const since = lost?.chain.backups.at(-1)?.manifest.to;
  const gap = lost && { reason: lost.error.reason, ...(since && { since }) };
  if (lost) run.notices.push(lost.error.reason);
  return full(run, { ...answer.orFull, reason: lost?.error.reason ?? answer.orFull.reason }, gap, o);
}

/** Two fulls begun in one second get names a second apart: a name is used once. */
function freeChainName(run: Run): string {
  const taken = new Set(run.chains.map(({ chain }) => chain));
  for (let atMs = run.startedAtMs; ; atMs += 1000) {
    const name = chainName(atMs, run.request.node, run.request.generation);
    if (!taken.has(name)) return name;
  }
}

/** Short, unique to the chain or run, and telling: names what is made in the source for it. */
function labelOf(task: string, made: string): string {
  const hash = createHash('sha256').update(`${task}/${made}`).digest('hex').slice(0, 12);
  return `${task.replace(/[^a-z0-9]+/g, '_').slice(0, 26)}_${hash}`;
}

function report(run: Run, made: Made, startedMs: number, outcome: BackupReport['outcome']): BackupReport {
  const { manifest, reason, outcomes } = made;
  const stored = outcome !== 'unchanged';
  return {
    outcome,
    task: manifest.task,
    scope: outcome === 'unchanged' ? 'incremental' : manifest.scope,
    backup: backupName(manifest.chain, manifest.sequence),
    reason,
    to: manifest.to,
    rows: stored ? manifest.totals.rows : 0,
    changes: stored ? changesOf(manifest) : 0,
    rawBytes: stored ? manifest.totals.rawBytes : 0,
    storedBytes: stored ? manifest.totals.storedBytes : 0,
    segments: stored ? manifest.segments.length : 0,
    // One for each that was asked for, in that order; an interrupted run may have gone to fewer.
    destinations: run.tools.destinations.map(
      ({ description: destination }) =>
        outcomes.find((one) => one.destination === destination) ?? { destination, stored: false },
    ),
    durationsMs: {
      ...(stored ? manifest.durationsMs : {}),
      all: Math.round(run.tools.clock.elapsed() - startedMs),
    },
    notices: run.notices,
    ...(manifest.gap && stored && { gap: manifest.gap.reason }),
  };
}

function changesOf(manifest: Manifest): number {
  const counts = manifest.chunks.flatMap(({ tables }) => Object.values(tables ?? {}));
  return counts.reduce((sum, count) => sum + count, 0);
}
