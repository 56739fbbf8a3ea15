import {
  type AbsentDestination,
  type DestinationOutcome,
  HoldfastError,
  type Manifest,
  type SettledChanges,
  type Sig,
  type Stage,
  throwIfAborted,
} from '@holdfast/core';
import { type FoundBackup, type FoundChain, isWhole } from '../catalog/chain.ts';
import { findChains } from '../catalog/find-chains.ts';
import { bringUpChain } from '../copy/bring-up.ts';
import type { Made, Run } from './backup.ts';
import { afterCommit, commitRun, completeManifest, type Draft, nextSequence } from './commit.ts';
import { knownDigests } from './known-digests.ts';
import { RunWriter } from './run-writer.ts';
import { stopwatch } from './stopwatch.ts';
import { lagging, type Place } from './survey.ts';

export interface IncrementalPlan {
  readonly chain: FoundChain;
  readonly label: string;
}

/** What an incremental may write before it knows how much it is. */
const reserveBytes = 64 * 1024 * 1024;

/**
 * Makes an incremental of a chain, or finds that nothing changed and writes nothing.
 * @throws HoldfastError precondition_failed `continuity lost: …` when the source cannot say what changed
 */
export async function makeIncremental(run: Run, plan: IncrementalPlan, o: Sig): Promise<Made> {
  const { request, tools, startedAtMs } = run;
  const { chain, label } = plan;
  const base = chain.backups.at(-1);
  if (!base) throw new HoldfastError('internal', `chain ${chain.chain} has no backup to follow`);
  await bringUpToQuorum(run, chain, o);
  const absent = [
    ...run.survey.absent,
    ...lacking(run, chain).map(({ destination }) => lagging(destination, chain.chain)),
  ];
  const sequence = nextSequence(copiesOf(run, chain));
  await using stage = await tools.staging.openRun(
    { task: request.task, chain: chain.chain, sequence, scope: 'incremental', label, startedAtMs },
    tools.destinations,
    { ...o, absent },
  );
  tools.observer({ kind: 'step', step: 'run-created' });
  const signal = AbortSignal.any([o.signal, stage.signal]);
  try {
    const draft = await dump(run, { ...plan, base, sequence }, stage, { signal });
    if (!draft)
      return {
        manifest: base.manifest,
        reason: 'nothing changed since',
        stored: false,
        outcomes: unchangedAt(run, absent),
      };
    const manifest = completeManifest(draft, tools.clock.now());
    await commitRun(stage, manifest, tools, { signal });
    run.notices.push(...(await afterCommit(manifest, run.chains, tools, o)));
    return {
      manifest,
      reason: `it continues chain ${chain.chain}`,
      stored: true,
      outcomes: stage.outcomes,
    };
  } catch (error) {
    throw stage.signal.aborted ? HoldfastError.from(stage.signal.reason) : error;
  }
}

function unchangedAt(run: Run, absent: readonly AbsentDestination[]): DestinationOutcome[] {
  return run.tools.destinations.map((one): DestinationOutcome => {
    const why = absent.find(({ destination }) => destination === one)?.error;
    const outcome = { destination: one.description, stored: why === undefined };
    return why ? { ...outcome, behind: true, error: why.toRecord() } : outcome;
  });
}

interface Dump extends IncrementalPlan {
  readonly base: FoundBackup;
  readonly sequence: number;
}

