import { HoldfastError, type ObjectInfo, type Sig, throwIfAborted } from '@holdfast/core';
import { reservedPrefix } from '../repository.ts';
import { type Facts, parseFacts } from './facts.ts';
import { isDone, refusalOf, refused } from './replies.ts';
import type { FtpSession } from './session.ts';
import { download, NotBegun } from './transfer.ts';

/** Some hundred thousand names. */
const listingBytesMax = 64 * 1024 * 1024;

/** The names in a folder, as they are: nothing when there is no such folder. */
export async function listFolder(session: FtpSession, path: string): Promise<readonly Facts[]> {
  // Lists are asked for without a name: after LIST, servers read brackets, blanks and dashes as patterns and options.
  const reply = await session.ask(`CWD ${path === '' ? '/' : path}`);
  if (!isDone(reply)) {
    if (refusalOf(reply, path) === 'permission') throw refused(reply);
    return [];
  }
  if (session.features.has('MLST')) {
    const lines = await linesOf(session, 'MLSD').catch((error: unknown) => {
      if (error instanceof NotBegun && error.reply.code >= 500 && error.reply.code <= 504) return undefined;
      throw error;
    });
    if (lines) return lines.flatMap((line) => parseFacts(line) ?? []);
  }
  // Without -a some servers hide names that begin with a dot; others do not know it, and list nothing.
  for (const command of ['LIST -a', 'LIST']) {
    const lines = await linesOf(session, command).catch((error: unknown) => {
      if (error instanceof NotBegun && command !== 'LIST') return [];
      throw error;
    });
    if (lines.length > 0) return parseLines(session, lines);
  }
  return [];
}

function parseLines(session: FtpSession, lines: readonly string[]): Facts[] {
  return session.parseList(lines.join('\n')).flatMap(({ name, size, isFile, isDirectory }) => {
    if (name === '.' || name === '..' || name === '') return [];
    // Of its times only the minute is known, or not even the year: none is better than a wrong one.
    return {
      name,
      bytes: size,
      type: isFile ? ('file' as const) : isDirectory ? ('folder' as const) : ('other' as const),
    };
  });
}

async function linesOf(session: FtpSession, command: string): Promise<string[]> {
  const blocks: Uint8Array[] = [];
  let bytes = 0;
  for await (const block of download(session, { command })) {
    blocks.push(block);
    bytes += block.length;
    if (bytes > listingBytesMax)
      throw new HoldfastError('unsupported', `the list of a folder is longer than ${listingBytesMax} bytes`);
  }
  return Buffer.concat(blocks)
    .toString('utf8')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
}

export interface WalkStart {
  readonly folder: string;
  /** What the keys of everything in `folder` begin with. */
  readonly keyPrefix: string;
  /** Only names in `folder` that begin so; below them, all. */
  readonly namePrefix: string;
}

/**
 * All files below a folder, but the driver's own. Symbolic links are not followed, where the server says that they are
 * such. No session is held while the objects are looked at: who does so may delete them. Memory: one folder's names per
 * level.
 */
export async function* walk(
  start: WalkStart,
  list: (folder: string) => Promise<readonly Facts[]>,
  o: Sig,
): AsyncGenerator<ObjectInfo> {
  const { folder, keyPrefix, namePrefix } = start;
  for (const { name, type, bytes, modifiedAtMs } of await list(folder)) {
    throwIfAborted(o.signal);
    if (!name.startsWith(namePrefix) || name.startsWith(reservedPrefix) || name.includes('/')) continue;
    const key = keyPrefix + name;
    if (type === 'folder') {
      yield* walk({ folder: `${folder}/${name}`, keyPrefix: `${key}/`, namePrefix: '' }, list, o);
    } else if (type === 'file') {
      yield { key, bytes: bytes ?? 0, ...(modifiedAtMs !== undefined && { modifiedAtMs }) };
    }
  }
}
