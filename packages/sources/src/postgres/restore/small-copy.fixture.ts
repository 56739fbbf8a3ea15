import type { SchemaStatement } from '@holdfast/core';
import type { Copy } from './restore.fixture.ts';

/** A database made up by hand, of one table; more statements may be given. */
export function smallCopy(
  more: readonly SchemaStatement[] = [],
  o: { readonly version?: string } = {},
): Copy {
  const property = (type: string, text: string, name = ''): SchemaStatement => ({
    section: 'database',
    type,
    name,
    text,
  });
  const columns = [
    { name: 'id', type: 'integer' },
    { name: 'a', type: 'text' },
  ];
  const lines = Array.from({ length: 100 }, (_, i) => `["${i}","row ${i}"]\n`).join('');
  return {
    from: { type: 'postgres', identity: '1/2', name: 'small', version: o.version ?? '13.1' },
    schema: [
      property('ENCODING', 'UTF8'),
      property('COLLATE', 'C'),
      property('CTYPE', 'C'),
      {
        section: 'pre-data',
        type: 'TABLE',
        name: 'public.t',
        text: 'CREATE TABLE public.t (id integer, a text);',
      },
      {
        section: 'post-data',
        type: 'CONSTRAINT',
        name: 'public.t t_pkey',
        text: 'ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (id);',
      },
      ...more,
    ],
    chunks: [{ header: { chunk: '/public.t', kind: 'rows', columns }, lines: Buffer.from(lines), rows: 100 }],
  };
}
