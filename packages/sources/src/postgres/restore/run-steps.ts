import type { Sig } from '@holdfast/core';
import type { Session } from '../session/session.ts';
import { applyInOrder, applyOne } from './apply.ts';
import type { Group, Step } from './finish-plan.ts';
import { noteStep } from './journal.ts';
import { LockTable } from './lock-table.ts';
import { sqlStateOf } from './sql-state.ts';

export interface RunSteps extends Sig {
  /** At least one, each on the database in the making, at nobody else's use. */
  readonly sessions: readonly Session[];
  /** Numbers of steps that an interrupted restore has finished. */
  readonly finished: ReadonlySet<number>;
  /** By `relationKey`: the biggest go first, so that no long one is left for the end. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly progress: (doneRatio: number, what: string) => void;
}

const deadlockDetected = '40P01';

/** Every statement costs something even if its table is empty. */
const statementBytes = 1 << 20;

/** Runs the groups one after the other, and the steps of a parallel group side by side. @throws naming the object */
export async function runSteps(groups: readonly Group[], o: RunSteps): Promise<void> {
  const weigh = (step: Step): number => {
    const bytes = step.locks.map((lock) => o.sizes.get(lock.relation) ?? 0);
    return statementBytes + Math.max(0, ...bytes);
  };
  const total = groups.flatMap((group) => group.steps).reduce((sum, step) => sum + weigh(step), 0);
  let done = 0;
  const finish = (steps: readonly Step[], what: string): void => {
    for (const step of steps) done += weigh(step);
    o.progress(total === 0 ? 1 : done / total, what);
  };
  for (const group of groups) {
    const open = group.steps.filter((step) => !o.finished.has(step.number));
    finish(
      group.steps.filter((step) => o.finished.has(step.number)),
      group.what,
    );
    if (group.parallel) {
      open.sort((a, b) => weigh(b) - weigh(a));
      await runParallel(open, o, (step) => finish([step], group.what));
    } else {
      await runInOrder(open, o, (steps) => finish(steps, group.what));
    }
  }
}

async function runInOrder(
  steps: readonly Step[],
  o: RunSteps,
  finish: (steps: readonly Step[]) => void,
): Promise<void> {
  const [session] = o.sessions;
  if (!session) return;
  let told = 0;
  await applyInOrder(session, steps, {
    signal: o.signal,
    note: (batch) => batch.map((each) => noteStep(stepName(each.number))).join(';\n'),
    done: (count) => {
      finish(steps.slice(told, count));
      told = count;
    },
  });
}

async function runParallel(steps: readonly Step[], o: RunSteps, finish: (step: Step) => void): Promise<void> {
  const waiting = [...steps];
  const locks = new LockTable();
  const deadlocked: Step[] = [];
  let failure: unknown;
  /** Wakes the sessions that found only steps whose tables are in use. */
  let change = Promise.withResolvers<void>();
  const work = async (session: Session): Promise<void> => {
    while (waiting.length > 0 && failure === undefined) {
      o.signal.throwIfAborted();
      const at = waiting.findIndex((step) => locks.isFree(step.locks));
      const step = waiting[at];
      if (step === undefined) {
        await change.promise;
        continue;
      }
      waiting.splice(at, 1);
      locks.take(step.locks);
      try {
        await applyOne(session, step, noteStep(stepName(step.number)));
        finish(step);
      } catch (caught) {
        if (sqlStateOf(caught) === deadlockDetected) deadlocked.push(step);
        else failure ??= caught;
      } finally {
        locks.release(step.locks);
        change.resolve();
        change = Promise.withResolvers();
      }
    }
  };
  const ends = await Promise.allSettled(o.sessions.map(work));
  if (failure !== undefined) throw failure;
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  // The locks are read from the statements' text, which does not say what partitions a table has. Who lost to a
  // deadlock loses to nobody when alone.
  const [session] = o.sessions;
  for (const step of session ? deadlocked : []) {
    await applyOne(session as Session, step, noteStep(stepName(step.number)));
    finish(step);
  }
}

/** How the journal calls a step of `finish`. */
export function stepName(number: number): string {
  return `post-data ${number}`;
}
