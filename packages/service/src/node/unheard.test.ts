import { HoldfastError } from '@holdfast/core';
import { expect, test } from 'vitest';
import { Unheard } from './unheard.ts';

const full = new HoldfastError('exhausted', 'the disk is full');

test('what the store does not take is one sentence, however many tasks it is about, and news once', () => {
  const unheard = new Unheard();
  expect(unheard.problems).toEqual([]);
  expect(unheard.add('shop', full)).toBe(true);
  expect(unheard.add('shop', full)).toBe(false);
  for (const task of ['bank', 'till', 'post']) unheard.add(task, full);
  expect(unheard.problems).toEqual([
    'the store does not take what is due of bank, post, shop and 1 more: the disk is full',
  ]);
});

test('what is heard, or is not declared any more, is no problem', () => {
  const unheard = new Unheard();
  unheard.add('shop', full);
  unheard.add('gone', full);
  unheard.keepOnly({ shop: {} });
  expect(unheard.problems).toEqual(['the store does not take what is due of shop: the disk is full']);
  unheard.delete('shop');
  expect(unheard.problems).toEqual([]);
  expect(unheard.add('shop', full)).toBe(true);
});
