/** Runs a command where one folder is a small disk, and prints how it ended and what it left there. */
import { type Outcome, runHoldfast } from '../harness/run-holdfast.ts';
import { treeOf } from '../harness/tree.ts';

export interface SmallDiskReport {
  readonly outcome: Outcome;
  readonly left: readonly string[];
}

const [, folder = '', ...args] = process.argv.slice(2);
const outcome = await runHoldfast(args);
const report: SmallDiskReport = { outcome, left: Object.keys(await treeOf(folder)) };
console.log(JSON.stringify(report));
