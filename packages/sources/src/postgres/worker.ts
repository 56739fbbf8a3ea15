import type { SourceWorkerModule } from '@holdfast/core';
import { type ReaderData, openReader as readerOf } from './full/reader.ts';
import { type LoaderData, openLoader as loaderOf } from './restore/loader.ts';

/** What worker threads import. The data is what this driver itself put into its tokens. */
export const openReader: SourceWorkerModule['openReader'] = (data, o) => readerOf(data as ReaderData, o);
export const openLoader: SourceWorkerModule['openLoader'] = (data, o) => loaderOf(data as LoaderData, o);
