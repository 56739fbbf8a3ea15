import { execFile } from 'node:child_process';
import { type Clock, type CredentialCommand, HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';

/** What a program printed. Never logged, never part of a message. */
export interface Credentials {
  readonly fields: Readonly<Record<string, string>>;
  readonly expiresAtMs?: number;
}

/** A token is taken anew this long before it expires, so that a request that is sent now still arrives. */
const refreshBeforeMs = 5 * 60_000;
const outputBytesMax = 1024 * 1024;

/** Credentials from a program, kept until shortly before they expire. */
export class CommandCredentials {
  readonly #command: CredentialCommand;
  readonly #clock: Clock;
  #current: Promise<Credentials> | undefined;

  constructor(command: CredentialCommand, clock: Clock) {
    this.#command = command;
    this.#clock = clock;
  }

  /** @param o `fresh`: those that were given last were refused */
  async get(o: Sig & { readonly fresh?: boolean }): Promise<Credentials> {
    const known = o.fresh ? undefined : await this.#current?.catch(() => undefined);
    throwIfAborted(o.signal);
    if (known && !this.#isOld(known)) return known;
    const asked = this.#ask(o);
    this.#current = asked;
    return asked;
  }

  #isOld({ expiresAtMs }: Credentials): boolean {
    return expiresAtMs !== undefined && expiresAtMs - refreshBeforeMs <= this.#clock.now();
  }

  async #ask(o: Sig): Promise<Credentials> {
    const { command, timeoutMs } = this.#command;
    const [file = '', ...args] = command;
    const { stdout, problem } = await run(file, args, { timeoutMs, signal: o.signal });
    throwIfAborted(o.signal);
    const name = `the credentials command ${file}`;
    if (problem !== undefined) throw failed(`${name} ${problem}`);
    return parse(stdout, name);
  }
}

interface Output {
  readonly stdout: string;
  /** What went wrong, in words. */
  readonly problem?: string;
}

function run(file: string, args: readonly string[], o: Sig & { timeoutMs: number }): Promise<Output> {
  const { timeoutMs, signal } = o;
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: outputBytesMax, signal } as const;
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      if (!error) return resolve({ stdout });
      const code = (error as NodeJS.ErrnoException).code;
      const said = stderr.trim().slice(-500);
      const how = error.killed
        ? `did not end within ${timeoutMs / 1000} seconds`
        : typeof code === 'number'
          ? `ended with exit code ${code}`
          : `cannot be run (${code ?? error.signal ?? 'killed'})`;
      resolve({ stdout: '', problem: said === '' ? how : `${how}: ${said}` });
    });
    child.stdin?.end();
  });
}

/** The AWS tools' own form is understood as well: its names begin with capitals. */
function parse(stdout: string, name: string): Credentials {
  let said: unknown;
  try {
    said = JSON.parse(stdout);
  } catch {
    throw failed(`${name} did not print JSON`);
  }
  if (typeof said !== 'object' || said === null || Array.isArray(said))
    throw failed(`${name} did not print one JSON object`);
  const fields: Record<string, string> = {};
  for (const [key, value] of Object.entries(said))
    if (typeof value === 'string') fields[key.slice(0, 1).toLowerCase() + key.slice(1)] = value;
  const { expiration, ...rest } = fields;
  if (Object.keys(rest).length === 0) throw failed(`${name} printed no credentials`);
  if (expiration === undefined) return { fields: rest };
  const expiresAtMs = Date.parse(expiration);
  if (Number.isNaN(expiresAtMs)) throw failed(`${name} printed an expiration that is no time`);
  return { fields: rest, expiresAtMs };
}

function failed(reason: string): HoldfastError {
  return new HoldfastError('unauthenticated', reason, {
    hint: 'run it by hand as this user: it has to print one JSON object of texts, and expiration (ISO 8601) if they expire',
  });
}
