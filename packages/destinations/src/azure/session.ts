import type { Agent } from 'node:http';
import {
  AnonymousCredential,
  ContainerClient,
  newPipeline,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import {
  abortError,
  type Clock,
  type CredentialCommand,
  HoldfastError,
  type Sig,
  throwIfAborted,
} from '@holdfast/core';
import { CommandCredentials, type Credentials } from '../credential-command.ts';
import { type AzureAccess, accessOf } from './access.ts';
import { agentFor } from './agent.ts';
import { isStale } from './errors.ts';
import { identityCredential } from './identity.ts';
import type { AzureLocation } from './url.ts';

export interface SessionOptions {
  readonly location: AzureLocation;
  readonly credentials?: CredentialCommand | undefined;
  readonly clock: Clock;
}

/** A client, and the credentials that it was made with. */
interface Client {
  readonly container: ContainerClient;
  readonly access: AzureAccess;
  readonly from?: Credentials;
}

/** Requests to one container, with credentials that are renewed when they are about to expire, or were refused. */
export class AzureSession implements AsyncDisposable {
  readonly #o: SessionOptions;
  readonly #command: CommandCredentials | undefined;
  readonly #ended = new AbortController();
  #agent: Agent | undefined;
  #current: Client | undefined;
  /** Many requests that need credentials at the same time wait for one call of the program. */
  #asking: Promise<Client> | undefined;
  #renewing: Promise<Client> | undefined;

  constructor(options: SessionOptions) {
    this.#o = options;
    if (options.credentials) this.#command = new CommandCredentials(options.credentials, options.clock);
  }

  /** What requests are sent with now, for words about a refusal. */
  get access(): AzureAccess | undefined {
    return this.#current?.access ?? this.#o.location.access;
  }

  /**
   * A request, with the credentials of the moment. It is made once more if they were refused and a program can give
   * others: that is no retry of something that failed, the service has not looked at the request itself.
   */
  async run<T>(o: Sig, act: (container: ContainerClient) => Promise<T>): Promise<T> {
    const client = await this.#client(o);
    try {
      return await act(client.container);
    } catch (error) {
      if (!this.#command || o.signal.aborted || !isStale(error)) throw error;
      const renewed = await this.#client({ ...o, refused: client });
      return await act(renewed.container);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    // Kept-alive sockets would keep the process running.
    this.#agent?.destroy();
  }

  async #client(o: Sig & { readonly refused?: Client }): Promise<Client> {
    throwIfAborted(o.signal);
    if (!this.#command && this.#current) return this.#current;
    this.#asking ??= this.#ask(false).finally(() => {
      this.#asking = undefined;
    });
    const client = await untilAborted(this.#asking, o.signal);
    // Whoever else was refused may have been given others meanwhile.
    if (client !== o.refused) return client;
    this.#renewing ??= this.#ask(true).finally(() => {
      this.#renewing = undefined;
    });
    return await untilAborted(this.#renewing, o.signal);
  }

  /** Not by a caller's signal: others may be waiting for the same answer. */
  async #ask(fresh: boolean): Promise<Client> {
    const { location } = this.#o;
    if (!this.#command) {
      if (!location.access) throw new HoldfastError('internal', 'a place in Azure without credentials');
      return this.#use(location.access);
    }
    const from = await this.#command.get({ signal: this.#ended.signal, fresh });
    if (this.#current?.from === from) return this.#current;
    const { account, endpoint } = location;
    const said = { ...(from.fields.connectionString === undefined && { account, endpoint }), ...from.fields };
    const access = accessOf(said, false);
    if (!access) throw new HoldfastError('internal', 'a credentials command without credentials');
    return this.#use(access, from);
  }

  async #use(access: AzureAccess, from?: Credentials): Promise<Client> {
    const { location, clock } = this.#o;
    this.#agent ??= await agentFor({ endpoint: access.endpoint, caFile: location.caFile, clock });
    const container = await containerClient(access, location.container, this.#agent);
    this.#current = { container, access, ...(from && { from }) };
    return this.#current;
  }
}

async function containerClient(
  access: AzureAccess,
  container: string,
  agent: Agent,
): Promise<ContainerClient> {
  const { endpoint, account, accountKey, sasToken } = access;
  // The pipeline hands what it does not know itself to the one below, which takes an agent. Whatever fails is tried
  // again above drivers, and nowhere else.
  const options = { agent, retryOptions: { maxTries: 1 } } as StoragePipelineOptions;
  const url = `${endpoint}/${container}`;
  if (account !== undefined && accountKey !== undefined)
    return new ContainerClient(
      url,
      newPipeline(new StorageSharedKeyCredential(account, accountKey), options),
    );
  if (sasToken !== undefined)
    return new ContainerClient(`${url}?${sasToken}`, newPipeline(new AnonymousCredential(), options));
  return new ContainerClient(url, newPipeline(await identityCredential(access), options));
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(abortError(signal));
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
