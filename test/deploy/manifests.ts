import { routes } from '@holdfast/client';
import { apiPort, assertObjects, callOf, endingMsMax, nodeConfigOf } from './product.ts';

/** As much of Kubernetes' objects as is looked at here. */
export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Labels };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly replicas?: number;
    readonly serviceName?: string;
    readonly clusterIP?: string;
    readonly selector?: Labels & { readonly matchLabels?: Labels };
    readonly podSelector?: { readonly matchLabels: Labels };
    readonly ports?: readonly Port[];
    readonly ingress?: readonly { readonly ports: readonly { readonly port: number }[] }[];
    readonly template?: { readonly metadata: { readonly labels: Labels }; readonly spec: PodSpec };
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
    readonly endpoints?: readonly { readonly port: string; readonly path: string }[];
    readonly podFailurePolicy?: { readonly rules: readonly { onExitCodes: { containerName: string } }[] };
  };
}

type Labels = Readonly<Record<string, string>>;

interface Port {
  readonly name: string;
  readonly port: number;
  readonly targetPort: string;
}

interface PodSpec {
  readonly terminationGracePeriodSeconds?: number;
  readonly serviceAccountName: string;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly containers: readonly Container[];
  readonly volumes: readonly {
    readonly name: string;
    readonly configMap?: { readonly name: string };
    readonly secret?: { readonly secretName: string };
  }[];
}

interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly path: string; readonly port: string } };
}

/** All that is wrong with a set of manifests, as sentences; none when they fit each other and the product. */
export function problemsOf(manifests: readonly Manifest[]): readonly string[] {
  const set = new ManifestSet(manifests);
  return manifests.flatMap((manifest) => [
    ...set.selectors(manifest),
    ...set.ports(manifest),
    ...(manifest.spec?.template ? set.pod(manifest, manifest.spec.template.spec) : []),
  ]);
}

class ManifestSet {
  readonly #all: readonly Manifest[];

  constructor(all: readonly Manifest[]) {
    this.#all = all;
  }

  *selectors({ kind, metadata, spec }: Manifest): Iterable<string> {
    const selector = kind === 'Service' ? spec?.selector : spec?.selector?.matchLabels;
    for (const labels of [selector as Labels | undefined, spec?.podSelector?.matchLabels]) {
      if (labels === undefined) continue;
      const candidates =
        kind === 'ServiceMonitor'
          ? this.#of('Service').map((service) => service.metadata.labels ?? {})
          : this.#all.flatMap(({ spec: other }) => (other?.template ? [other.template.metadata.labels] : []));
      const chosen = candidates.filter((each) =>
        Object.entries(labels).every(([key, value]) => each[key] === value),
      );
      if (chosen.length !== 1) yield `${kind} ${metadata.name} selects ${chosen.length} instead of one`;
    }
  }

  *ports({ kind, metadata, spec }: Manifest): Iterable<string> {
    const numbers = [
      ...(spec?.ports ?? []).map(({ port }) => port),
      ...(spec?.ingress ?? []).flatMap(({ ports }) => ports.map(({ port }) => port)),
    ];
    for (const port of numbers)
      if (port !== apiPort) yield `${kind} ${metadata.name} has the port ${port}, the product ${apiPort}`;
    const known = this.#containers().flatMap(({ ports = [] }) => ports.map(({ name }) => name));
    for (const { targetPort } of spec?.ports ?? [])
      if (!known.includes(targetPort))
        yield `${kind} ${metadata.name}: no container has a port ${targetPort}`;
    for (const { port, path } of spec?.endpoints ?? []) {
      const names = this.#of('Service').flatMap((each) => each.spec?.ports?.map(({ name }) => name) ?? []);
      if (!names.includes(port)) yield `${kind} ${metadata.name}: no Service has a port ${port}`;
      if (!isRoute(path)) yield `${kind} ${metadata.name}: the API has no route ${path}`;
    }
  }

