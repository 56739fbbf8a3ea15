import { absolutePath, choice, flag, group, secret, text, whole } from '../../config/fields.ts';
import { driverOptions, encodePath } from './driver-options.ts';

const example = 'backup.example.com';

const fields = group(
  {
    host: text({
      help: 'the server, by the name that its certificate is made out to',
      label: 'host',
      expected: `a name or an address such as ${example}`,
      pattern: /^[^\s/?#@:[\]]+$|^[0-9a-f:.]*:[0-9a-f:.]*$/i,
    }),
    port: whole([1, 65_535], '21, or 990 with implicit TLS, unless said').optional(),
    user: text({
      help: 'who logs in; not needed where a command prints it',
      expected: 'the name of a user',
    }).optional(),
    password: secret('of the user; not needed where a command prints it').optional(),
    path: text({
      help: "the folder, from the server's root; ~/ is where a login starts",
      label: 'path',
      expected: 'a path such as /backups or ~/backups, without the parts . and ..',
      pattern: /^(?!(?:.*\/)?\.{1,2}(?:\/|$))[~/]/,
    }),
    tls: choice(
      ['explicit', 'implicit'],
      'whether TLS begins when it is asked for, as most servers have it, or with the first byte',
    ).optional(),
    allowPlaintext: flag(
      'do without TLS: the password and all data cross the network in the clear, readable and changeable by anybody on the way',
    ).optional(),
    caFile: absolutePath(
      'the certificates (PEM) of the authorities to trust instead of the usual ones',
      '/etc/ssl/own-ca.pem',
    ).optional(),
    fingerprint: text({
      help: "SHA-256 of the server's certificate, the only one that is then accepted, whoever signed it",
      expected: 'SHA256: and 64 hexadecimal digits, with or without colons',
      pattern: /^(?:SHA256:)?(?:[0-9a-f]{2}:?){32}$|^SHA256:[A-Za-z0-9+/]{43}=?$/i,
    }).optional(),
    serverName: text({
      help: 'what the certificate is made out to, where that is not the host',
      expected: 'a name such as ftp.example.com',
      pattern: /^[^\s/?#@]+$/,
    }).optional(),
    parallel: whole([1, 16], 'transfers at once, each on a connection of its own; 4 unless said').optional(),
  },
  'A folder of an FTP server, over TLS',
).superRefine((declared, context) => {
  const issue = (path: string, message: string): void =>
    context.addIssue({ code: 'custom', path: [path], message });
  if (declared.password !== undefined && declared.user === undefined)
    issue('user', 'is missing: expected who the password is of');
  if (declared.allowPlaintext !== true) return;
  for (const name of ['tls', 'caFile', 'fingerprint', 'serverName'] as const)
    if (declared[name] !== undefined) issue(name, 'is about TLS, which allowPlaintext does without');
});

interface Place {
  readonly host: string;
  readonly port?: number | undefined;
  readonly path: string;
}

export const ftpOptions = driverOptions({
  declared: fields,
  toUrl: ({ allowPlaintext, user, password, tls, host, port, path, ...rest }) => {
    const plain = allowPlaintext === true;
    // A placeholder stays as it is written: its value is encoded when it is filled in.
    const login =
      user === undefined ? '' : `${encodeURIComponent(user)}${password === undefined ? '' : `:${password}`}@`;
    const parameters = [
      ...(plain ? ['allowPlaintext=true'] : []),
      ...(tls === 'implicit' ? ['implicit=true'] : []),
      ...Object.entries(rest).flatMap(([name, value]) =>
        value === undefined ? [] : [`${name}=${encodeURIComponent(String(value))}`],
      ),
    ];
    const query = parameters.length === 0 ? '' : `?${parameters.join('&')}`;
    return `${plain ? 'ftp' : 'ftps'}://${login}${authority({ host, port, path })}${query}`;
  },
  // Who logs in decides where ~ is, and what / is for servers that lock users into their homes.
  placeOf: ({ user = '', ...rest }) => `ftp://${encodeURIComponent(user)}@${authority(rest)}`,
  example: {
    host: example,
    user: 'holdfast',
    password: '$' + '{file:/run/secrets/ftp}',
    path: '/backups',
  },
});

function authority({ host, port, path }: Place): string {
  const name = host.includes(':') ? `[${host}]` : host.toLowerCase();
  const folder = path.replace(/\/+/g, '/').replace(/^\/|\/$/g, '');
  return `${name}${port === undefined ? '' : `:${port}`}/${encodePath(folder).replace(/^%7E/, '~')}`;
}
