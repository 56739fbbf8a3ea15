import { type Finding, isCode, isTest, lineAt, type RepositoryFile } from './finding.ts';

const linesMax = 400;

/** Longer files, each with the reason why cutting it up would make it worse. */
export const longFiles: Readonly<Record<string, string>> = {};

const vagueNames = /^(utils?|common|helpers?)$/;

/** Put together here, so that this file does not find itself. */
const unfinished = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME'].join('|')})\\b`);

/** Hosts that packages come from: which mirror a machine uses is its own business, never the repository's. */
const registryHosts = [
  ['registry', 'npmjs'],
  ['registry', 'yarnpkg'],
  ['registry', 'npmmirror'],
  ['npm', 'pkg.github'],
  ['deb', 'debian.org'],
  ['security', 'debian.org'],
  ['archive', 'ubuntu.com'],
  ['ports', 'ubuntu.com'],
  ['files', 'pythonhosted'],
  ['proxy', 'golang.org'],
].map((parts) => parts.join('.'));

const lockFile = 'package-lock.json';
const thirdPartyText = ['LICENSE', lockFile];

/** `resolved` in the lock may name the folders of our own workspaces, nothing else. */
function checkLock({ path, text }: RepositoryFile): Finding[] {
  const { packages = {} } = JSON.parse(text) as {
    packages?: Record<string, { resolved?: string; link?: boolean }>;
  };
  return Object.values(packages)
    .filter(
      ({ resolved, link }) => resolved !== undefined && !(link === true && packages[resolved] !== undefined),
    )
    .map(({ resolved }) => ({
      path,
      line: lineAt(text, text.indexOf(`"resolved": ${JSON.stringify(resolved)}`)),
      rule: 'registry-host',
      message: `"resolved" names ${resolved}: lock again with omit-lockfile-registry-resolved`,
    }));
}

function checkLines({ path, text }: RepositoryFile): Finding[] {
  const findings: Finding[] = [];
  for (const [index, words] of text.split('\n').entries()) {
    const line = index + 1;
    const host = registryHosts.find((name) => words.includes(name));
    if (host !== undefined) {
      findings.push({
        path,
        line,
        rule: 'registry-host',
        message: `${host}: leave the choice of a mirror out`,
      });
    }
    if (!thirdPartyText.includes(path) && unfinished.test(words)) {
      findings.push({ path, line, rule: 'unfinished', message: 'finish it, or describe the limit in words' });
    }
  }
  return findings;
}

function checkName({ path }: RepositoryFile): Finding[] {
  const vague = path.split('/').find((part) => vagueNames.test(part.split('.')[0] ?? ''));
  if (vague === undefined) return [];
  return [
    { path, line: 1, rule: 'vague-name', message: `"${vague}" says nothing: name it after what it does` },
  ];
}

function checkLength({ path, text }: RepositoryFile): Finding[] {
  if (!isCode(path) || isTest(path) || path.startsWith('test/') || path.includes('.generated.')) return [];
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  const excused = longFiles[path] !== undefined;
  if (lines > linesMax && !excused) {
    const message = `${lines} lines are more than ${linesMax}: divide it, or give the reason in file-rules.ts`;
    return [{ path, line: linesMax + 1, rule: 'length', message }];
  }
  if (lines <= linesMax && excused) {
    return [
      { path, line: 1, rule: 'length', message: 'no longer too long: take it off the list in file-rules.ts' },
    ];
  }
  return [];
}

/** Rules about a file as a whole and about its lines, whatever language they are in. */
export function checkFile(file: RepositoryFile): Finding[] {
  return [
    ...checkName(file),
    ...checkLength(file),
    ...checkLines(file),
    ...(file.path === lockFile ? checkLock(file) : []),
  ];
}
