import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { addDigests, emptyDigest, HoldfastError, RowDigest, relationOf, type Sig } from '@holdfast/core';
import type { ColdSegment, RestoreReport, RestoreRequest, RestoreTools } from '../api.ts';
import { stopwatch } from '../backup/stopwatch.ts';
import { Pool } from '../pool/pool.ts';
import { blamingDamage } from '../read/blaming-damage.ts';
import { openChunk } from '../read/open-chunk.ts';
import { fold } from './fold.ts';
import type { LoadInit, LoadJob, LoadResult } from './load-role.ts';
import { Overlay, type OverlayToken } from './overlay.ts';
import { findWanted, openPlan, type Plan, type Wanted } from './plan.ts';
import { refuse } from './refuse.ts';
import { restoreImage } from './restore-image.ts';
import { blamingCold, thawFirst } from './thaw-first.ts';
import type { ReadBack, VerifyInit } from './verify-role.ts';

/** Below this, threads cost more than they bring. */
const inlineBytesMax = 4 * 1024 * 1024;

/** What was sent to each relation. */
type Sent = Map<string, { rows: number; digest: string }>;

/**
 * Restores a database to a point: refuses before anything is made, builds it under a temporary name, proves what was
 * sent and what the target says it took, and only then gives it its name.
 * @throws HoldfastError whatever a stage met; then nothing is left behind
 */
export async function restore(request: RestoreRequest, tools: RestoreTools, o: Sig): Promise<RestoreReport> {
  const watch = stopwatch(tools.clock);
  const wanted = await findWanted(request, tools, o);
  const waiting = await thawFirst(wanted, request, tools, o);
  if (waiting) return { ...nothingYet, ...waiting, durationsMs: watch.laps() };
  if (wanted.cold.length > 0) watch.lap('thaw');
  return blamingCold(wanted, tools, o, async () => {
    const cold = wanted.cold.map((segment): ColdSegment => ({ ...segment, access: 'thawed' }));
    const readable: Wanted = { ...wanted, cold };
    await using plan = await openPlan(readable, request, tools, o);
    refuse(plan);
    watch.lap('plan');
    return await carryOut(plan, request, { ...tools, watch }, o);
  });
}

const nothingYet = { tables: 0, rows: 0, verified: false, resumedLoads: 0, notices: [] } as const;

async function carryOut(
  plan: Plan,
  request: RestoreRequest,
  { watch, ...tools }: RestoreTools & { readonly watch: ReturnType<typeof stopwatch> },
  o: Sig,
): Promise<RestoreReport> {
  const notices = plan.content.inexact.map(
    (path) => `${path} comes as of the backup before the moment: its changes are not in the log`,
  );
  const { target } = plan;
  const image = plan.summary.type === 'snapshot';
  if (request.verify && image)
    notices.push('nothing was read back: what a snapshot holds is proved by its checksums, not by its rows');
  const { sent, resumed } = image
    ? await restoreImage(plan, tools, o)
    : await restoreRows(plan, tools, watch, o);
  await target.finish({
    ...o,
    progress: (ratio, what) => tellShare(tools, plan, `finishing: ${what}`, ratio),
  });
  watch.lap('finish');
  const verified = request.verify && !image;
  if (verified) {
    await verify(plan, sent, tools, o);
    watch.lap('verify');
  }
  await target.publish(o);
  watch.lap('publish');
  const rows = [...sent.values()].reduce((sum, one) => sum + one.rows, 0);
  return {
    plan: plan.summary,
    tables: plan.summary.tables,
    rows,
    verified,
    resumedLoads: resumed,
    durationsMs: watch.laps(),
    notices,
  };
}

async function restoreRows(
  plan: Plan,
  tools: RestoreTools,
  watch: ReturnType<typeof stopwatch>,
  o: Sig,
): Promise<{ sent: Sent; resumed: number }> {
  const { target, content } = plan;
  await target.create(plan.schema, o);
  watch.lap('create');
  const spill = await mkdtemp(join(tools.spillDirectory, 'restore-'));
  try {
    const file = join(spill, 'overlay.sqlite');
    const overlay = await foldAll(plan, file, tools, o);
    watch.lap('fold');
    const sent = await loadAll(plan, overlay.size > 0 ? file : undefined, overlay, tools, o);
    const rows = new RowDigest();
    for (const special of content.special) {
      await blamingDamage(tools.destination, [special], o, async () => {
        await using chunk = await openChunk(tools.destination, special, rows, o);
        await target.loadSpecial(special.entry.path, chunk.blocks, o);
      });
    }
    watch.lap('load');
    return sent;
  } finally {
    await rm(spill, { recursive: true, force: true });
  }
}

async function foldAll(
  plan: Plan,
  file: string,
  tools: RestoreTools,
  o: Sig,
): Promise<Map<string, OverlayToken>> {
  const { content } = plan;
  if (content.changes.length === 0) return new Map();
  using overlay = new Overlay(file);
  const wanted = (path: string): boolean => (content.relations.get(path)?.changes ?? 0) > 0;
  let lines = 0;
  const rows = new RowDigest();
  for (const changes of content.changes) {
    await fold(overlay, tools.destination, changes, {
      ...o,
      rows,
      wanted,
      progress: (more) => {
        lines += more;
        const total = plan.summary.changes;
        tellShare(tools, plan, 'folding changes', Math.min(1, lines / Math.max(1, total)));
      },
    });
  }
  return overlay.finish();
}

