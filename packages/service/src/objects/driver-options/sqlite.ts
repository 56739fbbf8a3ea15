import { posix } from 'node:path';
import { absolutePath, group, url } from '../../config/fields.ts';
import { driverOptions, encodePath } from './driver-options.ts';

const example = '/srv/shop/shop.db';

export const sqliteOptions = driverOptions({
  declared: group(
    {
      path: absolutePath('the database file; this or `url`', example).optional(),
      url: url({
        help: 'the database file with parameters, such as `attach`; this or `path`',
        schemes: ['sqlite'],
        example: 'sqlite:/srv/shop/shop.db?attach=archive:/srv/shop/archive.db',
        check: relativeProblem,
      }).optional(),
    },
    'A SQLite database: a file on the node that backs it up',
  ).superRefine(({ path, url }, context) => {
    if ((path === undefined) === (url === undefined)) {
      const message =
        path === undefined
          ? 'is missing: expected path or url'
          : 'is there beside path: expected one of the two';
      context.addIssue({ code: 'custom', path: [path === undefined ? 'path' : 'url'], message });
    }
  }),
  toUrl: ({ path, url }) =>
    path === undefined ? (url ?? '') : `sqlite:${encodePath(posix.normalize(path))}`,
  example: { path: example },
});

function relativeProblem(text: string): string | undefined {
  const rest = text.replace(/^sqlite:/i, '');
  const beginsAtRoot = /^(?:\/|%2f|\$\{)/i;
  const attached = [...rest.matchAll(/[?&]attach=[^&:]*(?::|%3a)([^&]*)/gi)].map((match) => match[1] ?? '');
  if ([rest, ...attached].every((path) => beginsAtRoot.test(path))) return undefined;
  return `expected paths from the root, such as sqlite:${example}: nodes work in different folders`;
}
