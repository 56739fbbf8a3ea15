import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StagedRun } from '@holdfast/core';
import { type Late, RunFolder } from './run-folder.ts';

/** A committed run whose files stay in staging for destinations that are behind. */
export interface LateRun {
  readonly folder: RunFolder;
  readonly late: Late;
}

/** Of one task, in the order of their chains and numbers. */
export async function findLateRuns(root: string, task: string): Promise<readonly LateRun[]> {
  const found: LateRun[] = [];
  // A run may end while this looks around.
  for (const name of (await readdir(join(root, task)).catch(() => [])).sort()) {
    const folder = name.startsWith('.') ? undefined : await RunFolder.open(join(root, task, name));
    const late = await folder?.readLate();
    if (folder && late && !folder.isLive()) found.push({ folder, late });
  }
  return found;
}

/** Takes a destination off the list of those that a run waits for; a run that waits for none goes. */
export async function settleRuns(
  runs: readonly LateRun[],
  destination: string,
  has: (run: StagedRun) => boolean,
): Promise<void> {
  for (const { folder, late } of runs) {
    if (!late.destinations.includes(destination) || !has(folder.record.run)) continue;
    const left = late.destinations.filter((one) => one !== destination);
    if (left.length === 0) await folder.remove();
    else await folder.keepFor(left, late.sinceMs);
  }
}

/**
 * Makes room: what is kept for late destinations is at others already, and can be had from there. The oldest go first.
 * Resolves with what was removed; stops as soon as `enough` says so.
 */
export async function giveUpLateRuns(
  root: string,
  enough: () => Promise<boolean>,
): Promise<readonly StagedRun[]> {
  const removed: StagedRun[] = [];
  const runs: LateRun[] = [];
  for (const task of await readdir(root, { withFileTypes: true }).catch(() => []))
    if (task.isDirectory() && !task.name.startsWith('.')) runs.push(...(await findLateRuns(root, task.name)));
  for (const { folder } of runs.sort((a, b) => a.late.sinceMs - b.late.sinceMs)) {
    if (await enough()) break;
    // Sealed, it is still to be taken up.
    if (await folder.readSeal()) continue;
    await folder.remove();
    removed.push(folder.record.run);
  }
  return removed;
}
