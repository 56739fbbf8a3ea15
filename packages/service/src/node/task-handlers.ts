import type { TaskView } from '@holdfast/client';
import { noTask, ownsIncrementals, type Start, type TaskRecord } from '@holdfast/coordinator';
import { type DeclaredTask, HoldfastError } from '@holdfast/core';
import { decideTask, nextRuns, settleTo } from '@holdfast/scheduler';
import type { Asked, Handlers } from '../api/index.ts';
import { parseDuration } from '../config/duration.ts';
import { nodeNames, noNode } from './cluster-handlers.ts';
import type { NodeParts } from './node-parts.ts';
import { ownRunView, wholeRunView } from './peers-runs.ts';
import { endHere, historyOf } from './run-handlers.ts';
import { scheduleState } from './schedules.ts';
import { isoOf, taskView } from './views.ts';

type TaskHandlers = Pick<
  Handlers,
  'listTasks' | 'getTask' | 'runTask' | 'pauseTask' | 'resumeTask' | 'delayTask'
>;

const delayRange = { least: '1s', most: '366d' };

export function taskHandlers(parts: NodeParts): TaskHandlers {
  const { view, ledger, schedules, clock, runner, config } = parts;
  const declared = (task: string): { readonly spec: DeclaredTask; readonly record: TaskRecord } => {
    const spec = view.objects.value.tasks[task];
    const record = view.task(task)?.value;
    if (!spec || !record) throw noTask(task);
    return { spec, record };
  };
  const viewOf = (task: string, record: TaskRecord): TaskView => viewOfTask(parts, task, record);
  return {
    listTasks: async () => tasksOf(parts).map(({ task, record }) => viewOf(task, record)),

    getTask: async ({ task, next, signal, peer }) => {
      const { spec, record } = declared(task);
      const planned = nextRuns(schedules.of(task, spec), scheduleState(record, spec), clock.now(), next);
      const recent = await historyOf(parts, task, { signal, last: 10 });
      return {
        ...viewOf(task, record),
        nextRuns: planned.map(({ atMs, scope }) => ({ at: isoOf(atMs), scope, reason: `${scope} schedule` })),
        recentRuns: await Promise.all(recent.map((run) => wholeRunView(parts, run, { signal, peer }))),
      };
    },

    runTask: async ({ task, scope, newSource = false, node, signal }) => {
      const { spec } = declared(task);
      const started = await ledger.startByHand(
        task,
        (record) => ({
          ...startByHand(spec, record, { scope, newSource, node }),
          node: carrierOf(parts, record, node),
        }),
        { signal },
      );
      // Another node sees that it has a run to carry out.
      if (!started.already && started.run.node === config.name) runner.accept(started.run);
      return { run: ownRunView(parts, started.run), already: started.already };
    },

    pauseTask: async ({ task, signal }) => {
      declared(task);
      return viewOf(task, await ledger.pause(task, { signal }));
    },

    resumeTask: async ({ task, signal }) => {
      const { spec } = declared(task);
      const settle = (record: TaskRecord): TaskRecord['settledMs'] =>
        settleTo(schedules.of(task, spec), scheduleState(record, spec), clock.now());
      return viewOf(task, await ledger.resume(task, settle, { signal }));
    },

    delayTask: async ({ task, for: text, signal, peer }) => {
      const { spec } = declared(task);
      const untilMs = clock.now() + parseDuration(text, delayRange);
      const scopeOf = (record: TaskRecord): 'full' | 'incremental' => {
        if (record.running) return record.running.scope;
        const decision = decideTask(schedules.of(task, spec), scheduleState(record, spec), clock.now());
        if (decision.kind === 'settle') return 'full';
        return (decision.kind === 'idle' ? decision.next?.scope : decision.scope) ?? 'full';
      };
      const record = await ledger.delay(task, untilMs, scopeOf, { signal });
      if (record.running) await endDelayed(parts, record, { untilMs, for: text, signal, peer });
      // Read again: the view may not know of it yet, and the run's end has changed it.
      return viewOf(task, (await ledger.task(task, { signal }))?.value ?? record);
    },
  };
}

/** Ends the running run of a task that was delayed, on the node that carries it out. */
async function endDelayed(
  parts: NodeParts,
  { task, running }: TaskRecord,
  o: Asked & { readonly untilMs: number; readonly for: string },
): Promise<void> {
  const { config, runner, peers } = parts;
  const { signal, peer } = o;
  if (!running) return;
  const { run, node } = running;
  if (runner.find(run) || node === config.name || peer !== undefined) {
    const reason = new HoldfastError('cancelled', `the task was delayed until ${isoOf(o.untilMs)}`);
    return endHere(parts, { run, reason, peer });
  }
  try {
    await peers.ask(node, (client) => client.delayTask({ task, for: o.for, signal }), { signal });
  } catch (caught) {
    signal.throwIfAborted();
    const { code, reason, hint } = HoldfastError.from(caught);
    throw new HoldfastError(code, `task ${task} is delayed, but run ${run} goes on: ${reason}`, {
      hint: hint ?? `end it with holdfast cancel ${run}`,
      cause: caught,
    });
  }
}

