import { isUnder, type Manifest } from '@holdfast/core';

/**
 * The digest of the newest content of each chunk path of a chain: what a compared chunk is compared with. A path that
 * a later backup voided has none, and neither has one that row changes were recorded for.
 */
export function knownDigests(manifests: readonly Manifest[]): Map<string, string> {
  const digests = new Map<string, string>();
  for (const manifest of manifests) {
    for (const gone of [...manifest.replaced, ...manifest.dropped, ...changedRelations(manifest)]) {
      for (const path of digests.keys()) if (isUnder(path, gone)) digests.delete(path);
    }
    for (const chunk of manifest.chunks) if (chunk.kind !== 'changes') digests.set(chunk.path, chunk.digest);
  }
  return digests;
}

function changedRelations(manifest: Manifest): string[] {
  return manifest.chunks.flatMap((chunk) => Object.keys(chunk.tables ?? {}));
}
