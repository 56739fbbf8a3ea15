import { seededBytes, temporaryFolder } from '@holdfast/testing';
import { expect, test } from 'vitest';
import { SegmentFiller } from './store-role.ts';

test('a segment is full at its target, and the first one earlier, so that it is soon on its way', async () => {
  await using folder = await temporaryFolder();
  const mebibyte = 1024 * 1024;
  const row = Buffer.from(`["${Buffer.from(seededBytes(mebibyte, 1)).toString('hex')}"]\n`);
  const fillerFor = (segmentBytesTarget: number): SegmentFiller =>
    new SegmentFiller(
      {
        directory: folder.path,
        sequence: segmentBytesTarget,
        scope: 'full',
        image: false,
        counter: new SharedArrayBuffer(4),
        segmentBytesTarget,
      },
      () => {},
    );
  const rowsUntilFull = (filler: SegmentFiller): number => {
    filler.writer.begin(filler.segment(), { chunk: '/t', kind: 'rows', columns: [] });
    for (let rows = 1; ; rows++) {
      filler.writer.append(row);
      if (filler.full) return rows;
    }
  };
  using small = { filler: fillerFor(mebibyte), [Symbol.dispose]: () => small.filler.abandon() };
  using large = { filler: fillerFor(128 * mebibyte), [Symbol.dispose]: () => large.filler.abandon() };
  const [few, more] = [rowsUntilFull(small.filler), rowsUntilFull(large.filler)];
  expect(few).toBeLessThan(more);
  // Hex halves: 128 MiB would take more than a hundred rows.
  expect(more).toBeLessThan(40);
});
