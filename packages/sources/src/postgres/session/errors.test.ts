import { HoldfastError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { ConnectionLost, fromProgram, ServerError, translate } from './errors.ts';

const context = { what: 'reading public.orders', where: 'h:5432/db' };

function server(code: string, message = 'words', more: { detail?: string; hint?: string } = {}) {
  return translate(new ServerError({ code, message, ...more }), context);
}

describe('an error of the server', () => {
  it.each([
    ['28P01', 'unauthenticated'],
    ['28000', 'unauthenticated'],
    ['42501', 'permission_denied'],
    ['3D000', 'not_found'],
    ['53300', 'exhausted'],
    ['53100', 'exhausted'],
    ['57P01', 'source_failed'],
    ['57P03', 'unavailable'],
    ['0A000', 'unsupported'],
    ['55006', 'conflict'],
    ['55P03', 'timeout'],
    ['40P01', 'source_failed'],
    ['XX001', 'source_failed'],
    ['22012', 'source_failed'],
  ])('SQLSTATE %s is %s', (code, expected) => {
    expect(server(code).code).toBe(expected);
  });

  it('keeps the words, the detail and the SQLSTATE, and says what and where', () => {
    const error = server('42501', 'permission denied for table orders', { detail: 'more' });
    expect(error.message).toBe(
      '[permission_denied] reading public.orders at h:5432/db failed: permission denied for table orders (more) [SQLSTATE 42501]',
    );
  });

  it('passes on a hint of the server where there is none of ours', () => {
    const hint = 'You might need to increase max_locks_per_transaction.';
    expect(server('53200', 'out of shared memory', { hint }).hint).toBe(hint);
  });
});

describe('another error', () => {
  it('of the network says where nothing listens', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });
    const error = translate(refused, { what: 'connecting', where: '127.0.0.1:1/db' });
    expect(error.code).toBe('unavailable');
    expect(error.reason).toContain('127.0.0.1:1');
    expect(error.hint).toContain('nothing listens');
  });

  it('is looked for behind its causes and among several addresses', () => {
    const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    expect(translate(new AggregateError([refused]), context).code).toBe('unavailable');
    expect(translate(new Error('outer', { cause: refused }), context).code).toBe('unavailable');
  });

  it('is a failed source when the connection ended', () => {
    expect(translate(new ConnectionLost('gone'), context).code).toBe('source_failed');
    expect(translate(Object.assign(new Error('x'), { code: 'EPIPE' }), context).code).toBe('source_failed');
  });

  it('stays itself when it is ours, cancelled when it is an abort, and a bug when nobody knows it', () => {
    const own = new HoldfastError('corrupt', 'x');
    expect(translate(own, context)).toBe(own);
    expect(translate(AbortSignal.abort().reason, context).code).toBe('cancelled');
    expect(translate(new TypeError('x'), context).code).toBe('internal');
  });
});

describe('what a program printed', () => {
  it.each([
    ['pg_dump: error: query failed: ERROR:  permission denied for table a', 'permission_denied'],
    [
      'pg_dump: error: connection failed: FATAL:  password authentication failed for user "x"',
      'unauthenticated',
    ],
    ['pg_dump: error: aborting because of server version mismatch', 'unsupported'],
    ['pg_dump: error: ERROR:  canceling statement due to lock timeout', 'timeout'],
    ['pg_dump: error: something else', 'source_failed'],
  ])('%s', (text, code) => {
    const error = fromProgram('pg_dump', { code: 1, signal: null }, `${text}\n`);
    expect(error.code).toBe(code);
    expect(error.reason).toContain(text);
    expect(error.reason).toContain('exit code 1');
  });

  it('is said to be nothing when it was nothing', () => {
    const error = fromProgram('pg_dump', { code: null, signal: 'SIGKILL' }, '');
    expect(error.reason).toBe('pg_dump was ended by SIGKILL: no message');
    const text = 'pg_dump: error: query failed: server closed the connection unexpectedly';
    const broken = fromProgram('pg_dump', { code: 1, signal: null, where: 'h:5432/db' }, text);
    expect([broken.code, broken.reason]).toEqual([
      'source_failed',
      `pg_dump at h:5432/db ended with exit code 1: ${text}`,
    ]);
    expect(broken.hint).toContain('server’s log');
  });
});
