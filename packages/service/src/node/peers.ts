import { Client, type Fetch, isUnanswered, type NodeStatus } from '@holdfast/client';
import type { ClusterView, NodeRecord } from '@holdfast/coordinator';
import { type Clock, HoldfastError, type Secret, type Sig } from '@holdfast/core';
import { signPeerRequest } from '../api/index.ts';

export interface PeersOptions {
  /** This node. */
  readonly node: string;
  readonly view: Pick<ClusterView, 'nodes'>;
  readonly clock: Clock;
  /** What the nodes of a cluster sign with; without one, none is asked. */
  readonly secret?: Secret | undefined;
  readonly fetch?: Fetch;
}

/** What became of asking a node how it is. */
export interface PeerLook {
  readonly node: string;
  readonly status?: NodeStatus;
  /** How much its clock is ahead of ours, as far as the way there and back lets one tell. */
  readonly clockOffsetMs?: number;
  readonly error?: HoldfastError;
}

export interface AskOptions extends Sig {
  /** One can do without the answer: a node that has just not answered is not asked again at once. */
  readonly spare?: boolean;
}

/** For an answer, or its beginning. People wait for it. */
const answerMs = 5_000;

/** How long a node that did not answer is not asked what one can do without, and how long a look at one is good. */
const patienceMs = 10_000;

/** More, and people who compare times are led astray. */
const clockOffsetMaxMs = 5_000;

/** The way to another node failed, rather than that what was asked of it. */
function isOfTheWay(error: HoldfastError): boolean {
  return isUnanswered(error) || error.code === 'unauthenticated' || error.code === 'unsupported';
}

/**
 * The other nodes of the cluster, to be asked what only they know. What one is asked so, it answers by itself: it asks
 * nobody else.
 */
export class Peers {
  readonly #o: PeersOptions;
  readonly #failed = new Map<string, { readonly atMs: number; readonly error: HoldfastError }>();
  readonly #looks = new Map<string, { readonly atMs: number; readonly look: PeerLook }>();

  constructor(options: PeersOptions) {
    this.#o = options;
  }

  /** What requests of other nodes are signed with, too. */
  get secret(): Secret | undefined {
    return this.#o.secret;
  }

  /** Names of the other nodes that are alive. */
  get names(): readonly string[] {
    return [...this.#o.view.nodes.keys()].filter((name) => name !== this.#o.node).sort();
  }

  isAlive(node: string): boolean {
    return node === this.#o.node || this.#o.view.nodes.has(node);
  }

  /**
   * Asks another node.
   * @throws HoldfastError unavailable, naming it, when it cannot be reached; unauthenticated when the secrets differ;
   *   precondition_failed where nodes do not ask each other; what it answered
   */
  async ask<T>(node: string, question: (client: Client) => Promise<T>, o: AskOptions): Promise<T> {
    const { clock, view } = this.#o;
    const failed = this.#failed.get(node);
    if (failed && o.spare && clock.elapsed() - failed.atMs < patienceMs) throw failed.error;
    const record = view.nodes.get(node)?.value;
    try {
      const answer = await question(this.#clientOf(node, record));
      this.#failed.delete(node);
      return answer;
    } catch (caught) {
      o.signal.throwIfAborted();
      const error = HoldfastError.from(caught);
      if (!isOfTheWay(error)) throw error;
      const named = this.#named(error, node, record);
      this.#failed.set(node, { atMs: clock.elapsed(), error: named });
      throw named;
    }
  }

  /** Asks all others how they are. @param o.fresh not what they said a few seconds ago */
  async look(o: Sig & { readonly fresh?: boolean }): Promise<readonly PeerLook[]> {
    const { names } = this;
    for (const known of this.#looks.keys()) if (!names.includes(known)) this.#looks.delete(known);
    return Promise.all(names.map((node) => this.#lookAt(node, o)));
  }

  async #lookAt(node: string, o: Sig & { readonly fresh?: boolean }): Promise<PeerLook> {
    const { clock } = this.#o;
    const known = this.#looks.get(node);
    if (known && !o.fresh && clock.elapsed() - known.atMs < patienceMs) return known.look;
    const look = await this.#ask(node, o);
    this.#looks.set(node, { atMs: clock.elapsed(), look });
    return look;
  }

  async #ask(node: string, o: Sig): Promise<PeerLook> {
    const { clock } = this.#o;
    try {
      const asked = clock.now();
      const status = await this.ask(node, (client) => client.getStatus(o), o);
      const clockOffsetMs = Math.round(Date.parse(status.now) - (asked + clock.now()) / 2);
      return { node, status, clockOffsetMs };
    } catch (caught) {
      o.signal.throwIfAborted();
      return { node, error: HoldfastError.from(caught) };
    }
  }

  #clientOf(node: string, record: NodeRecord | undefined): Client {
    const { secret, clock, node: self } = this.#o;
    if (!record)
      throw new HoldfastError('precondition_failed', `node ${node} is not alive`, {
        hint: 'what it was doing is interrupted, and goes on by itself; see holdfast nodes',
      });
    if (!secret)
      throw new HoldfastError('precondition_failed', `${self} cannot ask ${node}: it has no cluster.secret`, {
        hint: `ask node ${node} itself, or give all nodes the same cluster.secret`,
      });
    if (record.url === undefined)
      throw new HoldfastError('precondition_failed', `${node} does not say where it can be reached`, {
        hint: `ask node ${node} itself, or give it cluster.advertise`,
      });
    return new Client({ url: record.url, clock, timeoutMs: answerMs, fetch: this.#signing(record, secret) });
  }

  #signing({ node: to, url: base = '' }: NodeRecord, secret: Secret): Fetch {
    const { node: from, clock, fetch: send = fetch } = this.#o;
    const before = URL.canParse(base) ? new URL(base).pathname.replace(/\/$/, '') : '';
    return (url, init) => {
      const { pathname, search } = new URL(url);
      const path = `${pathname.slice(before.length)}${search}`;
      const request = { from, to, method: init.method, path, body: init.body };
      const authorization = signPeerRequest(request, secret, clock.now());
      return send(url, { ...init, headers: { ...init.headers, authorization } });
    };
  }

  #named(error: HoldfastError, node: string, record: NodeRecord | undefined): HoldfastError {
    const isAway = error.code === 'unavailable' || error.code === 'timeout';
    const hint = isAway
      ? `is it up, and does ${record?.url} (its cluster.advertise) lead to it from ${this.#o.node}`
      : error.hint;
    const code = isAway ? 'unavailable' : error.code;
    return new HoldfastError(code, `${node} could not be asked: ${error.reason}`, { hint, cause: error });
  }
}

/** What a person should know of a node after a look at it, in words. */
export function problemOf({ node, error, clockOffsetMs = 0 }: PeerLook): string | undefined {
  if (error) return error.hint === undefined ? error.reason : `${error.reason} (${error.hint})`;
  if (Math.abs(clockOffsetMs) <= clockOffsetMaxMs) return undefined;
  const seconds = Math.round(Math.abs(clockOffsetMs) / 1000);
  return `the clock of ${node} is ${seconds} s ${clockOffsetMs > 0 ? 'ahead' : 'behind'}: let it follow a time server`;
}
