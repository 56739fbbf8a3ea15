import { type ApiEvent, Client, contract, type LogLine, type RouteName, routes } from '@holdfast/client';
import type { Clock } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import { type Logger, pino } from 'pino';
import { type ApiServer, type ApiServerOptions, openApiServer } from './api-server.ts';
import type { Handlers } from './handlers.ts';

/** A server whose handlers answer with the examples of the contract, unless a test says otherwise. */
export interface TestServer extends AsyncDisposable {
  readonly server: ApiServer;
  readonly client: Client;
  readonly clock: FakeClock;
  /** What the next call of a route answers: a value, or a function that makes one. */
  answer(route: RouteName, value: unknown): void;
  /** What the handlers were given, in order. */
  readonly calls: { readonly route: RouteName; readonly input: Record<string, unknown> }[];
  send(event: ApiEvent): void;
  readonly listeners: number;
  readonly log: Record<string, unknown>[];
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

export async function openTestServer(
  options: Partial<Omit<ApiServerOptions, 'clock'>> & { readonly clientClock?: Clock } = {},
): Promise<TestServer> {
  const { clientClock, ...given } = options;
  const clock = new FakeClock();
  const listeners = new Set<(event: ApiEvent) => void>();
  const answers = new Map<RouteName, unknown>();
  const calls: TestServer['calls'] = [];
  const methods = routes.map(({ name }) => [
    name,
    async (input: Record<string, unknown>): Promise<unknown> => {
      calls.push({ route: name, input });
      const answer = answers.has(name) ? answers.get(name) : contract[name].examples[0].output;
      if (typeof answer === 'function') return answer(input);
      return name === 'getRunLog' ? each([answer as LogLine]) : answer;
    },
  ]);
  const handlers = {
    ...Object.fromEntries(methods),
    subscribe: (listener: (event: ApiEvent) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  } as unknown as Handlers;
  const log: Record<string, unknown>[] = [];
  const logger = memoryLogger(log);
  const server = await openApiServer({ handlers, listen: '127.0.0.1:0', logger, clock, ...given });
  return {
    server,
    clock,
    calls,
    log,
    client: new Client({ url: server.url, ...(clientClock && { clock: clientClock }) }),
    answer: (route, value) => answers.set(route, value),
    send: (event) => {
      for (const listener of listeners) listener(event);
    },
    get listeners() {
      return listeners.size;
    },
    fetch: (path, init) => fetch(`${server.url}${path}`, init),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export async function* each<T>(values: readonly T[]): AsyncGenerator<T, void, void> {
  yield* values;
}

function memoryLogger(log: Record<string, unknown>[]): Logger {
  return pino({ level: 'debug' }, { write: (line: string) => void log.push(JSON.parse(line)) });
}

/** Resolves when `holds` does, as soon as the event loop gets there. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

export const post = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

export const never = new AbortController().signal;
