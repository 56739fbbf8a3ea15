import { parseAst } from 'vitest/node';
import type { RepositoryFile } from './finding.ts';

/** A node of the ESTree that the parser makes, as far as the rules look at it. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

export interface Visit {
  readonly node: SyntaxNode;
  readonly parent: SyntaxNode | undefined;
  /** The property of the parent that holds the node. */
  readonly key: string;
}

export function isNode(value: unknown): value is SyntaxNode {
  return (
    typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'
  );
}

/** TypeScript's own nodes that hold an expression; all its others are types, which do nothing at run time. */
const expressionWrappers = new Set([
  'TSAsExpression',
  'TSSatisfiesExpression',
  'TSNonNullExpression',
  'TSTypeAssertion',
  'TSInstantiationExpression',
]);

/** Every node that can run, parents before children. */
export function* walk(visit: Visit): Generator<Visit> {
  const { node } = visit;
  yield visit;
  for (const [key, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (!isNode(child)) continue;
      if (child.type.startsWith('TS') && !expressionWrappers.has(child.type)) continue;
      yield* walk({ node: child, parent: node, key });
    }
  }
}

/** The parsed file; throws with the parser's words. */
export function parse(file: RepositoryFile): SyntaxNode {
  const tree: unknown = parseAst(file.text, { lang: file.path.endsWith('ts') ? 'ts' : 'js' });
  if (isNode(tree)) return tree;
  throw new Error('the parser returned something that is not a syntax tree');
}

/** `a.b.c` for a chain of plain property names, without a leading `globalThis`; undefined for anything else. */
export function dottedName(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (expressionWrappers.has(node.type)) return dottedName(node.expression);
  if (node.type === 'Identifier') return String(node.name);
  if (node.type !== 'MemberExpression' || !isNode(node.property)) return undefined;
  const owner = dottedName(node.object);
  const name = node.computed === true ? node.property.value : node.property.name;
  if (owner === undefined || typeof name !== 'string') return undefined;
  return owner === 'globalThis' ? name : `${owner}.${name}`;
}

/** What an import, a re-export, a dynamic import or a `require` names; undefined for every other node. */
export function importedModule(node: SyntaxNode): string | undefined {
  const isRequire = node.type === 'CallExpression' && dottedName(node.callee) === 'require';
  const source = isRequire ? (node.arguments as unknown[])[0] : node.source;
  const imports = ['ImportDeclaration', 'ImportExpression', 'ExportNamedDeclaration', 'ExportAllDeclaration'];
  if (!isRequire && !imports.includes(node.type)) return undefined;
  return isNode(source) && typeof source.value === 'string' ? source.value : undefined;
}
