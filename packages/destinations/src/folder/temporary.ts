import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Sig, throwIfAborted } from '@holdfast/core';
import { reservedPrefix } from '../repository.ts';
import type { Files } from './files.ts';

/** How long what nobody can tell the writer of is left alone. */
export const dayMs = 86_400_000;
const pattern = /^\.holdfast-tmp-([0-9a-f]{10}|any)-(\d+)-[0-9a-f]+$/;

/**
 * `.holdfast-tmp-<where>-<pid>-<random>`. A pid means something only to the system, boot and container that gave it,
 * and a network path has writers of many: `where` stands for the three.
 */
export function temporaryName(): string {
  return `${reservedPrefix}tmp-${whereOf()}-${process.pid}-${randomBytes(8).toString('hex')}`;
}

let where: string | undefined;

function whereOf(): string {
  where ??= (() => {
    try {
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      const processes = readlinkSync('/proc/self/ns/pid');
      return createHash('sha256').update(`${hostname()} ${boot} ${processes}`).digest('hex').slice(0, 10);
    } catch {
      // Without these nobody can tell whose pid it is: such files are removed by age alone.
      return 'any';
    }
  })();
  return where;
}

/** Whether the process that gave this name is surely gone. */
export function isOrphan(name: string): boolean {
  const match = pattern.exec(name);
  if (!match || match[1] === 'any' || match[1] !== whereOf()) return false;
  try {
    process.kill(Number(match[2]), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/**
 * Removes what dead writers left below a folder: at once when their process is known to be gone, else after a day.
 * `nowMs` is the time as the file system itself tells it, so that no two clocks are compared.
 */
export async function sweepTemporaries(
  folder: string,
  o: Sig & { readonly files: Files; readonly nowMs: number },
): Promise<void> {
  throwIfAborted(o.signal);
  const entries = await o.files.entries(folder).catch(() => []);
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      await sweepTemporaries(path, o);
    } else if (entry.isFile() && pattern.test(entry.name)) {
      if (isOrphan(entry.name) || (await isOld(path, o))) await o.files.remove(path).catch(() => undefined);
    }
  }
}

async function isOld(path: string, o: { readonly files: Files; readonly nowMs: number }): Promise<boolean> {
  try {
    return o.nowMs - (await o.files.stat(path)).mtimeMs > dayMs;
  } catch {
    return false;
  }
}
