import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type Client, type FileInfo, FTPError } from 'basic-ftp';
import { isDone, type Reply, refused } from './replies.ts';
import type { ServerTrust } from './server-trust.ts';

export interface SessionParts {
  /** Logged in, and set to binary mode. */
  readonly client: Client;
  /** What the server said after FEAT, names in capitals. */
  readonly features: ReadonlyMap<string, string>;
  /** The folder of the destination, without a slash at its end. */
  readonly root: string;
  /** Undefined: in the clear. */
  readonly trust: ServerTrust | undefined;
}

/** A command that moves data: when the server is ready for it, and what it says in the end. */
export interface Moving {
  /** `open`, or the answer with which the server refused. */
  readonly first: Promise<'open' | Reply>;
  readonly last: Promise<Reply>;
}

/** After a data connection was cut, a server that does not say so within this time is left. */
const settleMsMax = 5_000;

/**
 * One login on a server. The library speaks on the control connection; data connections are the driver's own (see
 * `data-connection.ts`), because the library ends the whole session when one of them breaks, and then nobody reads what
 * the server says about it.
 */
export class FtpSession {
  /**
   * An upload was cut. Servers end such a session when they please, some after they have answered as if all were well: it
   * is good for what is left to do, and for no other call.
   */
  isWorn = false;
  readonly features: ReadonlyMap<string, string>;
  readonly root: string;
  readonly trust: ServerTrust | undefined;
  readonly #client: Client;
  #extendedPassive = true;
  #onStop: (() => void) | undefined;

  constructor(parts: SessionParts) {
    this.#client = parts.client;
    this.features = parts.features;
    this.root = parts.root;
    this.trust = parts.trust;
  }

  get closed(): boolean {
    return this.#client.closed;
  }

  /** Address of the server. */
  get remoteAddress(): string | undefined {
    return this.#client.ftp.socket.remoteAddress;
  }

  /** What lets a data connection continue the TLS session of this one, as many servers demand. */
  get tlsSession(): Buffer | undefined {
    const { socket, tlsSessionStore } = this.#client.ftp;
    return tlsSessionStore ?? (socket instanceof TLSSocket ? socket.getSession() : undefined);
  }

  set tlsSession(session: Buffer | undefined) {
    this.#client.ftp.tlsSessionStore = session;
  }

  /** Whatever the server answers. @param o `patient`: it may take as long as it likes */
  async ask(command: string, o: { readonly patient?: boolean } = {}): Promise<Reply> {
    const answer = this.#client.sendIgnoringError(command);
    if (o.patient) this.#client.ftp.socket.setTimeout(0);
    return answer;
  }

  /** @throws FTPError when the server refuses */
  async tell(command: string): Promise<Reply> {
    const reply = await this.ask(command);
    if (reply.code >= 400) throw refused(reply);
    return reply;
  }

  /** Sends a command for which a data connection was made. */
  begin(command: string): Moving {
    const first = Promise.withResolvers<'open' | Reply>();
    first.promise.catch(() => undefined);
    const { ftp } = this.#client;
    const last = ftp.handle(command, (answer, task) => {
      if (answer instanceof FTPError) {
        const reply = { code: answer.code, message: answer.message };
        first.resolve(reply);
        task.resolve(reply);
      } else if (answer instanceof Error) {
        first.reject(answer);
        task.reject(answer);
      } else if (answer.code < 200) {
        // How long it takes from here on is not for this connection to say.
        ftp.socket.setTimeout(0);
        first.resolve('open');
      } else {
        first.resolve(isDone(answer) ? 'open' : answer);
        task.resolve(answer);
      }
    }) as Promise<Reply>;
    last.catch((error: unknown) => first.reject(error));
    return { first: first.promise, last };
  }

  /** A transfer was cut: the server has little time left to say so. */
  hurry(): void {
    if (!this.closed) this.#client.ftp.socket.setTimeout(settleMsMax);
  }

  /** What the server says of a transfer that was cut; undefined, and the session is over, if it says nothing. */
  async settle(moving: Moving): Promise<Reply | undefined> {
    this.hurry();
    return moving.last.catch(() => undefined);
  }

  /** Where the server waits for a data connection. Its address is this connection's, whatever PASV answers. */
  async passivePort(): Promise<number> {
    if (this.#extendedPassive) {
      const reply = await this.ask('EPSV');
      const port = /[|!]{3}(\d{1,5})[|!]/.exec(reply.message)?.[1];
      if (reply.code === 229 && port) return Number(port);
      if (reply.code === 421) throw refused(reply);
      this.#extendedPassive = false;
    }
    const reply = await this.tell('PASV');
    const numbers = /\d{1,3},\d{1,3},\d{1,3},\d{1,3},(\d{1,3}),(\d{1,3})/.exec(reply.message);
    if (!numbers) throw refused({ code: 502, message: `PASV was answered with: ${reply.message}` });
    return Number(numbers[1]) * 256 + Number(numbers[2]);
  }

  /** Lines of LIST, in whichever of the usual styles the server writes them. */
  parseList(text: string): FileInfo[] {
    return this.#client.parseList(text);
  }

  /** Ends what is under way, at once: the transfer if there is one, else the session. */
  stop(): void {
    if (this.#onStop) this.#onStop();
    else this.close();
  }

  /** From now on to stop means this; until what is returned is called. */
  onStop(stop: () => void): () => void {
    const before = this.#onStop;
    this.#onStop = stop;
    return () => {
      this.#onStop = before;
    };
  }

  /** While `act` runs, to stop means this. */
  async stoppedBy<T>(stop: () => void, act: () => Promise<T>): Promise<T> {
    const restore = this.onStop(stop);
    try {
      return await act();
    } finally {
      restore();
    }
  }

  /** A step whose outcome has to be known, because it changes what is seen: a stop does not end it. */
  unstoppable<T>(act: () => Promise<T>): Promise<T> {
    return this.stoppedBy(() => undefined, act);
  }

  close(): void {
    this.#client.close();
  }
}

/** What a data connection and the control connection are made of. */
export type AnySocket = Socket | TLSSocket;
