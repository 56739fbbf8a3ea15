import { randomBytes } from 'node:crypto';
import { type Clock, HoldfastError, type Sig } from '@holdfast/core';
import { FTPError } from 'basic-ftp';
import { identifyRepository, markerBytesMax, markerName, reservedPrefix } from '../repository.ts';
import { isFolder, look, makeFolder, removeFile, rename } from './remote-files.ts';
import { isDone, refusalOf, refused, replyOf } from './replies.ts';
import type { FtpSession } from './session.ts';
import { download, NotBegun, upload } from './transfer.ts';
import type { FtpLocation } from './url.ts';

const claimAsksMax = 40;
const claimWaitMs = 250;

export interface PrepareOptions extends Sig {
  readonly description: string;
  readonly expectedId: string | undefined;
  readonly clock: Clock;
  readonly security: FtpLocation['security'];
}

export interface Prepared {
  readonly repositoryId: string | undefined;
  readonly writeOnly: boolean;
  readonly warnings: readonly string[];
}

/** Finds out which repository the place is, and proves that it takes writes, renames and deletions. */
export async function prepareFtp(session: FtpSession, o: PrepareOptions): Promise<Prepared> {
  const warnings: string[] = [];
  if (o.security === 'none') {
    warnings.push(
      `${o.description}: the password and all data cross the network in the clear (allowPlaintext); use ftps:// if the server can do TLS`,
    );
  }
  const root = session.root === '' ? '/' : session.root;
  if (!(await isFolder(session, root))) await makeFolder(session, root);
  const repositoryId = await identify(session, o).catch((error: unknown) => {
    if (isDenied(error)) return undefined;
    throw error;
  });
  const readable = (await proveWritable(session)) && repositoryId !== undefined;
  if (!readable) {
    warnings.push(
      `${o.description}: the user may write, but not read: backups cannot be read back or verified, listed, continued by incremental ones or deleted when they are old with these credentials; nor is it seen which repository this is, or whether an object is there already`,
    );
  }
  return { repositoryId, writeOnly: !readable, warnings };
}

function identify(session: FtpSession, o: PrepareOptions): Promise<string> {
  const { description, expectedId, clock, signal } = o;
  const path = `${session.root}/${markerName}`;
  const read = async (): Promise<string | undefined> => {
    const found = await look(session, path);
    if (found.kind === 'hidden') throw refused(found.reply);
    if (found.kind === 'none') return undefined;
    const length = Math.min(found.bytes, markerBytesMax);
    const blocks: Uint8Array[] = [];
    if (length > 0)
      for await (const block of download(session, { command: `RETR ${path}`, length })) blocks.push(block);
    return Buffer.concat(blocks).toString('utf8');
  };
  const create = async (text: string): Promise<boolean> => {
    const claim = `${session.root}/${reservedPrefix}marking`;
    for (let asked = 0; ; asked += 1) {
      // Renaming replaces what is there: that only one writes the marker is decided by who makes a folder.
      const mine = isDone(await session.ask(`MKD ${claim}`));
      if ((await read()) !== undefined) {
        if (mine) await session.ask(`RMD ${claim}`);
        return false;
      }
      // One that stays belongs to a process that has died.
      if (mine || asked === claimAsksMax) break;
      await clock.sleep(claimWaitMs, signal);
    }
    try {
      await placeMarker(session, path, text);
    } finally {
      await session.ask(`RMD ${claim}`);
    }
    return true;
  };
  return identifyRepository({ description, read, create }, { signal, expectedId, clock });
}

async function placeMarker(session: FtpSession, path: string, text: string): Promise<void> {
  const temporary = `${session.root}/${reservedPrefix}tmp-${randomBytes(12).toString('hex')}`;
  await upload(session, { command: `STOR ${temporary}`, body: bodyOf(text) });
  const reply = await rename(session, temporary, path);
  if (reply.code < 300) return;
  await removeFile(session, temporary);
  throw refused(reply);
}

/** Says whether what was written can be looked at, too. */
async function proveWritable(session: FtpSession): Promise<boolean> {
  const first = `${session.root}/${reservedPrefix}probe-${randomBytes(12).toString('hex')}`;
  const second = `${first}-2`;
  const text = 'holdfast';
  return session.unstoppable(async () => {
    await upload(session, { command: `STOR ${first}`, body: bodyOf(text) });
    const found = await look(session, first);
    const reply = await rename(session, first, second);
    const renamed = reply.code < 300;
    await removeFile(session, renamed ? second : first).catch((error: unknown) => {
      // Who may only add cannot delete either; what is left is small, and never listed.
      if (found.kind !== 'hidden') throw error;
    });
    if (!renamed) throw refused(reply);
    if (found.kind === 'none' || (found.kind === 'file' && found.bytes !== text.length)) {
      throw new HoldfastError(
        'unavailable',
        `${text.length} bytes were sent, and the server does not store them`,
        {
          hint: 'is the disk of the server full?',
        },
      );
    }
    return found.kind === 'file';
  });
}

/** What the user may not do, as opposed to what goes wrong. */
function isDenied(error: unknown): boolean {
  const reply =
    error instanceof NotBegun ? error.reply : error instanceof FTPError ? replyOf(error) : undefined;
  return reply !== undefined && refusalOf(reply) === 'permission';
}

async function* bodyOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
