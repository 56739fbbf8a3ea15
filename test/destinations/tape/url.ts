import { HoldfastError } from '@holdfast/core';

export interface TapeLocation {
  /** Absolute path of the file that plays the tape. */
  readonly file: string;
  /** What is written on its label; a tape with another one is refused. */
  readonly label?: string | undefined;
}

const known = ['label'];

/**
 * `tape:/srv/tapes/monday?label=monday`
 * @throws HoldfastError config_invalid
 */
export function parseTapeUrl(url: string): TapeLocation {
  const [, path = '', query = ''] = /^tape:([^?]*)(?:\?(.*))?$/is.exec(url) ?? [];
  const parameters = new URLSearchParams(query);
  const unknown = [...parameters.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(`a tape does not know the parameter ${unknown}`);
  if (!path.startsWith('/') || path.endsWith('/'))
    throw invalid('the URL names no file by its path from the root');
  try {
    return { file: decodeURIComponent(path), label: parameters.get('label') ?? undefined };
  } catch {
    throw invalid('the path has a % that is not followed by two digits');
  }
}

function invalid(reason: string): HoldfastError {
  return new HoldfastError('config_invalid', reason, {
    hint: 'write it like tape:/srv/tapes/monday?label=monday',
  });
}
