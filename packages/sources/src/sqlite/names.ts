/** Names that Holdfast makes in a user's database, and only after `source prepare`. */
export const ownTables = {
  /** The identity, and which tables are watched. */
  source: 'holdfast_source',
  revisions: 'holdfast_revisions',
  /** Rows that a REPLACE may be about to delete; empty between statements. */
  candidates: 'holdfast_candidates',
} as const;

const own: ReadonlySet<string> = new Set(Object.values(ownTables));
const ownTrigger = /^holdfast_\d+_(insert|update|delete|before_insert|before_update)$/;

export function isOwnTable(name: string): boolean {
  return own.has(name.toLowerCase());
}

export function isOwnTrigger(name: string): boolean {
  return ownTrigger.test(name);
}

/** An identifier as SQL takes it, whatever is in it. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
