import { FTPError } from 'basic-ftp';

/** What a server answered, its whole text included. */
export interface Reply {
  readonly code: number;
  readonly message: string;
}

/** What a refusal is about. Servers share a few codes among all reasons, so their words are read as well. */
export type Refusal = 'permission' | 'missing' | 'full' | 'busy' | 'readonly' | 'unknown';

/** The error that a refusal travels as within the driver. */
export function refused(reply: Reply): FTPError {
  return new FTPError({ code: reply.code, message: reply.message });
}

export function replyOf(error: FTPError): Reply {
  return { code: error.code, message: error.message };
}

export function isDone(reply: Reply): boolean {
  return reply.code >= 200 && reply.code < 300;
}

/**
 * @param path What the command named: servers repeat it, and the words of a name are not the server's
 */
export function refusalOf(reply: Reply, path = ''): Refusal {
  const { code } = reply;
  const text = path === '' ? reply.message : reply.message.replaceAll(path, '');
  if (code === 452 || code === 552) return 'full';
  if (/no space|disk full|quota|allocation exceeded|insufficient (disk|storage)/i.test(text)) return 'full';
  // So proftpd says that a write has stored less than it was given: its disk is full, more often than broken.
  if (code === 451 && /input\/output error/i.test(text)) return 'full';
  if (/read-?only file ?system/i.test(text)) return 'readonly';
  if (/permission|denied|not permitted|not allowed|forbidden|unauthori[sz]ed|read-?only/i.test(text))
    return 'permission';
  if (
    /no such|not found|does ?n[o']t exist|cannot find|not a (regular|plain) file|is a directory|cannot be listed/i.test(
      text,
    )
  )
    return 'missing';
  if (code === 532) return 'permission';
  return code === 421 || code === 425 || code === 426 || code === 450 || code === 451 ? 'busy' : 'unknown';
}

/** A server that has as many connections as it wants says so with codes that otherwise mean something else. */
export function isCrowded(reply: Reply): boolean {
  return /too many|maximum|max(imal)? (number|clients|connections)|connection limit|limit reached/i.test(
    reply.message,
  );
}