async function dump(run: Run, plan: Dump, stage: Stage, o: Sig): Promise<Draft | undefined> {
  const { request, tools, startedAtMs } = run;
  const { source, observer, workersMax } = tools;
  const { base, chain, sequence } = plan;
  const watch = stopwatch(tools.clock);
  await using changeView = await source.openIncremental({
    since: base.manifest.to,
    state: base.manifest.state,
    label: plan.label,
    ...o,
  });
  watch.lap('open');
  await stage.reserve(reserveBytes, o);
  await using writer = new RunWriter({
    stage,
    sequence,
    scope: 'incremental',
    image: false,
    workersMax,
    observer,
    clock: tools.clock,
  });
  await writer.writeChanges(changeView.changes(o), o);
  watch.lap('changes');
  const settled = await changeView.settle(o);
  run.notices.push(...settled.view.notices);
  observer({ kind: 'step', step: 'view-opened', detail: settled.view.mark.position });
  await writer.writeView(settled.view, { ...o, known: known(chain, settled) });
  watch.lap('read');
  if (!settled.changed && writer.empty) return undefined;
  const written = writer.finish();
  observer({ kind: 'step', step: 'dump-finished' });
  return {
    task: request.task,
    chain: chain.chain,
    sequence,
    scope: 'incremental',
    type: base.manifest.type,
    node: request.node,
    generation: request.generation,
    source: settled.view.source,
    from: base.manifest.to,
    to: settled.view.mark,
    previous: { sequence: base.manifest.sequence, sha256: base.sha256 },
    ...written,
    replaced: [...new Set([...settled.replaced, ...comparedAndWritten(settled, written.chunks)])],
    dropped: settled.dropped,
    state: settled.view.state ?? null,
    startedAtMs,
    durationsMs: watch.laps(),
  };
}

/** What compared chunks are compared with; what this backup voids anyway has nothing to be compared with. */
function known(chain: FoundChain, settled: SettledChanges): ReadonlyMap<string, string> {
  const voiding = { replaced: settled.replaced, dropped: settled.dropped, chunks: [] };
  const manifests = chain.backups.map(({ manifest }) => manifest);
  const head = manifests.at(-1);
  return knownDigests(head ? [...manifests, { ...head, ...voiding }] : manifests);
}

/** A compared chunk of rows that was written is new content of its path: what was there before is void. */
function comparedAndWritten(settled: SettledChanges, chunks: Manifest['chunks']): string[] {
  const compared = new Set(settled.view.chunks.filter(({ compare }) => compare).map(({ path }) => path));
  return chunks.filter(({ kind, path }) => kind === 'rows' && compared.has(path)).map(({ path }) => path);
}

function copiesOf(run: Run, { chain }: FoundChain): FoundChain[] {
  return run.survey.present.flatMap(({ chains }) => chains.filter((one) => one.chain === chain));
}

/**
 * Destinations that take part and do not hold the chain whole: an incremental would be worth nothing there. What cannot be
 * read is taken on trust to hold what was sent there.
 */
function lacking(run: Run, chain: FoundChain): Place[] {
  const newest = chain.backups.at(-1)?.sha256;
  return run.survey.present.filter(({ destination, chains }) => {
    if (destination.features.writeOnly) return false;
    const copy = chains.find((one) => one.chain === chain.chain);
    return !copy || !isWhole(copy) || copy.backups.at(-1)?.sha256 !== newest;
  });
}

/**
 * Enough destinations must hold the chain for its next backup to count. Where too few do, others are brought up to date
 * first, from those that hold it, rather than asking the database for everything anew.
 * @throws HoldfastError precondition_failed `continuity lost: …` when too few can be
 */
async function bringUpToQuorum(run: Run, chain: FoundChain, o: Sig): Promise<void> {
  const { survey, tools } = run;
  const behind = lacking(run, chain);
  let holding = survey.present.length - behind.length;
  const from = survey.present
    .map(({ destination }) => destination)
    .filter((one) => !behind.some(({ destination }) => destination === one));
  let failure: HoldfastError | undefined;
  for (const place of behind) {
    if (holding >= survey.required) return;
    const { destination: to, index, chains } = place;
    const held = chains.find((one) => one.chain === chain.chain);
    try {
      const brought = await bringUpChain({
        chain,
        to,
        index,
        held,
        from,
        staging: tools.staging,
        signal: o.signal,
      });
      place.chains = await findChains(to, chain.task, o);
      run.notices.push(
        `${to.description} was brought up to date with chain ${chain.chain}: ${brought.join(', ')}`,
      );
      holding += 1;
    } catch (error) {
      throwIfAborted(o.signal);
      failure ??= HoldfastError.from(error);
    }
  }
  if (holding >= survey.required) return;
  // What passes is no reason to begin anew: the chain goes on when the destination is back.
  if (failure?.retryable) throw failure;
  throw new HoldfastError(
    'precondition_failed',
    `continuity lost: too few destinations hold chain ${chain.chain} whole${failure ? `: ${failure.reason}` : ''}`,
    { hint: 'make a full backup (--full --keep-changes), which begins a new chain at every destination' },
  );
}
