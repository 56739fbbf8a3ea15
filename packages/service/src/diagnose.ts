import { randomUUID } from 'node:crypto';
import {
  type Clock,
  type Destination,
  type Finding,
  HoldfastError,
  type ObjectInfo,
  type Sig,
} from '@holdfast/core';
import { knownSchemes, roleOf } from './drivers.ts';
import { openDestination, openSource } from './open.ts';

/**
 * What `doctor` looks at. A source says itself what it needs; a destination has to keep its promises on a scratch
 * object of its own. A place that cannot be opened is a finding like any other.
 */
export async function diagnose(url: string, o: Sig & { readonly clock: Clock }): Promise<readonly Finding[]> {
  const role = roleOf(url);
  if (!role) {
    throw new HoldfastError('config_invalid', 'a URL to look at has an unknown scheme', {
      hint: `known sources are ${knownSchemes('source')}; known destinations are ${knownSchemes('destination')}`,
    });
  }
  try {
    if (role === 'source') {
      await using source = await openSource(url, o);
      return await source.diagnose(o);
    }
    await using destination = await openDestination(url, o);
    return await diagnoseDestination(destination, o);
  } catch (caught) {
    o.signal.throwIfAborted();
    return [failed('open', HoldfastError.from(caught))];
  }
}

const scratchFolder = 'holdfast-doctor';
const body = new TextEncoder().encode('a scratch object of `holdfast doctor`\n');

/** Each step needs the one before it: the first failure ends the list. */
export async function diagnoseDestination(destination: Destination, o: Sig): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const key = `${scratchFolder}/${randomUUID()}`;
  const steps = [
    { check: 'writable', run: () => prepared(destination, o, findings) },
    { check: 'store an object', run: () => stored(destination, key, o) },
    { check: 'refuse to overwrite it', run: () => refused(destination, key, o) },
    { check: 'read it back', run: () => readBack(destination, key, o) },
    { check: 'list it', run: () => listed(destination, key, o) },
    { check: 'delete it', run: () => deleted(destination, key, o) },
  ];
  let current = 'writable';
  let written = false;
  try {
    for (const { check, run } of steps) {
      current = check;
      written ||= check === 'store an object';
      findings.push({ check, ok: true, severity: 'info', message: await run() });
    }
    written = false;
  } catch (caught) {
    o.signal.throwIfAborted();
    findings.push(failed(current, HoldfastError.from(caught)));
  } finally {
    // The failure is already known; the scratch object is only litter.
    if (written) await destination.delete(key, o).catch(() => undefined);
  }
  return findings;
}

function failed(check: string, error: HoldfastError): Finding {
  const finding = { check, ok: false, severity: 'error', code: error.code, message: error.reason } as const;
  return error.hint === undefined ? finding : { ...finding, hint: error.hint };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function prepared(destination: Destination, o: Sig, findings: Finding[]): Promise<string> {
  for (const message of await destination.prepare(o)) {
    findings.push({ check: 'writable', ok: false, severity: 'warning', message });
  }
  return `${destination.description} is there and takes writes`;
}

async function stored(destination: Destination, key: string, o: Sig): Promise<string> {
  const info = await destination.write(key, once(body), { ...o, ifAbsent: true, sizeBytes: body.length });
  expectSize(info);
  expectSize(await destination.stat(key, o));
  return `${key} was stored`;
}

async function refused(destination: Destination, key: string, o: Sig): Promise<string> {
  try {
    await destination.write(key, once(body), { ...o, ifAbsent: true, sizeBytes: body.length });
  } catch (caught) {
    if (HoldfastError.from(caught).code === 'conflict') {
      return destination.features.conditionalWrite ? 'refused by the place itself' : 'refused by Holdfast';
    }
    throw caught;
  }
  throw new HoldfastError('precondition_failed', 'an object that was there was written again', {
    hint: 'two writers could overwrite one another here: do not let two machines write to it',
  });
}

async function readBack(destination: Destination, key: string, o: Sig): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of destination.read(key, o)) parts.push(Uint8Array.from(part));
  if (!Buffer.concat(parts).equals(body)) {
    throw new HoldfastError('corrupt', 'the object that was read is not the one that was written');
  }
  return `${body.length} bytes, the same as written`;
}

async function listed(destination: Destination, key: string, o: Sig): Promise<string> {
  for await (const info of destination.list(scratchFolder, o)) {
    if (info.key !== key) continue;
    expectSize(info);
    return 'listed with its size';
  }
  throw new HoldfastError('precondition_failed', 'an object that was stored is not listed', {
    hint: 'the credentials need the right to list as well as to read and write',
  });
}

async function deleted(destination: Destination, key: string, o: Sig): Promise<string> {
  await destination.delete(key, o);
  if (await destination.stat(key, o)) {
    throw new HoldfastError('precondition_failed', 'an object that was deleted is still there');
  }
  return 'deleted again';
}

function expectSize(info: ObjectInfo | undefined): void {
  if (info?.bytes === body.length) return;
  const got = info ? `${info.bytes} bytes` : 'no object';
  throw new HoldfastError('corrupt', `${body.length} bytes were stored, and ${got} are there`);
}
