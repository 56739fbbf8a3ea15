import { appendFile, cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ProductCopy, type TestResult } from '../harness/product-copy.ts';
import { sqliteContents } from '../harness/sqlite-contents.ts';

let folder: TemporaryFolder;
let copy: ProductCopy;

/** Its fields, in the folder of those of the other destinations. */
const declared = `import { absolutePath, group, text } from '../../config/fields.ts';
import { driverOptions, encodePath } from './driver-options.ts';

export const tapeOptions = driverOptions({
  declared: group(
    {
      file: absolutePath('the file that plays the tape', '/srv/tapes/monday'),
      label: text({
        help: 'what is written on the tape; another one is refused',
        expected: 'a word such as monday',
        pattern: /^[a-z0-9-]{1,32}$/,
      }).optional(),
    },
    'A tape, played by a file',
  ),
  toUrl: ({ file, label }) => \`tape:\${encodePath(file)}\${label ? \`?label=\${label}\` : ''}\`,
  takesCredentials: false,
  example: { file: '/srv/tapes/monday', label: 'monday' },
});
`;

const page = `# Tape

\`\`\`yaml
destinations:
  monday:
    type: tape
    file: /srv/tapes/monday
\`\`\`
`;

/** What demands that a driver is what the list says, is declared as it can be opened, and is documented. */
const asking = ['packages/service/src/drivers.test.ts', 'packages/service/src/config/docs.test.ts'];
const demanding = [...asking, 'packages/service/src/objects/'];
const lastDriver = "(await import('@holdfast/destinations/ftp')).ftpDriver,\n  },\n";
const lastDeclared = "  { type: 'ftp', ...ftpOptions },\n";
const anImport = "import type { DriverOptions } from './driver-options/driver-options.ts';";
const readmeTable = '| Type | For |\n|---|---|\n';

beforeAll(async () => {
  folder = await temporaryFolder('tape');
  copy = await ProductCopy.make(folder.join('product'));
  // The driver: one folder with its contract test, exported by its package, and one line in the list.
  await cp(join(import.meta.dirname, 'tape'), copy.file('packages/destinations/src/tape'), {
    recursive: true,
  });
  await copy.edit(
    'packages/destinations/package.json',
    '"./wrap":',
    '"./tape": "./src/tape/index.ts",\n    "./wrap":',
  );
  const line = `{ type: 'tape', schemes: ['tape'], load: async () => (await import('@holdfast/destinations/tape')).tapeDriver },`;
  await copy.edit('packages/service/src/drivers.ts', lastDriver, `${lastDriver}  ${line}\n`);
  // How it is declared: one table, and one line.
  await writeFile(copy.file('packages/service/src/objects/driver-options/tape.ts'), declared);
  const declaredDrivers = 'packages/service/src/objects/declared-drivers.ts';
  await copy.edit(
    declaredDrivers,
    anImport,
    `${anImport}\nimport { tapeOptions } from './driver-options/tape.ts';`,
  );
  await copy.edit(declaredDrivers, lastDeclared, `${lastDeclared}  { type: 'tape', ...tapeOptions },\n`);
});

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]();
});

const failed = (results: readonly TestResult[]): TestResult[] => results.filter(({ passed }) => !passed);

test('a driver in a folder and a line is taken; only the documentation is missed, by name', async () => {
  const results = await copy.runTests(demanding);
  const names = results.filter(({ passed }) => passed).map(({ name }) => name);
  for (const name of [
    'the list of destinations has under tape a driver of that type and schemes',
    'the list of destinations has for tape a contract test beside the driver',
    'the list of destinations has the types that can be declared, and no other',
    'the list of destinations has each scheme once',
    'the example of tape in destinations is one, and its URL has a scheme of the driver',
  ])
    expect(names).toContain(name);
  const missed = failed(results);
  expect(missed.map(({ name }) => name).sort()).toEqual([
    'docs/configuration.md is what the tables print',
    'docs/objects.schema.json is what the tables print',
    'the page of tape in docs/destinations is there, shows how a tape is declared, and is found from the page of all destinations',
    'the page of tape in docs/destinations names every field of a tape',
  ]);
  for (const { name, messages } of missed) expect(name + messages).toContain('tape');
});

