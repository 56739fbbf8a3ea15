import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import asc from 'assemblyscript/asc';

/**
 * Compiles every `assembly/*.as` (AssemblyScript) under packages/ into a TypeScript file beside it that holds the
 * module's bytes, so that whoever imports it needs neither a build step nor I/O. The generated files are committed;
 * `--check` compiles again and exits 1 when one of them is not what its source compiles to.
 *
 * Code that several modules share goes into `assembly/lib/`, which is not compiled by itself.
 */
const root = join(import.meta.dirname, '..');
const flags = [
  '-O3',
  '--enable',
  'simd',
  '--runtime',
  'stub',
  '--use',
  'abort=',
  '--importMemory',
  '--noAssert',
];

async function sources(): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(join(root, 'packages'))) {
    const entries = await readdir(join(root, 'packages', name, 'src'), { recursive: true });
    for (const entry of entries) {
      const path = join('packages', name, 'src', entry);
      const compiled = path.endsWith('.as');
      if (compiled && basename(dirname(path)) === 'assembly') found.push(path);
    }
  }
  return found.sort();
}

async function compile(source: string): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  // Paths relative to the repository, so that the bytes do not depend on where it is checked out.
  const { error, stderr } = await asc.main(
    [source.replace(/\.as$/, '.ts'), '--baseDir', root, ...flags, '--outFile', 'module.wasm'],
    {
      // The compiler knows .ts only; our sources are .as, because what reads every .ts file as TypeScript cannot read them.
      readFile(name: string, base: string) {
        return readFile(join(base, name.replace(/\.ts$/, '.as')), 'utf8').catch(() => null);
      },
      writeFile(_name: string, contents: Uint8Array | string) {
        if (typeof contents !== 'string') bytes = contents;
      },
    },
  );
  if (error || !bytes) throw new Error(`${source}: ${error?.message ?? 'no output'}\n${stderr.toString()}`);
  return bytes;
}

function generated(source: string, bytes: Uint8Array): string {
  const name = basename(source, '.as').replace(/-(\w)/g, (_match, letter: string) => letter.toUpperCase());
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,100}/g) ?? [];
  return [
    `// Generated from ${basename(source)} by scripts/build-wasm.ts. Do not edit.`,
    '',
    `/** ${bytes.length} bytes of WebAssembly, as base64. */`,
    `export const ${name}Wasm =`,
    `${lines.map((line) => `  '${line}'`).join(' +\n')};`,
    '',
  ].join('\n');
}

const check = process.argv.includes('--check');
let stale = 0;
for (const source of await sources()) {
  const bytes = await compile(source);
  const target = join(root, source.replace(/\.as$/, '.wasm.generated.ts'));
  const text = generated(source, bytes);
  const before = await readFile(target, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (before === text) continue;
  if (check) {
    stale += 1;
    process.stderr.write(
      `${relative(root, target)} is not what ${source} compiles to: run \`npm run wasm\`\n`,
    );
  } else {
    await writeFile(target, text);
    console.log(`${relative(root, target)}: ${bytes.length} bytes`);
  }
}
process.exitCode = stale === 0 ? 0 : 1;
