import type { Manifest } from '@holdfast/core';
import { expect, test } from 'vitest';
import { chunkOf, manifestOf } from '../manifest.fixture.ts';
import { knownDigests } from './known-digests.ts';

const digest = (letter: string): string => letter.repeat(32);
const known = (...manifests: readonly Manifest[]): Record<string, string> =>
  Object.fromEntries(knownDigests(manifests));
const full = manifestOf(0, {
  chunks: [
    chunkOf('/p.a/@0', { digest: digest('a') }),
    chunkOf('/p.a/@1', { digest: digest('b') }),
    chunkOf('/p.ab', { digest: digest('c') }),
  ],
});

test('the newest content of each path is what is known', () => {
  const next = manifestOf(1, {
    chunks: [chunkOf('/p.a/@1', { digest: digest('d') })],
    replaced: ['/p.a/@1'],
  });
  expect(known(full, next)).toEqual({ '/p.a/@0': digest('a'), '/p.a/@1': digest('d'), '/p.ab': digest('c') });
});

test('of what was replaced, dropped or changed by rows nothing is known', () => {
  const rest = { '/p.ab': digest('c') };
  expect(known(full, manifestOf(1, { replaced: ['/p.a'] }))).toEqual(rest);
  expect(known(full, manifestOf(1, { dropped: ['/p.a'] }))).toEqual(rest);
  const changes = chunkOf('/changes/@1', { kind: 'changes', tables: { '/p.a': 1 } });
  expect(known(full, manifestOf(1, { chunks: [changes] }))).toEqual(rest);
});

test('what a backup replaced and wrote anew is known', () => {
  const next = manifestOf(1, { replaced: ['/p.a'], chunks: [chunkOf('/p.a/@0', { digest: digest('e') })] });
  expect(known(full, next)).toEqual({ '/p.a/@0': digest('e'), '/p.ab': digest('c') });
});
