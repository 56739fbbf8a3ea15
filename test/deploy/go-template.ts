import { createHash } from 'node:crypto';
import { stringify } from 'yaml';

/**
 * What Holdfast's chart uses of Go's templates, and nothing else: what is not known here, or not there, is an error,
 * where Helm would print nothing.
 */
export class GoTemplates {
  readonly #templates = new Map<string, readonly TemplateNode[]>();

  /** Reads a file: its own text under its name, and what it defines. */
  add(name: string, text: string): void {
    const parser = new Parser(name, text, this.#templates);
    this.#templates.set(name, parser.parse());
  }

  /** @throws Error with the name of the template that is wrong */
  render(name: string, dot: unknown): string {
    const nodes = this.#templates.get(name);
    if (nodes === undefined) throw new Error(`there is no template ${name}`);
    try {
      return this.#nodes(nodes, { dot, variables: new Map([['$', dot]]) });
    } catch (cause) {
      throw new Error(`${name}: ${(cause as Error).message}`, { cause });
    }
  }

  #nodes(nodes: readonly TemplateNode[], scope: Scope): string {
    return nodes.map((node) => this.#node(node, scope)).join('');
  }

  #node(node: TemplateNode, scope: Scope): string {
    if (node.kind === 'text') return node.text;
    const value = this.#value(node.pipeline, scope);
    if (node.kind === 'output') {
      if (typeof value === 'object') throw new Error(`prints ${JSON.stringify(value)}, which is no text`);
      return String(value);
    }
    if (node.kind === 'range') return this.#range(node, value as readonly unknown[], scope);
    if (!isTrue(value)) return this.#nodes(node.otherwise, scope);
    return this.#nodes(node.body, node.kind === 'with' ? { ...scope, dot: value } : scope);
  }

  #range({ body, names }: BlockNode, items: readonly unknown[], scope: Scope): string {
    if (!Array.isArray(items)) throw new Error('range is over a list here');
    return items
      .map((item, index) => {
        const values = names.length === 1 ? [item] : [index, item];
        const own = names.map((name, at): [string, unknown] => [name, values[at]]);
        return this.#nodes(body, { dot: item, variables: new Map([...scope.variables, ...own]) });
      })
      .join('');
  }

  #value(pipeline: Pipeline, scope: Scope): unknown {
    let piped: readonly unknown[] = [];
    for (const [first, ...rest] of pipeline) {
      if (first === undefined) throw new Error('a pipeline has nothing between two bars');
      const values = [...rest.map((each) => this.#operand(each, scope)), ...piped];
      if (first.kind !== 'function' && values.length > 0) throw new Error('what is called is no function');
      piped = [first.kind === 'function' ? this.#call(first.name, values) : this.#operand(first, scope)];
    }
    return piped[0];
  }

  #operand(operand: Operand, scope: Scope): unknown {
    switch (operand.kind) {
      case 'literal':
        return operand.value;
      case 'pipeline':
        return this.#value(operand.pipeline, scope);
      case 'function':
        return this.#call(operand.name, []);
      case 'path': {
        let value = operand.from === '.' ? scope.dot : scope.variables.get(operand.from);
        for (const field of operand.fields) {
          if (typeof value !== 'object' || value === null || !Object.hasOwn(value, field))
            throw new Error(`${operand.from}${operand.fields.join('.')}: there is no ${field}`);
          value = (value as Record<string, unknown>)[field];
        }
        return value;
      }
    }
  }

  #call(name: string, values: readonly unknown[]): unknown {
    const [first, second] = values;
    if (name === 'include') return this.render(String(first), second);
    const found = functions[name];
    if (found === undefined) throw new Error(`the function ${name} is not known here`);
    return found(...values);
  }
}

const indented = (spaces: unknown, text: unknown): string =>
  String(text).replace(/^/gm, ' '.repeat(Number(spaces)));

const functions: Readonly<Record<string, (...values: readonly unknown[]) => unknown>> = {
  and: (...values) => values.find((value) => !isTrue(value)) ?? values.at(-1),
  default: (otherwise, value) => (isTrue(value) ? value : otherwise),
  fail: (message) => {
    throw new Error(String(message));
  },
  gt: (left, right) => Number(left) > Number(right),
  int: (value) => Math.trunc(Number(value)),
  nindent: (spaces, text) => `\n${indented(spaces, text)}`,
  not: (value) => !isTrue(value),
  print: (...values) => values.join(''),
  quote: (value) => JSON.stringify(String(value)),
  sha256sum: (text) => createHash('sha256').update(String(text)).digest('hex'),
  toYaml: (value) =>
    stringify(value, { version: '1.1', lineWidth: 0, sortMapEntries: true, blockQuote: 'literal' }).trimEnd(),
  until: (count) => Array.from({ length: Number(count) }, (_, index) => index),
};

