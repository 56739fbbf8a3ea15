import type { Call, CommandSpec } from './commands.ts';
import type { Context } from './context.ts';

/** Resolves with the exit code. */
export type Action = (call: Call<CommandSpec>, context: Context) => Promise<number>;

/** Each loads its command when it is asked for: no command pays for the others. */
export const actions: Readonly<Record<string, () => Promise<Action>>> = {
  start: async () => (await import('./commands/start.ts')).runStart as Action,
  plan: async () => (await import('./commands/objects.ts')).runPlan as Action,
  apply: async () => (await import('./commands/objects.ts')).runApply as Action,
  export: async () => (await import('./commands/objects.ts')).runExport as Action,
  run: async () => (await import('./commands/run.ts')).runRun as Action,
  tasks: async () => (await import('./commands/tasks.ts')).runTasks as Action,
  nodes: async () => (await import('./commands/nodes.ts')).runNodes as Action,
  'nodes drain': async () => (await import('./commands/nodes.ts')).runNodesDrain as Action,
  status: async () => (await import('./commands/status.ts')).runStatus as Action,
  destinations: async () => (await import('./commands/destinations.ts')).runDestinations as Action,
  history: async () => (await import('./commands/history.ts')).runHistory as Action,
  logs: async () => (await import('./commands/history.ts')).runLogs as Action,
  cancel: async () => (await import('./commands/tasks.ts')).runCancel as Action,
  pause: async () => (await import('./commands/tasks.ts')).runPause as Action,
  resume: async () => (await import('./commands/tasks.ts')).runResume as Action,
  delay: async () => (await import('./commands/tasks.ts')).runDelay as Action,
  'notification test': async () => (await import('./commands/tasks.ts')).runNotificationTest as Action,
  backup: async () => (await import('./commands/backup.ts')).runBackup as Action,
  copy: async () => (await import('./commands/copy.ts')).runCopy as Action,
  list: async () => (await import('./commands/list.ts')).runList as Action,
  show: async () => (await import('./commands/show.ts')).runShow as Action,
  check: async () => (await import('./commands/check.ts')).runCheck as Action,
  restore: async () => (await import('./commands/restore.ts')).runRestore as Action,
  doctor: async () => (await import('./commands/doctor.ts')).runDoctor as Action,
  'source prepare': async () => (await import('./commands/source.ts')).runSourcePrepare as Action,
  'source forget': async () => (await import('./commands/source.ts')).runSourceForget as Action,
};
