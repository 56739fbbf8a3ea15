export { Node, type NodeOptions } from './node.ts';
export { type RunNodeOptions, runNode } from './run-node.ts';
export type { Execute } from './runner.ts';
