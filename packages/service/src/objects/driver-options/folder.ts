import { posix } from 'node:path';
import { absolutePath, choice, group, whole } from '../../config/fields.ts';
import { driverOptions, encodePath } from './driver-options.ts';

const example = '/var/backups/holdfast';

export const folderOptions = driverOptions({
  declared: group(
    {
      path: absolutePath('the folder, or the folder that a network path is mounted on', example),
      mount: choice(['required'], 'refuse to write while nothing is mounted there').optional(),
      callTimeout: whole(
        [1, 3600],
        'seconds after which a call that the file system does not answer counts as hung; 60 if it is left out',
      ).optional(),
    },
    'A folder, local or mounted from elsewhere',
  ),
  toUrl: ({ path, mount, callTimeout }) => {
    const parameters = [mount && `mount=${mount}`, callTimeout && `callTimeout=${callTimeout}`].filter(
      Boolean,
    );
    return `file:${encodePath(tidy(path))}${parameters.length > 0 ? `?${parameters.join('&')}` : ''}`;
  },
  takesCredentials: false,
  example: { path: example },
});

function tidy(path: string): string {
  return posix.normalize(path).replace(/(?<=.)\/+$/, '');
}
