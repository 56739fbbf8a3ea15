import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { FtpStub } from './ftp-stub.ts';

const fixedTime = '20261120140000';

/** One client of the stub. */
export class FtpStubSession {
  readonly #stub: FtpStub;
  readonly #control: Socket;
  #folder = '/';
  #from = '';
  #start = 0;
  #passive: Server | undefined;
  #data: Promise<Socket> | undefined;

  constructor(stub: FtpStub, control: Socket) {
    this.#stub = stub;
    this.#control = control;
    control.setNoDelay(true);
    control.on('error', () => undefined);
    const lines = createInterface({ input: control });
    // It repeats the errors of its input.
    lines.on('error', () => undefined);
    lines.on('line', (line) => void this.#take(line));
    this.#say(stub.behaviour.greeting);
  }

  end(lastWords: string): void {
    this.#control.end(`${lastWords}\r\n`);
  }

  destroy(): void {
    this.#control.destroy();
    this.#passive?.close();
    void this.#data?.then((socket) => socket.destroy());
  }

  #say(text: string): void {
    if (this.#control.writable) this.#control.write(`${text}\r\n`);
  }

  async #take(line: string): Promise<void> {
    const [, verb = '', argument = ''] = /^(\S+) ?(.*)$/s.exec(line) ?? [];
    this.#stub.commands.push(verb === 'PASS' ? verb : line);
    const special = this.#stub.behaviour.answer(verb, argument);
    if (special !== undefined) {
      this.#passive?.close();
      this.#start = 0;
      return this.#say(special);
    }
    if (['RETR', 'STOR', 'APPE', 'LIST', 'MLSD'].includes(verb)) return this.#move(verb, argument);
    if (verb === 'PASV' || verb === 'EPSV') return this.#listen(verb);
    this.#say(this.#answer(verb, argument));
  }

  #answer(verb: string, argument: string): string {
    const { files, folders, behaviour } = this.#stub;
    const path = this.#resolve(argument);
    const size = files.get(path)?.length;
    switch (verb) {
      case 'USER':
        return '331 password?';
      case 'PASS':
        return argument === 'wrong' ? '530 login incorrect' : '230 hello';
      case 'FEAT':
        return ['211-features', ...behaviour.features.map((name) => ` ${name}`), '211 end'].join('\r\n');
      case 'PWD':
        return `257 "${this.#folder}"`;
      case 'CWD':
        if (!folders.has(path)) return '550 no such folder';
        this.#folder = path;
        return '250 there';
      case 'SIZE':
        return size === undefined ? '550 no such file' : `213 ${size}`;
      case 'MDTM':
        return size === undefined ? '550 no such file' : `213 ${fixedTime}`;
      case 'MLST':
        if (!this.#hasFacts) return '500 unknown';
        return size === undefined
          ? '550 no such file'
          : `250-\r\n type=file;size=${size}; ${path}\r\n250 end`;
      case 'REST':
        this.#start = Number(argument);
        return '350 go on';
      case 'MKD':
        return this.#makeFolder(path);
      case 'RMD':
        if ([...files.keys(), ...folders].some((name) => name.startsWith(`${path}/`))) return '550 not empty';
        return folders.delete(path) ? '250 gone' : '550 no such folder';
      case 'DELE':
        return files.delete(path) ? '250 gone' : '550 no such file';
      case 'RNFR':
        this.#from = path;
        return files.has(path) ? '350 to?' : '550 no such file';
      case 'RNTO':
        return this.#rename(path);
      default:
        return ['OPTS', 'TYPE', 'NOOP', 'STRU'].includes(verb) ? '200 fine' : '500 unknown';
    }
  }

