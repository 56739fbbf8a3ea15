export { Assigner, type AssignerOptions, type Deciding } from './assigner.ts';
export { type Adopted, Assignments } from './assignments.ts';
export { behindOnly, behindTold, type Copied, copyFailed, copySucceeded, isBehind } from './behind.ts';
export { ClusterView, type ViewChange } from './cluster-view.ts';
export {
  type AliveNode,
  decideResponsibility,
  type ResponsibilityDecision,
  type ResponsibilityQuestion,
  whyNone,
} from './decide-responsibility.ts';
export { type Known, noObjects } from './entries.ts';
export type { ReconcileOutcome } from './journal-attempt.ts';
export { type Apart, JournaledStore, type JournaledStoreOptions } from './journaled-store.ts';
export { isRunId, keys, runId, taskOfRun, timeOfRun } from './keys.ts';
export { Ledger, type Taken, type Tell } from './ledger.ts';
export { Membership, type MembershipOptions } from './membership.ts';
export { noRun, noTask } from './not-found.ts';
export type { Reconciled } from './reconcile.ts';
export * from './records.ts';
export type { Outcome, Skip, Start, Step } from './transitions.ts';
export { ownsIncrementals } from './transitions.ts';
