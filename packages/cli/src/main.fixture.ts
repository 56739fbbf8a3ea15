/** The command in this process, with its output collected. */
import type { RunRequest } from '@holdfast/service';
import { FakeClock } from '@holdfast/testing';
import type { Perform } from './context.ts';
import { main } from './main.ts';

/** Stands still: no limit of time is ever reached. */
const clock = new FakeClock({ startMs: 0 });

/** What a command line led to. */
export interface Result {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
  readonly requests: RunRequest[];
}

/** Carries out a command line, split at its spaces. */
export async function holdfast(
  line: string,
  perform?: Perform,
  env: Record<string, string> = {},
): Promise<Result> {
  const requests: RunRequest[] = [];
  const out: string[] = [];
  const err: string[] = [];
  const signal = new AbortController().signal;
  const exitCode = await main(line.split(' '), {
    terminal: {
      out: { isTerminal: false, columns: () => 80, write: (text) => void out.push(text) },
      err: { isTerminal: false, columns: () => 80, write: (text) => void err.push(text) },
      env,
    },
    clock,
    signal,
    killSignal: signal,
    ...(perform && {
      perform: ((request, o) => {
        requests.push(request);
        return perform(request, o);
      }) as Perform,
    }),
  });
  return { exitCode, out: out.join(''), err: err.join(''), requests };
}

/** In place of a run: this report, after these notices. */
export function answering(report: unknown, notices: readonly string[] = []): Perform {
  return (async (_request: RunRequest, o: Parameters<Perform>[1]) => {
    for (const text of notices) o.observer({ kind: 'notice', text });
    return report;
  }) as Perform;
}
