import type { CopyView, DestinationProbe, DestinationView } from '@holdfast/client';
import { type DeclaredDestination, redactUrl } from '@holdfast/core';
import type { Handlers } from '../api/index.ts';
import { destinationUrl } from '../objects/run-targets.ts';
import type { CopyJob } from './copy-job.ts';
import type { NodeParts } from './node-parts.ts';
import { probeDestination } from './probe-destination.ts';
import { tasksOf } from './task-handlers.ts';
import { behindView, goodView, isoOf, progressOfDestination } from './views.ts';

type DestinationHandlers = Pick<Handlers, 'listDestinations' | 'copyTask' | 'listCopies'>;

export function destinationHandlers(parts: NodeParts): DestinationHandlers {
  const { view, catchUp, config, peers } = parts;
  const viewOf = (job: CopyJob): CopyView => copyView(job, config.name);
  const probes = new Probes(parts);
  return {
    listDestinations: async ({ probe }) =>
      Promise.all(
        Object.entries(view.objects.value.destinations)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(async ([name, declared]) => ({
            ...destinationView(parts, name, declared),
            ...(probe && { probe: await probes.look(name, declared) }),
          })),
      ),

    copyTask: async ({ task, to, from, all, signal, peer }) => {
      const responsible = view.task(task)?.value.node;
      // Who writes the task's backups copies them, too: two would get in each other's way.
      if (peer === undefined && responsible && responsible !== config.name && peers.isAlive(responsible))
        return peers.ask(
          responsible,
          (client) => client.copyTask({ task, to, all, signal, ...(from !== undefined && { from }) }),
          { signal },
        );
      const { copy, already } = catchUp.ask({ task, to, from, chains: all ? 'all' : 'lacking' });
      return { copy: viewOf(copy), already };
    },

    listCopies: async ({ signal, peer }) => {
      const others = peer === undefined ? peers.names : [];
      const asked = others.map((node) =>
        peers
          .ask(node, (client) => client.listCopies({ signal }), { signal, spare: true })
          .then(
            ({ copies }) => copies,
            // That it cannot be asked, the status says.
            () => [],
          ),
      );
      return { copies: [...catchUp.copies.map(viewOf), ...(await Promise.all(asked)).flat()] };
    },
  };
}

function destinationView(parts: NodeParts, name: string, declared: DeclaredDestination): DestinationView {
  const { bytesWritten, bytesRead, calls, failures, retries } = parts.totals.of(name);
  return {
    name,
    type: declared.type,
    place: redactUrl(destinationUrl(declared)),
    disabled: declared.disabled ?? false,
    tasks: tasksOf(parts)
      .filter(({ spec }) => spec.destinations.includes(name))
      .map(({ task, record }) => {
        const good = record.lastGoodAt[name];
        const behind = record.behind?.[name];
        return {
          task,
          ...(good && { lastGood: goodView(good) }),
          ...(behind && { behind: behindView(behind) }),
        };
      }),
    counters: {
      writtenBytes: bytesWritten,
      readBytes: bytesRead,
      requests: { ...calls },
      retries,
      failures: { ...failures },
    },
  };
}

export function copyView(job: CopyJob, node: string): CopyView {
  const { wish, report, error, startedAtMs, endedAtMs } = job;
  const [upload] = job.progress.view().destinations;
  return {
    id: job.id,
    task: wish.task,
    node,
    from: [...job.from],
    to: wish.to,
    chains: wish.chains,
    trigger: job.trigger,
    state: job.state,
    createdAt: isoOf(job.createdAtMs),
    backups: report?.backups ?? [],
    bytes: report?.bytes ?? 0,
    problems: report?.problems ?? [],
    ...(startedAtMs !== undefined && { startedAt: isoOf(startedAtMs) }),
    ...(endedAtMs !== undefined && { endedAt: isoOf(endedAtMs) }),
    ...(job.state === 'running' && upload && { progress: progressOfDestination(upload, wish.to) }),
    ...(error && { error }),
  };
}

/** One look at a time at each: one that hangs may hold a thread of the disk's, and must not get a second. */
class Probes {
  readonly #parts: NodeParts;
  readonly #underWay = new Map<string, Promise<DestinationProbe>>();

  constructor(parts: NodeParts) {
    this.#parts = parts;
  }

  look(name: string, declared: DeclaredDestination): Promise<DestinationProbe> {
    const before = this.#underWay.get(name);
    if (before) return before;
    const { clock } = this.#parts;
    const probe = probeDestination(declared, { clock }).finally(() => this.#underWay.delete(name));
    this.#underWay.set(name, probe);
    return probe;
  }
}
