import { HoldfastError } from '@holdfast/core';

/** A row of a special chunk: the text form of each value, as COPY prints it. */
export type TextRow = readonly (string | null)[];

/** Lines of JSON arrays, cut at any byte, as batches of rows: at least one row each, about one block's worth. */
export async function* jsonRows(
  path: string,
  blocks: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly TextRow[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  for await (const block of blocks) {
    const text = rest + decoder.decode(block, { stream: true });
    const end = text.lastIndexOf('\n');
    rest = text.slice(end + 1);
    if (end > 0)
      yield text
        .slice(0, end)
        .split('\n')
        .map((line) => parse(path, line));
  }
  if (rest !== '') throw new HoldfastError('corrupt', `${path} ends in the middle of a row`);
}

function parse(path: string, line: string): TextRow {
  try {
    const row: unknown = JSON.parse(line);
    if (Array.isArray(row)) return row as TextRow;
  } catch {
    // Said below.
  }
  throw new HoldfastError('corrupt', `${path} has a line that is no JSON array`);
}