/** Who carries out a run that a person asks for: the node that was named, else the responsible one. */
function carrierOf(parts: NodeParts, { task, node, nodeReason }: TaskRecord, named?: string): string {
  const { peers, config } = parts;
  const carrier = named ?? node;
  if (carrier === '')
    throw new HoldfastError('precondition_failed', `no node is responsible for task ${task}`, {
      hint: `${nodeReason ?? 'no node has it yet'}; a node that is named may make a full: holdfast run ${task} --full --node NODE`,
    });
  if (peers.isAlive(carrier)) return carrier;
  const known = nodeNames(parts);
  const alive = known.filter((name) => peers.isAlive(name)).join(', ');
  if (!known.includes(carrier)) throw noNode(carrier, known);
  throw new HoldfastError('precondition_failed', `node ${carrier} is not alive`, {
    hint:
      named === undefined
        ? `it is responsible for task ${task}; another node takes it soon, or name one: --full --node ${config.name}`
        : `alive are: ${alive}`,
  });
}

interface AskedFor {
  readonly scope: 'full' | 'incremental' | undefined;
  readonly newSource: boolean;
  /** Who is to carry it out. */
  readonly node: string | undefined;
}

function startByHand(spec: DeclaredTask, record: TaskRecord, { scope, newSource, node }: AskedFor): Start {
  const { task } = record;
  if (spec.disabled)
    throw new HoldfastError('precondition_failed', `task ${task} is disabled`, {
      hint: 'take out `disabled: true` where it is declared, then holdfast apply',
    });
  if (scope === 'incremental' && spec.incremental === undefined)
    throw new HoldfastError('precondition_failed', `task ${task} makes no incrementals`, {
      hint: 'give it an `incremental` schedule where it is declared, then holdfast apply; or run it with --full',
    });
  if (newSource) {
    if (scope === 'incremental')
      throw new HoldfastError('config_invalid', 'an incremental cannot be of another database', {
        hint: 'the first backup of a new source is a full: leave the scope away',
      });
    const reason = 'asked for by hand, of another database than before';
    return { scope: 'full', trigger: 'manual', reason, newSource };
  }
  if (node !== undefined && node !== record.node) {
    if (scope === 'incremental') throw notOwner(record, node);
    return { scope: 'full', trigger: 'manual', reason: `asked for by hand, of node ${node}` };
  }
  if (node !== undefined && scope === 'incremental' && !ownsIncrementals(record))
    throw notOwner(record, node);
  const asked = scope ?? (spec.incremental === undefined ? 'full' : 'incremental');
  if (asked === 'incremental' && !ownsIncrementals(record))
    return {
      scope: 'full',
      trigger: 'manual',
      reason: 'asked for by hand; there is no good full backup yet',
    };
  return { scope: asked, trigger: 'manual', reason: 'asked for by hand' };
}

function notOwner({ task, owner, node: responsible }: TaskRecord, node: string): HoldfastError {
  const who = owner ? `node ${owner.node} does` : 'no node does before the next full';
  const next = owner?.node === responsible ? `ask for it without --node, or` : 'wait for the next full, or';
  return new HoldfastError(
    'precondition_failed',
    `node ${node} does not make the incrementals of task ${task}: ${who}`,
    { hint: `${next} ask for a full: holdfast run ${task} --full --node ${node}` },
  );
}

/** The declared tasks that have a record, in the order of their names. */
export function tasksOf({ view }: NodeParts): { task: string; spec: DeclaredTask; record: TaskRecord }[] {
  return Object.entries(view.objects.value.tasks)
    .flatMap(([task, spec]) => {
      const record = view.task(task)?.value;
      return record ? [{ task, spec, record }] : [];
    })
    .sort((a, b) => (a.task < b.task ? -1 : 1));
}

export function viewOfTask(parts: NodeParts, task: string, record: TaskRecord): TaskView {
  const { view, schedules, clock } = parts;
  const spec = view.objects.value.tasks[task];
  if (!spec) throw noTask(task);
  return taskView(record, spec, {
    nowMs: clock.now(),
    objects: view.objects.value,
    schedule: schedules.of(task, spec),
    revision: view.objects.revision,
    runningSinceMs: record.running?.startedAtMs,
  });
}
