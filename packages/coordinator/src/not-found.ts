import { HoldfastError } from '@holdfast/core';
import { taskOfRun } from './keys.ts';

export function noTask(task: string): HoldfastError {
  return new HoldfastError('not_found', `there is no task ${task}`, { hint: 'see holdfast tasks' });
}

export function noRun(id: string): HoldfastError {
  return new HoldfastError('not_found', `there is no run ${id} of task ${taskOfRun(id)}`, {
    hint: 'see holdfast history',
  });
}
