import { type ChunkHeader, decodeName, HoldfastError, relationOf } from '@holdfast/core';
import { quoteIdentifier } from '../full/names.ts';

/** The relation that a chunk's rows belong to: the last name of its path, a leaf when the table has partitions. */
export function relationOfChunk(path: string): { readonly schema: string; readonly name: string } {
  const last = relationOf(path).split('/').at(-1) ?? '';
  const [schema, name, ...more] = last.split('.');
  // Dots inside of names are encoded, so there is exactly one.
  if (!schema || !name || more.length > 0) {
    throw new HoldfastError('corrupt', `the chunk path ${path} does not name a table`, {
      hint: 'the backup was not made from PostgreSQL, or it is damaged: holdfast check',
    });
  }
  return { schema: decodeName(schema), name: decodeName(name) };
}

/**
 * `"a"."t" ("x", "y")`: as COPY wants its relation. The columns are those of the header, whatever their order in the
 * new table; a table without any takes lines without a value, for which COPY has no column list.
 */
export function copyTarget(header: ChunkHeader): string {
  const { schema, name } = relationOfChunk(header.chunk);
  const relation = `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
  if (header.columns.length === 0) return relation;
  return `${relation} (${header.columns.map((column) => quoteIdentifier(column.name)).join(', ')})`;
}
