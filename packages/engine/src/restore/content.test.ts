import type { Manifest } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { chainOf, chunkOf, manifestOf, startMs } from '../manifest.fixture.ts';
import { type Content, contentAt } from './content.ts';

const segments = [{ name: '0000-full-001.ndjson.zst', bytes: 0, sha256: '0'.repeat(64) }];

function contentOf(manifests: readonly Manifest[], insideMs?: number): Content {
  const chain = chainOf(manifests.map((manifest) => ({ ...manifest, segments })));
  return contentAt({ chain, backups: chain.backups, insideMs });
}

/** What each relation consists of: its chunks as `sequence/path`, and its row changes. */
function summary(content: Content): Record<string, unknown> {
  const relations = [...content.relations.values()].map(({ path, chunks, changes }): [string, unknown] => [
    path,
    [...chunks.map(({ id }) => id), ...(changes > 0 ? [changes] : [])],
  ]);
  return Object.fromEntries(relations);
}

const changes = (tables: Record<string, number>, part = 1): Manifest['chunks'][number] =>
  chunkOf(`/changes/@${part}`, { kind: 'changes', tables });
const full = manifestOf(0, {
  chunks: [chunkOf('/p.a'), chunkOf('/p.ab'), chunkOf('/p.e/p.e1/@0'), chunkOf('/p.e/p.e2')],
});

describe('the content of a chain', () => {
  test('of a full is its chunks', () => {
    expect(summary(contentOf([full]))).toEqual({
      '/p.a': ['0/p.a'],
      '/p.ab': ['0/p.ab'],
      '/p.e/p.e1': ['0/p.e/p.e1/@0'],
      '/p.e/p.e2': ['0/p.e/p.e2'],
    });
  });

  test('changes are counted by relation, over all incrementals', () => {
    const content = contentOf([
      full,
      manifestOf(1, { chunks: [changes({ '/p.a': 2 })] }),
      manifestOf(2, { chunks: [changes({ '/p.a': 3, '/p.e/p.e2': 1 })] }),
    ]);
    expect(summary(content)).toMatchObject({ '/p.a': ['0/p.a', 5], '/p.e/p.e2': ['0/p.e/p.e2', 1] });
    expect(content.changes).toHaveLength(2);
  });

  test('a replaced table has its new chunks alone, and neither earlier nor its own changes', () => {
    const content = contentOf([
      full,
      manifestOf(1, { chunks: [changes({ '/p.a': 2, '/p.ab': 1 })] }),
      manifestOf(2, {
        chunks: [changes({ '/p.a': 3 }), chunkOf('/p.a/@0'), chunkOf('/p.a/@1')],
        replaced: ['/p.a'],
      }),
      manifestOf(3, { chunks: [changes({ '/p.a': 4 })] }),
    ]);
    expect(summary(content)).toMatchObject({ '/p.a': ['2/p.a/@0', '2/p.a/@1', 4], '/p.ab': ['0/p.ab', 1] });
    const voided = content.changes.map((one) => [one.parts[0]?.id, one.void.includes('/p.a')]);
    expect(voided).toEqual([
      ['1/changes/@1', true],
      ['2/changes/@1', true],
      ['3/changes/@1', false],
    ]);
  });

  test('a dropped table takes everything below its path along, and nothing beside it', () => {
    const content = contentOf([
      full,
      manifestOf(1, { chunks: [changes({ '/p.e/p.e1': 1 })], dropped: ['/p.e', '/p.a'] }),
    ]);
    expect(summary(content)).toEqual({ '/p.ab': ['0/p.ab'] });
    expect(content.changes).toEqual([]);
  });

  test('a table dropped and made again in one incremental is what its chunks say', () => {
    const content = contentOf([full, manifestOf(1, { chunks: [chunkOf('/p.a')], dropped: ['/p.a'] })]);
    expect(summary(content)).toMatchObject({ '/p.a': ['1/p.a'] });
  });

  test('one range of a compared table is replaced by itself', () => {
    const two = manifestOf(0, { chunks: [chunkOf('/p.a/@0'), chunkOf('/p.a/@1')] });
    const content = contentOf([two, manifestOf(1, { chunks: [chunkOf('/p.a/@1')], replaced: ['/p.a/@1'] })]);
    expect(summary(content)).toEqual({ '/p.a': ['0/p.a/@0', '1/p.a/@1'] });
  });

  test('the newest schema and the newest of each special chunk count', () => {
    const schema = chunkOf('/schema', { kind: 'schema' });
    const special = chunkOf('/sequences', { kind: 'special' });
    const content = contentOf([
      manifestOf(0, { chunks: [schema, special] }),
      manifestOf(1, { chunks: [schema] }),
      manifestOf(2, { chunks: [special] }),
    ]);
    expect(content.schema?.id).toBe('1/schema');
    expect(content.special.map(({ id }) => id)).toEqual(['2/sequences']);
  });

  test('parts of changes come in the order of their numbers', () => {
    const parts = [10, 2, 1].map((part) => changes(part === 10 ? { '/p.a': 1 } : {}, part));
    const [only] = contentOf([full, manifestOf(1, { chunks: parts })]).changes;
    expect(only?.parts.map(({ id }) => id)).toEqual(['1/changes/@1', '1/changes/@2', '1/changes/@10']);
  });
});

describe('inside an incremental', () => {
  const at = startMs + 1_000_000;

  test('its changes count up to the moment, its chunks do not', () => {
    const last = manifestOf(1, {
      chunks: [changes({ '/p.a': 2 }), chunkOf('/p.e/p.e2')],
      replaced: ['/p.e/p.e2'],
    });
    const content = contentOf([full, last], at);
    expect(summary(content)).toMatchObject({ '/p.a': ['0/p.a', 2], '/p.e/p.e2': ['0/p.e/p.e2'] });
    expect(content.changes).toMatchObject([{ untilMs: at, void: ['/p.e/p.e2'] }]);
    expect(content.inexact).toEqual(['/p.e/p.e2']);
  });

  test('what it replaces or drops keeps the changes of the incrementals before it', () => {
    const content = contentOf(
      [
        full,
        manifestOf(1, { chunks: [changes({ '/p.a': 2, '/p.ab': 1 })] }),
        manifestOf(2, { chunks: [chunkOf('/p.a')], replaced: ['/p.a'], dropped: ['/p.ab'] }),
      ],
      at,
    );
    expect(summary(content)).toMatchObject({ '/p.a': ['0/p.a', 2], '/p.ab': ['0/p.ab', 1] });
    expect(content.changes).toMatchObject([{ untilMs: undefined, void: [] }]);
    expect(content.inexact).toEqual(['/p.a', '/p.ab']);
  });
});
