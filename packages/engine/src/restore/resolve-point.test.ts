import { describe, expect, test } from 'vitest';
import type { FoundChain } from '../catalog/chain.ts';
import { chainA, chainB, chainOf, manifestOf, startMs } from '../manifest.fixture.ts';
import { type Point, resolvePoint } from './resolve-point.ts';

const hour = 3_600_000;
const dayMs = 24 * hour;
const older = chainOf([0, 1, 2].map((sequence) => manifestOf(sequence)));
const newer = chainOf(
  [0, 1].map((sequence) =>
    manifestOf(sequence, {
      chain: chainB,
      to: { position: String(100 + sequence), timeMs: startMs + dayMs + sequence * hour },
    }),
  ),
);
const chains = [newer, older];

const at = (timeMs: number, of: readonly FoundChain[] = chains): Point => resolvePoint(of, { timeMs });
const named = (backup: string): Point => resolvePoint(chains, { backup });
/** Which backups, and where inside. */
const shape = ({ chain, backups, insideMs }: Point): unknown => [
  chain.chain,
  backups.map(({ manifest }) => manifest.sequence),
  insideMs,
];

describe('a point', () => {
  test('that is not named is the newest end of all chains', () => {
    expect(shape(resolvePoint(chains, undefined))).toEqual([chainB, [0, 1], undefined]);
    expect(shape(resolvePoint([older], undefined))).toEqual([chainA, [0, 1, 2], undefined]);
  });

  test('by a name is the end of that backup, or of that chain', () => {
    expect(shape(named(`${chainA}/0001`))).toEqual([chainA, [0, 1], undefined]);
    expect(shape(named(`${chainA}/0000`))).toEqual([chainA, [0], undefined]);
    expect(shape(named(chainA))).toEqual([chainA, [0, 1, 2], undefined]);
  });

  test.each([`${chainA}/0003`, `${chainA}/1`, 'nonsense', '', `${chainA}/`])(
    '%j is refused by name',
    (backup) => {
      expect(() => named(backup)).toThrow(expect.objectContaining({ code: 'not_found' }));
    },
  );

  test('at the very end of a backup is that backup whole', () => {
    expect(shape(at(startMs))).toEqual([chainA, [0], undefined]);
    expect(shape(at(startMs + hour))).toEqual([chainA, [0, 1], undefined]);
    expect(shape(at(startMs + dayMs))).toEqual([chainB, [0], undefined]);
  });

  test('between two backups lies inside the later one', () => {
    expect(shape(at(startMs + 1))).toEqual([chainA, [0, 1], startMs + 1]);
    expect(shape(at(startMs + 2 * hour - 1))).toEqual([chainA, [0, 1, 2], startMs + 2 * hour - 1]);
  });

  test('that two chains cover comes from the newer one', () => {
    const long = chainOf(
      [0, 1].map((n) => manifestOf(n, { to: { position: `${n}`, timeMs: startMs + n * 2 * dayMs } })),
    );
    expect(shape(at(startMs + dayMs + 1, [newer, long]))).toEqual([chainB, [0, 1], startMs + dayMs + 1]);
    expect(shape(at(startMs + dayMs + 2 * hour, [newer, long]))).toEqual([
      chainA,
      [0, 1],
      startMs + dayMs + 2 * hour,
    ]);
  });

  test('before the first backup, after the last, or between two chains is refused with the nearest ones', () => {
    const refused = (timeMs: number): unknown => {
      try {
        return at(timeMs);
      } catch (error) {
        return error;
      }
    };
    expect(refused(startMs - 1)).toMatchObject({
      code: 'out_of_range',
      message: expect.stringContaining('before the first'),
    });
    expect(refused(startMs + dayMs + hour + 1)).toMatchObject({
      code: 'out_of_range',
      message: expect.stringContaining('after the last'),
    });
    expect(refused(startMs + 3 * hour)).toMatchObject({
      code: 'out_of_range',
      message: expect.stringMatching(new RegExp(`${chainA} ends at .* ${chainB} begins at`)),
    });
  });

  test('of no chain at all is not found', () => {
    for (const point of [undefined, { timeMs: startMs }, { backup: chainA }])
      expect(() => resolvePoint([], point)).toThrow(expect.objectContaining({ code: 'not_found' }));
  });
});

describe('what is damaged', () => {
  const segments = [{ name: '0001-incremental-001.ndjson.zst', bytes: 10, sha256: '0'.repeat(64) }];
  const holed = (bytes: number | undefined): FoundChain => {
    const chain = chainOf([manifestOf(0), manifestOf(1, { segments }), manifestOf(2)]);
    const objects = new Map(chain.objects);
    if (bytes === undefined) objects.delete('0001-incremental-001.ndjson.zst');
    else objects.set('0001-incremental-001.ndjson.zst', bytes);
    return { ...chain, objects };
  };

  test.each([undefined, 9, 11, 0])(
    'a segment with %s bytes refuses every point behind it, and names one that restores',
    (bytes) => {
      const chain = holed(bytes);
      for (const point of [
        undefined,
        { backup: `${chainA}/0002` },
        { backup: `${chainA}/0001` },
        { timeMs: startMs + 1 },
      ])
        expect(() => resolvePoint([chain], point)).toThrow(
          expect.objectContaining({
            code: 'corrupt',
            hint: expect.stringContaining(`--point ${chainA}/0000`),
          }),
        );
      expect(shape(resolvePoint([chain], { backup: `${chainA}/0000` }))).toEqual([chainA, [0], undefined]);
    },
  );

  const problem = {
    kind: 'altered manifest',
    key: 'k',
    backup: `${chainA}/0003`,
    detail: 'a byte differs',
  } as const;

  test('a moment that only a backup with a damaged manifest can hold is refused with what is wrong', () => {
    const chain = { ...older, problems: [problem] };
    expect(() => at(startMs + 2 * hour + 1, [chain])).toThrow(
      expect.objectContaining({ code: 'corrupt', message: expect.stringContaining(`${chainA}/0003`) }),
    );
    expect(shape(at(startMs + 1, [chain]))).toEqual([chainA, [0, 1], startMs + 1]);
  });

  test('a backup whose manifest is damaged is refused by its name with what is wrong', () => {
    const chain = { ...older, problems: [problem] };
    expect(() => resolvePoint([chain], { backup: `${chainA}/0003` })).toThrow(
      expect.objectContaining({ code: 'corrupt', message: expect.stringContaining('a byte differs') }),
    );
  });

  test('the newest is not taken to be an older one when what follows it is damaged', () => {
    const chain = { ...older, problems: [problem] };
    for (const point of [undefined, { backup: chainA }]) {
      expect(() => resolvePoint([chain], point)).toThrow(
        expect.objectContaining({ code: 'corrupt', hint: expect.stringContaining(`--point ${chainA}/0002`) }),
      );
    }
    expect(shape(resolvePoint([newer, chain], undefined))).toEqual([chainB, [0, 1], undefined]);
    expect(shape(resolvePoint([chain], { backup: `${chainA}/0002` }))).toEqual([
      chainA,
      [0, 1, 2],
      undefined,
    ]);
  });
});
