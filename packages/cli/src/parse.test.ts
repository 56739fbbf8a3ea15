import { describe, expect, it } from 'vitest';
import { actions } from './actions.ts';
import { commands } from './commands.ts';
import { parse } from './parse.ts';
import { runCommands } from './start.ts';

function values(line: string): Record<string, unknown> {
  const parsed = parse(line.split(' '));
  if (parsed.kind !== 'call') throw new Error('help was printed');
  return { ...(parsed.call.values as object), operands: parsed.call.operands };
}

const ends = '--from sqlite:x.db --to file:b';

describe('the command line', () => {
  it('knows for each command of the table what to do', () => {
    expect(Object.keys(actions)).toEqual(commands.map((spec) => spec.name));
    expect(runCommands).toEqual(commands.filter((spec) => spec.runs).map((spec) => spec.name));
  });

  it('reads typed values and fills in defaults', () => {
    expect(values(`backup ${ends} --to=file:c --workers 3 --keep-changes`)).toMatchObject({
      from: 'sqlite:x.db',
      to: ['file:b', 'file:c'],
      workers: 3,
      'keep-changes': true,
      full: false,
      type: 'logical',
      name: undefined,
      json: false,
      operands: [],
    });
    expect(
      values('restore --at file:b --to sqlite:y.db --no-owner --start-timeout 1.5m --json'),
    ).toMatchObject({
      'no-owner': true,
      'start-timeout': 90_000,
      json: true,
    });
    expect(values('restore --at file:b --to sqlite:y.db')).toMatchObject({
      'no-owner': false,
      'start-timeout': 15_000,
    });
  });

  it('takes operands before and after options', () => {
    expect(values('check /a --at file:b /b%')).toMatchObject({ operands: ['/a', '/b%'] });
    expect(values('source prepare sqlite:x.db')).toMatchObject({ operands: ['sqlite:x.db'] });
  });

  it('takes a table with and without the slash that leads a path', () => {
    expect(values('list --at file:b --table public.orders')).toMatchObject({ table: '/public.orders' });
    expect(values('list --at file:b --table /public.orders')).toMatchObject({ table: '/public.orders' });
  });

  it.each([
    [`backup ${ends} --ful`, "unknown option '--ful'", 'did you mean --full?'],
    ['backup --form x', "unknown option '--form'", 'did you mean --from?'],
    ['bakcup', "unknown command 'bakcup'", 'did you mean backup?'],
    ['source forgot x', "unknown command 'forgot'", 'did you mean forget?'],
    [`backup ${ends} extra`, 'too many arguments', 'see holdfast backup --help'],
    ['backup --from x', '--to <URL> is missing', 'see holdfast backup --help'],
    ['source prepare', "missing required argument 'URL'", 'see holdfast --help'],
    ['doctor', "missing required argument 'URL'", 'see holdfast doctor --help'],
    ['list --at', "option '--at <URL>' argument missing", 'see holdfast list --help'],
    [`backup ${ends} --full --incremental`, "'--full' cannot be used with option '--incremental'", 'see'],
    [`backup ${ends} --auto --full`, "'--auto' cannot be used with option '--full'", 'see'],
    [`backup ${ends} --type image`, '--type takes logical or snapshot, not image', ''],
    [`backup ${ends} --workers 65`, '--workers takes a whole number from 1 to 64, not 65', ''],
    [`backup ${ends} --workers 1e1`, '--workers takes a whole number', ''],
    [`backup ${ends} --name Shop`, '--name takes a name of up to 63 small letters', ''],
    [`backup ${ends} --name --full`, '--name takes a name', ''],
    ['restore --at a --to b --start-timeout 15', '--start-timeout takes a time with its unit', ''],
    ['restore --at a --to b --start-timeout 25h', 'at most 24h', ''],
    ['restore --at a --to b --point yesterday', 'neither a time nor the name of a backup', ''],
  ])('refuses %s', (line, reason, hint) => {
    expect(() => parse(line.split(' '))).toThrow(
      expect.objectContaining({
        code: 'config_invalid',
        exitCode: 2,
        reason: expect.stringContaining(reason),
        hint: expect.stringContaining(hint),
      }),
    );
  });

  it.each(['--help', 'backup --help', 'backup -h', 'source', 'source prepare --help', ''])(
    'prints help for "%s"',
    (line) => {
      const parsed = parse(line.split(' ').filter((word) => word !== ''));
      expect(parsed).toMatchObject({ kind: 'help', text: expect.stringMatching(/^Usage: holdfast/) });
    },
  );

  it('names every option in its help', () => {
    for (const spec of commands) {
      const parsed = parse([...spec.name.split(' '), '--help']);
      for (const { name, help } of spec.options) {
        const text = parsed.kind === 'help' ? parsed.text.replace(/\s+/g, ' ') : '';
        expect(text).toContain(`--${name}`);
        expect(text).toContain(help);
      }
    }
  });
});
