import { absolutePath, choice, flag, group, secret, text, whole } from '../../config/fields.ts';
import { driverOptions, encodePath } from './driver-options.ts';

const key = '$' + '{env:AZURE_STORAGE_KEY}';
const ways = ['accountKey', 'sasToken', 'connectionString', 'identity'] as const;

const fields = group(
  {
    container: text({
      help: 'the container, which has to be there',
      expected: 'a name of 3 to 63 small letters, digits and single hyphens',
      pattern: /^(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*$/,
    }),
    prefix: text({
      help: 'what the names of all objects begin with; none by default',
      expected: 'a relative path such as holdfast/production',
      check: (value) =>
        value.split('/').some((part) => ['', '.', '..'].includes(part))
          ? 'expected a relative path such as holdfast/production, without empty parts'
          : undefined,
    }).optional(),
    account: text({
      help: 'the storage account; not beside `connectionString`',
      expected: 'a name of 3 to 24 small letters and digits',
      pattern: /^[a-z0-9]{3,24}$/,
    }).optional(),
    endpoint: text({
      help: 'where the account is, unless at https://ACCOUNT.blob.core.windows.net',
      label: 'URL',
      expected: 'a URL such as https://backups.blob.core.chinacloudapi.cn',
      pattern: /^https?:\/\/[^\s?#@]+$/,
    }).optional(),
    accountKey: secret('a key of the account; wants `account`').optional(),
    sasToken: secret('a shared access signature; wants `account` or `endpoint`').optional(),
    connectionString: secret('names the account and lets in, both').optional(),
    identity: choice(
      ['default', 'managed'],
      'the identity of the machine, or whatever identity the environment names (default)',
    ).optional(),
    clientId: text({
      help: 'which managed identity, where the machine has several; wants `identity`',
      expected: 'the client ID of a managed identity',
      pattern: /^[\w-]+$/,
    }).optional(),
    tier: choice(
      ['Hot', 'Cool', 'Cold', 'Archive'],
      "the tier of data; the account's default unless said",
    ).optional(),
    manifestTier: choice(
      ['Hot', 'Cool', 'Cold'],
      'the tier of what must be readable at once; Hot where `tier` is said',
    ).optional(),
    immutableDays: whole([1, 36_500], 'for so many days nothing that was written can be deleted').optional(),
    immutableMode: choice(
      ['Unlocked', 'Locked'],
      'whether the policy may still be changed; Unlocked unless said',
    ).optional(),
    legalHold: flag('puts a legal hold on everything that is written').optional(),
    blockSize: whole(
      [1, 256],
      'of the parts in which large objects are sent, in MiB; 8 by default',
    ).optional(),
    caFile: absolutePath(
      'authorities to trust beside those of the system, as PEM',
      '/etc/ssl/own-ca.pem',
    ).optional(),
  },
  'A container of Azure Blob Storage',
).superRefine((declared, context) => {
  const given = ways.filter((way) => declared[way] !== undefined);
  if (given.length > 1) {
    const [first = '', second = ''] = given;
    const message = `is there beside ${first}: expected one way to be let in`;
    context.addIssue({ code: 'custom', path: [second], message });
  }
  const { account, endpoint, connectionString, accountKey, clientId, identity, immutableMode } = declared;
  const named = account !== undefined || endpoint !== undefined;
  const issue = (path: string, message: string) =>
    context.addIssue({ code: 'custom', path: [path], message });
  if (connectionString === undefined && !named) issue('account', 'is missing: expected the storage account');
  if (accountKey !== undefined && account === undefined && endpoint !== undefined)
    issue('account', 'is missing: accountKey wants it beside endpoint');
  if (connectionString !== undefined && named)
    issue('connectionString', 'is there beside account or endpoint, which it names itself');
  if (clientId !== undefined && identity === undefined) issue('clientId', 'says nothing without identity');
  if (immutableMode !== undefined && declared.immutableDays === undefined)
    issue('immutableMode', 'says nothing without immutableDays');
});

export const azureOptions = driverOptions({
  declared: fields,
  toUrl: ({ container, prefix = '', ...rest }) =>
    `azure://${container}/${encodePath(prefix)}${parametersOf(rest)}`,
  // The same container name in two accounts is two places.
  placeOf: ({ container, prefix = '', account, endpoint, connectionString }) =>
    `azure:${endpoint ?? account ?? connectionString ?? ''}/${container}/${prefix}`,
  example: {
    container: 'backups',
    prefix: 'holdfast',
    account: 'examplebackups',
    accountKey: key,
    tier: 'Cool',
  },
});

function parametersOf(declared: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const pairs = Object.entries(declared).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (typeof value === 'boolean') return [`${name}=${value ? 'on' : 'off'}`];
    // A placeholder stays as it is written: its value is encoded when it is filled in.
    const text = String(value);
    return [`${name}=${text.startsWith('${') ? text : encodeURIComponent(text)}`];
  });
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}
