import { createCipheriv, createHash } from 'node:crypto';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type SegmentEntry, segmentName } from '@holdfast/core';
import type { Scale } from './data-postgres.ts';
import type { Workspace } from './harness/workspace.ts';

/** Raise it when the data changes: what was kept is made anew. */
const dataVersion = 1;

const mebibyte = 1_048_576;
const segmentCount = 16;
/** 2 GiB at full scale. */
const segmentBytes: Readonly<Record<Scale, number>> = { small: 8 * mebibyte, full: 128 * mebibyte };

/** Files of a backup as they stand in staging, which nothing can compress further. */
export interface SegmentData {
  readonly folder: string;
  readonly segments: readonly SegmentEntry[];
  readonly bytes: number;
}

/** 16 segments; they are made when the workspace does not hold them yet. Nobody changes them. */
export async function openSegments(
  workspace: Workspace,
  { scale, log }: { scale: Scale; log: (line: string) => void },
): Promise<SegmentData> {
  const folder = workspace.kept(`segments-${scale}`);
  const factsFile = `${folder}.json`;
  const known = JSON.parse(await readFile(factsFile, 'utf8').catch(() => '{}')) as { version?: number };
  if (known.version !== dataVersion) {
    await rm(factsFile, { force: true });
    await rm(folder, { recursive: true, force: true });
    log(`making segments-${scale} …`);
    await mkdir(folder, { recursive: true });
    const segments: SegmentEntry[] = [];
    for (let number = 1; number <= segmentCount; number += 1)
      segments.push(await make(folder, number, scale));
    await writeFile(factsFile, JSON.stringify({ version: dataVersion, segments }));
  }
  const { segments } = JSON.parse(await readFile(factsFile, 'utf8')) as Pick<SegmentData, 'segments'>;
  return { folder, segments, bytes: bytesOf(segments) };
}

export function bytesOf(segments: readonly SegmentEntry[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The key stream of a cipher: always the same, and as good as random. */
async function make(folder: string, number: number, scale: Scale): Promise<SegmentEntry> {
  const name = segmentName(0, 'full', number);
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, number), Buffer.alloc(16));
  const hash = createHash('sha256');
  const zeros = Buffer.alloc(mebibyte);
  const bytes = segmentBytes[scale];
  await using handle = await open(join(folder, name), 'wx');
  for (let written = 0; written < bytes; written += zeros.length) {
    const block = cipher.update(zeros);
    hash.update(block);
    await handle.writeFile(block);
  }
  return { name, bytes, sha256: hash.digest('hex') };
}
