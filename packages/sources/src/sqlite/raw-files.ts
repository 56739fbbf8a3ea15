import { closeSync, fstatSync, openSync, statSync } from 'node:fs';

/**
 * Descriptors for reading a user's database beside SQLite. They are opened once and kept for as long as the file
 * exists: POSIX drops every lock that a process has on a file when it closes any descriptor of it, those of SQLite's
 * own connections included (https://sqlite.org/howtocorrupt.html, section 2.2). SQLite keeps its spare descriptors for
 * the same reason. At most one per file, so their number is that of the databases.
 */
const kept = new Map<string, number>();

/** A descriptor of the file that has this path now. Never to be closed by the caller. */
export function rawDescriptor(path: string): number {
  const stat = statSync(path);
  const key = `${stat.dev}:${stat.ino}`;
  const known = kept.get(key);
  if (known !== undefined) return known;
  closeDeleted();
  const fd = openSync(path, 'r');
  const opened = fstatSync(fd);
  const openedKey = `${opened.dev}:${opened.ino}`;
  // Replaced between the two looks by a file that is known: its lock matters as much.
  const other = kept.get(openedKey);
  if (other === undefined) kept.set(openedKey, fd);
  return other ?? fd;
}

/** A file without a name has no new readers, and the locks of those that it had keep nobody away. */
function closeDeleted(): void {
  for (const [key, fd] of kept) {
    if (fstatSync(fd).nlink > 0) continue;
    kept.delete(key);
    closeSync(fd);
  }
}
