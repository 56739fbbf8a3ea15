import { ServerError } from './errors.ts';

/** The few messages of PostgreSQL's protocol (version 3) that a COPY past `pg` needs. */

const utf8 = new TextDecoder();

/** A simple query. */
export function queryMessage(sql: string): Uint8Array {
  return framed('Q', `${sql}\0`);
}

export function copyFailMessage(reason: string): Uint8Array {
  return framed('f', `${reason.replaceAll('\0', ' ')}\0`);
}

export function copyDoneMessage(): Uint8Array {
  return framed('c', '');
}

function framed(type: string, body: string): Uint8Array {
  const bytes = Buffer.alloc(5 + Buffer.byteLength(body));
  bytes.write(type, 0, 'latin1');
  bytes.writeInt32BE(bytes.length - 1, 1);
  bytes.write(body, 5);
  return bytes;
}

/** ErrorResponse: a letter and a text per field. */
export function parseServerError(body: Uint8Array): ServerError {
  const fields: Record<string, string> = {};
  for (const field of utf8.decode(body).split('\0')) {
    if (field !== '') fields[field.charAt(0)] = field.slice(1);
  }
  return new ServerError({
    message: fields.M ?? 'an error without a message',
    code: fields.C ?? 'XX000',
    detail: fields.D,
    hint: fields.H,
    where: fields.W,
  });
}

/** The rows of CommandComplete `COPY n`; undefined for another command's. */
export function parseCopyTag(body: Uint8Array): number | undefined {
  const match = /^COPY (\d+)\0$/.exec(utf8.decode(body));
  return match ? Number(match[1]) : undefined;
}

export interface Message {
  readonly type: string;
  readonly body: Uint8Array;
}

/** Cuts what the server sends into messages, where no row data is expected. */
export class MessageReader {
  #rest: Uint8Array = new Uint8Array(0);

  push(bytes: Uint8Array): readonly Message[] {
    const all = Buffer.concat([this.#rest, bytes]);
    const messages: Message[] = [];
    let at = 0;
    while (at + 5 <= all.length) {
      const end = at + 1 + all.readInt32BE(at + 1);
      if (end > all.length) break;
      messages.push({ type: String.fromCharCode(all[at] as number), body: all.subarray(at + 5, end) });
      at = end;
    }
    this.#rest = all.subarray(at);
    return messages;
  }
}
