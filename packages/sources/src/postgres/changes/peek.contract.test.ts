import { type TemporaryDatabase, temporaryDatabase } from '@holdfast/testing';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { openSession, type Session } from '../session/session.ts';
import { parseTarget } from '../session/url.ts';
import { ChangeDecoder } from './decode.ts';
import { readLogEnd } from './log-end.ts';
import { ChangeLog } from './peek.ts';
import { createSlot, describeSlot, openReplication } from './slot.ts';

const { signal } = new AbortController();
let database: TemporaryDatabase;
let session: Session;

beforeEach(async () => {
  database = await temporaryDatabase(inject('postgres'), 'changes');
  session = await openSession(parseTarget(database.url), { signal });
});
afterEach(async () => {
  await session[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

async function read(
  slot: string,
  end: string,
  stepChanges?: number,
): Promise<{ text: string; blocks: number; position: string }> {
  await using reading = await openSession(parseTarget(database.url), { signal });
  const log = await ChangeLog.open(reading, {
    slot,
    twin: `${slot}__read`,
    ...(stepChanges ? { stepChanges } : {}),
  });
  const decoder = new ChangeDecoder(() => ({ path: '/t', columns: ['id', 'v'], generated: [], key: ['id'] }));
  const blocks: Buffer[] = [];
  const learn = (): Promise<void> => Promise.resolve();
  for await (const block of log.read(end, { signal, decoder, learn })) blocks.push(Buffer.from(block));
  return { text: Buffer.concat(blocks).toString(), blocks: blocks.length, position: log.position };
}

it('reading in small steps, with a transaction open all the time, gives what one step gives', async () => {
  await database.psql('CREATE TABLE t (id serial PRIMARY KEY, v text)');
  const label = `steps_${database.name.slice(-12)}`;
  const replication = await openReplication(parseTarget(database.url), { signal });
  const { name } = await createSlot(replication, label, { signal });
  await replication[Symbol.asyncDispose]();
  await using long = await openSession(parseTarget(database.url), { signal });
  await long.exec(`BEGIN; INSERT INTO public.t (v) VALUES ('long')`);
  await using busy = await openSession(parseTarget(database.url), { signal });
  for (let i = 0; i < 40; i++) {
    await busy.exec(`INSERT INTO public.t (v) SELECT repeat('x', 100) FROM generate_series(1, 200)`);
    if (i % 10 === 0) await long.exec(`INSERT INTO public.t (v) VALUES ('long ${i}')`);
  }
  await long.exec('COMMIT');
  const end = await readLogEnd(session, { signal });
  const whole = await read(name, end.position);
  const steps = await read(name, end.position, 300);
  expect(steps.text).toBe(whole.text);
  // How many there are depends on how far back the server has to begin.
  expect(steps.blocks).toBeGreaterThan(1);
  expect(steps.position).toBe(whole.position);
  expect(whole.text.match(/^\["commit"/gm)).toHaveLength(41);
  expect(whole.text.match(/^\["insert"/gm)).toHaveLength(40 * 200 + 5);
  // The slot itself has not moved.
  expect((await describeSlot(session, name))?.confirmed).not.toBe(whole.position);
});

it('the end of the log lies behind a commit that is not durable yet, and needs nobody to commit after it', async () => {
  await database.psql('CREATE TABLE t (id serial PRIMARY KEY, v text)');
  const replication = await openReplication(parseTarget(database.url), { signal });
  const { name } = await createSlot(replication, `end_${database.name.slice(-12)}`, { signal });
  await replication[Symbol.asyncDispose]();
  await session.exec('SET synchronous_commit = off');
  for (let i = 1; i <= 10; i++) {
    await session.exec(`INSERT INTO public.t (v) VALUES ('a')`);
    const { position } = await readLogEnd(session, { signal });
    expect((await read(name, position)).text.match(/^\["insert"/gm)).toHaveLength(i);
  }
});
