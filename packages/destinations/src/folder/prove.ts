import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, type Sig } from '@holdfast/core';
import { fileMode } from './durable.ts';
import type { Files } from './files.ts';
import type { Publisher } from './publish.ts';
import type { FolderRoot } from './root.ts';
import { sweepTemporaries, temporaryName } from './temporary.ts';

/** Writes, syncs, reads back, renames and deletes a scratch file, and sweeps what dead writers left. */
export async function proveWritable(
  root: FolderRoot,
  publisher: Publisher,
  o: Sig & { readonly files: Files; readonly scratch: string },
): Promise<void> {
  const content = Buffer.from(`holdfast ${root.id}`);
  const second = join(root.path, temporaryName());
  const { files, signal } = o;
  const file = await files.open(o.scratch, 'wx+', fileMode);
  try {
    await file.write(content);
    await file.sync();
    const room = Buffer.alloc(content.length + 1);
    const bytesRead = await file.read(room, { length: room.length, position: 0 });
    if (!room.subarray(0, bytesRead).equals(content)) {
      throw new HoldfastError('corrupt', `${root.path} gives back other bytes than were written`, {
        hint: 'check the disk and its cables, or the server behind the mount',
      });
    }
    const { mtimeMs } = await file.stat();
    // Publishing shows whether there are second names, before the first object is written.
    if (!(await publisher.publishNew(files, o.scratch, second))) {
      throw new HoldfastError('internal', `${second} is taken`);
    }
    await files.remove(second);
    await sweepTemporaries(root.path, { files, signal, nowMs: mtimeMs });
  } finally {
    await file.close();
    await files.discard(o.scratch);
    await files.discard(second);
  }
}

/** A warning for each folder that is on the same disk as the destination. */
export async function sharedDisks(files: Files, path: string, neverOn: readonly string[]): Promise<string[]> {
  const own = (await files.stat(path)).dev;
  const warnings: string[] = [];
  for (const folder of neverOn) {
    const other = await stat(folder).catch(() => undefined);
    if (other?.dev !== own) continue;
    warnings.push(
      `${path} is on the same disk as the database (${folder}): when that disk fails, the database and its ` +
        'backups are lost together, and backups can fill the disk that the database needs',
    );
  }
  return warnings;
}
