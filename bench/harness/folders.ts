import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Makes the folder, empty, whatever was there. */
export async function emptyFolder(path: string): Promise<string> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
  await mkdir(path, { recursive: true });
  return path;
}

/** Every file below a folder with its size and time of change, by its path; a missing folder has none. */
export async function filesIn(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { path, size, mtimeMs } of await entries(folder)) found.set(path, `${size} ${mtimeMs}`);
  return found;
}

/** The bytes of all files below a folder, or of one file. */
export async function sizeOf(path: string): Promise<number> {
  const found = await stat(path);
  if (found.isFile()) return found.size;
  return (await entries(path)).reduce((sum, { size }) => sum + size, 0);
}

async function entries(folder: string): Promise<{ path: string; size: number; mtimeMs: number }[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => ({ path: join(folder, name), info: await stat(join(folder, name)) })),
  );
  return found
    .filter(({ info }) => info.isFile())
    .map(({ path, info }) => ({ path, size: info.size, mtimeMs: info.mtimeMs }));
}
