import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/**
 * How a script sees a small disk: as a file system of its own (`mount`, in a private mount namespace: needs root or
 * user namespaces), or, where neither is allowed, by limits and renamed folders (`plain`).
 */
export type DiskWay = 'mount' | 'plain';

export interface MountedRun {
  /** Path of a TypeScript file; it gets the way (`mount` or `plain`), the folder, and `args`. */
  readonly script: string;
  /** An existing folder, on which the small file system is mounted. */
  readonly folder: string;
  readonly sizeBytes: number;
  readonly args?: readonly string[];
}

/** Runs a script whose `folder` is a small disk; the JSON that it printed. */
export async function runMounted(o: MountedRun): Promise<unknown> {
  const prefix = mountPrefix();
  const way: DiskWay = prefix ? 'mount' : 'plain';
  const node = [process.execPath, '--no-warnings', o.script, way, o.folder, ...(o.args ?? [])];
  const shell = prefix
    ? [
        ...prefix,
        'sh',
        '-c',
        `mount -t tmpfs -o size=${o.sizeBytes} none "$0" && exec "$@"`,
        o.folder,
        ...node,
      ]
    : // In blocks of 512 bytes, says POSIX. Only the soft limit: a script may raise it again.
      ['sh', '-c', `ulimit -S -f ${Math.floor(o.sizeBytes / 512)} && exec "$@"`, 'sh', ...node];
  const child = spawn(shell[0] as string, shell.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${o.script} ended with ${code}: ${errors}`);
  return JSON.parse(out);
}

/** Takes away the file system that `runMounted` mounted, while it is in use; called by the script itself. */
export function unmount(folder: string): void {
  run('umount', '-l', folder);
}

export function remountReadOnly(folder: string): void {
  run('mount', '-o', 'remount,ro', folder);
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

/** What comes before a command to give it mounts of its own; undefined where that is not allowed. */
function mountPrefix(): readonly string[] | undefined {
  const ways = [
    ['unshare', '-m'],
    ['unshare', '-r', '-m'],
  ];
  return ways.find(([command, ...args]) => {
    const tried = spawnSync(command as string, [...args, 'mount', '-t', 'tmpfs', 'none', '/mnt']);
    return tried.status === 0;
  });
}
