import type { Client } from '@holdfast/client';
import { HoldfastError } from '@holdfast/core';

const runPattern = /-\d{8}T\d{9}Z$/;

/** A run's id: the one that was typed, or that of the newest run of the task that was typed. */
export async function newestRun(client: Client, operand: string, signal: AbortSignal): Promise<string> {
  if (runPattern.test(operand)) return operand;
  await client.getTask({ task: operand, next: 0, signal });
  const { runs } = await client.listRuns({ task: operand, limit: 1, signal });
  const [newest] = runs;
  if (newest) return newest.id;
  throw new HoldfastError('not_found', `task ${operand} has not run yet`, {
    hint: `start it with holdfast run ${operand}`,
  });
}
