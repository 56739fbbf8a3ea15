import { HoldfastError } from '@holdfast/core';
import { DataConnection } from './data-connection.ts';
import { type Reply, refused } from './replies.ts';
import type { FtpSession, Moving } from './session.ts';

export interface UploadOptions {
  /** `STOR /path` or `APPE /path`. */
  readonly command: string;
  /** Where in the file the first byte goes; only for STOR. */
  readonly start?: number;
  /** Asked for its first block when the server is ready to take it. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** The server did not take the command; nothing was asked of the body. */
export class NotBegun extends Error {
  readonly reply: Reply;

  constructor(reply: Reply) {
    super(reply.message, { cause: refused(reply) });
    this.reply = reply;
  }
}

/**
 * Sends a body and resolves when the server has confirmed it. Whatever goes wrong, the server has given the transfer up
 * before this rejects, or the session is closed.
 */
export async function upload(session: FtpSession, o: UploadOptions): Promise<void> {
  const { data, moving, restore } = await openTransfer(session, o.command, o.start ?? 0);
  try {
    await data.secure();
    for await (const block of o.body) await data.write(block);
    await data.end();
    const reply = await moving.last;
    if (reply.code >= 300) throw refused(reply);
    if (data.failure !== undefined) throw data.failure;
  } catch (error) {
    const why = await whyCut(session, data, moving, error);
    session.isWorn = true;
    throw why;
  } finally {
    restore();
    data.destroy();
  }
}

export interface DownloadOptions {
  /** `RETR /path`, `MLSD`, … */
  readonly command: string;
  readonly start?: number;
  /** How many bytes are wanted; by default all that come. */
  readonly length?: number;
  /** Nothing should follow them: the server is let end by itself, as some end the session otherwise. */
  readonly toEnd?: boolean;
}

/** What the server sends, until there is enough of it. Given up early, the session stays usable if the server lets it. */
export async function* download(session: FtpSession, o: DownloadOptions): AsyncGenerator<Uint8Array> {
  const { data, moving, restore } = await openTransfer(session, o.command, o.start ?? 0);
  const wanted = o.length ?? Number.POSITIVE_INFINITY;
  let got = 0;
  let isEnough = false;
  let over = false;
  try {
    await data.secure();
    for await (const block of data.blocks) {
      const part = block.length > wanted - got ? block.subarray(0, wanted - got) : block;
      got += part.length;
      yield part;
      isEnough = part !== block || (got >= wanted && o.toEnd !== true);
      if (isEnough) break;
    }
    if (!isEnough) {
      const reply = await moving.last;
      over = true;
      if (reply.code >= 300) throw refused(reply);
      if (data.failure !== undefined) throw data.failure;
    }
  } catch (error) {
    over = true;
    throw await whyCut(session, data, moving, error);
  } finally {
    restore();
    data.destroy();
    if (!over) await session.settle(moving);
  }
}

interface OpenTransfer {
  readonly data: DataConnection;
  readonly moving: Moving;
  /** Gives the session its own way to stop back. */
  readonly restore: () => void;
}

async function openTransfer(session: FtpSession, command: string, start: number): Promise<OpenTransfer> {
  const data = await DataConnection.open(session);
  let restore = (): void => undefined;
  try {
    if (start > 0) await session.tell(`REST ${start}`);
    // Only the data are cut: what a server made of a command that it has got shall be known, and can be undone.
    restore = session.onStop(() => {
      data.destroy(new HoldfastError('cancelled', 'the transfer was stopped'));
      session.hurry();
    });
    const moving = session.begin(command);
    const first = await moving.first;
    if (first !== 'open') throw new NotBegun(first);
    // A server that has given up has nothing to wait for any more.
    moving.last.then(
      (reply) => reply.code >= 400 && data.destroy(refused(reply)),
      (error: unknown) => data.destroy(error),
    );
    return { data, moving, restore };
  } catch (error) {
    restore();
    data.destroy();
    throw error;
  }
}

/** The server's own words about a broken transfer, if it has any, are better than those of a socket. */
async function whyCut(
  session: FtpSession,
  data: DataConnection,
  moving: Moving,
  caught: unknown,
): Promise<unknown> {
  const early = (caught as NodeJS.ErrnoException | undefined)?.code === 'ERR_STREAM_PREMATURE_CLOSE';
  const error = early ? (data.failure ?? caught) : caught;
  const ofSocket = early || (data.failure !== undefined && error === data.failure);
  data.destroy();
  const reply = await session.settle(moving);
  return ofSocket && !(error instanceof HoldfastError) && reply && reply.code >= 400 ? refused(reply) : error;
}
