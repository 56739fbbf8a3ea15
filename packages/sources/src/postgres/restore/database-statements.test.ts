import { describe, expect, it } from 'vitest';
import { databaseStatements, parseAclItem, splitList, wantedDatabase } from './database-statements.ts';

const plain = { owner: undefined, acl: undefined, comment: undefined, connectionLimit: -1, settings: [] };
const texts = (wanted: typeof plain | Parameters<typeof databaseStatements>[1]): string[] =>
  databaseStatements('a"b', wanted).map((each) => each.text);

describe('the properties of a database', () => {
  it('are those of a new one when the backup names none', () => {
    expect(texts(plain)).toEqual([
      'GRANT CONNECT, TEMPORARY ON DATABASE "a""b" TO PUBLIC',
      'ALTER DATABASE "a""b" CONNECTION LIMIT -1',
      'COMMENT ON DATABASE "a""b" IS NULL',
    ]);
  });

  it('are set with the owner first and the comment last', () => {
    const made = texts({
      owner: 'app',
      acl: ['=T/app', 'app=CTc/app', '"odd ""r"=c*/app'],
      comment: "the shop's",
      connectionLimit: 7,
      settings: [
        { role: undefined, name: 'search_path', value: '"$user", "Odd, one", public' },
        { role: 'app', name: 'my.thing', value: "it's" },
      ],
    });
    expect(made).toEqual([
      'ALTER DATABASE "a""b" OWNER TO "app"',
      [
        'REVOKE ALL ON DATABASE "a""b" FROM PUBLIC',
        'GRANT TEMPORARY ON DATABASE "a""b" TO PUBLIC',
        'GRANT CREATE, TEMPORARY, CONNECT ON DATABASE "a""b" TO "app"',
        'GRANT CONNECT ON DATABASE "a""b" TO "odd ""r" WITH GRANT OPTION',
      ].join(';\n'),
      'ALTER DATABASE "a""b" CONNECTION LIMIT 7',
      `ALTER DATABASE "a""b" SET "search_path" TO '$user', 'Odd, one', 'public'`,
      `ALTER ROLE "app" IN DATABASE "a""b" SET "my"."thing" TO 'it''s'`,
      `COMMENT ON DATABASE "a""b" IS 'the shop''s'`,
    ]);
  });

  it('without owners keep those whom the empty database was given to', () => {
    const properties = {
      ...plain,
      owner: 'app',
      acl: ['=c/app'],
      locale: {} as never,
      tablespace: undefined,
      extensions: [],
      roles: [],
    };
    const wanted = wantedDatabase(properties, { noOwner: true, existing: { owner: 'bob', acl: undefined } });
    expect([wanted.owner, wanted.acl]).toEqual(['bob', undefined]);
    expect(wantedDatabase(properties, { noOwner: true, existing: undefined }).owner).toBeUndefined();
    expect(
      wantedDatabase(properties, { noOwner: false, existing: { owner: 'bob', acl: undefined } }).owner,
    ).toBe('app');
  });
});

describe('lists in settings', () => {
  it('are split at commas outside of quotes', () => {
    expect(splitList('"$user", public')).toEqual(['$user', 'public']);
    expect(splitList('"a""b,c",d')).toEqual(['a"b,c', 'd']);
    expect(splitList('')).toEqual([]);
  });
});

describe('an ACL item', () => {
  it('reads back who may do what', () => {
    expect(parseAclItem('=Tc/"o/x"')).toEqual({
      grantee: '',
      grantor: 'o/x',
      privileges: [
        { name: 'TEMPORARY', grantable: false },
        { name: 'CONNECT', grantable: false },
      ],
    });
  });
});
