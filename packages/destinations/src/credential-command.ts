import {
  abortError,
  type Clock,
  type CredentialCommand,
  HoldfastError,
  type Sig,
  throwIfAborted,
} from '@holdfast/core';
import { type CommandEnd, runCommand } from './run-command.ts';

/** What a program printed. Never logged, never part of a message. */
export interface Credentials {
  readonly fields: Readonly<Record<string, string>>;
  readonly expiresAtMs?: number;
}

/** A token is taken anew this long before it expires, so that a request that is sent now still arrives. */
const refreshBeforeMs = 5 * 60_000;
const outputBytesMax = 1024 * 1024;
/** `EX_TEMPFAIL` of sysexits.h: the program asks to be run again later. */
const tryAgainExitCode = 75;

/** Credentials from a program, kept until shortly before they expire. Callers at the same time share one run of it. */
export class CommandCredentials {
  readonly #command: CredentialCommand;
  readonly #clock: Clock;
  #known: Credentials | undefined;
  #asking: Asking | undefined;

  constructor(command: CredentialCommand, clock: Clock) {
    this.#command = command;
    this.#clock = clock;
  }

  /** @param o `fresh`: those that were given last were refused */
  async get(o: Sig & { readonly fresh?: boolean }): Promise<Credentials> {
    throwIfAborted(o.signal);
    if (!o.fresh && this.#known && !this.#isOld(this.#known)) return this.#known;
    this.#asking ??= this.#ask();
    return this.#asking.wait(o.signal);
  }

  #isOld({ expiresAtMs }: Credentials): boolean {
    return expiresAtMs !== undefined && expiresAtMs - refreshBeforeMs <= this.#clock.now();
  }

  #ask(): Asking {
    const forget = (): void => {
      if (this.#asking === asking) this.#asking = undefined;
    };
    const asking: Asking = new Asking(async (signal) => {
      try {
        const { command, timeoutMs } = this.#command;
        const end = await runCommand(command, { timeoutMs, outputBytesMax, clock: this.#clock, signal });
        const credentials = credentialsOf(end, this.#command);
        this.#known = credentials;
        return credentials;
      } finally {
        forget();
      }
    }, forget);
    return asking;
  }
}

/** One run of the program, for all who wait for it; it is ended when none does any more. */
class Asking {
  readonly #controller = new AbortController();
  readonly #outcome: Promise<Credentials>;
  readonly #givenUp: () => void;
  #waiting = 0;

  /** @param givenUp is told that nobody waits any more: whoever comes then needs a run of his own */
  constructor(act: (signal: AbortSignal) => Promise<Credentials>, givenUp: () => void) {
    this.#givenUp = givenUp;
    this.#outcome = act(this.#controller.signal);
    this.#outcome.catch(() => undefined);
  }

  async wait(signal: AbortSignal): Promise<Credentials> {
    const aborted = Promise.withResolvers<never>();
    const stop = (): void => aborted.reject(abortError(signal));
    signal.addEventListener('abort', stop, { once: true });
    this.#waiting += 1;
    try {
      return await Promise.race([this.#outcome, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', stop);
      this.#waiting -= 1;
      if (this.#waiting === 0 && signal.aborted) {
        this.#givenUp();
        this.#controller.abort();
      }
    }
  }
}

function credentialsOf(end: CommandEnd, { command, timeoutMs }: CredentialCommand): Credentials {
  // Its arguments may hold a secret.
  const name = `the credentials command ${command[0] ?? ''}`;
  switch (end.how) {
    case 'unstarted':
      throw failed(`${name} cannot be run (${end.code})`);
    case 'tooMuch':
      throw failed(`${name} printed more than ${outputBytesMax} bytes`);
    case 'timeout':
      throw new HoldfastError(
        'timeout',
        `${name} did not end within ${timeoutMs / 1000} seconds${said(end)}`,
        {
          hint: 'run it by hand as this user: does it wait for something, or for somebody? it gets no input',
        },
      );
    case 'killed':
      throw failed(`${name} was killed (${end.by})${said(end)}`);
    case 'exit':
      if (end.code === 0) return parse(end.stdout, name);
      if (end.code === tryAgainExitCode)
        throw new HoldfastError('unavailable', `${name} asks to be run again later${said(end)}`);
      throw failed(`${name} ended with exit code ${end.code}${said(end)}`);
  }
}

/** The end of what the program said on its standard error, without what it printed as credentials. */
function said({ stderr, stdout }: { readonly stderr: string; readonly stdout: string }): string {
  let text = stderr.slice(-5000);
  // Each word of what was printed, so that a program which logs what it does gives nothing away.
  for (const word of new Set(stdout.match(/[^\s"',:{}[\]]{4,}/g))) text = text.replaceAll(word, '[secret]');
  text = text.trim().slice(-500);
  return text === '' ? '' : `: ${text}`;
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
