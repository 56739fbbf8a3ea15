export type * from './api.ts';
export { backup } from './backup/backup.ts';
export { defaultWorkers } from './backup/run-writer.ts';
export { listTasks } from './catalog/listing.ts';
export { showBackup } from './catalog/show.ts';
export { check } from './check/check.ts';
export { manifestJsonSchema } from './manifest-file.ts';
export { planRestore } from './restore/plan.ts';
export { restore } from './restore/restore.ts';
