import { posix } from 'node:path';
import { absolutePath, choice, group } from '../../config/fields.ts';
import { driverOptions, encodePath } from './driver-options.ts';

const example = '/var/backups/holdfast';

export const folderOptions = driverOptions({
  declared: group(
    {
      path: absolutePath('the folder, or the folder that a network path is mounted on', example),
      mount: choice(['required'], 'refuse to write while nothing is mounted there').optional(),
    },
    'A folder, local or mounted from elsewhere',
  ),
  toUrl: ({ path, mount }) => `file:${encodePath(tidy(path))}${mount ? '?mount=required' : ''}`,
  takesCredentials: false,
  example: { path: example },
});

function tidy(path: string): string {
  return posix.normalize(path).replace(/(?<=.)\/+$/, '');
}
