import type { Known, Message, NodeRecord } from '@holdfast/coordinator';
import { type DeclaredNotification, HoldfastError, type Sig } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Delivered, DeliverOptions } from './deliver.ts';
import type { Notice } from './notice.ts';
import { Outbox, type OutboxOptions } from './outbox.ts';
import { webhookReceiver } from './webhook-receiver.fixture.ts';

const hook: DeclaredNotification = { type: 'webhook', url: 'https://chat.example.com/hook' };

/** What the outbox needs of a ledger, with faults. */
class FakeLedger {
  readonly kept = new Map<string, Message>();
  fails: 'messages' | 'deleteMessage' | undefined;
  looks = 0;

  async messages(_o: Sig): Promise<readonly Known<Message>[]> {
    this.looks++;
    this.#mayFail('messages');
    return [...this.kept.values()].map((value) => ({ value, revision: 1 }));
  }

  async deleteMessage(id: string, _o: Sig): Promise<void> {
    this.#mayFail('deleteMessage');
    this.kept.delete(id);
  }

  #mayFail(verb: FakeLedger['fails']): void {
    if (this.fails === verb) throw new HoldfastError('unavailable', 'the store does not answer');
  }
}

type Tell = (notice: Notice, o: DeliverOptions) => Promise<Delivered>;

let clock: FakeClock;
let ledger: FakeLedger;
let notifications: Record<string, DeclaredNotification>;
let alive: string[];
let told: { to: string; notice: Notice }[];
let lines: { level: number; msg: string; task?: string }[];
let drain: AbortController;
let stop: AbortController;
let running: Promise<unknown>[];

beforeEach(() => {
  clock = new FakeClock();
  ledger = new FakeLedger();
  notifications = { 'on-call': hook };
  told = [];
  alive = ['node-c', 'node-a', 'node-b'];
  lines = [];
  drain = new AbortController();
  stop = new AbortController();
  running = [];
});

afterEach(async () => {
  drain.abort();
  stop.abort();
  await Promise.allSettled(running);
  expect(clock.sleeping).toBe(0);
});

function start(tell: Tell = async () => ({ refused: [] }), o: Partial<OutboxOptions> = {}): Outbox {
  const outbox = new Outbox({
    ledger,
    node: 'node-a',
    clock,
    logger: pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line)) }),
    view: {
      get objects() {
        return { value: { sources: {}, destinations: {}, tasks: {}, notifications }, revision: 7 };
      },
      get nodes() {
        return new Map(alive.map((node) => [node, { value: { node } as NodeRecord, revision: 1 }]));
      },
    },
    deliver: async (notice, to, options) => {
      const name = Object.keys(notifications).find((key) => notifications[key] === to) ?? '?';
      told.push({ to: name, notice });
      return tell(notice, options);
    },
    ...o,
  });
  running.push(outbox.run({ drain: drain.signal, stop: stop.signal }));
  return outbox;
}

let ids = 0;
function write(o: Partial<Message> = {}): Message {
  const task = o.task ?? 'orders';
  const message: Message = {
    id: `${new Date(clock.now()).toISOString()}-${String(ids++).padStart(6, '0')}-${task}`,
    event: 'failure',
    task,
    atMs: clock.now(),
    to: 'on-call',
    node: 'node-a',
    text: `backup of task ${task} failed`,
    ...o,
  };
  ledger.kept.set(message.id, message);
  return message;
}

const tasksTold = (): (string | undefined)[] => told.map(({ notice }) => notice.task);
const logged = (level: 'error' | 'warn'): string[] =>
  lines.filter((line) => line.level === pino.levels.values[level]).map(({ msg }) => msg);
const unavailable = (): never => {
  throw new HoldfastError('unavailable', 'the webhook answers 503');
};
const never: Tell = (_notice, { signal }) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

