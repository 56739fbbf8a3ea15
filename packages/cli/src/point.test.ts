import { describe, expect, it } from 'vitest';
import { parsePoint } from './point.ts';

const berlin = 'Europe/Berlin';

describe('a point to restore to', () => {
  it.each([
    ['2026-11-20T14:00:00Z', '2026-11-20T14:00:00.000Z'],
    ['2026-11-20t14:00z', '2026-11-20T14:00:00.000Z'],
    ['2026-11-20 14:00:00.25+01:00', '2026-11-20T13:00:00.250Z'],
    ['20261120T140000Z', '2026-11-20T14:00:00.000Z'],
    ['2026-11-20T14:00:00+0530', '2026-11-20T08:30:00.000Z'],
    ['2026-11-20T14:00:00+01:00[Europe/Berlin]', '2026-11-20T13:00:00.000Z'],
  ])('may be the time %s', (text, moment) => {
    expect(parsePoint(text)).toEqual({ timeMs: Date.parse(moment) });
  });

  it.each(['20261120T140000Z-node-a-g3', '20261120T140000Z-node-a-g3/0003'])(
    'may be the backup %s',
    (text) => {
      expect(parsePoint(text)).toEqual({ backup: text });
    },
  );

  it.each([
    ['2026-11-20T14:00', 'write 2026-11-20T14:00:00Z for UTC, or 2026-11-20T14:00:00+01:00 for'],
    ['2026-07-01 09:30:15.5', 'write 2026-07-01T09:30:15.500Z for UTC, or 2026-07-01T09:30:15.500+02:00 for'],
    ['2026-11-20', 'write 2026-11-20T00:00:00Z for UTC, or 2026-11-20T00:00:00+01:00 for'],
    // An hour that clocks skip in spring: the moment that it would have been.
    ['2026-03-29T02:30', 'or 2026-03-29T03:30:00+02:00 for'],
  ])('without a zone (%s) is refused with both spellings', (text, hint) => {
    expect(() => parsePoint(text, berlin)).toThrow(
      expect.objectContaining({
        reason: expect.stringContaining('no time zone'),
        hint: expect.stringContaining(hint),
      }),
    );
  });

  it('names another zone where this machine is at UTC', () => {
    expect(() => parsePoint('2026-11-20T14:00', 'UTC')).toThrow(
      expect.objectContaining({ hint: expect.stringMatching(/T14:00:00Z, or the offset .*\+01:00$/) }),
    );
  });

  it.each([
    'yesterday',
    '',
    '1763647200',
    '2026-13-01T00:00:00Z',
    '2026-02-30T00:00:00',
    '2026-11-20Z',
    '2026-11-20T14:00:00 CET',
    '20261120T140000Z-node-a-g3/3',
    '20261120T140000Z-node-a-g3/0003/x',
    '20261120T140000Z-Node-g3',
  ])('is not "%s"', (text) => {
    expect(() => parsePoint(text, berlin)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  });
});
