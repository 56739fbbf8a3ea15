import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Parsed, parse } from '../../packages/cli/src/parse.ts';
import { durationMs } from '../../packages/service/src/config/duration.ts';
import { type NodeConfig, parseNodeConfig } from '../../packages/service/src/config/node-config.ts';
import { parseObjects } from '../../packages/service/src/objects/parse-objects.ts';
import { schedulerRules } from '../../packages/service/src/objects/scheduler-rules.ts';

export const root = join(import.meta.dirname, '..', '..');

/** Port of the API: what the product listens on unless told otherwise. */
export const apiPort = 6362;

/** Longest time that a node takes to end once `stop.drainFor` is over: 10 s for runs, 5 s for their processes. */
export const endingMsMax = 15_000;

/** A file below deploy/, as text. */
export function readDeployed(...path: readonly string[]): Promise<string> {
  return readFile(join(root, 'deploy', ...path), 'utf8');
}

/** @throws HoldfastError when the product would not take it */
export function nodeConfigOf(text: string): NodeConfig {
  const facts = { env: {}, cores: 2, homedir: '/nowhere', hostname: 'machine', isRoot: false };
  return parseNodeConfig({ file: '/etc/holdfast/holdfast.yaml', text }, facts);
}

/** @throws HoldfastError when the product would not take it */
export function assertObjects(text: string): void {
  parseObjects([{ name: 'objects.yaml', text }], schedulerRules);
}

/** What follows `holdfast`. @throws HoldfastError when there is no such command or option */
export function callOf(args: readonly string[]): Extract<Parsed, { kind: 'call' }> {
  const parsed = parse(args);
  if (parsed.kind !== 'call') throw new Error(`holdfast ${args.join(' ')} only prints help`);
  return parsed;
}

/** `2m`, `150s`, and systemd's `3min`. */
export function msOf(text: string): number {
  const ms = durationMs(text.replace(/min$/, 'm'));
  if (ms === undefined) throw new Error(`${text} is no duration`);
  return ms;
}
