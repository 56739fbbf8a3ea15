import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** Every file and folder below a folder, with size, checksum and time: two trees that are equal hold the same. */
export type Tree = Readonly<Record<string, string>>;

export async function treeOf(root: string): Promise<Tree> {
  const found: Record<string, string> = {};
  const entries = await readdir(root, { withFileTypes: true, recursive: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    },
  );
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(root, path);
    if (entry.isDirectory()) found[`${name}/`] = '';
    else if (entry.isFile()) {
      const { size, mtimeMs } = await stat(path);
      const sha256 = createHash('sha256')
        .update(await readFile(path))
        .digest('hex');
      found[name] = `${size} ${mtimeMs} ${sha256}`;
    } else found[name] = 'neither file nor folder';
  }
  return found;
}

/** What is stored at a folder destination: everything but the driver's own marker, which comes with its first use. */
export async function storedAt(root: string): Promise<Tree> {
  const tree = await treeOf(root);
  return Object.fromEntries(Object.entries(tree).filter(([name]) => name !== '.holdfast-repository'));
}

/** What runs have left in a staging folder, and did not have to: empty when all of them have cleaned up. */
export async function leftInStaging(root: string): Promise<readonly string[]> {
  return Object.keys(await treeOf(root)).filter(
    (name) =>
      !name.startsWith('.locks/') &&
      name !== 'known-destinations.json' &&
      // The folder of a task stays for its next run, and in it what the source keeps for its chains.
      !/^[a-z0-9-]+\/(\.kept\/.*)?$/.test(name),
  );
}
