import { type ClusterStore, HoldfastError, type Sig } from '@holdfast/core';
import { EtcdCalls } from './etcd-calls.ts';
import { type EtcdStoreOptions, readOptions } from './etcd-options.ts';
import { EtcdStore } from './etcd-store.ts';
import { KeySpace } from './key-space.ts';

export type { EtcdStoreOptions, EtcdTls } from './etcd-options.ts';

/** What the store needs came with it: watches that answer questions, and large changes in parts. */
const versionMin = [3, 4] as const;

/**
 * The store in an etcd, version 3.4 or later: for nodes on several machines. Asks it for its version, and for the right
 * to read; so etcd has to be there, with a quorum.
 * @throws HoldfastError config_invalid, unauthenticated, permission_denied, unavailable; unsupported for an older etcd
 */
export async function openEtcdStore(o: EtcdStoreOptions, sig: Sig): Promise<ClusterStore> {
  const { clock } = o;
  const settings = await readOptions(o);
  const calls = new EtcdCalls(settings, clock);
  const keys = new KeySpace(settings.prefix);
  try {
    await demandVersion(calls, sig);
    await calls.repeatable({
      what: 'open the store in etcd',
      signal: sig.signal,
      run: ({ kv }, terms) => kv.range({ ...keys.range(''), limit: 1n }, terms),
    });
  } catch (error) {
    await calls[Symbol.asyncDispose]();
    throw error;
  }
  const description = `etcd:${settings.urls.join(',')}${settings.prefix}`;
  return new EtcdStore({ calls, keys, clock, description });
}

async function demandVersion(calls: EtcdCalls, { signal }: Sig): Promise<void> {
  let version: string;
  try {
    const status = await calls.repeatable({
      what: 'open the store in etcd',
      signal,
      run: ({ maintenance }, terms) => maintenance.status({}, terms),
    });
    version = status.version;
  } catch (error) {
    // Some versions tell administrators only; all of them are new enough.
    if (error instanceof HoldfastError && error.code === 'permission_denied') return;
    throw error;
  }
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [majorMin, minorMin] = versionMin;
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return;
  throw new HoldfastError('unsupported', `this etcd is version ${version}`, {
    hint: `the store needs ${versionMin.join('.')} or later`,
  });
}
