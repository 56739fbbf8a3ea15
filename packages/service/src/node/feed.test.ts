import { FakeClock } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { Feed } from './feed.ts';

it('tells everyone who listens, until they stop', () => {
  const feed = new Feed(new FakeClock());
  const heard: string[] = [];
  const stop = feed.subscribe((event) => heard.push(`first ${event.kind}`));
  feed.subscribe((event) => heard.push(`second ${event.kind}`));
  expect(feed.heard).toBe(true);
  feed.tell({ kind: 'objects', revision: 1 });
  stop();
  feed.tell({ kind: 'objects', revision: 2 });
  expect(heard).toEqual(['first objects', 'second objects', 'second objects']);
});

it('tells of a run when its state changes, and of its progress twice a second at most', async () => {
  const clock = new FakeClock();
  const feed = new Feed(clock);
  const running = { state: 'running', ended: false };
  expect(feed.isDue('a', { state: 'waiting', ended: false })).toBe(true);
  expect(feed.isDue('a', running)).toBe(true);
  await clock.advance(499);
  expect(feed.isDue('a', running)).toBe(false);
  expect(feed.isDue('b', running)).toBe(true);
  await clock.advance(1);
  expect(feed.isDue('a', running)).toBe(true);
  expect(feed.isDue('a', { state: 'succeeded', ended: true })).toBe(true);
});
