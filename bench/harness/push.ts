import { join } from 'node:path';
import type { SegmentEntry } from '@holdfast/core';
import { runCommand } from './command.ts';

/** What a child of its own is to bring to destinations. Crosses as JSON, by its standard input. */
export interface PushRequest {
  readonly staging: string;
  /** Of destinations, as users write them. */
  readonly urls: readonly string[];
  /** Bytes per second that may be written to each of them; no limit unless said. */
  readonly rate?: number;
  /** One backup of these files, or many of one small segment each. */
  readonly backups:
    | { readonly folder: string; readonly segments: readonly SegmentEntry[] }
    | { readonly count: number; readonly segmentBytes: number };
}

export interface PushResult {
  /** The largest resident set: all of the process's memory, shared pages included. */
  readonly peakBytes: number;
  /** Of all reads of segments in staging. */
  readonly stagedBytesRead: number;
  /** Asked of each destination in the backups, in the order of the URLs; `prepare` comes before. */
  readonly calls: readonly Readonly<Record<string, number>>[];
  /** Attempts of all destinations that failed and were made again. */
  readonly retries: number;
  /** From the opening of the first stage to the end of the last one. */
  readonly backupsSeconds: number;
}

/** Where backups of this harness stand below a destination's URL. */
export const pushedTask = 'bench';
export const pushedChain = '20261120T140000Z-node-a-g1';

/** Pushes as a run does, in a process of its own. @throws Error with its words when a push fails */
export async function pushInChild(request: PushRequest): Promise<PushResult> {
  const child = join(import.meta.dirname, 'push-child.ts');
  const input = [JSON.stringify(request)];
  // A user's Node compiles nothing anew at every start either; what runs us may have set its own folder for that.
  const env = { NODE_COMPILE_CACHE: join(request.staging, '..', 'push-cache') };
  const out = await runCommand(process.execPath, [child], { input, env });
  return JSON.parse(out) as PushResult;
}
