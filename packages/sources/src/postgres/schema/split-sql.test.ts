import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nastyStatements } from './nasty-statements.reference.ts';
import { splitSql } from './split-sql.ts';

const statementsOf = (script: string): string[] =>
  [...splitSql(script)].filter((piece) => piece.kind === 'statement').map((piece) => piece.text);

describe('a script', () => {
  it.each(nastyStatements)('has one statement: %s', (statement) => {
    expect(statementsOf(statement)).toEqual([statement]);
  });

  it('is its statements, whatever stands between them', () => {
    const between = fc.constantFrom(
      '\n',
      '\n\n',
      ' ',
      '\n-- note; \n',
      ' /* a /* ; */ */ ',
      '\n\\restrict x;y\n',
    );
    const part = fc.tuple(fc.constantFrom(...nastyStatements), between);
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const script = parts.map(([statement, gap]) => statement + gap).join('');
        expect(statementsOf(script)).toEqual(parts.map(([statement]) => statement));
      }),
      { numRuns: 300 },
    );
  });

  it('loses nothing but white space, whatever it is', () => {
    const piece = fc.constantFrom(
      "'",
      '"',
      '$$',
      '$a$',
      ';',
      '\\',
      '--',
      '/*',
      '*/',
      '(',
      ')',
      '\n',
      ' ',
      'e',
      'x',
      'begin',
      'end',
      'create function',
      'é',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (parts) => {
        const script = parts.join('');
        const pieces = [...splitSql(script)].map(({ text }) => text);
        let at = 0;
        for (const text of pieces) {
          const found = script.indexOf(text, at);
          expect(script.slice(at, found).trim()).toBe('');
          at = found + text.length;
        }
        expect(script.slice(at).trim()).toBe('');
      }),
      { numRuns: 500 },
    );
  });

  it('of a long text is split in no time', () => {
    const statement = `INSERT INTO t VALUES ('${"it''s ".repeat(2_000_000)}');`;
    expect(statementsOf(statement + statement)).toHaveLength(2);
  });
});
