import { expect, test } from 'vitest';
import { partsOf, prefixParts } from './keys.ts';
import { readParameters } from './parameters.ts';
import { portableParts } from './portable-names.ts';

test('a key falls into its parts', () => {
  expect(partsOf('task/chain/a b')).toEqual(['task', 'chain', 'a b']);
});

test.each(['', '/', 'a/', '/a', 'a//b', '.', 'a/..', '../a', 'a\0b', `${'x'.repeat(1025)}`])(
  '%j is no key',
  (key) => {
    expect(() => partsOf(key)).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  },
);

test('a prefix may end within a name, but names nothing outside', () => {
  expect(prefixParts('')).toEqual({ folders: [], rest: '' });
  expect(prefixParts('a/b/')).toEqual({ folders: ['a', 'b'], rest: '' });
  expect(prefixParts('a/b')).toEqual({ folders: ['a'], rest: 'b' });
  for (const prefix of ['../', 'a/../../b', '/a/', 'a//']) {
    expect(() => prefixParts(prefix), prefix).toThrow(expect.objectContaining({ code: 'config_invalid' }));
  }
});

test.each(['größe/日本語/🐙', '-dash', '.hidden', "signs +&%#@=~()[],;!$^-_'"])(
  '%s is kept everywhere',
  (key) => {
    expect(portableParts(key)).toEqual(key.split('/'));
  },
);

test.each([
  ['a/.holdfast-x', /only Holdfast's own objects/],
  ['y'.repeat(256), /longer than 255 bytes/],
  ['ü'.repeat(128), /longer than 255 bytes/],
  ['a\tb', /character/],
  ['a:b', /character/],
  ['a.', /ends with/],
  [' a', /begins with a blank/],
  ['CON', /device/],
  ['com1.txt', /device/],
  ['\ud800', /well-formed/],
  ['a\u0308', /normal form C/],
])('%j is not', (key, why) => {
  expect(() => portableParts(key)).toThrow(
    expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(why) }),
  );
});

test('the parameters of a URL are read once each, and decoded', () => {
  expect(readParameters('tier=Cool&prefix=a%2Fb', ['tier', 'prefix', 'region'], 'a place')).toEqual({
    tier: 'Cool',
    prefix: 'a/b',
  });
  expect(() => readParameters('tier=a&tier=b', ['tier'], 'a place')).toThrow(
    expect.objectContaining({ code: 'config_invalid', reason: 'a place has the parameter tier twice' }),
  );
});

test('a parameter that is not known is told without its value, which may be a secret', () => {
  const read = (): unknown => readParameters('secretAccesKey=hunter2', ['secretAccessKey'], 'a place');
  expect(read).toThrow(
    expect.objectContaining({ code: 'config_invalid', hint: 'did you mean secretAccessKey?' }),
  );
  expect(read).not.toThrow(/hunter2/);
});
