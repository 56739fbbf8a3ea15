export { defaultStagingRoot } from './default-root.ts';
export { makeFolders, writeDurably } from './durable-file.ts';
export { FileLock } from './file-lock.ts';
export { KnownDestinations } from './known-destinations.ts';
export { type RequiredCopies, RunStage, type VerifyOf } from './run-stage.ts';
export { StagingArea, type StagingOptions } from './staging-area.ts';
