import { describe, expect, test } from 'vitest';
import { azureOptions } from './azure.ts';

const key = '$' + '{env:KEY}';

function urlOf(declared: Readonly<Record<string, unknown>>): string {
  return azureOptions.toUrl(azureOptions.declared.parse(declared));
}

function problemsOf(declared: Readonly<Record<string, unknown>>): readonly string[] {
  const { error } = azureOptions.declared.safeParse(declared);
  return (error?.issues ?? []).map((issue) => `${issue.path.join('.')} ${issue.message}`);
}

describe('a container of Azure, declared by fields', () => {
  test('becomes a URL in which placeholders stay as they are written', () => {
    expect(
      urlOf({ container: 'backups', prefix: 'a b/c', account: 'acct1', accountKey: key, tier: 'Cool' }),
    ).toBe(`azure://backups/a%20b/c?account=acct1&accountKey=${key}&tier=Cool`);
    expect(
      urlOf({
        container: 'backups',
        endpoint: 'https://h:1/acct1',
        identity: 'managed',
        legalHold: true,
        blockSize: 4,
      }),
    ).toBe('azure://backups/?endpoint=https%3A%2F%2Fh%3A1%2Facct1&identity=managed&legalHold=on&blockSize=4');
  });

  test('has its secrets as placeholders only', () => {
    expect(problemsOf({ container: 'backups', account: 'acct1', accountKey: 'c2VjcmV0' })).toEqual([
      expect.stringContaining('accountKey expected a placeholder'),
    ]);
  });

  test('names an account, and at most one way to be let in', () => {
    expect(problemsOf({ container: 'backups' })).toEqual([expect.stringContaining('account is missing')]);
    expect(problemsOf({ container: 'backups', account: 'acct1', accountKey: key, sasToken: key })).toEqual([
      expect.stringContaining('sasToken is there beside accountKey'),
    ]);
    expect(problemsOf({ container: 'backups', account: 'acct1', connectionString: key })).toEqual([
      expect.stringContaining('connectionString is there beside account'),
    ]);
    // A credentials command may stand for all of them.
    expect(problemsOf({ container: 'backups', account: 'acct1' })).toEqual([]);
  });

  test('is another place in another account', () => {
    const place = (account: string) => azureOptions.placeOf({ container: 'backups', account, tier: 'Hot' });
    expect(place('acct1')).not.toBe(place('acct2'));
    expect(place('acct1')).toBe(azureOptions.placeOf({ container: 'backups', account: 'acct1' }));
  });
});
