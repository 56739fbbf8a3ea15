import { runNode } from '@holdfast/service/node';
import type { Call } from '../commands.ts';
import type { Context } from '../context.ts';
import type { start } from '../node-commands.ts';

/** Until the node is told to stop. Its log is its answer. */
export async function runStart({ values }: Call<typeof start>, context: Context): Promise<number> {
  const { signal, killSignal, clock } = context;
  const { env, out } = context.terminal;
  await runNode({ configFile: values.config, clock, signal, killSignal, env, write: out.write });
  return 0;
}
