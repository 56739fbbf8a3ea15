import type { ServerResponse } from 'node:http';
import { type ApiEvent, contract } from '@holdfast/client';
import { type Clock, HoldfastError } from '@holdfast/core';
import type { ApiLimits } from './limits.ts';

export interface EventStreamsOptions {
  readonly clock: Clock;
  readonly limits: ApiLimits;
  readonly headers: Readonly<Record<string, string>>;
  /** A reader was disconnected because it did not keep up. */
  readonly onSlow: () => void;
}

/** The clients that read events. Each has its own queue with an end: who does not read is let go, not remembered. */
export class EventStreams {
  readonly #options: EventStreamsOptions;
  readonly #open = new Set<EventStream>();
  /** Ids of two lives of a node differ. */
  readonly #life: string;
  #sent = 0;

  constructor(options: EventStreamsOptions) {
    this.#options = options;
    this.#life = options.clock.now().toString(36);
  }

  get count(): number {
    return this.#open.size;
  }

  /** @throws HoldfastError exhausted when there are as many as there may be */
  assertRoom(): void {
    const { streamsMax } = this.#options.limits;
    if (this.#open.size < streamsMax) return;
    throw new HoldfastError('exhausted', `${streamsMax} clients read events already`, {
      hint: 'close one of them',
    });
  }

  /** Takes the response over, to its end. */
  add(response: ServerResponse): void {
    const { limits, headers, onSlow } = this.#options;
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    const stream = new EventStream(response, limits, onSlow);
    this.#open.add(stream);
    response.once('close', () => this.#open.delete(stream));
    // Headers alone are kept back: this tells the client that it is connected.
    stream.write(': connected\n\n');
  }

  /** @throws HoldfastError internal for an event that is not of the contract */
  send(event: ApiEvent): void {
    this.#sent += 1;
    if (this.#open.size === 0) return;
    const checked = contract.streamEvents.response.safeParse(event);
    if (!checked.success) {
      const [issue] = checked.error.issues;
      throw new HoldfastError('internal', `an event breaks the contract at ${issue?.path.join('.')}`, {
        cause: checked.error,
      });
    }
    this.#writeAll(
      `id: ${this.#life}-${this.#sent}\nevent: ${event.kind}\ndata: ${JSON.stringify(checked.data)}\n\n`,
    );
  }

  /** Until the signal aborts: proxies and clients give up connections on which nothing comes. */
  async beat(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#options.clock.sleep(this.#options.limits.heartbeatMs, signal);
      this.#writeAll(': heartbeat\n\n');
    }
  }

  close(): void {
    for (const stream of this.#open) stream.end();
  }

  #writeAll(text: string): void {
    for (const stream of this.#open) stream.write(text);
  }
}

class EventStream {
  readonly #response: ServerResponse;
  readonly #limits: ApiLimits;
  readonly #onSlow: () => void;
  #queue: string[] = [];
  #queuedBytes = 0;

  constructor(response: ServerResponse, limits: ApiLimits, onSlow: () => void) {
    this.#response = response;
    this.#limits = limits;
    this.#onSlow = onSlow;
    response.on('drain', () => this.#flush());
    // A connection that breaks is closed, which is all that there is to know.
    response.on('error', () => {});
  }

  write(text: string): void {
    if (this.#response.destroyed || this.#response.writableEnded) return;
    if (!this.#response.writableNeedDrain) {
      this.#response.write(text);
      return;
    }
    this.#queue.push(text);
    this.#queuedBytes += Buffer.byteLength(text);
    const { queuedEventsMax, queuedBytesMax } = this.#limits;
    if (this.#queue.length <= queuedEventsMax && this.#queuedBytes <= queuedBytesMax) return;
    this.#queue = [];
    this.#response.destroy();
    this.#onSlow();
  }

  end(): void {
    // What waits for a reader that does not read would keep the connection open.
    if (this.#queue.length > 0) this.#response.destroy();
    else this.#response.end();
  }

  #flush(): void {
    if (this.#queue.length === 0) return;
    // All at once: they are fewer than the limit, and the stream says again when it wants no more.
    const text = this.#queue.join('');
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#response.write(text);
  }
}
