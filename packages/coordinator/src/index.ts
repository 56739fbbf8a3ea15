export { ClusterView, type ViewChange } from './cluster-view.ts';
export { isRunId, keys, runId, taskOfRun, timeOfRun } from './keys.ts';
export {
  type Known,
  Ledger,
  noObjects,
  noRun,
  noTask,
  type Outcome,
  type Taken,
  type Tell,
} from './ledger.ts';
export * from './records.ts';
export type { Skip, Start, Step } from './transitions.ts';
