import { createHash, randomBytes } from 'node:crypto';
import { FTPError } from 'basic-ftp';
import { reservedPrefix } from '../repository.ts';
import type { Facts } from './facts.ts';
import { listFolder } from './listing.ts';
import { isFolder, makeFolder, removeFile, removeFolder } from './remote-files.ts';
import { isDone } from './replies.ts';
import type { FtpSession } from './session.ts';
import { NotBegun } from './transfer.ts';

/** Where an object is, and below which folder. Absolute paths on the server. */
export interface Target {
  readonly key: string;
  readonly folder: string;
  readonly path: string;
}

/** What is still being sent, in the folder of its object: servers rename across file systems by copying. */
export function temporaryPath({ folder }: Target): string {
  return `${folder}/${reservedPrefix}tmp-${randomBytes(12).toString('hex')}`;
}

/**
 * A folder for what unfinished resumable writes of one object leave, so that one command says whether there is any,
 * and `delete` finds it without knowing what was to be stored.
 */
export function partFolderOf({ folder, path }: Target): string {
  const name = createHash('sha256').update(path.slice(folder.length + 1));
  return `${folder}/${reservedPrefix}part-${name.digest('hex').slice(0, 24)}`;
}

/**
 * Named after what is to be stored: what is in it can only be a beginning of that. And by chance: no two writers send
 * to the same name, so that neither cuts off what the other one has sent.
 */
export function partName(sizeBytes: number, sha256: string): string {
  return `${partStem(sizeBytes, sha256)}-${randomBytes(6).toString('hex')}`;
}

function partStem(sizeBytes: number, sha256: string): string {
  return `${sha256.slice(0, 32)}-${sizeBytes}`;
}

export interface Part {
  readonly path: string;
  readonly bytes: number;
}

/** Makes the folder; the longest beginning that is there, while those of other contents are discarded. */
export async function openParts(
  session: FtpSession,
  folder: string,
  o: { readonly sizeBytes: number; readonly sha256: string },
): Promise<Part | undefined> {
  if (isDone(await session.ask(`MKD ${folder}`))) return undefined;
  if (!(await isFolder(session, folder))) {
    await makeFolder(session, folder);
    return undefined;
  }
  const stem = `${partStem(o.sizeBytes, o.sha256)}-`;
  let longest: Part | undefined;
  for (const { name, type, bytes = 0 } of await partsIn(session, folder)) {
    if (type !== 'file') continue;
    const part = { path: `${folder}/${name}`, bytes };
    const useful =
      name.startsWith(stem) && bytes > 0 && bytes <= o.sizeBytes && bytes > (longest?.bytes ?? 0);
    const useless = useful ? longest : part;
    if (useful) longest = part;
    if (useless) await removeFile(session, useless.path);
  }
  return longest;
}

/** Who may only write sends all of it. */
async function partsIn(session: FtpSession, folder: string): Promise<readonly Facts[]> {
  return listFolder(session, folder).catch((error: unknown) => {
    if (error instanceof FTPError || error instanceof NotBegun) return [];
    throw error;
  });
}

/** All that resumable writes of an object have left. */
export async function removeParts(session: FtpSession, target: Target): Promise<void> {
  const folder = partFolderOf(target);
  if (!(await isFolder(session, folder))) return;
  for (const { name, type } of await partsIn(session, folder))
    if (type === 'file') await removeFile(session, `${folder}/${name}`);
  await removeFolder(session, folder);
}
