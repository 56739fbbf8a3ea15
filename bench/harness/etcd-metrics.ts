/** Counters of etcd's own, by their lines' names with their labels, summed over all members. */
export type EtcdMetrics = ReadonlyMap<string, number>;

export async function readEtcdMetrics(urls: readonly string[]): Promise<EtcdMetrics> {
  const sum = new Map<string, number>();
  for (const url of urls) {
    const answer = await fetch(`${url}/metrics`);
    for (const line of (await answer.text()).split('\n')) {
      const space = line.lastIndexOf(' ');
      if (line.startsWith('#') || space < 0) continue;
      const name = line.slice(0, space);
      sum.set(name, (sum.get(name) ?? 0) + Number(line.slice(space + 1)));
    }
  }
  return sum;
}

/** How much all lines of a name, with such labels, have grown. */
export function growth(
  before: EtcdMetrics,
  after: EtcdMetrics,
  name: string,
  labels: readonly string[] = [],
): number {
  let grown = 0;
  for (const [line, value] of after) {
    const isIt =
      line === name || (line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)));
    if (isIt) grown += value - (before.get(line) ?? 0);
  }
  return grown;
}

/** Calls by their method, those that were made at all. */
export function callsByMethod(before: EtcdMetrics, after: EtcdMetrics): Record<string, number> {
  const calls: Record<string, number> = {};
  for (const [line, value] of after) {
    const method = /^grpc_server_started_total\{.*grpc_method="(\w+)"/.exec(line)?.[1];
    const grown = value - (before.get(line) ?? 0);
    if (method !== undefined && grown > 0) calls[method] = (calls[method] ?? 0) + grown;
  }
  return calls;
}
