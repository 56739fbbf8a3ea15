import { HoldfastError } from '@holdfast/core';
import type { Session } from '../session/session.ts';

/**
 * The timelines that a server's own one came from, the oldest first, each with the position at which it was left. Two
 * servers that were promoted apart from each other may have the same timeline number, but left the older one elsewhere.
 */
export type TimelineHistory = readonly (readonly [timeline: number, leftAt: string])[];

/** Undefined: the server has lost its history file. `replication` is a replication session. */
export async function readTimelineHistory(
  replication: Session,
  timeline: number,
): Promise<TimelineHistory | undefined> {
  if (timeline === 1) return [];
  try {
    const [row] = await replication.rows<{ content: string | Uint8Array }>(
      `TIMELINE_HISTORY ${timeline}`,
      undefined,
      'asking where the timeline came from',
    );
    return row && parseTimelineHistory(Buffer.from(row.content).toString());
  } catch (caught) {
    const error = HoldfastError.from(caught);
    // 58P01: there is no such file.
    if (error.reason.includes('SQLSTATE 58P01')) return undefined;
    throw error;
  }
}

/** Lines are `timeline <tab> position <tab> reason`; comments and empty lines are allowed. */
export function parseTimelineHistory(text: string): TimelineHistory {
  const found: [number, string][] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line);
    if (match?.[1] && match[2]) found.push([Number(match[1]), match[2]]);
  }
  return found;
}

/** In words where a server's history differs from the one that a chain was made in; undefined: it does not. */
export function differentHistory(
  before: TimelineHistory | undefined,
  now: TimelineHistory | undefined,
): string | undefined {
  // Backups of earlier versions have none: the number of the timeline alone decides for them.
  if (before === undefined) return undefined;
  if (now === undefined) return 'the server has lost the history of its timeline';
  if (JSON.stringify(before) === JSON.stringify(now)) return undefined;
  return `the server was promoted apart from the one that the chain was made from: it ${describe(now)}, that one ${describe(before)}`;
}

function describe(history: TimelineHistory): string {
  const last = history.at(-1);
  return last ? `left timeline ${last[0]} at ${last[1]}` : 'never left a timeline';
}
