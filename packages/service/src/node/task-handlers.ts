import type { TaskView } from '@holdfast/client';
import { noTask, type Start, type TaskRecord } from '@holdfast/coordinator';
import { type DeclaredTask, HoldfastError } from '@holdfast/core';
import { decideTask, nextRuns, settleTo } from '@holdfast/scheduler';
import type { Handlers } from '../api/index.ts';
import { parseDuration } from '../config/duration.ts';
import type { NodeParts } from './node-parts.ts';
import { historyOf } from './run-handlers.ts';
import { scheduleState } from './schedules.ts';
import { isoOf, runView, taskView } from './views.ts';

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
  const viewOf = (task: string, record = declared(task).record): TaskView => viewOfTask(parts, task, record);
  return {
    listTasks: async () => [...tasksOf(parts)].map(({ task }) => viewOf(task)),

    getTask: async ({ task, next, signal }) => {
      const { spec, record } = declared(task);
      const planned = nextRuns(schedules.of(task, spec), scheduleState(record, spec), clock.now(), next);
      const recent = await historyOf(parts, task, { signal, last: 10 });
      return {
        ...viewOf(task, record),
        nextRuns: planned.map(({ atMs, scope }) => ({ at: isoOf(atMs), scope, reason: `${scope} schedule` })),
        recentRuns: recent.map((run) =>
          runView(run, { active: runner.find(run.id), stuckAfterMs: config.limits.stallAfterMs }),
        ),
      };
    },

    runTask: async ({ task, scope, newSource = false, signal }) => {
      const { spec } = declared(task);
      const started = await ledger.startByHand(
        task,
        (record) => startByHand(spec, record, { scope, newSource }),
        { signal },
      );
      if (!started.already) runner.accept(started.run);
      const active = runner.find(started.run.id);
      const run = runView(active?.run ?? started.run, { active, stuckAfterMs: config.limits.stallAfterMs });
      return { run, already: started.already };
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

    delayTask: async ({ task, for: text, signal }) => {
      const { spec } = declared(task);
      const untilMs = clock.now() + parseDuration(text, delayRange);
      const scopeOf = (record: TaskRecord): 'full' | 'incremental' => {
        if (record.running) return record.running.scope;
        const decision = decideTask(schedules.of(task, spec), scheduleState(record, spec), clock.now());
        if (decision.kind === 'settle') return 'full';
        return (decision.kind === 'idle' ? decision.next?.scope : decision.scope) ?? 'full';
      };
      const record = await ledger.delay(task, untilMs, scopeOf, { signal });
      const reason = new HoldfastError('cancelled', `the task was delayed until ${isoOf(untilMs)}`);
      if (record.running) await runner.end(record.running.run, reason);
      // Read again: the view may not know of it yet, and the run's end has changed it.
      return viewOf(task, (await ledger.task(task, { signal }))?.value ?? record);
    },
  };
}

interface AskedFor {
  readonly scope: 'full' | 'incremental' | undefined;
  readonly newSource: boolean;
}

function startByHand(spec: DeclaredTask, record: TaskRecord, { scope, newSource }: AskedFor): Start {
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
  const asked = scope ?? (spec.incremental === undefined ? 'full' : 'incremental');
  if (asked === 'incremental' && !record.hasFull)
    return {
      scope: 'full',
      trigger: 'manual',
      reason: 'asked for by hand; there is no good full backup yet',
    };
  return { scope: asked, trigger: 'manual', reason: 'asked for by hand' };
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
  const { view, schedules, clock, runner } = parts;
  const spec = view.objects.value.tasks[task];
  if (!spec) throw noTask(task);
  return taskView(record, spec, {
    nowMs: clock.now(),
    objects: view.objects.value,
    schedule: schedules.of(task, spec),
    revision: view.objects.revision,
    runningSinceMs: record.running && runner.find(record.running.run)?.run.startedAtMs,
  });
}
