import type { ChunkLoader, ChunkReader, Sig } from '@holdfast/core';
import { type LoaderData, TableLoader } from './loader.ts';
import { PageReader, type ReaderData } from './page-reader.ts';

/** Of a frozen view's token, or of a restore target's: both give page images to read. */
export async function openReader(data: unknown, _o: Sig): Promise<ChunkReader> {
  return new PageReader(data as ReaderData);
}

export async function openLoader(data: unknown, _o: Sig): Promise<ChunkLoader> {
  return new TableLoader(data as LoaderData);
}
