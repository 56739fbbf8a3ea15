/** How runs of a time apart go into the history of a task that has another node or generation by now. Pure. */
import type { ErrorRecord } from '@holdfast/core';
import { nextRunId, timeOfRun } from './keys.ts';
import type { RunRecord, TaskRecord } from './records.ts';

/** Where the record is of the run's own node and generation, as it is. */
export function toldRun(run: RunRecord, record: TaskRecord, nowMs: number): RunRecord {
  if (run.node === record.node && run.generation === record.generation) return run;
  if (run.state === 'succeeded') {
    const error = overtaken(`the backup exists and restores, but its chain is closed: ${whose(record)}`);
    return { ...run, state: 'interrupted', error };
  }
  if (run.state !== 'waiting' && run.state !== 'running') return run;
  const error = overtaken(`the run was begun apart from the cluster, and cannot count: ${whose(record)}`);
  return { ...run, state: 'interrupted', error, endedAtMs: nowMs };
}

export function whose({ node, generation }: TaskRecord): string {
  const who = node === '' ? 'no node' : `node ${node}`;
  return `${who} is responsible since generation ${generation}`;
}

/** Nobody carries out a run that the cluster has, of this node, but of which the node never heard. */
export function unheardRun(run: RunRecord, nowMs: number): RunRecord {
  const error: ErrorRecord = {
    code: 'unavailable',
    message: `node ${run.node} could not be reached when the run was created, and has not begun it`,
    hint: 'see holdfast history for the run that was made instead',
  };
  return { ...run, state: 'interrupted', error, endedAtMs: nowMs };
}

/** Two records of one run, however far it is. Its id may be another in one of them. */
export function isSameRun(a: RunRecord, b: RunRecord): boolean {
  const fields = [
    'task',
    'node',
    'generation',
    'createdAtMs',
    'trigger',
    'scope',
    'occurrenceMs',
    'resumes',
  ] as const;
  return a.reason === b.reason && fields.every((field) => a[field] === b[field]);
}

/** The first id after `id` that nobody has. */
export async function freeId(
  task: string,
  id: string,
  isTaken: (id: string) => Promise<boolean>,
): Promise<string> {
  let free = id;
  do free = nextRunId(task, timeOfRun(id), free);
  while (await isTaken(free));
  return free;
}

function overtaken(message: string): ErrorRecord {
  return { code: 'lease_lost', message, hint: 'the responsible node begins a chain of its own' };
}