describe('the outbox', () => {
  it('tells what waits when it starts, in order, each once, and only what is its own', async () => {
    write({ task: 'orders' });
    write({ task: 'far', node: 'node-b' });
    write({ task: 'shop' });
    start();
    await clock.advance(120_000);
    expect(tasksTold()).toEqual(['orders', 'shop']);
    expect([...ledger.kept.values()].map(({ task }) => task)).toEqual(['far']);
  });

  it('tells what a node that is gone has left, if it is the first of those that are there', async () => {
    write({ task: 'far', node: 'node-b' });
    start();
    await clock.advance(1);
    expect(tasksTold()).toEqual([]);
    alive = ['node-c', 'node-a'];
    await clock.advance(60_000);
    expect(tasksTold()).toEqual(['far']);
    alive = ['node-0', 'node-a'];
    write({ task: 'farther', node: 'node-b' });
    await clock.advance(60_000);
    expect(tasksTold()).toEqual(['far']);
  });

  it('looks every thirty seconds, and at once when it is poked', async () => {
    const outbox = start();
    await clock.advance(1);
    write();
    await clock.advance(29_000);
    expect(told).toHaveLength(0);
    await clock.advance(1_000);
    expect(told).toHaveLength(1);
    write();
    outbox.poke();
    await clock.advance(0);
    expect(told).toHaveLength(2);
  });

  it('tries again after 5 s, 10 s, 20 s and so on, at most 15 min apart, until it is told', async () => {
    const startMs = clock.elapsed();
    const triedAtMs: number[] = [];
    start(async () => {
      triedAtMs.push(clock.elapsed() - startMs);
      return triedAtMs.length < 11 ? unavailable() : { refused: [] };
    });
    write();
    await clock.advance(3 * 3_600_000);
    const gapsS = triedAtMs.slice(1).map((at, i) => Math.round((at - (triedAtMs[i] ?? 0)) / 1000));
    expect(gapsS).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
    expect(ledger.kept.size).toBe(0);
    expect(logged('error')).toEqual([]);
  });

  it('gives up after a day, and says so once', async () => {
    start(async () => unavailable());
    write();
    await clock.advance(23.9 * 3_600_000);
    expect(logged('error')).toEqual([]);
    await clock.advance(3_600_000);
    expect(logged('error')).toEqual(['on-call was not told, and will not be: the webhook answers 503']);
    expect(ledger.kept.size).toBe(0);
    const tries = told.length;
    await clock.advance(3_600_000);
    expect(told).toHaveLength(tries);
  });

  it('tries what is older than a day once, as after a long outage of the node', async () => {
    write({ atMs: clock.now() - 48 * 3_600_000 });
    start();
    await clock.advance(0);
    expect(told).toHaveLength(1);
    expect(logged('error')).toEqual([]);
  });

  it('does not try again what the receiver refuses', async () => {
    write();
    start(async () => {
      throw new HoldfastError('precondition_failed', 'the webhook answers 400');
    });
    await clock.advance(3_600_000);
    expect(told).toHaveLength(1);
    expect(logged('error')).toEqual(['on-call was not told, and will not be: the webhook answers 400']);
    expect(ledger.kept.size).toBe(0);
  });

  it.each(['config_invalid', 'unauthenticated', 'internal'] as const)(
    'goes on after %s: it may be mended',
    async (code) => {
      write();
      start(async () => {
        if (told.length < 3) throw new HoldfastError(code, 'not yet');
        return { refused: [] };
      });
      await clock.advance(60_000);
      expect(told).toHaveLength(3);
      expect(ledger.kept.size).toBe(0);
    },
  );

  it('drops what goes to a notification that is no longer declared', async () => {
    write({ to: 'gone' });
    write({ to: 'constructor' });
    start();
    await clock.advance(0);
    expect(told).toEqual([]);
    expect(ledger.kept.size).toBe(0);
    expect(logged('warn')).toEqual([
      'dropped: the notification gone is no longer declared',
      'dropped: the notification constructor is no longer declared',
    ]);
  });

  it('drops nothing before it knows what is declared', async () => {
    write();
    start(undefined, {
      view: {
        objects: { value: { sources: {}, destinations: {}, tasks: {}, notifications: {} }, revision: 0 },
        nodes: new Map(),
      },
    });
    await clock.advance(60_000);
    expect(ledger.kept.size).toBe(1);
    expect(lines).toEqual([]);
  });

  it('says which addresses a mail server refused, and does not send again', async () => {
    write();
    start(async () => ({ refused: ['gone@example.com'] }));
    await clock.advance(60_000);
    expect(told).toHaveLength(1);
    expect(logged('warn')).toEqual(['on-call: refused for gone@example.com']);
  });
});

describe('a storm', () => {
  it('of a hundred failures is one message', async () => {
    for (let i = 0; i < 100; i++) write({ task: `task-${i}` });
    start();
    await clock.advance(60_000);
    expect(told).toHaveLength(1);
    expect(told[0]?.notice).toMatchObject({ event: 'failure', text: '100 messages: 100 failed' });
    expect(told[0]?.notice.tasks?.map(({ task }) => task)).toEqual(
      Array.from({ length: 100 }, (_, i) => `task-${i}`),
    );
    expect(ledger.kept.size).toBe(0);
  });

  it('of ten is ten messages, and lists end at a hundred', async () => {
    notifications = { few: hook, many: { ...hook } };
    for (let i = 0; i < 10; i++) write({ to: 'few' });
    for (let i = 0; i < 101; i++) write({ to: 'many' });
    start();
    await clock.advance(0);
    expect(told.filter(({ to }) => to === 'few')).toHaveLength(10);
    expect(told.filter(({ to }) => to === 'many').map(({ notice }) => notice.tasks?.length)).toEqual([
      100,
      undefined,
    ]);
  });

  it('is one message also when it comes again after a failure', async () => {
    for (let i = 0; i < 20; i++) write();
    start(async () => (told.length < 3 ? unavailable() : { refused: [] }));
    await clock.advance(60_000);
    expect(told.map(({ notice }) => notice.tasks?.length)).toEqual([20, 20, 20]);
    expect(ledger.kept.size).toBe(0);
  });

  it('goes as single messages to a receiver that refuses lists', async () => {
    for (let i = 0; i < 20; i++) write();
    start(async ({ tasks }) => {
      if (tasks) throw new HoldfastError('precondition_failed', 'the webhook answers 422');
      return { refused: [] };
    });
    await clock.advance(0);
    expect(told).toHaveLength(21);
    expect(ledger.kept.size).toBe(0);
    expect(logged('error')).toEqual([]);
  });
});

