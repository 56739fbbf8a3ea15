import { HoldfastError } from '@holdfast/core';
import type { Files } from './files.ts';

/** What was being done when the file system refused, and where. */
export interface FolderContext {
  /** The destination's folder. */
  readonly root: string;
  /** The file in question. */
  readonly path: string;
  /** In words: `write`, `read`, … */
  readonly action: string;
  readonly files: Files;
}

/** The system's code of an error, wherever in its chain of causes it is. */
export function systemCode(error: unknown): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)) return code;
  }
  return undefined;
}

/** Foreign errors stop here. Says what was found, where, and what to do about it. */
export async function folderError(error: unknown, context: FolderContext): Promise<HoldfastError> {
  if (error instanceof HoldfastError) return error;
  const code = systemCode(error);
  const { root, path, action } = context;
  const about = `could not ${action} ${path} (${code})`;
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new HoldfastError('exhausted', `${about}: ${await roomLeft(context, code)}`, {
        cause: error,
        hint: `make room on the disk of ${root}, raise the quota, or name another folder`,
      });
    case 'EMFILE':
    case 'ENFILE':
      return new HoldfastError('exhausted', `${about}: too many open files`, {
        cause: error,
        hint: 'raise the limit of open files (ulimit -n)',
      });
    case 'EACCES':
    case 'EPERM':
      return new HoldfastError('permission_denied', about, {
        cause: error,
        hint: `let user ${process.getuid?.() ?? 'of this process'} read and write ${root} and all below it`,
      });
    case 'EROFS':
      return new HoldfastError('unavailable', `${about}: the file system is read-only`, {
        cause: error,
        hint: `mount the file system of ${root} for writing; systems remount a failing disk read-only: look at its log`,
      });
    case 'ENOENT':
      return new HoldfastError('unavailable', `${about}: there is no such folder, and none can be made`, {
        cause: error,
        hint: `is the path of ${root} right, does no symbolic link lead nowhere, and is its file system mounted?`,
      });
    case 'ESTALE':
    case 'ENOTCONN':
    case 'EIO':
    case 'ENXIO':
    case 'ENODEV':
    case 'EHOSTDOWN':
    case 'ETIMEDOUT':
      return mountGone(root, about, error);
    case 'ENAMETOOLONG':
    case 'EILSEQ':
      return new HoldfastError('config_invalid', `${about}: the file system does not take this name`, {
        cause: error,
        hint: 'shorten the path of the folder, or choose another file system',
      });
    case 'ELOOP':
      return symbolicLink(path, error);
    case 'EEXIST':
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ENOTEMPTY':
      return new HoldfastError(
        'precondition_failed',
        `${about}: a file stands where a folder should, or a folder where a file`,
        {
          cause: error,
          hint: `look at ${path}; move away what is not Holdfast's`,
        },
      );
    default: {
      const inner = HoldfastError.from(error);
      if (inner.code !== 'internal') return inner;
      return new HoldfastError('internal', `could not ${action} ${path}: ${inner.reason}`, { cause: error });
    }
  }
}

export function mountGone(root: string, about: string, cause?: unknown): HoldfastError {
  return new HoldfastError('unavailable', `the mount is gone: ${about}`, {
    cause,
    hint: `see whether the file system of ${root} is mounted (findmnt -T ${root}) and its server answers`,
  });
}

export function symbolicLink(path: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'precondition_failed',
    `${path} is a symbolic link, and might lead out of the folder`,
    {
      cause,
      hint: 'below a destination there are real folders and files only: replace the link, or name where it leads as the destination',
    },
  );
}

async function roomLeft({ root, files }: FolderContext, code: string): Promise<string> {
  if (code === 'EFBIG') return 'the file is larger than this process, or the file system, may make one';
  try {
    const { bavail, bsize } = await files.statfs(root);
    return `${bavail * bsize} bytes are free there${code === 'EDQUOT' ? ', and the quota is used up' : ''}`;
  } catch {
    return 'no room is left there';
  }
}
