import { type ClusterView, whyNone } from '@holdfast/coordinator';
import { type DeclaredObjects, HoldfastError, type Sig } from '@holdfast/core';
import type { Handlers } from '../api/index.ts';
import { testNotification } from '../notify/test-notification.ts';
import { exportObjects } from '../objects/export-objects.ts';
import { objectsJsonSchema } from '../objects/json-schema.ts';
import { parseObjects } from '../objects/parse-objects.ts';
import { applyChanges, planObjects } from '../objects/plan-objects.ts';
import { schedulerRules } from '../objects/scheduler-rules.ts';
import type { NodeParts } from './node-parts.ts';

type ObjectHandlers = Pick<
  Handlers,
  'getObjects' | 'planObjects' | 'applyObjects' | 'getObjectsSchema' | 'testNotification'
>;

export function objectHandlers(parts: NodeParts): ObjectHandlers {
  const { ledger, view, logger, clock } = parts;
  return {
    getObjectsSchema: async () => ({ ...objectsJsonSchema() }),

    getObjects: async ({ signal }) => {
      const { value, revision } = await ledger.objects({ signal });
      return { revision, objects: value, yaml: exportObjects(value) };
    },

    planObjects: async (request) => {
      const { changes, warnings, revision } = await plan(parts, request);
      return { revision, changes, warnings };
    },

    applyObjects: async (request) => {
      const { changes, warnings, revision, next } = await plan(parts, request);
      if (changes.length === 0) return { revision, changes, warnings, applied: false };
      const applied = await ledger.replaceObjects(next, revision, request);
      const counts = changes.map(({ action, kind, name }) => `${action} ${kind} ${name}`);
      logger.info(
        { component: 'objects', revision: applied, changes: counts.slice(0, 100) },
        'objects applied',
      );
      await untilAdopted(parts, applied, request);
      return { revision: applied, changes, warnings, applied: true };
    },

    testNotification: async ({ notification, signal }) => {
      const declared = view.objects.value.notifications[notification];
      if (!declared)
        throw new HoldfastError('not_found', `there is no notification ${notification}`, {
          hint: `declared are: ${Object.keys(view.objects.value.notifications).join(', ') || 'none'}`,
        });
      await testNotification(notification, declared, { signal, clock, node: parts.config.name });
      return { delivered: true };
    },
  };
}

/** How long an answer waits for the tasks' records to follow what was declared. */
const adoptMaxMs = 10_000;

/** Whoever applies, and then runs a task or asks for it, finds it. */
async function untilAdopted({ view, clock }: NodeParts, revision: number, { signal }: Sig): Promise<void> {
  const isAdopted = (task: string): boolean => {
    const record = view.task(task)?.value;
    return record !== undefined && record.removedAtMs === undefined;
  };
  const adopted = new AbortController();
  const look = (): void => {
    const { value, revision: seen } = view.objects;
    if (seen >= revision && Object.keys(value.tasks).every(isAdopted)) adopted.abort();
  };
  const stopListening = view.onChange(look);
  look();
  await clock.sleep(adoptMaxMs, AbortSignal.any([adopted.signal, signal])).catch(() => undefined);
  stopListening();
}

interface PlanRequest extends Sig {
  readonly files: readonly { readonly name: string; readonly text: string }[];
  readonly prune: boolean;
  readonly revision?: number | undefined;
}

async function plan({ ledger, view }: NodeParts, request: PlanRequest) {
  const { files, prune, revision: expected } = request;
  const current = await ledger.objects(request);
  if (expected !== undefined && expected !== current.revision)
    throw new HoldfastError(
      'conflict',
      `the declared objects are at revision ${current.revision}, not ${expected}`,
      {
        hint: 'someone else has applied in the meantime: look at holdfast plan again',
      },
    );
  const { objects, warnings } = parseObjects(files, schedulerRules, { current: current.value, prune });
  const changes = planObjects(current.value, objects, { prune });
  return {
    changes,
    warnings: [...warnings, ...homeless(view, objects)],
    revision: current.revision,
    next: applyChanges(current.value, objects, { prune }),
  };
}

/** Tasks that no node may run, as things are: that may be meant for nodes that come later. */
function homeless(view: ClusterView, { tasks }: DeclaredObjects): { where: string; text: string }[] {
  const nodes = [...view.nodes.values()].map(({ value: { node, tags } }) => ({
    node,
    tags,
    draining: view.drains.has(node),
  }));
  return Object.entries(tasks).flatMap(([task, { nodes: preference }]) => {
    const why = preference && whyNone(preference, nodes);
    return why === undefined ? [] : [{ where: `tasks.${task}.nodes`, text: `nobody runs the task: ${why}` }];
  });
}
