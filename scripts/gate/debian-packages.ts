import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { findPostgres } from '../../packages/testing/src/servers/postgres-installation.ts';
import { type RunCommandOptions, runCommand } from './run-command.ts';

interface DebianPackage {
  readonly name: string;
  readonly isInstalled: () => boolean | Promise<boolean>;
}

const program = (name: string) => (): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)));

/** What the tests need besides Node: the servers they back up, and the tools that must read what was stored. */
const packages: readonly DebianPackage[] = [
  { name: 'postgresql', isInstalled: async () => (await findPostgres()).length > 0 },
  { name: 'sqlite3', isInstalled: program('sqlite3') },
  { name: 'zstd', isInstalled: program('zstd') },
  { name: 'jq', isInstalled: program('jq') },
  { name: 'radosgw', isInstalled: program('radosgw') },
  { name: 'ceph-mon', isInstalled: program('ceph-mon') },
  { name: 'ceph-osd', isInstalled: program('ceph-osd') },
  { name: 'ceph-common', isInstalled: program('ceph') },
  { name: 'openssh-server', isInstalled: () => existsSync('/usr/sbin/sshd') },
  { name: 'openssh-client', isInstalled: program('ssh-keygen') },
  { name: 'openssl', isInstalled: program('openssl') },
  { name: 'proftpd-core', isInstalled: () => existsSync('/usr/sbin/proftpd') },
  { name: 'proftpd-mod-crypto', isInstalled: () => existsSync('/usr/lib/proftpd/mod_tls.so') },
  { name: 'rclone', isInstalled: program('rclone') },
  { name: 'fuse3', isInstalled: program('fusermount3') },
  { name: 'etcd-server', isInstalled: program('etcd') },
  { name: 'etcd-client', isInstalled: program('etcdctl') },
  { name: 'spin', isInstalled: program('spin') },
  { name: 'gcc', isInstalled: program('gcc') },
  { name: 'libc6-dev', isInstalled: () => existsSync('/usr/include/stdio.h') },
  { name: 'prometheus', isInstalled: program('promtool') },
  { name: 'systemd', isInstalled: program('systemd-analyze') },
  { name: 'iproute2', isInstalled: program('ip') },
];

const servicePolicy = '/usr/sbin/policy-rc.d';

async function missingPackages(): Promise<string[]> {
  const answers = await Promise.all(
    packages.map(async (one) => ((await one.isInstalled()) ? [] : [one.name])),
  );
  return answers.flat();
}

/** Runs `work` while Debian starts no service on installing it: a server on the standard port is not for tests. */
async function withoutServices<T>(work: () => Promise<T>): Promise<T> {
  if (existsSync(servicePolicy)) return await work();
  await writeFile(servicePolicy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return await work();
  } finally {
    await rm(servicePolicy, { force: true });
  }
}

async function install(names: readonly string[], options: RunCommandOptions): Promise<void> {
  const env = { ...options.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = async (...args: string[]): Promise<boolean> => {
    // Another apt on the machine is waited for; a mirror that stumbles is asked again.
    const settings = [
      '-o',
      'DPkg::Lock::Timeout=120',
      '-o',
      'Acquire::Retries=3',
      '-o',
      'Dpkg::Use-Pty=0',
      '-qq',
    ];
    return (await runCommand(['apt-get', ...settings, ...args], { ...options, env })) === 0;
  };
  const ready = ['install', '-y', '--no-install-recommends', ...names];
  const lists = await readdir('/var/lib/apt/lists').catch(() => []);
  const knowsPackages = lists.some((file) => file.includes('_Packages'));
  await withoutServices(async () => {
    // Old lists name files that the mirror no longer has: one failure is reason to fetch new ones.
    if (knowsPackages && (await apt(...ready))) return;
    if (await apt('update')) await apt(...ready);
  });
}

/**
 * Makes sure that the Debian packages are there, and installs those that are missing when run as root. Returns the
 * command for what is still missing, undefined when nothing is.
 */
export async function ensureDebianPackages(options: RunCommandOptions): Promise<string | undefined> {
  const missing = await missingPackages();
  if (missing.length === 0) return undefined;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && program('apt-get')()) {
    console.log(`installing for the tests: ${missing.join(' ')}`);
    await install(missing, options);
  }
  const still = await missingPackages();
  if (still.length === 0) return undefined;
  return `${isRoot ? '' : 'sudo '}apt-get install -y --no-install-recommends ${still.join(' ')}`;
}
