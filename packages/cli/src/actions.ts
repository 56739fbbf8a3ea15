import type { Call, CommandSpec } from './commands.ts';
import type { Context } from './context.ts';

/** Resolves with the exit code. */
export type Action = (call: Call<CommandSpec>, context: Context) => Promise<number>;

/** Each loads its command when it is asked for: no command pays for the others. */
export const actions: Readonly<Record<string, () => Promise<Action>>> = {
  backup: async () => (await import('./commands/backup.ts')).runBackup as Action,
  list: async () => (await import('./commands/list.ts')).runList as Action,
  show: async () => (await import('./commands/show.ts')).runShow as Action,
  check: async () => (await import('./commands/check.ts')).runCheck as Action,
  restore: async () => (await import('./commands/restore.ts')).runRestore as Action,
  doctor: async () => (await import('./commands/doctor.ts')).runDoctor as Action,
  'source prepare': async () => (await import('./commands/source.ts')).runSourcePrepare as Action,
  'source forget': async () => (await import('./commands/source.ts')).runSourceForget as Action,
};
