import { HoldfastError } from '@holdfast/core';
import { describe, expect, inject, it } from 'vitest';
import { CopySocket } from './copy-socket.ts';
import { openSession, type Session } from './session.ts';
import { parseTarget } from './url.ts';

const { signal } = new AbortController();
const url = inject('postgres');
const open = (): Promise<Session> => openSession(parseTarget(url, {}), { signal });
const o = { signal, what: 'reading x' };

async function collect(rows: AsyncGenerator<Uint8Array, { readonly rows: number }, void>) {
  const parts: Buffer[] = [];
  for (;;) {
    const next = await rows.next();
    if (next.done) return { text: Buffer.concat(parts).toString(), rows: next.value.rows };
    parts.push(Buffer.from(next.value));
  }
}

async function failure(work: Promise<unknown>): Promise<HoldfastError> {
  const caught = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (caught instanceof HoldfastError) return caught;
  throw new Error(`expected a HoldfastError, got ${String(caught)}`);
}

async function* lines(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

const manyRows = `COPY (SELECT n, repeat('abcdefghij', 20) FROM generate_series(1, 10000000) n) TO STDOUT`;

describe('COPY TO STDOUT', () => {
  it('gives rows as JSON lines, one COPY after the other, statements between', async () => {
    await using session = await open();
    const copy = new CopySocket(session);
    const sql = `COPY (VALUES (1, NULL, 'tab	quote" \\ \n é'), (2, '', '\\N')) TO STDOUT`;
    expect(await collect(copy.copyOut(sql, o))).toEqual({
      text: '["1",null,"tab\\tquote\\" \\\\ \\n é"]\n["2","","\\\\N"]\n',
      rows: 2,
    });
    expect(await session.rows('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(await collect(copy.copyOut('COPY (SELECT FROM generate_series(1, 2)) TO STDOUT', o))).toEqual({
      text: '[]\n[]\n',
      rows: 2,
    });
    expect(await collect(copy.copyOut('COPY (SELECT 1 WHERE false) TO STDOUT', o))).toEqual({
      text: '',
      rows: 0,
    });
  });

  it('waits for a reader that is slower than the server', async () => {
    await using session = await open();
    let rows = 0;
    const blocks = new CopySocket(session).copyOut(
      `COPY (SELECT n, repeat('x', 500) FROM generate_series(1, 100000) n) TO STDOUT`,
      o,
    );
    for (let next = await blocks.next(); ; next = await blocks.next()) {
      if (next.done) {
        expect(next.value.rows).toBe(100_000);
        break;
      }
      const before = Buffer.from(next.value);
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
      // The block is the reader's until it asks for the next one, whatever the socket has received meanwhile.
      expect(before.equals(next.value)).toBe(true);
      rows += before.toString('latin1').split('\n').length - 1;
    }
    expect(rows).toBe(100_000);
  });

  it('passes on a value of 100 MB', async () => {
    await using session = await open();
    const sql = `COPY (SELECT repeat('0123456789', 10000000)) TO STDOUT`;
    const { text, rows } = await collect(new CopySocket(session).copyOut(sql, o));
    expect(rows).toBe(1);
    expect(text.length).toBe(100_000_000 + 5);
    expect(text.slice(0, 12)).toBe('["0123456789');
  });

  it('ends with the error of the server, and can go on after it', async () => {
    await using session = await open();
    const copy = new CopySocket(session);
    const late = failure(
      collect(copy.copyOut('COPY (SELECT 1 / (50000 - n) FROM generate_series(1, 60000) n) TO STDOUT', o)),
    );
    expect((await late).reason).toContain('division by zero');
    expect((await failure(collect(copy.copyOut('COPY nothing TO STDOUT', o)))).reason).toContain('reading x');
    expect((await failure(collect(copy.copyOut('SELECT 1', o)))).code).toBe('source_failed');
    expect((await collect(copy.copyOut('COPY (SELECT 1) TO STDOUT', o))).rows).toBe(1);
  });

  it('never looks complete when the server ends the session half way', async () => {
    await using session = await open();
    await using killer = await open();
    const blocks = new CopySocket(session).copyOut(manyRows, o);
    await blocks.next();
    await killer.query('SELECT pg_catalog.pg_terminate_backend($1)', [session.processId]);
    const error = await failure(collect(blocks));
    expect(error.code).toBe('source_failed');
    expect(session.alive).toBe(false);
  });

  it.each(['abort', 'return'] as const)(
    'is stopped at the server by %s',
    async (how) => {
      await using session = await open();
      await using watcher = await open();
      const control = new AbortController();
      const blocks = new CopySocket(session).copyOut(manyRows, { ...o, signal: control.signal });
      await blocks.next();
      if (how === 'abort') {
        control.abort();
        expect((await failure(collect(blocks))).code).toBe('cancelled');
      } else {
        await blocks.return({ rows: 0 });
      }
      const sql = 'SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = $1';
      while ((await watcher.rows(sql, [session.processId])).length > 0);
    },
    20_000,
  );
});

describe('COPY FROM STDIN', () => {
  const into = { signal, what: 'loading t', columns: 2 };
  const sql = 'COPY pg_temp.t FROM STDIN';

  async function withTable(): Promise<{ session: Session; copy: CopySocket }> {
    const session = await open();
    await session.exec('CREATE TEMPORARY TABLE t (n int, s text)');
    return { session, copy: new CopySocket(session) };
  }

  it('takes what COPY TO STDOUT gave, however it is cut', async () => {
    const { session, copy } = await withTable();
    await using _ = session;
    const text = '["1",null]\n["2","\\\\N"]\n["3","tab\\t\\"é\\u0001"]\n';
    const bytes = Buffer.from(text);
    async function* cut(): AsyncGenerator<Uint8Array> {
      for (const byte of bytes) yield Uint8Array.of(byte);
    }
    expect(await copy.copyIn(sql, cut(), into)).toEqual({ rows: 3 });
    expect((await collect(copy.copyOut('COPY pg_temp.t TO STDOUT', o))).text).toBe(text);
  });

  it('takes a stream as fast as the server does', async () => {
    const { session, copy } = await withTable();
    await using _ = session;
    await using from = await open();
    const rows = new CopySocket(from).copyOut(
      `COPY (SELECT n, repeat('x', 200) FROM generate_series(1, 100000) n) TO STDOUT`,
      o,
    );
    expect(await copy.copyIn(sql, rows, into)).toEqual({ rows: 100_000 });
    expect(await session.rows('SELECT count(*)::int, sum(n)::text FROM pg_temp.t')).toEqual([
      { count: 100_000, sum: '5000050000' },
    ]);
  });

  it('is refused at the first bad row, not at the end of the stream, and can go on', async () => {
    const { session, copy } = await withTable();
    await using _ = session;
    let asked = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        asked++;
        yield Buffer.from('["x","y"]\n'.repeat(10_000));
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    expect((await failure(copy.copyIn(sql, endless(), into))).reason).toContain('invalid input syntax');
    expect(asked).toBeLessThan(10_000);
    expect(await copy.copyIn(sql, lines('["1","a"]\n'), into)).toEqual({ rows: 1 });
  });

  it('leaves nothing of lines that are cut short or not lines at all', async () => {
    const { session, copy } = await withTable();
    await using _ = session;
    expect((await failure(copy.copyIn(sql, lines('["1","a"]\n["2"'), into))).code).toBe('corrupt');
    expect((await failure(copy.copyIn(sql, lines('["1"]\n'), into))).code).toBe('corrupt');
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('["1","a"]\n');
      throw new HoldfastError('corrupt', 'the segment is damaged');
    }
    expect((await failure(copy.copyIn(sql, broken(), into))).reason).toBe('the segment is damaged');
    expect(await session.rows('SELECT count(*)::int FROM pg_temp.t')).toEqual([{ count: 0 }]);
  });

  it('stops when its signal aborts, also while it waits for lines', async () => {
    const { session, copy } = await withTable();
    await using _ = session;
    const control = new AbortController();
    async function* stuck(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('["1","a"]\n');
      control.abort();
      await new Promise(() => {});
    }
    const work = copy.copyIn(sql, stuck(), { ...into, signal: control.signal });
    expect((await failure(work)).code).toBe('cancelled');
  });
});