function isTrue(value: unknown): boolean {
  return typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : Boolean(value);
}

interface Scope {
  readonly dot: unknown;
  readonly variables: ReadonlyMap<string, unknown>;
}

type Operand =
  | { readonly kind: 'literal'; readonly value: string | number }
  | { readonly kind: 'path'; readonly from: string; readonly fields: readonly string[] }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'pipeline'; readonly pipeline: Pipeline };

/** Commands, each a function with its arguments, or one value. */
type Pipeline = readonly (readonly Operand[])[];

interface BlockNode {
  readonly kind: 'if' | 'with' | 'range';
  readonly pipeline: Pipeline;
  readonly names: readonly string[];
  readonly body: readonly TemplateNode[];
  readonly otherwise: readonly TemplateNode[];
}

type TemplateNode =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output'; readonly pipeline: Pipeline }
  | BlockNode;

class Parser {
  readonly #name: string;
  readonly #defined: Map<string, readonly TemplateNode[]>;
  /** Text and, at odd places, what is between braces. */
  readonly #parts: string[];
  #at = 0;

  constructor(name: string, text: string, defined: Map<string, readonly TemplateNode[]>) {
    this.#name = name;
    this.#defined = defined;
    this.#parts = text
      .replace(/\s*\{\{- /g, '{{ ')
      .replace(/ -\}\}\s*/g, ' }}')
      .split(/\{\{(.*?)\}\}/s);
  }

  parse(): readonly TemplateNode[] {
    const { nodes, end } = this.#until([]);
    if (end !== undefined) throw new Error(`${this.#name}: ${end} without a beginning`);
    return nodes;
  }

  #until(ends: readonly string[]): { readonly nodes: readonly TemplateNode[]; readonly end?: string } {
    const nodes: TemplateNode[] = [];
    while (this.#at < this.#parts.length) {
      const part = this.#parts[this.#at] ?? '';
      this.#at += 1;
      if (this.#at % 2 === 1) {
        if (part !== '') nodes.push({ kind: 'text', text: part });
        continue;
      }
      const action = part.trim();
      if (ends.includes(action)) return { nodes, end: action };
      const node = this.#action(action);
      if (node) nodes.push(node);
    }
    if (ends.length > 0) throw new Error(`${this.#name}: ${ends.join(' or ')} is missing`);
    return { nodes };
  }

  #action(action: string): TemplateNode | undefined {
    if (action.startsWith('/*')) return undefined;
    const [, word = '', rest = ''] = /^(define|if|with|range|else|end)\b\s*(.*)$/s.exec(action) ?? [];
    switch (word) {
      case 'define':
        this.#defined.set(JSON.parse(rest), this.#until(['end']).nodes);
        return undefined;
      case 'if':
      case 'with':
      case 'range': {
        const [, names = '', pipeline = rest] = /^([$\w, ]+?)\s*:=\s*(.*)$/s.exec(rest) ?? [];
        const { nodes: body, end } = this.#until(['else', 'end']);
        return {
          kind: word,
          pipeline: this.#pipeline(pipeline),
          names: names.split(/,\s*/).filter((name) => name !== ''),
          body,
          otherwise: end === 'else' ? this.#until(['end']).nodes : [],
        };
      }
      case '':
        return { kind: 'output', pipeline: this.#pipeline(action) };
      default:
        throw new Error(`${this.#name}: {{ ${action} }} is not understood here`);
    }
  }

  #pipeline(text: string): Pipeline {
    const tokens = text.match(/"(?:[^"\\]|\\.)*"|[()|]|[^\s()|]+/g) ?? [];
    const read = (): Pipeline => {
      const commands: Operand[][] = [[]];
      for (let token = tokens.shift(); token !== undefined && token !== ')'; token = tokens.shift()) {
        if (token === '|') commands.push([]);
        else commands.at(-1)?.push(token === '(' ? { kind: 'pipeline', pipeline: read() } : operandOf(token));
      }
      return commands;
    };
    return read();
  }
}

function operandOf(token: string): Operand {
  if (token.startsWith('"')) return { kind: 'literal', value: JSON.parse(token) as string };
  if (/^\d+$/.test(token)) return { kind: 'literal', value: Number(token) };
  const [, from, path = ''] = /^(\$\w*|(?=\.))((?:\.\w*)*)$/.exec(token) ?? [];
  if (from === undefined) return { kind: 'function', name: token };
  const fields = path.split('.').filter((field) => field !== '');
  return { kind: 'path', from: from === '' ? '.' : from, fields };
}
