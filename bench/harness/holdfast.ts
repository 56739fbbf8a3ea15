import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import type { Workspace } from './workspace.ts';

export const launcher = join(import.meta.dirname, '..', '..', 'packages', 'cli', 'bin', 'holdfast.mjs');

export interface HoldfastOptions {
  /** The Node to run it on; the one that runs us by default. */
  readonly node?: string;
  readonly started?: (pid: number) => void;
  readonly env?: Readonly<Record<string, string>>;
}

/** The fields of the commands' JSON reports that are looked at here. */
export interface Report {
  readonly outcome?: string;
  readonly scope?: string;
  readonly backup?: string;
  readonly rows?: number;
  readonly storedBytes?: number;
  readonly verified?: boolean;
  readonly findings?: readonly unknown[];
  readonly durationsMs?: Readonly<Record<string, number>>;
}

/** Runs one `holdfast` command as a user does, in processes of its own, and returns its report. */
export async function holdfast(
  workspace: Workspace,
  args: readonly string[],
  options: HoldfastOptions = {},
): Promise<Report> {
  const out = await runCommand(options.node ?? process.execPath, [launcher, ...args, '--json'], {
    env: {
      HOLDFAST_STAGING: workspace.path('staging'),
      // Where a user's compiled code is kept; what runs us may have put its own there.
      NODE_COMPILE_CACHE: undefined,
      XDG_CACHE_HOME: workspace.path('cache'),
      NO_COLOR: '1',
      ...options.env,
    },
    ...(options.started === undefined ? {} : { started: options.started }),
  });
  return JSON.parse(out) as Report;
}

interface StoredManifest {
  readonly chunks: readonly {
    readonly path: string;
    readonly kind: string;
    readonly rows: number;
    readonly tables?: Readonly<Record<string, number>>;
  }[];
}

/** The rows and changes that the newest backup in a folder says it holds, without the database's own statistics. */
export async function rowsStored(folder: string): Promise<number> {
  const names = (await readdir(folder, { recursive: true })).filter((name) =>
    name.endsWith('.manifest.json'),
  );
  const newest = names.sort().at(-1);
  if (newest === undefined) throw new Error(`${folder} holds no manifest`);
  const manifest = JSON.parse(await readFile(join(folder, newest), 'utf8')) as StoredManifest;
  let rows = 0;
  for (const chunk of manifest.chunks) {
    if (chunk.kind === 'rows' && !chunk.path.includes('sqlite_')) rows += chunk.rows;
    for (const changes of Object.values(chunk.tables ?? {})) rows += changes;
  }
  return rows;
}
