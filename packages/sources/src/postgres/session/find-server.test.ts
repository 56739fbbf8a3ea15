import { HoldfastError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import type { Answer } from './choose-primary.ts';
import { findServer, type OpenAt } from './find-server.ts';
import { type Member, misfit, wrongRole } from './member.ts';
import { type Host, parseTarget } from './url.ts';

type Fake = Answer & AsyncDisposable;
type Behaviour = Partial<Member> | HoldfastError | ((o: OpenAt) => Partial<Member>);

/** Hosts by name, and what was done with them. */
class FakeHosts {
  readonly asked: string[] = [];
  readonly open = new Set<string>();
  readonly #behaviours: Readonly<Record<string, Behaviour>>;

  constructor(behaviours: Readonly<Record<string, Behaviour>>) {
    this.#behaviours = behaviours;
  }

  find(search: string, signal = new AbortController().signal): Promise<Fake> {
    const target = parseTarget(`postgres://a@${Object.keys(this.#behaviours).join(',')}/db${search}`, {});
    return findServer(target, { signal }, (host, o) => this.#openAt(host, o));
  }

  async failure(search: string): Promise<HoldfastError> {
    const caught = await this.find(search).catch((error: unknown) => error);
    if (caught instanceof HoldfastError) return caught;
    throw new Error('a server was found');
  }

  async #openAt({ host }: Host, o: OpenAt): Promise<Fake> {
    this.asked.push(`${host} ${o.role} ${o.connectTimeoutMs}`);
    const behaviour = this.#behaviours[host];
    const parts = typeof behaviour === 'function' ? behaviour(o) : behaviour;
    if (parts instanceof HoldfastError) throw parts;
    const standby = parts?.standby ?? false;
    const member = { system: '7', startedAt: host, timeline: 1, standby, readOnly: standby, ...parts };
    const unfit = misfit(o.role, member);
    if (unfit !== undefined) throw wrongRole(host, unfit, o.role);
    this.open.add(host);
    return {
      where: host,
      member,
      [Symbol.asyncDispose]: async () => {
        this.open.delete(host);
      },
    };
  }
}

const dead = (host: string) => new HoldfastError('unavailable', `${host} is dead`);
const locked = (host: string) => new HoldfastError('unauthenticated', `${host} wants a password`);

describe('of several hosts', () => {
  it('the first that answers is taken when any will do', async () => {
    const hosts = new FakeHosts({ h1: dead('h1'), h2: { standby: true }, h3: {} });
    expect((await hosts.find('')).where).toBe('h2');
    expect(hosts.asked).toEqual(['h1 any 15000', 'h2 any 15000']);
  });

  it('the only primary is taken, after all were asked, and the sessions at the others are ended', async () => {
    const hosts = new FakeHosts({ h1: dead('h1'), h2: { standby: true }, h3: {}, h4: locked('h4') });
    expect((await hosts.find('?target_session_attrs=primary')).where).toBe('h3');
    expect(hosts.asked).toHaveLength(4);
    expect([...hosts.open]).toEqual(['h3']);
  });

  it('none is taken when two are primaries, and no session stays', async () => {
    const hosts = new FakeHosts({ h1: {}, h2: { timeline: 2 } });
    const error = await hosts.failure('?target_session_attrs=read-write');
    expect([error.code, error.reason]).toEqual([
      'precondition_failed',
      expect.stringContaining('h1 (timeline 1) and h2'),
    ]);
    expect(hosts.open.size).toBe(0);
  });

  it('each is named with why it was not taken', async () => {
    const hosts = new FakeHosts({ h1: dead('h1'), h2: { standby: true }, h3: locked('h3') });
    const error = await hosts.failure('?target_session_attrs=primary&connect_timeout=3');
    expect(error.code).toBe('unavailable');
    expect(error.reason).toBe(
      'no server fits: h1 is dead; h2 is a standby, wanted is primary; h3 wants a password',
    );
    expect(hosts.asked).toHaveLength(3);
    const inOrder = new FakeHosts({ h1: dead('h1'), h2: {} });
    expect((await inOrder.failure('?target_session_attrs=standby')).reason).toBe(
      'no server fits: h1 is dead; h2 is a primary, wanted is standby',
    );
  });

  it('what all of them refuse for the same lasting reason is that reason', async () => {
    const hosts = new FakeHosts({ h1: locked('h1'), h2: locked('h2') });
    expect((await hosts.failure('?target_session_attrs=primary')).code).toBe('unauthenticated');
    expect((await hosts.failure('')).code).toBe('unauthenticated');
  });

  it('a primary that needs longer than all together are given is asked again with the time of the URL', async () => {
    const slow = ({ connectTimeoutMs }: OpenAt): Partial<Member> => {
      if (connectTimeoutMs < 15_000) throw dead('h2');
      return {};
    };
    const hosts = new FakeHosts({ h1: { standby: true }, h2: slow });
    expect((await hosts.find('?target_session_attrs=primary')).where).toBe('h2');
    expect(hosts.asked).toEqual(['h1 any 5000', 'h2 any 5000', 'h2 any 15000']);
    expect([...hosts.open]).toEqual(['h2']);
  });

  it('a standby is preferred, and a primary taken when there is none', async () => {
    const both = new FakeHosts({ h1: {}, h2: { standby: true } });
    expect((await both.find('?target_session_attrs=prefer-standby')).where).toBe('h2');
    const primaries = new FakeHosts({ h1: dead('h1'), h2: {} });
    expect((await primaries.find('?target_session_attrs=prefer-standby')).where).toBe('h2');
    expect((await new FakeHosts({ h1: {} }).find('?target_session_attrs=prefer-standby')).where).toBe('h1');
  });

  it('nothing is taken and nothing stays open after an abort', async () => {
    const control = new AbortController();
    const hosts = new FakeHosts({
      h1: {},
      h2: () => {
        control.abort();
        throw dead('h2');
      },
    });
    await expect(hosts.find('?target_session_attrs=primary', control.signal)).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect(hosts.open.size).toBe(0);
  });

  it('a single one is judged by its own words', async () => {
    const error = await new FakeHosts({ h1: { standby: true } }).failure('?target_session_attrs=primary');
    expect([error.code, error.reason]).toEqual(['precondition_failed', 'h1 is a standby, wanted is primary']);
  });
});
