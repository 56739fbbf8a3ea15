import { HoldfastError } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import { expect, test } from 'vitest';
import { identifyRepository, type MarkerAccess, markerText, newMarker, parseMarker } from './repository.ts';

const { signal } = new AbortController();
const clock = new FakeClock();

/** A place that is the text of its marker. */
class Place implements MarkerAccess {
  readonly description = 's3://bucket/backups';
  text: string | undefined;
  created = 0;

  async read(): Promise<string | undefined> {
    return this.text;
  }

  async create(text: string): Promise<boolean> {
    if (this.text !== undefined) return false;
    this.text = text;
    this.created += 1;
    return true;
  }
}

function identify(place: MarkerAccess, expectedId?: string): Promise<string> {
  return identifyRepository(place, { signal, clock, expectedId });
}

test('the first use marks a place; later ones find the same, and change nothing', async () => {
  const place = new Place();
  const id = await identify(place);
  const { text } = place;
  expect(JSON.parse(text as string)).toEqual({ format: 1, id, created: '2026-11-20T14:00:00.000Z' });
  expect(await identify(place)).toBe(id);
  expect(await identify(place, id)).toBe(id);
  expect([place.text, place.created]).toEqual([text, 1]);
});

test('another repository than is expected is refused, naming both and the next step', async () => {
  const place = new Place();
  const id = await identify(place);
  await expect(identify(place, 'the-other')).rejects.toMatchObject({
    code: 'precondition_failed',
    reason: `s3://bucket/backups holds repository ${id}, but held the-other when it was last used`,
    hint: expect.stringContaining('known-destinations.json'),
  });
});

test('a place that has lost its marker is refused, and not marked anew', async () => {
  const place = new Place();
  await expect(identify(place, 'the-other')).rejects.toMatchObject({
    code: 'precondition_failed',
    reason: expect.stringContaining('has no .holdfast-repository, but held repository the-other'),
  });
  expect(place.text).toBeUndefined();
});

test('of several that mark a place at once one wins, and the others take its repository', async () => {
  const place = new Place();
  const theirs = newMarker(clock.now());
  let asked = 0;
  const racing: MarkerAccess = {
    description: place.description,
    read: async () => {
      asked += 1;
      const { text } = place;
      if (asked === 1) place.text = markerText(theirs);
      return text;
    },
    create: (text) => place.create(text),
  };
  expect(await identify(racing)).toBe(theirs.id);
  expect(place.created).toBe(0);
});

test('a marker that can be neither read nor made is unavailable, after some attempts', async () => {
  let created = 0;
  const access: MarkerAccess = {
    description: 'place',
    read: async () => undefined,
    create: async () => {
      created += 1;
      return false;
    },
  };
  await expect(identify(access)).rejects.toMatchObject({ code: 'unavailable' });
  expect(created).toBe(3);
});

test('errors of the place are not touched', async () => {
  const failure = new HoldfastError('permission_denied', 'reading is refused');
  const access: MarkerAccess = {
    description: 'place',
    read: () => Promise.reject(failure),
    create: async () => true,
  };
  await expect(identify(access)).rejects.toBe(failure);
});

test('with a signal that is aborted already the place is not asked', async () => {
  const place = new Place();
  const o = { signal: AbortSignal.abort(), clock, expectedId: undefined };
  await expect(identifyRepository(place, o)).rejects.toMatchObject({ code: 'cancelled' });
  expect(place.text).toBeUndefined();
});

test.each([
  '',
  '{',
  '{}',
  'null',
  '[]',
  '{"format":2,"id":"x"}',
  '{"format":1,"id":""}',
  '{"format":1,"id":7}',
])('a marker that reads %j is corrupt, with the way out', (text) => {
  expect(() => parseMarker(text, 'place: marker')).toThrow(
    expect.objectContaining({ code: 'corrupt', hint: expect.stringContaining('delete this object') }),
  );
});

test('a marker with fields of a later version is read', () => {
  expect(parseMarker('{"format":1,"id":"x","created":"","more":true}', 'place').id).toBe('x');
});
