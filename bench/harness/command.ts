import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { text } from 'node:stream/consumers';

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly folder?: string;
  /** Written to its standard input, as fast as it reads. */
  readonly input?: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;
  /** Takes its standard output piece by piece instead of collecting it. */
  readonly output?: (piece: Buffer) => void;
  /** A file that takes its standard output, without this process in between. */
  readonly outputFile?: string;
  /** Called once it runs. */
  readonly started?: (pid: number) => void;
}

/** Our environment without PGHOST, PGPASSWORD and the like: a tool goes where it is told, not where the shell points. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')));
}

/** Runs a program that must succeed and returns what it printed; throws with the end of its words otherwise. */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const target = options.outputFile === undefined ? undefined : await open(options.outputFile, 'w');
  try {
    const child = spawn(file, [...args], {
      cwd: options.folder,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', target?.fd ?? 'pipe', 'pipe'],
      env: { ...plainEnvironment(), ...options.env },
    });
    if (child.pid !== undefined) options.started?.(child.pid);
    const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    const [out, err, , [code, signal]] = await Promise.all([
      drain(child.stdout, options.output),
      text(child.stderr as NodeJS.ReadableStream),
      feed(child.stdin, options.input ?? []),
      closed,
    ]);
    if (code === 0) return out;
    const words = `${err.trim()}\n${out.trim()}`.trim().slice(-2_000);
    throw new Error(`${[file, ...args].join(' ')} ended with ${code ?? signal}:\n${words}`);
  } finally {
    await target?.close();
  }
}

async function drain(
  stream: NodeJS.ReadableStream | null,
  output: ((piece: Buffer) => void) | undefined,
): Promise<string> {
  if (stream === null) return '';
  if (output === undefined) return await text(stream);
  for await (const piece of stream) output(piece as Buffer);
  return '';
}

async function feed(
  stream: NodeJS.WritableStream | null,
  input: NonNullable<CommandOptions['input']>,
): Promise<void> {
  if (stream === null) return;
  // A program that ends before it has read everything breaks the pipe; its exit code says what went wrong.
  let broken = false;
  stream.on('error', () => {
    broken = true;
    stream.emit('drain');
  });
  for await (const piece of input) {
    if (broken) return;
    if (!stream.write(piece)) await once(stream, 'drain');
  }
  stream.end();
}
