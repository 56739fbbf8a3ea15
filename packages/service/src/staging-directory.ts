import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where runs are built when nobody says otherwise. It outlives the process and a reboot, so that an interrupted run
 * is found and resumed, and is on a disk, not in a temporary file system that lives in memory.
 */
export function defaultStagingDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (process.getuid?.() === 0) return '/var/lib/holdfast/staging';
  const state = env.XDG_STATE_HOME?.startsWith('/') ? env.XDG_STATE_HOME : join(homedir(), '.local', 'state');
  return join(state, 'holdfast', 'staging');
}
