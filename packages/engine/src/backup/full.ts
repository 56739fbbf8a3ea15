import {
  deadline,
  type FrozenView,
  HoldfastError,
  type Manifest,
  type Sig,
  type Stage,
} from '@holdfast/core';
import type { Made, Run } from './backup.ts';
import { afterCommit, commitRun, completeManifest, type Draft } from './commit.ts';
import { endKept, endMaxMs } from './kept-changes.ts';
import { RunWriter } from './run-writer.ts';
import { stopwatch } from './stopwatch.ts';

export interface FullPlan {
  readonly chain: string;
  readonly label: string;
  readonly keepChanges: boolean;
  readonly reason: string;
  readonly gap: Manifest['gap'];
}

/** Text compresses to a third or better at the level used; what does not is met by reserving more on the way. */
const expectedRatio = 0.35;
const reserveBytesMin = 32 * 1024 * 1024;

/** Makes a full backup: the beginning of a chain. */
export async function makeFull(run: Run, plan: FullPlan, o: Sig): Promise<Made> {
  const { request, tools, startedAtMs } = run;
  const { chain, label } = plan;
  const stage = await tools.staging.openRun(
    { task: request.task, chain, sequence: 0, scope: 'full', label, startedAtMs },
    tools.destinations,
    { ...o, absent: run.survey.absent },
  );
  tools.observer({ kind: 'step', step: 'run-created' });
  try {
    return await makeIn(stage, run, plan, o);
  } catch (error) {
    // Asked after the stage was disposed: only then is it known whether the backup may still come to exist. Then it is
    // finished by the next run, and wants its changes.
    if (plan.keepChanges && !stage.survives) await forget(run, label);
    throw error;
  }
}

async function makeIn(opened: Stage, run: Run, plan: FullPlan, o: Sig): Promise<Made> {
  await using stage = opened;
  const signal = AbortSignal.any([o.signal, stage.signal]);
  try {
    if (plan.keepChanges) await remember(run, plan, { signal });
    const manifest = completeManifest(await dump(run, plan, stage, { signal }), run.tools.clock.now());
    await commitRun(stage, manifest, run.tools, { signal });
    // While the run is still in staging: a crash in between is taken up there, and does this again.
    run.notices.push(...(await afterCommit(manifest, run.chains, run.tools, o)));
    return { manifest, reason: plan.reason, stored: true, outcomes: stage.outcomes };
  } catch (error) {
    throw stage.signal.aborted ? HoldfastError.from(stage.signal.reason) : error;
  }
}

/** Before the source makes anything, and after the run's folder is there: what is remembered belongs to a run or a chain. */
async function remember({ request, tools, source }: Run, { chain, label }: FullPlan, o: Sig): Promise<void> {
  const kept = { task: request.task, label, chain, identity: source.identity };
  await tools.staging.rememberKept(kept, tools.destinations, o);
}

async function dump(run: Run, plan: FullPlan, stage: Stage, o: Sig): Promise<Draft> {
  const { request, tools, startedAtMs } = run;
  const { source, observer, workersMax } = tools;
  const watch = stopwatch(tools.clock);
  await using view = await source.openFull({
    type: request.type,
    keepChanges: plan.keepChanges,
    label: plan.label,
    ...o,
  });
  run.notices.push(...view.notices);
  observer({ kind: 'step', step: 'view-opened', detail: view.mark.position });
  watch.lap('open');
  await stage.reserve(roomFor(view), o);
  const image = request.type === 'snapshot';
  await using writer = new RunWriter({
    stage,
    sequence: 0,
    scope: 'full',
    image,
    workersMax,
    observer,
    clock: tools.clock,
  });
  await writer.writeView(view, { ...o, known: new Map() });
  const written = writer.finish();
  observer({ kind: 'step', step: 'dump-finished' });
  watch.lap('read');
  return {
    task: request.task,
    chain: plan.chain,
    sequence: 0,
    scope: 'full',
    type: request.type,
    node: request.node,
    generation: request.generation,
    source: view.source,
    to: view.mark,
    ...written,
    replaced: [],
    dropped: [],
    state: view.state ?? null,
    ...(plan.gap && { gap: plan.gap }),
    startedAtMs,
    durationsMs: watch.laps(),
  };
}

/** Nothing is kept in the source for a chain that does not exist. The run's own signal may be why we are here. */
async function forget(run: Run, label: string): Promise<void> {
  try {
    using limit = deadline(run.tools.clock, endMaxMs, 'ending the keeping of changes');
    await endKept({ task: run.request.task, label }, run.tools, { signal: limit.signal });
  } catch (error) {
    const { message } = HoldfastError.from(error);
    run.tools.observer({
      kind: 'notice',
      text: `the source still keeps changes for this run, and the next run will end that: ${message}`,
    });
  }
}

function roomFor(view: FrozenView): number {
  const bytes = view.chunks.reduce((all, chunk) => all + chunk.estimatedBytes, 0);
  return Math.max(reserveBytesMin, Math.ceil(bytes * expectedRatio));
}
