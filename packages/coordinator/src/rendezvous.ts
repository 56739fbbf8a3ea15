/**
 * Rendezvous hashing with weights and bounded loads: each task has its own order of the nodes, in which a node stands the
 * further ahead the more it can carry. When a node goes, only its tasks go elsewhere, spread over all that are left.
 * Weights as in "Weighted Distributed Hash Tables" (Schindelhauer and Schomaker, 2005); the bound, which evens out what
 * chance leaves uneven, as in "Consistent Hashing with Bounded Loads" (Mirrokni, Thorup and Zadimoghaddam, 2017).
 */
export interface Candidate {
  readonly node: string;
  readonly capacity: number;
  /** Tasks that it is responsible for. */
  readonly tasks: number;
}

/** All of them, the one that is to have the task first. `tasksTotal`: of the cluster, its share of which each is to carry. */
export function rankNodes(task: string, candidates: readonly Candidate[], tasksTotal: number): string[] {
  const capacity = candidates.reduce((sum, one) => sum + one.capacity, 0);
  const seed = hashOf(task);
  return candidates
    .map((one) => ({
      node: one.node,
      isFull: one.tasks + 1 > Math.ceil((tasksTotal * one.capacity) / capacity),
      score: one.capacity / -Math.log(fractionOf(mix(seed, hashOf(one.node)))),
    }))
    .sort((a, b) => Number(a.isFull) - Number(b.isFull) || b.score - a.score || (a.node < b.node ? -1 : 1))
    .map(({ node }) => node);
}

const hashes = new Map<string, number>();
const hashesMax = 100_000;

/** FNV-1a, remembered: names are few and asked for again and again. */
function hashOf(text: string): number {
  const known = hashes.get(text);
  if (known !== undefined) return known;
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  if (hashes.size >= hashesMax) hashes.clear();
  hashes.set(text, hash >>> 0);
  return hash >>> 0;
}

/** The finalizer of MurmurHash3: neighbouring inputs give unrelated outputs. */
function mix(a: number, b: number): number {
  let hash = Math.imul(a, 0x9e3779b1) ^ b;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Between 0 and 1, neither of them. */
function fractionOf(hash: number): number {
  return (hash + 0.5) / 2 ** 32;
}
