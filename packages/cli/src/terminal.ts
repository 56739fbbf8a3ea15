import picocolors from 'picocolors';

export interface Out {
  readonly isTerminal: boolean;
  /** Characters in a line; asked anew each time, because windows change. */
  readonly columns: () => number;
  readonly write: (text: string) => void;
}

/** Where a command prints: its answer on `out`, everything about its work on `err`. */
export interface Terminal {
  readonly out: Out;
  readonly err: Out;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type Colors = ReturnType<typeof picocolors.createColors>;

/** Colours only for eyes: on a terminal, and not when NO_COLOR says otherwise. */
export function colorsFor(out: Out, env: Terminal['env']): Colors {
  return picocolors.createColors(out.isTerminal && !env.NO_COLOR && env.TERM !== 'dumb');
}

export function processTerminal(): Terminal {
  const over = (stream: NodeJS.WriteStream): Out => ({
    isTerminal: stream.isTTY === true,
    columns: () => stream.columns || 80,
    write: (text) => void stream.write(text),
  });
  return { out: over(process.stdout), err: over(process.stderr), env: process.env };
}
