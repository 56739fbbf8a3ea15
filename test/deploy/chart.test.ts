import { version } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { Chart, readDocuments } from './chart.ts';
import { type Manifest, problemsOf } from './manifests.ts';
import { readDeployed, root } from './product.ts';

const chart = await Chart.read();
const example = parse(await readDeployed('helm', 'example-values.yaml')) as Record<string, unknown>;
const alone = { replicas: 1, etcd: { endpoints: [] } };

function manifestsOf(values: Record<string, unknown> = {}, release?: string): Manifest[] {
  return [...chart.render(values, release).values()].flat() as unknown as Manifest[];
}

/** Every path of a value that is no mapping, or an empty one: `image.tag`. */
function leaves(value: unknown, path = ''): string[] {
  const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
  const entries = isMapping ? Object.entries(value) : [];
  return entries.length === 0 ? [path] : entries.flatMap(([key, each]) => leaves(each, `${path}.${key}`));
}

describe('the Helm chart', () => {
  const used = [...chart.templates.values()].flatMap((text) =>
    [...text.matchAll(/\.Values((?:\.\w+)+)/g)].map(([, path = '']) => path),
  );

  it('uses values that are in values.yaml', () => {
    const known = leaves(chart.values);
    for (const path of used)
      expect(
        known.some((leaf) => leaf === path || leaf.startsWith(`${path}.`)),
        path,
      ).toBe(true);
  });

  it('has no value that nothing uses', () => {
    for (const leaf of leaves(chart.values))
      expect(
        used.some((path) => leaf === path || leaf.startsWith(`${path}.`)),
        leaf,
      ).toBe(true);
  });

  it.each([
    ['values.yaml alone', {}, 'holdfast'],
    ['example-values.yaml', example, 'holdfast'],
    ['five nodes under another name', { ...example, replicas: 5, prune: true }, 'backups'],
    ['one node without etcd', alone, 'holdfast'],
    [
      'every value that is empty by default',
      {
        ...example,
        etcd: { user: 'holdfast' },
        imagePullSecrets: [{ name: 'registry' }],
        podAnnotations: { team: 'dba' },
        podLabels: { team: 'dba' },
        nodeSelector: { disk: 'fast' },
        tolerations: [{ operator: 'Exists' }],
        affinity: { nodeAffinity: {} },
        priorityClassName: 'high',
        persistence: { storageClass: 'fast' },
        serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/backups' } },
      },
      'holdfast',
    ],
  ])('makes manifests that fit each other and the product, with %s', (_, values, release) => {
    expect(problemsOf(manifestsOf(values, release))).toEqual([]);
  });

  it('makes several nodes only where they have a store to share', () => {
    expect(() => manifestsOf({ ...alone, replicas: 2 })).toThrow('more than one node needs etcd');
  });

  it('names the image of this version', () => {
    expect(chart.appVersion).toBe(version);
    const images = JSON.stringify(manifestsOf()).match(/"image":"[^"]+"/g);
    expect(images).toEqual([`"image":"registry.example/holdfast:${version}"`]);
  });

  it('applies objects only when there are any', () => {
    const kinds = (values: Record<string, unknown>) => manifestsOf(values).map(({ kind }) => kind);
    expect(kinds({})).not.toContain('Job');
    expect(kinds(example)).toContain('Job');
  });
});

describe('the manifests for Kubernetes', () => {
  const rendered = [...chart.render(example)];

  it.each(rendered)('%s is the chart with example-values.yaml', async (name, documents) => {
    await expect(plain(name, documents)).toMatchFileSnapshot(`${root}/deploy/kubernetes/${name}`);
  });

  it('are what the checks of the chart find nothing wrong with', async () => {
    const texts = await Promise.all(rendered.map(([name]) => readDeployed('kubernetes', name)));
    const manifests = texts.flatMap((text) => readDocuments(text, 'a manifest')) as unknown as Manifest[];
    expect(problemsOf(manifests)).toEqual([]);
  });
});

const heading = `# Made from deploy/helm by test/deploy/chart.test.ts. For kubectl, without Helm: docs/deploying.md.\n`;

/** Without what only Helm understands, and in a namespace. */
function plain(name: string, documents: readonly Record<string, unknown>[]): string {
  const texts = documents.map((document) => {
    const { apiVersion, kind, metadata, ...others } = document;
    const {
      name: own,
      annotations = {},
      ...rest
    } = metadata as {
      readonly name: string;
      readonly annotations?: Readonly<Record<string, string>>;
    };
    const kept = Object.entries(annotations).filter(([key]) => !key.startsWith('helm.sh/'));
    const about = { name: own, namespace: 'holdfast', ...rest };
    const annotated = kept.length > 0 ? { ...about, annotations: Object.fromEntries(kept) } : about;
    const whole = structuredClone({ apiVersion, kind, metadata: annotated, ...others }) as Manifest;
    // Whoever edits the configuration by hand restarts the nodes by hand.
    if (name === 'nodes.yaml') Reflect.deleteProperty(whole.spec?.template?.metadata ?? {}, 'annotations');
    return stringify(whole, { version: '1.1', lineWidth: 0, blockQuote: 'literal' });
  });
  return `${heading}${texts.join('---\n')}`;
}

describe('the check of manifests', () => {
  const broken = (before: string, after: string): readonly string[] => {
    const text = JSON.stringify(manifestsOf(example));
    expect(text).toContain(before);
    return problemsOf(JSON.parse(text.replaceAll(before, after)));
  };

  it.each([
    ['"containerPort":6362', '"containerPort":6363', "the port api is 6363, the product's 6362"],
    ['"port":6362', '"port":80', 'Service holdfast has the port 80'],
    ['"path":"/ready"', '"path":"/readiness"', 'the API has no open route /readiness'],
    ['"path":"/metrics"', '"path":"/metric"', 'the API has no route /metric'],
    ['"terminationGracePeriodSeconds":150', '"terminationGracePeriodSeconds":120', 'is killed before'],
    ['"name":"tls","mountPath"', '"name":"certificates","mountPath"', 'there is no volume certificates'],
    [
      '"mountPath":"/etc/holdfast/tls"',
      '"mountPath":"/etc/tls"',
      'nothing is mounted where /etc/holdfast/tls/tls.crt is',
    ],
    ['"serviceName":"holdfast-nodes"', '"serviceName":"holdfast"', 'holdfast is no headless Service'],
    ['https://holdfast.holdfast.svc', 'https://backups.holdfast.svc', 'there is no Service backups'],
    ['"runAsNonRoot":true', '"runAsNonRoot":false', 'may run as root'],
  ])('finds %s that is %s', (before, after, says) => {
    expect(broken(before, after).join('\n')).toContain(says);
  });

  it('finds a pod that no Service selects, a command and fields that do not exist', () => {
    const node = '"app.kubernetes.io/component":"node"';
    expect(broken(`${node}},"annotations"`, `"component":"node"},"annotations"`).join('\n')).toContain(
      'selects 0',
    );
    expect(() => broken('"--file=', '"--files=')).toThrow('--files');
    expect(() => broken('drainFor:', 'drain:')).toThrow('drain');
  });
});
