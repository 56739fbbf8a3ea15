import { describe, expect, it } from 'vitest';
import { readProperties } from './database-properties.ts';

describe('what a backup says of its database', () => {
  it('is read from the rows of section database', () => {
    const row = (type: string, text: string, name = '') => ({
      section: 'database' as const,
      type,
      name,
      text,
    });
    const properties = readProperties([
      row('ENCODING', 'LATIN1'),
      row('COLLATE', 'de_DE'),
      row('CTYPE', 'C'),
      row('LOCALE PROVIDER', 'icu'),
      row('LOCALE', 'de'),
      row('TABLESPACE', 'pg_default'),
      row('OWNER', 'app'),
      row('ACL', '["=c/app"]'),
      row('SETTING', '8MB', 'work_mem'),
      row('ROLE SETTING', 'my.x=a=b', 'app'),
      row('EXTENSION', '1.8', 'hstore'),
      row('EXTENSION', '1.0', 'plpgsql'),
      row('ROLE', '', 'app'),
    ]);
    expect(properties).toEqual({
      locale: {
        encoding: 'LATIN1',
        collate: 'de_DE',
        ctype: 'C',
        provider: 'icu',
        locale: 'de',
        icuRules: undefined,
      },
      tablespace: undefined,
      owner: 'app',
      comment: undefined,
      acl: ['=c/app'],
      connectionLimit: -1,
      settings: [
        { role: undefined, name: 'work_mem', value: '8MB' },
        { role: 'app', name: 'my.x', value: 'a=b' },
      ],
      extensions: [{ name: 'hstore', version: '1.8' }],
      roles: ['app'],
    });
  });
});
