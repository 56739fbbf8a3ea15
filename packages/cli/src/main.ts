import { type Clock, HoldfastError, version } from '@holdfast/core';
import type { RunProcess } from '@holdfast/service';
import { actions } from './actions.ts';
import { Context, type Perform } from './context.ts';
import { parse } from './parse.ts';
import { printError } from './print-error.ts';
import { urlsOf, warnOfSecrets } from './secrets.ts';
import type { Terminal } from './terminal.ts';

export interface MainOptions {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly killSignal: AbortSignal;
  readonly perform?: Perform;
  readonly runProcess?: RunProcess | undefined;
}

/** Carries out a command line. Resolves with the exit code and never rejects. */
export async function main(argv: readonly string[], o: MainOptions): Promise<number> {
  const { terminal } = o;
  // Before the arguments are understood, so that an error in them is printed as asked for.
  const beforeOperands = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length);
  const json = beforeOperands.includes('--json');
  const debug = beforeOperands.includes('--debug') || Boolean(terminal.env.HOLDFAST_DEBUG);
  try {
    if (argv[0] === '--version' || argv[0] === '-V') {
      terminal.out.write(json ? `${JSON.stringify({ version })}\n` : `${version}\n`);
      return 0;
    }
    const parsed = parse(argv);
    if (parsed.kind === 'help') {
      terminal.out.write(json ? `${JSON.stringify({ help: parsed.text })}\n` : parsed.text);
      return 0;
    }
    warnOfSecrets(urlsOf(parsed.spec, parsed.call), terminal, json);
    const load = actions[parsed.spec.name];
    if (!load) throw new HoldfastError('internal', `the command ${parsed.spec.name} has no action`);
    const action = await load();
    return await action(parsed.call, new Context({ ...o, json, debug }));
  } catch (caught) {
    // What failed after a request to stop failed because of it, unless it says something else of its own.
    const stopped = o.signal.aborted && !(caught instanceof HoldfastError);
    return printError(stopped ? o.signal.reason : caught, terminal, { json, debug });
  } finally {
    await o.runProcess?.[Symbol.asyncDispose]();
  }
}