async function loadAll(
  plan: Plan,
  file: string | undefined,
  overlay: ReadonlyMap<string, OverlayToken>,
  tools: RestoreTools,
  o: Sig,
): Promise<{ sent: Sent; resumed: number }> {
  const { target, summary } = plan;
  const sent: Sent = new Map();
  const merged = new Map<string, number>();
  const all = jobs(plan, overlay).map(
    (job): LoadJob => ({ ...job, loadedRows: target.loaded.get(idOf(job)) }),
  );
  const resumed = all.filter(({ loadedRows }) => loadedRows !== undefined).length;
  let doneBytes = 0;
  let rowsDone = 0;
  await using pool = new Pool<LoadInit, LoadJob, LoadResult, undefined>({
    clock: tools.clock,
    role: new URL('./load-role.ts', import.meta.url).href,
    init: { destination: tools.destination.token, target: target.token, overlay: file },
    workers:
      summary.rawBytes < inlineBytesMax ? 0 : Math.min(tools.workersMax, target.loadersMax, all.length),
    progress: (bytes, rows) => {
      doneBytes += bytes;
      rowsDone += rows;
      tools.observer({
        kind: 'progress',
        phase: 'loading',
        doneBytes,
        totalBytes: summary.rawBytes,
        rows: rowsDone,
      });
    },
    signal: o.signal,
  });
  await pool.run(all, (result, job) => {
    const before = sent.get(job.relation) ?? { rows: 0, digest: emptyDigest };
    sent.set(job.relation, {
      rows: before.rows + result.rows,
      digest: addDigests(before.digest, result.digest),
    });
    merged.set(job.relation, (merged.get(job.relation) ?? 0) + result.merged);
  });
  await pool.end();
  assertMerged(overlay, merged);
  return { sent, resumed };
}

/** The largest first, so that none of them is the one that all others wait for at the end. */
function jobs(plan: Plan, overlays: ReadonlyMap<string, OverlayToken>): LoadJob[] {
  const chunkJobs: Extract<LoadJob, { kind: 'chunk' }>[] = [];
  const liveJobs: LoadJob[] = [];
  for (const relation of plan.content.relations.values()) {
    const overlay = overlays.get(relation.path);
    if (overlay && overlay.live > 0)
      liveJobs.push({ kind: 'live', relation: relation.path, id: `live${relation.path}`, overlay });
    if (overlay?.truncated) continue;
    for (const chunk of relation.chunks) {
      chunkJobs.push({ kind: 'chunk', relation: relation.path, chunk, ...(overlay && { overlay }) });
    }
  }
  chunkJobs.sort((a, b) => b.chunk.entry.rawBytes - a.chunk.entry.rawBytes);
  return [...chunkJobs, ...liveJobs];
}

function idOf(job: LoadJob): string {
  return job.kind === 'chunk' ? job.chunk.id : job.id;
}

/** A row that waits for values of a base row that never came would be lost without a word. */
function assertMerged(
  overlays: ReadonlyMap<string, OverlayToken>,
  merged: ReadonlyMap<string, number>,
): void {
  for (const [path, { merges, truncated }] of overlays) {
    const found = merged.get(path) ?? 0;
    if (found !== (truncated ? 0 : merges) || (truncated && merges > 0))
      throw new HoldfastError(
        'corrupt',
        `${path}: ${merges} changed rows need values of base rows, ${found} of those are in the backup`,
      );
  }
}

/** Reads the target back, and compares each relation's rows with what was sent. */
async function verify(plan: Plan, sent: Sent, tools: RestoreTools, o: Sig): Promise<void> {
  const plans = (await plan.target.readBack(o)).filter(({ kind }) => kind === 'rows');
  const found: Sent = new Map();
  const totalBytes = plans.reduce((sum, one) => sum + one.estimatedBytes, 0);
  let doneBytes = 0;
  await using pool = new Pool<VerifyInit, (typeof plans)[number], ReadBack, undefined>({
    clock: tools.clock,
    role: new URL('./verify-role.ts', import.meta.url).href,
    init: { target: plan.target.token },
    workers: totalBytes < inlineBytesMax ? 0 : Math.min(tools.workersMax, plans.length),
    progress: (bytes) => {
      doneBytes += bytes;
      tools.observer({
        kind: 'progress',
        phase: 'verifying',
        doneBytes,
        totalBytes: Math.max(totalBytes, doneBytes),
        rows: 0,
      });
    },
    signal: o.signal,
  });
  await pool.run(plans, (back, { path }) => {
    const relation = relationOf(path);
    const before = found.get(relation) ?? { rows: 0, digest: emptyDigest };
    found.set(relation, { rows: before.rows + back.rows, digest: addDigests(before.digest, back.digest) });
  });
  await pool.end();
  for (const path of new Set([...sent.keys(), ...found.keys()])) {
    const a = sent.get(path) ?? { rows: 0, digest: emptyDigest };
    const b = found.get(path) ?? { rows: 0, digest: emptyDigest };
    if (a.rows !== b.rows || a.digest !== b.digest)
      throw new HoldfastError(
        'corrupt',
        `${path}: the target holds ${b.rows} rows that differ from the ${a.rows} rows of the backup`,
        {
          hint: 'the target was not published; if no one else writes there, this is a defect worth a report',
        },
      );
  }
}

function tellShare(tools: RestoreTools, plan: Plan, phase: string, ratio: number): void {
  const totalBytes = Math.max(1, plan.summary.rawBytes);
  tools.observer({ kind: 'progress', phase, doneBytes: Math.round(totalBytes * ratio), totalBytes, rows: 0 });
}
