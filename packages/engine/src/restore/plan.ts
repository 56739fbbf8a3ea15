import { createHash } from 'node:crypto';
import {
  backupName,
  HoldfastError,
  type RestoreTarget,
  type SchemaStatement,
  type Sig,
} from '@holdfast/core';
import type { RestorePlanSummary, RestoreRequest, RestoreTools } from '../api.ts';
import { chainsOfTask, readSchema } from '../catalog/show.ts';
import { type Content, contentAt } from './content.ts';
import { type Point, resolvePoint } from './resolve-point.ts';

/** A restore thought through, with nothing done yet. */
export interface Plan extends AsyncDisposable {
  readonly point: Point;
  readonly content: Content;
  readonly schema: readonly SchemaStatement[];
  readonly target: RestoreTarget;
  readonly summary: RestorePlanSummary;
}

/** Finds the backups, opens the target, and says what would be done and what stands in the way. Changes nothing. */
export async function openPlan(request: RestoreRequest, tools: RestoreTools, o: Sig): Promise<Plan> {
  const { destination } = tools;
  const chains = await chainsOfTask(destination, request.task, o);
  const point = resolvePoint(chains, request.point);
  const content = contentAt(point);
  const schemaBackups = point.insideMs === undefined ? point.backups : point.backups.slice(0, -1);
  const schema = await readSchema(destination, schemaBackups, o);
  const head = point.backups.at(-1)?.manifest;
  const from = (schemaBackups.at(-1) ?? point.backups[0])?.manifest.source;
  if (!head || !from) throw new Error('a point without backups');
  if (from.type !== tools.target.type)
    throw new HoldfastError(
      'unsupported',
      `a backup of ${from.type} cannot be restored into ${tools.target.type}`,
      { hint: `name a target of type ${from.type}` },
    );
  const target = await tools.target.openTarget({
    from,
    id: restoreId(point),
    noOwner: request.noOwner,
    type: head.type,
    startTimeoutMs: request.startTimeoutMs,
    ...o,
  });
  try {
    const problems = [...target.problems, ...(await target.check(schema, o))];
    const summary = summarize(point, content, { request, tools, target, problems });
    return {
      point,
      content,
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

/** `holdfast restore --plan`. */
export async function planRestore(
  request: RestoreRequest,
  tools: RestoreTools,
  o: Sig,
): Promise<RestorePlanSummary> {
  await using plan = await openPlan(request, tools, o);
  return plan.summary;
}

/** The same point gives the same id, so that an interrupted restore is taken up and another one is not. */
function restoreId(point: Point): string {
  const text = [point.backups.at(-1)?.sha256, point.insideMs ?? 'end'].join('@');
  return createHash('sha256').update(text).digest('hex').slice(0, 10);
}

function summarize(
  { chain, backups, insideMs }: Point,
  content: Content,
  found: {
    readonly request: RestoreRequest;
    readonly tools: RestoreTools;
    readonly target: RestoreTarget;
    readonly problems: RestorePlanSummary['problems'];
  },
): RestorePlanSummary {
  const head = backups.at(-1)?.manifest;
  if (!head) throw new Error('a point without backups');
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
  };
}
