import { type Clock, HoldfastError, type Sig } from '@holdfast/core';
import { identifyRepository, markerBytesMax, markerName, reservedPrefix } from '../repository.ts';
import { isConflict, isMissing } from './errors.ts';
import { download } from './objects.ts';
import type { AzureSession } from './session.ts';
import type { AzureLocation } from './url.ts';

/** Always the same, so that one which may not be deleted stays alone. */
const probeName = `${reservedPrefix}probe`;

export interface PrepareOptions extends Sig {
  readonly session: AzureSession;
  readonly location: AzureLocation;
  readonly description: string;
  readonly expectedId: string | undefined;
  readonly clock: Clock;
  /** Makes of foreign errors what is told. */
  readonly telling: <T>(action: string, act: () => Promise<T>) => Promise<T>;
}

export interface Prepared {
  readonly repositoryId: string | undefined;
  readonly writeOnly: boolean;
  readonly warnings: readonly string[];
}

/** Which repository the place is, and whether it may be written, listed and cleaned: five small requests. */
export async function prepare(o: PrepareOptions): Promise<Prepared> {
  const warnings: string[] = [];
  const readable = await permitted(() => o.telling('read the marker of the repository', () => readMarker(o)));
  if (!readable) {
    await o.telling('write', () => probe(o));
    warnings.push(
      `the credentials may write to ${o.description}, but not read: backups can be made, but neither read back to check them, nor listed for incremental backups, nor removed by retention`,
    );
    return { repositoryId: undefined, writeOnly: true, warnings: [...warnings, ...plainHttp(o)] };
  }
  const repositoryId = await o.telling('mark the repository', () => identify(o));
  if (!(await o.telling('write', () => probe(o)))) {
    warnings.push(
      `the credentials may not delete in ${o.description}: retention will not remove old backups`,
    );
  }
  if (!(await permitted(() => o.telling('list', () => listOne(o))))) {
    warnings.push(
      `the credentials may not list ${o.description}: backups there cannot be shown, restored by name or removed by retention`,
    );
  }
  return { repositoryId, writeOnly: false, warnings: [...warnings, ...plainHttp(o)] };
}

async function permitted(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (HoldfastError.from(error).code === 'permission_denied') return false;
    throw error;
  }
}

function identify(o: PrepareOptions): Promise<string> {
  const { description, expectedId, clock, signal } = o;
  const create = (text: string): Promise<boolean> => putMarker(o, text);
  return identifyRepository(
    { description, read: () => readMarker(o), create },
    { expectedId, clock, signal },
  );
}

async function readMarker({ session, location, ...o }: PrepareOptions): Promise<string | undefined> {
  return session.run(o, async (container) => {
    try {
      const blob = container.getBlobClient(location.prefix + markerName);
      const body = await download(blob, o);
      if (!body) return undefined;
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      for await (const piece of body) {
        bytes += piece.length;
        if (bytes > markerBytesMax) break;
        pieces.push(piece);
      }
      return Buffer.concat(pieces).toString();
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  });
}

async function putMarker({ session, location, ...o }: PrepareOptions, text: string): Promise<boolean> {
  try {
    await session.run(o, (container) =>
      container.getBlockBlobClient(location.prefix + markerName).upload(text, Buffer.byteLength(text), {
        abortSignal: o.signal,
        conditions: { ifNoneMatch: '*' },
        // Read before each run.
        ...(location.writing.hotTier && { tier: location.writing.hotTier }),
      }),
    );
    return true;
  } catch (error) {
    if (isConflict(error)) return false;
    throw error;
  }
}

/** Writes an object and deletes it; says whether it may delete. */
async function probe(o: PrepareOptions): Promise<boolean> {
  const { session, location, signal: abortSignal } = o;
  const name = location.prefix + probeName;
  try {
    await session.run(o, (container) => container.getBlockBlobClient(name).upload('', 0, { abortSignal }));
  } catch (error) {
    // One that a policy keeps was written by us before, and proves as much.
    if (!isImmutable(error)) throw error;
    return false;
  }
  return permitted(() =>
    o.telling('delete', () =>
      session.run(o, async (container) => {
        await container.getBlobClient(name).deleteIfExists({ abortSignal });
      }),
    ),
  );
}

function isImmutable(error: unknown): boolean {
  return /Immutab|LegalHold/.test(String((error as { code?: unknown }).code));
}

async function listOne({ session, location, ...o }: PrepareOptions): Promise<void> {
  await session.run(o, async (container) => {
    const pages = container
      .listBlobsFlat({ prefix: location.prefix, abortSignal: o.signal })
      .byPage({ maxPageSize: 1 });
    await pages.next();
  });
}

function plainHttp({ session, description }: PrepareOptions): string[] {
  const endpoint = session.access?.endpoint ?? '';
  const outside = endpoint.startsWith('http:') && !/^http:\/\/(?:127\.|localhost\b|\[::1\])/.test(endpoint);
  return outside
    ? [`${description} is reached without encryption: anybody on the way can read and change`]
    : [];
}
