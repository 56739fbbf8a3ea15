import { dottedName, isNode, type SyntaxNode } from './syntax-tree.ts';

const suites = /^(it|test|describe|suite)\b/;
const leftOut = /\.(skip|only|todo|skipIf|runIf)\b/;
const leavingOut = new Set(['skip', 'only', 'todo']);

/** The name of a `skip`, `only` or `todo` among the options of `it('…', { … }, …)`. */
function leavingOutOption(call: SyntaxNode): string | undefined {
  for (const argument of call.arguments as unknown[]) {
    if (!isNode(argument) || argument.type !== 'ObjectExpression') continue;
    for (const property of argument.properties as unknown[]) {
      const name = isNode(property) && isNode(property.key) ? property.key.name : undefined;
      if (typeof name === 'string' && leavingOut.has(name)) return name;
    }
  }
  return undefined;
}

/** How this node keeps tests from running; undefined when it does not. */
export function leftOutTest(node: SyntaxNode): string | undefined {
  if (node.type === 'MemberExpression') {
    const name = dottedName(node) ?? '';
    // The innermost of `it.skip.each` only, so that one place is one finding.
    return suites.test(name) && leftOut.test(name) && !leftOut.test(dottedName(node.object) ?? '')
      ? name
      : undefined;
  }
  if (node.type !== 'CallExpression') return undefined;
  const called = dottedName(node.callee) ?? '';
  if (suites.test(called)) return leavingOutOption(node);
  // A test's context can skip as well: `({ skip }) => …` calls it bare, `context.skip()` by name.
  return /(^|\.)(skip|only|todo)$/.test(called) ? called : undefined;
}
