import type { SchemaStatement } from '@holdfast/core';
import { parseQualified, patterns } from './identifiers.ts';
import { withoutSettings } from './statements.ts';

/** One statement of `finish` and what it needs for itself while it runs. */
export interface Step {
  /** Its place in the schema's post-data: what the journal remembers. */
  readonly number: number;
  readonly statement: SchemaStatement;
  readonly locks: readonly Lock[];
}

export interface Lock {
  /** `["public","orders"]` as JSON. */
  readonly relation: string;
  /** `shared` goes along with `shared`: several CREATE INDEX on one table. */
  readonly mode: 'shared' | 'exclusive';
}

export interface Group {
  /** Of progress: what is being done. */
  readonly what: string;
  /** Whether its steps may run side by side, in any order; else one after the other. */
  readonly parallel: boolean;
  readonly steps: readonly Step[];
}

/**
 * Indexes first, since all that is slow after them is quick by them; then foreign keys; then what costs nothing, as
 * pg_dump ordered it. An object that pg_dump moved behind a constraint because it needs it (a view that groups by a
 * primary key) divides the builds: those stored after it may need it in turn.
 */
export function planFinish(postData: readonly SchemaStatement[]): readonly Group[] {
  const groups: Group[] = [];
  let builds: Step[] = [];
  const attachments: Step[] = [];
  const checks: Step[] = [];
  const rest: Step[] = [];
  const closeBuilds = (): void => {
    if (builds.length > 0) groups.push({ what: 'indexes', parallel: true, steps: builds });
    builds = [];
  };
  for (const [number, statement] of postData.entries()) {
    const step = { number, statement, locks: locksOf(statement) };
    switch (kindOf(statement)) {
      case 'build':
        builds.push(step);
        break;
      case 'barrier':
        closeBuilds();
        groups.push({ what: 'objects', parallel: false, steps: [step] });
        break;
      case 'attachment':
        attachments.push(step);
        break;
      case 'check':
        checks.push(step);
        break;
      case 'rest':
        rest.push(step);
    }
  }
  closeBuilds();
  const last = [
    { what: 'indexes of partitioned tables', parallel: false, steps: attachments },
    { what: 'foreign keys', parallel: true, steps: checks },
    { what: 'triggers, rules, policies, comments', parallel: false, steps: rest },
  ];
  return [...groups, ...last.filter((group) => group.steps.length > 0)];
}

function kindOf(statement: SchemaStatement): 'build' | 'attachment' | 'check' | 'barrier' | 'rest' {
  switch (statement.type) {
    case 'CONSTRAINT':
    case 'INDEX':
      return 'build';
    case 'INDEX ATTACH':
      return 'attachment';
    case 'FK CONSTRAINT':
    case 'CHECK CONSTRAINT':
      return 'check';
    case 'RULE':
      // A view whose real definition had to wait for a primary key.
      return /^\s*CREATE OR REPLACE VIEW /.test(statement.text) ? 'barrier' : 'rest';
    case 'AGGREGATE':
    case 'FUNCTION':
    case 'MATERIALIZED VIEW':
    case 'PROCEDURE':
    case 'TABLE':
    case 'VIEW':
      return 'barrier';
    default:
      return 'rest';
  }
}

const altered = new RegExp(
  `^\\s*ALTER (?:FOREIGN TABLE|TABLE|DOMAIN) (?:ONLY )?(${patterns.qualified})`,
  'u',
);
const indexed = new RegExp(
  `^\\s*CREATE (?:UNIQUE )?INDEX ${patterns.word} ON (?:ONLY )?(${patterns.qualified}) USING `,
  'u',
);
const referenced = new RegExp(` REFERENCES (${patterns.qualified})\\(`, 'gu');

/**
 * Which relations a statement of a parallel group locks. Two that exclude each other would not fail, they would wait
 * for each other at the server, with a connection that could do something else, or end in a deadlock.
 */
function locksOf(statement: SchemaStatement): readonly Lock[] {
  const text = withoutSettings(statement.text);
  const index = indexed.exec(text)?.[1];
  if (index !== undefined) {
    // `ALTER TABLE … CLUSTER ON` or `REPLICA IDENTITY` in the same text needs more than CREATE INDEX.
    return [{ relation: keyOf(index), mode: /;\s*\S/.test(text) ? 'exclusive' : 'shared' }];
  }
  const table = altered.exec(text)?.[1];
  const relations = new Set(table === undefined ? [] : [keyOf(table)]);
  if (statement.type === 'FK CONSTRAINT') {
    for (const [, name] of text.matchAll(referenced)) relations.add(keyOf(name as string));
  }
  return [...relations].map((relation) => ({ relation, mode: 'exclusive' as const }));
}

/** How a relation is named in locks and in sizes. */
export function relationKey(schema: string, name: string): string {
  return JSON.stringify([schema, name]);
}

function keyOf(text: string): string {
  return JSON.stringify(parseQualified(text));
}
