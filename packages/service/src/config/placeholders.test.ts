// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { describe, expect, it } from 'vitest';
import { holdsLiteralSecret, placeholderProblem, shownText } from './placeholders.ts';

describe('placeholders', () => {
  it.each(['', 'plain', 'a $ and a {b}', '${env:A}', 'x://${env:A_1}:${file:/run/a b}@h'])(
    '%j are good',
    (text) => expect(placeholderProblem(text)).toBeUndefined(),
  );

  it.each([
    ['${env:A', 'holds a placeholder without a closing brace; expected ${env:NAME} or ${file:/PATH}'],
    [
      '${evn:A}',
      'the placeholder ${evn:A} cannot be filled in; expected ${env:NAME} or ${file:/PATH}; did you mean env?',
    ],
    ['${A}', 'the placeholder ${A} cannot be filled in; expected ${env:NAME} or ${file:/PATH}'],
    ['${}', 'the placeholder ${} cannot be filled in; expected ${env:NAME} or ${file:/PATH}'],
    [
      '${env:}',
      'the placeholder ${env:} names no environment variable; expected ${env:NAME} or ${file:/PATH}',
    ],
    [
      '${env:A B}',
      'the placeholder ${env:A B} names no environment variable; expected ${env:NAME} or ${file:/PATH}',
    ],
    ['${file:}', 'the placeholder ${file:} names no file; expected ${env:NAME} or ${file:/PATH}'],
    [
      '${file:./a}',
      'the placeholder ${file:./a} has to name its file by a path from the root: nodes work in different folders',
    ],
  ])('%s is refused', (text, problem) => expect(placeholderProblem(text)).toBe(problem));

  it('of a file may be relative where that is said', () => {
    expect(placeholderProblem('${file:./a}', { relativeFiles: true })).toBeUndefined();
  });
});

describe('a secret in a URL', () => {
  it.each([
    'postgres://u:pw@h/db',
    'postgres://u:p@w@h/db',
    'postgres://u@corp:pw@h/db',
    'postgres://u:p/w@h/db',
    'postgres://u:p?w@h/db',
    'postgres://:pw@h/db',
    'postgres://u:pre${env:P}@h/db',
    'postgres://${env:U}:pw@h/db',
    'postgres://h/db?password=pw',
    'postgres://h/db?x=1&PASSWORD=pw',
    'postgres://h/db?pass%77ord=pw',
    'https://h/?api_key=x',
    'https://h/?token=x',
    'smtp://u:pw@h',
  ])('is found in %s', (url) => {
    expect(holdsLiteralSecret(url)).toBe(true);
    expect(shownText('url', url)).not.toMatch(/pw|=x/);
  });

  it.each([
    'postgres://u@h:5432/db',
    'postgres://h1:1,h2:2/db?sslkey=/etc/key&application_name=a%40b',
    'postgres://u:${file:/run/p}@h/db',
    'postgres://${env:U}:${env:P}@h/db?password=${env:P}',
    '${env:URL}',
    'sqlite:/srv/a:b@c.db',
    'https://h/hook?id=1',
  ])('is not seen in %s', (url) => {
    expect(holdsLiteralSecret(url)).toBe(false);
    expect(shownText('url', url)).toBe(url);
  });

  it('is not shown in a field that is one by its name, unless it is a placeholder', () => {
    expect(shownText('secret', 'hunter2')).toBe('[secret]');
    expect(shownText('secretAccessKey', '${env:K}')).toBe('${env:K}');
    expect(shownText('path', '/a')).toBe('/a');
  });
});
