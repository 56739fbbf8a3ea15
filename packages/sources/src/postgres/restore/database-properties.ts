import type { SchemaStatement } from '@holdfast/core';
import type { DatabaseRowType } from '../schema/database-rows.ts';
import type { WantedExtension } from './requirements.ts';
import type { DatabaseLocale } from './temporary-database.ts';

/** What a backup says of the database itself, which no statement of pg_dump makes. */
export interface DatabaseProperties {
  readonly locale: DatabaseLocale;
  /** Undefined: the server's default. */
  readonly tablespace: string | undefined;
  readonly owner: string | undefined;
  readonly comment: string | undefined;
  /** Undefined: as CREATE DATABASE grants. */
  readonly acl: readonly string[] | undefined;
  readonly connectionLimit: number;
  readonly settings: readonly DatabaseSetting[];
  readonly extensions: readonly WantedExtension[];
  /** All that own something, are granted something, or are named by a policy. */
  readonly roles: readonly string[];
}

export interface DatabaseSetting {
  /** Undefined: for all roles. */
  readonly role: string | undefined;
  readonly name: string;
  readonly value: string;
}

/** Reads the rows of section `database`, which `schema/database-rows.ts` describes. */
export function readProperties(schema: readonly SchemaStatement[]): DatabaseProperties {
  const rows = schema.filter((row) => row.section === 'database');
  const all = (type: DatabaseRowType): SchemaStatement[] => rows.filter((row) => row.type === type);
  const one = (type: DatabaseRowType): string | undefined => all(type)[0]?.text;
  const provider = one('LOCALE PROVIDER');
  const tablespace = one('TABLESPACE');
  const acl = one('ACL');
  return {
    locale: {
      encoding: one('ENCODING') ?? 'UTF8',
      collate: one('COLLATE') ?? 'C',
      ctype: one('CTYPE') ?? 'C',
      provider: provider === 'icu' || provider === 'builtin' ? provider : 'libc',
      locale: one('LOCALE'),
      icuRules: one('ICU RULES'),
    },
    // Every server has pg_default, but an administrator may have made another one the default of its databases.
    tablespace: tablespace === 'pg_default' ? undefined : tablespace,
    owner: one('OWNER'),
    comment: one('COMMENT'),
    acl: acl === undefined ? undefined : (JSON.parse(acl) as string[]),
    connectionLimit: Number(one('CONNECTION LIMIT') ?? -1),
    settings: [
      ...all('SETTING').map((row) => ({ role: undefined, name: row.name, value: row.text })),
      ...all('ROLE SETTING').map((row) => {
        const equals = row.text.indexOf('=');
        return { role: row.name, name: row.text.slice(0, equals), value: row.text.slice(equals + 1) };
      }),
    ],
    extensions: all('EXTENSION')
      .filter((row) => row.name !== 'plpgsql')
      .map((row) => ({ name: row.name, version: row.text })),
    roles: all('ROLE').map((row) => row.name),
  };
}
