import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';

/**
 * Makes the TypeScript for etcd's API of `etcd.proto`, with protoc (Debian: protobuf-compiler) and protoc-gen-es. The
 * generated file is committed; `--check` makes it again and exits 1 when the committed one is another.
 */
const root = join(import.meta.dirname, '..');
const folder = join(root, 'packages/stores/src/etcd');
const target = join(folder, 'etcd.generated.ts');
// Enums as objects: type stripping takes no other.
const options = 'target=ts,import_extension=ts,erasable_syntax=true';

async function generate(): Promise<string> {
  const out = await mkdtemp(join(tmpdir(), 'generate-etcd-'));
  try {
    await promisify(execFile)('protoc', [
      `--proto_path=${folder}`,
      `--plugin=protoc-gen-es=${join(root, 'node_modules/.bin/protoc-gen-es')}`,
      `--es_out=${out}`,
      `--es_opt=${options}`,
      'etcd.proto',
    ]);
    return await readFile(join(out, 'etcd_pb.ts'), 'utf8');
  } finally {
    await rm(out, { recursive: true });
  }
}

const text = await generate();
if (process.argv.includes('--check')) {
  const same = (await readFile(target, 'utf8')) === text;
  if (!same) process.stderr.write(`${relative(root, target)} is not what etcd.proto makes: generate it\n`);
  process.exitCode = same ? 0 : 1;
} else {
  await writeFile(target, text);
  console.log(`${relative(root, target)}: ${text.length} characters`);
}
