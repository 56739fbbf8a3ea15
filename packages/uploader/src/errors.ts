import { statfs } from 'node:fs/promises';
import { abortError, HoldfastError, type Sig } from '@holdfast/core';
import { sizeText } from './size-text.ts';

/** The system's code of an error, wherever in its chain of causes it is. */
export function systemCode(error: unknown): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)) return code;
  }
  return undefined;
}

export interface StagingContext {
  /** The staging root. */
  readonly root: string;
  readonly path: string;
  /** In words: `write`, `read`, … */
  readonly action: string;
}

const chooseAnother =
  'or choose another staging folder (--staging, HOLDFAST_STAGING; of a node: staging in holdfast.yaml)';

/** What the file system says of staging, in words and with the next step. */
export async function stagingError(error: unknown, context: StagingContext): Promise<HoldfastError> {
  if (error instanceof HoldfastError) return error;
  const { root, path, action } = context;
  const code = systemCode(error);
  const about = `could not ${action} ${path} in staging (${code})`;
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new HoldfastError('exhausted', `${about}: ${await roomLeft(root)}`, {
        cause: error,
        hint: `make room on the disk of ${root}, ${chooseAnother}`,
      });
    case 'EACCES':
    case 'EPERM':
      return new HoldfastError('permission_denied', about, {
        cause: error,
        hint: `let user ${process.getuid?.() ?? 'of this process'} write to ${root}, ${chooseAnother}`,
      });
    case 'EROFS':
      return new HoldfastError('unavailable', `${about}: the file system is read-only`, {
        cause: error,
        hint: `mount the file system of ${root} for writing, ${chooseAnother}`,
      });
    case 'ENOTDIR':
    case 'EEXIST':
      return new HoldfastError('config_invalid', `${about}: there is a file where a folder should be`, {
        cause: error,
        hint: `name a folder, ${chooseAnother}`,
      });
    case 'ENOENT':
    case 'EIO':
    case 'ESTALE':
    case 'ENOTCONN':
      return new HoldfastError('unavailable', about, {
        cause: error,
        hint: `look at the disk that holds ${root}, ${chooseAnother}`,
      });
    default: {
      const inner = HoldfastError.from(error);
      if (inner.code !== 'internal') return inner;
      return new HoldfastError('internal', `could not ${action} ${path} in staging: ${inner.reason}`, {
        cause: error,
      });
    }
  }
}

async function roomLeft(root: string): Promise<string> {
  try {
    const { bavail, bsize } = await statfs(root);
    return `${sizeText(bavail * bsize)} are free there`;
  } catch {
    return 'no room is left there';
  }
}

/** Settles with the promise, or rejects as soon as the signal aborts, whatever the promise does then. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined);
  const stop = (): void => aborted.reject(abortError(signal));
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Waits for work that should end on the signal, but not longer than the signal allows. */
export function settledOrAborted(
  work: readonly { settled(): Promise<void> }[],
  { signal }: Sig,
): Promise<unknown> {
  return untilAborted(Promise.all(work.map((one) => one.settled())), signal).catch(() => undefined);
}
