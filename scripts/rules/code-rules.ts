import { clockUse } from './clock-rule.ts';
import { type Finding, isCode, isOutsideProduct, isTest, lineAt, type RepositoryFile } from './finding.ts';
import { wrongImport } from './import-rule.ts';
import {
  dottedName,
  importedModule,
  isNode,
  parse,
  type SyntaxNode,
  type Visit,
  walk,
} from './syntax-tree.ts';
import { leftOutTest } from './test-rule.ts';

/** The one file that may ask the machine for the time. */
const clockFile = 'packages/core/src/system-clock.ts';

/** Tools that accept their configuration in no other form. */
const defaultExportsAllowed = ['vitest.config.ts'];

function isDefaultExport(node: SyntaxNode): boolean {
  if (node.type === 'ExportDefaultDeclaration') return true;
  return node.type === 'ExportSpecifier' && isNode(node.exported) && node.exported.name === 'default';
}

function* judge(path: string, visit: Visit): Generator<Omit<Finding, 'path' | 'line'>> {
  const { node } = visit;
  const clock = isOutsideProduct(path) || path === clockFile ? undefined : clockUse(visit, dottedName(node));
  if (clock !== undefined)
    yield { rule: 'clock', message: `${clock} is for ${clockFile} alone: take a Clock` };
  if (isDefaultExport(node) && !defaultExportsAllowed.includes(path)) {
    yield { rule: 'default-export', message: 'export it by name' };
  }
  const leftOut = isTest(path) ? leftOutTest(node) : undefined;
  if (leftOut !== undefined)
    yield { rule: 'left-out-test', message: `${leftOut}: every test runs, everywhere` };
  const specifier = importedModule(node);
  const wrong = specifier === undefined ? undefined : wrongImport(path, specifier);
  if (wrong !== undefined) yield { rule: 'import', message: wrong };
}

/** Rules about what the code says, judged on its syntax tree: words in comments and strings do not count. */
export function checkCode(file: RepositoryFile): Finding[] {
  const { path, text } = file;
  // AssemblyScript is another language, in which functions have decorators.
  if (!isCode(path) || path.includes('/assembly/')) return [];
  let root: SyntaxNode;
  try {
    root = parse(file);
  } catch (error) {
    return [{ path, line: 1, rule: 'syntax', message: String(error).replaceAll(/\s+/g, ' ') }];
  }
  const findings: Finding[] = [];
  for (const visit of walk({ node: root, parent: undefined, key: '' })) {
    for (const found of judge(path, visit))
      findings.push({ path, line: lineAt(text, visit.node.start), ...found });
  }
  return findings;
}
