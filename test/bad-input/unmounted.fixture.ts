/** Backs up to a mounted folder, takes the mount away, and tries again: prints how that ended and what it left. */
import { mkdir, rename } from 'node:fs/promises';
import { unmount } from '@holdfast/testing';
import { type Outcome, runHoldfast } from '../harness/run-holdfast.ts';
import { treeOf } from '../harness/tree.ts';

export interface UnmountedReport {
  readonly mounted: Outcome;
  readonly unmounted: Outcome;
  readonly listed: Outcome;
  /** In the bare folder. */
  readonly left: readonly string[];
}

const [way, folder = '', ...backup] = process.argv.slice(2);
const mounted = await runHoldfast(backup);
if (way === 'mount') unmount(folder);
else {
  // What an unmounted folder looks like where nothing may be mounted: there, and empty.
  await rename(folder, `${folder}-away`);
  await mkdir(folder);
}
const unmounted = await runHoldfast(backup);
const listed = await runHoldfast(['list', '--at', `file:${folder}`, '--json']);
const report: UnmountedReport = { mounted, unmounted, listed, left: Object.keys(await treeOf(folder)) };
console.log(JSON.stringify(report));
