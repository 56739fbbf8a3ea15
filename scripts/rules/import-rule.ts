import { posix } from 'node:path';
import { isOutsideProduct } from './finding.ts';

const below = [
  'core',
  'engine',
  'scheduler',
  'coordinator',
  'uploader',
  'client',
  'sources',
  'destinations',
  'stores',
];

/** Which packages the product code of a package may import, besides itself. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  core: [],
  engine: ['core'],
  scheduler: ['core'],
  coordinator: ['core'],
  uploader: ['core'],
  client: ['core'],
  sources: ['core'],
  destinations: ['core'],
  stores: ['core'],
  testing: ['core'],
  service: below,
  cli: [...below, 'service'],
};

function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\//.exec(path)?.[1];
}

/** The package that a bare specifier names, and the path inside it; undefined for packages that are not ours. */
function ourPackage(specifier: string): { name: string; inside: string } | undefined {
  const scoped = /^@holdfast\/([^/]+)(.*)$/.exec(specifier);
  if (scoped !== null) return { name: scoped[1] ?? '', inside: scoped[2] ?? '' };
  const cli = /^holdfast(\/.*)?$/.exec(specifier);
  return cli === null ? undefined : { name: 'cli', inside: cli[1] ?? '' };
}

/** What is wrong with the file at `path` importing `specifier`; undefined when nothing is. */
export function wrongImport(path: string, specifier: string): string | undefined {
  const home = packageOf(path);
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(path), specifier);
    if (home === undefined || packageOf(target) === home) return undefined;
    return `${specifier} leaves packages/${home}: import the other package by its name`;
  }
  const target = ourPackage(specifier);
  if (target === undefined) return undefined;
  if (/^\/src\b/.test(target.inside)) {
    return `${specifier} reaches behind the entry points of its package: export what is needed`;
  }
  if (home === undefined || home === target.name) return undefined;
  const allowed = arrows[home];
  if (allowed === undefined) return `packages/${home} is unknown: say in import-rule.ts what it may import`;
  // The core is tested with nothing but itself; all others may test with the shared fakes and contracts.
  if (
    allowed.includes(target.name) ||
    (isOutsideProduct(path) && target.name === 'testing' && home !== 'core')
  ) {
    return undefined;
  }
  const may = allowed.length === 0 ? 'no other package' : `only ${allowed.join(', ')}`;
  return `packages/${home} may import ${may}, not ${specifier}`;
}
