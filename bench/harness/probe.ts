import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface ProbeRequest {
  /** URLs that are asked in turn. */
  readonly node: string;
  readonly trivial: string;
  /** The file of the node's embedded store. */
  readonly store: string;
  /** Between two questions to the same server. */
  readonly everyMs: number;
}

export interface Sample {
  readonly of: 'node' | 'trivial';
  /** By the wall clock, when it was asked. */
  readonly atMs: number;
  /** Until the answer was there whole. */
  readonly ms: number;
}

/** A sign of life that a node gave in its store, and when it was seen there. */
export interface Beat {
  readonly session: string;
  readonly ttlMs: number;
  readonly atMs: number;
}

export interface Probed {
  readonly samples: readonly Sample[];
  readonly beats: readonly Beat[];
  /** How late each question was asked: what the machine's load costs the one that asks. */
  readonly lateMs: readonly number[];
  readonly errors: readonly string[];
  readonly endedAtMs: number;
}

const stopMsMax = 30_000;

/**
 * Asks a node from a process of its own, and in turn with it a server that does nothing, in another process: the
 * difference is the node's, the rest is the machine's.
 */
export class Probe implements AsyncDisposable {
  readonly #server: ChildProcess;
  readonly #child: ChildProcess;
  readonly #probed: Promise<Probed>;

  private constructor(server: ChildProcess, child: ChildProcess) {
    this.#server = server;
    this.#child = child;
    const { promise, resolve, reject } = Promise.withResolvers<Probed>();
    child.once('message', (probed) => resolve(probed as Probed));
    child.once('exit', (code) => reject(new Error(`the probe ended with ${code} and no answer`)));
    // It is asked for later.
    promise.catch(() => undefined);
    this.#probed = promise;
  }

  static async start(request: Omit<ProbeRequest, 'trivial'>): Promise<Probe> {
    const server = fork(join(import.meta.dirname, 'trivial-server-child.ts'));
    const [port] = (await once(server, 'message')) as [number];
    const whole: ProbeRequest = { ...request, trivial: `http://127.0.0.1:${port}/` };
    const options = { serialization: 'advanced' } as const;
    const child = fork(join(import.meta.dirname, 'probe-child.ts'), [JSON.stringify(whole)], options);
    return new Probe(server, child);
  }

  async stop(): Promise<Probed> {
    this.#child.send('stop');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMsMax);
    try {
      return await this.#probed;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [this.#child, this.#server]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
  }
}
