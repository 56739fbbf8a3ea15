import { open, statfs } from 'node:fs/promises';

const blockBytes = 64 * 1024;

/** Writes to a file until no more is free on its disk than is to be left. */
export async function fillDisk(path: string, { leaveBytes }: { readonly leaveBytes: number }): Promise<void> {
  await using file = await open(path, 'a');
  const block = Buffer.alloc(blockBytes, 1);
  for (;;) {
    const { bavail, bsize } = await statfs(path);
    const bytes = Math.min(blockBytes, bavail * bsize - leaveBytes);
    if (bytes <= 0) return;
    try {
      await file.write(block, 0, bytes);
    } catch (caught) {
      // Someone else was quicker.
      if ((caught as NodeJS.ErrnoException).code !== 'ENOSPC') throw caught;
    }
  }
}
