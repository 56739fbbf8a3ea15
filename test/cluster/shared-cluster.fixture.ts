import { afterAll, beforeAll, beforeEach } from 'vitest';
import { Cluster, type ClusterOptions } from './cluster.fixture.ts';

/** One cluster for all tests of a file, whole again before each of them. Call it at the top of the file. */
export function sharedCluster(take: (opened: Cluster) => void, options: ClusterOptions = {}): void {
  let cluster: Cluster | undefined;
  beforeAll(async () => {
    cluster = await Cluster.open(options);
    take(cluster);
  });
  beforeEach(() => cluster?.mend());
  afterAll(() => cluster?.[Symbol.asyncDispose]());
}
