import { userInfo } from 'node:os';
import { HoldfastError, nearestOf, Secret } from '@holdfast/core';
import { parseBytes } from '../changes/keep-limit.ts';

/** Where a session goes. One target may name several servers, of which the first that fits is taken. */
export interface Target {
  readonly hosts: readonly Host[];
  readonly user: string;
  readonly password: Secret | undefined;
  readonly database: string;
  readonly role: TargetRole;
  readonly tls: TlsSettings;
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  /** Any other server is refused, though it may be found at the same host. */
  readonly server?: ServerPin;
  /** How much log a replication slot of ours may hold back; undefined: the default of `keepChangesLimit`. */
  readonly keepChangesMaxBytes?: number;
}

export interface Host {
  /** A name, an address without brackets, or the folder of a Unix socket (begins with `/`). */
  readonly host: string;
  readonly port: number;
  /** Where the name has led before: it is not looked up again. */
  readonly address?: string;
}

/** Tells one server from all others, its own standbys and copies included. */
export interface ServerPin {
  /** The cluster's system identifier, which its standbys share. */
  readonly system: string;
  /** When the server's first process began, as microseconds of the epoch: no two have that in common. */
  readonly startedAt?: string;
}

export interface TlsSettings {
  readonly mode: TlsMode;
  /** Files, read when a connection is made. */
  readonly rootCertificate?: string;
  readonly certificate?: string;
  readonly key?: string;
}

const roles = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const;
export type TargetRole = (typeof roles)[number];
const tlsModes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type TlsMode = (typeof tlsModes)[number];

/** Every parameter that a PostgreSQL URL may carry after its `?`. All but the last mean what they mean to libpq. */
export const urlParameters = {
  host: 'server name, address, or folder of the Unix socket; several with commas',
  port: 'port, one for all hosts or one each, default 5432',
  user: 'user name, when it is not before the @',
  password: 'password, when it is not before the @; better PGPASSWORD or ~/.pgpass',
  dbname: 'database, when it is not the path',
  target_session_attrs: `which server to take: ${roles.join(', ')}; default any`,
  sslmode: `${tlsModes.join(', ')}; default prefer`,
  sslrootcert: 'file with the certificates that may sign the server certificate',
  sslcert: 'file with the client certificate',
  sslkey: 'file with the key of the client certificate',
  application_name: 'how the connection is called in pg_stat_activity, default holdfast',
  connect_timeout: 'seconds to wait for a server, 1 to 3600, default 15',
  keep_changes_max:
    'how much log the server may keep for incrementals, such as 5GB, before they are given up',
} as const;

type ParameterName = keyof typeof urlParameters;
type Parameters = Partial<Record<ParameterName, string>>;

const defaultPort = 5432;

/**
 * Reads `postgres://user:password@host:port/database?parameter=value`, libpq's form, several hosts included.
 * @throws HoldfastError config_invalid, naming the part that is wrong and never the password
 */
export function parseTarget(url: string, environment: NodeJS.ProcessEnv = process.env): Target {
  const match = /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(url);
  if (!match) {
    // Nothing before the last @ is shown: an @ in a password that was not encoded is what is wrong most often.
    throw invalid(
      `${url.replace(/\/\/.*@/s, '//[secret]@')} is not a PostgreSQL URL`,
      'write postgres://user@host:5432/database; reserved characters in a name or password are per cent encoded (@ is %40, / is %2F, # is %23, ? is %3F)',
    );
  }
  const [, login = '', authority = '', path = '', search = ''] = match;
  const parameters = parseParameters(search);
  const colon = login.indexOf(':');
  const loginUser = decode(colon < 0 ? login : login.slice(0, colon), 'the user name');
  const loginPassword = colon < 0 ? '' : decode(login.slice(colon + 1), 'the password');
  const user = loginUser || parameters.user || environment.PGUSER || userInfo().username;
  const password = loginPassword || parameters.password || environment.PGPASSWORD;
  return {
    hosts: parseHosts(authority, parameters, environment),
    user,
    password: password ? new Secret(password) : undefined,
    database: decode(path, 'the database') || parameters.dbname || environment.PGDATABASE || user,
    role: oneOf(roles, parameters.target_session_attrs ?? 'any', 'target_session_attrs'),
    tls: {
      mode: oneOf(tlsModes, parameters.sslmode ?? 'prefer', 'sslmode'),
      ...(parameters.sslrootcert ? { rootCertificate: parameters.sslrootcert } : {}),
      ...(parameters.sslcert ? { certificate: parameters.sslcert } : {}),
      ...(parameters.sslkey ? { key: parameters.sslkey } : {}),
    },
    applicationName: parameters.application_name || 'holdfast',
    connectTimeoutMs: wholeNumber(parameters.connect_timeout ?? '15', 'connect_timeout', [1, 3600]) * 1000,
    ...(parameters.keep_changes_max
      ? {
          keepChangesMaxBytes: parseBytes(
            parameters.keep_changes_max,
            'keep_changes_max of the PostgreSQL URL',
          ),
        }
      : {}),
  };
}

