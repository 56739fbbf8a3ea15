import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { apiPort, assertObjects, callOf, endingMsMax, msOf, nodeConfigOf, readDeployed } from './product.ts';

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly disable?: boolean; readonly test?: readonly string[] };
  readonly read_only?: boolean;
  readonly stop_grace_period?: string;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

const compose = parse(await readDeployed('compose', 'compose.yaml'), { merge: true }) as Compose;
const services = Object.entries(compose.services);
const nodes = services.filter(([, { command }]) => command?.[0] === 'start');
const mounts = ({ volumes = [] }: Service): string[][] => volumes.map((volume) => volume.split(':'));

/** The content of a file of deploy/compose that a service sees. */
async function contentOf(service: Service, path: unknown): Promise<string> {
  const [from = ''] = mounts(service).find(([, to]) => to === path) ?? [];
  return await readDeployed('compose', from);
}

describe('the sample for Docker Compose', () => {
  it('has three nodes', () => {
    expect(nodes.map(([name]) => name)).toEqual(['node-a', 'node-b', 'node-c']);
  });

  it.each(nodes)(
    '%s has a configuration that the product takes, and sees every file of it',
    async (name, service) => {
      const { values } = callOf(service.command ?? []).call as { values: { config?: string } };
      const config = nodeConfigOf(await contentOf(service, values.config));
      expect(config.name).toBe(name);
      expect(config.listen.address).toBe(`0.0.0.0:${apiPort}`);
      expect(config.listen.hosts).toContain(name);
      expect(config.cluster.advertise).toBe(`https://${name}:${apiPort}`);
      expect(service.environment?.HOLDFAST_SERVER).toBe(`https://${name}:${apiPort}`);
      expect(config.store).toMatchObject({ type: 'etcd', endpoints: ['https://etcd:2379'] });
      expect(msOf(service.stop_grace_period ?? '10s')).toBeGreaterThan(config.stop.drainForMs + endingMsMax);
      const [, state] = mounts(service).find(([volume]) => volume === `state-${name.at(-1)}`) ?? [];
      expect(state).toBe(config.state);
      const secrets = JSON.stringify([config, service.environment]).matchAll(/\/run\/secrets\/([a-z-]+)/g);
      for (const [, secret] of secrets) expect(service.secrets).toContain(secret);
    },
  );

  it('declares objects that the product takes, of which the nodes see every file', async () => {
    const { apply } = compose.services;
    if (apply === undefined) throw new Error('there is no service apply');
    const { spec, call } = callOf(apply.command ?? []);
    expect(spec.name).toBe('apply');
    const { file = [], 'token-file': token } = call.values as {
      file?: readonly string[];
      'token-file'?: string;
    };
    expect(apply.secrets?.map((name) => `/run/secrets/${name}`)).toContain(token);
    const text = await contentOf(apply, file[0]);
    expect(() => assertObjects(text)).not.toThrow();
    for (const [, service] of nodes) {
      for (const [, name] of text.matchAll(/\/run\/secrets\/([a-z-]+)/g))
        expect(service.secrets).toContain(name);
      expect(mounts(service).map(([, to]) => to)).toContain(/path: ([^ ]+)/.exec(text)?.[1]);
    }
    expect(Object.keys(compose.services)).toContain(/@([a-z-]+)\//.exec(text)?.[1]);
  });

  it.each(services)('%s uses what is declared', async (_, service) => {
    for (const secret of service.secrets ?? []) expect(Object.keys(compose.secrets)).toContain(secret);
    for (const [from = ''] of mounts(service)) {
      if (from.startsWith('./')) expect(await readDeployed('compose', from)).not.toBe('');
      else expect(Object.keys(compose.volumes)).toContain(from);
    }
    for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
      const other = compose.services[name];
      expect(other, name).toBeDefined();
      if (condition !== 'service_healthy') continue;
      // The image of the nodes brings a check of its own.
      expect(other?.healthcheck?.test !== undefined || other?.build !== undefined, name).toBe(true);
      expect(other?.healthcheck?.disable).not.toBe(true);
    }
    const text = JSON.stringify(service.command ?? []);
    for (const [, secret] of text.matchAll(/\/run\/secrets\/([a-z-]+)/g))
      expect(service.secrets).toContain(secret);
    if (service.build === undefined) return;
    expect(service.read_only).toBe(true);
    const { context, dockerfile } = service.build;
    expect(await readDeployed('compose', context, dockerfile)).toContain('ENTRYPOINT');
  });

  it('declares nothing that nobody uses, and shows the API on this machine only', () => {
    const used = services.flatMap(([, service]) => [
      ...(service.secrets ?? []),
      ...mounts(service).map(([from]) => from),
    ]);
    for (const name of [...Object.keys(compose.secrets), ...Object.keys(compose.volumes)])
      expect(used).toContain(name);
    const ports = services.flatMap(([, service]) => service.ports ?? []);
    expect(ports).toEqual([`127.0.0.1:${apiPort}:${apiPort}`]);
  });

  it('has a PostgreSQL that incrementals can be made of', async () => {
    expect(compose.services.postgres?.command).toContain('wal_level=logical');
    expect(await readDeployed('compose', 'sample.sql')).toContain('CREATE ROLE holdfast LOGIN REPLICATION');
  });
});
