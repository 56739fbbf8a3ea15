/** Databases and destinations of a simulation, and what goes wrong with them. */
import {
  type ByteRange,
  type ChangeView,
  type Destination,
  type FrozenView,
  HoldfastError,
  type ObjectInfo,
  type Sig,
  type Source,
  type WriteOptions,
} from '@holdfast/core';
import { collect, MemoryDatabase, type MemoryDestination, texts } from '@holdfast/testing';
import { forEver, pick, type Random } from './simulation-time.fixture.ts';

const rowsMax = 60;

/** A database that is written to all the time, and remembers what was in it at each position. */
export class ShopDatabase {
  readonly database: MemoryDatabase;
  readonly #versions = new Map<number, Readonly<Record<string, string[]>>>();
  #next = 0;

  constructor(name: string) {
    this.database = new MemoryDatabase(name);
    this.database.createTable('/public/orders', { columns: ['id', 'text'], key: ['id'] });
    this.database.createTable('/public/notes', { columns: ['text'] });
    this.database.createTable('/public/stock', { columns: ['id', 'text'], key: ['id'], by: 'compare' });
    this.database.transaction((t) => t.insert('/public/orders', texts('first', 'row')));
    this.#remember();
  }

  write(random: Random, nowMs: number): void {
    const { database } = this;
    database.nowMs = Math.max(database.nowMs, nowMs);
    const id = `${this.#next++}`;
    const orders = database.tables.get('/public/orders')?.rows ?? new Map();
    const what = random();
    database.transaction((t) => {
      const some = [...orders.values()];
      const old = some.length > 0 ? pick(random, some) : undefined;
      if (old && (what < 0.3 || orders.size > rowsMax)) t.delete('/public/orders', [old[0]]);
      else if (old && what < 0.6) t.update('/public/orders', [old[0]], [old[0], JSON.stringify(`new ${id}`)]);
      else t.insert('/public/orders', texts(id, 'an order'));
      if (what > 0.85) t.insert('/public/notes', texts(`note ${id}`));
      if (what > 0.9) t.insert('/public/stock', texts(id, 'stock'));
    });
    for (const path of ['/public/notes', '/public/stock']) this.#empty(path);
    if (what < 0.01) this.#alter(id);
    this.#remember();
  }

  contentAt(position: number): Readonly<Record<string, string[]>> | undefined {
    return this.#versions.get(position);
  }

  #empty(path: string): void {
    if ((this.database.tables.get(path)?.rows.size ?? 0) < rowsMax) return;
    this.database.transaction((t) => t.truncate(path));
  }

  #alter(id: string): void {
    const path = `/public/extra-${id}`;
    this.database.createTable(path, { columns: ['id'], key: ['id'] });
    this.database.transaction((t) => t.insert(path, texts(id)));
    const extra = [...this.database.tables.keys()].filter((name) => name.startsWith('/public/extra-'));
    if (extra.length > 2 && extra[0] !== undefined) this.database.dropTable(extra[0]);
  }

  #remember(): void {
    this.#versions.set(this.database.position, this.database.contents());
  }
}

/** What a dead process would have done next never happens. */
export interface Fate {
  readonly dead: boolean;
  /** How long each call to a place takes. */
  pass(what: string, signal: AbortSignal): Promise<void>;
}

/** A source of which a dead process can ask nothing, and of which calls take a while. */
export function mortalSource(source: Source, fate: Fate): Source {
  const slow = new Set(['openFull', 'openIncremental', 'acknowledge']);
  return new Proxy(source, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name, target);
      if (typeof found !== 'function') return found;
      return async (...args: unknown[]) => {
        if (fate.dead) return forEver();
        const [o] = args as [Sig | undefined];
        if (slow.has(String(name)) && o) await fate.pass(String(name), o.signal);
        const answer: unknown = await found.apply(target, args);
        if (fate.dead) return forEver();
        if (name === 'openFull') readHere(answer as FrozenView);
        if (name === 'openIncremental') settleHere(answer as ChangeView);
        return answer;
      };
    },
  });
}

/**
 * Makes all chunks such that only the view itself reads them. To open another reader its module is imported, for which
 * vitest asks another process, each time: the fake clock would go on meanwhile, for as long as the machine is slow.
 */
function readHere(view: FrozenView): void {
  Object.assign(view, { chunks: view.chunks.map((chunk) => ({ ...chunk, local: true })) });
}

function settleHere(view: ChangeView): void {
  const settle = view.settle.bind(view);
  view.settle = async (o) => {
    const settled = await settle(o);
    readHere(settled.view);
    return settled;
  };
}

/** One process's way to a destination: slow, closed during outages, and gone with its process. */
export class WayTo implements Destination {
  readonly #inner: MemoryDestination;
  readonly #fate: Fate;
  readonly #isDown: () => boolean;
  /** How many segments will be kept by half, with a claim of success. */
  #halves: number;

  constructor(inner: MemoryDestination, fate: Fate, isDown: () => boolean, halves = 0) {
    this.#halves = halves;
    this.#inner = inner;
    this.#fate = fate;
    this.#isDown = isDown;
  }

  get type(): string {
    return this.#inner.type;
  }

  get description(): string {
    return this.#inner.description;
  }

  get token(): Destination['token'] {
    return this.#inner.token;
  }

  get features(): Destination['features'] {
    return this.#inner.features;
  }

  async prepare(o: Sig): Promise<readonly string[]> {
    await this.#enter();
    return this.#inner.prepare(o);
  }

  async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    await this.#fate.pass(`${this.description} ${key}`, o.signal);
    await this.#enter();
    const half = !key.endsWith('.manifest.json') && this.#halves-- > 0;
    const info = await (half ? this.#half(key, body, o) : this.#inner.write(key, body, o));
    await this.#fate.pass(`${this.description} ${key}`, o.signal);
    return info;
  }

  async #half(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    const whole = await collect(body);
    const { signal, ifAbsent = false } = o;
    const first = (async function* () {
      yield whole.subarray(0, whole.length >> 1);
    })();
    const info = await this.#inner.write(key, first, { signal, ifAbsent });
    return { ...info, bytes: whole.length };
  }

  async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    await this.#enter();
    yield* this.#inner.read(key, o);
  }

  async stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    await this.#enter();
    return this.#inner.stat(key, o);
  }

  async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    await this.#enter();
    yield* this.#inner.list(prefix, o);
  }

  async delete(key: string, o: Sig): Promise<void> {
    await this.#fate.pass(`${this.description} ${key}`, o.signal);
    await this.#enter();
    await this.#inner.delete(key, o);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #enter(): Promise<void> {
    if (this.#fate.dead) await forEver();
    if (this.#isDown()) throw new HoldfastError('unavailable', `${this.description} is down`);
  }
}
