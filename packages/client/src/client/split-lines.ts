import { type Clock, deadline, HoldfastError, type Sig } from '@holdfast/core';

const lineCharactersMax = 8 * 1024 * 1024;

export interface LineOptions extends Sig {
  readonly clock: Clock;
  /** Rejects with `unavailable` when nothing comes for so long. */
  readonly silenceMs: number;
  readonly server: string;
}

/**
 * The lines of a stream, without their ends. Ending the loop, an abort or an error let go of the stream; a last line
 * without an end is given only if the stream ended well.
 */
export async function* splitLines(
  stream: ReadableStream<Uint8Array>,
  o: LineOptions,
): AsyncGenerator<string, void, void> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const part = await read(reader, o);
      rest += part === undefined ? decoder.decode() : decoder.decode(part, { stream: true });
      // A carriage return at the end may be half of an end of line.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      yield* lines;
      if (rest.length > lineCharactersMax) {
        throw new HoldfastError(
          'exhausted',
          `${o.server} sent a line of more than ${lineCharactersMax} bytes`,
        );
      }
      if (part === undefined) break;
    }
    if (rest !== '') yield rest.replace(/\r$/, '');
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function read(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  { clock, silenceMs, server, signal }: LineOptions,
): Promise<Uint8Array | undefined> {
  using silence = deadline(clock, silenceMs, server);
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason);
  const giveUp = (): void =>
    reject(new HoldfastError('unavailable', `nothing has come from ${server} for ${silenceMs} ms`));
  signal.addEventListener('abort', stop, { once: true });
  silence.signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) stop();
  try {
    const { done, value } = await Promise.race([reader.read(), promise]);
    return done ? undefined : value;
  } finally {
    signal.removeEventListener('abort', stop);
    silence.signal.removeEventListener('abort', giveUp);
  }
}
