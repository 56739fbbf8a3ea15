import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { HoldfastError } from '@holdfast/core';
import type { RatePlan } from '@holdfast/destinations/wrap';
import type { z } from 'zod';
import { toRatePlan } from './bandwidth.ts';
import { sizeBytes } from './byte-size.ts';
import { durationMs } from './duration.ts';
import { isMapping } from './fields.ts';
import { toNodeName } from './names.ts';
import { nodeConfigTable } from './node-config-table.ts';
import { formatPath, type Problem, problemsError } from './problems.ts';
import { validate } from './validate.ts';
import { readYaml } from './yaml-file.ts';

/** What a node is told about itself. Every path is absolute; the token is still a placeholder. */
export interface NodeConfig {
  /** The file that was read; undefined when there is none and everything is a default. */
  readonly file: string | undefined;
  readonly name: string;
  readonly state: string;
  readonly staging: string;
  /** What all runs together may use of its disk; undefined: no limit but the disk's own. */
  readonly stagingBytesMax?: number | undefined;
  /** Of all runs together. */
  readonly bandwidth?: RatePlan | undefined;
  readonly listen: {
    /** `splitAddress` takes it apart. */
    readonly address: string;
    readonly tls: { readonly cert: string; readonly key: string } | undefined;
    readonly token: string | undefined;
    readonly hosts: readonly string[];
  };
  readonly store: StoreConfig;
  /** How long to wait at the start for a store that does not answer. */
  readonly storeWaitMs: number;
  readonly cluster: {
    /** Still a placeholder. */
    readonly secret: string | undefined;
    readonly advertise: string | undefined;
    readonly aliveForMs: number;
    readonly moveAfterMs: number;
  };
  readonly limits: {
    readonly runs: number;
    readonly perSource: number;
    readonly historyPerTask: number;
    readonly workers: number;
    readonly stallAfterMs: number;
  };
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly format: 'json' | 'pretty' };
  readonly tags: readonly string[];
  readonly stop: { readonly drainForMs: number };
}

export type StoreConfig =
  | { readonly type: 'embedded'; readonly path: string }
  | {
      readonly type: 'etcd';
      readonly endpoints: readonly string[];
      readonly prefix: string;
      readonly user: string | undefined;
      /** Still a placeholder. */
      readonly password: string | undefined;
      /** Files. */
      readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
    };

/** What defaults depend on. */
export interface NodeFacts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cores: number;
  readonly homedir: string;
  readonly hostname: string;
  /** Whether the process is root's; by default, as it is. */
  readonly isRoot?: boolean;
}

const fileBytesMax = 1024 * 1024;
const workersDefaultMax = 4;

/**
 * Reads a node's own file: the one that is named, else `/etc/holdfast/holdfast.yaml` for root and
 * `~/.config/holdfast/holdfast.yaml` for others, which need not be there.
 *
 * @throws HoldfastError config_invalid with every problem, each as `file:line:column: listen.token: …`
 */
export async function loadNodeConfig(path: string | undefined, facts: NodeFacts): Promise<NodeConfig> {
  const file = resolve(path ?? defaultConfigFile(facts));
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'an unknown error';
    if (path === undefined && code === 'ENOENT') return fromDefaults(facts);
    throw new HoldfastError('config_invalid', `the configuration ${file} cannot be read: ${code}`, {
      hint: 'it must exist and be readable by this user',
      cause,
    });
  }
  if (bytes.length > fileBytesMax) {
    throw new HoldfastError(
      'config_invalid',
      `the configuration ${file} is too long: ${bytes.length} bytes, expected at most ${fileBytesMax}`,
    );
  }
  try {
    return parseNodeConfig({ file, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }, facts);
  } catch (caught) {
    if (caught instanceof HoldfastError) throw caught;
    throw new HoldfastError('config_invalid', `the configuration ${file} is not UTF-8 text`, {
      cause: caught,
    });
  }
}

export function defaultConfigFile(facts: NodeFacts): string {
  if (isRoot(facts)) return '/etc/holdfast/holdfast.yaml';
  return join(xdg(facts, 'XDG_CONFIG_HOME', '.config'), 'holdfast', 'holdfast.yaml');
}