/** `user@host:port/database`, as a person may see it. */
export function describeTarget(target: Target): string {
  const hosts = target.hosts.map(describeHost).join(',');
  return `postgres://${target.user}@${hosts}/${target.database}`;
}

export function describeHost(host: Host): string {
  if (host.host.startsWith('/')) return `${host.host}/.s.PGSQL.${host.port}`;
  return `${host.host.includes(':') ? `[${host.host}]` : host.host}:${host.port}`;
}

/** The plain form in which a target goes to a worker thread of this process. Holds the password: never store it. */
export interface TargetRecord extends Omit<Target, 'password'> {
  readonly password: string | undefined;
}

export function toTargetRecord(target: Target): TargetRecord {
  return { ...target, password: target.password?.reveal() };
}

export function fromTargetRecord(record: TargetRecord): Target {
  return { ...record, password: record.password === undefined ? undefined : new Secret(record.password) };
}

function parseParameters(search: string): Parameters {
  const parameters: Parameters = {};
  for (const pair of search.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals), 'a parameter name');
    if (!Object.hasOwn(urlParameters, name)) {
      const known = Object.keys(urlParameters);
      const near = nearestOf(name, known);
      throw invalid(
        `the PostgreSQL URL has an unknown parameter ${JSON.stringify(name)}`,
        near ? `did you mean ${near}?` : `known are ${known.join(', ')}`,
      );
    }
    parameters[name as ParameterName] = equals < 0 ? '' : decode(pair.slice(equals + 1), name);
  }
  return parameters;
}

function parseHosts(authority: string, parameters: Parameters, environment: NodeJS.ProcessEnv): Host[] {
  // With ?host=/folder the port before it still counts: postgres://localhost:5433/db?host=/run/postgresql
  const written = parameters.host ?? authority;
  const besides = parameters.host ? (/:(\d+)$/.exec(authority)?.[1] ?? '') : '';
  const fallback = parameters.port || besides || environment.PGPORT || '';
  const ports = fallback === '' ? [] : fallback.split(',');
  const names = (written || environment.PGHOST || 'localhost').split(',');
  if (ports.length > 1 && ports.length !== names.length) {
    throw invalid(`the PostgreSQL URL names ${names.length} hosts but ${ports.length} ports`);
  }
  return names.map((text, i) => {
    const match = /^(?:\[([0-9a-f:.]+(?:%25[\w.-]+)?)\]|([^:[\]]*))(?::(\d*))?$/i.exec(text);
    if (!match) {
      throw invalid(
        `the PostgreSQL URL has a host that cannot be read: ${JSON.stringify(text)}`,
        'an IPv6 address stands in brackets: [::1]:5432',
      );
    }
    const host = decode(match[1] ?? match[2] ?? '', 'a host') || 'localhost';
    const port = match[3] || ports[ports.length === 1 ? 0 : i] || String(defaultPort);
    return { host, port: wholeNumber(port, 'port', [1, 65_535]) };
  });
}

function oneOf<const T extends string>(values: readonly T[], text: string, name: string): T {
  const value = values.find((each) => each === text);
  if (value !== undefined) return value;
  const near = nearestOf(text, values);
  throw invalid(
    `${name} of the PostgreSQL URL is ${JSON.stringify(text)}, expected one of ${values.join(', ')}`,
    near && `did you mean ${near}?`,
  );
}

function wholeNumber(text: string, name: string, [least, most]: readonly [number, number]): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw invalid(
    `${name} of the PostgreSQL URL is ${JSON.stringify(text)}, expected a number from ${least} to ${most}`,
  );
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new HoldfastError('config_invalid', `${what} in the PostgreSQL URL has a broken per cent sign`, {
      hint: 'write a per cent sign itself as %25',
      cause,
    });
  }
}

function invalid(reason: string, hint?: string): HoldfastError {
  return new HoldfastError('config_invalid', reason, { hint });
}
