import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, type Sig } from '@holdfast/core';
import { fileMode } from './durable.ts';
import type { Publisher } from './publish.ts';
import type { FolderRoot } from './root.ts';
import { sweepTemporaries, temporaryName } from './temporary.ts';

/** Writes, syncs, reads back, renames and deletes a scratch file, and sweeps what dead writers left. */
export async function proveWritable(
  root: FolderRoot,
  publisher: Publisher,
  o: Sig & { readonly scratch: string },
): Promise<void> {
  const content = Buffer.from(`holdfast ${root.id}`);
  const second = join(root.path, temporaryName());
  const handle = await open(o.scratch, 'wx+', fileMode);
  try {
    await handle.writeFile(content);
    await handle.sync();
    const room = Buffer.alloc(content.length + 1);
    const { bytesRead } = await handle.read(room, 0, room.length, 0);
    if (!room.subarray(0, bytesRead).equals(content)) {
      throw new HoldfastError('corrupt', `${root.path} gives back other bytes than were written`, {
        hint: 'check the disk and its cables, or the server behind the mount',
      });
    }
    const { mtimeMs } = await handle.stat();
    // Publishing shows whether there are second names, before the first object is written.
    if (!(await publisher.publishNew(o.scratch, second))) {
      throw new HoldfastError('internal', `${second} is taken`);
    }
    await rm(second, { force: true });
    await sweepTemporaries(root.path, mtimeMs, o.signal);
  } finally {
    await handle.close();
    await rm(o.scratch, { force: true });
    await rm(second, { force: true });
  }
}

/** A warning for each folder that is on the same disk as the destination. */
export async function sharedDisks(path: string, neverOn: readonly string[]): Promise<string[]> {
  const own = (await stat(path)).dev;
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
