import { startEtcd } from '@holdfast/testing';
import type { RunSuite } from '../harness/suite.ts';
import { fewNodes } from './cluster-few.ts';
import { manyNodes } from './cluster-many.ts';

/** What many nodes with many tasks ask of their store, and how long it takes until a dead node's tasks have moved. */
export const cluster: RunSuite = async (options) => {
  await using etcd = await startEtcd();
  return [await manyNodes(etcd, options)];
};

export const clusterOnThree: RunSuite = async (options) => {
  await using etcd = await startEtcd({ members: 3 });
  return [await manyNodes(etcd, options)];
};

/** How long a node takes that takes many tasks over. */
export const clusterOfThree: RunSuite = async (options) => {
  await using etcd = await startEtcd();
  return [await fewNodes(etcd, options)];
};
