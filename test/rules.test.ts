import { describe, expect, it } from 'vitest';
import { checkFiles } from '../scripts/rules.ts';

/** The findings in one file, as `line: rule`. */
function findings(path: string, text: string): string[] {
  return checkFiles([{ path, text }]).map(({ line, rule }) => `${line}: ${rule}`);
}

const product = 'packages/engine/src/backup.ts';

describe('the clock rule', () => {
  it.each([
    'Date.now()',
    'globalThis.Date.now()',
    "Date['now']()",
    'new Date()',
    'Date()',
    'performance.now()',
    'process.hrtime.bigint()',
    'Temporal.Now.instant()',
    'AbortSignal.timeout(5)',
    'setTimeout(done, 5)',
    'globalThis.setTimeout(done, 5)',
    'start({ timer: setInterval })',
    'start({ setInterval })',
    '(setTimeout as unknown)',
    "import { setTimeout as sleep } from 'node:timers/promises'",
    "await import('node:timers')",
    "require('timers')",
  ])('finds %s', (code) => {
    expect(findings(product, `const a = 1;\n${code};\n`)).toContain('2: clock');
  });

  it.each([
    'new Date(row.atMs)',
    'socket.setTimeout(5)',
    'clock.now()',
    '// Date.now() and setTimeout',
    "log('setTimeout(1) at Date.now()')",
    'const port = { setTimeout(ms: number) { return ms; } }',
    'class Fake { setInterval(): void {} }',
    'let timer: ReturnType<typeof setTimeout>',
    'clearTimeout(timer)',
  ])('lets %s pass', (code) => {
    expect(findings(product, `${code};\n`)).toEqual([]);
  });

  it('exempts the system clock, tests, measurements and scripts', () => {
    const code = 'const at = Date.now();\n';
    const exempt = [
      'packages/core/src/system-clock.ts',
      'packages/engine/src/backup.test.ts',
      'packages/engine/src/child.fixture.ts',
      'packages/sources/src/postgres/bench/codec.ts',
      'packages/testing/src/fakes.ts',
      'bench/run.ts',
      'scripts/demo.ts',
      'test/node.ts',
    ];
    expect(exempt.flatMap((path) => findings(path, code))).toEqual([]);
    expect(findings('packages/core/src/manifest.ts', code)).toEqual(['1: clock']);
  });
});

describe('the test rule', () => {
  it.each([
    "it.skip('a', () => {})",
    "describe.only('a', () => {})",
    "it.todo('a')",
    "it.skip.each([1])('a', () => {})",
    "it.skipIf(ci)('a', () => {})",
    "it('a', { skip: true }, () => {})",
    "it('a', (context) => { context.skip(); })",
    "it('a', ({ skip }) => { skip(); })",
  ])('finds %s once', (code) => {
    expect(findings('packages/engine/src/backup.test.ts', `${code};\n`)).toEqual(['1: left-out-test']);
  });

  it('looks at calls in tests only', () => {
    expect(findings('test/a.test.ts', "it('does not .skip( or .only( anything', () => {});\n")).toEqual([]);
    expect(findings(product, 'reader.skip(4);\n')).toEqual([]);
  });
});

describe('the import rule', () => {
  it.each([
    ['packages/core/src/a.ts', '@holdfast/engine'],
    ['packages/core/src/a.test.ts', '@holdfast/testing'],
    ['packages/engine/src/a.ts', '@holdfast/sources/postgres'],
    ['packages/engine/src/a.ts', '@holdfast/testing'],
    ['packages/sources/src/a.ts', '@holdfast/destinations'],
    ['packages/service/src/a.ts', 'holdfast'],
    ['packages/service/src/a.ts', '@holdfast/testing'],
    ['packages/engine/src/a.ts', '../../core/src/errors.ts'],
    ['packages/engine/src/a.ts', '@holdfast/core/src/errors.ts'],
    ['packages/novel/src/a.ts', '@holdfast/core'],
  ])('keeps %s from %s', (path, specifier) => {
    expect(findings(path, `import type { A } from '${specifier}';\n`)).toEqual(['1: import']);
    expect(findings(path, `const a = await import('${specifier}');\n`)).toEqual(['1: import']);
    expect(findings(path, `export * from '${specifier}';\n`)).toEqual(['1: import']);
  });

  it.each([
    ['packages/engine/src/a.ts', '@holdfast/core'],
    ['packages/engine/src/a.test.ts', '@holdfast/testing'],
    ['packages/sources/src/postgres/a.ts', '../copy.ts'],
    ['packages/service/src/a.ts', '@holdfast/sources/postgres'],
    ['packages/cli/src/a.ts', '@holdfast/service'],
    ['test/a.e2e.test.ts', '../packages/testing/src/index.ts'],
    ['test/a.e2e.test.ts', '@holdfast/engine'],
    ['packages/engine/src/a.ts', 'node:fs'],
    ['packages/engine/src/a.ts', 'holdfast-like'],
  ])('lets %s import %s', (path, specifier) => {
    expect(findings(path, `import { a } from '${specifier}';\n`)).toEqual([]);
  });
});

describe('the rules about files', () => {
  it('finds default exports, but not the one that a tool needs', () => {
    expect(findings(product, 'export default 1;\n')).toEqual(['1: default-export']);
    expect(findings(product, 'const a = 1;\nexport { a as default };\n')).toEqual(['2: default-export']);
    expect(findings('vitest.config.ts', 'export default {};\n')).toEqual([]);
  });

  it('finds names that say nothing', () => {
    const names = ['util.ts', 'common/a.ts', 'helpers.test.ts', 'utils/a.ts'];
    const found = names.flatMap((name) => findings(`packages/engine/src/${name}`, ''));
    expect(found).toEqual(names.map(() => '1: vague-name'));
    expect(findings('packages/engine/src/common-table.ts', '')).toEqual([]);
  });

  it('finds work that was left for later, in every kind of file', () => {
    const marker = ['TO', 'DO'].join('');
    expect(findings('docs/guide.md', `a\n${marker}: b\n`)).toEqual(['2: unfinished']);
    expect(findings('docs/guide.md', `a ${marker}LIST b\n`)).toEqual([]);
  });

  it('finds the hosts of package registries', () => {
    const host = ['registry', 'npmjs', 'org'].join('.');
    expect(findings('docs/guide.md', `see https://${host}/x\n`)).toEqual(['1: registry-host']);
    const lock = (resolved: string, link: boolean) =>
      JSON.stringify({ packages: { 'packages/core': {}, 'node_modules/a': { resolved, link } } }, null, 2);
    expect(findings('package-lock.json', lock('packages/core', true))).toEqual([]);
    expect(findings('package-lock.json', lock('https://mirror.example/a.tgz', false))).toEqual([
      '5: registry-host',
    ]);
  });

  it('finds files of more than 400 lines, but not among tests and generated files', () => {
    const text = 'f();\n'.repeat(401);
    expect(findings(product, text)).toEqual(['401: length']);
    expect(findings(product, 'f();\n'.repeat(400))).toEqual([]);
    expect(findings('packages/engine/src/backup.test.ts', text)).toEqual([]);
    expect(findings('packages/core/src/a.generated.ts', text)).toEqual([]);
  });

  it('reports code that cannot be parsed', () => {
    expect(findings(product, 'const = ;\n')).toEqual(['1: syntax']);
  });
});
