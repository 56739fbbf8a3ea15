import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '@holdfast/core';
import { writeDurably } from '@holdfast/uploader';

/** What a node remembers of itself in its state folder. */
export interface Identity {
  /** Of this state folder: two nodes with one name differ in it. */
  readonly instance: string;
  /** The cluster that it belongs to, once it has joined one. */
  readonly cluster?: string;
}

const file = 'identity.json';

/** Reads it, or makes it at a node's first start. */
export async function readIdentity(state: string): Promise<Identity> {
  const path = join(state, file);
  try {
    const { instance, cluster }: Partial<Identity> = JSON.parse(await readFile(path, 'utf8')) ?? {};
    if (typeof instance === 'string') return { instance, ...(typeof cluster === 'string' && { cluster }) };
  } catch (cause) {
    // A file that a crash of the machine has damaged names nobody: this is a new instance.
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    if (!isMissing && !(cause instanceof SyntaxError)) throw cannotRead(path, cause);
  }
  const identity = { instance: crypto.randomUUID() };
  await write(state, identity);
  return identity;
}

/**
 * Says that the node belongs to a cluster from now on.
 * @throws HoldfastError precondition_failed when it has belonged to another one
 */
export async function joinCluster(
  state: string,
  identity: Identity,
  o: { readonly cluster: string; readonly store: string },
): Promise<void> {
  const { cluster } = identity;
  if (cluster === o.cluster) return;
  if (cluster !== undefined)
    throw new HoldfastError(
      'precondition_failed',
      `the store (${o.store}) is of cluster ${o.cluster}, and this node belongs to cluster ${cluster}`,
      {
        hint: `look at store.endpoints and store.prefix in holdfast.yaml; if it is to move to the other cluster, delete ${join(state, file)}`,
      },
    );
  await write(state, { ...identity, cluster: o.cluster });
}

async function write(state: string, identity: Identity): Promise<void> {
  try {
    await writeDurably(join(state, file), Buffer.from(`${JSON.stringify(identity)}\n`));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'an unknown error';
    throw new HoldfastError(
      code === 'ENOSPC' ? 'exhausted' : 'permission_denied',
      `the state folder ${state} cannot be written: ${code}`,
      { hint: 'make room, or name another folder: `state` in holdfast.yaml', cause },
    );
  }
}

function cannotRead(path: string, cause: unknown): HoldfastError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'an unknown error';
  return new HoldfastError('permission_denied', `${path} cannot be read: ${code}`, {
    hint: 'it must be readable by the user that the node runs as',
    cause,
  });
}