describe('receivers', () => {
  it('that hang hold up nobody else, and eight are told at once', async () => {
    notifications = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`r${i}`, { ...hook }]));
    for (let i = 0; i < 12; i++) for (let j = 0; j < 3; j++) write({ to: `r${i}` });
    const ends: (() => void)[] = [];
    start(() => new Promise((resolve) => ends.push(() => resolve({ refused: [] }))));
    await clock.advance(0);
    expect(new Set(told.map(({ to }) => to)).size).toBe(8);
    expect(told).toHaveLength(8);
    // The first goes on hanging.
    while (ends.length > 1) {
      ends.pop()?.();
      await clock.advance(1);
    }
    expect(told).toHaveLength(34);
    expect(ledger.kept.size).toBe(3);
  });
});

describe('the store', () => {
  it('that takes no deletion makes nobody hear a thing twice', async () => {
    write();
    const outbox = start();
    ledger.fails = 'deleteMessage';
    await clock.advance(0);
    expect(told).toHaveLength(1);
    outbox.poke();
    // The look that could not delete either is a failure of the service, which is run again.
    await expect(running[0]).rejects.toThrow('the store does not answer');
    ledger.fails = undefined;
    running.push(outbox.run({ drain: drain.signal, stop: stop.signal }));
    await clock.advance(60_000);
    expect(told).toHaveLength(1);
    expect(ledger.kept.size).toBe(0);
  });

  it('that was read before a deletion and answers after it makes nobody hear a thing twice', async () => {
    const message = write();
    const gate = Promise.withResolvers<Delivered>();
    const outbox = start(() => gate.promise);
    await clock.advance(0);
    const slow = Promise.withResolvers<void>();
    const stale = [{ value: message, revision: 1 }];
    ledger.messages = () => slow.promise.then(() => stale);
    outbox.poke();
    await clock.advance(0);
    gate.resolve({ refused: [] });
    await clock.advance(0);
    expect(ledger.kept.size).toBe(0);
    slow.resolve();
    await clock.advance(0);
    expect(told).toHaveLength(1);
  });

  it('that cannot be read is a failure of the service', async () => {
    ledger.fails = 'messages';
    start();
    await expect(running[0]).rejects.toThrow('the store does not answer');
  });
});

describe('the end of the node', () => {
  it('lets what is under way arrive, and begins nothing', async () => {
    write();
    const gate = Promise.withResolvers<Delivered>();
    const outbox = start(() => gate.promise);
    await clock.advance(0);
    drain.abort();
    write();
    outbox.poke();
    await clock.advance(4_000);
    gate.resolve({ refused: [] });
    await running[0];
    expect(told).toHaveLength(1);
    expect(ledger.kept.size).toBe(1);
  });

  it('waits no longer than five seconds for it, and keeps it', async () => {
    write();
    start(never);
    await clock.advance(0);
    drain.abort();
    await clock.advance(4_999);
    expect(clock.sleeping).toBe(1);
    await clock.advance(1);
    await running[0];
    expect(ledger.kept.size).toBe(1);
    expect(logged('warn')).toEqual([]);
  });

  it('is at once when there is no time', async () => {
    write();
    start(never);
    await clock.advance(0);
    drain.abort();
    stop.abort();
    await running[0];
    expect(ledger.kept.size).toBe(1);
  });
});

describe('with a real receiver', () => {
  it('a message is delivered once, after two answers of 500', async () => {
    await using receiver = await webhookReceiver(500, 500, 200);
    notifications = { 'on-call': { type: 'webhook', url: receiver.url } };
    const message = write();
    const { deliver } = await import('./deliver.ts');
    start(undefined, { deliver });
    const until = async (count: number): Promise<void> => {
      while (receiver.received.length < count || ledger.kept.size === (count === 3 ? 1 : 0))
        await clock.advance(0);
    };
    await until(1);
    for (const [count, waitMs] of [
      [2, 5_000],
      [3, 10_000],
    ] as const) {
      while (logged('warn').length < count - 1) await clock.advance(0);
      await clock.advance(waitMs);
      await until(count);
    }
    await clock.advance(60_000);
    expect(receiver.received.map(({ body }) => JSON.parse(body).id)).toEqual([
      message.id,
      message.id,
      message.id,
    ]);
    expect(ledger.kept.size).toBe(0);
  });
});
