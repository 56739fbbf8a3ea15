import type { DecisionView, NodeView } from '@holdfast/client';
import { type DecisionRecord, noTask } from '@holdfast/coordinator';
import { HoldfastError, version } from '@holdfast/core';
import type { Handlers } from '../api/index.ts';
import type { NodeParts } from './node-parts.ts';
import { type PeerLook, problemOf } from './peers.ts';
import { ownRunView } from './peers-runs.ts';
import { isoOf } from './views.ts';

type ClusterHandlers = Pick<Handlers, 'listNodes' | 'drainNode' | 'listDecisions'>;

export function clusterHandlers(parts: NodeParts): ClusterHandlers {
  const { ledger, view, peers, logger } = parts;
  return {
    listNodes: async ({ signal, peer }) => {
      const looks = peer === undefined ? await peers.look({ signal, fresh: true }) : [];
      const byName = new Map(looks.map((look) => [look.node, look]));
      return nodeNames(parts).map((name) => nodeView(parts, name, byName.get(name)));
    },

    drainNode: async ({ node, draining, signal }) => {
      const names = nodeNames(parts);
      if (!names.includes(node)) throw noNode(node, names);
      await ledger.setDrain(node, draining, { signal });
      logger.info({ component: 'cluster', drained: node, draining }, `node ${node} ${says(draining)}`);
      // The view may not have seen it yet.
      return { ...nodeView(parts, node), draining };
    },

    listDecisions: async ({ task, last, signal }) => {
      if (!view.task(task) && !Object.hasOwn(view.objects.value.tasks, task)) throw noTask(task);
      return (await ledger.decisions(task, { signal, last })).map(decisionView);
    },
  };
}

function says(draining: boolean): string {
  return draining ? 'gives its tasks away' : 'may have tasks again';
}

/** Those that are alive, and those that are gone and still named. */
export function nodeNames({ view, config }: NodeParts): readonly string[] {
  const names = new Set([config.name, ...view.nodes.keys(), ...view.drains]);
  for (const { value } of view.tasks.values()) if (value.node !== '') names.add(value.node);
  return [...names].sort();
}

/** There is no node of this name. */
export function noNode(node: string, names: readonly string[]): HoldfastError {
  return new HoldfastError('not_found', `there is no node ${node}`, {
    hint: `there are: ${names.join(', ')}`,
  });
}

function nodeView(parts: NodeParts, name: string, look?: PeerLook): NodeView {
  const { view, config, runner } = parts;
  const record = view.nodes.get(name)?.value;
  const self = name === config.name;
  const mine = [...view.tasks.values()].filter(({ value }) => value.removedAtMs === undefined);
  const active = self ? runner.active.map(({ run }) => ownRunView(parts, run)) : look?.status?.active;
  const problem = self ? undefined : look ? problemOf(look) : record ? undefined : `${name} is not alive`;
  const clockOffsetMs = self ? 0 : look?.clockOffsetMs;
  return {
    name,
    self,
    alive: self || record !== undefined,
    tags: record?.tags ?? (self ? config.tags : []),
    draining: view.drains.has(name),
    tasks: mine.filter(({ value }) => value.node === name).length,
    owns: mine.filter(({ value }) => value.owner?.node === name).length,
    reachable: self || look?.status !== undefined,
    ...aliveFields(parts, name),
    ...(active && { active }),
    ...(clockOffsetMs !== undefined && { clockOffsetMs }),
    ...(problem !== undefined && { problem }),
  };
}

/** What only a node that is alive has. This one is, even while its sign of life is missing from the store. */
function aliveFields({ view, config, startedAtMs }: NodeParts, name: string): Partial<NodeView> {
  const record = view.nodes.get(name)?.value;
  if (record)
    return {
      version: record.version,
      startedAt: isoOf(record.startedAtMs),
      capacity: record.capacity,
      ...(record.url !== undefined && { url: record.url }),
    };
  if (name !== config.name) return {};
  return { version, startedAt: isoOf(startedAtMs), capacity: config.limits.runs };
}

function decisionView({ task, atMs, kind, node, generation, by, reason }: DecisionRecord): DecisionView {
  return { task, at: isoOf(atMs), kind, generation, by, reason, ...(node !== '' && { node }) };
}
