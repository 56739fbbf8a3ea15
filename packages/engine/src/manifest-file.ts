import { createHash } from 'node:crypto';
import { formatVersion, HoldfastError, type Manifest } from '@holdfast/core';
import { z } from 'zod';

/**
 * The manifest as a file: one JSON object, its last member the SHA-256 of everything before that member, then a
 * newline. So a bit flipped anywhere in it is noticed without any other file.
 */
const name = z.string().min(1).max(400);
const count = z.number().int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const time = z.number().min(0);

const mark = z.strictObject({ position: z.string(), timeMs: time });

const chunk = z.strictObject({
  path: z.string().startsWith('/'),
  kind: z.enum(['schema', 'rows', 'special', 'changes', 'image']),
  segment: count,
  offset: count,
  bytes: count,
  frames: z.array(count),
  rawBytes: count,
  rows: count,
  sha256,
  digest: z.string().regex(/^(?:[0-9a-f]{32})?$/),
  tables: z.record(z.string(), count).optional(),
});

export const manifestSchema = z.strictObject({
  format: z.literal(formatVersion),
  holdfast: name,
  task: name,
  chain: name,
  sequence: count,
  scope: z.enum(['full', 'incremental']),
  type: z.enum(['logical', 'snapshot']),
  node: name,
  generation: count,
  source: z.strictObject({ type: name, identity: name, name: z.string(), version: z.string() }),
  from: mark.optional(),
  to: mark,
  previous: z.strictObject({ sequence: count, sha256 }).optional(),
  segments: z.array(z.strictObject({ name, bytes: count, sha256 })),
  chunks: z.array(chunk),
  replaced: z.array(z.string()),
  dropped: z.array(z.string()),
  state: z.json(),
  gap: z.strictObject({ reason: z.string(), since: mark.optional() }).optional(),
  startedAtMs: time,
  finishedAtMs: time,
  durationsMs: z.record(z.string(), z.number()),
  totals: z.strictObject({ rows: count, rawBytes: count, storedBytes: count }),
});

/** The manifest file's JSON Schema, for readers without Holdfast. */
export function manifestJsonSchema(): object {
  const file = manifestSchema.extend({
    sha256: sha256.describe('of all bytes of the file before this member'),
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `Holdfast backup manifest, format ${formatVersion}`,
    ...z.toJSONSchema(file, { target: 'draft-2020-12' }),
  };
}

const sealStart = ',"sha256":"';
const sealEnd = '"}\n';

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function writeManifest(manifest: Manifest): Uint8Array {
  const body = Buffer.from(JSON.stringify(manifest).slice(0, -1), 'utf8');
  return Buffer.concat([body, Buffer.from(`${sealStart}${sha256Of(body)}${sealEnd}`, 'latin1')]);
}

/** @throws HoldfastError corrupt when a byte differs from what was written; unsupported for a newer format */
export function readManifest(bytes: Uint8Array, key: string): Manifest {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sealBytes = sealStart.length + 64 + sealEnd.length;
  const body = file.subarray(0, Math.max(0, file.length - sealBytes));
  const expected = `${sealStart}${sha256Of(body)}${sealEnd}`;
  if (file.length === 0) throw altered(key, 'the file is empty');
  if (file.subarray(body.length).toString('latin1') !== expected)
    throw altered(key, 'its bytes differ from the checksum at its end');
  let value: unknown;
  try {
    value = JSON.parse(`${body.toString('utf8')}}`);
  } catch (error) {
    throw altered(key, 'it is not JSON', error);
  }
  const format = (value as { format?: unknown }).format;
  if (typeof format === 'number' && format > formatVersion)
    throw new HoldfastError(
      'unsupported',
      `manifest ${key} has format ${format}; this build reads up to ${formatVersion}`,
      {
        hint: 'use the version of Holdfast that wrote it, or a newer one',
      },
    );
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw altered(
      key,
      `field ${issue?.path.join('.') || '(root)'}: ${issue?.message ?? 'does not fit the format'}`,
    );
  }
  const manifest = parsed.data as Manifest;
  checkLayout(manifest, key);
  return manifest;
}

/** Chunks must tile their segments: so the checksums of all chunks together cover every stored byte. */
function checkLayout(manifest: Manifest, key: string): void {
  const ends = manifest.segments.map(() => 0);
  const ordered = [...manifest.chunks].sort((a, b) => a.segment - b.segment || a.offset - b.offset);
  for (const entry of ordered) {
    if (entry.offset !== ends[entry.segment])
      throw altered(key, `chunk ${entry.path} does not begin where the one before it ends`);
    if (entry.frames.reduce((sum, bytes) => sum + bytes, 0) !== entry.bytes)
      throw altered(key, `the frames of chunk ${entry.path} do not add up to its size`);
    ends[entry.segment] = entry.offset + entry.bytes;
  }
  manifest.segments.forEach((segment, index) => {
    if (segment.bytes !== ends[index]) throw altered(key, `chunks do not fill segment ${segment.name}`);
  });
}

function altered(key: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('corrupt', `altered manifest ${key}: ${what}`, {
    cause,
    hint: 'restore this object from another copy; the backups before it in the chain are not touched by this',
  });
}
