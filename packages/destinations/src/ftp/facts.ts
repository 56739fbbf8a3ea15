/** What a server says of a name in its answers to MLST and MLSD (RFC 3659, section 7). */
export interface Facts {
  readonly type: 'file' | 'folder' | 'other';
  readonly bytes?: number;
  readonly modifiedAtMs?: number;
  readonly name: string;
}

/** One line, `type=file;size=3;modify=20261120140000; name`; undefined for what is none, and for `.` and `..`. */
export function parseFacts(line: string): Facts | undefined {
  const match = /^ ?((?:[^=;\s]+=[^;]*;)+) (.+)$/s.exec(line);
  if (!match) return undefined;
  const [, packed = '', name = ''] = match;
  const facts = new Map<string, string>();
  for (const fact of packed.split(';')) {
    const cut = fact.indexOf('=');
    if (cut > 0) facts.set(fact.slice(0, cut).toLowerCase(), fact.slice(cut + 1));
  }
  const said = facts.get('type')?.toLowerCase() ?? '';
  if (said === 'cdir' || said === 'pdir' || name === '.' || name === '..') return undefined;
  const type = said === 'file' ? 'file' : said === 'dir' ? 'folder' : 'other';
  const bytes = wholeNumber(facts.get('size'));
  const modifiedAtMs = parseTime(facts.get('modify') ?? '');
  return {
    type,
    name,
    ...(bytes !== undefined && { bytes }),
    ...(modifiedAtMs !== undefined && { modifiedAtMs }),
  };
}

/** `YYYYMMDDHHMMSS[.sss]`, in UTC. */
export function parseTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,3}))?/.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second, Number((match[7] ?? '').padEnd(3, '0')));
}

export function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