  *pod(manifest: Manifest, pod: PodSpec): Iterable<string> {
    const where = `${manifest.kind} ${manifest.metadata.name}`;
    if (pod.securityContext.runAsNonRoot !== true) yield `${where} may run as root`;
    if (!this.#has('ServiceAccount', pod.serviceAccountName))
      yield `${where} names an account that is not there`;
    const { serviceName } = manifest.spec ?? {};
    const headless = this.#of('Service').find((each) => each.metadata.name === serviceName);
    if (manifest.kind === 'StatefulSet' && headless?.spec?.clusterIP !== 'None')
      yield `${where}: ${serviceName} is no headless Service`;
    const claims = (manifest.spec?.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name);
    const volumes = [...pod.volumes.map(({ name }) => name), ...claims];
    const mounted = pod.containers.flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name));
    for (const name of mounted) if (!volumes.includes(name)) yield `${where}: there is no volume ${name}`;
    for (const name of volumes)
      if (!mounted.includes(name)) yield `${where}: nobody mounts the volume ${name}`;
    for (const { configMap } of pod.volumes)
      if (configMap && !this.#has('ConfigMap', configMap.name))
        yield `${where}: there is no ConfigMap ${configMap.name}`;
    for (const { onExitCodes } of manifest.spec?.podFailurePolicy?.rules ?? [])
      if (!pod.containers.some(({ name }) => name === onExitCodes.containerName))
        yield `${where}: there is no container ${onExitCodes.containerName}`;
    for (const container of pod.containers)
      for (const problem of this.#container(manifest, pod, container)) yield `${where}: ${problem}`;
  }

  *#container(manifest: Manifest, pod: PodSpec, container: Container): Iterable<string> {
    const { args, env, ports = [], securityContext } = container;
    if (securityContext.readOnlyRootFilesystem !== true) yield 'its root file system can be written';
    if (securityContext.allowPrivilegeEscalation !== false) yield 'it may get more privileges';
    for (const { name, containerPort } of ports)
      if (containerPort !== apiPort) yield `the port ${name} is ${containerPort}, the product's ${apiPort}`;
    for (const [key, probe] of Object.entries(container)) {
      if (!key.endsWith('Probe')) continue;
      const { path, port } = (probe as Container['aProbe']).httpGet;
      if (!isRoute(path)) yield `${key}: the API has no open route ${path}`;
      if (!ports.some(({ name }) => name === port)) yield `${key}: there is no port ${port}`;
    }
    for (const { name, value = '' } of env) {
      const host = /^https?:\/\/(?:\$\(NODE\)\.)?([a-z0-9-]+)\./.exec(value)?.[1];
      if (host !== undefined && !this.#has('Service', host)) yield `${name}: there is no Service ${host}`;
    }
    const { spec, call } = callOf(args);
    const values: CallValues = call.values;
    if (spec.name === 'start') yield* this.#nodes(manifest, pod, { container, file: String(values.config) });
    if (spec.name === 'apply')
      for (const file of values.file ?? []) assertObjects(this.#content(pod, container, file));
  }

  /** The configuration of each node, and the paths in it. */
  *#nodes(
    { metadata, spec }: Manifest,
    pod: PodSpec,
    o: { readonly container: Container; readonly file: string },
  ): Iterable<string> {
    const mounts = o.container.volumeMounts.map(({ mountPath }) => mountPath);
    for (let index = 0; index < (spec?.replicas ?? 0); index += 1) {
      const node = `${metadata.name}-${index}`;
      const config = nodeConfigOf(this.#content(pod, o.container, o.file.replace('$(NODE)', node)));
      if (config.name !== node) yield `the node ${node} is configured as ${config.name}`;
      if (!config.listen.address.endsWith(`:${apiPort}`)) yield `${node} listens on ${config.listen.address}`;
      const host = `https://${node}.${spec?.serviceName}.`;
      if (!config.cluster.advertise?.startsWith(host)) yield `${node} is not ${config.cluster.advertise}`;
      const { stop, listen, store, cluster, state, staging } = config;
      const graceMs = (pod.terminationGracePeriodSeconds ?? 30) * 1000;
      if (graceMs <= stop.drainForMs + endingMsMax) yield `${node} is killed before it has drained`;
      const text = JSON.stringify([listen, store, cluster, state, staging]);
      for (const [path] of text.matchAll(/\/(?:etc|run|var)\/[^"}]+/g))
        if (!mounts.some((mount) => path === mount || path.startsWith(`${mount}/`)))
          yield `${node}: nothing is mounted where ${path} is`;
    }
  }

  /** Of a file that a container sees. @throws Error when no ConfigMap has it */
  #content(pod: PodSpec, { volumeMounts }: Container, path: string): string {
    for (const { name, mountPath } of volumeMounts) {
      const map = pod.volumes.find((each) => each.name === name)?.configMap?.name;
      const data = this.#of('ConfigMap').find(({ metadata }) => metadata.name === map)?.data;
      const content = path.startsWith(`${mountPath}/`) ? data?.[path.slice(mountPath.length + 1)] : undefined;
      if (content !== undefined) return content;
    }
    throw new Error(`no ConfigMap has what is to be ${path}`);
  }

  #of(kind: string): readonly Manifest[] {
    return this.#all.filter((each) => each.kind === kind);
  }

  #has(kind: string, name: string): boolean {
    return this.#of(kind).some(({ metadata }) => metadata.name === name);
  }

  #containers(): readonly Container[] {
    return this.#all.flatMap((each) => each.spec?.template?.spec.containers ?? []);
  }
}

interface CallValues {
  readonly config?: string;
  readonly file?: readonly string[];
}

/** Probes come without a token; Prometheus brings it. */
function isRoute(path: string): boolean {
  return routes.some((route) => route.path === path && (route.open === true || path === '/metrics'));
}
