import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where staging is when nobody says otherwise. It outlives the process and a reboot, so that an interrupted run is
 * found and resumed, and is on a disk, not in a temporary file system that lives in memory.
 */
export function defaultStagingRoot(env: NodeJS.ProcessEnv = process.env): string {
  if (env.HOLDFAST_STAGING) return env.HOLDFAST_STAGING;
  if (process.getuid?.() === 0) return '/var/lib/holdfast/staging';
  // A relative XDG_STATE_HOME is to be ignored, says the XDG specification.
  const state = env.XDG_STATE_HOME?.startsWith('/') ? env.XDG_STATE_HOME : join(homedir(), '.local', 'state');
  return join(state, 'holdfast', 'staging');
}
