import { describe, expect, it } from 'vitest';
import { formatPlace, formatProblem } from './problems.ts';
import { readYaml } from './yaml-file.ts';

function problems(text: string): string[] {
  return readYaml('f.yaml', text).problems.map(formatProblem);
}

describe('a file that is no YAML, or not what was meant', () => {
  it.each([
    ['a:\n\tb: 1', 'f.yaml:2:1: a tab where YAML wants spaces: indent with spaces'],
    [
      'a: [1',
      'f.yaml:1:6: not YAML: flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    ['a: "x\nb: 1', 'f.yaml:2:5: not YAML: missing closing "quote'],
    ['a: b: c', 'f.yaml:1:4: not YAML: nested mappings are not allowed in compact mappings'],
    ['a: @b', 'f.yaml:1:4: not YAML: plain value cannot start with reserved character @'],
    ['a: *x', 'f.yaml:1:4: *x is the name of no anchor before it'],
    ['a: !!js/function x', 'f.yaml:1:4: not YAML: unresolved tag: tag:yaml.org,2002:js/function'],
    ['? {a: 1}\n: 2', 'f.yaml:1:3: expected a name as a key'],
    ['a:\n  b: 1\n  c: 2\n  b: 3', 'f.yaml:4:3: a.b: is there twice, first at f.yaml:2:3'],
    ['a: 1\n"a": 2', 'f.yaml:2:1: a: is there twice, first at f.yaml:1:1'],
    ['a: 1\n---\nb: 1\nb: 2', 'f.yaml:4:1: b: is there twice, first at f.yaml:3:1'],
  ])('%j is refused with the place', (text, problem) => expect(problems(text)).toEqual([problem]));

  it('is not quoted, for it may hold a secret', () => {
    expect(problems('a: 1\n...\n}hunter2').join()).not.toContain('hunter2');
    expect(problems('a: [1, 2] hunter2').join()).not.toContain('hunter2');
  });

  it.each(['[', '- ', '? ', '{a: '])('is refused, not followed, when %j is nested without end', (opening) => {
    expect(problems(opening.repeat(200_000))).toEqual(['f.yaml:1:1: nested more than 64 levels']);
  });

  it('is refused when its aliases multiply', () => {
    const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 12; i++)
      bomb.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    expect(problems(bomb.join('\n'))).toEqual([
      'f.yaml:1:1: its aliases repeat too much: write out what they stand for',
    ]);
  });
});

describe('a YAML file', () => {
  it('is read as YAML 1.2, whatever it says of itself', () => {
    const [document] = readYaml('f', '%YAML 1.1\n---\na: yes\nb: 22:00\nc: 010\n').documents;
    expect(document?.value).toEqual({ a: 'yes', b: '22:00', c: 10 });
  });

  it('may hold several documents, of which empty ones are left out', () => {
    const { documents, problems: found } = readYaml('f', '---\n# nothing\n---\na: 1\n---\nb: 1\n...\n');
    expect(documents.map(({ value }) => value)).toEqual([{ a: 1 }, { b: 1 }]);
    expect(found).toEqual([]);
    expect(readYaml('f', '# nothing\n').documents).toEqual([]);
  });

  it('may be JSON, and use an alias', () => {
    expect(readYaml('f', '{"a": {"b": [1, null]}}').documents[0]?.value).toEqual({ a: { b: [1, null] } });
    expect(readYaml('f', 'a: &x [1]\nb: *x').documents[0]?.value).toEqual({ a: [1], b: [1] });
  });

  it('keeps names that are members of every object', () => {
    const value = readYaml('f', '__proto__: { a: 1 }\nconstructor: 2').documents[0]?.value as object;
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it('knows where keys and values are, also behind an alias, and the nearest place of what is not there', () => {
    const [document] = readYaml('f', 'a:\n  b:\n    - x\n    - { c: 1 }\nd: &d\n  e: 2\nf: *d\ng:').documents;
    const place = (path: PropertyKey[], part: 'key' | 'value' = 'value'): string =>
      document ? formatPlace(document.placeOf(path, part)) : '';
    expect(place(['a', 'b'], 'key')).toBe('f:2:3');
    expect(place(['a', 'b', 0])).toBe('f:3:7');
    expect(place(['a', 'b', 1, 'c'])).toBe('f:4:12');
    expect(place(['f', 'e'])).toBe('f:6:6');
    expect(place(['a', 'missing'])).toBe('f:1:1');
    expect(place(['g'])).toBe('f:8:3');
    expect(place([])).toBe('f:1:1');
  });
});
