import { createHash } from 'node:crypto';
import {
  backupName,
  type Finding,
  HoldfastError,
  type Manifest,
  type RestoreTarget,
  type SchemaStatement,
  type Sig,
} from '@holdfast/core';
import type { ColdSegment, RestorePlanSummary, RestoreRequest, RestoreTools } from '../api.ts';
import { chainsOfTask, readSchema } from '../catalog/show.ts';
import { coldPlan } from '../thaw/cold-plan.ts';
import { lookAtCold } from '../thaw/look-at-cold.ts';
import { type ReadSegment, segmentsRead } from '../thaw/segments-read.ts';
import { type Content, contentAt } from './content.ts';
import { type Point, resolvePoint } from './resolve-point.ts';

/** What a restore reads, found with no look at the target. */
export interface Wanted {
  readonly point: Point;
  readonly content: Content;
  readonly segments: readonly ReadSegment[];
  /** Those of the segments that lie in cold storage, thawed or not. */
  readonly cold: readonly ColdSegment[];
}

/** A restore thought through, with nothing done yet. */
export interface Plan extends AsyncDisposable, Wanted {
  readonly schema: readonly SchemaStatement[];
  readonly target: RestoreTarget;
  readonly summary: RestorePlanSummary;
}

/** Finds the backups, and where they lie. Changes nothing. */
export async function findWanted(
  request: RestoreRequest,
  { destination }: Pick<RestoreTools, 'destination'>,
  o: Sig,
): Promise<Wanted> {
  const chains = await chainsOfTask(destination, request.task, o);
  const point = resolvePoint(chains, request.point);
  const content = contentAt(point);
  const segments = segmentsRead(point, content, headOf(point).type);
  const suspects = segments.filter(({ mayBeCold }) => mayBeCold);
  return { point, content, segments, cold: await lookAtCold(destination, suspects, o) };
}

/** Opens the target, and says what would be done and what stands in the way. Changes nothing. */
export async function openPlan(
  wanted: Wanted,
  request: RestoreRequest,
  tools: RestoreTools,
  o: Sig,
): Promise<Plan> {
  const { point, content, cold } = wanted;
  const schemaBackups = point.insideMs === undefined ? point.backups : point.backups.slice(0, -1);
  const head = headOf(point);
  const from = (schemaBackups.at(-1) ?? point.backups[0])?.manifest.source ?? head.source;
  if (from.type !== tools.target.type)
    throw new HoldfastError(
      'unsupported',
      `a backup of ${from.type} cannot be restored into ${tools.target.type}`,
      { hint: `name a target of type ${from.type}` },
    );
  const isUnreadable = cold.some(({ key, access }) => key === content.schema?.object && access !== 'thawed');
  const schema = isUnreadable ? [] : await readSchema(tools.destination, schemaBackups, o);
  const target = await tools.target.openTarget({
    from,
    id: restoreId(point),
    noOwner: request.noOwner,
    type: head.type,
    startTimeoutMs: request.startTimeoutMs,
    ...o,
  });
  try {
    const found = isUnreadable ? [schemaUnread] : await target.check(schema, o);
    const summary = summarize(wanted, { tools, target, problems: [...target.problems, ...found] });
    return {
      ...wanted,
      schema,
      target,
      summary,
      [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
    };
  } catch (error) {
    await target[Symbol.asyncDispose]();
    throw error;
  }
}

const schemaUnread: Finding = {
  check: 'schema',
  ok: false,
  severity: 'warning',
  message: 'the schema is in cold storage: what it needs of the target is looked at once it can be read',
};

/** `holdfast restore --plan`. */
export async function planRestore(
  request: RestoreRequest,
  tools: RestoreTools,
  o: Sig,
): Promise<RestorePlanSummary> {
  await using plan = await openPlan(await findWanted(request, tools, o), request, tools, o);
  return plan.summary;
}

/** The same point gives the same id, so that an interrupted restore is taken up and another one is not. */
function restoreId(point: Point): string {
  const text = [point.backups.at(-1)?.sha256, point.insideMs ?? 'end'].join('@');
  return createHash('sha256').update(text).digest('hex').slice(0, 10);
}

function headOf({ backups }: Point): Manifest {
  const head = backups.at(-1)?.manifest;
  if (!head) throw new Error('a point without backups');
  return head;
}

function summarize(
  { point, content, segments, cold }: Wanted,
  found: {
    readonly tools: RestoreTools;
    readonly target: RestoreTarget;
    readonly problems: RestorePlanSummary['problems'];
  },
): RestorePlanSummary {
  const { chain, backups, insideMs } = point;
  const head = headOf(point);
  const inCold = coldPlan(segments, cold, found.tools.destination.cold?.ways ?? []);
  const chunks = [...content.relations.values()].flatMap((relation) => relation.chunks);
  const changes = content.changes.flatMap(({ parts }) => parts);
  const read = [...chunks, ...content.special, ...changes, ...(content.schema ? [content.schema] : [])];
  const add = (pick: (entry: (typeof read)[number]['entry']) => number): number =>
    read.reduce((sum, { entry }) => sum + pick(entry), 0);
  return {
    task: head.task,
    chain: chain.chain,
    type: head.type,
    source: head.source,
    backups: backups.map(({ manifest }) => backupName(chain.chain, manifest.sequence)),
    point: {
      timeMs: insideMs ?? head.to.timeMs,
      ...(insideMs === undefined && { position: head.to.position }),
      exact: content.inexact.length === 0,
    },
    inexact: content.inexact,
    tables: content.relations.size,
    chunks: chunks.length,
    changes: [...content.relations.values()].reduce((sum, relation) => sum + relation.changes, 0),
    rows: chunks.reduce((sum, { entry }) => sum + entry.rows, 0),
    rawBytes: add((entry) => entry.rawBytes),
    storedBytes: add((entry) => entry.bytes),
    destination: found.tools.destination.description,
    target: found.target.description,
    problems: found.problems,
    ...(inCold && { cold: inCold }),
  };
}
