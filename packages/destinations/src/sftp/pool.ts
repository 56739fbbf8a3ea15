import { abortError, type Clock, type Sig, throwIfAborted } from '@holdfast/core';
import type { SFTPWrapper } from 'ssh2';
import { ConnectionLost, type Done, type SftpConnection } from './connection.ts';

/** How long a call may still take to answer after it was told to stop, before its connection is destroyed. */
const graceMs = 2_000;

interface Entry {
  readonly connection: Promise<SftpConnection>;
  /** Once it is open. */
  open?: SftpConnection;
  users: number;
}

export interface PoolOptions {
  readonly connectionsMax: number;
  readonly clock: Clock;
  connect(o: Sig): Promise<SftpConnection>;
}

/** Connections that are opened when they are wanted, and shared when there are no more to be had. */
export class Pool {
  readonly #o: PoolOptions;
  readonly #entries = new Set<Entry>();
  readonly #over = new AbortController();
  #uses = 0;

  constructor(options: PoolOptions) {
    this.#o = options;
  }

  /** Gives a connection for as long as `act` runs. */
  async use<T>(o: Sig, act: (lease: Lease) => Promise<T>): Promise<T> {
    await using lease = await this.lease(o);
    return await act(lease);
  }

  /** The one with the fewest users, or a new one. */
  async lease(o: Sig): Promise<Lease> {
    throwIfAborted(o.signal);
    const least = this.#leastUsed();
    const entry = least && (least.users === 0 || this.#full) ? least : this.#add();
    this.#uses += 1;
    try {
      return await this.#leaseOf(entry, o, () => {
        this.#uses -= 1;
      });
    } catch (error) {
      this.#uses -= 1;
      throw error;
    }
  }

  /** Another one for a transfer that has `held` already, where that takes nothing from others. */
  async spare(o: Sig & { readonly held: number }): Promise<Lease | undefined> {
    const share = Math.floor(this.#o.connectionsMax / Math.max(1, this.#uses));
    const least = this.#leastUsed();
    const idle = least?.users === 0 && least.open ? least : undefined;
    if (o.held >= share || (idle === undefined && this.#full)) return undefined;
    return this.#leaseOf(idle ?? this.#add(), o);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    const opened = await Promise.allSettled([...this.#entries].map((entry) => entry.connection));
    for (const result of opened) if (result.status === 'fulfilled') result.value.destroy();
  }

  get #full(): boolean {
    return this.#entries.size >= this.#o.connectionsMax;
  }

  #leastUsed(): Entry | undefined {
    let least: Entry | undefined;
    for (const entry of this.#entries) if (!least || entry.users < least.users) least = entry;
    return least;
  }

  #add(): Entry {
    // Nobody's own signal: whoever else comes to share it must not lose it with the one who came first.
    const entry: Entry = { connection: this.#o.connect({ signal: this.#over.signal }), users: 0 };
    this.#entries.add(entry);
    const drop = (): void => {
      this.#entries.delete(entry);
    };
    entry.connection.then((connection) => {
      entry.open = connection;
      void connection.closed.then(drop);
    }, drop);
    return entry;
  }

  async #leaseOf(entry: Entry, o: Sig, onEnd?: () => void): Promise<Lease> {
    entry.users += 1;
    try {
      const connection = await unlessAborted(entry.connection, o.signal);
      return new Lease(connection, {
        clock: this.#o.clock,
        signal: o.signal,
        onEnd: () => {
          entry.users -= 1;
          onEnd?.();
        },
      });
    } catch (error) {
      entry.users -= 1;
      throw error;
    }
  }
}

interface LeaseOptions extends Sig {
  readonly clock: Clock;
  readonly onEnd: () => void;
}

/**
 * A connection in somebody's hands. After an abort its calls may still answer, so that it is known what they did; when
 * they do not, the connection is destroyed, and with it every call on it ends.
 */
export class Lease implements AsyncDisposable {
  readonly connection: SftpConnection;
  readonly #o: LeaseOptions;
  readonly #over = new AbortController();
  readonly #stop: () => void;
  #calls = 0;
  #ended = false;

  constructor(connection: SftpConnection, options: LeaseOptions) {
    this.connection = connection;
    this.#o = options;
    this.#stop = () => void this.#destroyUnlessAnswered();
    if (options.signal.aborted) this.#stop();
    else options.signal.addEventListener('abort', this.#stop, { once: true });
  }

  async call<T>(start: (sftp: SFTPWrapper, done: Done<T>) => void): Promise<T> {
    this.#calls += 1;
    try {
      return await this.connection.call(start);
    } catch (error) {
      if (error instanceof ConnectionLost) throwIfAborted(this.#o.signal);
      throw error;
    } finally {
      this.#calls -= 1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#o.signal.removeEventListener('abort', this.#stop);
    this.#over.abort();
    this.#o.onEnd();
  }

  async #destroyUnlessAnswered(): Promise<void> {
    try {
      await this.#o.clock.sleep(graceMs, this.#over.signal);
    } catch {
      // It ended in time.
      return;
    }
    if (this.#calls > 0) this.connection.destroy();
  }
}

/** Stops waiting for what others may still want. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfAborted(signal);
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined);
  const stop = (): void => aborted.reject(abortError(signal));
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
