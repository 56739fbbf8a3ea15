import { type Clock, HoldfastError, throwIfAborted } from '@holdfast/core';
import type { Logger } from 'pino';

/** How a service is asked to end. */
export interface Ending {
  /** Begin nothing new, finish what is under way, then return. */
  readonly drain: AbortSignal;
  /** Return now. Always aborts after `drain`. */
  readonly stop: AbortSignal;
}

/** A part of the node that works for as long as the node does. */
export interface Service {
  readonly name: string;
  /** Resolves once it was asked to end; anything else is a failure, after which it is run again. */
  run(ending: Ending): Promise<void>;
}

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly firstWaitMs?: number;
  readonly waitMaxMs?: number;
}

/** A service that has worked for this long had a good start: the next failure waits shortly again. */
const healthyAfterMs = 60_000;

export interface ServiceState {
  readonly name: string;
  readonly state: 'working' | 'waiting' | 'ended';
  readonly failures: number;
  readonly lastError?: string;
}

/** Keeps services at work: one that fails is logged and run again, later each time, and never takes others along. */
export class Supervisor {
  readonly #o: Required<SupervisorOptions>;
  readonly #states = new Map<string, ServiceState>();

  constructor(options: SupervisorOptions) {
    this.#o = { firstWaitMs: 500, waitMaxMs: 60_000, ...options };
  }

  get states(): readonly ServiceState[] {
    return [...this.#states.values()];
  }

  /** Resolves when all services have ended. */
  async run(services: readonly Service[], ending: Ending): Promise<void> {
    await Promise.all(services.map((service) => this.#keep(service, ending)));
  }

  async #keep(service: Service, ending: Ending): Promise<void> {
    const { clock, logger, firstWaitMs, waitMaxMs } = this.#o;
    const { name } = service;
    let waitMs = firstWaitMs;
    for (let failures = 0; ; failures++) {
      const startedMs = clock.elapsed();
      const last = this.#states.get(name)?.lastError;
      this.#states.set(name, {
        name,
        state: 'working',
        failures,
        ...(last !== undefined && { lastError: last }),
      });
      const error = await this.#attempt(service, ending);
      if (error === undefined || ending.drain.aborted) break;
      if (clock.elapsed() - startedMs >= healthyAfterMs) waitMs = firstWaitMs;
      logger.error(
        { component: name, err: error, code: error.code, hint: error.hint, waitMs },
        `${name} failed: ${error.reason}; it starts again`,
      );
      this.#states.set(name, { name, state: 'waiting', failures: failures + 1, lastError: error.message });
      await clock.sleep(waitMs, ending.drain).catch(() => undefined);
      if (ending.drain.aborted) break;
      waitMs = Math.min(waitMs * 2, waitMaxMs);
    }
    const before = this.#states.get(name);
    if (before) this.#states.set(name, { ...before, state: 'ended' });
  }

  async #attempt(service: Service, ending: Ending): Promise<HoldfastError | undefined> {
    try {
      throwIfAborted(ending.stop);
      await service.run(ending);
      if (ending.drain.aborted) return undefined;
      return new HoldfastError('internal', 'it ended though nobody asked it to');
    } catch (caught) {
      return HoldfastError.from(caught);
    }
  }
}
