import type { EtcdMember } from './etcd-member.ts';
import { runProgram } from './run-program.ts';
import type { TemporaryFolder } from './temporary-folder.ts';

export interface EtcdClusterParts {
  readonly folder: TemporaryFolder;
  readonly members: readonly EtcdMember[];
  readonly caFile?: string | undefined;
  /** The whole of `--cert` and `--key`, where the members demand a client's certificate. */
  readonly clientArgs: readonly string[];
}

/** A private etcd of one or three members on 127.0.0.1, made by `startEtcd`. */
export class EtcdCluster implements AsyncDisposable {
  readonly members: readonly EtcdMember[];
  readonly #parts: EtcdClusterParts;
  #login: readonly string[] = [];

  constructor(parts: EtcdClusterParts) {
    this.#parts = parts;
    this.members = parts.members;
  }

  get urls(): string[] {
    return this.members.map(({ url }) => url);
  }

  /** From now on whoever comes has to be a user; `root` with this password may do anything. */
  async requirePassword(password: string): Promise<void> {
    await this.ctl('user', 'add', `root:${password}`);
    await this.ctl('auth', 'enable');
    this.#login = ['--user', `root:${password}`];
  }

  /** Makes a user who may read and write what begins with the prefix, and nothing else. */
  async addUser(name: string, password: string, prefix: string): Promise<void> {
    await this.ctl('role', 'add', name);
    await this.ctl('role', 'grant-permission', name, '--prefix=true', 'readwrite', prefix);
    await this.ctl('user', 'add', `${name}:${password}`);
    await this.ctl('user', 'grant-role', name, name);
  }

  /** Makes all members keep none of the changes made so far. */
  async compact(): Promise<void> {
    const answer = JSON.parse(await this.ctl('get', 'nothing', '-w', 'json')) as {
      header: { revision: number };
    };
    await this.ctl('compact', `${answer.header.revision}`);
  }

  async leader(): Promise<EtcdMember> {
    const running = this.members.filter(({ isRunning }) => isRunning);
    for (const member of running) {
      const [status] = JSON.parse(await this.#run([member.url], ['endpoint', 'status', '-w', 'json'])) as [
        { Status: { leader: number; header: { member_id: number } } },
      ];
      if (status.Status.leader === status.Status.header.member_id) return member;
    }
    throw new Error('no member is the leader');
  }

  /** What `etcdctl` prints, as root where there is one. */
  ctl(...args: readonly string[]): Promise<string> {
    return this.#run(this.urls, args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    await this.#parts.folder[Symbol.asyncDispose]();
  }

  #run(urls: readonly string[], args: readonly string[]): Promise<string> {
    const { caFile, clientArgs } = this.#parts;
    const tls = caFile === undefined ? [] : ['--cacert', caFile, ...clientArgs];
    const where = ['--endpoints', urls.join(','), '--command-timeout', '10s'];
    return runProgram('etcdctl', [...where, ...tls, ...this.#login, ...args]);
  }
}
