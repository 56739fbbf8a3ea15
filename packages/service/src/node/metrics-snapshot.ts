import type { NodeParts } from './node-parts.ts';

export function metricsSnapshot(_parts: NodeParts, _freeBytes: number): unknown {
  return {};
}
