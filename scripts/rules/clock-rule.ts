import { importedModule, isNode, type SyntaxNode, type Visit } from './syntax-tree.ts';

const readings = new Set([
  'Date.now',
  'performance.now',
  'performance.timeOrigin',
  'process.hrtime',
  'Temporal.Now',
  'AbortSignal.timeout',
]);
const timers = new Set(['setTimeout', 'setInterval']);
const modules = /^(node:)?timers(\/promises)?$/;

/** Whether an identifier stands for the global of its name, not for a property, a method or a local declaration. */
function isReference({ parent, key }: Visit): boolean {
  if (parent === undefined) return true;
  if (parent.type === 'MemberExpression') return key !== 'property' || parent.computed === true;
  if (parent.type === 'Property') return key !== 'key' || parent.shorthand === true;
  if (parent.type.endsWith('Definition')) return key !== 'key' || parent.computed === true;
  return !parent.type.endsWith('Specifier');
}

function isNewDateOfNow(node: SyntaxNode): boolean {
  if (!isNode(node.callee) || node.callee.name !== 'Date') return false;
  return (
    node.type === 'CallExpression' || (node.type === 'NewExpression' && (node.arguments as []).length === 0)
  );
}

/** How this node asks the machine for the time or sets a timer; undefined when it does neither. */
export function clockUse(visit: Visit, name: string | undefined): string | undefined {
  const { node } = visit;
  const module = importedModule(node);
  if (module !== undefined && modules.test(module)) return `the module ${module}`;
  if (isNewDateOfNow(node)) return 'the present time as a Date';
  if (name === undefined) return undefined;
  if (node.type === 'MemberExpression') return readings.has(name) || timers.has(name) ? name : undefined;
  return node.type === 'Identifier' && timers.has(name) && isReference(visit) ? name : undefined;
}
