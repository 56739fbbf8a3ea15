import { describe, expect, it } from 'vitest';
import { copyTarget, relationOfChunk } from './relation-of-chunk.ts';

describe('the relation of a chunk', () => {
  it('is the last name of the path that is no key range', () => {
    expect(relationOfChunk('/public.orders')).toEqual({ schema: 'public', name: 'orders' });
    expect(relationOfChunk('/public.orders/@0-4095')).toEqual({ schema: 'public', name: 'orders' });
    expect(relationOfChunk('/a.p/b.p~2e1/@0-1')).toEqual({ schema: 'b', name: 'p.1' });
  });

  it('is not read from a path that names none', () => {
    for (const path of ['', '/', '/x', '/a.b.c', '/@1']) {
      expect(() => relationOfChunk(path)).toThrow(expect.objectContaining({ code: 'corrupt' }));
    }
  });

  it('is copied into by exactly the columns of the header', () => {
    const column = (name: string) => ({ name, type: 'text' });
    const header = { chunk: '/a.t~20x', kind: 'rows', columns: [column('b"c'), column('d')] } as const;
    expect(copyTarget(header)).toBe('"a"."t x" ("b""c", "d")');
    expect(copyTarget({ ...header, columns: [] })).toBe('"a"."t x"');
  });
});
