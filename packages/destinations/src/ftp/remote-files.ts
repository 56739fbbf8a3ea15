import { parseFacts, parseTime, wholeNumber } from './facts.ts';
import { isDone, type Reply, refusalOf, refused } from './replies.ts';
import type { FtpSession } from './session.ts';

/** What is at a path. `hidden`: the user may not look. */
export type Found =
  | { readonly kind: 'file'; readonly bytes: number; readonly modifiedAtMs?: number }
  | { readonly kind: 'none' }
  | { readonly kind: 'hidden'; readonly reply: Reply };

/**
 * A file, if there is one; nothing else is an object. Asked for by MLST or SIZE and never by trying to read: proftpd
 * resets the data connection of a RETR that it refuses.
 */
export async function look(session: FtpSession, path: string): Promise<Found> {
  if (session.features.has('MLST')) {
    const reply = await session.ask(`MLST ${path}`);
    if (isDone(reply)) {
      const facts = reply.message.split('\n').flatMap((line) => parseFacts(line) ?? [])[0];
      if (facts?.type !== 'file') return { kind: 'none' };
      if (facts.bytes !== undefined) return { kind: 'file', ...facts, bytes: facts.bytes };
    } else if (refusalOf(reply, path) === 'missing') return { kind: 'none' };
    // Other refusals are put in words that say less than those of SIZE.
  }
  const reply = await session.ask(`SIZE ${path}`);
  if (!isDone(reply)) return missing(reply, path);
  const bytes = wholeNumber(/^213 +(\d+)/.exec(reply.message)?.[1]);
  if (bytes === undefined) throw refused({ code: 502, message: `SIZE was answered with: ${reply.message}` });
  return { kind: 'file', bytes };
}

/** Undefined where the server does not say. */
export async function modifiedAt(session: FtpSession, path: string): Promise<number | undefined> {
  const reply = await session.ask(`MDTM ${path}`);
  return reply.code === 213 ? parseTime(reply.message.slice(4).trim()) : undefined;
}

function missing(reply: Reply, path: string): Found {
  const refusal = refusalOf(reply, path);
  if (refusal === 'permission') return { kind: 'hidden', reply };
  if (refusal === 'missing' || reply.code === 550 || reply.code === 553) return { kind: 'none' };
  throw refused(reply);
}

export async function isFolder(session: FtpSession, path: string): Promise<boolean> {
  return isDone(await session.ask(`CWD ${path}`));
}

/** Makes a folder and those above it, below the root and the root itself; whoever else does so at once is welcome. */
export async function makeFolder(session: FtpSession, path: string): Promise<void> {
  const reply = await session.ask(`MKD ${path}`);
  if (isDone(reply) || (await isFolder(session, path))) return;
  const above = path.slice(0, path.lastIndexOf('/'));
  if (above === '' || (await isFolder(session, above))) {
    // It may have come, or gone, while we asked.
    const again = await session.ask(`MKD ${path}`);
    if (isDone(again) || (await isFolder(session, path))) return;
    throw refused(again);
  }
  await makeFolder(session, above);
  await makeFolder(session, path);
}

/** A missing file is no error. */
export async function removeFile(session: FtpSession, path: string): Promise<void> {
  const reply = await session.ask(`DELE ${path}`);
  if (isDone(reply)) return;
  const found = await look(session, path);
  if (found.kind !== 'none') throw refused(reply);
}

/** Says whether it did: a folder that is not empty, or not there, stays as it is. */
export async function removeFolder(session: FtpSession, path: string): Promise<boolean> {
  return isDone(await session.ask(`RMD ${path}`));
}

/** Folders from `path` upwards that have become empty, but never the root. */
export async function removeEmptyFolders(session: FtpSession, path: string): Promise<void> {
  let at = path;
  while (at.length > session.root.length && (await removeFolder(session, at)))
    at = at.slice(0, at.lastIndexOf('/'));
}

/** Gives a file another name, at which it replaces what is there. */
export async function rename(session: FtpSession, from: string, to: string): Promise<Reply> {
  const reply = await session.ask(`RNFR ${from}`);
  if (reply.code >= 400) return reply;
  return session.ask(`RNTO ${to}`);
}
