import { HoldfastError, redactUrl } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { parseAzureUrl } from './url.ts';

const key = Buffer.alloc(64, 251).toString('base64');
const sas = 'sv=2024-11-04&sr=c&sp=rcwdl&se=2030-01-01T00%3A00%3A00Z&sig=a%2Bb%2Fc%3D';
const base = `azure://backups/holdfast?account=acct1&accountKey=${encodeURIComponent(key)}`;

function refusal(url: string, commanded = false): HoldfastError {
  try {
    parseAzureUrl(url, commanded);
  } catch (error) {
    return HoldfastError.from(error);
  }
  throw new Error(`was not refused: ${url}`);
}

describe('the URL of a container', () => {
  test('names container, prefix and account', () => {
    expect(parseAzureUrl(base)).toEqual({
      container: 'backups',
      prefix: 'holdfast/',
      account: 'acct1',
      access: { endpoint: 'https://acct1.blob.core.windows.net', account: 'acct1', accountKey: key },
      writing: { legalHold: false, blockBytes: 8 * 1024 * 1024 },
    });
    expect(parseAzureUrl(base.replace('/holdfast', '')).prefix).toBe('');
    expect(parseAzureUrl(base.replace('/holdfast', '/a%20b/c/')).prefix).toBe('a b/c/');
  });

  test('has one endpoint: that of the account, or the one that is said', () => {
    const said = encodeURIComponent('https://acct1.blob.core.chinacloudapi.cn/');
    expect(parseAzureUrl(`${base}&endpoint=${said}`).access?.endpoint).toBe(
      'https://acct1.blob.core.chinacloudapi.cn',
    );
    for (const wrong of ['acct1.blob.core.windows.net', 'ftp://x', 'https://u:p@x', 'https://x?sig=1'])
      expect(refusal(`${base}&endpoint=${encodeURIComponent(wrong)}`)).toMatchObject({
        code: 'config_invalid',
        hint: expect.stringContaining('endpoint='),
      });
  });

  test('holds a key of which the + were not encoded', () => {
    const raw = `azure://backups?account=acct1&accountKey=${key}`;
    expect(key).toContain('+');
    expect(parseAzureUrl(raw).access?.accountKey).toBe(key);
  });

  test('holds a SAS token, however often it was encoded', () => {
    for (const form of [
      encodeURIComponent(sas),
      encodeURIComponent(decodeURIComponent(sas)),
      `%3F${encodeURIComponent(sas)}`,
    ]) {
      const { access } = parseAzureUrl(`azure://backups?account=acct1&sasToken=${form}`);
      expect(access).toEqual({ endpoint: 'https://acct1.blob.core.windows.net', sasToken: sas });
    }
  });

  test('says how a SAS token that was pasted as it is has to be written', () => {
    expect(refusal(`azure://backups?account=acct1&sasToken=${sas}`)).toMatchObject({
      code: 'config_invalid',
      hint: expect.stringContaining('%26sig%3D'),
    });
  });

  test('holds a connection string, with a key or a SAS token', () => {
    const keyed = `DefaultEndpointsProtocol=https;AccountName=acct1;AccountKey=${key};EndpointSuffix=core.usgovcloudapi.net`;
    expect(parseAzureUrl(`azure://backups?connectionString=${encodeURIComponent(keyed)}`).access).toEqual({
      endpoint: 'https://acct1.blob.core.usgovcloudapi.net',
      account: 'acct1',
      accountKey: key,
    });
    const signed = `BlobEndpoint=http://127.0.0.1:1/acct1/;SharedAccessSignature=${sas}`;
    expect(parseAzureUrl(`azure://backups?connectionString=${encodeURIComponent(signed)}`).access).toEqual({
      endpoint: 'http://127.0.0.1:1/acct1',
      sasToken: sas,
    });
    for (const wrong of [
      '',
      'AccountName=acct1',
      `AccountKey=${key}`,
      'BlobEndpoint=x;SharedAccessSignature=x',
    ])
      expect(refusal(`azure://backups?connectionString=${encodeURIComponent(wrong)}`).code).toBe(
        'config_invalid',
      );
  });

  test('has exactly one way of credentials, or a program that gives them', () => {
    expect(refusal('azure://backups?account=acct1')).toMatchObject({
      hint: expect.stringContaining('accountKey'),
    });
    expect(parseAzureUrl('azure://backups?account=acct1', true).access).toBeUndefined();
    expect(refusal(`${base}&identity=managed`).reason).toContain('two ways');
    expect(refusal('azure://backups?account=acct1&identity=someone').hint).toContain('default or managed');
    expect(refusal(`${base}&clientId=1`).reason).toContain('clientId says nothing');
    expect(refusal(base.replace('account=acct1&', '')).hint).toContain('account=NAME');
    expect(refusal(`azure://backups?account=acct1&connectionString=x`).reason).toContain('beside account');
    expect(parseAzureUrl('azure://backups?account=acct1&identity=managed&clientId=c').access).toEqual({
      endpoint: 'https://acct1.blob.core.windows.net',
      identity: 'managed',
      clientId: 'c',
    });
  });

  test('says how objects are written', () => {
    const more = 'tier=archive&manifestTier=Cool&immutableDays=30&legalHold=on&blockSize=16';
    expect(parseAzureUrl(`${base}&${more}`).writing).toEqual({
      tier: 'Archive',
      hotTier: 'Cool',
      immutableDays: 30,
      immutableMode: 'Unlocked',
      legalHold: true,
      blockBytes: 16 * 1024 * 1024,
    });
    expect(parseAzureUrl(`${base}&tier=Cold`).writing.hotTier).toBe('Hot');
    for (const wrong of [
      'tier=Warm',
      'manifestTier=Archive',
      'immutableDays=0',
      'immutableDays=x',
      'immutableMode=Locked',
      'blockSize=0',
      'blockSize=257',
      'legalHold=maybe',
    ])
      expect(refusal(`${base}&${wrong}`), wrong).toMatchObject({
        code: 'config_invalid',
        hint: expect.any(String),
      });
  });

  test('refuses what is not one, and what it does not know', () => {
    for (const wrong of [
      'azure:backups',
      'azure://',
      'azure://B',
      'azure://-backups',
      'azure://a--b',
      'azure://ab',
    ])
      expect(refusal(wrong).code, wrong).toBe('config_invalid');
    expect(refusal(`${base}&accountkey=1`).hint).toContain('did you mean accountKey');
    for (const prefix of ['a//b', '../up', 'a/.', 'dot./x', 'back%5Cslash', '%zz'])
      expect(refusal(base.replace('/holdfast', `/${prefix}`)).code, prefix).toBe('config_invalid');
  });

  test('never shows a secret: not when it is shown, nor when it is refused', () => {
    const secret = 'c2VjcmV0LXNlY3JldC1zZWNyZXQ';
    for (const name of ['accountKey', 'sasToken', 'connectionString']) {
      expect(redactUrl(`azure://backups?account=acct1&${name}=${secret}`)).not.toContain(secret);
      const { reason, hint } = refusal(`azure://backups?account=acct1&${name}=${secret}`);
      expect(`${reason} ${hint}`).not.toContain(secret);
    }
  });
});