  get #hasFacts(): boolean {
    return this.#stub.behaviour.features.some((name) => name.startsWith('MLST'));
  }

  #resolve(argument: string): string {
    const path = argument.startsWith('/') ? argument : `${this.#folder}/${argument}`;
    return `/${path.split('/').filter(Boolean).join('/')}`;
  }

  #parentOf(path: string): string {
    return path.slice(0, path.lastIndexOf('/')) || '/';
  }

  #makeFolder(path: string): string {
    const { files, folders } = this.#stub;
    if (folders.has(path) || files.has(path)) return '550 it exists';
    if (!folders.has(this.#parentOf(path))) return '550 no such folder';
    folders.add(path);
    return '257 made';
  }

  #rename(path: string): string {
    const { files, behaviour } = this.#stub;
    const content = files.get(this.#from);
    if (!content) return '503 RNFR first';
    if (behaviour.neverReplaces && files.has(path)) return '553 it exists';
    files.delete(this.#from);
    files.set(path, content);
    return '250 renamed';
  }

  async #listen(verb: string): Promise<void> {
    this.#passive?.close();
    const passive = createServer();
    this.#passive = passive;
    this.#data = once(passive, 'connection').then((args) => {
      const socket = args[0] as Socket;
      passive.close();
      socket.on('error', () => undefined);
      return socket;
    });
    passive.listen(0, '127.0.0.1');
    await once(passive, 'listening');
    const { port } = passive.address() as AddressInfo;
    const host = this.#stub.behaviour.passiveHost.replaceAll('.', ',');
    if (verb === 'EPSV') this.#say(`229 here (|||${port}|)`);
    else this.#say(`227 here (${host},${port >> 8},${port & 255})`);
  }

  async #move(verb: string, argument: string): Promise<void> {
    const start = this.#start;
    this.#start = 0;
    if (!this.#data) return this.#say('425 PASV first');
    const socket = await this.#data;
    this.#data = undefined;
    const refusal = this.#refusal(verb, argument);
    if (refusal !== undefined) {
      // As proftpd does.
      socket.resetAndDestroy();
      return this.#say(refusal);
    }
    this.#say('150 go');
    const path = this.#resolve(argument);
    const said =
      verb === 'STOR' || verb === 'APPE'
        ? await this.#receive(
            socket,
            path,
            verb === 'APPE' ? (this.#stub.files.get(path)?.length ?? 0) : start,
          )
        : await this.#send(socket, verb === 'RETR' ? this.#content(path, start) : this.#list(verb));
    if (verb === 'RETR' && --this.#stub.behaviour.endsAtDownload === 0) {
      if (!socket.closed) await once(socket, 'close').catch(() => undefined);
      this.#control.end();
    } else if (said !== undefined) this.#say(said);
  }

  #refusal(verb: string, argument: string): string | undefined {
    const path = this.#resolve(argument);
    if (verb === 'RETR' && !this.#stub.files.has(path)) return '550 no such file';
    if (verb === 'MLSD' && !this.#hasFacts) return '500 unknown';
    if ((verb === 'STOR' || verb === 'APPE') && !this.#stub.folders.has(this.#parentOf(path)))
      return '553 no such folder';
    return undefined;
  }

  #content(path: string, start: number): Buffer {
    return (this.#stub.files.get(path) ?? Buffer.alloc(0)).subarray(start);
  }

  async #receive(socket: Socket, path: string, start: number): Promise<string | undefined> {
    const { files, behaviour } = this.#stub;
    const before = files.get(path) ?? Buffer.alloc(0);
    const blocks: Buffer[] = [
      Buffer.concat([before.subarray(0, start), Buffer.alloc(Math.max(0, start - before.length))]),
    ];
    let bytes = 0;
    const keep = (): void => {
      files.set(path, Buffer.concat(blocks).subarray(0, start + behaviour.storedBytesMax));
    };
    try {
      for await (const block of socket as AsyncIterable<Buffer>) {
        blocks.push(block);
        bytes += block.length;
        this.#stub.receivedBytes += block.length;
        if (bytes >= behaviour.stallDataAfter) await once(socket, 'close');
        if (bytes >= behaviour.resetDataAfter) {
          behaviour.resetDataAfter = Number.POSITIVE_INFINITY;
          keep();
          socket.resetAndDestroy();
          return '426 the connection broke';
        }
        if (start + bytes > behaviour.quotaBytes) {
          keep();
          socket.destroy();
          return '552 the quota is used up';
        }
      }
    } catch {
      keep();
      return '426 the connection broke';
    }
    keep();
    return '226 stored';
  }

  async #send(socket: Socket, content: Buffer): Promise<string | undefined> {
    const { behaviour } = this.#stub;
    const most = Math.min(behaviour.resetDataAfter, behaviour.stallDataAfter);
    if (content.length <= most) {
      await new Promise<void>((resolve) => {
        socket.on('close', () => resolve());
        socket.end(content, () => resolve());
      });
      return '226 sent';
    }
    await new Promise<void>((resolve) => {
      socket.write(content.subarray(0, most), () => resolve());
    });
    if (most === behaviour.stallDataAfter) {
      await once(socket.resume(), 'close');
      return '426 the connection broke';
    }
    behaviour.resetDataAfter = Number.POSITIVE_INFINITY;
    socket.resetAndDestroy();
    return '426 the connection broke';
  }

  #list(verb: string): Buffer {
    const { files, folders, behaviour } = this.#stub;
    const inside = (path: string): boolean => path !== '/' && this.#parentOf(path) === this.#folder;
    const lines = [...folders, ...files.keys()].filter(inside).map((path) => {
      const name = path.slice(path.lastIndexOf('/') + 1);
      const size = files.get(path)?.length;
      if (verb === 'MLSD') return `type=${size === undefined ? 'dir' : 'file'};size=${size ?? 0}; ${name}`;
      if (behaviour.listStyle === 'dos')
        return `11-20-26  02:00PM ${size === undefined ? '      <DIR>         ' : String(size).padStart(20)} ${name}`;
      const mode = size === undefined ? 'drwxr-xr-x' : '-rw-r--r--';
      return `${mode}   1 test     test     ${String(size ?? 4096).padStart(8)} Nov 20 14:00 ${name}`;
    });
    return Buffer.from(lines.map((line) => `${line}\r\n`).join(''));
  }
}
