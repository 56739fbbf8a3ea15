import { HoldfastError } from '@holdfast/core';
import type { SlotFacts } from './slot.ts';

/** How much log a slot may hold back at the server before it is given up: a full backup is cheaper than a full disk. */
export const keepChangesDefaultBytes = 10 * 1024 ** 3;

const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
};

/** `5GB`, `500 MB`. Units as PostgreSQL's own: 1024 each. @throws HoldfastError config_invalid */
export function parseBytes(text: string, name: string): number {
  const match = /^(\d{1,15})\s*([A-Za-z]{0,2})$/.exec(text.trim());
  const unit = match ? units[(match[2] ?? '').toUpperCase()] : undefined;
  if (match && unit !== undefined && Number(match[1]) > 0) return Number(match[1]) * unit;
  throw new HoldfastError(
    'config_invalid',
    `${name} is ${JSON.stringify(text)}, expected a size such as 5GB`,
    {
      hint: 'units are kB, MB, GB and TB',
    },
  );
}

/** The limit that counts: what was asked for, else 10 GiB or a tenth of the free space, whichever is less. */
export function keepChangesLimit(o: {
  readonly asked?: number | undefined;
  readonly freeBytes?: number | undefined;
}): number {
  if (o.asked !== undefined) return o.asked;
  return Math.min(keepChangesDefaultBytes, Math.floor((o.freeBytes ?? Number.POSITIVE_INFINITY) / 10));
}

/** How a slot is doing, for status and doctor. */
export interface SlotHealth {
  readonly name: string;
  readonly retainedBytes: number;
  readonly limitBytes: number;
  readonly ok: boolean;
  readonly message: string;
}

export function slotHealth(slot: SlotFacts, limitBytes: number): SlotHealth {
  const { name, retainedBytes } = slot;
  const held = `replication slot ${name} keeps ${formatBytes(retainedBytes)} of log at the server, of at most ${formatBytes(limitBytes)}`;
  if (slot.status === 'lost' || slot.restart === null) {
    return {
      name,
      retainedBytes,
      limitBytes,
      ok: false,
      message: `replication slot ${name} was invalidated: the server has removed log that it needed`,
    };
  }
  return { name, retainedBytes, limitBytes, ok: retainedBytes <= limitBytes, message: held };
}

export function formatBytes(bytes: number): string {
  const names = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let at = 0;
  for (; value >= 1024 && at < names.length - 1; at++) value /= 1024;
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${names[at]}`;
}
