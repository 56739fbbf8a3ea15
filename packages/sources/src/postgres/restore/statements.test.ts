import type { SchemaStatement } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { ownerOf, rolesUsed, tablespacesUsed, toPasses, withoutOwner } from './statements.ts';

function statement(
  type: string,
  text: string,
  section: SchemaStatement['section'] = 'pre-data',
): SchemaStatement {
  return { section, type, name: 'it', text };
}

describe('owners', () => {
  it('are found in the last statement of a text', () => {
    expect(ownerOf(statement('TABLE', 'CREATE TABLE a.t ();\n\n\nALTER TABLE a.t OWNER TO app;\n'))).toBe(
      'app',
    );
    expect(
      ownerOf(statement('TABLE', 'CREATE TABLE a.t ();\n\nALTER TABLE a.t OWNER TO "odd "" role";')),
    ).toBe('odd " role');
    expect(
      ownerOf(
        statement(
          'OPERATOR',
          'CREATE OPERATOR a.+ ();\n\n\nALTER OPERATOR a.+ (integer, "x;y") OWNER TO app;',
        ),
      ),
    ).toBe('app');
    expect(ownerOf(statement('TABLE', 'CREATE TABLE a.t ();'))).toBeUndefined();
  });

  it('are not looked for inside of a function', () => {
    const text = 'CREATE FUNCTION f() AS $$\nALTER TABLE x OWNER TO y;\n$$;\n';
    expect(ownerOf(statement('FUNCTION', text))).toBeUndefined();
    expect(withoutOwner(statement('FUNCTION', `${text}\nALTER FUNCTION f() OWNER TO z;\n`))?.text).toBe(
      `${text}\n`,
    );
  });

  it('go away when they are not wanted, and privileges with them', () => {
    expect(withoutOwner(statement('TABLE', 'CREATE TABLE t ();\nALTER TABLE t OWNER TO app;'))?.text).toBe(
      'CREATE TABLE t ();\n',
    );
    expect(withoutOwner(statement('ACL', 'GRANT SELECT ON TABLE t TO app;'))).toBeUndefined();
    expect(withoutOwner(statement('DEFAULT ACL', 'ALTER DEFAULT PRIVILEGES …'))).toBeUndefined();
  });
});

describe('roles that a statement cannot do without', () => {
  it('are those of policies and user mappings', () => {
    expect(
      rolesUsed(statement('POLICY', 'CREATE POLICY p ON a.t TO app, "odd role" USING ((id > 0));')),
    ).toEqual(['app', 'odd role']);
    expect(
      rolesUsed(statement('POLICY', 'CREATE POLICY p ON a.t AS RESTRICTIVE FOR SELECT TO app USING (true);')),
    ).toEqual(['app']);
    expect(rolesUsed(statement('POLICY', "CREATE POLICY p ON a.t USING ((x = ' TO app'::text));"))).toEqual(
      [],
    );
    expect(
      rolesUsed(statement('USER MAPPING', "CREATE USER MAPPING FOR bob SERVER far OPTIONS (x 'y');")),
    ).toEqual(['bob']);
    expect(rolesUsed(statement('USER MAPPING', 'CREATE USER MAPPING FOR PUBLIC SERVER far;'))).toEqual([]);
  });
});

describe('tablespaces', () => {
  it('are read from the settings before an object', () => {
    expect(
      tablespacesUsed(statement('TABLE', 'SET default_tablespace = fast;\n\nCREATE TABLE t ();')),
    ).toEqual(['fast']);
    expect(tablespacesUsed(statement('TABLE', "SET default_tablespace = '';\n\nCREATE TABLE t ();"))).toEqual(
      [],
    );
  });
});

describe('passes', () => {
  const table = statement('TABLE', 'CREATE TABLE t ();\nALTER TABLE t OWNER TO app;');
  const grant = statement('ACL', 'GRANT SELECT ON TABLE t TO app;');
  const index = statement('INDEX', 'CREATE INDEX i ON t USING btree (a);', 'post-data');
  const refresh = statement('MATERIALIZED VIEW DATA', 'REFRESH MATERIALIZED VIEW m;', 'post-data');
  const trigger = statement('EVENT TRIGGER', 'CREATE EVENT TRIGGER e …;', 'post-data');
  const comment = statement('COMMENT', "COMMENT ON EVENT TRIGGER e IS 'x';", 'post-data');
  const all = [table, grant, trigger, comment, refresh, index];

  it('put privileges after the objects, refreshes after the privileges and event triggers last', () => {
    const passes = toPasses(all, { noOwner: false, superuser: true });
    expect(passes.preData).toEqual([table]);
    expect(passes.postData).toEqual([index]);
    expect(passes.privileges).toEqual([grant]);
    expect(passes.refreshes).toEqual([refresh]);
    expect(passes.last).toEqual([trigger, comment]);
  });

  it('know no owner and no privilege when those are not wanted', () => {
    const passes = toPasses(all, { noOwner: true, superuser: true });
    expect(passes.preData.map((each) => each.text)).toEqual(['CREATE TABLE t ();\n']);
    expect(passes.privileges).toEqual([]);
  });

  it('leave the comments of extensions to CREATE EXTENSION, unless for a superuser', () => {
    const remark = statement('COMMENT', "COMMENT ON EXTENSION hstore IS 'x';");
    expect(toPasses([remark], { noOwner: false, superuser: false }).preData).toEqual([]);
    expect(toPasses([remark], { noOwner: false, superuser: true }).preData).toEqual([remark]);
  });

  it('take the schema public as it is there already, and leave out what is only a comment', () => {
    const mine = statement('SCHEMA', 'CREATE SCHEMA public;\n\n\nALTER SCHEMA public OWNER TO app;');
    const none = statement('SCHEMA', '-- *not* creating schema, since initdb creates it\n\n');
    expect(
      toPasses([mine, none], { noOwner: false, superuser: true }).preData.map((each) => each.text),
    ).toEqual(['CREATE SCHEMA IF NOT EXISTS public;\n\n\nALTER SCHEMA public OWNER TO app;']);
  });
});
