import { HoldfastError, Secret } from '@holdfast/core';
import { expect, it } from 'vitest';
import { nodeLogger } from './logger.ts';

function written(format: 'json' | 'pretty', level = 'info') {
  const lines: string[] = [];
  return { lines, logger: nodeLogger({ level, format, node: 'node-a', write: (text) => lines.push(text) }) };
}

it('writes a line for people: when, how bad, who, about which task, what, and what to do', () => {
  const { lines, logger } = written('pretty');
  logger.warn({ component: 'runner', task: 'shop', hint: 'free some room' }, 'the disk is full');
  logger.info('hello');
  expect(lines[0]).toMatch(/^\d{4}-\S+Z warn {2}runner shop: the disk is full \(free some room\)\n$/);
  expect(lines[1]).toMatch(/^\S+Z info {2}hello\n$/);
});

it('writes a document for machines, with the node and every field', () => {
  const { lines, logger } = written('json');
  logger.error({ component: 'runner', code: 'exhausted', run: 'shop-1' }, 'no');
  const document = { level: 'error', node: 'node-a', component: 'runner', code: 'exhausted', run: 'shop-1' };
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ ...document, msg: 'no' });
  expect(lines[0]?.endsWith('\n')).toBe(true);
});

it('leaves out what is below its level', () => {
  const { lines, logger } = written('pretty', 'warn');
  logger.info('no');
  logger.warn('yes');
  expect(lines).toHaveLength(1);
});

it.for(['json', 'pretty'] as const)('never prints a secret, as %s', (format) => {
  const { lines, logger } = written(format, 'debug');
  const secret = new Secret('hunter2');
  const error = new HoldfastError('unauthenticated', `refused with ${secret}`, { cause: { secret } });
  logger.info({ secret, nested: { secret }, err: error, list: [secret] }, `with ${secret}`);
  expect(lines.join()).not.toContain('hunter2');
  expect(lines.join()).toContain('[secret]');
});
