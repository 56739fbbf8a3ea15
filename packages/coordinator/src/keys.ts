/** Where records are in the store. */
export const keys = {
  format: 'format',
  /** Which cluster the store is of. */
  cluster: 'cluster',
  objects: 'objects',
  tasks: 'tasks/',
  runs: 'runs/',
  nodes: 'nodes/',
  outbox: 'outbox/',
  decisions: 'decisions/',
  /** Nodes that people have told to give their tasks away; it outlives the node's session. */
  drains: 'drains/',
  task: (task: string): string => `tasks/${task}`,
  runsOf: (task: string): string => `runs/${task}/`,
  run: (id: string): string => `runs/${taskOfRun(id)}/${stampOf(id)}`,
  node: (node: string): string => `nodes/${node}`,
  drain: (node: string): string => `drains/${node}`,
  decisionsOf: (task: string): string => `decisions/${task}/`,
  /** In the order in which they were made, by generation and then by the clocks of those that decided. */
  decision: (task: string, generation: number, atMs: number, by: string): string =>
    `decisions/${task}/${String(generation).padStart(8, '0')}-${new Date(atMs).toISOString()}-${by}`,
  message: (id: string): string => `outbox/${id}`,
} as const;

/** `shop` at 2026-11-21 06:30:00.123 UTC -> `shop-20261121T063000123Z`: grows with time, and is safe in paths. */
export function runId(task: string, atMs: number): string {
  return `${task}-${new Date(atMs).toISOString().replace(/[-:.]/g, '')}`;
}

const idPattern = /^(.+)-(\d{8}T\d{9}Z)$/;

export function isRunId(id: string): boolean {
  return idPattern.test(id);
}

export function taskOfRun(id: string): string {
  return idPattern.exec(id)?.[1] ?? id;
}

function stampOf(id: string): string {
  return idPattern.exec(id)?.[2] ?? '';
}

/** The id after `last`, also when the clock went back or two runs begin in one millisecond. */
export function nextRunId(task: string, nowMs: number, last: string | undefined): string {
  const id = runId(task, nowMs);
  if (last === undefined || id > last) return id;
  return runId(task, timeOfRun(last) + 1);
}

export function timeOfRun(id: string): number {
  const text = stampOf(id);
  const part = (from: number, to: number): number => Number(text.slice(from, to));
  return Date.UTC(
    part(0, 4),
    part(4, 6) - 1,
    part(6, 8),
    part(9, 11),
    part(11, 13),
    part(13, 15),
    part(15, 18),
  );
}
