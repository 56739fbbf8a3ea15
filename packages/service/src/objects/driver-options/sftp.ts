import { absolutePath, group, list, secret, text, whole } from '../../config/fields.ts';
import { driverOptions, encodePath } from './driver-options.ts';

const password = '$' + '{env:SFTP_PASSWORD}';
const fingerprint = 'SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

const fields = group(
  {
    host: text({
      help: 'the server',
      label: 'host',
      expected: 'a name or an address such as backup.example.com',
      pattern: /^[A-Za-z0-9._:-]+$/,
    }),
    port: whole([1, 65_535], '22 by default').optional(),
    user: text({
      help: 'who logs in; a credentials command may say so instead',
      expected: 'the name of a user',
    }).optional(),
    path: text({
      help: "the folder: from the server's root, or ~/… for one below the folder that the user is in after logging in",
      label: 'path',
      expected: 'a path such as /srv/backups or ~/backups, without . and ..',
      check: (value) =>
        /^(?:\/|~(?:\/|$))/.test(value) && !value.split('/').some((name) => name === '.' || name === '..')
          ? undefined
          : 'expected a path such as /srv/backups or ~/backups, without . and ..',
    }),
    password: secret('of the user').optional(),
    privateKey: absolutePath('a file with a private key', '/etc/holdfast/backup_ed25519').optional(),
    passphrase: secret('of that file; wants `privateKey`, or a credentials command').optional(),
    agent: text({
      help: 'env for the SSH agent that SSH_AUTH_SOCK names, or the path of its socket',
      expected: 'env or a path from the root',
      pattern: /^(?:env$|\/)/,
    }).optional(),
    hostKey: list(
      text({
        help: 'a fingerprint',
        label: 'fingerprint',
        expected: 'SHA256: and 43 characters, as ssh-keygen -l prints it',
        pattern: /^SHA256:[A-Za-z0-9+/]{43}$/,
      }),
      {
        help: "fingerprints of the server's keys; then no file of known hosts is read",
        expected: 'fingerprints',
      },
    ).optional(),
    knownHosts: absolutePath(
      "a file of known hosts, in place of the user's and the system's own",
      '/etc/holdfast/known_hosts',
    ).optional(),
    parallel: whole([1, 16], 'connections at once; 4 by default').optional(),
  },
  'A folder on a server that speaks SFTP',
).superRefine((declared, context) => {
  const { user, password, privateKey, passphrase, hostKey, knownHosts } = declared;
  const issue = (path: string, message: string) =>
    context.addIssue({ code: 'custom', path: [path], message });
  if (password !== undefined && user === undefined) issue('user', 'is missing: password wants it');
  if (passphrase !== undefined && privateKey === undefined)
    issue('passphrase', 'says nothing without privateKey');
  if (hostKey !== undefined && knownHosts !== undefined)
    issue('knownHosts', 'says nothing beside hostKey, which alone counts');
});

export const sftpOptions = driverOptions({
  declared: fields,
  toUrl: ({ host, port, path, user, password: secretPassword, ...rest }) => {
    // A placeholder stays as it is written: its value is encoded when it is filled in.
    const login = user === undefined ? '' : encodeURIComponent(user);
    const both = secretPassword === undefined ? login : `${login}:${secretPassword}`;
    const address = `${addressOf(host)}${port === undefined ? '' : `:${port}`}`;
    return `sftp://${both === '' ? '' : `${both}@`}${address}${pathOf(path)}${parametersOf(rest)}`;
  },
  // Whoever logs in, and however: it is the same folder, unless it is one of the user's own.
  placeOf: ({ host, port = 22, path, user }) =>
    `sftp://${path.startsWith('~') ? `${user ?? ''}@` : ''}${addressOf(host)}:${port}${pathOf(path)}`,
  example: {
    host: 'backup.example.com',
    user: 'holdfast',
    path: '/srv/backups',
    password,
    hostKey: [fingerprint],
  },
});

function addressOf(host: string): string {
  return host.includes(':') ? `[${host}]` : host.toLowerCase();
}

function pathOf(path: string): string {
  const names = path.split('/').filter((name) => name !== '');
  return `/${encodePath(names.join('/')).replace(/^%7E/, '~')}`;
}

function parametersOf(
  declared: Readonly<Record<string, string | number | readonly string[] | undefined>>,
): string {
  const pairs = Object.entries(declared).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const text = String(value);
    return [`${name}=${text.startsWith('${') ? text : encodeURIComponent(text)}`];
  });
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}
