import { resolve } from 'node:path';
import { HoldfastError } from '@holdfast/core';
import { readParameters } from '../parameters.ts';

export interface FolderLocation {
  /** Absolute. */
  readonly path: string;
  readonly mountRequired: boolean;
  /** A call of the file system that takes longer hangs. */
  readonly callTimeoutMs?: number;
}

/**
 * `file:./backups`, `file:/srv/backups`, `file:///srv/backups`, each with `?mount=required` and
 * `callTimeout=60` (seconds). A relative path is one
 * below the folder that the process works in now.
 */
export function parseFolderUrl(url: string): FolderLocation {
  const match = /^file:([^?]*)(?:\?(.*))?$/is.exec(url);
  if (!match) throw invalid(`not a folder's URL: ${JSON.stringify(url)}`);
  const [, rest = '', query = ''] = match;
  const { mount, callTimeout } = readParameters(query, ['mount', 'callTimeout'], 'a folder as destination');
  if (mount !== undefined && mount !== 'required') {
    throw invalid(`mount=${mount} says nothing; the only value is required`);
  }
  return {
    path: resolve(pathOf(rest)),
    mountRequired: mount === 'required',
    ...(callTimeout !== undefined && { callTimeoutMs: secondsOf(callTimeout) * 1000 }),
  };
}

function secondsOf(text: string): number {
  const seconds = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (seconds >= 1 && seconds <= 3600) return seconds;
  throw new HoldfastError('config_invalid', `callTimeout=${text} is no number of seconds from 1 to 3600`, {
    hint: 'leave it out for 60; what takes longer on a slow network path is told as a path that does not answer',
  });
}

function pathOf(rest: string): string {
  const authority = /^\/\/([^/]*)(\/.*)?$/s.exec(rest);
  if (authority?.[1] && authority[1] !== 'localhost') {
    throw invalid(`file://${authority[1]}/… names another machine`);
  }
  const encoded = authority ? (authority[2] ?? '') : rest;
  if (encoded === '') throw invalid('the URL names no folder');
  let path: string;
  try {
    path = decodeURIComponent(encoded);
  } catch {
    throw new HoldfastError('config_invalid', `${encoded} has a % that is not followed by two digits`, {
      hint: 'write a per cent sign in a path as %25',
    });
  }
  if (path.includes('\0')) throw invalid('the path holds a NUL character');
  if (path.startsWith('~')) {
    throw new HoldfastError(
      'config_invalid',
      `${path}: ~ is the shell's, and does not stand for a folder here`,
      {
        hint: 'write the whole path, or ./~… for a folder of that name',
      },
    );
  }
  return path;
}

function invalid(reason: string): HoldfastError {
  return new HoldfastError('config_invalid', reason, {
    hint: 'write file:./backups, file:/srv/backups or file:///srv/backups; mount a network path and name its folder',
  });
}
