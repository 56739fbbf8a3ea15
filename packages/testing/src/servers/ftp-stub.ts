import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { FtpStubSession } from './ftp-stub-session.ts';

/** What the stub does that real servers do only when they are built or broken so. Changed at any time. */
export interface FtpStubBehaviour {
  /** What it says after FEAT; without `MLST` there is no MLSD either. */
  features: string[];
  listStyle: 'unix' | 'dos';
  /** Answers in place of the usual ones: `550 not today`; undefined leaves it at those. */
  answer: (verb: string, argument: string) => string | undefined;
  /** In PASV's answer; by default the stub's own address. */
  passiveHost: string;
  /** An upload that gets further is refused with 552; what has come stays. */
  quotaBytes: number;
  /** Of each upload only so many bytes are stored, and nothing is said. */
  storedBytesMax: number;
  /** The data connection is reset after so many bytes, once. */
  resetDataAfter: number;
  /** Of an upload no more is read, of a download no more is sent, after so many bytes. */
  stallDataAfter: number;
  /** Instead of confirming that download, the first being 1, the session ends, as one may whose client has cut it. */
  endsAtDownload: number;
  /** A rename to a name that is taken is refused. */
  neverReplaces: boolean;
  greeting: string;
}

/**
 * An FTP server in this process, in the clear, that takes any password but `wrong`. Files are kept in memory, under
 * their whole paths.
 */
export class FtpStub implements AsyncDisposable {
  readonly files = new Map<string, Buffer>();
  readonly folders = new Set<string>(['/']);
  /** What clients have said, over all sessions; passwords left out. */
  readonly commands: string[] = [];
  readonly behaviour: FtpStubBehaviour = {
    features: ['UTF8', 'SIZE', 'MDTM', 'REST STREAM', 'EPSV', 'PASV'],
    listStyle: 'unix',
    answer: () => undefined,
    passiveHost: '127.0.0.1',
    quotaBytes: Number.POSITIVE_INFINITY,
    storedBytesMax: Number.POSITIVE_INFINITY,
    resetDataAfter: Number.POSITIVE_INFINITY,
    stallDataAfter: Number.POSITIVE_INFINITY,
    endsAtDownload: Number.POSITIVE_INFINITY,
    neverReplaces: false,
    greeting: '220 stub',
  };
  /** Of files, over all uploads. */
  receivedBytes = 0;
  readonly #listener: Server;
  readonly #sessions = new Set<FtpStubSession>();

  private constructor() {
    this.#listener = createServer((socket) => this.#take(socket));
  }

  static async start(behaviour: Partial<FtpStubBehaviour> = {}): Promise<FtpStub> {
    const stub = new FtpStub();
    Object.assign(stub.behaviour, behaviour);
    stub.#listener.listen(0, '127.0.0.1');
    await once(stub.#listener, 'listening');
    return stub;
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** As a server does whose clients have said nothing for long: 421, and the end. */
  endSessions(): void {
    for (const session of this.#sessions) session.end('421 idle for too long');
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    return new Promise((resolve) => {
      this.#listener.close(() => resolve());
    });
  }

  #take(socket: Socket): void {
    const session = new FtpStubSession(this, socket);
    this.#sessions.add(session);
    socket.on('close', () => {
      session.destroy();
      this.#sessions.delete(session);
    });
  }
}
