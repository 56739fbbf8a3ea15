import type { SchemaStatement } from '@holdfast/core';
import { splitSql } from '../schema/split-sql.ts';
import { parseQualified, patterns, unquoteName } from './identifiers.ts';

/** The statements of a schema in the order of passes in which a restore runs them; inside a pass, as they are stored. */
export interface Passes {
  readonly database: readonly SchemaStatement[];
  readonly preData: readonly SchemaStatement[];
  readonly postData: readonly SchemaStatement[];
  /** After all objects: a default privilege in force earlier would change what the objects after it are given. */
  readonly privileges: readonly SchemaStatement[];
  /** After the privileges, since they run as their owners. */
  readonly refreshes: readonly SchemaStatement[];
  /**
   * Event triggers, which any statement after them would fire, and subscriptions, with which a database cannot be
   * dropped.
   */
  readonly last: readonly SchemaStatement[];
}

export interface PassesFor {
  readonly noOwner: boolean;
  readonly superuser: boolean;
}

export function toPasses(schema: readonly SchemaStatement[], o: PassesFor): Passes {
  const passes = {
    database: [] as SchemaStatement[],
    preData: [] as SchemaStatement[],
    postData: [] as SchemaStatement[],
    privileges: [] as SchemaStatement[],
    refreshes: [] as SchemaStatement[],
    last: [] as SchemaStatement[],
  };
  for (const stored of schema) {
    if (stored.section === 'database') {
      passes.database.push(stored);
      continue;
    }
    if (isLargeObject(stored) || (!o.superuser && isOnExtension(stored))) continue;
    const statement = o.noOwner ? withoutOwner(stored) : stored;
    if (statement === undefined || !hasCommand(statement.text)) continue;
    if (belongsLast(statement)) passes.last.push(statement);
    else if (isPrivilege(statement)) passes.privileges.push(statement);
    else if (statement.type === 'MATERIALIZED VIEW DATA') passes.refreshes.push(statement);
    else if (statement.section === 'pre-data') passes.preData.push(withoutCreatingPublic(statement));
    else passes.postData.push(statement);
  }
  return passes;
}

/** Large objects come with their owners as chunks of their own, not by pg_dump's statements. */
function isLargeObject(statement: SchemaStatement): boolean {
  return statement.type.startsWith('BLOB') || /^LARGE OBJECTS? /.test(statement.name);
}

/**
 * CREATE EXTENSION sets the comment itself, and where an extension belongs to its host (as at many cloud providers),
 * others may not set it again.
 */
function isOnExtension(statement: SchemaStatement): boolean {
  return statement.type === 'COMMENT' && statement.text.trimStart().startsWith('COMMENT ON EXTENSION ');
}

function isPrivilege(statement: SchemaStatement): boolean {
  return statement.type === 'ACL' || statement.type === 'DEFAULT ACL';
}

function belongsLast(statement: SchemaStatement): boolean {
  return (
    statement.type === 'EVENT TRIGGER' ||
    statement.type.startsWith('SUBSCRIPTION') ||
    /^\s*COMMENT ON (?:EVENT TRIGGER|SUBSCRIPTION) /.test(statement.text)
  );
}

/** False for comments only: `-- *not* creating schema, since initdb creates it`. */
function hasCommand(text: string): boolean {
  return withoutSettings(text)
    .split('\n')
    .some((line) => line.trim() !== '' && !line.startsWith('--'));
}

/** A text without the `SET default_tablespace = …;` and the like that stand before an object. */
export function withoutSettings(text: string): string {
  return text.replace(/^(?:\s*SET [a-z_]+ = [^;]*;)+\s*/, '');
}

/** Every new database has a schema `public` already. */
function withoutCreatingPublic(statement: SchemaStatement): SchemaStatement {
  if (statement.type !== 'SCHEMA') return statement;
  const text = statement.text.replace(/^(\s*)CREATE SCHEMA public;/, '$1CREATE SCHEMA IF NOT EXISTS public;');
  return text === statement.text ? statement : { ...statement, text };
}

const ownership = new RegExp(`^ALTER [^]* OWNER TO (${patterns.word});$`, 'u');

/** pg_dump sets an object's owner by the last statement of its text. */
function findOwnership(text: string): { readonly at: number; readonly owner: string } | undefined {
  if (!/ OWNER TO [^;]*;\s*$/.test(text)) return undefined;
  const last = [...splitSql(text)].at(-1);
  const owner = last?.kind === 'statement' ? ownership.exec(last.text)?.[1] : undefined;
  if (last === undefined || owner === undefined) return undefined;
  return { at: text.lastIndexOf(last.text), owner: unquoteName(owner) };
}

/** The role that a statement makes the owner of its object. */
export function ownerOf(statement: SchemaStatement): string | undefined {
  return findOwnership(statement.text)?.owner;
}

/** The statement as `--no-owner` wants it; undefined when nothing of it is left. */
export function withoutOwner(statement: SchemaStatement): SchemaStatement | undefined {
  if (isPrivilege(statement)) return undefined;
  const found = findOwnership(statement.text);
  return found ? { ...statement, text: statement.text.slice(0, found.at) } : statement;
}

const policy = new RegExp(
  `^\\s*CREATE POLICY ${patterns.word} ON ${patterns.qualified}(?: AS RESTRICTIVE)?(?: FOR [A-Z]+)? TO (${patterns.word}(?:, ${patterns.word})*)`,
  'u',
);
const mapping = new RegExp(`^\\s*CREATE USER MAPPING FOR (${patterns.word}) SERVER `, 'u');
const pseudoRoles = new Set(['public', 'current_user', 'session_user', 'current_role']);

/** Roles without which a statement cannot run, whoever is to own what. */
export function rolesUsed(statement: SchemaStatement): readonly string[] {
  const list =
    statement.type === 'POLICY' ? policy.exec(statement.text)?.[1] : mapping.exec(statement.text)?.[1];
  if (list === undefined) return [];
  return parseQualified(list).filter((name) => !pseudoRoles.has(name.toLowerCase()));
}

/** `SET default_tablespace = fast;` stands before the objects that are kept there. */
export function tablespacesUsed(statement: SchemaStatement): readonly string[] {
  const found = statement.text.matchAll(new RegExp(`^SET default_tablespace = (${patterns.word});`, 'gmu'));
  return [...found].map(([, name]) => unquoteName(name as string)).filter((name) => name !== "''");
}
