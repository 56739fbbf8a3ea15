// The rules of this repository that no linter knows. Prints each finding as `file:line: rule: what to do` and ends
// with 1 when there is any.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkCode } from './rules/code-rules.ts';
import { checkFile } from './rules/file-rules.ts';
import type { Finding, RepositoryFile } from './rules/finding.ts';

const listBytesMax = 16 * 1024 * 1024;

/** All rules on all files; knows nothing of the disk. */
export function checkFiles(files: readonly RepositoryFile[]): Finding[] {
  return files.flatMap((file) => [...checkFile(file), ...checkCode(file)]);
}

/** The text files that git knows or would add: what is ignored is nobody's work. */
async function repositoryFiles(root: string): Promise<RepositoryFile[]> {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'];
  const { stdout } = await promisify(execFile)('git', list, { cwd: root, maxBuffer: listBytesMax });
  const files: RepositoryFile[] = [];
  for (const path of stdout.split('\0').filter((name) => name !== '')) {
    // A file that was deleted and not yet committed is still listed; a link to a folder cannot be read.
    const bytes = await readFile(join(root, path)).catch(() => undefined);
    if (bytes !== undefined && !bytes.subarray(0, 8_000).includes(0))
      files.push({ path, text: bytes.toString() });
  }
  return files;
}

async function main(): Promise<number> {
  const files = await repositoryFiles(join(import.meta.dirname, '..'));
  const findings = checkFiles(files);
  for (const { path, line, rule, message } of findings) console.log(`${path}:${line}: ${rule}: ${message}`);
  console.log(`${files.length} files, ${findings.length} findings`);
  return findings.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