/** The text of a file whose path is absolute; an empty one is all defaults. */
export function parseNodeConfig(
  o: { readonly file: string; readonly text: string },
  facts: NodeFacts,
): NodeConfig {
  const { file, text } = o;
  const { documents, problems } = readYaml(file, text);
  if (problems.length > 0) throw invalid(problems);
  const [document, second] = documents;
  if (document === undefined) return { ...fromDefaults(facts), file };
  if (second) {
    throw invalid([
      { place: second.placeOf([], 'value'), path: '', text: 'a second document: expected one' },
    ]);
  }
  // A group with nothing below its key is one that says nothing.
  const given = isMapping(document.value)
    ? Object.fromEntries(Object.entries(document.value).filter(([, value]) => value !== null))
    : document.value;
  const { value, problems: wrong } = validate(nodeConfigTable, given);
  if (value) return toConfig(value, file, facts);
  throw invalid(
    wrong.map((each) => ({
      place: document.placeOf(each.path, each.part),
      path: formatPath(each.path),
      text: each.text,
    })),
  );
}

function invalid(problems: readonly Problem[]): HoldfastError {
  return problemsError('the configuration', problems);
}

function fromDefaults(facts: NodeFacts): NodeConfig {
  return toConfig(nodeConfigTable.parse({}), undefined, facts);
}

function toConfig(
  given: z.output<typeof nodeConfigTable>,
  file: string | undefined,
  facts: NodeFacts,
): NodeConfig {
  const from = (path: string): string => (file === undefined ? resolve(path) : resolve(dirname(file), path));
  const state = given.state === undefined ? defaultState(facts) : from(given.state);
  const placeholder = (text: string | undefined): string | undefined =>
    text?.replace(/^\$\{file:([^}]*)\}$/, (_, path: string) => `$\{file:${from(path)}}`);
  const { listen, limits, log, tags, stop, cluster } = given;
  return {
    file,
    name: given.name ?? toNodeName(facts.hostname),
    state,
    staging:
      given.staging === undefined
        ? facts.env.HOLDFAST_STAGING || join(state, 'staging')
        : from(given.staging),
    stagingBytesMax: given.stagingMax === undefined ? undefined : sizeBytes(given.stagingMax),
    bandwidth: given.bandwidth === undefined ? undefined : toRatePlan(given.bandwidth),
    listen: {
      address: listen.address,
      tls: listen.tls && { cert: from(listen.tls.cert), key: from(listen.tls.key) },
      token: placeholder(listen.token),
      hosts: listen.hosts,
    },
    store: toStore(given.store, { state, from, placeholder }),
    storeWaitMs: ms(given.store.wait),
    cluster: {
      secret: placeholder(cluster.secret),
      advertise: cluster.advertise,
      aliveForMs: ms(cluster.aliveFor),
      moveAfterMs: ms(cluster.moveAfter),
    },
    limits: {
      runs: limits.runs ?? Math.max(1, Math.floor(facts.cores / 2)),
      perSource: limits.perSource,
      historyPerTask: limits.historyPerTask,
      workers: limits.workers ?? Math.max(1, Math.min(workersDefaultMax, facts.cores)),
      stallAfterMs: ms(limits.stallAfter),
    },
    log,
    tags,
    stop: { drainForMs: ms(stop.drainFor) },
  };
}

function toStore(
  store: z.output<typeof nodeConfigTable>['store'],
  o: {
    readonly state: string;
    readonly from: (path: string) => string;
    readonly placeholder: (text: string | undefined) => string | undefined;
  },
): StoreConfig {
  const { path, endpoints = [], prefix, user, password, tls } = store;
  if (store.type === 'embedded')
    return { type: 'embedded', path: path === undefined ? join(o.state, 'store.db') : o.from(path) };
  const files = tls && {
    ...(tls.ca !== undefined && { ca: o.from(tls.ca) }),
    ...(tls.cert !== undefined && { cert: o.from(tls.cert) }),
    ...(tls.key !== undefined && { key: o.from(tls.key) }),
  };
  return { type: 'etcd', endpoints, prefix, user, password: o.placeholder(password), tls: files };
}

/** Of a duration that was found good. */
function ms(text: string): number {
  return durationMs(text) ?? Number.NaN;
}

function defaultState(facts: NodeFacts): string {
  return isRoot(facts) ? '/var/lib/holdfast' : join(xdg(facts, 'XDG_STATE_HOME', '.local/state'), 'holdfast');
}

/** A relative one is to be ignored, says the XDG specification. */
function xdg({ env, homedir }: NodeFacts, variable: string, otherwise: string): string {
  const value = env[variable] ?? '';
  return isAbsolute(value) ? value : join(homedir, otherwise);
}

function isRoot({ isRoot: given }: NodeFacts): boolean {
  return given ?? process.getuid?.() === 0;
}
