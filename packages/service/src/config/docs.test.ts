import { expect, it } from 'vitest';
import { destinationDrivers, sourceDrivers } from '../drivers.ts';
import { declaredDestinations, declaredSources } from '../objects/declared-drivers.ts';
import { objectsJsonSchema } from '../objects/json-schema.ts';
import { parseObjects } from '../objects/parse-objects.ts';
import { testRules } from '../objects/schedule-rules.fixture.ts';
import { configurationDocs } from './docs.ts';
import { parseNodeConfig } from './node-config.ts';
import { nodeConfigJsonSchema } from './node-config-table.ts';
import { readYaml } from './yaml-file.ts';

const docs = new URL('../../../../docs/', import.meta.url);

it.each([
  ['configuration.md', () => configurationDocs()],
  ['objects.schema.json', () => `${JSON.stringify(objectsJsonSchema(), null, 2)}\n`],
  ['holdfast.schema.json', () => `${JSON.stringify(nodeConfigJsonSchema(), null, 2)}\n`],
])('docs/%s is what the tables print', async (name, print) => {
  await expect(print()).toMatchFileSnapshot(new URL(name, docs).pathname);
});

const ofType =
  ({ type }: { readonly type: string }) =>
  (other: { readonly type: string }): boolean =>
    other.type === type;

const blocks = [...configurationDocs().matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text);

it('every example of an objects file is one, without a warning', () => {
  const examples = blocks.filter((text) => text.startsWith('# objects.yaml'));
  expect(examples.length).toBeGreaterThan(0);
  for (const text of examples) {
    expect(parseObjects([{ name: 'objects.yaml', text }], testRules).warnings).toEqual([]);
  }
});

it("every example of a node's file is one", () => {
  const examples = blocks.filter((text) => text.startsWith('# holdfast.yaml'));
  expect(examples.length).toBeGreaterThan(0);
  for (const text of examples) {
    const facts = { env: {}, cores: 4, homedir: '/root', hostname: 'h' };
    expect(parseNodeConfig({ file: '/etc/holdfast/holdfast.yaml', text }, facts).name).toBe('node-a');
  }
});

it.each([
  ...declaredSources.map((driver) => ({
    kind: 'sources',
    driver: { ...sourceDrivers.find(ofType(driver)), ...driver },
  })),
  ...declaredDestinations.map((driver) => ({
    kind: 'destinations',
    driver: { ...destinationDrivers.find(ofType(driver)), ...driver },
  })),
])(
  'the example of $driver.type in $kind is one, and its URL has a scheme of the driver',
  ({ kind, driver }) => {
    const { type, example, toUrl, schemes } = driver;
    const text = blocks.find((block) =>
      readYaml('', block).documents.some(({ value }) => (value as { type?: string }).type === type),
    );
    expect(text).toBeDefined();
    const file = JSON.stringify({ [kind]: { it: { type, ...example } } });
    const { objects } = parseObjects([{ name: 'x', text: file }], testRules);
    const declared = Object.values(objects).flatMap((named) => Object.values(named))[0] as Record<
      string,
      unknown
    >;
    expect(schemes?.some((scheme) => toUrl(declared).startsWith(`${scheme}:`))).toBe(true);
  },
);
