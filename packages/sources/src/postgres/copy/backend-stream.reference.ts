/** Builds what a PostgreSQL server sends, for tests and for the measurement in `bench/`. */
export function message(type: string, body: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(5 + body.length);
  bytes[0] = type.charCodeAt(0);
  new DataView(bytes.buffer).setInt32(1, body.length + 4);
  bytes.set(body, 5);
  return bytes;
}

export function copyOutResponse(columns: number, format = 0): Uint8Array {
  const body = new Uint8Array(3 + 2 * columns);
  const view = new DataView(body.buffer);
  view.setInt8(0, format);
  view.setInt16(1, columns);
  return message('H', body);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A COPY of these rows (each ends with its newline), one CopyData each as PostgreSQL sends them. */
export function copyStream(rows: readonly string[], columns: number): Uint8Array {
  return concat([
    copyOutResponse(columns),
    ...rows.map((row) => message('d', encode(row))),
    message('c'),
    message('C', encode(`COPY ${rows.length}\0`)),
    message('Z', encode('I')),
  ]);
}
