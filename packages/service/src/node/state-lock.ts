import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, HoldfastError, type Sig } from '@holdfast/core';
import { FileLock, makeFolders } from '@holdfast/uploader';

/**
 * Makes a node's state folder its own, for as long as its process lives: the operating system ends the lock with it.
 * @throws HoldfastError precondition_failed when another node has it; permission_denied and the like when it is unusable
 */
export async function lockState(
  folder: string,
  o: Sig & { readonly clock: Clock },
): Promise<AsyncDisposable> {
  try {
    await makeFolders(folder, 0o700);
  } catch (cause) {
    const system = (cause as NodeJS.ErrnoException).code ?? 'an unknown error';
    const code =
      system === 'ENOSPC'
        ? 'exhausted'
        : system === 'EACCES' || system === 'EPERM'
          ? 'permission_denied'
          : 'config_invalid';
    throw new HoldfastError(code, `the state folder ${folder} cannot be used: ${system}`, {
      hint: 'name a folder that this user may write to: `state` in holdfast.yaml',
      cause,
    });
  }
  o.signal.throwIfAborted();
  const holder = join(folder, 'node.pid');
  const lock = FileLock.tryTake(join(folder, 'node.lock'));
  if (!lock) {
    const pid = (await readFile(holder, 'utf8').catch(() => '')).trim();
    throw new HoldfastError(
      'precondition_failed',
      `the state folder ${folder} is in use by ${pid === '' ? 'another node' : `process ${pid}`}`,
      {
        hint: 'one node is running with it already: stop that one, or give this one a `state` folder and a `name` of its own',
      },
    );
  }
  // Only for that message: a full disk must not keep a node from starting.
  await writeFile(holder, `${process.pid}\n`, { mode: 0o600 }).catch(() => undefined);
  return {
    [Symbol.asyncDispose]: async () => lock[Symbol.dispose](),
  };
}