test('it is in the JSON schema that is printed', async () => {
  const program = `
    import { objectsJsonSchema } from './packages/service/src/objects/json-schema.ts';
    process.stdout.write(JSON.stringify(objectsJsonSchema()))`;
  const { stdout } = await copy.node(['--input-type=module', '--eval', program]);
  const { properties } = JSON.parse(stdout) as {
    properties: {
      destinations: { additionalProperties: { oneOf: { properties: Record<string, object> }[] } };
    };
  };
  const [tape] = properties.destinations.additionalProperties.oneOf.filter(
    (one) => (one.properties.type as { const?: string }).const === 'tape',
  );
  // Its own fields, and what all destinations have; there is nobody to let in by credentials.
  expect(Object.keys(tape?.properties ?? {}).sort()).toEqual([
    'bandwidth',
    'disabled',
    'file',
    'label',
    'type',
    'verify',
  ]);
});

test('once its files are printed and its page is written nothing is missed, but as long as a field is', async () => {
  const docs = 'packages/service/src/objects/destination-docs.test.ts';
  await writeFile(copy.file('docs/destinations/tape.md'), page);
  await copy.edit('docs/destinations/README.md', readmeTable, `${readmeTable}| [tape](tape.md) | tapes |\n`);
  expect(failed(await copy.runTests(['packages/service/src/config/docs.test.ts'], { update: true }))).toEqual(
    [],
  );
  expect(await readFile(copy.file('docs/configuration.md'), 'utf8')).toContain('### type: tape');
  expect(await readFile(copy.file('docs/objects.schema.json'), 'utf8')).toContain('"const": "tape"');
  const [missed, ...others] = failed(await copy.runTests([docs]));
  expect(missed?.name).toBe('the page of tape in docs/destinations names every field of a tape');
  expect(missed?.messages).toContain('label');
  expect(others).toEqual([]);
  await appendFile(copy.file('docs/destinations/tape.md'), '\n`label`: another tape is refused.\n');
  const results = await copy.runTests([...asking, docs]);
  expect(failed(results)).toEqual([]);
  expect(results.length).toBeGreaterThan(40);
});

test('backups are made there, listed, checked and restored by the command line, in processes and threads of its own', async () => {
  const env = { HOLDFAST_STAGING: folder.join('staging'), NODE_COMPILE_CACHE: folder.join('compiled') };
  const holdfast = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await copy.node(
      [copy.file('packages/cli/bin/holdfast.mjs'), ...args],
      env,
    );
    expect({ code, stderr: code === 0 ? '' : stderr }, args.join(' ')).toEqual({ code: 0, stderr: '' });
    return stdout + stderr;
  };
  const file = folder.join('shop.db');
  const at = `tape:${folder.join('monday')}?label=monday`;
  const change = (sql: string): void => {
    using database = new DatabaseSync(file);
    database.exec(sql);
  };
  change(`CREATE TABLE sales (id INTEGER PRIMARY KEY, item TEXT, data BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
      INSERT INTO sales (item, data) SELECT 'item ' || i, randomblob(1000) FROM n`);
  await holdfast('backup', '--from', `sqlite:${file}`, '--to', at);
  change(`DELETE FROM sales WHERE id % 7 = 0; INSERT INTO sales (item) VALUES ('é😀')`);
  await holdfast('backup', '--from', `sqlite:${file}`, '--to', at);
  expect(await holdfast('list', '--at', at)).toMatch(/incremental/);
  expect(await holdfast('check', '--at', at)).toMatch(/^nothing wrong: 2 backups, /m);
  await holdfast('restore', '--at', at, '--to', `sqlite:${folder.join('restored.db')}`);
  expect(sqliteContents(folder.join('restored.db'))).toEqual(sqliteContents(file));
});
