// How fast decoded changes become the lines of a `changes` chunk, on one core and without a server.
import { ChangeDecoder } from '../packages/sources/src/postgres/changes/decode.ts';

const shape = {
  path: '/public.big',
  columns: ['id', 'a', 'v', 'at', 'note'],
  generated: [],
  key: ['id'],
};
const filler = 'x'.repeat(80);

function tuple(id: number): string {
  const at = `at[timestamp with time zone]:'2026-11-20 14:00:00.${100000 + (id % 900000)}+00'`;
  return `id[bigint]:${id} a[integer]:${id % 1000} v[text]:'${filler}' ${at} note[text]:'it''s ${id}'`;
}

function blocks(transactions: number, rows: number): { blocks: Buffer[]; changes: number } {
  const lines: string[] = [];
  let id = 0;
  for (let t = 0; t < transactions; t++) {
    lines.push('["0/16B3748","BEGIN"]\n');
    for (let r = 0; r < rows; r++) {
      id++;
      const kind = id % 4;
      const text =
        kind === 0
          ? `UPDATE: ${tuple(id)}`
          : kind === 1
            ? `DELETE: id[bigint]:${id}`
            : `INSERT: ${tuple(id)}`;
      lines.push(`["0/16B3748","table public.big: ${text}"]\n`);
    }
    lines.push('["0/16B3748","COMMIT (at 2026-11-20 14:00:00.123456+00)"]\n');
  }
  const all = Buffer.from(lines.join(''));
  const cut: Buffer[] = [];
  for (let at = 0; at < all.length; at += 4_000_000) cut.push(all.subarray(at, at + 4_000_000));
  return { blocks: cut, changes: id };
}

for (const [transactions, rows] of [
  [1, 300_000],
  [100_000, 1],
] as const) {
  const input = blocks(transactions, rows);
  const megabytes = input.blocks.reduce((sum, each) => sum + each.length, 0) / 1e6;
  for (let round = 0; round < 4; round++) {
    const decoder = new ChangeDecoder(() => shape);
    const before = process.threadCpuUsage();
    for (const block of input.blocks) {
      decoder.decode(block);
      decoder.release();
    }
    decoder.finish();
    // CPU time of this thread: the wall clock would measure the neighbours, too.
    const { user, system } = process.threadCpuUsage(before);
    const seconds = (user + system) / 1e6;
    console.log(
      `${transactions} transactions of ${rows}: ${(input.changes / seconds / 1e6).toFixed(2)} M changes/s, ${(megabytes / seconds).toFixed(0)} MB/s`,
    );
  }
}
