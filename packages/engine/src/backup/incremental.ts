import {
  type DestinationOutcome,
  HoldfastError,
  type Manifest,
  type SettledChanges,
  type Sig,
  type Stage,
} from '@holdfast/core';
import type { FoundBackup, FoundChain } from '../catalog/chain.ts';
import { missingObjects } from '../catalog/chain.ts';
import { findChains } from '../catalog/find-chains.ts';
import type { Made, Run } from './backup.ts';
import { afterCommit, commitRun, completeManifest, type Draft, nextSequence } from './commit.ts';
import { knownDigests } from './known-digests.ts';
import { RunWriter } from './run-writer.ts';
import { stopwatch } from './stopwatch.ts';

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
  const others = await intactElsewhere(run, chain, base, o);
  const sequence = nextSequence(chain, others);
  await using stage = await tools.staging.openRun(
    { task: request.task, chain: chain.chain, sequence, scope: 'incremental', label, startedAtMs },
    tools.destinations,
    o,
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
        outcomes: allHold(run),
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

/** Where the base was not whole, nothing would have been made of it. */
function allHold(run: Run): DestinationOutcome[] {
  return run.tools.destinations.map(({ description }) => ({ destination: description, stored: true }));
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

/** The base must be whole at every destination that the incremental goes to: it would be worth nothing there. */
async function intactElsewhere(
  run: Run,
  chain: FoundChain,
  base: FoundBackup,
  o: Sig,
): Promise<FoundChain[]> {
  const found: FoundChain[] = [];
  for (const destination of run.tools.destinations.slice(1)) {
    const chains = await findChains(destination, chain.task, o);
    const same = chains.find((one) => one.chain === chain.chain);
    const problem = same?.problems[0] ?? (same && missingObjects(same)[0]);
    if (!same || problem || same.backups.at(-1)?.sha256 !== base.sha256)
      throw new HoldfastError(
        'precondition_failed',
        `continuity lost: ${destination.description} does not hold chain ${chain.chain} whole: ${problem?.detail ?? 'its newest backup is another one'}`,
        { hint: 'make a full backup (--full --keep-changes), which begins a new chain at every destination' },
      );
    found.push(same);
  }
  return found;
}
