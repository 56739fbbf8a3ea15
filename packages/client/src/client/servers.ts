import { type Clock, HoldfastError } from '@holdfast/core';
import type { NamedRoute } from '../contract/contract.ts';
import type { Connection, Given } from './connection.ts';
import { Unanswered } from './unanswered.ts';

/** How long the answer to a read may take while there are others to ask. */
const patienceMs = 15_000;

/**
 * Servers of one cluster, of which any will do. The one that has answered last is asked first; when it does not, the
 * others are, in their order. A request that changes something goes to another one only if the first has surely not begun
 * with it.
 */
export class Servers {
  readonly #all: readonly Connection[];
  #at = 0;

  /** @param all at least one */
  constructor(all: readonly Connection[]) {
    this.#all = all;
  }

  /** As people name the one that has answered last. */
  get server(): string {
    return this.#current.server;
  }

  get clock(): Clock {
    return this.#current.clock;
  }

  /** The answer's body, whole. */
  text(route: NamedRoute, given: Given): Promise<string> {
    return this.#first(route, given, (connection, o) => connection.text(route, given, o));
  }

  /** The answer's body as it comes, and whom it comes from; the caller reads it inside `translated` of that one. */
  stream(route: NamedRoute, given: Given): Promise<Streaming> {
    return this.#first(route, given, async (connection, o) => ({
      connection,
      stream: await connection.stream(route, given, o),
    }));
  }

  /** What came from this one has broken off: the next request begins with another. */
  leave(connection: Connection): void {
    if (connection === this.#current) this.#at = (this.#at + 1) % this.#all.length;
  }

  get #current(): Connection {
    return this.#all[this.#at] as Connection;
  }

  async #first<T>(route: NamedRoute, given: Given, ask: Ask<T>): Promise<T> {
    const { length } = this.#all;
    const begin = this.#at;
    const failures: HoldfastError[] = [];
    for (let step = 0; step < length; step++) {
      const at = (begin + step) % length;
      const connection = this.#all[at] as Connection;
      const isLast = step === length - 1;
      try {
        const limit = isLast || route.writes ? {} : { timeoutMs: patienceMs };
        const answer = await ask(connection, limit);
        this.#at = at;
        return answer;
      } catch (caught) {
        if (given.signal.aborted || !isAway(caught)) throw caught;
        if (route.writes && !(caught instanceof Unanswered)) throw caught;
        if (route.writes && caught instanceof Unanswered && caught.mayBeDone) throw mayBeDone(caught);
        failures.push(caught);
      }
    }
    const answered = failures.find((failure) => !(failure instanceof Unanswered));
    throw answered ?? (length === 1 ? failures[0] : noneAnswers(failures));
  }
}

export interface Streaming {
  readonly connection: Connection;
  readonly stream: ReadableStream<Uint8Array>;
}

/** Another server may know better: this one was not reached, or could not reach what it needs. */
function isAway(caught: unknown): caught is HoldfastError {
  return caught instanceof Unanswered || (caught instanceof HoldfastError && caught.code === 'unavailable');
}

type Ask<T> = (connection: Connection, o: { readonly timeoutMs?: number }) => Promise<T>;

function mayBeDone(error: Unanswered): HoldfastError {
  return error.withHint(
    'it may have been done all the same, and was not asked for again: look (holdfast status, history) before you do',
  );
}

function noneAnswers(failures: readonly HoldfastError[]): HoldfastError {
  const why = failures.map(({ reason }) => reason).join('; ');
  return new HoldfastError('unavailable', `none of the ${failures.length} servers can be asked: ${why}`, {
    hint: 'is one of them up, and are the addresses right (--server)',
    cause: failures[0],
  });
}
